//! Which hosts are meant: `--limit`, and the HOST arguments of verbs.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

use super::Global;
use crate::exit::Hint as _;
use crate::input;
use crate::inventory::{Fleet, HostSpec, select};
use crate::last::{Last, is_failed};
use crate::model::{Role, ShardReport, Status};

/// Largest list of hosts that is read.
const LARGEST: u64 = 16 << 20;

/// What the hosts of a verb are called in its help and in messages.
const ARGUMENT: &str = "HOST";

/// The hosts of a run.
pub(super) struct Picked {
    /// Those that it looks at.
    pub(super) hosts: Vec<HostSpec>,
    /// Which part they are of those that were chosen.
    pub(super) shard: Option<ShardReport>,
    /// The masters that were divided.
    pub(super) divided: Vec<String>,
}

/// A role, in the words of the inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum RoleWord {
    // No texts of their own: these would make the short help a long one.
    #[value(alias = "server")]
    Master,
    #[value(alias = "client")]
    Slave,
}

impl RoleWord {
    fn role(self) -> Role {
        match self {
            RoleWord::Master => Role::Master,
            RoleWord::Slave => Role::Slave,
        }
    }
}

impl Global {
    /// The same without anything that chooses hosts: one was named otherwise.
    pub(super) fn whole(&self) -> Global {
        Global { limit: None, role: None, shard: None, ..self.clone() }
    }

    /// Picks the hosts that --limit, --role and --shard name.
    pub(super) fn pick(&self, fleet: Fleet) -> Result<Vec<HostSpec>> {
        Ok(self.picked(fleet)?.hosts)
    }

    /// The same, with what is to be known of a part.
    pub(super) fn picked(&self, fleet: Fleet) -> Result<Picked> {
        let mut hosts = match &self.limit {
            Some(pattern) => select::select(&fleet, "--limit", pattern, &|list| self.list(&fleet, list))?,
            None => fleet.hosts,
        };
        if let Some(role) = self.role {
            hosts.retain(|host| host.role == role.role());
            if hosts.is_empty() {
                return Err(anyhow!("--role {}: no chosen host has it", role.role()));
            }
        }
        let Some(shard) = self.shard.map(|choice| choice.shard(&super::variable)).transpose()? else {
            return Ok(Picked { hosts, shard: None, divided: Vec::new() });
        };
        let masters = hosts.iter().filter(|host| shard.divides() && host.role == Role::Master);
        let divided = masters.map(|host| host.name.clone()).collect();
        let report = shard.cut(&mut hosts);
        Ok(Picked { hosts, shard: Some(report), divided })
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
            "last-failed" | "last-drifted" if self.shard.is_some() => {
                Err(anyhow!("--shard: `@{word}` is what this machine knows now; other jobs would divide other hosts")
                    .hint("`@FILE` and `--since REPORT` are the same for all jobs"))
            }
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
