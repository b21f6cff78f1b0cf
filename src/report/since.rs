//! What has changed since an older report, for people.

use std::fmt::Write as _;

use super::formats::said;
use super::style::{BAD, FAINT, GOOD, paint};
use crate::lang::say;
use crate::model::FleetReport;
use crate::text::clean;
use crate::text::number::count;

/// Issues that are told one by one; those of a fleet that was never right are too many to be read.
const MOST: usize = 20;

/// Appends what is new and what is gone, and how much is still there.
pub(super) fn since(text: &mut String, report: &FleetReport) {
    let Some(since) = &report.since else { return };
    let new = report.issues().filter(|issue| issue.mark().new == Some(true));
    let new: Vec<String> = new.map(|issue| format!("{}: {}", issue.host.name, said::sentence(&issue))).collect();
    let gone = |gone: &crate::model::Gone| format!("{}: {}: {}", gone.host, gone.rule, gone.about);
    list(text, &paint(BAD, &say("new")), &new);
    list(text, &paint(GOOD, &say("gone")), &since.gone.iter().map(gone).collect::<Vec<_>>());
    let mut line =
        format!("Since {}: {} new, {} still there, {} gone", since.started, new.len(), since.still, since.gone.len());
    if !since.unknown.is_empty() {
        let _ = write!(line, ", {} not looked at", since.unknown.len());
    }
    let _ = writeln!(text, "{}", say(&clean::text(&line)));
}

fn list(text: &mut String, word: &str, issues: &[String]) {
    for issue in issues.iter().take(MOST) {
        // The first line says what; the others how it is seen, and they are above.
        let _ = writeln!(text, "{word}  {}", clean::text(issue.lines().next().unwrap_or_default()));
    }
    if let Some(more) = issues.len().checked_sub(MOST).filter(|more| *more > 0) {
        let _ = writeln!(text, "{word}  {}", paint(FAINT, &say(&format!("and {}", count(more, "more issue")))));
    }
}
