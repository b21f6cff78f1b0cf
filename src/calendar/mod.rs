//! When hosts may be changed: windows that come again, a last moment, and days on which nothing is. Times in,
//! answers out; what time it is comes from the caller, who asks the clock of this machine.

mod freeze;
mod moment;
mod permit;
#[cfg(test)]
mod tests;
mod window;

pub use freeze::{Freeze, freezes};
pub use jiff::Timestamp;
pub use moment::{moment, shown};
pub use permit::{Closing, Permit, Refusal};
pub use window::Window;
