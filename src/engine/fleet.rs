//! Many hosts at once, in the order of the time hierarchy, each on a thread of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::facts::Found;
use crate::inventory::HostSpec;
use crate::inventory::rollout::Rollout;
use crate::inventory::spec::Role;
use crate::model::event::Event;
use crate::model::{ErrorReport, HostReport, Status};
use crate::verdict::Verdict;

use super::closing::{Pace, closed};
use super::identity;
use super::places::{each, each_read};
use super::plan::{Extent, Planned, blank, plan};
use super::session::Session;
use super::waves::{Order, overlap};
use super::{Context, apply, shell};

/// What planning a host came to.
pub type PlanResult = Result<Planned, Box<HostReport>>;

/// Reads all hosts and compares them with what is wanted.
pub async fn plan_all(hosts: Vec<HostSpec>, forks: usize, extent: Extent, cx: Arc<Context>) -> Vec<PlanResult> {
    read_all(hosts, forks, extent, cx, |result| result).await
}

/// The same, where nothing is to be changed: of each host its report is kept, and nothing else.
pub async fn check_all(hosts: Vec<HostSpec>, forks: usize, cx: Arc<Context>) -> Vec<HostReport> {
    let report = |result: PlanResult| result.map_or_else(|report| *report, |planned| planned.report);
    read_all(hosts, forks, Extent::Configuration, cx, report).await
}

async fn read_all<T: Send + 'static>(
    hosts: Vec<HostSpec>,
    forks: usize,
    extent: Extent,
    cx: Arc<Context>,
    keep: impl Fn(PlanResult) -> T + Send + Sync + 'static,
) -> Vec<T> {
    start(&cx, &hosts);
    each_read(hosts, forks, &Arc::clone(&cx), move |spec| {
        let result = guarded(&spec, &cx, || plan(&spec, &cx, extent));
        let report = match &result {
            Ok(planned) => planned.report.clone(),
            Err(report) => (**report).clone(),
        };
        cx.send(Event::Done(Box::new(report)));
        keep(result)
    })
    .await
}

/// Proves all hosts: configuration, service and clock.
pub async fn verify_all(hosts: Vec<HostSpec>, forks: usize, cx: Arc<Context>) -> Vec<HostReport> {
    let specs = hosts.clone();
    let judge = |result: PlanResult| result.map_or_else(|report| *report, proven);
    let owners = Arc::clone(&cx.owners);
    let mut reports = read_all(hosts, forks, Extent::Proof, cx, judge).await;
    identity::check(&specs, &owners, &mut reports);
    reports
}

/// A host whose configuration is as wanted is judged by its clock.
fn proven(planned: Planned) -> HostReport {
    let mut report = planned.report;
    if report.status != Status::Unchanged {
        return report;
    }
    match planned.verdict {
        None | Some(Verdict::Proven) => {}
        Some(Verdict::Settling(why, _)) => report.warnings.push(why),
        Some(Verdict::OutOfLimits(why) | Verdict::NotSynchronised(why)) => {
            report.status = Status::OutOfLimits;
            report.error = Some(ErrorReport { message: why, hint: None });
        }
    }
    report
}

/// Changes all hosts, wave by wave. A wave starts when the one before is proven.
pub async fn apply_all(plans: Vec<PlanResult>, order: Order, forks: usize, cx: Arc<Context>) -> Vec<HostReport> {
    let names: Vec<String> = plans.iter().map(|plan| name(plan).to_owned()).collect();
    let specs: Vec<HostSpec> = plans.iter().flatten().map(|planned| planned.spec.clone()).collect();
    let mut ready: BTreeMap<String, Planned> = BTreeMap::new();
    let mut done: BTreeMap<String, HostReport> = BTreeMap::new();
    for plan in plans {
        match plan {
            Ok(planned) => drop(ready.insert(planned.spec.name.clone(), planned)),
            Err(report) => drop(done.insert(report.name.clone(), *report)),
        }
    }
    let masters = masters(&ready);
    let mut broken: Vec<String> = Vec::new();
    let mut halt: Option<String> = None;
    let (mut changed, mut pace) = (false, Pace::default());
    for wave in order.waves {
        let members: Vec<Planned> = wave.hosts.iter().filter_map(|name| ready.remove(name)).collect();
        let pending: Vec<String> =
            members.iter().filter(|host| host.is_pending()).map(|host| host.spec.name.clone()).collect();
        if changed && halt.is_none() && !pending.is_empty() {
            pause(order.rollout.pause, &pending, &cx).await;
        }
        changed |= !pending.is_empty();
        halt = halt.or_else(|| pace.past_the_end(&cx).filter(|_| !pending.is_empty()));
        let lost = wave.hosts.iter().filter(|name| done.contains_key(*name)).cloned();
        let counted: Vec<String> = pending.into_iter().chain(lost).collect();
        // A wave that was not let start changes nothing, but hosts that are as wanted are proven all the same.
        let held = |host: &Planned| {
            let halted = halt.clone().filter(|_| host.is_pending());
            halted.or_else(|| neighbour(host, &broken, &masters, &order.rollout)).or_else(|| hold(host, &done, &cx))
        };
        let begun = Instant::now();
        let reports = one_wave(members, held, forks, &cx).await;
        pace.took(begun.elapsed());
        let failed = |report: &&HostReport| matches!(report.status, Status::FailedUndone | Status::FailedNotUndone);
        broken.extend(reports.iter().filter(failed).map(|report| report.name.clone()));
        done.extend(reports.into_iter().map(|report| (report.name.clone(), report)));
        halt = halt.or_else(|| too_many(&wave.why, &counted, &order.rollout, &done));
    }
    done.extend(ready.into_iter().map(|(name, host)| (name, not_started(host.report, "it is in no wave".to_owned()))));
    let mut reports: Vec<HostReport> = names.iter().filter_map(|name| done.remove(name)).collect();
    identity::check(&specs, &cx.owners, &mut reports);
    reports
}

