//! Hosts with a POSIX shell: many questions in one script, and a change as one script, which the host drives itself.

pub(crate) mod asking;
pub(crate) mod change;
pub(crate) mod frame;
mod lock;
pub(crate) mod plan;
pub(crate) mod proof;
mod transaction;
pub(crate) mod undo;
pub(crate) mod verify;
