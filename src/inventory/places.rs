//! Where the file says what of a host: what is not so on the host is shown there.

use std::sync::Arc;

use super::load::Draft;
use super::node::At;

/// Where the file says what of a host. What it does not say has no place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The files that were read; a place says which of them is meant.
    pub files: Arc<[String]>,
    /// The host itself.
    pub host: At,
    /// The first of its sources.
    pub sources: Option<At>,
    /// Whom it serves.
    pub serve: Option<At>,
    /// Its time service.
    pub provider: Option<At>,
    /// Its firewall.
    pub firewall: Option<At>,
}

impl Places {
    pub(super) fn of(host: &Draft) -> Places {
        let s = &host.settings;
        let first = s.upstream.iter().flatten().chain(s.follows.iter().flatten()).next();
        Places {
            files: Arc::default(),
            host: host.at,
            sources: first.map(|line| line.at),
            serve: s.serve.as_ref().map(|(_, at)| *at),
            provider: s.provider.map(|(_, at)| at),
            firewall: s.firewall.map(|(_, at)| at),
        }
    }
}
