//! From a plan to a changed and proven host: the order in which any host is changed. What is sent for it, and how
//! the answers are read, is behind [`Shell`].

use std::sync::Arc;
use std::time::Instant;

use crate::model::event::Phase;
use crate::model::{ErrorReport, HostReport, Slice, SourceReport, Status};
use crate::verdict::Verdict;

use super::plan::Planned;
use super::run::{Back, Run, Stopped};
use super::session::{Failure, Session};
use super::shell::{self, Shell};
use super::{Context, clock, steps, windows};

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
    let result = drive(&mut session, planned, report);
    report.executions = before + session.executions;
    result
}

/// Changes the host and proves it, and keeps that or rolls it back; where nothing has to change, proves it.
fn drive(session: &mut Session<'_>, planned: &Planned, report: &mut HostReport) -> Result<(), Failure> {
    let run = Run::new(planned)?;
    let mut shell = shell::of(&run, session.cx)?;
    let done = if is_settled(session, planned)? {
        prove(session, shell.as_mut(), planned, report)
    } else {
        change(session, shell.as_mut(), &run, report)
    };
    shell.conclude(session, done, report)
}

/// Whether nothing has to be done. W32Time leaves a clock that is far off where it is, whatever its settings.
fn is_settled(session: &mut Session<'_>, planned: &Planned) -> Result<bool, Failure> {
    Ok(!planned.is_pending()
        && match planned.clock {
            clock::Model::Told(_) => true,
            clock::Model::Windows(_) => !windows::far::is_due(session, planned.clock)?,
        })
}

/// Locked, guarded, with its undo armed: the changes; then the host is read again, and proven. What fails is rolled
/// back.
fn change(
    session: &mut Session<'_>,
    shell: &mut dyn Shell,
    run: &Run<'_>,
    report: &mut HostReport,
) -> Result<(), Failure> {
    let committed = shell.commit(session, report);
    let proven = committed.and_then(|()| {
        converge(session, shell, run.planned)
            .and_then(|()| prove(session, shell, run.planned, report))
            .map_err(|failure| Stopped::at_the_end(run, failure))
    });
    proven.map_err(|stopped| roll_back(session, shell, run, stopped))
}

/// The same probes again: a difference that is left is an error.
fn converge(session: &mut Session<'_>, shell: &mut dyn Shell, planned: &Planned) -> Result<(), Failure> {
    session.phase(Phase::Probe);
    let seen = shell.read_again(session)?;
    nothing_left(planned, &seen)
}

/// Proves the clock.
fn prove(
    session: &mut Session<'_>,
    shell: &mut dyn Shell,
    planned: &Planned,
    report: &mut HostReport,
) -> Result<(), Failure> {
    report.status = if planned.is_pending() { Status::Changed } else { Status::Unchanged };
    report.clock = None;
    if !session.cx.verify {
        return Ok(());
    }
    session.phase(Phase::Verify);
    let verdict = shell.prove(session, report)?;
    settle(verdict, report)?;
    if let Some(error) = &mut report.error {
        error.hint = error.hint.take().or_else(|| clock::advice(&planned.spec, planned.clock, &report.sources));
    }
    Ok(())
}

/// Puts back what was begun, unless the user wants to look at the wreck, and says how that went.
fn roll_back(session: &mut Session<'_>, shell: &mut dyn Shell, run: &Run<'_>, stopped: Stopped) -> Failure {
    let Stopped { failure, begun, back } = stopped;
    let failure = match back {
        Back::Nobody => return failure,
        Back::Host(_) | Back::Us if !session.cx.undo => failure.left_as_it_is(),
        Back::Host(undone) => failure.with_undo(&undone),
        Back::Us => {
            session.phase(Phase::Undo);
            session.progress("putting back what was changed");
            let undone = shell.take_back(session, begun, &failure);
            failure.with_undo(&undone)
        }
    };
    failure.with_what_stays(run.begun(begun))
}

