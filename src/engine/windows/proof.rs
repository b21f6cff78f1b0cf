//! The proof of a Windows host: what the service says by numbers, and what PowerShell measures
//! from the host, judged exactly as on Linux. The waiting is done here: cmd.exe has no loop worth
//! the name.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::lines::run;
use crate::engine::session::{Failure, Session};
use crate::facts::windows;
use crate::model::{HostReport, Slice, SourceReport};
use crate::ntp::report::SourceReport as Measured;
use crate::ntp::{powershell, stripchart};
use crate::provider::w32time::{self, W32Time};
use crate::provider::{DaemonStatus, Provider};
use crate::verdict::followed::followed;
use crate::verdict::settling;
use crate::verdict::sources::{credit, joined};
use crate::verdict::stripchart::complete;
use crate::verdict::{self, Verdict};

/// Questions to each source at most; one good answer is enough.
const TRIES: u32 = 3;

/// How long one sample may take, milliseconds.
const SAMPLE_TIMEOUT_MS: u32 = 1000;

/// Between two looks; each is four round trips.
const PAUSE: Duration = Duration::from_secs(4);

/// Time limit for PowerShell: three questions two seconds apart, its start beside an agent that looks at
/// each program, and rest. One that hangs is not waited for any longer.
const POWERSHELL: Duration = Duration::from_secs(30);

/// Measures all sources once, from the host.
pub(super) fn measure(session: &mut Session<'_>, tries: u32, timeout_ms: u32) -> Result<Vec<SourceReport>, Failure> {
    let lines: Vec<String> = probe(session, tries, timeout_ms).into_iter().collect();
    let slices = if lines.is_empty() { Vec::new() } else { asked(session, &lines)? };
    read(session, slices.first().map_or("", |slice| slice.stdout.as_str()))
}

/// Reads what [`probe`] printed.
pub(super) fn read(session: &mut Session<'_>, printed: &str) -> Result<Vec<SourceReport>, Failure> {
    let measured = measured(session, printed, None)?;
    Ok(joined(session.spec, measured, &[]))
}

/// Returns the line that measures all sources, if there are any; nothing where PowerShell was found to hang.
pub(super) fn probe(session: &Session<'_>, tries: u32, timeout_ms: u32) -> Option<String> {
    let sources: Vec<&str> = session.spec.time.addresses().collect();
    (!sources.is_empty() && !is_mute(session)).then(|| powershell::command(&sources, 1, tries, timeout_ms))
}

/// Whether PowerShell of this host was found not to come to its end.
fn is_mute(session: &Session<'_>) -> bool {
    session.cx.mute.lock().unwrap_or_else(PoisonError::into_inner).contains(&session.spec.name)
}

/// Runs lines of which some start PowerShell, within the time limit of that or of reading, if that is longer.
/// Where it hangs, and later, the others are run alone: one that hangs itself is an error then.
pub(super) fn asked(session: &mut Session<'_>, lines: &[String]) -> Result<Vec<Slice>, Failure> {
    let starts = |line: &String| line.starts_with(powershell::PROGRAM);
    let read = session.spec.limits.read;
    if !lines.iter().any(starts) {
        return run(session, lines, read);
    }
    // The other lines may take as long as the host is given for being read.
    let limit = if lines.iter().all(starts) { POWERSHELL } else { POWERSHELL.max(read) };
    if !is_mute(session) {
        let asked = run(session, lines, limit);
        if asked.is_ok() || !session.late {
            return asked;
        }
    }
    let others: Vec<String> = lines.iter().filter(|line| !starts(line)).cloned().collect();
    let mut slices = if others.is_empty() { Vec::new() } else { run(session, &others, read)? }.into_iter();
    if !is_mute(session) {
        session.cx.mute.lock().unwrap_or_else(PoisonError::into_inner).insert(session.spec.name.clone());
        session.progress("PowerShell does not come to its end: w32tm measures instead");
    }
    Ok(lines.iter().map(|line| if starts(line) { None } else { slices.next() }.unwrap_or_default()).collect())
}

/// Reads what the probe printed, and asks with `w32tm` about those of which it says nothing: where
/// PowerShell did not run, or was not let do what the script does.
fn measured(session: &mut Session<'_>, printed: &str, daemon: Option<&DaemonStatus>) -> Result<Vec<Measured>, Failure> {
    let mut reports = powershell::parse(printed);
    let open = powershell::unmeasured(session.spec.time.addresses(), &reports);
    if open.is_empty() {
        return Ok(reports);
    }
    let lines: Vec<String> = open.iter().map(|source| stripchart::command(source, 2)).collect();
    let slices = run(session, &lines, session.spec.limits.read)?;
    let charts = open.iter().zip(slices).map(|(source, slice)| stripchart::parse(source, &slice.stdout));
    reports.extend(charts.map(|chart| complete(chart, daemon)));
    Ok(reports)
}

