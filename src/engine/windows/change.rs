//! A change of a Windows host, driven from here, command by command: the undo is left on the host before the first
//! of them, and run from here too, over a new connection if the old one broke.

use std::sync::Arc;
use std::time::Duration;

use super::lines::{self, Answers, at_step, judge};
use super::lock::{self, Entry, Lock, plain};
use super::plan::{self, READ};
use super::{far, proof, timer, undo};
use crate::engine::apply::silent;
use crate::engine::clock;
use crate::engine::run::{Back, Run, Stopped, Task, Undone};
use crate::engine::session::{Failure, Session};
use crate::engine::shell::Shell;
use crate::model::event::Phase;
use crate::model::{HostReport, Slice, SourceReport, Status};
use crate::resource::windows::{disown, owe};
use crate::verdict::Verdict;

/// Time limit for the change of one step; a service that waits for its sources is the slow part.
const CHANGE: Duration = Duration::from_secs(150);

/// An entry of the event log, characters: with the rest of its line it has to fit into a command.
const LONGEST_ENTRY: usize = 1500;

/// A run on a Windows host.
pub(crate) struct Windows<'a> {
    run: &'a Run<'a>,
    lock: Lock,
    /// An earlier run has left its lock or a word of the host.
    left_over: bool,
    /// The host was asked for its lock.
    begun: bool,
    /// The undo is left to the host's own timer.
    left: bool,
}

impl<'a> Windows<'a> {
    /// Nothing is sent yet.
    pub(crate) fn new(run: &'a Run<'a>, left_over: bool) -> Self {
        let lock = Lock { holder: run.holder.clone(), lease: run.lease, armed: false };
        Windows { run, lock, left_over, begun: false, left: false }
    }
}

impl Shell for Windows<'_> {
    fn commit(&mut self, session: &mut Session<'_>, report: &mut HostReport) -> Result<(), Stopped> {
        self.begun = true;
        let (sources, others) = self.guard(session).map_err(Stopped::left)?;
        report.warnings.extend(clock::stepped(session.spec, self.run.planned.clock, &sources));
        let far = clock::is_far(session.spec, &sources);
        self.arm(session, far, &others, report).map_err(Stopped::left)?;
        session.phase(Phase::Apply);
        let mut begun = 0;
        for batch in batches(&self.run.tasks) {
            let first = begun == 0;
            begun += batch.len();
            self.make(session, batch, first).map_err(|failure| Stopped { failure, begun, back: Back::Us })?;
        }
        let corrected = if far { far::correct(session, &self.lock) } else { Ok(()) };
        corrected.map_err(|failure| Stopped::at_the_end(self.run, failure))
    }

    /// In the same breath the lock is renewed, and the event log told.
    fn read_again(&mut self, session: &mut Session<'_>) -> Result<Vec<Slice>, Failure> {
        let mut answers = Answers::default();
        let steps = || self.run.planned.changes.iter().map(|change| &change.step);
        let mut questions = plan::lines(steps());
        questions.push(self.lock.renew()?);
        questions.extend(self.told(session, "INFORMATION", "changed"));
        answers.ask(session, &questions, READ.max(session.spec.limits.read))?;
        Ok(steps().map(|step| answers.of(&step.resource.probe())).collect())
    }

    fn prove(&mut self, session: &mut Session<'_>, report: &mut HostReport) -> Result<Verdict, Failure> {
        proof::wait(session, report)
    }

    fn take_back(&mut self, session: &mut Session<'_>, begun: usize, cause: &Failure) -> Undone {
        let text = undo_of(self.run.begun(begun));
        let cut = cause.status == Status::Unreachable;
        let told: Vec<String> = self.told(session, "ERROR", "failed").filter(|_| !cut).into_iter().collect();
        // The connection may be what had failed; the undo says so if it is.
        let _ = lines::run(session, &told, READ);
        let undone = self
            .put_back(session, &text, cut)
            .or_else(|first| self.again(session, &text).map_err(|second| (first, second)));
        let Err((first, second)) = undone else { return Undone::Ran(Slice::default()) };
        self.left = self.lock.armed && second.status == Status::Unreachable;
        let stderr = if self.left {
            format!("{}; the host takes it back by itself within {}", first.error.message, self.run.patience())
        } else {
            first.error.message
        };
        Undone::Ran(Slice { stderr, status: 1, ..Slice::default() })
    }

    fn conclude(
        &mut self,
        session: &mut Session<'_>,
        done: Result<(), Failure>,
        report: &mut HostReport,
    ) -> Result<(), Failure> {
        if !self.begun {
            done?;
            return if self.left_over { keep(session) } else { Ok(()) };
        }
        let unheard = done.as_ref().is_err_and(|failure| failure.status == Status::Unreachable);
        if self.left || (!self.run.planned.is_pending() && self.lock.armed && unheard) {
            return done;
        }
        self.release(session, done, report)
    }
}

