//! What the engine says while it runs. One receiver prints; nobody else does.

use super::HostReport;

/// Something happened on a host.
#[derive(Debug, Clone)]
pub enum Event {
    /// The run starts on so many hosts.
    Started {
        /// Their names, in the order of the inventory.
        hosts: Vec<String>,
    },
    /// A host entered a phase.
    Phase {
        /// The host.
        host: String,
        /// The phase.
        phase: Phase,
    },
    /// Something worth a line: a step was done, the clock came nearer.
    Progress {
        /// The host.
        host: String,
        /// The line, without the host.
        text: String,
    },
    /// A script goes to a host; sent only where it is shown.
    Script {
        /// The host.
        host: String,
        /// The script, secrets hidden.
        text: String,
    },
    /// A host was looked at; what is to be said of it comes when all were.
    Looked {
        /// The host.
        host: String,
    },
    /// A host has ended.
    Done(Box<HostReport>),
}

/// What a host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Connecting and reading facts.
    Facts,
    /// Reading what is there.
    Probe,
    /// Waiting for its masters.
    Waiting,
    /// Changing.
    Apply,
    /// Putting things back.
    Undo,
    /// Waiting for the clock to be proven.
    Verify,
}
