//! `verify`: whether the clocks are right.

use std::time::Duration;

use anyhow::Result;

use super::Global;
use super::fail_on::FailOn;
use super::reports::Reports;
use super::run::Run;
use super::since::SinceArgs;
use super::watch::{Times, watch};
use crate::engine::fleet::verify_all;
use crate::exit::Exit;
use crate::model::{Condition, Verb};

/// Options of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How long a host may take to meet its limits, instead of what the inventory says
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    deadline: Option<Duration>,
    /// Measure again and again, and draw the offsets, until Ctrl-C; waits for no deadline and compares no configuration
    #[arg(long, conflicts_with_all = ["deadline", "reports", "since"])]
    watch: bool,
    /// Time from the beginning of a round to that of the next
    #[arg(long, value_name = "TIME", requires = "watch", default_value = "5s", value_parser = at_least_a_second)]
    every: Duration,
    /// How long to watch, instead of until Ctrl-C
    #[arg(long = "for", value_name = "TIME", requires = "watch", value_parser = humantime::parse_duration)]
    length: Option<Duration>,
    #[command(flatten)]
    fail_on: FailOn,
    #[command(flatten)]
    reports: Reports,
    #[command(flatten)]
    since: SinceArgs,
}

/// Sources are not to be asked more often than they like.
fn at_least_a_second(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time < Duration::from_secs(1) => Err("a round a second is the most".to_owned()),
        parsed => parsed.map_err(|error| error.to_string()),
    }
}

/// Proves the clocks of all hosts.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let mut run = Run::start(Verb::Verify, global)?;
    run.red = args.fail_on.or(&Condition::ALL);
    run.reports = args.reports.open(global.format)?;
    args.since.give(&mut run)?;
    if let Some(deadline) = args.deadline {
        run.hosts.iter_mut().for_each(|host| host.limits.deadline = deadline);
    }
    if args.watch {
        return Ok(watch(&run, Times { every: args.every, length: args.length }));
    }
    let reports = run.watched(run.names(), |cx| verify_all(run.hosts.clone(), run.forks, cx));
    Ok(run.print(reports, true))
}
