//! plan, apply, check, verify: one line with four places to stop.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result, anyhow};

use super::{Format, Global};
use crate::assets::Assets;
use crate::engine::fleet::{PlanResult, apply_all, plan_all, verify_all};
use crate::engine::{Context, Extent};
use crate::exit::{Exit, Hint};
use crate::inventory::HostSpec;
use crate::playbook::Playbook;
use crate::provider;
use crate::report::console::{self, Verbosity};
use crate::report::{FleetReport, HostReport, SCHEMA, Summary};
use crate::transport::Connections;

/// Options of `plan`.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    /// Exit with 3 when changes are pending
    #[arg(long)]
    exit_code: bool,
}

/// Options of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct ApplyArgs {
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Leave a host as it is when its change or its proof fails
    #[arg(long)]
    no_undo: bool,
    /// Neither ask the sources before the change nor prove the clock after it
    #[arg(long)]
    no_verify: bool,
}

/// Shows what would change.
pub(super) fn plan(args: &PlanArgs, global: &Global) -> Result<Exit> {
    let run = Run::start("plan", global)?;
    let reports = run.watched(|cx| plan_all(run.hosts.clone(), run.forks, Extent::Clock, cx));
    let exit = run.print(reports.into_iter().map(into_report).collect());
    Ok(if exit == Exit::Pending && !args.exit_code { Exit::Ok } else { exit })
}

/// Tells whether something differs.
pub(super) fn check(global: &Global) -> Result<Exit> {
    let run = Run::start("check", global)?;
    let reports = run.watched(|cx| plan_all(run.hosts.clone(), run.forks, Extent::Configuration, cx));
    Ok(run.print(reports.into_iter().map(into_report).collect()))
}

/// Proves the clocks.
pub(super) fn verify(global: &Global) -> Result<Exit> {
    let run = Run::start("verify", global)?;
    let reports = run.watched(|cx| verify_all(run.hosts.clone(), run.forks, cx));
    Ok(run.print(reports))
}

/// Changes the hosts.
pub(super) fn apply(args: &ApplyArgs, global: &Global) -> Result<Exit> {
    let mut run = Run::start("apply", global)?;
    run.undo = !args.no_undo;
    run.verify = !args.no_verify;
    if !args.yes && !std::io::stdin().is_terminal() {
        return Err(anyhow!("apply asks before it changes anything, and there is no terminal to ask on")
            .hint("`--yes` goes ahead; `fleetclock plan` shows what it would do"));
    }
    let plans = run.watched(|cx| plan_all(run.hosts.clone(), run.forks, Extent::Clock, cx));
    let pending = plans.iter().filter(|plan| plan.as_ref().is_ok_and(|planned| planned.is_pending())).count();
    if pending > 0 && !args.yes {
        show_plan(&plans, &run);
        if !agreed(pending)? {
            console::error_line("nothing was changed");
            return Ok(Exit::Interrupted);
        }
    }
    let reports = run.watched(|cx| apply_all(plans, run.forks, cx));
    Ok(run.print(reports))
}

fn show_plan(plans: &[PlanResult], run: &Run) {
    let hosts: Vec<HostReport> = plans
        .iter()
        .map(|plan| match plan {
            Ok(planned) => planned.report.clone(),
            Err(report) => (**report).clone(),
        })
        .collect();
    let mut report = run.report(hosts);
    report.command = "plan".to_owned();
    console::error_line(crate::report::text::report(&report).trim_end());
}

fn agreed(pending: usize) -> Result<bool> {
    let question = format!("\nChange {}? Only `yes` goes ahead: ", crate::report::number::count(pending, "host"));
    let mut stderr = anstream::stderr();
    write!(stderr, "{question}").and_then(|()| stderr.flush()).context("ask")?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("read the answer")?;
    Ok(answer.trim() == "yes")
}

fn into_report(plan: PlanResult) -> HostReport {
    match plan {
        Ok(planned) => planned.report,
        Err(report) => *report,
    }
}

/// One run of a fleet verb.
pub(super) struct Run {
    command: &'static str,
    pub(super) hosts: Vec<HostSpec>,
    pub(super) forks: usize,
    format: Format,
    verbosity: Verbosity,
    assets: Option<std::path::PathBuf>,
    undo: bool,
    verify: bool,
    started: SystemTime,
    clock: Instant,
    stop: Arc<AtomicBool>,
    runtime: tokio::runtime::Runtime,
}

impl Run {
    /// Does all that can go wrong without a host: inventory, playbooks, secrets.
    pub(super) fn start(command: &'static str, global: &Global) -> Result<Self> {
        let hosts = global.hosts()?;
        let assets = Assets::new(global.assets.clone())?;
        for provider in provider::ALL {
            Playbook::load(&assets, provider.playbook())?;
        }
        for host in &hosts {
            host.resolve_secrets().with_context(|| format!("host `{}`", host.name))?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(usize::from(global.forks) + 4)
            .enable_all()
            .build()
            .context("start the runtime")?;
        Ok(Run {
            command,
            hosts,
            forks: usize::from(global.forks),
            format: global.format,
            verbosity: verbosity(global),
            assets: global.assets.clone(),
            undo: true,
            verify: true,
            started: SystemTime::now(),
            clock: Instant::now(),
            stop: Arc::default(),
            runtime,
        })
    }

    /// Runs one phase, with its events on the terminal.
    pub(super) fn watched<T, F>(&self, work: impl FnOnce(Arc<Context>) -> F) -> T
    where
        F: Future<Output = T>,
    {
        let (events, receiver) = channel();
        let verbosity = self.verbosity;
        let printer = std::thread::spawn(move || console::watch(&receiver, verbosity));
        let context = Context {
            assets: Assets::new(self.assets.clone()).unwrap_or_default(),
            connections: Connections::default(),
            events,
            undo: self.undo,
            verify: self.verify,
            stop: Arc::clone(&self.stop),
        };
        let result = self.runtime.block_on(async {
            tokio::spawn(interrupts(Arc::clone(&self.stop)));
            work(Arc::new(context)).await
        });
        // The printer ends when the last sender is gone; a panic in it is a bug that cargo test shows.
        let _ = printer.join();
        result
    }

    pub(super) fn report(&self, hosts: Vec<HostReport>) -> FleetReport {
        let exit = if self.stop.load(Ordering::Relaxed) { Exit::Interrupted } else { Exit::of(&hosts) };
        FleetReport {
            schema: SCHEMA,
            command: self.command.to_owned(),
            started: humantime::format_rfc3339_millis(self.started).to_string(),
            seconds: self.clock.elapsed().as_secs_f64(),
            exit_code: exit.code(),
            summary: Summary::of(&hosts),
            hosts,
        }
    }

    fn print(&self, hosts: Vec<HostReport>) -> Exit {
        let exit = if self.stop.load(Ordering::Relaxed) { Exit::Interrupted } else { Exit::of(&hosts) };
        let report = self.report(hosts);
        match self.format {
            Format::Human => console::print_report(&report),
            Format::Json => console::print(&json(&report)),
        }
        exit
    }
}

/// A value that serialises always does: the types hold nothing that JSON has no word for.
pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")) + "\n"
}

fn verbosity(global: &Global) -> Verbosity {
    match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    }
}

/// Once: no further host is started. Twice: out.
async fn interrupts(stop: Arc<AtomicBool>) {
    while tokio::signal::ctrl_c().await.is_ok() {
        if stop.swap(true, Ordering::Relaxed) {
            console::error_line("stopped at once; hosts that were being changed finish by themselves");
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
        console::error_line(
            "stopping: hosts that are being changed are finished, no other is started (again to leave at once)",
        );
    }
}
