//! `plan`: what would change.

use anyhow::Result;

use super::Global;
use super::consent::Consent;
use super::run::{Run, into_report};
use crate::engine::Extent;
use crate::engine::fleet::plan_all;
use crate::exit::Exit;

/// Options of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Exit with 3 instead of 0 when changes are pending
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    consent: Consent,
}

/// Reads all hosts and shows what differs.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let mut run = Run::start("plan", global)?;
    run.pending_is_3 = args.exit_code;
    args.consent.give(&mut run.hosts)?;
    let plans = run.watched(run.names(), |cx| plan_all(run.hosts.clone(), run.forks, Extent::Clock, cx));
    Ok(run.print(plans.into_iter().map(into_report).collect(), true))
}
