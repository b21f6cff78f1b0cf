//! From a plan to a changed and proven host: one transaction, the same probes again, the proof.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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

use super::Context;
use super::clock;
use super::frame::{Frames, Splitter};
use super::lock::{self, Holder};
use super::plan::{Planned, Service};
use super::proof::Proof;
use super::session::{Failure, Session};
use super::steps::{self, Change, Step};
use super::transaction::{GUARD, RUNS, Transaction};
use super::verify;
use super::windows;

/// Time limit for all changes of a host; downloading a package is the slow part.
pub(super) const CHANGE: Duration = Duration::from_secs(900);

/// Least time limit for reading; a host that is slow has `limits.read`.
const READ: Duration = Duration::from_secs(120);

/// Changes a host as planned, or leaves it as it was.
pub(crate) fn apply(planned: &Planned, cx: &Context) -> HostReport {
    let started = Instant::now();
    let mut report = planned.report.clone();
    let work = if cx.stopping() { Err(interrupted()) } else { try_apply(planned, cx, &mut report) };
    if let Err(failure) = work {
        report.status = failure.status;
        report.error = Some(failure.error);
    }
    report.seconds += started.elapsed().as_secs_f64();
    planned.hidden.report(&mut report);
    report
}

fn try_apply(planned: &Planned, cx: &Context, report: &mut HostReport) -> Result<(), Failure> {
    let before = report.executions;
    let mut session = Session::open(&planned.spec, cx)?;
    session.hidden = Arc::new(planned.hidden.clone());
    if planned.is_pending() && cx.stopping() {
        return Err(interrupted());
    }
    let _inside = planned.is_pending().then(|| cx.busy.enter(&planned.spec.name));
    let result = match planned.service {
        Service::Linux(provider, unit) => drive(&mut session, planned, (provider, unit), report),
        Service::Windows { .. } => windows::apply::drive(&mut session, planned, report),
    };
    report.executions = before + session.executions;
    result
}

fn drive(
    session: &mut Session<'_>,
    planned: &Planned,
    service: (&dyn LinuxProvider, &str),
    report: &mut HostReport,
) -> Result<(), Failure> {
    if !planned.is_pending() {
        return finish(session, planned, service, report, Status::Unchanged, &Holder::default());
    }
    let transaction = transaction(planned, session.cx)?;
    change(session, planned, &transaction, report)?;
    let holder = &transaction.holder;
    let proven =
        converged(session, planned).and_then(|()| finish(session, planned, service, report, Status::Changed, holder));
    proven.map_err(|failure| stays(take_back(session, &transaction, failure), planned, transaction.fixes.iter()))
}

/// Says what commands have done that cannot be taken back; `begun` are the steps that were reached.
fn stays<'a>(mut failure: Failure, planned: &Planned, begun: impl Iterator<Item = &'a Fix>) -> Failure {
    let done = planned.changes.iter().zip(begun).filter(|(_, fix)| fix.is_for_good()).map(|(change, _)| &change.step);
    failure.error.message.push_str(&for_good(failure.status, done));
    failure
}

/// The same for the steps that were reached and have no undo.
pub(crate) fn for_good<'a>(status: Status, done: impl Iterator<Item = &'a Step>) -> String {
    let undone = status == Status::FailedUndone;
    done.filter(|step| undone && step.resource.label().starts_with("command "))
        .map(|step| format!("; not taken back: `{}`, for it has no `undo`", step.resource.label()))
        .collect()
}

/// The last safe point of a host: nothing was touched yet.
fn interrupted() -> Failure {
    let message = "the run was interrupted before this host was changed".to_owned();
    Failure { status: Status::NotStarted, error: ErrorReport { message, hint: None } }
}

