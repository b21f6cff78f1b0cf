//! chrony.

use anyhow::{Context, Result, bail};

use super::{DaemonStatus, Layout, LinuxProvider, Peer, PeerKind, Provider};
use crate::facts::{Facts, Family};
use crate::inventory::spec::ProviderChoice;
use crate::report::DaemonReport;
use crate::resource::Slice;

/// chronyd, asked through `chronyc -c` (comma separated values, no words of people).
pub(super) struct Chrony;

/// Separates the two answers of [`Provider::status`].
const DIVIDER: &str = "--";

/// Reference id of a chronyd that serves its own clock, 127.127.1.1 (directive `local`).
const OWN_CLOCK: &str = "7F7F0101";

impl Provider for Chrony {
    fn name(&self) -> &'static str {
        "chrony"
    }

    fn choice(&self) -> ProviderChoice {
        ProviderChoice::Chrony
    }

    fn playbook(&self) -> &'static str {
        "linux-chrony.yml"
    }

    /// Its default `maxslewrate`.
    fn slew_ppm(&self) -> f64 {
        83_333.0
    }

    /// The third answer, the names that the configuration has for the sources, came with chrony 4.0.
    fn status(&self) -> &'static str {
        "chronyc -n -c tracking && echo -- && chronyc -n -c sources && echo -- && { chronyc -N -c sources 2>/dev/null || :; }"
    }

    fn parse_status(&self, seen: &Slice) -> Result<DaemonStatus> {
        if seen.status != 0 {
            return Ok(silent(seen));
        }
        let lines: Vec<&str> = seen.stdout.lines().collect();
        let mut answers = lines.split(|line| *line == DIVIDER);
        let tracking = answers.next().and_then(|lines| lines.first()).context("chronyc tracking printed nothing")?;
        let mut peers = answers.next().into_iter().flatten().map(|line| peer(line)).collect::<Result<Vec<_>>>()?;
        name(&mut peers, answers.next().unwrap_or_default());
        Ok(DaemonStatus { report: report(tracking, &peers)?, peers })
    }
}

impl LinuxProvider for Chrony {
    fn units(&self) -> &'static [&'static str] {
        &["chrony", "chronyd"]
    }

    fn layout(&self, facts: &Facts) -> Layout {
        let debian = Layout {
            package: "chrony",
            service: "chrony",
            units: &["chrony", "chronyd"],
            config: "/etc/chrony/chrony.conf",
            driftfile: "/var/lib/chrony/chrony.drift",
            logdir: "/var/log/chrony",
            validate: "chronyd -p -f {}".to_owned(),
        };
        match facts.family {
            Family::Debian => debian,
            Family::RedHat | Family::Suse => {
                Layout { service: "chronyd", config: "/etc/chrony.conf", driftfile: "/var/lib/chrony/drift", ..debian }
            }
        }
    }

    fn ready(&self) -> &'static str {
        "fc_t=$(chronyc -n -c tracking 2>/dev/null) && [ \"${fc_t%%,*}\" != 00000000 ]"
    }

    /// The last of three octal digits is that of the last three polls.
    fn followed(&self) -> &'static str {
        r"chronyc -n -c sources 2>/dev/null | sed -n 's/^.,\*,\([^,]*\),[^,]*,[^,]*,[0-7]*[1-7],.*/\1/p'"
    }

    fn age(&self) -> &'static str {
        "chronyc -n -c sources 2>/dev/null | sed -n 's/^\\([^,]*,\\)\\{6\\}\\([0-9]*\\),.*/\\2/p' | sort -n | head -n 1"
    }
}

/// chronyd does not answer.
fn silent(seen: &Slice) -> DaemonStatus {
    let words = if seen.stdout.trim().is_empty() { &seen.stderr } else { &seen.stdout };
    let report = DaemonReport {
        provider: "chrony".to_owned(),
        synchronised: false,
        source: None,
        stratum: None,
        offset_s: None,
        root_dispersion_s: None,
        root_delay_s: None,
        since_s: None,
        refid: None,
        own_clock: false,
        detail: format!("chronyc: {}", words.trim()),
    };
    DaemonStatus { report, peers: Vec::new() }
}

/// Reads `chronyc -c tracking`: reference id, address, stratum, reference time, correction,
/// last offset, RMS offset, frequency, residual, skew, root delay, root dispersion, interval, leap.
fn report(line: &str, peers: &[Peer]) -> Result<DaemonReport> {
    let fields: Vec<&str> = line.split(',').collect();
    let [reference, source, stratum, _, correction, .., dispersion, _, _] = fields[..] else {
        bail!("chronyc tracking printed `{line}`");
    };
    let synchronised = reference != "00000000";
    Ok(DaemonReport {
        provider: "chrony".to_owned(),
        synchronised,
        source: synchronised.then(|| source.to_owned()).filter(|source| !source.is_empty()),
        stratum: synchronised.then(|| stratum.parse().ok()).flatten(),
        offset_s: correction.parse().ok(),
        root_dispersion_s: dispersion.parse().ok().filter(|_| synchronised),
        root_delay_s: None,
        since_s: None,
        refid: synchronised.then(|| reference.to_ascii_lowercase()),
        own_clock: reference == OWN_CLOCK,
        detail: if synchronised { String::new() } else { why_not(peers) },
    })
}

