//! The ground floor: the words that all other rooms speak, as values. No I/O, no colour, no terminal.

mod delta;
mod error;
pub mod event;
mod finding;
mod measurement;
mod output;
mod report;
#[cfg(test)]
pub(crate) mod sample;
pub mod spread;
mod status;

pub use delta::Delta;
pub use error::ErrorReport;
pub use finding::{Finding, PERHAPS};
pub use measurement::{DaemonReport, FILTERED, SourceReport, answers_123};
pub use output::Slice;
pub use report::{FleetReport, HostReport, SCHEMA, Summary, Wave};
pub use spread::Spread;
pub use status::{Condition, Status};