/// Puts together what the host has to go through.
fn transaction(planned: &Planned, cx: &Context) -> Result<Transaction> {
    let holder = Holder::me();
    // What needs no change is an empty step, so that numbers stay those of the playbook.
    let fixes = planned.changes.iter().map(|change| brought(change.fix()?)).collect::<Result<Vec<_>>>()?;
    let owe = planned.changes.iter().filter_map(Change::owed).map(|unit| service::owe(unit, &holder.run)).collect();
    let starts = |(change, fix): (&Change, &Fix)| change.step.unit.is_some() && !fix.change.is_empty();
    Ok(Transaction {
        starts: planned.changes.iter().zip(&fixes).position(starts),
        holder,
        fleet: cx.run.clone(),
        limit: CHANGE,
        lease: lease(planned),
        about: planned.report.deltas.iter().map(|delta| format!("{}: {}", delta.resource, delta.property)).collect(),
        prelude: verify::functions(),
        guard: guard(&planned.spec, cx),
        owe,
        fixes,
        keep_wreck: !cx.undo,
        journal: cx.journal,
    })
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

fn lease(planned: &Planned) -> Duration {
    lock::lease(planned.spec.limits.deadline)
}

/// Runs the transaction.
fn change(
    session: &mut Session<'_>,
    planned: &Planned,
    transaction: &Transaction,
    report: &mut HostReport,
) -> Result<(), Failure> {
    session.phase(Phase::Apply);
    let (script, boundary) = transaction.script();
    let splitter = Splitter::new(&boundary);
    let run = |session: &mut Session<'_>| {
        let (cx, host) = (session.cx, planned.spec.name.clone());
        session
            .run(script.clone(), CHANGE, &mut |line| announce(cx, &host, planned, transaction, &splitter, line))
            .map_err(|error| lost_in_the_middle(error, transaction))
    };
    let mut output = run(session)?;
    if let Some(old) = splitter.find(&output, GUARD).as_ref().and_then(lock::abandoned) {
        session.run(format!("{}\n{}", lock::FUNCTIONS, old.release()), READ, &mut |_| ())?;
        output = run(session)?;
    }
    let asked = judge_guard(planned, &splitter, &output)?;
    if let Some(slice) = splitter.find(&output, transaction.keep_frame()).filter(|slice| slice.status != 0) {
        return Err(no_way_back(&slice));
    }
    report.warnings.extend(clock::stepped(&planned.spec, planned.clock, &asked));
    if let Some(slice) = splitter.find(&output, transaction.arm_frame()).filter(|slice| slice.status != 0) {
        report.warnings.push(format!("a lost change might not have been taken back: {}", decisive("", &slice.stderr)));
    }
    for (index, Change { step, .. }) in planned.changes.iter().enumerate() {
        let slice = splitter.part(&output, Transaction::frame_of(index)).context("change the host")?;
        if slice.status != 0 {
            let undone = splitter.find(&output, transaction.undo_frame());
            let begun = transaction.fixes.iter().take(index + 1);
            return Err(stays(failed_step(session.cx, step, &slice, undone.as_ref()), planned, begun));
        }
    }
    Ok(())
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

/// We do not know how far the host has come; it goes on, or takes it back, without us.
fn lost_in_the_middle(error: TransportError, transaction: &Transaction) -> Failure {
    if !error.is_unreachable() {
        // Root rights that are refused are refused before anything begins.
        return error.into();
    }
    let after = humantime::format_duration(Duration::from_secs(transaction.lease.as_secs()));
    let message = format!("{error}; the change had begun, and the host ends it or takes it back by itself");
    let hint = if transaction.keep_wreck {
        "`fleetclock check` says what is there now; `fleetclock apply` goes on".to_owned()
    } else {
        format!(
            "`fleetclock apply` goes on and keeps it; if nobody comes within {after}, the host takes it back, after a boot as well"
        )
    };
    Failure { status: Status::FailedNotUndone, error: ErrorReport { message, hint: Some(hint) } }
}

/// Says which step begins; steps without a change are not worth a line.
fn announce(cx: &Context, host: &str, planned: &Planned, transaction: &Transaction, splitter: &Splitter, line: &str) {
    let Some(frame) = splitter.begins(line).filter(|frame| *frame > GUARD) else { return };
    let text = match (planned.changes.get(frame - 1), transaction.fixes.get(frame - 1)) {
        (Some(change), Some(fix)) if !fix.change.is_empty() => change.step.name.clone(),
        (None, None) if frame == transaction.undo_frame() => "a step failed: putting back what was changed".to_owned(),
        _ => return,
    };
    cx.send(Event::Progress { host: host.to_owned(), text });
}

/// The host asked its sources before it let anything be changed. Returns what they said.
fn judge_guard(planned: &Planned, splitter: &Splitter, output: &Output) -> Result<Vec<SourceReport>, Failure> {
    let slice = splitter.part(output, GUARD).context("ask the sources")?;
    let sources = sources::sources(&planned.spec, &slice.stdout, &[]);
    if slice.status == lock::LOCKED {
        return Err(Failure { status: Status::Failed, error: lock::refused(&slice) });
    }
    let too_far =
        (slice.status == clock::TOO_FAR).then(|| clock::refusal(&planned.spec, planned.clock, &sources)).flatten();
    match slice.status {
        0 => Ok(sources),
        _ => Err(Failure { status: Status::Failed, error: too_far.unwrap_or_else(|| silent(&sources)) }),
    }
}

/// No source would give the host its time.
pub(crate) fn silent(sources: &[SourceReport]) -> ErrorReport {
    let answers: Vec<String> = sources
        .iter()
        .map(|source| format!("`{}`: {}", source.host.as_deref().unwrap_or(&source.address), source.words()))
        .collect();
    let message = format!("nothing was changed: no source serves time to this host ({})", answers.join(", "));
    let hint = if !sources.is_empty() && sources.iter().all(SourceReport::is_filtered) {
        "`fleetclock doctor` names the rule; it is on this host and not at the master (`nft list ruleset`, `iptables -S OUTPUT`); \
         `--no-verify` configures the host all the same"
    } else {
        "`fleetclock doctor` says which of these it is, and what mends it: see that the master runs, serves this host and is not behind a closed firewall; \
         `--no-verify` configures the host all the same"
    };
    ErrorReport { message, hint: Some(hint.to_owned()) }
}

fn failed_step(cx: &Context, step: &Step, slice: &Slice, undone: Option<&Slice>) -> Failure {
    let cause = decisive(&slice.stdout, &slice.stderr);
    let cause = if cause.is_empty() { format!("exit status {}", slice.status) } else { cause };
    let message = format!("step `{}`: {cause}", step.name);
    if !cx.undo {
        return left_as_it_is(Failure { status: Status::Failed, error: ErrorReport { message, hint: None } });
    }
    with_undo(Failure { status: Status::Failed, error: ErrorReport { message, hint: None } }, undone)
}

/// The user wants to look at the wreck.
pub(crate) fn left_as_it_is(mut failure: Failure) -> Failure {
    failure.status = Status::FailedNotUndone;
    failure.error.message.push_str("; not rolled back (--no-undo)");
    failure
}

/// Says how putting back went; never replaces the first error.
pub(crate) fn with_undo(mut failure: Failure, undone: Option<&Slice>) -> Failure {
    let Some(undone) = undone else {
        failure.status = Status::FailedNotUndone;
        failure.error.message.push_str("; the rollback did not complete");
        return failure;
    };
    failure.status = if undone.status == 0 { Status::FailedUndone } else { Status::FailedNotUndone };
    if undone.status != 0 {
        failure.error.message.push_str(&format!("; not put back: {}", decisive(&undone.stdout, &undone.stderr)));
    }
    failure
}

/// The same probes again: a difference that is left is an error.
fn converged(session: &mut Session<'_>, planned: &Planned) -> Result<(), Failure> {
    let mut frames = Frames::new();
    for change in &planned.changes {
        frames.part(&change.step.resource.probe());
    }
    let (script, splitter) = frames.finish();
    session.phase(Phase::Probe);
    let output = session.run(script, READ.max(planned.spec.limits.read), &mut |_| ())?;
    let seen = (0..planned.changes.len()).map(|index| splitter.part(&output, index)).collect::<Result<Vec<_>>>()?;
    nothing_left(planned, &seen)
}

/// Compares once more; the first difference that is left is the error.
pub(crate) fn nothing_left(planned: &Planned, seen: &[Slice]) -> Result<(), Failure> {
    let left = steps::left(&planned.changes, seen)?;
    let Some(delta) = left.first() else { return Ok(()) };
    let from = delta.from.as_deref().unwrap_or("absent");
    let to = delta.to.as_deref().unwrap_or("absent");
    let message = format!("{}: {} still differs after the change: {from}, wanted {to}", delta.resource, delta.property);
    Err(Failure { status: Status::Failed, error: ErrorReport { message, hint: None } })
}

/// Proves the clock.
fn finish(
    session: &mut Session<'_>,
    planned: &Planned,
    (provider, unit): (&dyn LinuxProvider, &str),
    report: &mut HostReport,
    status: Status,
    holder: &Holder,
) -> Result<(), Failure> {
    report.status = status;
    report.clock = None;
    if !session.cx.verify {
        return if status == Status::Changed { keep(session, holder) } else { Ok(()) };
    }
    session.phase(Phase::Verify);
    let spec = &planned.spec;
    let mut frames = Frames::new();
    // A master that was closed for long is asked again when its time has come; this run may have opened it.
    frames.raw(provider.hurry());
    let proof = Proof::wait(&mut frames, spec, provider, unit);
    // Told in the same breath: the host keeps what it proves, and needs no timer any more.
    frames.raw(lock::FUNCTIONS);
    let kept = frames.part(&format!("{} && {}", provider.ready(), holder.keep()));
    let (script, splitter) = frames.finish();
    let output = session.run_with_progress(script, READ.max(spec.limits.read) + spec.limits.deadline, &splitter)?;
    let verdict = proof.record(spec, provider, &splitter, &output, report)?;
    settle(verdict, status, report)?;
    let told = splitter.part(&output, kept)?;
    match lock::abandoned(&told) {
        Some(old) => keep(session, &old),
        None if status == Status::Changed && told.stdout.trim() != "kept" => keep(session, holder),
        None => Ok(()),
    }
}

/// Tells the host that what was changed stays.
fn keep(session: &mut Session<'_>, holder: &Holder) -> Result<(), Failure> {
    session.run(format!("{}\n{}", lock::FUNCTIONS, holder.keep()), READ, &mut |_| ())?;
    Ok(())
}

/// A host that was changed and does not follow its sources is a failure; a clock that is on
/// its way, or a host that was not changed, is not.
pub(crate) fn settle(verdict: Verdict, status: Status, report: &mut HostReport) -> Result<(), Failure> {
    match verdict {
        Verdict::Proven => Ok(()),
        Verdict::Settling(why, _) => {
            report.warnings.push(why);
            Ok(())
        }
        Verdict::NotSynchronised(why) if status == Status::Changed => Err(Failure {
            status: Status::Failed,
            error: ErrorReport { message: format!("verify: {why}"), hint: None },
        }),
        Verdict::NotSynchronised(why) | Verdict::OutOfLimits(why) => {
            report.status = Status::OutOfLimits;
            report.error = Some(ErrorReport { message: why, hint: None });
            Ok(())
        }
    }
}

/// Runs the undo after a transaction that had ended well and was then found wanting.
fn take_back(session: &mut Session<'_>, transaction: &Transaction, failure: Failure) -> Failure {
    if !session.cx.undo {
        return left_as_it_is(failure);
    }
    session.phase(Phase::Undo);
    session.progress("putting back what was changed");
    match session.run(transaction.undo_script(), CHANGE, &mut |_| ()) {
        Ok(output) => {
            let slice = Slice { stdout: output.stdout, stderr: output.stderr, status: output.status };
            with_undo(failure, Some(&slice))
        }
        Err(error) => {
            let mut failure = with_undo(failure, None);
            let after = humantime::format_duration(Duration::from_secs(transaction.lease.as_secs()));
            failure.error.message.push_str(&format!(" ({error}); the host takes it back by itself within {after}"));
            failure
        }
    }
}
