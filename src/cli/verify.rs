//! `verify`: whether the clocks are right.

use std::time::Duration;

use anyhow::Result;

use super::Global;
use super::run::Run;
use crate::engine::fleet::verify_all;
use crate::exit::Exit;

/// Options of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long a host may take to meet its limits, instead of what the inventory says
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    deadline: Option<Duration>,
}

/// Proves the clocks of all hosts.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let mut run = Run::start("verify", global)?;
    if let Some(deadline) = args.deadline {
        run.hosts.iter_mut().for_each(|host| host.limits.deadline = deadline);
    }
    let reports = run.watched(run.names(), |cx| verify_all(run.hosts.clone(), run.forks, cx));
    Ok(run.print(reports, true))
}
