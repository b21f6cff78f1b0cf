//! `undo`: takes back what the last run did.

use anyhow::{Result, anyhow};
use std::io::IsTerminal;

use super::Global;
use super::run::Run;
use crate::engine::undo::{LookResult, look_all, report_of, undo_all};
use crate::exit::{Exit, Hint};
use crate::report::console;
use crate::report::number::count;
use crate::report::text;

/// Options of `undo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The hosts, as for --limit; all without any
    #[arg(value_name = "HOST")]
    hosts: Vec<String>,
    /// Go ahead without asking
    #[arg(short, long)]
    yes: bool,
}

/// Shows what would be taken back, asks, and takes it back.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let mut global = global.clone();
    if !args.hosts.is_empty() {
        let more = args.hosts.join(",");
        global.limit = Some(global.limit.map_or(more.clone(), |limit| format!("{limit},{more}")));
    }
    if !args.yes && !std::io::stdin().is_terminal() {
        return Err(anyhow!("undo asks before it changes anything, and there is no terminal to ask on")
            .hint("`--yes` goes ahead"));
    }
    let mut run = Run::start("undo", &global)?;
    let looks = run.watched(run.names(), |cx| look_all(run.hosts.clone(), run.forks, cx));
    let pending = looks.iter().flatten().filter(|last| last.run.is_some()).count();
    if pending > 0 && !args.yes && !agreed(&looks, &run, pending)? {
        console::error_line("nothing was changed");
        return Ok(Exit::Pending);
    }
    run.begin(&global.inventory);
    let taking_part = looks.iter().flatten().map(|last| last.spec.name.clone()).collect();
    let reports = run.watched(taking_part, |cx| undo_all(looks, run.forks, cx));
    Ok(run.print(reports, true))
}

/// On standard error: the result is not what is going to happen.
fn agreed(looks: &[LookResult], run: &Run, pending: usize) -> Result<bool> {
    let mut report = run.report(looks.iter().map(|look| report_of(look).clone()).collect());
    report.command = "plan".to_owned();
    console::error_line(text::report(&report, text::Options { diffs: true, ended: false }).trim_end());
    let question = format!("\nTake back {}? Only `yes` goes ahead:", count(pending, "host"));
    run.interrupt.ask(&question)
}
