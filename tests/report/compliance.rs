//! Evidence for auditors: what is met, what is not, and what nobody has looked at.

use fleetclock::model::{FleetReport, Followed, HostReport, Role, Status, Verb};
use fleetclock::report::formats;

use crate::build::{daemon, delta, fleet, followed, host, source};

/// The lines, each in its cells, as a reader of CSV has them: it refuses lines that are not of one length.
fn table(report: &FleetReport) -> Vec<Vec<String>> {
    let mut text = Vec::new();
    formats::find("compliance").unwrap().write(report, &mut text).unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_slice());
    reader.deserialize().map(Result::unwrap).collect()
}

/// What is said of one control and host: result and what was seen.
#[track_caller]
fn said(hosts: Vec<HostReport>, control: &str, host: &str) -> String {
    let rows = table(&fleet(Verb::Verify, hosts));
    let row = rows.iter().find(|row| row[0].starts_with(control) && row[2] == host);
    row.map_or("no line".to_owned(), |row| format!("{}: {}", row[4], row[5]))
}

fn well() -> HostReport {
    let mut host = host("server2", Status::Unchanged);
    host.os = Some("Red Hat Enterprise Linux 9.4 (Plow)".to_owned());
    (host.sources, host.follows, host.daemon) =
        (vec![source("10.10.10.1")], vec![followed("server1")], Some(daemon(true)));
    host
}

fn changed(how: impl FnOnce(&mut HostReport)) -> Vec<HostReport> {
    let mut host = well();
    how(&mut host);
    vec![host]
}

#[test]
fn what_the_report_shows_is_met_or_not_and_the_rest_is_not_assessed() {
    let outside = Followed { address: "192.0.2.1".to_owned(), host: None };
    for (control, hosts, expected) in [
        ("PCI DSS 4.0.1 10.6.1", changed(|_| {}), "met: chrony is synchronised with 10.10.10.1"),
        (
            "PCI DSS 4.0.1 10.6.1",
            changed(|host| host.daemon = Some(daemon(false))),
            "not met: chrony is not synchronised",
        ),
        (
            "PCI DSS 4.0.1 10.6.1",
            changed(|host| host.daemon = None),
            "not assessed: this run did not measure the clock; `fleetclock verify` does",
        ),
        (
            "PCI DSS 4.0.1 10.6.1",
            changed(|host| host.status = Status::Unreachable),
            "not assessed: the host was not reached",
        ),
        ("PCI DSS 4.0.1 10.6.2 (a)", changed(|_| {}), "met: follows server1, named in the inventory"),
        (
            "PCI DSS 4.0.1 10.6.2 (a)",
            changed(|host| host.follows.push(outside)),
            "not met: is given sources that are no masters of the inventory: 192.0.2.1",
        ),
        ("PCI DSS 4.0.1 10.6.2 (a)", changed(|host| host.role = Role::Master), "no line"),
        ("PCI DSS 4.0.1 10.6.3 (a)", changed(|_| {}), "not assessed: not in the report"),
        ("PCI DSS 4.0.1 10.6.3 (b)", changed(|_| {}), "met: nothing differs from the inventory"),
        (
            "PCI DSS 4.0.1 10.6.3 (b)",
            changed(|host| host.status = Status::Failed),
            "not assessed: the host failed, see its error",
        ),
    ] {
        assert_eq!(said(hosts, control, "server2"), expected, "{control}");
    }
    let drifted = changed(|host| {
        (host.status, host.deltas) = (Status::Drifted, vec![delta("service chrony", "running", None, None)]);
    });
    let expected = "not met: differs from the inventory: service chrony running";
    assert_eq!(said(drifted, "PCI DSS 4.0.1 10.6.3 (b)", "server2"), expected);
}

