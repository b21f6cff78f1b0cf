//! Taking back what the last run did: first every host says what that would be, then, if the
//! user agrees, exactly that run is taken back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::inventory::HostSpec;
use crate::report::{Delta, ErrorReport, HostReport, Status};
use crate::resource::Slice;
use crate::transport::quote::sh;

use super::Context;
use super::event::{Event, Phase};
use super::fleet::{each, guarded, start};
use super::frame::{Frames, last_lines};
use super::lock::{self, Holder};
use super::plan::blank;
use super::session::{Failure, Session};
use super::transaction::RUNS;
use super::windows;

/// Time limit for reading and for putting back.
const LIMIT: Duration = Duration::from_secs(120);

/// The last run of a host, and what it changed.
#[derive(Debug, Clone)]
pub struct LastRun {
    /// The host.
    pub spec: HostSpec,
    /// Name of the run; `None` when there is none that could be taken back.
    pub run: Option<String>,
    /// The report so far: the deltas say what would be taken back.
    pub report: HostReport,
}

/// What looking at a host came to.
pub type LookResult = Result<LastRun, Box<HostReport>>;

/// The newest run that changed something and was not taken back yet.
const NEWEST: &str = r#"for fc_run in $(ls -1r @RUNS@ 2>/dev/null); do
fc_f=@RUNS@/$fc_run
[ -e "$fc_f/undo" ] && [ -e "$fc_f/reached" ] && [ ! -e "$fc_f/undone" ] || continue
echo "run=$fc_run"
cat "$fc_f/about"
break
done"#;

/// Asks all hosts for their last run.
pub async fn look_all(hosts: Vec<HostSpec>, forks: usize, cx: Arc<Context>) -> Vec<LookResult> {
    start(&cx, &hosts);
    each(hosts, forks, move |spec| {
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
    if spec.is_windows() {
        return windows::undo::look(spec, cx, report);
    }
    let mut session = Session::open(spec, cx)?;
    session.phase(Phase::Probe);
    let mut frames = Frames::new();
    let part = frames.part(&NEWEST.replace("@RUNS@", RUNS));
    let (script, splitter) = frames.finish();
    let output = session.run(script, LIMIT, &mut |_| ())?;
    let seen = splitter.part(&output, part).context("look for the last run")?;
    report.executions = session.executions;
    let run = value(&seen, "run").map(str::to_owned);
    report.deltas = changes(&seen);
    report.status = if run.is_some() { Status::Drifted } else { Status::Unchanged };
    if let (Some(run), Some(who), Some(when)) = (&run, value(&seen, "who"), value(&seen, "when")) {
        report.warnings.push(the_run(run, who, when));
    }
    Ok(LastRun { spec: spec.clone(), run, report: report.clone() })
}

/// Says whose change it is.
pub(crate) fn the_run(run: &str, who: &str, when: &str) -> String {
    format!("this is what run {run} changed, by {who} at {when}")
}

fn value<'a>(seen: &'a Slice, name: &str) -> Option<&'a str> {
    seen.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// `change=file /etc/chrony.conf: content`, the other way round.
pub(crate) fn changes(seen: &Slice) -> Vec<Delta> {
    let lines = seen.stdout.lines().filter_map(|line| line.strip_prefix("change=")?.rsplit_once(": "));
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
    let done =
        if last.spec.is_windows() { windows::undo::undo(&mut session, run) } else { put_back(&mut session, run) };
    report.executions += session.executions;
    report.seconds = started.elapsed().as_secs_f64();
    done?;
    report.status = Status::Changed;
    Ok(report.clone())
}

fn put_back(session: &mut Session<'_>, run: &str) -> Result<(), Failure> {
    let output = session.run(script(run, &Holder::me()), LIMIT, &mut |_| ())?;
    match output.status {
        0 => Ok(()),
        lock::LOCKED => {
            let seen = Slice { stdout: output.stdout, stderr: output.stderr, status: output.status };
            Err(Failure { status: Status::Failed, error: lock::refused(&seen) })
        }
        MOVED => Err(moved(run)),
        _ => Err(not_in_full(run, &last_lines(&output.stderr))),
    }
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

/// Exit status when another run is the last one by now.
const MOVED: i32 = 5;

/// Under the lock, and only if the run still is the last one.
fn script(run: &str, holder: &Holder) -> String {
    format!(
        "trap '' HUP PIPE\n{functions}\n{take} || exit\n\
         fc_seen=$({newest})\n\
         case $fc_seen in *{wanted}*) ;; *) fc_release {own}; exit {MOVED} ;; esac\n\
         fc_disarm\nsh {RUNS}/{run}/undo\nfc_status=$?\nfc_release {own}\n\
         [ $fc_status = 0 ] || exit 1\n",
        functions = lock::FUNCTIONS,
        take = holder.take(),
        newest = NEWEST.replace("@RUNS@", RUNS),
        wanted = sh(&format!("run={run}\n")),
        own = sh(&holder.run),
        run = sh(run),
    )
}
