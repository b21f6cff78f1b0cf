//! Reports made by hand, for tests.

use super::{Condition, FleetReport, HostReport, Role, SCHEMA, Status, Summary, Verb};

/// A host of which nothing is known but how it ended.
pub(crate) fn host(name: &str, status: Status) -> HostReport {
    HostReport {
        os: Some("Debian GNU/Linux 12".to_owned()),
        provider: Some("chrony".to_owned()),
        status,
        limit_s: Some(0.1),
        executions: 2,
        seconds: 1.0,
        ..HostReport::blank(name, "10.10.10.1", Role::Slave)
    }
}

/// What `apply` came to on hosts that ended so.
pub(crate) fn fleet(hosts: &[(&str, Status)]) -> FleetReport {
    let hosts: Vec<HostReport> = hosts.iter().map(|(name, status)| host(name, *status)).collect();
    FleetReport {
        schema: SCHEMA,
        command: Verb::Apply,
        started: "2026-01-01T00:00:00Z".to_owned(),
        seconds: 1.5,
        exit_code: 0,
        conditions: Condition::holding(hosts.iter().map(|host| host.status)),
        summary: Summary::of(&hosts),
        notes: Vec::new(),
        waves: Vec::new(),
        spread: None,
        inventory: None,
        shard: None,
        since: None,
        hosts,
    }
}
