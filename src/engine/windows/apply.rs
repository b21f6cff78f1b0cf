//! From a plan to a changed and proven Windows host. The undo is driven from here too, over a new
//! connection if the old one broke.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use super::lines::{self, Answers, at_step, judge};
use super::lock::{self, Entry, Lock, plain};
use super::plan::{self, READ};
use super::{far, proof, timer, undo};
use crate::engine::apply::{for_good, left_as_it_is, nothing_left, settle, silent, with_undo};
use crate::engine::clock;
use crate::engine::lock::Holder;
use crate::engine::plan::{Planned, Service};
use crate::engine::session::{Failure, Session};
use crate::engine::steps::Step;
use crate::model::event::Phase;
use crate::model::{HostReport, Slice, SourceReport, Status};
use crate::resource::Fix;
use crate::resource::windows::{disown, owe};

/// Time limit for the change of one step; a service that waits for its sources is the slow part.
const CHANGE: Duration = Duration::from_secs(150);

/// An entry of the event log, characters: with the rest of its line it has to fit into a command.
const LONGEST_ENTRY: usize = 1500;

/// A step that has something to change.
struct Task<'a> {
    step: &'a Step,
    fix: Fix,
    /// The service that has to be restarted until the change is complete.
    owed: Option<&'a str>,
}

/// One run on a host.
struct Run<'a> {
    planned: &'a Planned,
    tasks: Vec<Task<'a>>,
    lock: Lock,
    /// The undo is left to the host's own timer.
    left: bool,
}

/// Changes and proves a host, or leaves it as it was.
pub(crate) fn drive(session: &mut Session<'_>, planned: &Planned, report: &mut HostReport) -> Result<(), Failure> {
    if !planned.is_pending() && !far_off(session, planned.clock)? {
        finish(session, report, Status::Unchanged)?;
        return if left_over(planned) { keep(session) } else { Ok(()) };
    }
    let mut run = Run { planned, tasks: tasks(planned)?, lock: Lock::new(session.spec), left: false };
    let result = locked(session, &mut run, report);
    release(session, &run, result, report)
}

/// Whether an earlier run has left its lock or a word of the host.
fn left_over(planned: &Planned) -> bool {
    matches!(planned.service, Service::Windows { left_over: true })
}

/// A host that is as wanted keeps what an earlier run did, which was never heard of again.
fn keep(session: &mut Session<'_>) -> Result<(), Failure> {
    let seen = lines::run(session, &[lock::ask()], READ)?;
    let mut last = vec![timer::heard()];
    if let Some(dead) = seen.first().and_then(|slice| Entry::of(&slice.stdout)) {
        if !dead.is_over() {
            return Ok(());
        }
        last.push(timer::keep(&dead.run)?);
    }
    lines::run(session, &last, READ).map(drop)
}

/// Whether the clock of a host that is otherwise as wanted needs the large step that is allowed to
/// it. `step: always` lets W32Time do it alone.
fn far_off(session: &mut Session<'_>, clock: clock::Model) -> Result<bool, Failure> {
    if session.spec.limits.max_step.is_some() || !far::is_limited(session.spec) {
        return Ok(false);
    }
    let sources = proof::measure(session, 2, 2000)?;
    Ok(far::is_far(session.spec, &sources) && far::refusal(session.spec, clock, &sources).is_none())
}

fn locked(session: &mut Session<'_>, run: &mut Run<'_>, report: &mut HostReport) -> Result<(), Failure> {
    let (sources, others) = guard(session, &run.lock, run.planned.clock)?;
    report.warnings.extend(clock::stepped(session.spec, run.planned.clock, &sources));
    let far = far::is_far(session.spec, &sources);
    arm(session, run, far, &others, report)?;
    session.phase(Phase::Apply);
    let mut done = 0;
    for batch in batches(&run.tasks) {
        done += batch.len();
        if let Err(failure) = steps(session, run, batch, done == batch.len()) {
            let begun = run.tasks.get(..done).unwrap_or_default();
            let (failure, left) = take_back(session, run, begun, failure);
            let failure = stays(failure, begun);
            run.left = left;
            return Err(failure);
        }
    }
    let status = if run.planned.is_pending() { Status::Changed } else { Status::Unchanged };
    let corrected = if far { far::correct(session, &run.lock) } else { Ok(()) };
    let proven = corrected.and_then(|()| converged(session, run)).and_then(|()| finish(session, report, status));
    let Err(failure) = proven else { return Ok(()) };
    if !run.planned.is_pending() {
        run.left = run.lock.armed && failure.status == Status::Unreachable;
        return Err(failure);
    }
    let (failure, left) = take_back(session, run, &run.tasks, failure);
    let failure = stays(failure, &run.tasks);
    run.left = left;
    Err(failure)
}

