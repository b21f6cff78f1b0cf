//! Exit codes, and hints that travel with an error.

use std::fmt;

use crate::model::Condition;

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
    /// Changes are pending (`check`, and `plan --exit-code`), or the user did not agree to them.
    Pending = 3,
    /// No host failed, but some were unreachable.
    Unreachable = 4,
    /// Configuration as wanted, but a clock is outside its limits.
    OutOfLimits = 5,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl From<Condition> for Exit {
    fn from(condition: Condition) -> Exit {
        match condition {
            Condition::Failed => Exit::Failed,
            Condition::Limits => Exit::OutOfLimits,
            Condition::Drift => Exit::Pending,
            Condition::Unreachable => Exit::Unreachable,
        }
    }
}

impl Exit {
    /// Returns the code of a run of which these conditions hold, as far as they are in `red`, the ones that
    /// the user wants to be told of by the exit code.
    pub fn of(holding: &[Condition], red: &[Condition]) -> Exit {
        holding.iter().find(|condition| red.contains(condition)).map_or(Exit::Ok, |condition| (*condition).into())
    }

    /// Returns the exit of a number, as an older run has left it; what is not known here is a failure.
    pub fn from_code(code: u8) -> Exit {
        use Exit::{Failed, Interrupted, Ok, OutOfLimits, Pending, Unreachable, Usage};
        let known = [Ok, Failed, Usage, Pending, Unreachable, OutOfLimits, Interrupted];
        known.into_iter().find(|exit| exit.code() == code).unwrap_or(Failed)
    }

    /// Returns the number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// An error with the way out attached; prints as the error alone, and has its causes.
#[derive(Debug)]
struct Hinted {
    error: anyhow::Error,
    hint: String,
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)
    }
}

impl std::error::Error for Hinted {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Attaches a hint to an error, or to the error of a result.
pub trait Hint {
    /// What comes back.
    type Hinted;

    /// Returns the same with the way out attached.
    #[must_use]
    fn hint(self, text: &str) -> Self::Hinted;
}

impl Hint for anyhow::Error {
    type Hinted = anyhow::Error;

    fn hint(self, text: &str) -> anyhow::Error {
        Hinted { error: self, hint: text.to_owned() }.into()
    }
}

impl<T, E: Into<anyhow::Error>> Hint for Result<T, E> {
    type Hinted = anyhow::Result<T>;

    fn hint(self, text: &str) -> anyhow::Result<T> {
        self.map_err(|error| error.into().hint(text))
    }
}

/// Finds the hint of an error, wherever in its chain it was attached; the outermost wins.
pub fn hint(error: &anyhow::Error) -> Option<&str> {
    error.chain().find_map(|cause| cause.downcast_ref::<Hinted>()).map(|hinted| hinted.hint.as_str())
}

/// Finds a cause of this type, also behind a hint.
pub fn cause<T: std::error::Error + Send + Sync + 'static>(error: &anyhow::Error) -> Option<&T> {
    error.chain().find_map(|link| match link.downcast_ref::<Hinted>() {
        Some(hinted) => cause(&hinted.error),
        None => link.downcast_ref(),
    })
}

/// Returns an error and its causes on one line. A cause that is already in the words of what it
/// caused is not said twice.
pub fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Status;
    use anyhow::{Context, anyhow};

    #[test]
    fn a_hint_survives_context_and_keeps_the_causes() {
        let cause = std::io::Error::other("cause");
        let error = anyhow::Error::new(cause).context("what failed").hint("way out");
        let error = Err::<(), _>(error).context("what we tried").unwrap_err();
        assert_eq!(message(&error), "what we tried: what failed: cause");
        assert_eq!(hint(&error), Some("way out"));
        assert!(error.chain().any(|cause| cause.is::<std::io::Error>()));
        assert_eq!(hint(&anyhow!("none")), None);
        let hinted = anyhow::Error::new(std::io::Error::other("x")).hint("way out").context("what we tried");
        assert!(
            super::cause::<std::io::Error>(&hinted).is_some() && super::cause::<std::fmt::Error>(&hinted).is_none()
        );
    }

    #[test]
    fn a_cause_is_said_once() {
        let cause = std::io::Error::other("disk full");
        let error = anyhow!("write a: {cause}");
        assert_eq!(message(&anyhow::Error::new(cause).context(error.to_string())), "write a: disk full");
    }

    #[test]
    fn the_first_of_1_5_3_4_wins_and_all_that_hold_are_known() {
        use Status::{Changed, Drifted, FailedUndone, NotStarted, OutOfLimits, Unchanged, Unreachable};
        let code = |all: &[Status]| Exit::of(&Condition::holding(all.iter().copied()), &Condition::ALL).code();
        assert_eq!(code(&[Unchanged, Changed]), 0);
        assert_eq!(code(&[Unchanged, Drifted]), 3);
        assert_eq!(code(&[Drifted, OutOfLimits]), 5);
        assert_eq!(code(&[Unreachable, Unchanged]), 4);
        assert_eq!(code(&[Unreachable, Drifted]), 3);
        assert_eq!(code(&[Unreachable, OutOfLimits]), 5);
        assert_eq!(code(&[Unreachable, FailedUndone]), 1);
        assert_eq!(code(&[Unreachable, NotStarted]), 1);
        let holding = Condition::holding([Unreachable, Unchanged, Drifted, Unreachable]);
        assert_eq!(holding, [Condition::Drift, Condition::Unreachable]);
    }

    #[test]
    fn what_the_user_does_not_want_to_be_told_of_is_no_failure() {
        let holding = [Condition::Drift, Condition::Unreachable];
        assert_eq!(Exit::of(&holding, &[]), Exit::Ok);
        assert_eq!(Exit::of(&holding, &[Condition::Unreachable, Condition::Failed]), Exit::Unreachable);
        assert_eq!(Exit::of(&holding, &[Condition::Failed, Condition::Limits]), Exit::Ok);
    }
}
