//! Taking back what a run did: first every host says what its last one was, then it is chosen
//! which of them are meant, and, if the user agrees, exactly those are taken back.

use std::sync::Arc;
use std::time::Instant;

use crate::inventory::HostSpec;
use crate::model::event::{Event, Phase};
use crate::model::{Delta, ErrorReport, HostReport, Slice, Status};
use crate::resource::command;

use super::Context;
use super::fleet::{guarded, start};
use super::places::{each, each_read};
use super::plan::blank;
use super::session::{Failure, Session};
use super::shell;

/// The last run of a host, and what it changed.
#[derive(Debug, Clone)]
pub struct LastRun {
    /// The host.
    pub spec: HostSpec,
    /// Its name on the host; `None` when there is none that is to be taken back.
    pub run: Option<String>,
    /// The run of the fleet that it was a part of, as `history` names it.
    pub fleet: Option<String>,
    /// Runs of the fleet that changed the host before and were not taken back.
    pub older: Vec<String>,
    /// The report so far: the deltas say what would be taken back.
    pub report: HostReport,
}

/// What looking at a host came to.
pub type LookResult = Result<LastRun, Box<HostReport>>;

/// Which runs are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The newest of all hosts that were asked, and nothing older.
    Newest,
    /// The last one of each host.
    EachLast,
    /// This one.
    Run(String),
}

/// Asks all hosts for their last run.
pub async fn look_all(hosts: Vec<HostSpec>, forks: usize, cx: Arc<Context>) -> Vec<LookResult> {
    start(&cx, &hosts);
    each_read(hosts, forks, &Arc::clone(&cx), move |spec| {
        let result = guarded(&spec, &cx, || host(&spec, |report| look(&spec, &cx, report)));
        cx.send(match &result {
            Ok(_) => Event::Looked { host: spec.name },
            Err(report) => Event::Done(report.clone()),
        });
        result
    })
    .await
}

/// Takes the runs back that were looked at, on all hosts at the same time.
pub async fn undo_all(looks: Vec<LookResult>, forks: usize, cx: Arc<Context>) -> Vec<HostReport> {
    each(looks, forks, move |look| {
        let last = match look {
            Ok(last) => last,
            Err(report) => return *report,
        };
        let Some(run) = last.run.clone() else { return last.report };
        let done = guarded(&last.spec, &cx, || host(&last.spec, |report| undo(&last, &run, &cx, report)));
        let report = done.unwrap_or_else(|report| *report);
        cx.send(Event::Done(Box::new(report.clone())));
        report
    })
    .await
}

/// Leaves alone what is not meant, and says so. Returns the run that is taken back, if it is one.
pub fn choose(looks: &mut [LookResult], choice: &Choice) -> Option<String> {
    let newest = looks.iter().flatten().filter_map(|last| last.fleet.clone()).max();
    let wanted = match choice {
        Choice::EachLast => return None,
        Choice::Newest => newest?,
        Choice::Run(run) => run.clone(),
    };
    for last in looks.iter_mut().flatten().filter(|last| last.fleet.as_ref() != Some(&wanted)) {
        leave(last, &wanted);
    }
    Some(wanted)
}

/// Whether a run that is named is one that any of these hosts could take back, now or after a later one.
pub fn is_known(looks: &[LookResult], run: &str) -> bool {
    looks.iter().flatten().any(|last| last.fleet.as_deref() == Some(run) || last.older.iter().any(|older| older == run))
}

/// A host of which another run is the last one. One that was asked for and is covered by a newer one
/// cannot be taken back alone: both may have written the same file.
fn leave(last: &mut LastRun, wanted: &str) {
    let Some(own) = last.run.take().and(last.fleet.clone()) else { return };
    let name = last.spec.name.clone();
    last.report.deltas.clear();
    last.report.warnings.clear();
    if last.older.iter().any(|run| run == wanted) {
        let message = format!("run {wanted} is not taken back: run {own} has changed this host after it");
        let hint = Some(format!("`fleetclock undo {name}` takes back run {own} first"));
        last.report.status = Status::Failed;
        last.report.error = Some(ErrorReport { message, hint });
        return;
    }
    last.report.status = Status::Unchanged;
    last.report
        .warnings
        .push(format!("left as it is: its last run is {own}, not {wanted}; `fleetclock undo {name}` takes that back"));
}

/// Returns the report of a look.
pub fn report_of(look: &LookResult) -> &HostReport {
    match look {
        Ok(last) => &last.report,
        Err(report) => report,
    }
}

