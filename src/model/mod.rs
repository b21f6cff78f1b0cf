//! The ground floor: the words that all other rooms speak, as values. No I/O, no colour, no terminal.

mod delta;
mod error;
pub mod event;
mod finding;
mod issue;
mod mark;
mod measurement;
mod merged;
mod outcome;
mod output;
mod own_clock;
mod read;
mod refusal;
mod report;
mod role;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod schema;
mod shard;
mod since;
pub mod spread;
mod status;
mod verb;
mod word;

pub use delta::Delta;
pub use error::ErrorReport;
pub use finding::{Certainty, Finding, Paste, Severity};
pub use issue::{DRIFT, Issue, What};
pub use mark::{Mark, Place, fingerprint};
pub use measurement::{DaemonReport, SourceReport};
pub use merged::MergeError;
pub use outcome::{Kiss, Outcome, Port123, Prober};
pub use output::Slice;
pub use own_clock::{OWN_CLOCK, is_own_clock, name_of_own_clock, own_clock, own_clock_patterns};
pub use read::ReadError;
pub use refusal::{MistakeCode, MistakeReport, Refusal};
pub use report::{FleetReport, Followed, HostReport, SCHEMA, Summary, Wave};
pub use role::Role;
pub use shard::ShardReport;
pub use since::{Gone, Since};
pub use spread::Spread;
pub use status::{Condition, Status};
pub use verb::Verb;
pub use word::Unknown;
