//! `check`: whether something differs.

use anyhow::Result;

use super::Global;
use super::fail_on::FailOn;
use super::run::{Run, into_report};
use crate::engine::Extent;
use crate::engine::fleet::plan_all;
use crate::exit::{Condition, Exit};

/// Options of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    fail_on: FailOn,
}

/// Reads the configuration of all hosts and tells whether it is as wanted.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let mut run = Run::start("check", global)?;
    run.red = args.fail_on.or(&Condition::ALL);
    let plans = run.watched(run.names(), |cx| plan_all(run.hosts.clone(), run.forks, Extent::Configuration, cx));
    Ok(run.print(plans.into_iter().map(into_report).collect(), true))
}
