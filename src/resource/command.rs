//! The last resort: a command, and another that says whether it is needed.

use anyhow::Result;

use super::{Delta, Fix, Resource, Slice};

/// The property of a command that an undo cannot take back.
pub const NO_UNDO: &str = "done without undo";

/// A command that is run when `check` fails.
#[derive(Debug, Clone)]
pub struct Command {
    /// Shell text; exit status 0 means that nothing is to be done. Must change nothing.
    pub check: String,
    /// Shell text that makes `check` succeed.
    pub run: String,
    /// Shell text that takes back what `run` did, however far that came.
    pub undo: Option<String>,
    /// `check` and `run` as they may be shown.
    pub shown: (String, String),
}

impl Resource for Command {
    fn label(&self) -> String {
        format!("command {}", self.shown.1)
    }

    fn probe(&self) -> String {
        self.check.clone()
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        if seen.status == 0 {
            return Ok(Vec::new());
        }
        let property = if self.undo.is_some() { "done" } else { NO_UNDO };
        let from = format!("`{}` gives {}", self.shown.0, seen.status);
        Ok(vec![Delta::new(self.label(), property, Some(from), Some("run".to_owned()))])
    }

    fn fix(&self, _seen: &Slice, _refresh: bool) -> Result<Fix> {
        Ok(Fix { change: self.run.clone(), undo: self.undo.clone().unwrap_or_default(), ..Fix::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(undo: Option<&str>) -> Command {
        let shown = ("grep *** /f".to_owned(), "set ***".to_owned());
        Command { check: "grep S3CRET /f".into(), run: "set S3CRET".into(), undo: undo.map(str::to_owned), shown }
    }

    #[test]
    fn its_secrets_are_not_shown_and_an_undo_that_is_missing_is_told() {
        let failed = Slice { status: 1, ..Slice::default() };
        let delta = command(None).diff(&failed).unwrap().remove(0);
        assert_eq!((delta.resource.as_str(), delta.property.as_str()), ("command set ***", "done without undo"));
        assert_eq!(delta.from.as_deref(), Some("`grep *** /f` gives 1"));
        assert_eq!(command(Some("unset")).diff(&failed).unwrap()[0].property, "done");
        assert_eq!(command(Some("unset")).fix(&failed, false).unwrap().undo, "unset");
    }
}
