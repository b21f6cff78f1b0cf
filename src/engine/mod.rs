//! The only code that talks to hosts.

pub mod event;