/// Looks until the host is within its limits or the deadline has passed; the last look counts.
pub(super) fn wait(session: &mut Session<'_>, report: &mut HostReport) -> Result<Verdict, Failure> {
    let end = Instant::now() + session.spec.limits.deadline;
    loop {
        let identify = report.addresses.is_empty();
        let verdict = look(session, (TRIES, SAMPLE_TIMEOUT_MS), identify, report)?;
        let left = end.saturating_duration_since(Instant::now());
        match &verdict {
            Verdict::Proven => return Ok(verdict),
            Verdict::Settling(_, time) if *time > left => return Ok(verdict),
            _ if left.is_zero() || session.cx.stopping() => return Ok(verdict),
            Verdict::Settling(why, _) | Verdict::OutOfLimits(why) | Verdict::NotSynchronised(why) => {
                session.progress(&format!("{why} ({} s left)", left.as_secs()));
            }
        }
        #[expect(clippy::disallowed_methods, reason = "cmd.exe cannot wait for us; see the top of this file")]
        std::thread::sleep(PAUSE.min(left));
    }
}

/// Asks the service and the sources once, and judges.
pub(crate) fn glance(session: &mut Session<'_>, report: &mut HostReport) -> Result<Verdict, Failure> {
    look(session, QUICKLY, false, report)
}

/// How often each source is asked at most, and how long one sample may take, milliseconds.
type Patience = (u32, u32);

/// As for the glance of a plan.
const QUICKLY: Patience = (2, 500);

/// Asks and judges once; `identify`: the host also says which addresses it has, so that names which lead to it are known.
fn look(
    session: &mut Session<'_>,
    (tries, timeout_ms): Patience,
    identify: bool,
    report: &mut HostReport,
) -> Result<Verdict, Failure> {
    let mut lines = vec![W32Time.status().to_owned()];
    if identify {
        lines.extend(windows::query_addresses());
    }
    let facts = lines.len();
    lines.extend(probe(session, tries, timeout_ms));
    let slices = asked(session, &lines)?;
    let own = slices.iter().take(facts).skip(1).flat_map(|slice| windows::addresses(&slice.stdout));
    report.addresses.extend(own);
    let mut daemon = W32Time.parse_status(slices.first().unwrap_or(&Slice::default()))?;
    if session.spec.by_hypervisor() {
        w32time::attach_hypervisor(&mut daemon);
    }
    let printed = slices.get(facts).map_or("", |slice| slice.stdout.as_str());
    let mut measured = measured(session, printed, Some(&daemon))?;
    follow(session, (tries, timeout_ms), &mut daemon, &mut measured)?;
    report.sources = joined(session.spec, measured, &daemon.peers);
    settling::doubt(session.spec, daemon.report.root_dispersion_s, &mut report.sources);
    credit(&mut report.sources, &W32Time);
    let judged = verdict::judge(session.spec, &daemon, &report.sources);
    report.daemon = Some(daemon.report);
    // A host is looked at until it is within its limits: the last look counts.
    report.warnings.retain(|warning| !verdict::is_of_own_clock(warning));
    report.warnings.extend(judged.warning);
    Ok(judged.verdict)
}

/// Takes the machine that the service really follows for its source, and not its name. One to which the name
/// does not lead any more is asked beside those to which it does.
fn follow(
    session: &mut Session<'_>,
    (tries, timeout_ms): Patience,
    daemon: &mut DaemonStatus,
    measured: &mut Vec<Measured>,
) -> Result<(), Failure> {
    let Some(followed) = followed(daemon, measured) else { return Ok(()) };
    let address = followed.address.to_string();
    if !followed.known {
        let slices = asked(session, &[powershell::command(&[&address], 1, tries, timeout_ms)])?;
        let rows = powershell::parse(slices.first().map_or("", |slice| slice.stdout.as_str()));
        if rows.is_empty() {
            return Ok(());
        }
        measured.extend(rows);
    }
    if let Some(peer) = daemon.peers.iter_mut().find(|peer| peer.selected) {
        peer.name = Some(std::mem::replace(&mut peer.address, address));
    }
    Ok(())
}
