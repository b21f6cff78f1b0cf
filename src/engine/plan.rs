//! From a host as it is to the list of what has to change: two executions, nothing touched.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Result;

use crate::inventory::HostSpec;
use crate::inventory::spec::Source;
use crate::model::event::Phase;
use crate::model::{Followed, HostReport, Slice, Status};
use crate::provider::w32time::W32Time;
use crate::provider::{LinuxProvider, Provider};
use crate::text::hide::Hider;
use crate::verdict::settling;
use crate::verdict::{self, Verdict};

use super::Context;
use super::clock;
use super::session::{Failure, Session};
use super::shell;
use super::steps::{Change, Step, compared};

/// The time service of a host.
#[derive(Clone, Copy)]
pub(crate) enum Service {
    /// One of those of Linux, and its unit.
    Linux(&'static dyn LinuxProvider, &'static str),
    /// W32Time, and whether an earlier run has left its lock or a word of the host. On Linux the proof looks
    /// after that.
    Windows { left_over: bool },
}

impl Service {
    /// Returns the time service itself.
    pub(crate) fn provider(self) -> &'static dyn Provider {
        match self {
            Service::Linux(provider, _) => provider,
            Service::Windows { .. } => &W32Time,
        }
    }

    /// Whether it refuses a source that has just been started, unless its file says otherwise.
    fn refuses_the_young(self) -> bool {
        matches!(self, Service::Linux(..))
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

/// Reads a host and compares it with what is wanted.
pub(crate) fn plan(spec: &HostSpec, cx: &Context, extent: Extent) -> Result<Planned, Box<HostReport>> {
    let started = Instant::now();
    let mut report = blank(spec);
    let mut known = Arc::clone(&cx.hidden);
    let result = Session::open(spec, cx).and_then(|mut session| {
        let planned = compare(&mut session, extent, &mut report);
        report.executions = session.executions;
        known = Arc::clone(&session.hidden);
        planned
    });
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

/// The facts, the steps of such a host, what is there of them, and what has to change. What the session hides
/// afterwards are all secrets that are known, whatever becomes of it.
fn compare(session: &mut Session<'_>, extent: Extent, report: &mut HostReport) -> Result<Planned, Failure> {
    let (spec, cx) = (session.spec, session.cx);
    let mut system = shell::meet(session, report)?;
    let steps = system.steps(spec, cx)?;
    session.hidden = hidden(&steps, cx);
    report.warnings.extend(steps.iter().flat_map(|step| step.resource.warnings()));
    session.phase(if extent == Extent::Proof { Phase::Verify } else { Phase::Probe });
    let (seen, verdict) = system.read(session, &steps, extent, report)?;
    if clock::is_its_own(spec, report.daemon.as_ref()) {
        report.warnings.extend(system.against_ours(spec));
    }
    let (changes, deltas) = compared(steps, seen)?;
    report.deltas = deltas;
    let planned = Planned {
        spec: spec.clone(),
        service: system.service(),
        clock: system.clock(spec),
        changes,
        verdict,
        hidden: Hider::default(),
        report: report.clone(),
    };
    let mut planned = lenient(planned, report, |marked| system.steps(marked, cx))?;
    // From here on counts what the service will do.
    planned.spec.time.step = planned.service.provider().steps(planned.spec.time.step);
    conclude(&planned, extent, report);
    Ok(planned)
}

/// What the plan of a host comes to.
fn conclude(planned: &Planned, extent: Extent, report: &mut HostReport) {
    let changes = || planned.changes.iter();
    report.warnings.extend(changes().filter_map(Change::obstacle).map(|error| obstacle(&error)));
    report.warnings.extend(changes().flat_map(|change| change.step.resource.doubts(&change.seen)));
    report.status = if report.deltas.is_empty() { Status::Unchanged } else { Status::Drifted };
    if extent == Extent::Clock && !report.deltas.is_empty() {
        report.clock = clock::effect(&planned.spec, planned.clock, &report.sources);
    }
}

/// A source that has just been started is refused by the defaults of chronyd and ntpd. If one was
/// seen, or the host has been told of it before, the sources are taken as those that `windows: true` marks.
fn lenient(
    strict: Planned,
    report: &mut HostReport,
    steps: impl Fn(&HostSpec) -> Result<Vec<Step>>,
) -> Result<Planned> {
    if !strict.service.refuses_the_young() {
        return Ok(strict);
    }
    let mut planned = strict;
    let announced = settling::just_started(&report.sources);
    if let Some(marked) = settling::marked(&planned.spec).filter(|_| announced || !report.deltas.is_empty()) {
        let seen = planned.changes.iter().map(|change| change.seen.clone()).collect();
        let (changes, deltas) = compared(steps(&marked)?, seen)?;
        if announced || deltas.len() < report.deltas.len() {
            report.deltas = deltas;
            settling::judge_anew(&marked, &mut report.sources);
            planned = Planned { spec: marked, changes, ..planned };
        }
    }
    let verdict = planned.verdict.take().map(|verdict| verdict::anew(&planned.spec, verdict, &report.sources));
    Ok(Planned { verdict, ..planned })
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
