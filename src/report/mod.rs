//! What is known of a run, for people and for programs: what the console prints, and `--format json`.

mod changes;
pub mod console;
pub mod facts;
mod failures;
mod findings;
pub mod formats;
pub mod guard;
pub mod json;
mod live;
pub mod probe;
mod proof;
pub mod room;
pub mod rounds;
mod since;
mod spread;
mod strip;
mod style;
pub(crate) mod table;
pub mod text;
pub mod watch;
mod waves;
mod words;