/// Changes the hosts of a wave at the same time, but for those that must not be started.
async fn one_wave(
    members: Vec<Planned>,
    held: impl Fn(&Planned) -> Option<String>,
    forks: usize,
    cx: &Arc<Context>,
) -> Vec<HostReport> {
    let (ready, held): (Vec<_>, Vec<_>) =
        members.into_iter().map(|host| (held(&host), host)).partition(|(why, _)| why.is_none());
    let mut reports = Vec::new();
    for (why, host) in held {
        let report = not_started(host.report, why.unwrap_or_default());
        cx.send(Event::Done(Box::new(report.clone())));
        reports.push(report);
    }
    let cx = Arc::clone(cx);
    let worked = each(ready, forks, move |(_, host): (Option<String>, Planned)| {
        // It may have waited for its turn.
        let report = match closed(&cx).filter(|_| host.is_pending()) {
            Some(why) => not_started(host.report, why),
            None => catch(&host.spec, || apply::apply(&host, &cx)).unwrap_or_else(|report| *report),
        };
        cx.send(Event::Done(Box::new(report.clone())));
        report
    })
    .await;
    reports.extend(worked);
    reports
}

/// The masters that are changed, and whom they serve.
fn masters(ready: &BTreeMap<String, Planned>) -> HashMap<String, Vec<IpNet>> {
    let changed = ready.values().filter(|host| host.spec.role == Role::Master && host.is_pending());
    changed.map(|host| (host.spec.name.clone(), host.spec.time.serve.clone())).collect()
}

/// Says why a master must not be started: another one of the same hosts failed at its change, and
/// these hosts are not to lose both. Who says how many may fail has said so of masters, too.
fn neighbour(
    host: &Planned,
    broken: &[String],
    masters: &HashMap<String, Vec<IpNet>>,
    rollout: &Rollout,
) -> Option<String> {
    let concerned = host.spec.role == Role::Master && host.is_pending() && rollout.max_fail.is_none();
    let shared = |name: &&String| masters.get(*name).is_some_and(|serve| overlap(serve, &host.spec.time.serve));
    let name = broken.iter().filter(|_| concerned).find(shared)?;
    Some(format!("not started: `{name}` serves the same hosts, and its change failed; `--max-fail` lets it go on"))
}

/// Waits between two waves, unless the user wants to stop.
async fn pause(time: Duration, next: &[String], cx: &Context) {
    let Some(first) = next.first().filter(|_| !time.is_zero()) else { return };
    let text = format!("the next wave waits {}", humantime::format_duration(time));
    cx.send(Event::Progress { host: first.clone(), text });
    let end = tokio::time::Instant::now() + time;
    while tokio::time::Instant::now() < end && !cx.stopping() {
        tokio::time::sleep(BEAT.min(end.saturating_duration_since(tokio::time::Instant::now()))).await;
    }
}

/// How often a pause looks whether the user wants to stop.
const BEAT: Duration = Duration::from_millis(200);

/// Says why no further wave may start, if more hosts of this one than may are not proven.
fn too_many(wave: &str, counted: &[String], rollout: &Rollout, done: &BTreeMap<String, HostReport>) -> Option<String> {
    let proven = |name: &String| {
        done.get(name).is_some_and(|report| matches!(report.status, Status::Unchanged | Status::Changed))
    };
    let failed: Vec<&str> = counted.iter().filter(|name| !proven(name)).map(String::as_str).collect();
    let may = rollout.may_fail(counted.len());
    (failed.len() > may).then(|| {
        let who = crate::text::names::all(&failed);
        format!("not started: the wave before ({wave}) was not proven on {who}; `max_fail` is {may}")
    })
}

fn name(plan: &PlanResult) -> &str {
    match plan {
        Ok(planned) => &planned.spec.name,
        Err(report) => &report.name,
    }
}

/// Says why a host must not be started: the run is stopping, or none of its masters is left. What is as wanted is
/// not changed, and its clock may be right all the same: it is proven.
fn hold(host: &Planned, done: &BTreeMap<String, HostReport>, cx: &Context) -> Option<String> {
    if cx.stopping() {
        return Some("the run was interrupted before this host was started".to_owned());
    }
    without_master(host, done)
}

