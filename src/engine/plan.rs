//! From a host as it is to the list of what has to change: two executions, nothing touched.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};

use crate::exit::Hint;
use crate::facts::linux::Moment;
use crate::facts::services::{self, Ability};
use crate::facts::{self, Facts};
use crate::inventory::spec::Source;
use crate::inventory::{At, HostSpec};
use crate::model::event::Phase;
use crate::model::{Followed, HostReport, Slice, Status};
use crate::provider::w32time::W32Time;
use crate::provider::{self, LinuxProvider, Provider};
use crate::text::hide::Hider;
use crate::verdict::settling;
use crate::verdict::{self, Verdict};

use super::Context;
use super::clock;
use super::frame::Frames;
use super::lock;
use super::ports;
use super::proof::Proof;
use super::session::{BECOME, Failure, Session};
use super::steps::{self, Change, Step, compared};
use super::windows;

/// The time service of a host.
#[derive(Clone, Copy)]
pub(crate) enum Service {
    /// One of those of Linux, and its unit.
    Linux(&'static dyn LinuxProvider, &'static str),
    /// W32Time.
    Windows,
}

impl Service {
    /// Returns the time service itself.
    pub(crate) fn provider(self) -> &'static dyn Provider {
        match self {
            Service::Linux(provider, _) => provider,
            Service::Windows => &W32Time,
        }
    }
}

/// A host, what shall be on it, and what was seen.
pub struct Planned {
    /// The host.
    pub spec: HostSpec,
    pub(crate) service: Service,
    /// How its service moves the clock.
    pub(crate) clock: clock::Model,
    /// Its steps, what was seen of them, and what has to be done.
    pub(crate) changes: Vec<Change>,
    /// An earlier run has left its lock or a word of the host; on Linux the proof looks after that.
    pub(crate) left_over: bool,
    /// What the proof came to, if there was one.
    pub(crate) verdict: Option<Verdict>,
    /// What programs of this host may say and nobody is to read.
    pub(crate) hidden: Hider,
    /// The report so far.
    pub report: HostReport,
}

impl Planned {
    /// The secrets of its steps, as the host has them and as it shall have them.
    fn pieces(&self) -> Vec<String> {
        self.changes.iter().flat_map(|change| change.step.secrets(&change.seen)).collect()
    }

    /// Returns whether something has to change.
    pub fn is_pending(&self) -> bool {
        !self.report.deltas.is_empty()
    }
}

/// Knows also the secrets of steps as their host shall have them: for the scripts that ask after them, and for
/// what the host says to that.
pub(crate) fn hidden(steps: &[Step], cx: &Context) -> Arc<Hider> {
    let nothing = Slice::default();
    let pieces: Vec<String> = steps.iter().flat_map(|step| step.secrets(&nothing)).collect();
    if pieces.is_empty() {
        return Arc::clone(&cx.hidden);
    }
    Arc::new(cx.hidden.with(pieces.iter().map(String::as_str)))
}

/// What to read besides the resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The configuration only.
    Configuration,
    /// Also how far the clock is from its sources.
    Clock,
    /// Also wait for the limits to be met, and prove them.
    Proof,
}

/// Our own clock, seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Reads a host's facts.
pub(crate) fn read_facts(session: &mut Session<'_>) -> Result<Facts, Failure> {
    session.phase(Phase::Facts);
    let mut frames = Frames::new();
    // Half a change of a run that has lost its connection is nothing to plan from.
    frames.raw(&format!("{}\nfc_orphan '' 60", lock::FUNCTIONS));
    let part = frames.part(&facts::linux::script());
    let (script, splitter) = frames.finish();
    let sent = now();
    let output = session.run(script, session.spec.limits.read, &mut |_| ())?;
    let moment = Moment { sent, received: now() };
    let slice = splitter.part(&output, part).context("read facts")?;
    Ok(facts::linux::parse(&slice.stdout, moment).context("read facts")?)
}

