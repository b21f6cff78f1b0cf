//! One word for each way in which a host can end, the same everywhere.

use anstyle::Style;

use super::style::{ALARM, BAD, CARE, GOOD};
use crate::model::Status;

/// Returns the word for how a host ended, and its colour.
pub(super) fn ending(status: Status) -> (&'static str, Style) {
    match status {
        Status::Unchanged => ("as wanted", GOOD),
        Status::Changed => ("changed", GOOD),
        Status::Drifted => ("drifted", CARE),
        Status::OutOfLimits => ("out of limits", CARE),
        Status::Failed => ("failed", BAD),
        Status::FailedUndone => ("failed (undone)", BAD),
        Status::FailedNotUndone => ("failed (NOT undone)", ALARM),
        Status::Unreachable => ("unreachable", BAD),
        Status::NotStarted => ("not started", CARE),
    }
}
