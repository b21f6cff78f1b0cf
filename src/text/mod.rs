//! Texts and values made fit to be shown: secrets hidden, control characters shown, numbers with their
//! unit, names in a row, the line that says why. Values in, values out; the terminal is `report`'s.

pub(crate) mod clean;
pub mod decisive;
pub mod diff;
pub mod hide;
pub(crate) mod names;
pub mod number;
pub mod quote;
pub mod range;
pub mod shape;
