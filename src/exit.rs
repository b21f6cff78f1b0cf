//! Exit codes, and hints that travel with an error.

use crate::report::{HostReport, Status};

/// Every exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Nothing to do, or done and verified.
    Ok = 0,
    /// At least one host failed.
    Failed = 1,
    /// Command line, inventory or playbook wrong; no host was contacted.
    Usage = 2,
    /// Changes are pending (`check`, and `plan --exit-code`).
    Pending = 3,
    /// No host failed, but some were unreachable.
    Unreachable = 4,
    /// Configuration as wanted, but a clock is outside its limits.
    OutOfLimits = 5,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl Exit {
    /// Returns the code of a run: where hosts differ, the first of 1, 4, 5, 3 wins.
    pub fn of(hosts: &[HostReport]) -> Exit {
        let any = |wanted: &[Status]| hosts.iter().any(|host| wanted.contains(&host.status));
        if any(&[Status::Failed, Status::FailedUndone, Status::FailedNotUndone, Status::NotStarted]) {
            Exit::Failed
        } else if any(&[Status::Unreachable]) {
            Exit::Unreachable
        } else if any(&[Status::OutOfLimits]) {
            Exit::OutOfLimits
        } else if any(&[Status::Drifted]) {
            Exit::Pending
        } else {
            Exit::Ok
        }
    }

    /// Returns the number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// An error with the way out attached; prints as the error alone.
#[derive(Debug)]
struct Hinted {
    message: String,
    hint: String,
}

impl std::fmt::Display for Hinted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Hinted {}

/// Attaches a hint to an error.
pub trait Hint {
    /// Returns the same error with the way out attached.
    #[must_use]
    fn hint(self, text: &str) -> anyhow::Error;
}

impl Hint for anyhow::Error {
    fn hint(self, text: &str) -> anyhow::Error {
        Hinted { message: format!("{self:#}"), hint: text.to_owned() }.into()
    }
}

/// Finds the hint of an error, wherever in its chain it was attached.
pub fn hint(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| cause.downcast_ref::<Hinted>()).map(|hinted| hinted.hint.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_hint_survives_context() {
        let error = anyhow::anyhow!("cause").hint("way out");
        let error = Err::<(), _>(error).context("what we tried").unwrap_err();
        assert_eq!(format!("{error:#}"), "what we tried: cause");
        assert_eq!(hint(&error), Some("way out"));
    }
}
