//! How a host ended, in one word and one of four colours.

use std::borrow::Cow;

use crate::model::{Condition, Status};
use crate::report::words::ending;

/// Returns the word.
pub(super) fn word(status: Status) -> Cow<'static, str> {
    ending(status).0
}

/// Returns the class that gives it its colour.
pub(super) fn class(status: Status) -> &'static str {
    match status {
        Status::Unchanged | Status::Changed => "good",
        Status::Drifted | Status::OutOfLimits | Status::NotStarted => "care",
        Status::Failed | Status::FailedUndone | Status::FailedNotUndone | Status::Unreachable => "bad",
    }
}

/// Returns where it stands when hosts are sorted by how they ended: the worst first.
pub(super) fn rank(status: Status) -> usize {
    match status {
        Status::FailedNotUndone => 0,
        Status::FailedUndone => 1,
        Status::Failed => 2,
        Status::Unreachable => 3,
        Status::OutOfLimits => 4,
        Status::Drifted => 5,
        Status::NotStarted => 6,
        Status::Changed => 7,
        Status::Unchanged => 8,
    }
}

/// What is wrong with the run, in the words of its title.
pub(super) fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::Failed => "hosts failed or were not started",
        Condition::Limits => "clocks are outside their limits",
        Condition::Drift => "hosts are out of sync with the inventory",
        Condition::Unreachable => "hosts were unreachable",
    }
}
