//! From a plan to a changed and proven Windows host. The undo is driven from here too, over a new
//! connection if the old one broke.

use std::time::Duration;

use anyhow::Result;

use super::lines::{Answers, at_step, change};
use super::plan::{READ, lines};
use super::proof;
use crate::engine::apply::{left_as_it_is, nothing_left, settle, silent, with_undo};
use crate::engine::clock;
use crate::engine::event::Phase;
use crate::engine::plan::{Planned, Step, owes};
use crate::engine::session::{Failure, Session};
use crate::report::{Delta, HostReport, SourceReport, Status};
use crate::resource::windows::{disown, owe};
use crate::resource::{Fix, Slice};

/// Time limit for the change of one step; a service that waits for its sources is the slow part.
const CHANGE: Duration = Duration::from_secs(150);

/// A step that has something to change.
struct Task<'a> {
    step: &'a Step,
    fix: Fix,
    /// The service that has to be restarted until the change is complete.
    owed: Option<&'a str>,
}

/// Changes and proves a host, or leaves it as it was.
pub(crate) fn drive(session: &mut Session<'_>, planned: &Planned, report: &mut HostReport) -> Result<(), Failure> {
    if !planned.is_pending() {
        return finish(session, report, Status::Unchanged);
    }
    let tasks = tasks(planned)?;
    guard(session)?;
    session.phase(Phase::Apply);
    for (index, task) in tasks.iter().enumerate() {
        session.progress(&task.step.name);
        if let Err(failure) = run(session, &tasks, index) {
            return Err(take_back(session, tasks.get(..=index).unwrap_or_default(), failure));
        }
    }
    let proven = converged(session, planned).and_then(|()| finish(session, report, Status::Changed));
    proven.map_err(|failure| take_back(session, &tasks, failure))
}

fn tasks(planned: &Planned) -> Result<Vec<Task<'_>>> {
    let mut tasks = Vec::new();
    let mut changed: Vec<&str> = Vec::new();
    for (step, slice) in planned.steps.iter().zip(&planned.seen) {
        let refresh = owes(step, &changed);
        let differs = step.resource.diff(slice)?;
        if differs.iter().any(Delta::is_loaded) {
            changed.extend(step.id.as_deref());
        }
        if !differs.is_empty() || refresh {
            let owed = step.unit.as_deref().filter(|_| refresh);
            tasks.push(Task { step, fix: step.resource.fix(slice, refresh)?, owed });
        }
    }
    Ok(tasks)
}

/// Nothing is touched on a host that would then have no source, or whose clock would jump.
fn guard(session: &mut Session<'_>) -> Result<Vec<SourceReport>, Failure> {
    let spec = session.spec;
    if spec.time.sources.is_empty() {
        return Ok(Vec::new());
    }
    let sources = proof::measure(session, 2, 2000)?;
    let failed = |error| Failure { status: Status::Failed, error };
    let needed = session.cx.verify && spec.time.isolated.is_none();
    if needed && !sources.iter().any(|source| source.outcome == "ok") {
        return Err(failed(silent(&sources)));
    }
    clock::refusal(spec, &sources).map_or(Ok(sources), |error| Err(failed(error)))
}

/// The first step also notes the restarts that the last will make good.
fn run(session: &mut Session<'_>, tasks: &[Task<'_>], index: usize) -> Result<(), Failure> {
    let Some(task) = tasks.get(index) else { return Ok(()) };
    let owed = tasks.iter().filter(|_| index == 0).filter_map(|task| task.owed);
    let text: String = owed.map(owe).chain([task.fix.change.clone()]).collect();
    at_step(change(session, &text, CHANGE), &task.step.name)
}

fn converged(session: &mut Session<'_>, planned: &Planned) -> Result<(), Failure> {
    let mut answers = Answers::default();
    answers.ask(session, &lines(&planned.steps), READ)?;
    let seen: Vec<Slice> = planned.steps.iter().map(|step| answers.of(&step.resource.probe())).collect();
    nothing_left(planned, &seen)
}

fn finish(session: &mut Session<'_>, report: &mut HostReport, status: Status) -> Result<(), Failure> {
    report.status = status;
    report.clock = None;
    if !session.cx.verify {
        return Ok(());
    }
    session.phase(Phase::Verify);
    settle(proof::wait(session, report)?, status, report)
}

/// Puts back what the tasks have changed, the last first, and then restarts with it.
fn take_back(session: &mut Session<'_>, tasks: &[Task<'_>], failure: Failure) -> Failure {
    if !session.cx.undo {
        return left_as_it_is(failure);
    }
    session.phase(Phase::Undo);
    session.progress("putting back what was changed");
    let undo = tasks.iter().rev().map(|task| task.fix.undo.as_str());
    let settle = tasks.iter().map(|task| task.fix.settle.as_str());
    let owed: String = tasks.iter().filter_map(|task| task.owed).map(disown).collect();
    let text: String = undo.chain(settle).chain([owed.as_str()]).collect();
    let undone = change(session, &text, CHANGE).or_else(|first| again(session, &text).map_err(|_| first));
    match undone {
        Ok(()) => with_undo(failure, Some(&Slice::default())),
        Err(error) => {
            let stderr = error.error.message;
            with_undo(failure, Some(&Slice { stderr, status: 1, ..Slice::default() }))
        }
    }
}

/// The connection may be what had failed.
fn again(session: &Session<'_>, text: &str) -> Result<(), Failure> {
    let mut fresh = Session::open(session.spec, session.cx)?;
    change(&mut fresh, text, CHANGE)
}
