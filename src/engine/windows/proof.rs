//! The proof of a Windows host: what the service says by numbers, and what PowerShell measures
//! from the host, judged exactly as on Linux. The waiting is done here: cmd.exe has no loop worth
//! the name.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::lines::run;
use crate::engine::session::{Failure, Session};
use crate::facts::windows;
use crate::model::{HostReport, Slice, SourceReport};
use crate::ntp::exchange::COARSE;
use crate::ntp::report::SourceReport as Measured;
use crate::ntp::{powershell, stripchart};
use crate::provider::w32time::{self, W32Time};
use crate::provider::{DaemonStatus, Peer, Provider};
use crate::verdict::followed::followed;
use crate::verdict::settling;
use crate::verdict::sources::{credit, joined};
use crate::verdict::{self, DRIFT, Verdict};

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

/// A clock that is read by `w32tm` shows steps of 16 ms: one when it asks, one when it hears.
const GRAIN_NS: i64 = 2 * COARSE;

/// `w32tm` shows offset and delay; what the service knows of the source that it follows stands in for the rest.
fn complete(mut measured: Measured, daemon: Option<&DaemonStatus>) -> Measured {
    let followed = daemon.filter(|status| status.peers.iter().any(|peer: &Peer| peer.address == measured.source));
    if let (Some(status), Some(offset)) = (followed, measured.offset_ns) {
        let nanos = |seconds: Option<f64>| seconds.map(|seconds| (seconds * 1e9) as i64);
        let report = &status.report;
        measured.stratum = report.stratum.map(|stratum| stratum.saturating_sub(1));
        measured.root_dispersion_ns = nanos(report.root_dispersion_s);
        measured.root_delay_ns = nanos(report.root_delay_s);
        // What the service said was true when it last heard of the source.
        let since = nanos(report.since_s.map(|seconds| seconds * DRIFT));
        measured.dispersion_ns = since.map(|drift| drift.saturating_add(GRAIN_NS));
        measured.error_bound_ns = bound(offset, &measured);
    }
    measured
}

/// As RFC 5905 section 11.2 counts; nothing where a part of it is not known.
fn bound(offset: i64, measured: &Measured) -> Option<i64> {
    let halves = (measured.delay_ns? / 2).saturating_add(measured.root_delay_ns? / 2);
    let rest = measured.root_dispersion_ns?.saturating_add(measured.dispersion_ns?);
    Some(offset.saturating_abs().saturating_add(halves).saturating_add(rest))
}

/// Looks until the host is within its limits or the deadline has passed; the last look counts.
pub(super) fn wait(session: &mut Session<'_>, report: &mut HostReport) -> Result<Verdict, Failure> {
    let end = Instant::now() + session.spec.limits.deadline;
    loop {
        let identify = report.addresses.is_empty();
        let verdict = look_at(session, (TRIES, SAMPLE_TIMEOUT_MS), identify, report)?;
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
pub(crate) fn look(
    session: &mut Session<'_>,
    tries: u32,
    timeout_ms: u32,
    report: &mut HostReport,
) -> Result<Verdict, Failure> {
    look_at(session, (tries, timeout_ms), false, report)
}

/// The same; `identify`: the host also says which addresses it has, so that names which lead to it are known.
fn look_at(
    session: &mut Session<'_>,
    (tries, timeout_ms): (u32, u32),
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
    (tries, timeout_ms): (u32, u32),
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What `w32tm` measures, and what the service said 4096 s ago, come to a bound that holds.
    #[test]
    fn the_bound_without_powershell_counts_every_part() {
        let stdout = std::fs::read_to_string("tests/w32tm/en-hold.txt").unwrap();
        let status = W32Time.parse_status(&Slice { stdout, ..Slice::default() }).unwrap();
        let source = status.peers[0].address.clone();
        let chart = "11:00:01, d:+00.0040000s o:-00.0100000s  [ * ]\n";
        let whole = complete(stripchart::parse(&source, chart), Some(&status));
        let report = &status.report;
        let [delay, dispersion, since] =
            [report.root_delay_s, report.root_dispersion_s, report.since_s].map(Option::unwrap);
        let least = 0.010 + 0.002 + delay / 2.0 + dispersion + since * 15e-6 + 2.0 * 0.015_625;
        let bound = whole.error_bound_ns.unwrap() as f64 / 1e9;
        assert!((bound - least).abs() < 1e-6 && since > 1000.0 && delay > 0.0, "{bound} {least}");
        // No delay, another source, or no word of the service: no bound.
        let alone = stripchart::parse(&source, "11:00:01, -00.0100000s\n");
        assert_eq!(complete(alone, Some(&status)).error_bound_ns, None);
        let other = stripchart::parse("192.0.2.9", chart);
        assert_eq!(complete(other, Some(&status)).error_bound_ns, None);
        assert_eq!(complete(stripchart::parse(&source, chart), None).error_bound_ns, None);
    }
}
