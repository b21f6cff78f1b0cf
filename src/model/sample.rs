//! Reports made by hand, for tests.

use super::{HostReport, Status};

/// A host of which nothing is known but how it ended.
pub(crate) fn host(name: &str, status: Status) -> HostReport {
    HostReport {
        name: name.to_owned(),
        address: "10.10.10.1".to_owned(),
        addresses: Vec::new(),
        os: Some("Debian GNU/Linux 12".to_owned()),
        role: "slave",
        provider: Some("chrony".to_owned()),
        status,
        limit_s: Some(0.1),
        deltas: Vec::new(),
        clock: None,
        sources: Vec::new(),
        daemon: None,
        findings: Vec::new(),
        warnings: Vec::new(),
        error: None,
        executions: 2,
        seconds: 1.0,
    }
}
