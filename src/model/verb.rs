//! What the program was asked to do with the hosts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::word::Unknown;

/// A verb that works on the hosts of an inventory; `command` in reports and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Shows what would change.
    Plan,
    /// Changes the hosts.
    Apply,
    /// Takes a run back.
    Undo,
    /// Tells whether a host differs from the inventory.
    Check,
    /// Proves the clocks.
    Verify,
    /// Finds out why a clock does not follow.
    Doctor,
    /// Shows what is known of the hosts.
    Facts,
    /// Replaces the known key of a host.
    Trust,
    /// Writes the inventory of hosts as they are.
    Adopt,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 9] = [
        Verb::Plan,
        Verb::Apply,
        Verb::Undo,
        Verb::Check,
        Verb::Verify,
        Verb::Doctor,
        Verb::Facts,
        Verb::Trust,
        Verb::Adopt,
    ];

    /// Returns the word of the command line and of the report.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Plan => "plan",
            Verb::Apply => "apply",
            Verb::Undo => "undo",
            Verb::Check => "check",
            Verb::Verify => "verify",
            Verb::Doctor => "doctor",
            Verb::Facts => "facts",
            Verb::Trust => "trust",
            Verb::Adopt => "adopt",
        }
    }

    /// Returns whether its end says how a host stands to its inventory. `undo` takes it away from there, and `doctor`
    /// compares nothing; what `doctor --fix` does is noted as an `apply`.
    pub fn compares(self) -> bool {
        match self {
            Verb::Plan | Verb::Check | Verb::Apply | Verb::Verify => true,
            Verb::Undo | Verb::Doctor | Verb::Facts | Verb::Trust | Verb::Adopt => false,
        }
    }
}

impl FromStr for Verb {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Verb, Unknown> {
        let found = Verb::ALL.into_iter().find(|verb| verb.word() == text);
        found.ok_or_else(|| Unknown::new("verb that works on hosts", text.to_owned()))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Role, Severity, Status};

    fn json(value: &impl Serialize) -> String {
        serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn the_words_for_people_are_those_of_the_report() {
        for verb in Verb::ALL {
            assert_eq!((json(&verb), verb.word().parse()), (verb.to_string(), Ok(verb)));
        }
        assert_eq!("aply".parse::<Verb>().unwrap_err().to_string(), "`aply` is no verb that works on hosts");
        for role in [Role::Master, Role::Slave] {
            assert_eq!(json(&role), role.to_string());
        }
        for severity in [Severity::Error, Severity::Warning, Severity::Note] {
            assert_eq!(json(&severity), severity.word());
        }
        use Status::*;
        let all = [Unchanged, Changed, Drifted, OutOfLimits, Failed, FailedUndone, FailedNotUndone, Unreachable];
        for status in all.into_iter().chain([NotStarted]) {
            assert_eq!(json(&status), status.word());
        }
    }
}