/// Says what commands have done that cannot be taken back.
fn stays(mut failure: Failure, begun: &[Task<'_>]) -> Failure {
    let done = begun.iter().filter(|task| task.fix.is_for_good()).map(|task| task.step);
    failure.error.message.push_str(&for_good(failure.status, done));
    failure
}

/// Leaves the undo on the host, with its timer.
fn arm(
    session: &mut Session<'_>,
    run: &mut Run<'_>,
    far: bool,
    others: &[String],
    report: &mut HostReport,
) -> Result<(), Failure> {
    let limits = if far { far::narrow(session.spec) } else { String::new() };
    let text = undo::text(&run.lock.holder, &session.cx.run, &about(report), &(limits + &undo_of(&run.tasks)))?;
    let unarmed = undo::arm(session, &mut run.lock, &text, others)?;
    report
        .warnings
        .extend(unarmed.map(|why| format!("the timer that rolls back a lost change could not be armed: {why}")));
    Ok(())
}

/// Ends the timer, gives the lock back, and forgets an undo that has been done. The error that we
/// have counts more.
fn release(
    session: &mut Session<'_>,
    run: &Run<'_>,
    result: Result<(), Failure>,
    report: &mut HostReport,
) -> Result<(), Failure> {
    if run.left {
        return result;
    }
    let name = &run.lock.holder.run;
    let mut last: Vec<String> = (result.is_ok() && left_over(run.planned)).then(timer::heard).into_iter().collect();
    let undone = result.as_ref().is_err_and(|failure| failure.status == Status::FailedUndone);
    if undone || !run.planned.is_pending() {
        // Nothing is left that could be taken back.
        last.push(undo::forget(name));
    }
    last.push(if run.lock.armed { timer::keep(name)? } else { lock::release(name)? });
    let released = ours(session, run, &last).or_else(|_| {
        // The connection may be what had failed.
        ours(&mut Session::open(session.spec, session.cx)?, run, &last)
    });
    match released {
        Ok(None) => result,
        Ok(Some(other)) => result.and(Err(lock::lost(Some(&other)))),
        Err(failure) => {
            let cause = failure.error.message;
            report.warnings.push(format!("the lock on the host stays until its time is over: {cause}"));
            result
        }
    }
}

/// Runs the last lines of a run. A host that has not heard of it for too long may have taken it
/// back meanwhile: returns who has the lock then.
fn ours(session: &mut Session<'_>, run: &Run<'_>, last: &[String]) -> Result<Option<Entry>, Failure> {
    let released = lines::run(session, last, READ)?;
    if released.last().is_none_or(|slice| slice.status == 0) {
        return Ok(None);
    }
    // A lock that is not there was given back by the first of two attempts.
    let seen = lines::run(session, &[lock::ask()], READ)?;
    Ok(seen.first().and_then(|slice| Entry::of(&slice.stdout)).filter(|entry| !run.lock.is(entry)))
}

fn tasks(planned: &Planned) -> Result<Vec<Task<'_>>> {
    let due = planned.changes.iter().filter(|change| change.is_due());
    due.map(|change| Ok(Task { step: &change.step, fix: change.fix()?, owed: change.owed() })).collect()
}

/// Takes the lock. Nothing is touched on a host that would then have no source, or whose clock
/// would jump. Returns what the sources say, and the runs that the host has the undo of.
fn guard(
    session: &mut Session<'_>,
    lock: &Lock,
    model: clock::Model,
) -> Result<(Vec<SourceReport>, Vec<String>), Failure> {
    let spec = session.spec;
    let more = [Some(undo::list()), proof::probe(session, 2, 2000)];
    let slices = lock::take(session, lock, more.into_iter().flatten().collect())?;
    let printed = |index: usize| slices.get(index).map_or("", |slice| slice.stdout.as_str());
    let runs = undo::runs(printed(0));
    if spec.time.sources.is_empty() {
        return Ok((Vec::new(), runs));
    }
    let sources = proof::read(session, printed(1))?;
    let failed = |error| Err(Failure { status: Status::Failed, error });
    let needed = session.cx.verify && spec.time.isolated.is_none();
    if needed && !sources.iter().any(|source| source.is_ok()) {
        return failed(silent(&sources));
    }
    let refusal = far::refusal(spec, model, &sources).or_else(|| clock::refusal(spec, model, &sources));
    refusal.map_or(Ok((sources, runs)), failed)
}

