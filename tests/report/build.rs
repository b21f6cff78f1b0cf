//! Reports made by hand.

use fleetclock::model::{
    Certainty, DaemonReport, Delta, ErrorReport, Finding, FleetReport, Followed, HostReport, Mark, Outcome, Port123,
    Prober, Role, SCHEMA, Severity, SourceReport, Status, Summary, Verb, spread,
};

pub(crate) fn fleet(command: Verb, hosts: Vec<HostReport>) -> FleetReport {
    FleetReport {
        schema: SCHEMA,
        command,
        started: "2026-01-01T00:00:00Z".to_owned(),
        seconds: 2.1,
        exit_code: 0,
        conditions: Vec::new(),
        summary: Summary::of(&hosts),
        notes: Vec::new(),
        waves: Vec::new(),
        spread: spread::spread(&hosts),
        inventory: None,
        shard: None,
        since: None,
        hosts,
    }
}

/// The number at the end of the name is that of the address.
pub(crate) fn host(name: &str, status: Status) -> HostReport {
    let number = name.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_start_matches('0');
    let role = if name == "server1" { Role::Master } else { Role::Slave };
    HostReport {
        os: (status != Status::Unreachable).then(|| "Debian GNU/Linux 12".to_owned()),
        provider: (status != Status::Unreachable).then(|| "chrony".to_owned()),
        status,
        limit_s: Some(0.1),
        executions: 2,
        seconds: 1.0,
        ..HostReport::blank(name, &format!("10.10.10.{number}"), role)
    }
}

pub(crate) fn failed(name: &str, status: Status, message: &str, hint: Option<&str>) -> HostReport {
    HostReport { error: Some(error(message, hint)), ..host(name, status) }
}

pub(crate) fn error(message: &str, hint: Option<&str>) -> ErrorReport {
    ErrorReport { message: message.to_owned(), hint: hint.map(str::to_owned) }
}

pub(crate) fn delta(resource: &str, property: &str, from: Option<&str>, to: Option<&str>) -> Delta {
    Delta::new(resource.to_owned(), property, from.map(str::to_owned), to.map(str::to_owned))
}

/// A file whose content differs; `diff` begins with its first `@@`.
pub(crate) fn content(path: &str, from: Option<&str>, diff: &str) -> Delta {
    let mut delta = delta(&format!("file {path}"), "content", from, Some("sha256:0123456789ab"));
    delta.diff = Some(format!("--- {path} (on the host)\n+++ {path} (wanted)\n{diff}"));
    delta
}

/// A source of the inventory that is a host of it.
pub(crate) fn followed(host: &str) -> Followed {
    Followed { address: "10.10.10.1".to_owned(), host: Some(host.to_owned()) }
}

pub(crate) fn source(address: &str) -> SourceReport {
    SourceReport {
        address: address.to_owned(),
        ip: None,
        host: Some("server1".to_owned()),
        reachable: true,
        outcome: Outcome::Ok,
        stratum: Some(3),
        leap: Some(0),
        refid: None,
        offset_s: Some(-0.000_42),
        delay_s: Some(0.000_8),
        root_delay_s: Some(0.002),
        root_dispersion_s: Some(0.001),
        error_bound_s: Some(0.002_82),
        selected: true,
        reach: Some(255),
        last_answer_s: Some(12),
        within: Some(true),
        probe: Some(Prober::Static),
        polls_left: None,
        from_123: Some(Port123::Asked(Outcome::Ok)),
    }
}

pub(crate) fn daemon(synchronised: bool) -> DaemonReport {
    DaemonReport {
        provider: "chrony".to_owned(),
        synchronised,
        source: Some("10.10.10.1".to_owned()),
        stratum: Some(10),
        offset_s: Some(0.0),
        root_dispersion_s: Some(0.01),
        ..DaemonReport::default()
    }
}

pub(crate) fn finding() -> Finding {
    let text = |text: &str| text.to_owned();
    Finding {
        code: text("FC040"),
        severity: Severity::Error,
        certainty: Certainty::Certain,
        title: text("The firewall of the server is closed"),
        evidence: text("zone public has no ntp; server2 got: timeout"),
        command: text("firewall-cmd --zone=public --list-all"),
        on: text("server1"),
        about: String::new(),
        cause: text("firewalld zone `public` of server1 does not let NTP in."),
        fix: text("fleetclock apply -l server1"),
        configuration: true,
        excluded: vec![text("a host that is down: server1 answered our login")],
        affects: vec![text("server2"), text("server3")],
        paste: Vec::new(),
        mark: Mark::default(),
    }
}
