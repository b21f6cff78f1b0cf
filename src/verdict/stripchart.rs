//! What `w32tm /stripchart` measures, where PowerShell does not run: offset and delay, and the rest by what the service
//! itself says.

use super::DRIFT;
use crate::ntp::exchange::COARSE;
use crate::ntp::report::SourceReport as Measured;
use crate::provider::{DaemonStatus, Peer};

/// A clock that is read by `w32tm` shows steps of 16 ms: one when it asks, one when it hears.
const GRAIN_NS: i64 = 2 * COARSE;

/// `w32tm` shows offset and delay; what the service knows of the source that it follows stands in for the rest.
pub(crate) fn complete(mut measured: Measured, daemon: Option<&DaemonStatus>) -> Measured {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slice;
    use crate::ntp::stripchart;
    use crate::provider::Provider as _;
    use crate::provider::w32time::W32Time;

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
