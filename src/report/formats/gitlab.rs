//! `gitlab`: what the code quality widget of a merge request reads: the lists of two pipelines are compared there by
//! their fingerprints.

use std::io::{Result, Write};

use serde::Serialize;

use super::list::list;
use super::mistaken::Wrong;
use super::{Format, Mistaken, Mistakes, said};
use crate::model::{FleetReport, Issue, Severity, Status};

/// A code quality report of GitLab.
#[derive(Debug)]
pub(super) struct Gitlab;

impl Format for Gitlab {
    fn name(&self) -> &'static str {
        "gitlab"
    }

    fn extension(&self) -> &'static str {
        "gitlab.json"
    }

    fn about(&self) -> &'static str {
        "a code quality report for merge requests of GitLab"
    }

    fn is_json(&self) -> bool {
        true
    }

    fn write(&self, report: &FleetReport, out: &mut dyn Write) -> Result<()> {
        let inventory = report.inventory.as_deref().unwrap_or(super::INVENTORY);
        list(out, report.issues().map(|issue| Entry::of(&issue, inventory)))?;
        out.write_all(b"\n")
    }

    fn mistakes(&self) -> Option<Mistakes> {
        Some(mistakes)
    }
}

fn mistakes(mistaken: &Mistaken<'_>, out: &mut dyn Write) -> Result<()> {
    let entry = |wrong: Wrong<'_>| Entry {
        description: wrong.text.replace('\n', " "),
        check_name: format!("fleetclock/{}", wrong.rule.replace('_', "-")),
        fingerprint: wrong.fingerprint,
        severity: "critical",
        location: Location {
            path: wrong.file.unwrap_or(super::INVENTORY).to_owned(),
            lines: Lines { begin: wrong.place.map_or(1, |place| place.line.max(1)) },
        },
    };
    list(out, mistaken.each().into_iter().map(entry))?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
struct Entry {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

/// A place is obligatory; what has none stands at the beginning of the inventory.
#[derive(Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u64,
}

impl Entry {
    fn of(issue: &Issue<'_>, inventory: &str) -> Entry {
        let place = issue.place();
        Entry {
            description: said::message(issue).replace('\n', " "),
            check_name: said::check(issue),
            fingerprint: issue.fingerprint().into_owned(),
            severity: severity(issue),
            location: Location {
                path: place.map_or(inventory, |place| &place.file).to_owned(),
                lines: Lines { begin: place.map_or(1, |place| place.line.max(1)) },
            },
        }
    }
}

/// What is left half changed is worse than what was never begun.
fn severity(issue: &Issue<'_>) -> &'static str {
    match issue.severity {
        Severity::Error if issue.host.status == Status::FailedNotUndone => "critical",
        Severity::Error => "major",
        Severity::Warning => "minor",
        Severity::Note => "info",
    }
}
