//! `check`: whether something differs.

use anyhow::Result;

use super::Global;
use super::fail_on::FailOn;
use super::reports::Reports;
use super::run::Run;
use super::since::SinceArgs;
use crate::engine::fleet::check_all;
use crate::exit::Exit;
use crate::model::{Condition, Verb};

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    fail_on: FailOn,
    #[command(flatten)]
    reports: Reports,
    #[command(flatten)]
    since: SinceArgs,
}

/// Reads the configuration of all hosts and tells whether it is as wanted.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let mut run = Run::start(Verb::Check, global)?;
    run.red = args.fail_on.or(&Condition::ALL);
    run.reports = args.reports.open(global.format)?;
    args.since.give(&mut run)?;
    let reports = run.watched(run.names(), |cx| check_all(run.hosts.clone(), run.forks, cx));
    Ok(run.print(reports, true))
}
