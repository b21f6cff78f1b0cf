//! One run of a fleet verb: what can go wrong without a host, then the hosts with their events
//! on the terminal, then the result.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, Result, anyhow};

use super::interrupt::Interrupt;
use super::limit::Picked;
use super::limits::Forks;
use super::reports::{Opened, named};
use super::{Format, Global};
use crate::assets::Assets;
use crate::calendar::Freeze;
use crate::engine::fleet::PlanResult;
use crate::engine::{Closes, Context, locate, owners, whoami};
use crate::exit::{self, Exit, Hint as _};
use crate::history::{self, History, Record};
use crate::inventory::rollout::Rollout;
use crate::inventory::{Fleet, HostSpec, Secret};
use crate::last::Last;
use crate::model::event::Event;
use crate::model::{Condition, FleetReport, HostReport, SCHEMA, ShardReport, Status, Summary, Verb, Wave, spread};
use crate::report::console::{self, Verbosity};
use crate::report::json;
use crate::report::text::{self, Options};
use crate::text::hide::Hider;
use crate::text::names;
use crate::transport::Connections;

/// What planning a host came to, as its report.
pub(super) fn into_report(plan: PlanResult) -> HostReport {
    match plan {
        Ok(planned) => planned.report,
        Err(report) => *report,
    }
}

/// One run of a fleet verb.
pub(super) struct Run {
    pub(super) command: Verb,
    pub(super) inventory: PathBuf,
    pub(super) hosts: Vec<HostSpec>,
    /// The names of the whole inventory.
    all: BTreeSet<String>,
    /// Which part the hosts are of those that were chosen, and the masters that were divided.
    shard: Option<ShardReport>,
    divided: Vec<String>,
    /// Which host of the whole inventory has an address.
    owners: Arc<BTreeMap<IpAddr, String>>,
    /// The secrets of all hosts, which are never shown.
    hidden: Arc<Hider>,
    /// How a change goes over them.
    pub(super) rollout: Rollout,
    /// The days on which nothing is changed, as the inventory says.
    pub(super) freeze: Vec<Freeze>,
    /// When the time for changes is over, if it has an end.
    pub(super) closes: Option<Closes>,
    /// What is worth knowing of the run as a whole.
    pub(super) notes: Vec<String>,
    /// The order that came of it, for the report.
    pub(super) waves: Vec<Wave>,
    pub(super) forks: usize,
    /// Hosts that say nothing, which are waited for beside those.
    beside: usize,
    pub(super) format: Format,
    pub(super) verbosity: Verbosity,
    pub(super) assets: Option<PathBuf>,
    pub(super) undo: bool,
    pub(super) verify: bool,
    pub(super) journal: bool,
    /// What the exit code tells of.
    pub(super) red: Vec<Condition>,
    /// Where the result goes beside the terminal.
    pub(super) reports: Opened,
    /// The older run that this one is compared with, and whether only what is new counts.
    pub(super) since: Option<FleetReport>,
    pub(super) only_new: bool,
    pub(super) started: SystemTime,
    clock: Instant,
    pub(super) interrupt: Interrupt,
    /// Shared by all phases: a key is opened once, and a worker serves the next phase as well.
    connections: Connections,
    record: Option<Record>,
    runtime: tokio::runtime::Runtime,
}

impl Run {
    /// Does all that can go wrong without a host: inventory, playbooks, secrets.
    pub(super) fn start(command: Verb, global: &Global) -> Result<Self> {
        Run::of(command, global, global.fleet()?)
    }

    /// The same with an inventory that was read already: what it asks for is asked for once.
    pub(super) fn of(command: Verb, global: &Global, fleet: Fleet) -> Result<Self> {
        let (rollout, freeze) = (fleet.rollout.clone(), fleet.freeze.clone());
        let owners = Arc::new(owners(&fleet.hosts));
        let all = fleet.hosts.iter().map(|host| host.name.clone()).collect();
        let Picked { hosts, shard, divided } = global.picked(fleet)?;
        let assets = Assets::new(global.assets.clone())?;
        crate::playbook::check::check(&assets, &hosts)?;
        if !global.quiet {
            let wide = super::rights::warnings(&global.inventory, global.assets.as_deref(), &hosts);
            wide.iter().for_each(|text| console::warning(text));
        }
        let hidden = secrets(&hosts)?;
        let Forks { forks, beside } = super::limits::forks(global.forks);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(forks + beside + 4)
            .enable_all()
            .build()
            .context("start the runtime")?;
        let interrupt = Interrupt::default();
        interrupt.listen(&runtime);
        Ok(Run {
            command,
            inventory: global.inventory.clone(),
            hosts,
            all,
            shard,
            divided,
            owners,
            hidden,
            rollout,
            freeze,
            closes: None,
            notes: Vec::new(),
            waves: Vec::new(),
            forks,
            beside,
            format: global.format,
            verbosity: verbosity(global),
            assets: global.assets.clone(),
            undo: true,
            verify: true,
            journal: false,
            red: Condition::ALL.to_vec(),
            reports: Opened::default(),
            since: None,
            only_new: false,
            started: SystemTime::now(),
            clock: Instant::now(),
            interrupt,
            connections: Connections::default(),
            record: None,
            runtime,
        })
    }