impl Windows<'_> {
    /// Takes the lock. Nothing is touched on a host that would then have no source, or whose clock
    /// would jump. Returns what the sources say, and the runs that the host has the undo of.
    fn guard(&self, session: &mut Session<'_>) -> Result<(Vec<SourceReport>, Vec<String>), Failure> {
        let spec = session.spec;
        let more = [Some(undo::list()), proof::probe(session, 2, 2000)];
        let slices = lock::take(session, &self.lock, more.into_iter().flatten().collect())?;
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
        clock::refusal(spec, self.run.planned.clock, &sources).map_or(Ok((sources, runs)), failed)
    }

    /// Leaves the undo on the host, with its timer.
    fn arm(
        &mut self,
        session: &mut Session<'_>,
        far: bool,
        others: &[String],
        report: &mut HostReport,
    ) -> Result<(), Failure> {
        let limits = if far { far::narrow(session.spec) } else { String::new() };
        let undo = limits + &undo_of(&self.run.tasks);
        let text = undo::text(&self.lock.holder, &session.cx.run, &self.run.about(), &undo)?;
        let unarmed = undo::arm(session, &mut self.lock, &text, others)?;
        report
            .warnings
            .extend(unarmed.map(|why| format!("the timer that rolls back a lost change could not be armed: {why}")));
        Ok(())
    }

    /// Runs a batch; the first also notes the restarts that the last will make good.
    fn make(&self, session: &mut Session<'_>, batch: &[Task<'_>], first: bool) -> Result<(), Failure> {
        let owed: String = self.run.tasks.iter().filter(|_| first).filter_map(|task| task.owed).map(owe).collect();
        let mut texts: Vec<String> = batch.iter().map(|task| task.fix.change.clone()).collect();
        if let (Some(text), Some(task)) = (texts.first_mut(), batch.first()) {
            text.insert_str(0, &owed);
            session.progress(&task.step.name);
        }
        let lines: Vec<String> = texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
        let slices = self.lock.run(session, &lines, CHANGE)?;
        let mut rest = slices.as_slice();
        for (task, text) in batch.iter().zip(&texts) {
            let (own, others) = rest.split_at(text.lines().count().min(rest.len()));
            at_step(judge(text, own), &task.step.name)?;
            rest = others;
        }
        Ok(())
    }

    /// After a connection was lost, the host may still be at what it was told last.
    fn put_back(&self, session: &mut Session<'_>, text: &str, cut: bool) -> Result<(), Failure> {
        if cut {
            lock::quiet(session, &[lock::ask()], Entry::is_busy)?;
        }
        self.lock.change(session, text, CHANGE)
    }

    /// The connection may be what had failed.
    fn again(&self, session: &Session<'_>, text: &str) -> Result<(), Failure> {
        let mut fresh = Session::open(session.spec, session.cx)?;
        fresh.hidden = Arc::clone(&session.hidden);
        self.put_back(&mut fresh, text, true)
    }

    /// Ends the timer, gives the lock back, and forgets an undo that has been done. The error that we
    /// have counts more.
    fn release(
        &self,
        session: &mut Session<'_>,
        done: Result<(), Failure>,
        report: &mut HostReport,
    ) -> Result<(), Failure> {
        let name = &self.lock.holder.run;
        let mut last: Vec<String> = (done.is_ok() && self.left_over).then(timer::heard).into_iter().collect();
        let undone = done.as_ref().is_err_and(|failure| failure.status == Status::FailedUndone);
        if undone || !self.run.planned.is_pending() {
            // Nothing is left that could be taken back.
            last.push(undo::forget(name));
        }
        last.push(if self.lock.armed { timer::keep(name)? } else { lock::release(name)? });
        let released = self.last(session, &last).or_else(|_| {
            // The connection may be what had failed.
            self.last(&mut Session::open(session.spec, session.cx)?, &last)
        });
        match released {
            Ok(None) => done,
            Ok(Some(other)) => done.and(Err(lock::lost(Some(&other)))),
            Err(failure) => {
                let cause = failure.error.message;
                report.warnings.push(format!("the lock on the host stays until its time is over: {cause}"));
                done
            }
        }
    }

    /// Runs the last lines. A host that has not heard of the run for too long may have taken it back
    /// meanwhile: returns who has the lock then.
    fn last(&self, session: &mut Session<'_>, last: &[String]) -> Result<Option<Entry>, Failure> {
        let released = lines::run(session, last, READ)?;
        if released.last().is_none_or(|slice| slice.status == 0) {
            return Ok(None);
        }
        // A lock that is not there was given back by the first of two attempts.
        let seen = lines::run(session, &[lock::ask()], READ)?;
        Ok(seen.first().and_then(|slice| Entry::of(&slice.stdout)).filter(|entry| !self.lock.is(entry)))
    }

    /// An entry in the host's own log, where that is wanted; a host that refuses it is not worse off.
    fn told(&self, session: &Session<'_>, kind: &str, ended: &str) -> Option<String> {
        let (name, who) = (&self.lock.holder.run, &self.lock.holder.who);
        let text = format!("run {name} by {who} {ended}: {}", self.run.about().join(", "));
        session.cx.journal.then(|| timer::event(kind, &plain(&text).chars().take(LONGEST_ENTRY).collect::<String>()))
    }
}

