//! `apply`: changes the hosts, masters first, and proves the result.

use std::collections::HashSet;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};

use super::Global;
use super::change::{Changed, can_ask, change};
use super::consent::Consent;
use super::fail_on::FailOn;
use super::permit::{When, granted};
use super::reports::Reports;
use super::rollout::Waves;
use super::run::Run;
use crate::assets::Assets;
use crate::engine::Extent;
use crate::engine::fleet::{PlanResult, plan_all};
use crate::engine::saved::Saved;
use crate::engine::waves::order;
use crate::exit::{Exit, Hint};
use crate::last::{Last, is_as_wanted};
use crate::model::{Condition, Verb};
use crate::report::console;
use crate::text::names;

/// Options of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A plan of `plan --out`: does exactly that, and refuses each host that is not as it was
    plan: Option<PathBuf>,
    /// Only the hosts that the last run of each, with this inventory, did not leave as wanted
    #[arg(long, conflicts_with = "plan")]
    failed: bool,
    /// Go ahead without asking
    #[arg(short, long)]
    yes: bool,
    /// Leave a host as it is when its change or its proof fails, to look at it
    #[arg(long)]
    no_undo: bool,
    /// Change a host whose sources do not answer, and do not prove the clock afterwards
    #[arg(long)]
    no_verify: bool,
    /// Leave a line in the journal or event log of each changed host: which run, by whom, what
    #[arg(long)]
    journal: bool,
    #[command(flatten)]
    fail_on: FailOn,
    #[command(flatten)]
    reports: Reports,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    waves: Waves,
}

/// Shows the plan, asks, and changes the hosts.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let fleet = global.fleet()?;
    let all: HashSet<String> = fleet.hosts.iter().map(|host| host.name.clone()).collect();
    let mut run = Run::of(Verb::Apply, global, fleet)?;
    run.may_change()?;
    run.red = args.fail_on.or(&Condition::ALL);
    run.reports = args.reports.open(global.format)?;
    run.undo = !args.no_undo;
    run.verify = !args.no_verify;
    run.journal = args.journal;
    if args.failed && global.shard.is_some() {
        return Err(anyhow!("--failed is what this machine knows now; other jobs would divide other hosts"));
    }
    if args.failed && !take_failed(&mut run, &all)? {
        return Ok(run.print_untouched(Vec::new(), Exit::Ok));
    }
    args.consent.give(&mut run.hosts)?;
    let saved = args.plan.as_deref().map(Saved::read).transpose()?;
    if saved.is_some() && args.waves.any() {
        return Err(anyhow!("the waves are in the plan").hint("`fleetclock plan --out` takes --canary and the like"));
    }
    let permit = args.when.permit(run.freeze.clone(), saved.as_ref())?;
    (run.closes, run.notes) = granted(permit, args.when.reason())?;
    let rollout = args.waves.over(run.rollout.clone(), &run.hosts)?;
    let mut gone = Vec::new();
    if let Some(saved) = &saved {
        gone = if global.limit.is_none() { saved.gone(&run.hosts) } else { gone };
        let known: HashSet<&str> = saved.hosts.iter().map(|host| host.name.as_str()).collect();
        run.hosts.retain(|host| known.contains(host.name.as_str()));
        if !may_step(saved, args, &run)? {
            console::sentence("nothing was changed");
            return Ok(Exit::Pending);
        }
        saved.consent(&mut run.hosts);
    }
    // A plan that was saved was reviewed.
    let agreed_to = args.yes || saved.is_some();
    can_ask("apply", agreed_to, "`--yes` goes ahead; `fleetclock plan` shows what it would do")?;
    let plans = run.watched(run.names(), |cx| plan_all(run.hosts.clone(), run.forks, Extent::Clock, cx));
    let plans = match &saved {
        Some(saved) => saved.check(plans, &Assets::new(run.assets.clone())?)?,
        None => plans,
    };
    let plans: Vec<PlanResult> = plans.into_iter().chain(gone.into_iter().map(Err)).collect();
    let order = saved.map_or_else(|| order(&plans, &rollout), |saved| saved.order);
    match change(&mut run, None, plans, order, agreed_to)? {
        Changed::Declined => Ok(Exit::Pending),
        Changed::Done { hosts, shown } => Ok(run.print(hosts, !shown)),
    }
}

/// Whether the clocks that a plan lets step may do so. A plan of another user or machine, or one that
/// somebody has edited, consents to nothing: the user does, on the command line or on the terminal.
fn may_step(saved: &Saved, args: &Args, run: &Run) -> Result<bool> {
    let allowed = args.consent.names(&run.hosts)?;
    let open: Vec<&str> = saved.steps().into_iter().filter(|name| !allowed.iter().any(|known| known == name)).collect();
    if saved.is_own || open.is_empty() {
        return Ok(true);
    }
    let names = open.join(",");
    let what = format!("the plan lets clocks step ({names}), and was not made by you on this machine");
    if !std::io::stdin().is_terminal() {
        let hint = format!("look at it with `fleetclock plan show`; `--allow-step {names}` consents to it");
        return Err(anyhow!(what).hint(&hint));
    }
    run.interrupt.ask(&format!("\nNote: {what}.\nMay they, as far as the plan says? Only `yes` is accepted:"))
}

/// Takes the hosts that the last run of each did not leave as wanted, and names those of them that do not take
/// part. Returns whether any does. `all` are those of the inventory.
fn take_failed(run: &mut Run, all: &HashSet<String>) -> Result<bool> {
    let failed = Last::of(&run.inventory).context("--failed")?.ended(|status| !is_as_wanted(status));
    let chosen: HashSet<String> = run.names().into_iter().collect();
    let left = failed.iter().map(String::as_str).filter(|name| !chosen.contains(*name));
    let (limited, gone): (Vec<&str>, Vec<&str>) = left.partition(|name| all.contains(*name));
    for (hosts, why) in [(limited, "left out by --limit"), (gone, "not in the inventory any more")] {
        if !hosts.is_empty() {
            console::sentence(&format!("left to do, but {why}: {}", names::all(&hosts)));
        }
    }
    let failed_names: HashSet<&str> = failed.iter().map(String::as_str).collect();
    run.hosts.retain(|host| failed_names.contains(host.name.as_str()));
    if run.hosts.is_empty() {
        console::sentence(if failed.is_empty() {
            "the last run of each host left it in sync; nothing to do"
        } else {
            "of the chosen hosts, the last run left each in sync; nothing to do"
        });
    }
    Ok(!run.hosts.is_empty())
}
