//! The inventory: what the file means.

pub mod secret;
pub mod spec;

pub use secret::Secret;
pub use spec::{Fleet, HostSpec};