/// What the inventory asks for and the service of the host cannot do: which one it is, and how old, is known only now.
fn unable(spec: &HostSpec, provider: &dyn Provider, facts: &Facts) -> Result<()> {
    let why = |(ability, at): &(Ability, At)| {
        let why = services::refusal_here(provider.service(), *ability, &facts.lacks)?;
        Some(format!("the inventory asks for it in line {}, column {}: {why}", at.line, at.column))
    };
    match spec.needs.iter().find_map(why) {
        None => Ok(()),
        Some(why) => Err(anyhow!(why).hint("take it out for this host, or give it a time service that can")),
    }
}

/// Reads a host and compares it with what is wanted.
pub(crate) fn plan(spec: &HostSpec, cx: &Context, extent: Extent) -> Result<Planned, Box<HostReport>> {
    let started = Instant::now();
    let mut report = blank(spec);
    let mut known = Arc::clone(&cx.hidden);
    let result = try_plan(spec, cx, extent, &mut report, &mut known);
    report.seconds = started.elapsed().as_secs_f64();
    match result {
        Ok(mut planned) => {
            let pieces = planned.pieces();
            planned.hidden = known.with(pieces.iter().map(String::as_str));
            planned.hidden.report(&mut report);
            planned.report = report;
            Ok(planned)
        }
        Err(failure) => {
            report.status = failure.status;
            report.error = Some(failure.error);
            known.report(&mut report);
            Err(Box::new(report))
        }
    }
}

/// `known` are the secrets that are known so far, whatever becomes of it.
fn try_plan(
    spec: &HostSpec,
    cx: &Context,
    extent: Extent,
    report: &mut HostReport,
    known: &mut Arc<Hider>,
) -> Result<Planned, Failure> {
    if spec.is_windows() {
        return windows::plan::plan(spec, cx, extent, report, known);
    }
    let mut session = Session::open(spec, cx)?;
    let facts = read_facts(&mut session)?;
    report.executions = session.executions;
    report.os = Some(facts.os_name.clone());
    if facts.uid != 0 {
        let message = anyhow!("the login is user {}, and only root may read and change all that is needed", facts.uid);
        return Err(message.hint(BECOME).into());
    }
    let provider = provider::choose(spec.provider, &facts)?;
    if let Some((why, way)) = provider.refusal(&spec.time, &facts) {
        return Err(anyhow!(why).hint(way).into());
    }
    unable(spec, provider, &facts)?;
    report.provider = Some(provider.name().to_owned());
    report.addresses = facts.addresses.iter().map(ToString::to_string).collect();
    let steps = steps::steps(spec, &facts, provider, cx)?;
    *known = hidden(&steps, cx);
    session.hidden = Arc::clone(known);
    session.phase(if extent == Extent::Proof { Phase::Verify } else { Phase::Probe });
    let unit = provider.layout(&facts).service;
    let known = steps.iter().map(|step| step.resource.known(&facts)).collect();
    let seen = read(&mut session, &steps, known, (provider, unit), extent, report);
    report.executions = session.executions;
    let (seen, verdict) = seen?;
    if clock::is_its_own(spec, report.daemon.as_ref()) {
        report.warnings.extend(clock::against_ours(spec, facts.clock_offset_s, facts.clock_uncertainty_s));
    }
    let (changes, deltas) = compared(steps, seen)?;
    report.deltas = deltas;
    let (mut spec, changes) = lenient(spec, changes, report, |marked| steps::steps(marked, &facts, provider, cx))?;
    report.warnings.extend(provider.shortcomings(&spec.time, &facts));
    // From here on counts what the service will do.
    spec.time.step = provider.steps(spec.time.step);
    let spec = &spec;
    let verdict = verdict.map(|verdict| verdict::anew(spec, verdict, &report.sources));
    report.warnings.extend(ports::unlooked(spec, &facts, provider, cx));
    report.warnings.extend(cloud(&facts, provider.layout(&facts).config));
    report.warnings.extend(changes.iter().filter_map(Change::obstacle).map(|error| obstacle(&error)));
    report.warnings.extend(changes.iter().flat_map(|change| change.step.resource.doubts(&change.seen)));
    report.status = if report.deltas.is_empty() { Status::Unchanged } else { Status::Drifted };
    if extent == Extent::Clock && !report.deltas.is_empty() {
        report.clock = clock::effect(spec, clock::Model::Told(provider.slew_ppm()), &report.sources);
    }
    Ok(Planned {
        spec: spec.clone(),
        service: Service::Linux(provider, unit),
        clock: clock::Model::Told(provider.slew_ppm()),
        changes,
        left_over: false,
        verdict,
        hidden: Hider::default(),
        report: report.clone(),
    })
}

