//! What has become of the issues of a run since another one: new, still there, gone.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::mark::fingerprint;
use super::{Condition, FleetReport, HostReport, Issue, Place, Status, Verb, What};

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
        let before: HashSet<String> = old.issues().map(|issue| issue.fingerprint().into_owned()).collect();
        let (mut now, mut new) = (HashSet::new(), 0);
        for host in &mut self.hosts {
            let prints: Vec<String> = host.issues(self.command).map(|issue| issue.fingerprint().into_owned()).collect();
            for (mark, print) in host.marks(self.command).into_iter().zip(prints) {
                let is_new = !before.contains(&print);
                new += usize::from(is_new);
                mark.new = Some(is_new);
                now.insert(print);
            }
        }
        let hosts: HashMap<&str, &HostReport> = self.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
        let left = old.issues().filter(|issue| !now.contains(&*issue.fingerprint()));
        let (gone, unknown): (Vec<_>, Vec<_>) = left.partition(|issue| {
            hosts.get(issue.host.name.as_str()).is_some_and(|host| would_be_seen(issue, host, self.command))
        });
        let list = |issues: Vec<Issue<'_>>| issues.iter().map(Gone::of).collect();
        let still = self.issues().count() - new;
        let (started, command) = (old.started.clone(), old.command);
        self.since = Some(Since { started, command, new, still, gone: list(gone), unknown: list(unknown) });
    }

    /// Returns all that is wrong and new, in the order of the exit codes.
    pub fn new_conditions(&self) -> Vec<Condition> {
        let new = self.issues().filter(|issue| issue.mark().new != Some(false));
        let holding: BTreeSet<Condition> = new.filter_map(|issue| issue.condition()).collect();
        holding.into_iter().collect()
    }
}

/// Whether a run would have seen the issue of an older one, were it still there.
fn would_be_seen(issue: &Issue<'_>, now: &HostReport, command: Verb) -> bool {
    use Verb::{Apply, Check, Doctor, Plan, Verify};
    let was_reached = !matches!(now.status, Status::Unreachable | Status::NotStarted);
    let was_read = was_reached && (now.status != Status::Failed || !now.deltas.is_empty());
    match issue.what {
        What::Drift(_) => was_read && matches!(command, Plan | Apply | Check | Verify),
        What::Finding(_) => was_read && command == Doctor,
        What::Ending(_) if issue.host.status == Status::OutOfLimits => {
            was_read && matches!(command, Apply | Verify | Doctor) && now.status != Status::Drifted
        }
        What::Ending(_) if issue.host.status == Status::Unreachable => was_reached,
        What::Ending(_) => was_read,
    }
}

#[cfg(test)]
mod tests;
