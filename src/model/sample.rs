//! Reports made by hand, for tests.

use super::{HostReport, Status};

/// A host of which nothing is known but how it ended.
pub(crate) fn host(name: &str, status: Status) -> HostReport {
    HostReport {
        os: Some("Debian GNU/Linux 12".to_owned()),
        provider: Some("chrony".to_owned()),
        status,
        limit_s: Some(0.1),
        executions: 2,
        seconds: 1.0,
        ..HostReport::blank(name, "10.10.10.1", "slave")
    }
}
