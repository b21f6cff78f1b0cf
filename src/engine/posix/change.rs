//! A change of a Linux host: one script locks it, asks its sources, arms the undo and makes the changes, so that a
//! lost connection never stops it in the middle; then the same probes again, and the proof.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::frame::{Frames, Splitter};
use super::proof::Proof;
use super::transaction::{GUARD, RUNS, Transaction};
use super::{lock, verify};
use crate::engine::run::{Back, Run, Stopped, Task, Undone};
use crate::engine::session::{Failure, Session};
use crate::engine::shell::Shell;
use crate::engine::{Context, apply, clock};
use crate::inventory::HostSpec;
use crate::model::event::{Event, Phase};
use crate::model::{ErrorReport, HostReport, Slice, SourceReport, Status};
use crate::packages::Folder;
use crate::provider::LinuxProvider;
use crate::resource::{Brought, Fix, service};
use crate::text::decisive::decisive;
use crate::transport::quote::sh;
use crate::transport::{Output, TransportError};
use crate::verdict::Verdict;
use crate::verdict::sources;

/// Time limit for all changes of a host; downloading a package is the slow part.
pub(crate) const CHANGE: Duration = Duration::from_secs(900);

/// Least time limit for reading; a host that is slow has `limits.read`.
const READ: Duration = Duration::from_secs(120);

/// A run on a Linux host.
pub(crate) struct Posix<'a> {
    run: &'a Run<'a>,
    provider: &'static dyn LinuxProvider,
    unit: &'static str,
    transaction: Transaction,
    /// What the host said when it was told, with its proof, that what it proves stays.
    told: Option<Slice>,
}

impl<'a> Posix<'a> {
    /// Puts together what the host has to go through.
    ///
    /// # Errors
    /// A file of this machine that goes along cannot be read, or is not the one that was planned.
    pub(crate) fn new(
        run: &'a Run<'a>,
        (provider, unit): (&'static dyn LinuxProvider, &'static str),
        cx: &Context,
    ) -> Result<Self> {
        let owed = run.tasks.iter().filter_map(|task| task.owed);
        let starts = |task: &Task<'_>| task.step.unit.is_some() && !task.fix.change.is_empty();
        let transaction = Transaction {
            holder: run.holder.clone(),
            fleet: cx.run.clone(),
            limit: CHANGE,
            lease: run.lease,
            about: run.about(),
            prelude: verify::functions(),
            guard: guard(&run.planned.spec, cx),
            owe: owed.map(|unit| service::owe(unit, &run.holder.run)).collect(),
            starts: run.tasks.iter().position(starts),
            fixes: run.tasks.iter().map(|task| brought(task.fix.clone())).collect::<Result<_>>()?,
            keep_wreck: !cx.undo,
            journal: cx.journal,
        };
        Ok(Posix { run, provider, unit, transaction, told: None })
    }

    /// Runs the transaction, and again if the lock of a run that is gone was in the way.
    fn transact(&self, session: &mut Session<'_>) -> Result<(Output, Splitter), Stopped> {
        let (script, boundary) = self.transaction.script();
        let splitter = Splitter::new(&boundary);
        let mut output = self.attempt(session, &script, &splitter)?;
        if let Some(old) = splitter.find(&output, GUARD).as_ref().and_then(lock::abandoned) {
            let release = format!("{}\n{}", lock::FUNCTIONS, lock::release(&old));
            session.run(release, READ, &mut |_| ()).map_err(|error| Stopped::left(error.into()))?;
            output = self.attempt(session, &script, &splitter)?;
        }
        Ok((output, splitter))
    }

    fn attempt(&self, session: &mut Session<'_>, script: &str, splitter: &Splitter) -> Result<Output, Stopped> {
        let (cx, host) = (session.cx, session.spec.name.as_str());
        let output = session.run(script.to_owned(), CHANGE, &mut |line| self.announce(cx, host, splitter, line));
        output.map_err(|error| Stopped::left(self.lost_in_the_middle(error)))
    }

    /// Says which step begins; steps without a change are not worth a line.
    fn announce(&self, cx: &Context, host: &str, splitter: &Splitter, line: &str) {
        let Some(frame) = splitter.begins(line).filter(|frame| *frame > GUARD) else { return };
        let text = match self.run.tasks.get(frame - 1) {
            Some(task) if !task.fix.change.is_empty() => task.step.name.clone(),
            None if frame == self.transaction.undo_frame() => "a step failed: putting back what was changed".to_owned(),
            _ => return,
        };
        cx.send(Event::Progress { host: host.to_owned(), text });
    }

