//! Gathers the evidence: one execution on each host, those who ask before those who are asked,
//! so that a source can be asked whether the questions have arrived.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use crate::doctor::asks::{self, Asker};
use crate::doctor::diagnose::{self, Looked};
use crate::doctor::evidence::{FACTS, Route};
use crate::doctor::record::{self, Parts};
use crate::doctor::wanted::{self, wanted};
use crate::doctor::{Evidence, diagnose as causes};
use crate::exit::Hint;
use crate::facts::{self, Found};
use crate::inventory::HostSpec;
use crate::model::event::{Event, Phase};
use crate::model::{ErrorReport, Finding, HostReport, Severity, Status};
use crate::ntp::remote;
use crate::text::hide;

use super::Context;
use super::fleet::{guarded, start};
use super::places::each_read;
use super::plan::blank;
use super::posix::frame::Frames;
use super::posix::{asking, verify};
use super::session::{BECOME, Failure, Session};
use super::windows;

/// Time limit for gathering; a silent source costs seconds, a sick service too.
const LOOK: Duration = Duration::from_secs(300);

/// Services and scripts count whole seconds, each with its own rounding, and a script takes a
/// moment until it runs.
const SLACK: Duration = Duration::from_secs(5);

/// More who ask in vain would not make the cause clearer.
const MOST_ASKERS: usize = 16;

/// What gathering and judging came to.
#[derive(Debug)]
pub struct Diagnosis {
    /// One report for each host.
    pub hosts: Vec<HostReport>,
    /// All evidence as text, for a file.
    pub evidence: String,
}

/// One host after its visit.
struct Visit {
    report: HostReport,
    evidence: Evidence,
    /// When its questions began.
    began: Instant,
    /// What templates have made of its secrets.
    secrets: Vec<String>,
}

/// Looks at all hosts and finds the causes.
pub async fn diagnose_all(hosts: Vec<HostSpec>, forks: usize, cx: Arc<Context>) -> Diagnosis {
    start(&cx, &hosts);
    let salt = Frames::new().boundary().to_owned();
    let mut tiers: BTreeMap<std::cmp::Reverse<usize>, Vec<HostSpec>> = BTreeMap::new();
    for spec in &hosts {
        tiers.entry(std::cmp::Reverse(spec.tier)).or_default().push(spec.clone());
    }
    let mut visits: BTreeMap<String, Result<Visit, Box<HostReport>>> = BTreeMap::new();
    for tier in tiers.into_values() {
        let asking = askers(&hosts, &visits);
        let todo = tier.into_iter().map(|spec| (asking.get(&spec.name).cloned().unwrap_or_default(), spec)).collect();
        let (cx, salt) = (Arc::clone(&cx), salt.clone());
        let done =
            each_read(todo, forks, &Arc::clone(&cx), move |(asking, spec): (Vec<(String, Instant)>, HostSpec)| {
                let result = guarded(&spec, &cx, || visit(&spec, &asking, &salt, &cx));
                cx.send(match &result {
                    Ok(_) => Event::Looked { host: spec.name.clone() },
                    Err(report) => Event::Done(report.clone()),
                });
                (spec.name, result)
            })
            .await;
        visits.extend(done);
    }
    let secrets = visits.values().flatten().flat_map(|visit| &visit.secrets).map(String::as_str);
    let hidden = cx.hidden.with(secrets);
    let mut diagnosis = conclude(&hosts, visits);
    diagnosis.hosts.iter_mut().for_each(|report| hidden.report(report));
    diagnosis.evidence = hide::telling_lines(&hidden.text(&diagnosis.evidence));
    diagnosis
}

/// Who has asked each source in vain, from which address and since when.
fn askers(
    hosts: &[HostSpec],
    visits: &BTreeMap<String, Result<Visit, Box<HostReport>>>,
) -> BTreeMap<String, Vec<(String, Instant)>> {
    let mut all: BTreeMap<String, Vec<(String, Instant)>> = BTreeMap::new();
    for spec in hosts {
        let Some(Ok(visit)) = visits.get(&spec.name) else { continue };
        let in_vain = visit.evidence.answers.iter().filter(|answer| !answer.usable());
        for answer in in_vain {
            let source = spec.time.sources.iter().find(|source| source.address == answer.source);
            let address = answer.address.as_deref().and_then(|text| text.parse().ok());
            let route = address.and_then(|address| visit.evidence.routes.get(&address));
            let from = match route {
                Some(Route::By { from, .. }) => *from,
                Some(Route::None(_)) => None,
                None => address.and_then(|address| spec.ip_towards(address)).filter(|_| spec.is_windows()),
            };
            let (Some(server), Some(from)) = (source.and_then(|s| s.host.clone()), from) else { continue };
            let list = all.entry(server).or_default();
            if list.len() < MOST_ASKERS {
                list.push((from.to_string(), visit.began));
            }
        }
    }
    all
}

