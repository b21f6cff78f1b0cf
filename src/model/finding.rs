//! A reason that diagnosis has found.

use serde::Serialize;

/// One reason found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code.
    pub code: String,
    /// `error`, `warning`, `note`.
    pub severity: String,
    /// `certain`, when the evidence leaves no other cause; else `perhaps`.
    pub certainty: String,
    /// What it is called in `docs/findings.md`.
    pub title: String,
    /// What was seen.
    pub evidence: String,
    /// The command that showed it.
    pub command: String,
    /// The host on which it was seen.
    pub on: String,
    /// The cause in one sentence.
    pub cause: String,
    /// The exact fix.
    pub fix: String,
    /// Whether `apply` on the host of the finding puts it right, and so `doctor --fix`.
    pub configuration: bool,
    /// What it is not, and how that is known.
    pub excluded: Vec<String>,
    /// Other hosts that get no time because of it.
    pub affects: Vec<String>,
}

/// The certainty of a finding that the evidence allows and does not prove.
pub const PERHAPS: &str = "perhaps";