fn without_master(host: &Planned, done: &BTreeMap<String, HostReport>) -> Option<String> {
    let masters: Vec<&str> = host.spec.time.sources.iter().filter_map(|source| source.host.as_deref()).collect();
    let outside = host.spec.time.sources.iter().any(|source| source.host.is_none());
    let works = |master: &&str| done.get(*master).is_none_or(|report| serves(report.status));
    if !host.is_pending() || masters.is_empty() || outside || masters.iter().any(works) {
        return None;
    }
    Some(format!("not started: none of its masters works ({})", masters.join(", ")))
}

/// A master that is not in this run (limited away) is asked by the slave itself.
fn serves(status: Status) -> bool {
    matches!(status, Status::Unchanged | Status::Changed | Status::OutOfLimits)
}

fn not_started(mut report: HostReport, why: String) -> HostReport {
    report.status = Status::NotStarted;
    report.error = Some(ErrorReport { message: why, hint: None });
    report
}

/// Reads the facts of all hosts.
pub async fn facts_all(
    hosts: Vec<HostSpec>,
    forks: usize,
    cx: Arc<Context>,
) -> Vec<Result<(HostReport, Found), Box<HostReport>>> {
    start(&cx, &hosts);
    each_read(hosts, forks, &Arc::clone(&cx), move |spec| {
        let result = guarded(&spec, &cx, || facts(&spec, &cx));
        // Facts are compared with nothing, so there is nothing to say of a host but that it was read.
        cx.send(match &result {
            Ok(_) => Event::Looked { host: spec.name },
            Err(report) => Event::Done(report.clone()),
        });
        result
    })
    .await
}

fn facts(spec: &HostSpec, cx: &Context) -> Result<(HostReport, Found), Box<HostReport>> {
    let mut report = blank(spec);
    let read = Session::open(spec, cx).and_then(|mut session| {
        let facts = shell::facts(&mut session);
        report.executions = session.executions;
        facts
    });
    match read {
        Ok(facts) => {
            report.os = Some(facts.system());
            Ok((report, facts))
        }
        Err(failure) => {
            report.status = failure.status;
            report.error = Some(failure.error);
            Err(Box::new(report))
        }
    }
}

pub(super) fn start(cx: &Context, hosts: &[HostSpec]) {
    cx.send(Event::Started { hosts: hosts.iter().map(|host| host.name.clone()).collect() });
}

/// Does not start a host when the user wants to stop, and keeps a bug in one host from the others.
pub(super) fn guarded<T>(
    spec: &HostSpec,
    cx: &Context,
    work: impl FnOnce() -> Result<T, Box<HostReport>>,
) -> Result<T, Box<HostReport>> {
    if cx.stopping() {
        let why = "the run was interrupted before this host was started".to_owned();
        return Err(Box::new(not_started(blank(spec), why)));
    }
    catch(spec, work)?
}

/// A panic is a bug of ours: it fails this host and no other.
pub(super) fn catch<T>(spec: &HostSpec, work: impl FnOnce() -> T) -> Result<T, Box<HostReport>> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).map_err(|_| {
        let mut report = blank(spec);
        report.status = Status::Failed;
        let message = "a bug in fleetclock: the work on this host panicked".to_owned();
        report.error = Some(ErrorReport { message, hint: Some("please report it with the text above".to_owned()) });
        Box::new(report)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample::{self, planned};

    #[test]
    fn without_its_masters_a_host_is_not_changed_and_is_proven_all_the_same() {
        let hosts = sample::fleet(
            "hosts:\n  m1: { address: 10.0.0.1, role: master, isolated: true }\n  m2: { address: 10.0.0.2, role: master, isolated: true }\n  \
             s: { address: 10.0.0.3, role: slave, follows: [m1, m2] }\n  t: { address: 10.0.0.4, role: slave, follows: [m1], upstream: [10.9.9.9] }",
        );
        let held = |host: usize, pending: bool, of_m1: Status, of_m2: Status| {
            let ended = |name: &str, status| (name.to_owned(), HostReport { status, ..blank(&sample::host(name)) });
            let done = BTreeMap::from([ended("m1", of_m1), ended("m2", of_m2)]);
            without_master(&planned(hosts[host].clone(), pending), &done)
        };
        let (lost, well, late) = (Status::Unreachable, Status::Changed, Status::OutOfLimits);
        assert_eq!(
            held(2, true, lost, Status::FailedUndone).unwrap(),
            "not started: none of its masters works (m1, m2)"
        );
        for (host, pending, m1, m2) in [
            (2, false, lost, lost),
            (2, true, lost, well),
            (2, true, late, lost),
            // It has a source that is no host of this inventory.
            (3, true, lost, lost),
        ] {
            assert_eq!(held(host, pending, m1, m2), None, "{host} {pending} {m1:?} {m2:?}");
        }
    }
}