    /// Takes these hosts instead of the chosen ones, and fetches what they need.
    pub(super) fn look_at(&mut self, hosts: Vec<HostSpec>) -> Result<()> {
        self.hidden = secrets(&hosts)?;
        self.hosts = hosts;
        Ok(())
    }

    /// Whether hosts may be changed: another job must not change a master that serves the same hosts meanwhile.
    ///
    /// # Errors
    /// Masters are divided among several jobs.
    pub(super) fn may_change(&self) -> Result<()> {
        if self.divided.is_empty() {
            return Ok(());
        }
        let masters: Vec<&str> = self.divided.iter().map(String::as_str).collect();
        let what = format!(
            "--shard: jobs side by side could change masters of the same hosts at one time: {}",
            names::all(&masters)
        );
        Err(anyhow!(what).hint(
            "change them first, in one job, with `--role master`; then the others with `--role slave --shard K/N`",
        ))
    }

    /// Returns the names of all hosts.
    pub(super) fn names(&self) -> Vec<String> {
        self.hosts.iter().map(|host| host.name.clone()).collect()
    }

    /// Runs one phase of the hosts that take part in it, with its events on the terminal.
    pub(super) fn watched<T, F>(&self, hosts: Vec<String>, work: impl FnOnce(Arc<Context>) -> F) -> T
    where
        F: Future<Output = T>,
    {
        let (events, receiver) = channel();
        let verbosity = self.verbosity;
        let printer = std::thread::spawn(move || console::watch(&receiver, &hosts, verbosity));
        let result = self.runtime.block_on(work(Arc::new(self.context(events))));
        // The printer ends when the last sender is gone; a panic in it is a bug that cargo test shows.
        let _ = printer.join();
        result
    }

    /// As `watched`, for a verb that prints as it goes: nobody hears the events.
    pub(super) fn unheard<T, F>(&self, work: impl FnOnce(Arc<Context>) -> F) -> T
    where
        F: Future<Output = T>,
    {
        let (events, _) = channel();
        self.runtime.block_on(work(Arc::new(self.context(events))))
    }

    fn context(&self, events: Sender<Event>) -> Context {
        Context {
            assets: Assets::new(self.assets.clone()).unwrap_or_default(),
            connections: self.connections.clone(),
            beside: self.beside,
            events,
            undo: self.undo,
            verify: self.verify,
            journal: self.journal,
            scripts: self.verbosity == Verbosity::Verbose,
            stop: Arc::clone(&self.interrupt.stop),
            run: history::name(&self.began()),
            closes: self.closes.clone(),
            busy: Arc::clone(&self.interrupt.busy),
            mute: Arc::default(),
            packages: crate::packages::Folders::default(),
            owners: Arc::clone(&self.owners),
            hidden: Arc::clone(&self.hidden),
        }
    }

    /// Returns how long it has taken so far.
    pub(super) fn seconds(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }

    /// Puts the reports of the hosts together, each thing that is wrong with its place and what it is known by.
    pub(super) fn report(&self, mut hosts: Vec<HostReport>) -> FleetReport {
        let inventory = named(&self.inventory);
        hosts.iter_mut().for_each(|host| self.hidden.report(host));
        locate::give(named, &self.hosts, &mut hosts);
        let mut report = FleetReport {
            schema: SCHEMA,
            command: self.command,
            started: humantime::format_rfc3339_millis(self.started).to_string(),
            seconds: self.seconds(),
            exit_code: 0,
            conditions: conditions(&hosts),
            summary: Summary::of(&hosts),
            notes: self.notes.clone(),
            waves: self.waves.clone(),
            spread: spread::spread(&hosts),
            inventory: Some(inventory),
            shard: self.shard.clone(),
            since: None,
            hosts,
        };
        report.stamp();
        if let Some(old) = &self.since {
            report.compare(old);
        }
        report.exit_code = self.exit(&report).code();
        report
    }

    /// Returns the exit code. An interrupt that came too late to keep a host from its work changes nothing.
    pub(super) fn exit(&self, report: &FleetReport) -> Exit {
        let held = report.hosts.iter().any(|host| host.status == Status::NotStarted);
        let new = || report.new_conditions();
        let exit = if self.only_new { Exit::of(&new(), &self.red) } else { Exit::of(&report.conditions, &self.red) };
        if held && self.interrupt.stop.load(Ordering::Relaxed) { Exit::Interrupted } else { exit }
    }

