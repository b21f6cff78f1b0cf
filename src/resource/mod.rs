//! A resource never does I/O. It says what to read, how to judge it, what to run, and how to
//! take it back; the engine is the only code that talks to a host.
//!
//! Two laws for every probe: it reads exactly the properties that the fix sets, and it
//! succeeds on a bare host, where absent is a value and not an error.

use anyhow::Result;

pub use crate::report::Delta;

/// What one probe printed: its own part of the script's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slice {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit status.
    pub status: i32,
}

/// Shell text that changes a host, and shell text that puts it back.
///
/// Both run under `set -e` in a subshell, as root, with `LC_ALL=C` and an empty standard
/// input. `$FC_KEEP` names a private directory (mode 0700) that is this resource's own in this
/// run and survives it: what `change` saves there, `undo` finds there. `undo` must be right
/// when `change` stopped anywhere in the middle, or never started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fix {
    /// Makes it as wanted. A non-zero status is a failure; its standard error is shown.
    pub change: String,
    /// Puts back what was. Run in reverse order of the changes.
    pub undo: String,
    /// Run after all `undo`s, in the order of the changes: restarts with what was put back.
    pub settle: String,
}

/// One thing on a host that shall be in a certain state.
pub trait Resource: Send + Sync {
    /// Returns the name in plans and reports: `service chrony`.
    fn label(&self) -> String;

    /// Returns shell text that reads the state and changes nothing.
    fn probe(&self) -> String;

    /// Compares what was read with what is wanted; empty means converged. Pure.
    ///
    /// # Errors
    /// The probe failed or printed what cannot be understood.
    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>>;

    /// Returns the change and its undo for what was seen. `refresh` is set when something that
    /// this resource has loaded has changed (a restart is owed). Pure.
    ///
    /// # Errors
    /// As for `diff`.
    fn fix(&self, seen: &Slice, refresh: bool) -> Result<Fix>;
}