#[test]
fn what_was_measured_is_held_against_the_number_of_the_standard() {
    for (control, hosts, expected) in [
        (
            "CIS RHEL 9 v2.0.0 2.3.2",
            changed(|host| host.follows.clear()),
            "not met: follows server1, not named in the inventory",
        ),
        ("STIG RHEL-09-252020", changed(|_| {}), "met: server1 answered 12.00 s ago"),
        (
            "STIG RHEL-09-252020",
            changed(|host| host.sources[0].last_answer_s = Some(86_401)),
            "not met: server1 answered 86401 s ago",
        ),
        (
            "STIG RHEL-09-252020",
            changed(|host| host.sources[0].last_answer_s = None),
            "not assessed: when server1 answered last is not known",
        ),
        ("STIG RHEL-09-252020", changed(|host| host.os = Some("Debian GNU/Linux 12".to_owned())), "no line"),
        ("CIS RHEL 9", changed(|host| host.os = Some("Debian GNU/Linux 12".to_owned())), "no line"),
        (
            "CIS RHEL 9 v2.0.0 2.3.1",
            changed(|host| host.os = Some("Rocky Linux 9.4 (Blue Onyx)".to_owned())),
            "met: chrony is synchronised with 10.10.10.1",
        ),
        (
            "CIS RHEL 9 v2.0.0 2.3.2",
            changed(|host| host.provider = Some("ntpd".to_owned())),
            "not met: the time service is ntpd, not chrony",
        ),
        (
            "CIS RHEL 9 v2.0.0 2.3.2",
            changed(|host| host.provider = None),
            "not assessed: the time service is not known",
        ),
        ("STIG RHEL-09-252015", changed(|_| {}), "not assessed: not in the report"),
        ("STIG WN19", changed(|_| {}), "no line"),
        (
            "STIG WN19",
            changed(|host| host.provider = Some("w32time".to_owned())),
            "met: follows server1, named in the inventory",
        ),
        (
            "fleetclock max_error",
            changed(|host| host.limit_s = Some(0.002)),
            "not met: error bound 2.82 ms to server1, limit 2.00 ms",
        ),
        ("FINRA 4590", changed(|_| {}), "met: error bound 2.82 ms to server1, limit 50.0 ms"),
        (
            "MiFID II RTS 25 (EU) 2017/574 annex, 1 ms",
            changed(|_| {}),
            "not met: error bound 2.82 ms to server1, limit 1.00 ms",
        ),
        ("FINRA 4590", changed(|host| host.sources[0].selected = false), "not met: no source is followed"),
    ] {
        assert_eq!(said(hosts, control, "server2"), expected, "{control}");
    }
}

#[test]
fn every_line_has_all_cells_and_no_cell_is_a_formula() {
    for evil in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "a\",\"b\r\n=1"] {
        let rows = table(&fleet(
            Verb::Verify,
            changed(|host| (host.name, host.sources[0].host) = (evil.to_owned(), Some(evil.to_owned()))),
        ));
        for row in &rows {
            assert_eq!(row.len(), 10, "{row:?}");
            assert!(!row.iter().any(|cell| cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])), "{row:?}");
        }
        // Nothing but the mark of a text stands before a name.
        assert!(evil.contains('\r') || rows.iter().any(|row| row[2].trim_start_matches('\'') == evil), "{rows:?}");
    }
}

#[test]
fn every_line_says_when_by_what_and_where_the_text_is() {
    let rows = table(&fleet(Verb::Verify, vec![well()]));
    assert_eq!(rows[0][..3], ["control", "requirement", "host"]);
    for row in &rows[1..] {
        assert_eq!(row[6], "2026-01-01T00:00:00Z");
        assert!(
            row[7].ends_with("verify") && (row[9].starts_with("https://") || std::path::Path::new(&row[9]).exists())
        );
        assert!(row[4] != "not assessed" || !row[8].is_empty(), "{row:?}: says nothing of why");
    }
}

#[test]
fn what_compares_nothing_says_nothing_of_the_configuration() {
    for (command, expected) in [
        (Verb::Check, "met"),
        (Verb::Plan, "met"),
        (Verb::Apply, "met"),
        (Verb::Verify, "met"),
        (Verb::Doctor, "not assessed"),
        (Verb::Undo, "not assessed"),
    ] {
        for status in [Status::Unchanged, Status::Changed] {
            let rows = table(&fleet(command, changed(|host| host.status = status)));
            let row = rows.iter().find(|row| row[0] == "PCI DSS 4.0.1 10.6.3 (b)").unwrap();
            assert_eq!(row[4], expected, "{command}");
            let why = "this run did not compare the configuration; `fleetclock check` does";
            assert_eq!(row[5] == why, expected == "not assessed", "{command}: {}", row[5]);
        }
    }
}
