//! `--since`: what is new against the report of an older run.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};

use super::run::Run;
use crate::exit::Hint;
use crate::input;
use crate::model::{FleetReport, Verb};
use crate::report::console;

/// Largest report, bytes. Ten thousand hosts with their sources are about fifty megabytes.
const LARGEST: u64 = 512 << 20;

/// Options of the comparison with an older run.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SinceArgs {
    /// Say what is new, still there and gone since the JSON report of an older run; all is new if there is no such file yet
    #[arg(long, value_name = "REPORT")]
    since: Option<PathBuf>,
    /// Let the exit code tell only of what is new
    #[arg(long, requires = "since")]
    fail_on_new: bool,
}

impl SinceArgs {
    /// Lets a run be compared with the older one.
    ///
    /// # Errors
    /// Its report cannot be read, or is none.
    pub(super) fn give(&self, run: &mut Run) -> Result<()> {
        run.only_new = self.fail_on_new;
        run.since = self.read(run.command)?;
        Ok(())
    }

    fn read(&self, command: Verb) -> Result<Option<FleetReport>> {
        let Some(path) = &self.since else { return Ok(None) };
        if std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            // A job that keeps the report for its next run has none in its first. All counts as new then, so a
            // mistyped name hides nothing.
            console::warning(&format!("--since: there is no {} yet, so all is new", path.display()));
            return Ok(None);
        }
        let old = report(path)?;
        if old.command != command {
            let what = format!("--since: {} is a report of `{}`", path.display(), old.command);
            console::warning(&format!("{what}; what that does not look at is new in one of `{command}`"));
        }
        Ok(Some(old))
    }
}

/// Reads a report from a file.
///
/// # Errors
/// It cannot be read, or is no report.
pub(super) fn report(path: &Path) -> Result<FleetReport> {
    let text = input::text(path, LARGEST).with_context(|| format!("read the report {}", path.display()))?;
    let read = FleetReport::read(&text).map_err(|error| anyhow!("read the report {}: {error}", path.display()));
    read.hint("a report is what --format json prints and what --report json=FILE writes")
}