/// Work on a host, with its failure as a report.
fn host<T>(spec: &HostSpec, work: impl FnOnce(&mut HostReport) -> Result<T, Failure>) -> Result<T, Box<HostReport>> {
    let started = Instant::now();
    let mut report = blank(spec);
    work(&mut report).map_err(|failure| {
        report.seconds = started.elapsed().as_secs_f64();
        report.status = failure.status;
        report.error = Some(failure.error);
        Box::new(report)
    })
}

fn look(spec: &HostSpec, cx: &Context, report: &mut HostReport) -> Result<LastRun, Failure> {
    let mut session = Session::open(spec, cx)?;
    session.phase(Phase::Probe);
    let told = shell::past(spec).newest(&mut session);
    report.executions = session.executions;
    Ok(last_run(spec, &told?, report))
}

/// Puts together what a host has told of its last run.
pub(crate) fn last_run(spec: &HostSpec, seen: &Slice, report: &mut HostReport) -> LastRun {
    let run = value(seen, "run").map(str::to_owned);
    // A run of an earlier version knew of no fleet.
    let fleet = run.as_ref().map(|run| value(seen, "fleet").unwrap_or(run).to_owned());
    report.deltas = changes(seen);
    report.status = if run.is_some() { Status::Drifted } else { Status::Unchanged };
    if let (Some(run), Some(who), Some(when)) = (&fleet, value(seen, "who"), value(seen, "when")) {
        report.warnings.push(format!("this is what run {run} changed, by {who} at {when}"));
    }
    report.warnings.extend(for_good(seen).map(|what| format!("not taken back: `{what}`, for its step has no `undo`")));
    let older = seen.stdout.lines().filter_map(|line| line.strip_prefix("older=")).map(str::to_owned).collect();
    LastRun { spec: spec.clone(), run, fleet, older, report: report.clone() }
}

fn value<'a>(seen: &'a Slice, name: &str) -> Option<&'a str> {
    seen.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// What was changed: thing and property.
fn changed(seen: &Slice) -> impl Iterator<Item = (&str, &str)> {
    seen.stdout.lines().filter_map(|line| line.strip_prefix("change=")?.rsplit_once(": "))
}

/// The commands that cannot be taken back.
fn for_good(seen: &Slice) -> impl Iterator<Item = &str> {
    changed(seen).filter(|(_, property)| *property == command::NO_UNDO).map(|(resource, _)| resource)
}

/// `change=file /etc/chrony.conf: content`, the other way round.
fn changes(seen: &Slice) -> Vec<Delta> {
    let lines = changed(seen).filter(|(_, property)| *property != command::NO_UNDO);
    let back = |(resource, property): (&str, &str)| {
        let (from, to) = (Some("changed".to_owned()), Some("as it was".to_owned()));
        Delta::new(resource.to_owned(), property, from, to)
    };
    lines.map(back).collect()
}

fn undo(last: &LastRun, run: &str, cx: &Context, report: &mut HostReport) -> Result<HostReport, Failure> {
    let started = Instant::now();
    *report = last.report.clone();
    let mut session = Session::open(&last.spec, cx)?;
    session.phase(Phase::Undo);
    let _inside = cx.busy.enter(&last.spec.name);
    let done = shell::past(&last.spec).put_back(&mut session, run);
    report.executions += session.executions;
    report.seconds = started.elapsed().as_secs_f64();
    done?;
    report.status = Status::Changed;
    Ok(report.clone())
}

/// A host that is not heard of any more has begun the undo: it is neither untouched nor put back for certain.
pub(crate) fn lost_in_the_middle(mut failure: Failure, then: &str) -> Failure {
    if failure.status == Status::Unreachable {
        let again = "`fleetclock check` says what is there now; if it is not as it was, a further `undo` tries again";
        failure.status = Status::FailedNotUndone;
        failure.error.message.push_str(&format!("; the undo had begun, and {then}"));
        failure.error.hint = Some(again.to_owned());
    }
    failure
}

/// Another run came between the look and the undo.
pub(crate) fn moved(run: &str) -> Failure {
    let message = format!("run {run} is no longer the last one of this host; nothing was taken back");
    let hint = Some("`fleetclock undo` again shows what is there now".to_owned());
    Failure { status: Status::Failed, error: ErrorReport { message, hint } }
}