    /// We do not know how far the host has come; it goes on, or takes it back, without us.
    fn lost_in_the_middle(&self, error: TransportError) -> Failure {
        if !error.is_unreachable() {
            // Root rights that are refused are refused before anything begins.
            return error.into();
        }
        let message = format!("{error}; the change had begun, and the host ends it or takes it back by itself");
        let hint = if self.transaction.keep_wreck {
            "`fleetclock check` says what is there now; `fleetclock apply` goes on".to_owned()
        } else {
            format!(
                "`fleetclock apply` goes on and keeps it; if nobody comes within {}, the host takes it back, after a boot as well",
                self.run.patience()
            )
        };
        Failure { status: Status::FailedNotUndone, error: ErrorReport { message, hint: Some(hint) } }
    }

    /// The host asked its sources before it let anything be changed. Returns what they said.
    fn guarded(&self, splitter: &Splitter, output: &Output) -> Result<Vec<SourceReport>, Failure> {
        let (spec, model) = (&self.run.planned.spec, self.run.planned.clock);
        let slice = splitter.part(output, GUARD).context("ask the sources")?;
        let sources = sources::sources(spec, &slice.stdout, &[]);
        let error = match slice.status {
            0 => return Ok(sources),
            lock::LOCKED => lock::refused(&slice),
            clock::TOO_FAR => clock::refusal(spec, model, &sources).unwrap_or_else(|| apply::silent(&sources)),
            _ => apply::silent(&sources),
        };
        Err(Failure { status: Status::Failed, error })
    }

    /// The first step that failed; the host has put back what was changed.
    fn failed(&self, splitter: &Splitter, output: &Output) -> Result<(), Stopped> {
        for (index, task) in self.run.tasks.iter().enumerate() {
            let part = splitter.part(output, Transaction::frame_of(index)).context("change the host");
            let slice = part.map_err(|error| Stopped::left(error.into()))?;
            if slice.status != 0 {
                let undone = splitter.find(output, self.transaction.undo_frame());
                let back = Back::Host(undone.map_or_else(|| Undone::Unfinished(String::new()), Undone::Ran));
                return Err(Stopped { failure: failed_step(task, &slice), begun: index + 1, back });
            }
        }
        Ok(())
    }

    fn keep(&self, session: &mut Session<'_>, run: &str) -> Result<(), TransportError> {
        session.run(format!("{}\n{}", lock::FUNCTIONS, lock::keep(run)), READ, &mut |_| ()).map(drop)
    }

    /// The host was not told that what was changed stays.
    fn not_kept(&self, cx: &Context, failure: Failure) -> Failure {
        match (self.run.planned.is_pending(), cx.undo) {
            (false, _) => failure,
            (true, false) => failure.left_as_it_is(),
            (true, true) => {
                let host = format!(" (the host takes it back by itself within {})", self.run.patience());
                failure.with_undo(&Undone::Unfinished(host))
            }
        }
    }
}

