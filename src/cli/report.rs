//! `report`: shows, converts, compares and joins reports of older runs. Contacts no host.

use std::path::PathBuf;

use anyhow::Result;

use super::reports::Reports;
use super::since::report;
use super::{Format, Global};
use crate::exit::Exit;
use crate::model::{self, Condition, FleetReport};
use crate::report::text::{self, Options};
use crate::report::{console, json};

/// What is done with reports.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Show a report, and write it in other formats
    Show {
        /// The report, as JSON
        file: PathBuf,
        #[command(flatten)]
        outlets: Outlets,
    },
    /// Say what is new, still there and gone from one report to another
    Diff {
        /// The older report, as JSON
        old: PathBuf,
        /// The newer report, as JSON
        new: PathBuf,
        /// Exit as the newer run would, were nothing wrong but what is new
        #[arg(long)]
        fail_on_new: bool,
        #[command(flatten)]
        outlets: Outlets,
    },
    /// Join the reports of several runs of one verb, as jobs that ran side by side leave them
    ///
    /// Of a host that is in several of them, the run that started last counts.
    Merge {
        /// The reports, as JSON
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        outlets: Outlets,
    },
}

/// Where it goes, and how it ends.
#[derive(Debug, clap::Args)]
pub(super) struct Outlets {
    #[command(flatten)]
    reports: Reports,
    /// Exit as the run did
    #[arg(long)]
    exit_code: bool,
}

/// Does what is asked for.
pub(super) fn run(verb: &Verb, global: &Global) -> Result<Exit> {
    match verb {
        Verb::Show { file, outlets } => {
            let report = report(file)?;
            print(&report, outlets, global, exit(outlets, &report))
        }
        Verb::Diff { old, new, fail_on_new, outlets } => {
            let (old, mut new) = (report(old)?, report(new)?);
            new.compare(&old);
            let exit = if *fail_on_new { Exit::of(&new.new_conditions(), &red(&new)) } else { exit(outlets, &new) };
            print(&new, outlets, global, exit)
        }
        Verb::Merge { files, outlets } => {
            let reports = files.iter().map(|file| report(file)).collect::<Result<Vec<_>>>()?;
            let report = FleetReport::merged(reports)?;
            print(&report, outlets, global, exit(outlets, &report))
        }
    }
}

/// What made the run red: what a plan is for is none of it, unless it was asked to say so by its exit code.
fn red(report: &FleetReport) -> Vec<Condition> {
    let is_asked_for = report.command == model::Verb::Plan && report.exit_code != Exit::Pending.code();
    Condition::ALL.into_iter().filter(|one| !is_asked_for || *one != Condition::Drift).collect()
}

/// What the run came to, if it is asked for.
fn exit(outlets: &Outlets, report: &FleetReport) -> Exit {
    if outlets.exit_code { Exit::from_code(report.exit_code) } else { Exit::Ok }
}

fn print(report: &FleetReport, outlets: &Outlets, global: &Global, exit: Exit) -> Result<Exit> {
    let mut opened = outlets.reports.open(global.format)?;
    let options = Options::of(report.command);
    match global.format {
        Format::Human if opened.takes_standard_output() => {
            console::error_line(text::report(report, options).trim_end());
        }
        Format::Human => console::print_report(report, options)?,
        Format::Json => console::print(&json::document(report))?,
    }
    let wrong = opened.write(report);
    wrong.iter().for_each(console::error);
    Ok(if wrong.is_empty() { exit } else { Exit::Failed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Status, sample};

    #[test]
    fn a_plan_is_red_for_what_it_shows_only_where_it_was_asked_to() {
        let of = |command, exit_code| {
            let report = FleetReport { command, exit_code, ..sample::fleet(&[("a", Status::Drifted)]) };
            Exit::of(&report.new_conditions(), &red(&report))
        };
        assert_eq!(of(model::Verb::Plan, 0), Exit::Ok);
        assert_eq!(of(model::Verb::Plan, 3), Exit::Pending);
        assert_eq!(of(model::Verb::Check, 3), Exit::Pending);
    }
}
