//! Which hosts are meant: `--limit`, and the HOST arguments of verbs.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::Global;
use crate::exit::Hint as _;
use crate::input;
use crate::inventory::{Fleet, HostSpec, select};
use crate::last::{Last, is_failed};
use crate::model::Status;

/// Largest list of hosts that is read.
const LARGEST: u64 = 16 << 20;

/// What the hosts of a verb are called in its help and in messages.
const ARGUMENT: &str = "HOST";

impl Global {
    /// Picks the hosts that --limit names.
    pub(super) fn pick(&self, fleet: Fleet) -> Result<Vec<HostSpec>> {
        match &self.limit {
            Some(pattern) => select::select(&fleet, "--limit", pattern, &|list| self.list(&fleet, list)),
            None => Ok(fleet.hosts),
        }
    }

    /// Takes the HOST arguments of a verb to those of --limit.
    ///
    /// # Errors
    /// One of them is empty: it must not be taken for none.
    pub(super) fn with_hosts(&self, hosts: &[String]) -> Result<Global> {
        for host in hosts {
            select::parts(ARGUMENT, host)?;
        }
        if let Some(limit) = self.limit.as_deref().filter(|_| !hosts.is_empty()) {
            select::parts("--limit", limit)?;
        }
        let all: Vec<&str> = self.limit.iter().chain(hosts).map(String::as_str).collect();
        Ok(Global { limit: if all.is_empty() { None } else { Some(all.join(",")) }, ..self.clone() })
    }

    /// The names that `@WORD` stands for.
    fn list(&self, fleet: &Fleet, word: &str) -> Result<Vec<String>> {
        match word {
            "last-failed" => Ok(Last::of(&self.inventory)?.ended(is_failed)),
            "last-drifted" => Ok(Last::of(&self.inventory)?.ended(|status| status == Status::Drifted)),
            file => select::listed(fleet, &format!("--limit @{file}"), &read(Path::new(file))?),
        }
    }
}

fn read(path: &Path) -> Result<String> {
    let text = input::text(path, LARGEST).with_context(|| format!("--limit: read {}", path.display()));
    text.hint("`@` is for a file of names, `@last-failed` and `@last-drifted`; a group stands without it")
}