/// A source that has just been started is refused by the defaults of chronyd and ntpd. If one was
/// seen, or the host has been told of it before, the sources are taken as those that `windows: true` marks.
fn lenient(
    spec: &HostSpec,
    strict: Vec<Change>,
    report: &mut HostReport,
    steps: impl Fn(&HostSpec) -> Result<Vec<Step>>,
) -> Result<(HostSpec, Vec<Change>)> {
    let announced = settling::just_started(&report.sources);
    if let Some(marked) = settling::marked(spec).filter(|_| announced || !report.deltas.is_empty()) {
        let seen = strict.iter().map(|change| change.seen.clone()).collect();
        let (changes, deltas) = compared(steps(&marked)?, seen)?;
        if announced || deltas.len() < report.deltas.len() {
            report.deltas = deltas;
            settling::judge_anew(&marked, &mut report.sources);
            return Ok((marked, changes));
        }
    }
    Ok((spec.clone(), strict))
}

/// Runs all probes in one execution, and the measurement with them. What is known is not asked.
fn read(
    session: &mut Session<'_>,
    steps: &[Step],
    mut known: Vec<Option<Slice>>,
    (provider, unit): (&'static dyn LinuxProvider, &str),
    extent: Extent,
    report: &mut HostReport,
) -> Result<(Vec<Slice>, Option<Verdict>), Failure> {
    let spec = session.spec;
    let mut frames = Frames::new();
    for (step, _) in steps.iter().zip(&known).filter(|(_, known)| known.is_none()) {
        frames.part(&step.resource.probe());
    }
    let proof = match extent {
        Extent::Configuration => None,
        Extent::Clock => Some(Proof::glance(&mut frames, spec, provider)),
        Extent::Proof => Some(Proof::wait(&mut frames, spec, provider, unit)),
    };
    let (script, splitter) = frames.finish();
    let wait = if extent == Extent::Proof { spec.limits.deadline } else { Duration::ZERO };
    let output = session.run_with_progress(script, spec.limits.read + wait, &splitter)?;
    for (index, asked) in known.iter_mut().filter(|known| known.is_none()).enumerate() {
        *asked = Some(splitter.part(&output, index)?);
    }
    let verdict = proof.map(|proof| proof.record(spec, provider, &splitter, &output, report)).transpose()?;
    if extent == Extent::Clock {
        // A glance at a service that is about to change is no statement about it.
        report.daemon = None;
        report.warnings.retain(|warning| !verdict::is_of_own_clock(warning));
    }
    Ok((known.into_iter().flatten().collect(), verdict))
}

/// What cloud-init will do to the file that is written here.
fn cloud(facts: &Facts, config: &str) -> Option<String> {
    let place = facts.cloud.first()?;
    Some(format!(
        "{place} has `ntp:`: cloud-init writes {config} anew at the first boot of a clone or of a restored image; take it out there, and out of what the cloud hands to the machine"
    ))
}

/// What `apply` will refuse for: a difference that cannot be mended as the host is now.
fn obstacle(error: &anyhow::Error) -> String {
    format!("`apply` will fail: {error}; {}", crate::exit::hint(error).unwrap_or_default())
}

fn followed(source: &Source) -> Followed {
    Followed { address: source.address.clone(), host: source.host.clone() }
}

/// A report that says nothing yet.
pub(crate) fn blank(spec: &HostSpec) -> HostReport {
    HostReport {
        limit_s: Some(spec.limits.max_error.as_secs_f64()),
        tier: spec.tier,
        follows: spec.time.sources.iter().map(followed).collect(),
        ..HostReport::blank(&spec.name, &spec.address, spec.role)
    }
}
