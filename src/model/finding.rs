//! A reason that diagnosis has found.

use serde::{Deserialize, Serialize};

use super::Mark;

/// One reason found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// Stable code.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub certainty: Certainty,
    /// What it is called in `docs/findings.md`.
    pub title: String,
    /// What was seen.
    pub evidence: String,
    /// The command that showed it.
    pub command: String,
    /// The host on which it was seen.
    pub on: String,
    /// What it is about, where a host can have it several times: a source, a network, an address. Part of the fingerprint.
    #[serde(default)]
    pub about: String,
    /// The cause in one sentence.
    pub cause: String,
    /// The exact fix.
    pub fix: String,
    /// The commands in it, each ready to be pasted. Made from the sentence; in no report.
    #[serde(skip)]
    pub paste: Vec<Paste>,
    /// Whether `apply` on the host of the finding puts it right, and so `doctor --fix`.
    pub configuration: bool,
    /// What it is not, and how that is known.
    #[serde(default)]
    pub excluded: Vec<String>,
    /// Other hosts that get no time because of it.
    #[serde(default)]
    pub affects: Vec<String>,
    /// Where it stands in the inventory, and by what it is known again.
    #[serde(flatten)]
    pub mark: Mark,
}

/// A command of a fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paste {
    /// The host on which it is typed; empty where fleetclock runs.
    pub on: String,
    /// The whole line.
    pub line: String,
    /// Whether it does the same as the one before in another way.
    pub instead: bool,
}

/// How bad a finding is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Time is, or will be, wrong because of it.
    Error,
    /// It will go wrong on a bad day.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    /// Returns the word of the report.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The evidence leaves no other cause.
    Certain,
    /// The evidence allows it, and does not prove it.
    Perhaps,
}