/// A host that is as wanted keeps what an earlier run did, which was never heard of again.
fn keep(session: &mut Session<'_>) -> Result<(), Failure> {
    let seen = lines::run(session, &[lock::ask()], READ)?;
    let mut last = vec![timer::heard()];
    if let Some(dead) = seen.first().and_then(|slice| Entry::of(&slice.stdout)) {
        if !dead.is_over() {
            return Ok(());
        }
        last.push(timer::keep(&dead.holder.run)?);
    }
    lines::run(session, &last, READ).map(drop)
}

/// Settings share a command: nobody has loaded them yet, and the undo knows all of them. A step
/// that acts, or that cannot be taken back, waits until those before it have gone well.
fn batches<'a>(tasks: &'a [Task<'a>]) -> impl Iterator<Item = &'a [Task<'a>]> {
    let setting = |task: &Task<'_>| task.step.unit.is_none() && !task.fix.undo.is_empty();
    tasks.chunk_by(move |left, right| setting(left) && setting(right))
}

/// The lines that put back what the tasks change, the last first, and then restart what was running.
fn undo_of(tasks: &[Task<'_>]) -> String {
    let undo = tasks.iter().rev().map(|task| task.fix.undo.as_str());
    let settle = tasks.iter().map(|task| task.fix.settle.as_str());
    let owed: String = tasks.iter().filter_map(|task| task.owed).map(disown).collect();
    undo.chain(settle).chain([owed.as_str()]).collect()
}