fn visit(spec: &HostSpec, asking: &[(String, Instant)], salt: &str, cx: &Context) -> Result<Visit, Box<HostReport>> {
    let mut report = blank(spec);
    let started = Instant::now();
    let result = try_visit(spec, asking, salt, cx, &mut report);
    report.seconds = started.elapsed().as_secs_f64();
    match result {
        Ok((evidence, began)) => {
            let secrets = wanted::secrets(spec, &evidence, &cx.assets);
            Ok(Visit { report, evidence, began, secrets })
        }
        Err(failure) => {
            report.status = failure.status;
            report.error = Some(failure.error);
            Err(Box::new(report))
        }
    }
}

fn try_visit(
    spec: &HostSpec,
    asking: &[(String, Instant)],
    salt: &str,
    cx: &Context,
    report: &mut HostReport,
) -> Result<(Evidence, Instant), Failure> {
    let mut session = Session::open(spec, cx)?;
    session.phase(Phase::Probe);
    let began = Instant::now();
    if spec.is_windows() {
        let parts = windows::look::parts(&mut session);
        report.executions = session.executions;
        return Ok((Evidence::read(parts?, 0.0)?, began));
    }
    let asker = |(address, since): &(String, Instant)| Asker { address: address.clone(), ago: since.elapsed() + SLACK };
    let askers: Vec<Asker> = asking.iter().map(asker).collect();
    let (before, asks) = asks::asks(spec, &askers, &asking::all(spec, 3, asking::TIMEOUT_MS, verify::Ports::Raw), salt);
    let mut frames = Frames::new();
    frames.raw(&remote::functions());
    frames.raw(&before);
    let mut names = vec![(FACTS.to_owned(), frames.part(&facts::linux::script()))];
    names.extend(asks.into_iter().map(|ask| (ask.name, frames.part(&ask.body))));
    let (script, splitter) = frames.finish();
    let output = session.run(script, LOOK, &mut |_| ())?;
    report.executions = session.executions;
    let part = |(name, index): (String, usize)| anyhow::Ok((name, splitter.part(&output, index)?));
    let parts = names.into_iter().map(part).collect::<anyhow::Result<Parts>>().context("gather evidence")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut evidence = Evidence::read(parts, now.as_secs_f64())?;
    evidence.wanted = wanted(spec, &evidence, &cx.assets);
    if let Found::Linux(facts) = &evidence.facts
        && facts.uid != 0
    {
        let message = anyhow::anyhow!("the login is user {}, and only root may see all", facts.uid);
        return Err(message.hint(BECOME).into());
    }
    Ok((evidence, began))
}

/// Puts the findings into the reports.
fn conclude(hosts: &[HostSpec], visits: BTreeMap<String, Result<Visit, Box<HostReport>>>) -> Diagnosis {
    let mut reports = BTreeMap::new();
    let mut looked: BTreeMap<String, Looked> = BTreeMap::new();
    for (name, visit) in visits {
        let (report, evidence) = match visit {
            Ok(visit) => (visit.report, Ok(visit.evidence)),
            Err(report) => {
                let why = report.error.as_ref().map_or_else(String::new, |error| error.message.clone());
                (*report, Err(why))
            }
        };
        looked.insert(name.clone(), evidence);
        reports.insert(name, report);
    }
    let mut findings = causes(hosts, &looked);
    let suffering = suffering(&findings);
    let mut list = Vec::new();
    for spec in hosts {
        let Some(mut report) = reports.remove(&spec.name) else { continue };
        report.findings = findings.remove(&spec.name).unwrap_or_default();
        if let Some(Ok(evidence)) = looked.get(&spec.name) {
            finish(&mut report, spec, evidence, suffering.get(&spec.name));
        }
        list.push(report);
    }
    let text = looked.iter().map(|(name, looked)| match looked {
        Ok(evidence) => record::write(name, &evidence.parts),
        Err(why) => record::unreachable(name, why),
    });
    Diagnosis { hosts: list, evidence: text.collect() }
}

/// Whose findings each host suffers from: `FC040 on server1`.
fn suffering(findings: &BTreeMap<String, Vec<Finding>>) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (host, list) in findings {
        for finding in list {
            for name in &finding.affects {
                all.entry(name.clone()).or_default().push(format!("{} on {host}", finding.code));
            }
        }
    }
    all
}

/// What the evidence says of the host itself, as in the report of `verify`.
fn finish(report: &mut HostReport, spec: &HostSpec, evidence: &Evidence, suffers: Option<&Vec<String>>) {
    report.os = Some(evidence.facts.system());
    report.provider = evidence.service_name().map(str::to_owned);
    let peers = evidence.daemon.as_ref().map(|daemon| daemon.peers.as_slice()).unwrap_or_default();
    report.sources = crate::verdict::sources::joined(spec, evidence.answers.clone(), peers);
    report.daemon = evidence.daemon.as_ref().map(|daemon| daemon.report.clone());
    let mut causes: Vec<String> = report.findings.iter().map(|finding| finding.code.clone()).collect();
    causes.extend(suffers.into_iter().flatten().cloned());
    let sick = report.findings.iter().any(|finding| finding.severity == Severity::Error) || suffers.is_some();
    if sick || !diagnose::is_well(spec, evidence) {
        report.status = Status::OutOfLimits;
        report.error = Some(ErrorReport { message: causes.join(", "), hint: None });
    }
}
