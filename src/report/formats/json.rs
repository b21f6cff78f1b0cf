//! `json`: the document of `docs/report.md`, as `--format json` prints it.

use std::io::{Error, Result, Write};

use super::Format;
use crate::model::FleetReport;

/// The document of `docs/report.md`.
#[derive(Debug)]
pub(super) struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn extension(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "the document of docs/report.md"
    }

    fn is_json(&self) -> bool {
        true
    }

    fn write(&self, report: &FleetReport, out: &mut dyn Write) -> Result<()> {
        serde_json::to_writer_pretty(&mut *out, report).map_err(Error::from)?;
        out.write_all(b"\n")
    }
}
