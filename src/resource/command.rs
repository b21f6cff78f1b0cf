//! The last resort: a command, and another that says whether it is needed.

use anyhow::Result;

use super::{Delta, Fix, Resource, Slice};

/// A command that is run when `check` fails. It cannot be taken back.
#[derive(Debug, Clone)]
pub struct Command {
    /// Shell text; exit status 0 means that nothing is to be done. Must change nothing.
    pub check: String,
    /// Shell text that makes `check` succeed.
    pub run: String,
}

impl Resource for Command {
    fn label(&self) -> String {
        format!("command {}", self.run)
    }

    fn probe(&self) -> String {
        self.check.clone()
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        Ok(if seen.status == 0 {
            Vec::new()
        } else {
            let from = format!("`{}` gives {}", self.check, seen.status);
            vec![Delta::new(self.label(), "done", Some(from), Some("run".to_owned()))]
        })
    }

    fn fix(&self, _seen: &Slice, _refresh: bool) -> Result<Fix> {
        Ok(Fix { change: self.run.clone(), ..Fix::default() })
    }
}