    /// When it began, as its record says.
    fn began(&self) -> String {
        humantime::format_rfc3339_micros(self.started).to_string()
    }

    /// Writes the record of a run that is going to change hosts; of one that is killed, it is left.
    pub(super) fn begin(&mut self) {
        self.record = Some(Record::begin(self.command, whoami(), self.began(), &self.inventory, self.names()));
        self.write_record(None);
        if self.command != Verb::Undo {
            self.unless_noted(Last::begin(&self.inventory, &self.names(), &self.all));
        }
    }

    /// What cannot be written is no reason to leave hosts as they are.
    fn write_record(&self, report: Option<&FleetReport>) {
        let Some(record) = self.record.clone() else { return };
        let record = report.map_or(record.clone(), |report| record.ended(report));
        if let Err(error) = History::open().and_then(|history| history.write(&record)) {
            console::warning(&format!("no record of this run: {}", exit::message(&error)));
        }
    }

    /// Notes how hosts ended, for `@last-failed`, `@last-drifted` and `apply --failed`; `command` is what was done
    /// to them.
    pub(super) fn note_endings(&self, command: Verb, hosts: &[HostReport]) {
        self.unless_noted(Last::note(command, &self.inventory, hosts, &self.all));
    }

    /// A home that cannot be written to, as in a container, is no reason to spoil the result of a run that only reads.
    fn unless_noted(&self, noted: Result<()>) {
        if let Some(error) = noted.err().filter(|_| self.verbosity == Verbosity::Verbose) {
            console::warning(&format!("how the hosts ended is not noted: {}", exit::message(&error)));
        }
    }

    /// Prints the result, and writes the reports that were asked for; `diffs` are left out when they have just been shown.
    pub(super) fn print(&mut self, hosts: Vec<HostReport>, diffs: bool) -> Exit {
        let report = self.report(hosts);
        let exit = self.exit(&report);
        self.write_record(Some(&report));
        self.note_endings(self.command, &report.hosts);
        let exit = self.print_report(exit, &report, diffs);
        if self.format == Format::Json && self.verbosity > Verbosity::Quiet {
            console::error_line(text::ending(&report).trim_end());
        }
        exit
    }

    /// Prints what was found where the user did not want it changed. People have seen it before they were asked.
    pub(super) fn print_declined(&mut self, hosts: Vec<HostReport>) -> Exit {
        self.print_untouched(hosts, Exit::Pending)
    }

    /// The same where no host was changed for another reason, which people have been told: no report of an older run is
    /// left in the place of this one's.
    pub(super) fn print_untouched(&mut self, hosts: Vec<HostReport>, exit: Exit) -> Exit {
        let report = FleetReport { exit_code: exit.code(), ..self.report(hosts) };
        match self.format {
            Format::Human => self.write_reports(exit, &report, Ok(())),
            Format::Json => self.print_report(exit, &report, true),
        }
    }

    fn print_report(&mut self, exit: Exit, report: &FleetReport, diffs: bool) -> Exit {
        if self.verbosity > Verbosity::Quiet {
            self.connections.notes().iter().for_each(|note| console::note(note));
        }
        let shown = self.show(report, Options { diffs, ..Options::of(self.command) });
        self.write_reports(exit, report, shown)
    }

    fn show(&self, report: &FleetReport, options: Options) -> Result<()> {
        match self.format {
            // Standard output is a report's.
            Format::Human if self.reports.takes_standard_output() => {
                console::error_line(text::report(report, options).trim_end());
                Ok(())
            }
            Format::Human => console::print_report(report, options),
            Format::Json => console::print(&json::document(report)),
        }
    }

    /// Writes the reports that were asked for. Hosts were contacted, so what cannot be written, or could not be shown,
    /// is no mistake of the command line; what was done is not known by the reader.
    fn write_reports(&mut self, exit: Exit, report: &FleetReport, shown: Result<()>) -> Exit {
        let mut lost: Vec<anyhow::Error> = shown.err().into_iter().collect();
        lost.extend(self.reports.write(report));
        lost.iter().for_each(console::error);
        match exit {
            Exit::Interrupted => exit,
            _ if !lost.is_empty() => Exit::Failed,
            _ => exit,
        }
    }
}

/// All that is wrong with the hosts.
fn conditions(hosts: &[HostReport]) -> Vec<Condition> {
    Condition::holding(hosts.iter().map(|host| host.status))
}

/// Fetches the secrets of all hosts.
fn secrets(hosts: &[HostSpec]) -> Result<Arc<Hider>> {
    for host in hosts {
        host.resolve_secrets().with_context(|| format!("host `{}`", host.name))?;
    }
    let values: BTreeSet<&str> = hosts.iter().flat_map(HostSpec::secrets).map(Secret::reveal).collect();
    Ok(Arc::new(Hider::new(values)))
}

fn verbosity(global: &Global) -> Verbosity {
    match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    }
}