impl Shell for Posix<'_> {
    fn commit(&mut self, session: &mut Session<'_>, report: &mut HostReport) -> Result<(), Stopped> {
        session.phase(Phase::Apply);
        let planned = self.run.planned;
        let (output, splitter) = self.transact(session)?;
        let asked = self.guarded(&splitter, &output).map_err(Stopped::left)?;
        if let Some(slice) = splitter.find(&output, self.transaction.keep_frame()).filter(|slice| slice.status != 0) {
            return Err(Stopped::left(no_way_back(&slice)));
        }
        report.warnings.extend(clock::stepped(&planned.spec, planned.clock, &asked));
        if let Some(slice) = splitter.find(&output, self.transaction.arm_frame()).filter(|slice| slice.status != 0) {
            let why = decisive("", &slice.stderr);
            report.warnings.push(format!("a lost change might not have been taken back: {why}"));
        }
        self.failed(&splitter, &output)
    }

    fn read_again(&mut self, session: &mut Session<'_>) -> Result<Vec<Slice>, Failure> {
        let mut frames = Frames::new();
        for change in &self.run.planned.changes {
            frames.part(&change.step.resource.probe());
        }
        let (script, splitter) = frames.finish();
        let output = session.run(script, READ.max(session.spec.limits.read), &mut |_| ())?;
        let seen = |index| splitter.part(&output, index);
        Ok((0..self.run.planned.changes.len()).map(seen).collect::<Result<_>>()?)
    }

    fn prove(&mut self, session: &mut Session<'_>, report: &mut HostReport) -> Result<Verdict, Failure> {
        let (spec, provider) = (&self.run.planned.spec, self.provider);
        let mut frames = Frames::new();
        // A master that was closed for long is asked again when its time has come; this run may have opened it.
        frames.raw(provider.hurry());
        let proof = Proof::wait(&mut frames, spec, provider, self.unit);
        // Told in the same breath: the host keeps what it proves, and needs no timer any more.
        frames.raw(lock::FUNCTIONS);
        let kept = frames.part(&format!("{} && {}", provider.ready(), lock::keep(&self.run.holder.run)));
        let (script, splitter) = frames.finish();
        let output = session.run_with_progress(script, READ.max(spec.limits.read) + spec.limits.deadline, &splitter)?;
        let verdict = proof.record(spec, provider, &splitter, &output, report)?;
        self.told = Some(splitter.part(&output, kept)?);
        Ok(verdict)
    }

    fn take_back(&mut self, session: &mut Session<'_>, _begun: usize, _cause: &Failure) -> Undone {
        match session.run(self.transaction.undo_script(), CHANGE, &mut |_| ()) {
            Ok(output) => Undone::Ran(Slice { stdout: output.stdout, stderr: output.stderr, status: output.status }),
            Err(error) => {
                let after = self.run.patience();
                Undone::Unfinished(format!(" ({error}; the host takes it back by itself within {after})"))
            }
        }
    }

    /// Where the change failed, the host has given its lock back. What is no failure stays, also where the service
    /// was not ready when the host was asked for the proof.
    fn conclude(
        &mut self,
        session: &mut Session<'_>,
        done: Result<(), Failure>,
        _report: &mut HostReport,
    ) -> Result<(), Failure> {
        done?;
        let told = self.told.as_ref();
        let kept = match told.and_then(lock::abandoned) {
            Some(old) => self.keep(session, &old),
            None if self.run.planned.is_pending() && told.is_none_or(|told| told.stdout.trim() != "kept") => {
                self.keep(session, &self.run.holder.run)
            }
            None => Ok(()),
        };
        kept.map_err(|error| self.not_kept(session.cx, error.into()))
    }
}

/// Files of this machine go along in the text of the change that needs them, and so over the same connection.
fn brought(fix: Fix) -> Result<Fix> {
    let mut text = String::new();
    for Brought { path, name, sha256 } in &fix.brings {
        let content = STANDARD.encode(Folder::content(path, sha256)?);
        // printf is the shell's own: no argument is too long for it.
        let _ = writeln!(text, "printf %s {content} | base64 -d >\"$FC_KEEP\"/{}", sh(name));
    }
    Ok(Fix { change: text + &fix.change, brings: Vec::new(), ..fix })
}

/// What the host asks before it lets anything be changed: is there time, and how far is it off?
fn guard(spec: &HostSpec, cx: &Context) -> Option<String> {
    let ask = verify::guard(spec, cx.verify)?;
    Some(clock::guard(spec).map_or(ask.clone(), |limit| format!("{ask}\n{limit}")))
}

/// Without an undo on the disk nothing is changed.
fn no_way_back(slice: &Slice) -> Failure {
    let message = format!(
        "nothing was changed: its undo could not be written to {RUNS}: {}",
        decisive(&slice.stdout, &slice.stderr)
    );
    let hint = Some("see that the disk is not full and not read-only".to_owned());
    Failure { status: Status::Failed, error: ErrorReport { message, hint } }
}

fn failed_step(task: &Task<'_>, slice: &Slice) -> Failure {
    let cause = decisive(&slice.stdout, &slice.stderr);
    let cause = if cause.is_empty() { format!("exit status {}", slice.status) } else { cause };
    let message = format!("step `{}`: {cause}", task.step.name);
    Failure { status: Status::Failed, error: ErrorReport { message, hint: None } }
}
