//! The NTP probe: asks a server for the time as a client would, and says how far off this
//! machine is, how sure that is, and why there was no answer.
//!
//! [`timestamp`], [`packet`] and [`exchange`] need no standard library and do no I/O: the same
//! three files are compiled into `fleetclock probe` and into the small program that travels to
//! every host (`probe/main.rs`). [`wire`] is the socket of this machine, [`remote`] the text
//! that runs the program on a host.

pub mod error;
pub mod exchange;
pub mod packet;
pub mod powershell;
pub mod remote;
pub mod report;
pub mod stripchart;
pub mod timestamp;
pub mod windows_clock;
pub mod wire;
