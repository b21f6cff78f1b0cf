//! The proof of a Windows host: what the service says by numbers, and what PowerShell measures
//! from the host, judged exactly as on Linux. The waiting is done here: cmd.exe has no loop worth
//! the name.

use std::time::{Duration, Instant};

use super::lines::run;
use super::plan::READ;
use crate::engine::session::{Failure, Session};
use crate::engine::sources::{credit, joined};
use crate::engine::verdict::{self, Verdict};
use crate::ntp::powershell;
use crate::ntp::report::SourceReport as Measured;
use crate::provider::w32time::W32Time;
use crate::provider::{DaemonStatus, Peer, Provider};
use crate::report::{HostReport, SourceReport};
use crate::resource::Slice;

/// Questions to each source at most; one good answer is enough.
const TRIES: u32 = 3;

/// How long one sample may take, milliseconds.
const SAMPLE_TIMEOUT_MS: u32 = 1000;

/// Between two looks; each is four round trips.
const PAUSE: Duration = Duration::from_secs(4);

/// Measures all sources once, from the host.
pub(super) fn measure(session: &mut Session<'_>, tries: u32, timeout_ms: u32) -> Result<Vec<SourceReport>, Failure> {
    let Some(line) = probe(session, tries, timeout_ms) else { return Ok(Vec::new()) };
    let slices = run(session, &[line], READ)?;
    read(session, slices.first().map_or("", |slice| slice.stdout.as_str()))
}

/// Reads what [`probe`] printed.
pub(super) fn read(session: &mut Session<'_>, printed: &str) -> Result<Vec<SourceReport>, Failure> {
    let measured = measured(session, printed, None)?;
    Ok(joined(session.spec, measured, &[]))
}

/// Returns the line that measures all sources, if there are any.
pub(super) fn probe(session: &Session<'_>, tries: u32, timeout_ms: u32) -> Option<String> {
    let sources: Vec<&str> = session.spec.time.sources.iter().map(|source| source.address.as_str()).collect();
    (!sources.is_empty()).then(|| powershell::command(&sources, 1, tries, timeout_ms))
}

/// Reads what the probe printed, or asks with `w32tm` where PowerShell did not run.
fn measured(session: &mut Session<'_>, printed: &str, daemon: Option<&DaemonStatus>) -> Result<Vec<Measured>, Failure> {
    let reports = powershell::parse(printed);
    if !reports.is_empty() || session.spec.time.sources.is_empty() {
        return Ok(reports);
    }
    let sources: Vec<String> = session.spec.time.sources.iter().map(|source| source.address.clone()).collect();
    let lines: Vec<String> = sources.iter().map(|source| powershell::fallback(source, 2)).collect();
    let slices = run(session, &lines, READ)?;
    let report =
        |(source, slice): (&String, Slice)| complete(powershell::parse_fallback(source, &slice.stdout), daemon);
    Ok(sources.iter().zip(slices).map(report).collect())
}

/// `w32tm` shows the offset alone; what the service says of its source stands in for the rest.
fn complete(mut measured: Measured, daemon: Option<&DaemonStatus>) -> Measured {
    let followed = daemon.filter(|status| status.peers.iter().any(|peer: &Peer| peer.address == measured.source));
    if let (Some(status), Some(offset)) = (followed, measured.offset_ns) {
        let dispersion = status.report.root_dispersion_s.map(|seconds| (seconds * 1e9) as i64);
        measured.stratum = status.report.stratum.map(|stratum| stratum.saturating_sub(1));
        measured.root_dispersion_ns = dispersion;
        measured.error_bound_ns = dispersion.map(|dispersion| offset.saturating_abs().saturating_add(dispersion));
    }
    measured
}

/// Looks until the host is within its limits or the deadline has passed; the last look counts.
pub(super) fn wait(session: &mut Session<'_>, report: &mut HostReport) -> Result<Verdict, Failure> {
    let end = Instant::now() + session.spec.limits.deadline;
    loop {
        let verdict = look(session, TRIES, SAMPLE_TIMEOUT_MS, report)?;
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
    let mut lines = vec![W32Time.status().to_owned()];
    lines.extend(probe(session, tries, timeout_ms));
    let slices = run(session, &lines, READ)?;
    let daemon = W32Time.parse_status(slices.first().unwrap_or(&Slice::default()))?;
    let printed = slices.get(1).map_or("", |slice| slice.stdout.as_str());
    let measured = measured(session, printed, Some(&daemon))?;
    report.sources = joined(session.spec, measured, &daemon.peers);
    credit(&mut report.sources, &W32Time);
    let judged = verdict::judge(session.spec, &daemon, &report.sources);
    report.daemon = Some(daemon.report);
    // A host is looked at until it is within its limits: the last look counts.
    report.warnings.retain(|warning| !verdict::is_of_own_clock(warning));
    report.warnings.extend(judged.warning);
    Ok(judged.verdict)
}
