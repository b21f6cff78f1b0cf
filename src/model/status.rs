//! How a host ended, and what is wrong with a run in which hosts ended so.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How one host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As wanted, nothing changed.
    Unchanged,
    /// Changed, and the same probes agree afterwards.
    Changed,
    /// Changes are pending.
    Drifted,
    /// Configured as wanted, clock outside its limits.
    OutOfLimits,
    /// Failed before anything was changed.
    Failed,
    /// Failed; what had been changed was put back.
    FailedUndone,
    /// Failed; what had been changed could not be put back, `error` says why.
    FailedNotUndone,
    /// Not to be reached.
    Unreachable,
    /// Never started.
    NotStarted,
}

impl Status {
    /// Returns the word of the report.
    pub fn word(self) -> &'static str {
        match self {
            Status::Unchanged => "unchanged",
            Status::Changed => "changed",
            Status::Drifted => "drifted",
            Status::OutOfLimits => "out_of_limits",
            Status::Failed => "failed",
            Status::FailedUndone => "failed_undone",
            Status::FailedNotUndone => "failed_not_undone",
            Status::Unreachable => "unreachable",
            Status::NotStarted => "not_started",
        }
    }
}

/// What can be wrong with a run. Where several hold, the first one in this order gives the exit code:
/// what was found on the hosts that answered comes before what could not be found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// A host failed, or was not started.
    Failed,
    /// A clock is outside its limits; of `doctor`, a host is not well.
    Limits,
    /// A host is not configured as wanted.
    Drift,
    /// A host was not to be reached.
    Unreachable,
}

impl Condition {
    /// All of them, in their order.
    pub const ALL: [Condition; 4] = [Condition::Failed, Condition::Limits, Condition::Drift, Condition::Unreachable];

    fn of(status: Status) -> Option<Condition> {
        match status {
            Status::Failed | Status::FailedUndone | Status::FailedNotUndone | Status::NotStarted => {
                Some(Condition::Failed)
            }
            Status::OutOfLimits => Some(Condition::Limits),
            Status::Drifted => Some(Condition::Drift),
            Status::Unreachable => Some(Condition::Unreachable),
            Status::Unchanged | Status::Changed => None,
        }
    }

    /// Returns all that hold of hosts that ended so, in their order.
    pub fn holding(statuses: impl IntoIterator<Item = Status>) -> Vec<Condition> {
        let seen: BTreeSet<Condition> = statuses.into_iter().filter_map(Condition::of).collect();
        seen.into_iter().collect()
    }
}
