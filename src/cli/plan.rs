//! `plan`: what would change, on the terminal and as a file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::consent::Consent;
use super::fail_on::FailOn;
use super::permit::Valid;
use super::reports::Reports;
use super::rollout::Waves;
use super::run::{Run, into_report};
use super::since::SinceArgs;
use super::{Format, Global};
use crate::assets::Assets;
use crate::calendar::Timestamp;
use crate::engine::Extent;
use crate::engine::fleet::{PlanResult, plan_all};
use crate::engine::saved::{Inputs, Saved, Validity};
use crate::engine::waves::{Order, order};
use crate::exit::Exit;
use crate::files::{self, Place};
use crate::model::{self, Condition, FleetReport, HostReport, SCHEMA, Summary};
use crate::report::text::Options;
use crate::report::{console, json};
use crate::text::clean;

/// Options of `plan`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    /// Exit with 3 instead of 0 when changes are pending
    #[arg(long, conflicts_with = "fail_on")]
    exit_code: bool,
    #[command(flatten)]
    fail_on: FailOn,
    #[command(flatten)]
    reports: Reports,
    #[command(flatten)]
    since: SinceArgs,
    /// Write the plan to a file, for `apply FILE`
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    valid: Valid,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    waves: Waves,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Print a plan that was written to a file; contact no host
    Show {
        /// The plan
        file: PathBuf,
    },
}

/// Reads all hosts and shows what differs.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    if let Some(Verb::Show { file }) = &args.verb {
        return show(file, global);
    }
    let mut run = Run::start(model::Verb::Plan, global)?;
    let pending = |condition: &Condition| args.exit_code || *condition != Condition::Drift;
    run.red = args.fail_on.or(&Condition::ALL.into_iter().filter(pending).collect::<Vec<_>>());
    run.reports = args.reports.open(global.format)?;
    args.since.give(&mut run)?;
    if args.out.is_some() {
        run.may_change()?;
    }
    args.consent.give(&mut run.hosts)?;
    // What is wrong with these is found before any host is contacted.
    let validity = args.valid.of(Timestamp::now())?;
    let rollout = args.waves.over(run.rollout.clone(), &run.hosts)?;
    let place = |path: &PathBuf| files::prepare(path).with_context(|| format!("write {}", path.display()));
    let place = args.out.as_ref().map(place).transpose()?;
    let plans = run.watched(run.names(), |cx| plan_all(run.hosts.clone(), run.forks, Extent::Clock, cx));
    let order = order(&plans, &rollout);
    run.waves.clone_from(&order.waves);
    let saved = place.map_or(Ok(()), |place| save(place, &plans, (order, validity), &run, args, global));
    let exit = run.print(plans.into_iter().map(into_report).collect(), true);
    // The hosts were read: what was found there is shown, whatever became of the file.
    Ok(unless_lost(saved, exit))
}

/// The exit code of a run; a result that could not be written is told and fails it.
pub(super) fn unless_lost(saved: Result<()>, exit: Exit) -> Exit {
    match saved {
        Ok(()) => exit,
        Err(error) => {
            console::error(&error);
            Exit::Failed
        }
    }
}

fn save(
    place: Place,
    plans: &[PlanResult],
    (order, validity): (Order, Validity),
    run: &Run,
    args: &Args,
    global: &Global,
) -> Result<()> {
    let inputs = Inputs {
        inventory: &global.inventory,
        assets: &Assets::new(run.assets.clone())?,
        made: humantime::format_rfc3339_seconds(run.started).to_string(),
        allow_step: args.consent.names(&run.hosts)?,
        order,
        validity,
    };
    let path = place.path().to_owned();
    let text = Saved::of(plans, &run.hosts, &inputs)?.text()?;
    place.write(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

fn show(file: &Path, global: &Global) -> Result<Exit> {
    let plan = Saved::read(file)?;
    if global.format == Format::Json {
        console::print(&json::document(&plan))?;
        return Ok(Exit::Ok);
    }
    let hosts: Vec<HostReport> = plan.hosts.iter().map(|host| host.report()).collect();
    let assets: Vec<String> = plan.assets.iter().map(|asset| format!("{} ({})", asset.name, asset.origin)).collect();
    let head = format!(
        "Made {} by {}, from {}, with version {}\n{}Playbooks and templates: {}\nDigest: {}\n\n",
        plan.made,
        plan.made_by,
        plan.inventory,
        plan.version,
        plan.validity.words().map(|words| format!("May be applied {words}\n")).unwrap_or_default(),
        assets.join(", "),
        plan.digest
    );
    console::print(&clean::text(&head))?;
    let report = FleetReport {
        schema: SCHEMA,
        command: model::Verb::Plan,
        started: plan.made,
        seconds: 0.0,
        exit_code: Exit::Ok.code(),
        conditions: Condition::holding(hosts.iter().map(|host| host.status)),
        summary: Summary::of(&hosts),
        notes: plan.validity.words().map(|words| format!("may be applied {words}")).into_iter().collect(),
        waves: plan.order.waves,
        spread: None,
        inventory: Some(plan.inventory),
        shard: None,
        since: None,
        hosts,
    };
    console::print_report(&report, Options { diffs: true, ..Options::of(model::Verb::Plan) })?;
    Ok(Exit::Ok)
}
