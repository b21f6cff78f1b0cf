//! Hosts with a POSIX shell: many questions in one script, a change as one script.

pub(crate) mod change;
pub(crate) mod plan;