/// The last safe point of a host: nothing was touched yet.
fn interrupted() -> Failure {
    let message = "the run was interrupted before this host was changed".to_owned();
    Failure { status: Status::NotStarted, error: ErrorReport { message, hint: None } }
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

/// Compares once more; the first difference that is left is the error.
fn nothing_left(planned: &Planned, seen: &[Slice]) -> Result<(), Failure> {
    let left = steps::left(&planned.changes, seen)?;
    let Some(delta) = left.first() else { return Ok(()) };
    let from = delta.from.as_deref().unwrap_or("absent");
    let to = delta.to.as_deref().unwrap_or("absent");
    let message = format!("{}: {} still differs after the change: {from}, wanted {to}", delta.resource, delta.property);
    Err(Failure { status: Status::Failed, error: ErrorReport { message, hint: None } })
}

/// A host that was changed and does not follow its sources is a failure; a clock that is on
/// its way, or a host that was not changed, is not.
fn settle(verdict: Verdict, report: &mut HostReport) -> Result<(), Failure> {
    match verdict {
        Verdict::Proven => Ok(()),
        Verdict::Settling(why, _) => {
            report.warnings.push(why);
            Ok(())
        }
        Verdict::NotSynchronised(why) if report.status == Status::Changed => Err(Failure {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::run::Undone;
    use crate::engine::sample;
    use crate::transport::{Output, Script, Transport, TransportError};

    struct Silent;

    impl Transport for Silent {
        fn run(&mut self, _: &Script, _: &mut dyn FnMut(&str)) -> Result<Output, TransportError> {
            Ok(Output::default())
        }
    }

    /// Writes down what is asked of it. What it comes to is taken once.
    struct Noted {
        calls: Vec<String>,
        stops: Option<Stopped>,
        verdict: Verdict,
    }

    impl Shell for Noted {
        fn commit(&mut self, _: &mut Session<'_>, _: &mut HostReport) -> Result<(), Stopped> {
            self.calls.push("commit".to_owned());
            self.stops.take().map_or(Ok(()), Err)
        }

        fn read_again(&mut self, _: &mut Session<'_>) -> Result<Vec<Slice>, Failure> {
            self.calls.push("read again".to_owned());
            Ok(Vec::new())
        }

        fn prove(&mut self, _: &mut Session<'_>, _: &mut HostReport) -> Result<Verdict, Failure> {
            self.calls.push("prove".to_owned());
            Ok(self.verdict.clone())
        }

        fn take_back(&mut self, _: &mut Session<'_>, begun: usize, cause: &Failure) -> Undone {
            self.calls.push(format!("take back {begun} after `{}`", cause.error.message));
            Undone::Ran(Slice::default())
        }

        fn conclude(
            &mut self,
            _: &mut Session<'_>,
            done: Result<(), Failure>,
            _: &mut HostReport,
        ) -> Result<(), Failure> {
            done
        }
    }

    fn failure() -> Failure {
        Failure { status: Status::Failed, error: ErrorReport { message: "no".to_owned(), hint: None } }
    }

    fn stopped(begun: usize, back: Back) -> Option<Stopped> {
        Some(Stopped { failure: failure(), begun, back })
    }

    /// What is asked of the shell, and what the host comes to.
    fn changed(undo: bool, stops: Option<Stopped>, verdict: Verdict) -> (Vec<String>, Status, String) {
        let planned = sample::planned(sample::host("h1"), true);
        let mut cx = sample::context(None);
        cx.undo = undo;
        let mut session = Session::resume(&planned.spec, &cx, Box::new(Silent));
        let run = Run::new(&planned).unwrap();
        let mut report = planned.report.clone();
        let mut shell = Noted { calls: Vec::new(), stops, verdict };
        let done = change(&mut session, &mut shell, &run, &mut report);
        match done {
            Ok(()) => (shell.calls, report.status, report.error.map(|error| error.message).unwrap_or_default()),
            Err(failure) => (shell.calls, failure.status, failure.error.message),
        }
    }

    #[test]
    fn a_change_is_committed_read_again_and_proven() {
        let (calls, status, _) = changed(true, None, Verdict::Proven);
        assert_eq!((calls, status), (["commit", "read again", "prove"].map(str::to_owned).into(), Status::Changed));
        // A clock that is on its way is no reason to take the change back.
        let (calls, status, why) = changed(true, None, Verdict::OutOfLimits("far".to_owned()));
        assert_eq!((calls.len(), status, why.as_str()), (3, Status::OutOfLimits, "far"));
    }

    #[test]
    fn a_host_that_follows_nobody_afterwards_is_rolled_back_as_a_whole() {
        let lost = || Verdict::NotSynchronised("follows nothing".to_owned());
        let (calls, status, _) = changed(true, None, lost());
        assert_eq!(calls[3..], ["take back 0 after `verify: follows nothing`"]);
        assert_eq!(status, Status::FailedUndone);
        let (calls, status, why) = changed(false, None, lost());
        assert_eq!((calls.len(), status), (3, Status::FailedNotUndone));
        assert!(why.ends_with("; not rolled back (--no-undo)"), "{why}");
    }

    #[test]
    fn who_takes_back_what_was_begun_is_said_where_it_stopped() {
        let of = |undo: bool, stops| {
            let (calls, status, why) = changed(undo, stops, Verdict::Proven);
            (calls[1..].to_vec(), status, why)
        };
        let none = Vec::<String>::new;
        let said = |text: &str| text.to_owned();
        assert_eq!(of(true, stopped(0, Back::Nobody)), (none(), Status::Failed, said("no")));
        assert_eq!(of(false, stopped(0, Back::Nobody)), (none(), Status::Failed, said("no")));
        assert_eq!(
            of(true, stopped(2, Back::Us)),
            (vec![said("take back 2 after `no`")], Status::FailedUndone, said("no"))
        );
        let host = |status| {
            let slice = Slice { status, stderr: said("disk is full\n"), ..Slice::default() };
            stopped(1, Back::Host(Undone::Ran(slice)))
        };
        assert_eq!(of(true, host(0)), (none(), Status::FailedUndone, said("no")));
        assert_eq!(of(true, host(1)), (none(), Status::FailedNotUndone, said("no; not put back: disk is full")));
        let cut = stopped(1, Back::Host(Undone::Unfinished(String::new())));
        assert_eq!(of(true, cut), (none(), Status::FailedNotUndone, said("no; the rollback did not complete")));
        assert_eq!(of(false, host(0)), (none(), Status::FailedNotUndone, said("no; not rolled back (--no-undo)")));
    }
}