fn why_not(peers: &[Peer]) -> String {
    let reached = peers.iter().filter(|peer| peer.reach != Some(0)).count();
    match (peers.len(), reached) {
        (0, _) => "no source is configured".to_owned(),
        (all, 0) => format!("none of {all} sources has answered"),
        (all, some) => format!("{some} of {all} sources have answered, none is selected"),
    }
}

/// Reads a line of `chronyc -c sources`: mode, state, name, stratum, poll, reach (octal), age of the
/// last sample (all ones: none), ...
fn peer(line: &str) -> Result<Peer> {
    let fields: Vec<&str> = line.split(',').collect();
    let [mode, state, address, _, _, reach, age, ..] = fields[..] else {
        bail!("chronyc sources printed `{line}`");
    };
    Ok(Peer {
        address: address.to_owned(),
        name: None,
        selected: state == "*",
        reach: Some(u8::from_str_radix(reach, 8).with_context(|| format!("chronyc sources printed `{line}`"))?),
        last_s: age.parse().ok().filter(|age| *age < u64::from(u32::MAX)),
        kind: if mode == "#" { PeerKind::Clock } else { PeerKind::Server },
    })
}

/// Gives the sources the names that their configuration has for them; both answers are in one order.
fn name(peers: &mut [Peer], lines: &[&str]) {
    if peers.len() == lines.len() {
        for (peer, line) in peers.iter_mut().zip(lines) {
            peer.name = line.split(',').nth(2).map(str::to_owned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(stdout: &str, status: i32) -> Slice {
        Slice { stdout: stdout.to_owned(), stderr: String::new(), status }
    }

    const SYNCED: &str = "0A0A0A01,10.10.10.1,11,1795150000.1,0.000001,-0.000002,0.000002,-1.5,0.0,0.1,0.000200,0.000300,16.1,Normal\n--\n^,*,10.10.10.1,10,6,377,23,0.000001,0.000001,0.000100\n^,?,10.10.10.9,0,6,0,4294967295,0.0,0.0,0.0\n";

    #[test]
    fn a_selected_source_is_synchronised() {
        let status = Chrony.parse_status(&seen(SYNCED, 0)).unwrap();
        assert!(status.report.synchronised);
        assert_eq!(status.report.source.as_deref(), Some("10.10.10.1"));
        assert_eq!(status.report.stratum, Some(11));
        assert_eq!(status.report.root_dispersion_s, Some(0.0003));
        let first = &status.peers[0];
        assert_eq!((first.address.as_str(), first.selected, first.reach), ("10.10.10.1", true, Some(0o377)));
        assert_eq!((first.last_s, status.peers[1].last_s), (Some(23), None));
        assert!(!status.peers[1].selected);
        assert_eq!((status.report.refid.as_deref(), status.report.own_clock), (Some("0a0a0a01"), false));
    }

    #[test]
    fn a_source_has_the_name_of_the_configuration_and_a_clock_is_no_server() {
        let text = SYNCED.replace("^,?,10.10.10.9", "#,?,GPS");
        let named = "--\n^,*,ntp1.lab,10,6,377,23,0.0,0.0,0.0\n#,?,GPS,0,6,0,4294967295,0.0,0.0,0.0\n";
        let status = Chrony.parse_status(&seen(&format!("{text}{named}"), 0)).unwrap();
        assert_eq!(status.peers[0].name.as_deref(), Some("ntp1.lab"));
        assert_eq!((status.peers[1].name.as_deref(), status.peers[1].kind), (Some("GPS"), PeerKind::Clock));
    }

    #[test]
    fn its_own_clock_is_known_by_its_reference() {
        let text = "7F7F0101,,10,1795594892.1,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,Normal\n--\n--\n";
        let status = Chrony.parse_status(&seen(text, 0)).unwrap();
        assert!(status.report.synchronised && status.report.own_clock && status.report.source.is_none());
    }

    #[test]
    fn no_selection_says_why() {
        let text = SYNCED.replace("0A0A0A01", "00000000").replace("^,*", "^,?");
        let status = Chrony.parse_status(&seen(&text, 0)).unwrap();
        assert!(!status.report.synchronised);
        assert_eq!(status.report.detail, "1 of 2 sources have answered, none is selected");
    }

    #[test]
    fn a_silent_daemon_is_a_status_and_not_an_error() {
        let status = Chrony.parse_status(&seen("506 Cannot talk to daemon\n", 1)).unwrap();
        assert_eq!(status.report.detail, "chronyc: 506 Cannot talk to daemon");
    }

    #[test]
    fn garbage_is_an_error_that_shows_it() {
        let error = Chrony.parse_status(&seen("what\n", 0)).unwrap_err();
        assert!(error.to_string().contains("`what`"));
    }
}
