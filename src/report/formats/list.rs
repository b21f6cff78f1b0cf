//! A list in JSON that is written as it comes, and never whole in memory.

use std::io::{Error, Result, Write};

use serde::Serialize;

/// Writes each item on a line of its own, between brackets.
pub(super) fn list<T: Serialize>(out: &mut dyn Write, items: impl Iterator<Item = T>) -> Result<()> {
    out.write_all(b"[")?;
    for (index, item) in items.enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        value(out, &item)?;
    }
    out.write_all(b"\n]")
}

/// Writes one value on one line.
pub(super) fn value<T: Serialize>(out: &mut dyn Write, value: &T) -> Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(Error::from)
}