/// A part of the undo failed.
pub(crate) fn not_in_full(run: &str, why: &str) -> Failure {
    let message = format!("run {run} was not taken back in full: {why}");
    let hint = Some("`fleetclock apply` makes the host as wanted; a further `undo` tries again".to_owned());
    Failure { status: Status::FailedNotUndone, error: ErrorReport { message, hint } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;

    fn look(name: &str, run: Option<&str>, told: &str) -> LookResult {
        let spec = sample::host(name);
        let seen = Slice { stdout: told.to_owned(), ..Slice::default() };
        let mut report = blank(&spec);
        let last = last_run(&spec, &seen, &mut report);
        assert_eq!(last.run.as_deref(), run);
        Ok(last)
    }

    /// `r2` is the last run of the fleet; `b` has only seen the one before, `c` none.
    fn fleet() -> Vec<LookResult> {
        let a = "run=r2a\nwho=me\nwhen=now\nfleet=r2\nchange=file /f: content\nolder=r1\n";
        let b = "run=r1b\nwho=me\nwhen=then\nfleet=r1\nchange=service x: running\n";
        vec![look("a", Some("r2a"), a), look("b", Some("r1b"), b), look("c", None, "")]
    }

    fn taken(looks: &[LookResult]) -> Vec<Option<&str>> {
        looks.iter().flatten().map(|last| last.run.as_deref()).collect()
    }

    #[test]
    fn only_the_newest_run_of_the_fleet_is_taken_back() {
        let mut looks = fleet();
        assert_eq!(choose(&mut looks, &Choice::Newest).as_deref(), Some("r2"));
        assert_eq!(taken(&looks), [Some("r2a"), None, None]);
        let left = report_of(&looks[1]);
        assert_eq!((left.status, left.deltas.len()), (Status::Unchanged, 0));
        assert_eq!(left.warnings, ["left as it is: its last run is r1, not r2; `fleetclock undo b` takes that back"]);
        assert!(report_of(&looks[2]).warnings.is_empty());
    }

    #[test]
    fn hosts_that_are_named_and_a_run_that_is_named() {
        let mut looks = fleet();
        assert_eq!(choose(&mut looks, &Choice::EachLast), None);
        assert_eq!(taken(&looks), [Some("r2a"), Some("r1b"), None]);
        choose(&mut looks, &Choice::Run("r1".into()));
        assert_eq!(taken(&looks), [None, Some("r1b"), None]);
        assert!(is_known(&looks, "r1") && is_known(&looks, "r2") && !is_known(&looks, "r3"));
        let refused = report_of(&looks[0]).error.clone().unwrap();
        assert_eq!(refused.message, "run r1 is not taken back: run r2 has changed this host after it");
    }

    #[test]
    fn an_undo_that_is_cut_off_had_begun_and_is_not_called_unreachable() {
        let of = |status| {
            let error = ErrorReport { message: "read from 10.0.0.1:22: it was reset".to_owned(), hint: None };
            lost_in_the_middle(Failure { status, error }, "the host finishes it by itself")
        };
        let cut = of(Status::Unreachable);
        assert_eq!(cut.status, Status::FailedNotUndone);
        let words = "read from 10.0.0.1:22: it was reset; the undo had begun, and the host finishes it by itself";
        assert_eq!(cut.error.message, words);
        assert!(cut.error.hint.unwrap().contains("`fleetclock check`"));
        // Root rights that are refused are refused before anything begins.
        let refused = of(Status::Failed);
        assert_eq!((refused.status, refused.error.hint), (Status::Failed, None));
    }

    #[test]
    fn a_run_of_an_earlier_version_is_its_own_fleet() {
        let mut looks = vec![look("a", Some("r1"), "run=r1\nwho=me\nwhen=now\n"), look("b", Some("r2"), "run=r2\n")];
        assert_eq!(choose(&mut looks, &Choice::Newest).as_deref(), Some("r2"));
        assert_eq!(taken(&looks), [None, Some("r2")]);
    }

    #[test]
    fn a_command_that_cannot_be_taken_back_is_told() {
        let told = "run=r\nwho=me\nwhen=now\nchange=command touch /x: done without undo\nchange=command y: done\n";
        let looks = [look("a", Some("r"), told)];
        let report = report_of(&looks[0]);
        assert_eq!(report.deltas.len(), 1);
        assert_eq!(report.warnings[1], "not taken back: `command touch /x`, for its step has no `undo`");
    }
}
