//! The proof again and again: one quick measurement of every host in each round, over connections
//! that are kept open. Nothing is waited for, and the configuration is not compared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::exit::Hint;
use crate::inventory::HostSpec;
use crate::provider;
use crate::report::{ErrorReport, HostReport, Status};
use crate::transport::Transport;

use super::Context;
use super::fleet::{catch, each};
use super::frame::Frames;
use super::plan::{Service, blank, read_facts};
use super::proof::Proof;
use super::session::{Failure, Session};
use super::verify::Verdict;
use super::windows;

/// Time limit for one look; each source is given up after a second.
const LOOK: Duration = Duration::from_secs(20);

/// Samples of each source, as for the glance of a plan.
const SAMPLES: u32 = 2;

/// How long one sample may take, milliseconds.
const SAMPLE_TIMEOUT_MS: u32 = 500;

/// The hosts that are watched, with what is kept of each between two rounds.
pub struct Watch {
    hosts: Vec<Watched>,
    forks: usize,
}

struct Watched {
    spec: HostSpec,
    known: Option<Known>,
    /// The connection, where it is kept open.
    transport: Option<Box<dyn Transport>>,
}

/// What does not change from round to round.
#[derive(Clone)]
struct Known {
    service: Service,
    os: Option<String>,
}

impl Watch {
    /// Watches these hosts, at most `forks` at a time.
    pub fn new(hosts: Vec<HostSpec>, forks: usize) -> Self {
        let hosts = hosts.into_iter().map(|spec| Watched { spec, known: None, transport: None }).collect();
        Watch { hosts, forks }
    }

    /// Measures every host once, and returns one report for each in order. A host that was not
    /// begun when the user wanted to stop is left out.
    pub async fn round(&mut self, cx: &Arc<Context>) -> Vec<HostReport> {
        // More open connections than `forks` is what the user did not ask for.
        let keep = self.hosts.len() <= self.forks;
        let cx = Arc::clone(cx);
        let done = each(std::mem::take(&mut self.hosts), self.forks, move |mut host| {
            let report = (!cx.stopping()).then(|| host.turn(&cx));
            if !keep {
                host.transport = None;
            }
            (host, report)
        })
        .await;
        let (hosts, reports): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        self.hosts = hosts;
        reports.into_iter().flatten().collect()
    }
}

impl Watched {
    /// One measurement. A connection that was kept may have been closed by the host since: it is
    /// opened anew before the host is called unreachable.
    fn turn(&mut self, cx: &Context) -> HostReport {
        let started = Instant::now();
        let mut report = blank(&self.spec);
        let kept = self.transport.is_some();
        let mut result = self.try_look(cx, &mut report);
        if kept && result.as_ref().is_err_and(|failure| failure.status != Status::OutOfLimits) && !cx.stopping() {
            result = self.try_look(cx, &mut report);
        }
        if let Err(failure) = result {
            report.status = failure.status;
            report.error = Some(failure.error);
        }
        report.seconds = started.elapsed().as_secs_f64();
        report
    }

    /// The connection is kept only when all went well.
    fn try_look(&mut self, cx: &Context, report: &mut HostReport) -> Result<(), Failure> {
        let transport = self.transport.take();
        let (spec, known) = (self.spec.clone(), self.known.clone());
        let look = || look(&spec, cx, transport, known, report);
        let looked = catch(&self.spec, look).unwrap_or_else(|panicked| Err(bug(*panicked)))?;
        self.transport = Some(looked.transport);
        self.known = Some(looked.known);
        match looked.verdict {
            Verdict::Proven => Ok(()),
            Verdict::OutOfLimits(message) | Verdict::NotSynchronised(message) => {
                Err(Failure { status: Status::OutOfLimits, error: ErrorReport { message, hint: None } })
            }
        }
    }
}

fn bug(panicked: HostReport) -> Failure {
    let error = panicked.error.unwrap_or(ErrorReport { message: "a bug in fleetclock".to_owned(), hint: None });
    Failure { status: panicked.status, error }
}

struct Looked {
    transport: Box<dyn Transport>,
    known: Known,
    verdict: Verdict,
}

fn look(
    spec: &HostSpec,
    cx: &Context,
    transport: Option<Box<dyn Transport>>,
    known: Option<Known>,
    report: &mut HostReport,
) -> Result<Looked, Failure> {
    let mut session = match transport {
        Some(transport) => Session::resume(spec, cx, transport),
        None => Session::open(spec, cx)?,
    };
    let result = measure(&mut session, known, report);
    report.executions += session.executions;
    let (known, verdict) = result?;
    Ok(Looked { transport: session.close(), known, verdict })
}

fn measure(
    session: &mut Session<'_>,
    known: Option<Known>,
    report: &mut HostReport,
) -> Result<(Known, Verdict), Failure> {
    let known = match known {
        Some(known) => known,
        None => learn(session)?,
    };
    report.os.clone_from(&known.os);
    report.provider = Some(known.service.provider().name().to_owned());
    let verdict = match known.service {
        Service::Windows => windows::proof::look(session, SAMPLES, SAMPLE_TIMEOUT_MS, report)?,
        Service::Linux(..) => glance(session, known.service, report)?,
    };
    Ok((known, verdict))
}

/// Finds out which time service the host has; on Windows there is but one.
fn learn(session: &mut Session<'_>) -> Result<Known, Failure> {
    if session.spec.is_windows() {
        return Ok(Known { service: Service::Windows, os: None });
    }
    let facts = read_facts(session)?;
    if facts.uid != 0 {
        let message = anyhow!("the login is user {}, and only root may ask all that is needed", facts.uid);
        return Err(message.hint("set `become: sudo` (or doas) for this host").into());
    }
    let provider = provider::choose(session.spec.provider, &facts)?;
    let service = Service::Linux(provider, provider.layout(&facts).service);
    Ok(Known { service, os: Some(facts.os_name) })
}

fn glance(session: &mut Session<'_>, service: Service, report: &mut HostReport) -> Result<Verdict, Failure> {
    let (spec, provider) = (session.spec, service.provider());
    let mut frames = Frames::new();
    let proof = Proof::glance(&mut frames, spec, provider);
    let (script, splitter) = frames.finish();
    let output = session.run(script, LOOK, &mut |_| ())?;
    Ok(proof.record(spec, provider, &splitter, &output, report)?)
}