/// Settings share a command: nobody has loaded them yet, and the undo knows all of them. A step
/// that acts, or that cannot be taken back, waits until those before it have gone well.
fn batches<'a>(tasks: &'a [Task<'a>]) -> impl Iterator<Item = &'a [Task<'a>]> {
    let setting = |task: &Task<'_>| task.step.unit.is_none() && !task.fix.undo.is_empty();
    tasks.chunk_by(move |left, right| setting(left) && setting(right))
}

/// Runs a batch; the first also notes the restarts that the last will make good.
fn steps(session: &mut Session<'_>, run: &Run<'_>, batch: &[Task<'_>], first: bool) -> Result<(), Failure> {
    let owed: String = run.tasks.iter().filter(|_| first).filter_map(|task| task.owed).map(owe).collect();
    let mut texts: Vec<String> = batch.iter().map(|task| task.fix.change.clone()).collect();
    if let (Some(text), Some(task)) = (texts.first_mut(), batch.first()) {
        text.insert_str(0, &owed);
        session.progress(&task.step.name);
    }
    let lines: Vec<String> = texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
    let slices = run.lock.run(session, &lines, CHANGE)?;
    let mut rest = slices.as_slice();
    for (task, text) in batch.iter().zip(&texts) {
        let (own, others) = rest.split_at(text.lines().count().min(rest.len()));
        at_step(judge(text, own), &task.step.name)?;
        rest = others;
    }
    Ok(())
}

fn converged(session: &mut Session<'_>, run: &Run<'_>) -> Result<(), Failure> {
    let planned = run.planned;
    let mut answers = Answers::default();
    let steps = || planned.changes.iter().map(|change| &change.step);
    let mut questions = plan::lines(steps());
    questions.push(run.lock.renew()?);
    questions.extend(told(session, run, "INFORMATION", "changed"));
    session.phase(Phase::Probe);
    answers.ask(session, &questions, READ.max(planned.spec.limits.read))?;
    let seen: Vec<Slice> = steps().map(|step| answers.of(&step.resource.probe())).collect();
    nothing_left(planned, &seen)
}

/// An entry of what was done in the host's own log, where that is wanted; a host that refuses it is not worse off.
fn told(session: &Session<'_>, run: &Run<'_>, kind: &str, ended: &str) -> Option<String> {
    let Holder { run: name, who, .. } = &run.lock.holder;
    let text = format!("run {name} by {who} {ended}: {}", about(&run.planned.report).join(", "));
    session.cx.journal.then(|| timer::event(kind, &plain(&text).chars().take(LONGEST_ENTRY).collect::<String>()))
}

fn about(report: &HostReport) -> Vec<String> {
    report.deltas.iter().map(|delta| format!("{}: {}", delta.resource, delta.property)).collect()
}

fn finish(session: &mut Session<'_>, report: &mut HostReport, status: Status) -> Result<(), Failure> {
    report.status = status;
    report.clock = None;
    if !session.cx.verify {
        return Ok(());
    }
    session.phase(Phase::Verify);
    let verdict = proof::wait(session, report)?;
    let far = far::is_far(session.spec, &report.sources).then(|| far::advice(session.spec));
    let settled = settle(verdict, status, report);
    if let (Some(error), Some(advice)) = (&mut report.error, far) {
        error.hint.get_or_insert(advice);
    }
    settled
}

/// The lines that put back what the tasks change, the last first, and then restart what was running.
fn undo_of(tasks: &[Task<'_>]) -> String {
    let undo = tasks.iter().rev().map(|task| task.fix.undo.as_str());
    let settle = tasks.iter().map(|task| task.fix.settle.as_str());
    let owed: String = tasks.iter().filter_map(|task| task.owed).map(disown).collect();
    undo.chain(settle).chain([owed.as_str()]).collect()
}

/// Puts back what the tasks have changed, the last first, and then restarts with it. Returns also
/// whether that is left to the timer of the host.
fn take_back(session: &mut Session<'_>, run: &Run<'_>, tasks: &[Task<'_>], failure: Failure) -> (Failure, bool) {
    if !session.cx.undo {
        return (left_as_it_is(failure), false);
    }
    session.phase(Phase::Undo);
    session.progress("putting back what was changed");
    let text = undo_of(tasks);
    let cut = failure.status == Status::Unreachable;
    let told: Vec<String> = told(session, run, "ERROR", "failed").filter(|_| !cut).into_iter().collect();
    // The connection may be what had failed; the undo says so if it is.
    let _ = lines::run(session, &told, READ);
    let undone = put_back(session, run, &text, cut)
        .or_else(|first| again(session, run, &text).map_err(|second| (first, second)));
    let Err((first, second)) = undone else { return (with_undo(failure, Some(&Slice::default())), false) };
    let left = run.lock.armed && second.status == Status::Unreachable;
    let stderr = if left {
        let after = humantime::format_duration(Duration::from_secs(run.lock.lease.as_secs()));
        format!("{}; the host takes it back by itself within {after}", first.error.message)
    } else {
        first.error.message
    };
    (with_undo(failure, Some(&Slice { stderr, status: 1, ..Slice::default() })), left)
}

/// After a connection was lost, the host may still be at what it was told last.
fn put_back(session: &mut Session<'_>, run: &Run<'_>, text: &str, cut: bool) -> Result<(), Failure> {
    if cut {
        lock::quiet(session, &[lock::ask()], Entry::is_busy)?;
    }
    run.lock.change(session, text, CHANGE)
}

/// The connection may be what had failed.
fn again(session: &Session<'_>, run: &Run<'_>, text: &str) -> Result<(), Failure> {
    let mut fresh = Session::open(session.spec, session.cx)?;
    fresh.hidden = Arc::clone(&session.hidden);
    put_back(&mut fresh, run, text, true)
}
