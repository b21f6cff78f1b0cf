//! What has become of the issues of a run since another one: new, still there, gone.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::issue::ending;
use super::mark::fingerprint;
use super::{Condition, DRIFT, FleetReport, HostReport, Issue, Place, Status, Verb, What};

/// What a report has changed against an older one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Since {
    /// When the older run started.
    pub started: String,
    /// The verb of the older run.
    pub command: Verb,
    /// How many issues it did not have.
    pub new: usize,
    /// How many it had as well.
    pub still: usize,
    /// Those it had, and that are not there any more.
    pub gone: Vec<Gone>,
    /// Those it had, of hosts that this run did not look at or could not ask: nothing is known of them.
    pub unknown: Vec<Gone>,
}

/// An issue of another run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Gone {
    /// The host.
    pub host: String,
    /// What it was: `drift`, `unreachable`, `FC040`.
    pub rule: String,
    /// What it was about: the resource and the property, the title of a finding, the cause of a failure.
    pub about: String,
    /// By what it is known.
    pub fingerprint: String,
    /// Where it stood in the inventory then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl Gone {
    fn of(issue: &Issue<'_>) -> Gone {
        Gone {
            host: issue.host.name.clone(),
            rule: issue.rule().to_owned(),
            about: match issue.what {
                What::Drift(delta) => format!("{} {}", delta.resource, delta.property),
                What::Finding(finding) => finding.title.clone(),
                What::Ending(error) => error.map(|error| error.message.clone()).unwrap_or_default(),
            },
            fingerprint: issue.fingerprint().into_owned(),
            place: issue.place().cloned(),
        }
    }
}

impl FleetReport {
    /// Gives each issue the fingerprint by which it is known again. Two of a host that are alike in all that counts
    /// are told apart by their order.
    pub fn stamp(&mut self) {
        for host in &mut self.hosts {
            let mut seen: HashMap<String, usize> = HashMap::new();
            let prints: Vec<String> = host.issues(self.command).map(|issue| issue.computed()).collect();
            for (mark, print) in host.marks(self.command).into_iter().zip(prints) {
                let before = seen.entry(print.clone()).or_default();
                *before += 1;
                let print = if *before == 1 { print } else { fingerprint(&[&print, &before.to_string()]) };
                mark.fingerprint = Some(print);
            }
        }
    }

    /// Marks what is new against an older report, and notes what is gone.
    pub fn compare(&mut self, old: &FleetReport) {
        // What the older run could not see either is carried on until a run can.
        let carried = old.since.iter().flat_map(|since| &since.unknown).cloned();
        let mut known = HashSet::new();
        let before: Vec<Gone> = old.issues().map(|issue| Gone::of(&issue)).chain(carried).collect();
        let before: Vec<Gone> = before.into_iter().filter(|gone| known.insert(gone.fingerprint.clone())).collect();
        let (mut now, mut new) = (HashSet::new(), 0);
        for host in &mut self.hosts {
            let prints: Vec<String> = host.issues(self.command).map(|issue| issue.fingerprint().into_owned()).collect();
            for (mark, print) in host.marks(self.command).into_iter().zip(prints) {
                let is_new = !known.contains(&print);
                new += usize::from(is_new);
                mark.new = Some(is_new);
                now.insert(print);
            }
        }
        let hosts: HashMap<&str, &HostReport> = self.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
        let left = before.into_iter().filter(|gone| !now.contains(&gone.fingerprint));
        let (gone, unknown): (Vec<_>, Vec<_>) = left.partition(|gone| {
            hosts.get(gone.host.as_str()).is_some_and(|host| would_be_seen(&gone.rule, host, self.command))
        });
        let still = self.issues().count() - new;
        let (started, command) = (old.started.clone(), old.command);
        self.since = Some(Since { started, command, new, still, gone, unknown });
    }

    /// Returns all that is wrong and new, in the order of the exit codes.
    pub fn new_conditions(&self) -> Vec<Condition> {
        let new = self.issues().filter(|issue| issue.mark().new != Some(false));
        let holding: BTreeSet<Condition> = new.filter_map(|issue| issue.condition()).collect();
        holding.into_iter().collect()
    }
}

impl HostReport {
    /// Whether the run came as far as to read how the host is configured.
    pub fn was_read(&self) -> bool {
        self.was_reached() && (self.status != Status::Failed || !self.deltas.is_empty())
    }

    fn was_reached(&self) -> bool {
        !matches!(self.status, Status::Unreachable | Status::NotStarted)
    }
}

/// Whether a run would have seen an issue of an older one, known by its rule, were it still there.
fn would_be_seen(rule: &str, now: &HostReport, command: Verb) -> bool {
    match rule {
        DRIFT => now.was_read() && command.compares(),
        ending::OUT_OF_LIMITS => {
            now.was_read()
                && matches!(command, Verb::Apply | Verb::Verify | Verb::Doctor)
                && now.status != Status::Drifted
        }
        ending::UNREACHABLE => now.was_reached(),
        ending::FAILED | ending::NOT_STARTED => now.was_read(),
        // The code of a finding.
        _ => now.was_read() && command == Verb::Doctor,
    }
}

#[cfg(test)]
mod tests;
