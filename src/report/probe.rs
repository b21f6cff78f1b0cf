//! The answers of `fleetclock probe`.

use super::style::{BAD, GOOD};
use super::table::{Cell, Side, fitted, optional};
use crate::ntp::report::SourceReport;
use crate::text::number::{signed, span};

/// The columns: server, address, stratum, offset, delay, spread, root dispersion, error bound, answers, outcome.
const COLUMNS: usize = 10;

/// The columns that a narrow terminal can do without, the first one first: spread, root dispersion, answers,
/// delay, stratum.
const SPARE: [usize; 5] = [5, 6, 8, 4, 2];

/// Returns the table of all servers asked.
pub fn probe(reports: &[SourceReport], columns: Option<usize>) -> String {
    use Side::{Left, Right};
    let head = [
        ("server", Left),
        ("address", Left),
        ("stratum", Right),
        ("offset", Right),
        ("delay", Right),
        ("spread", Right),
        ("root disp", Right),
        ("error bound", Right),
        ("answers", Right),
        ("outcome", Left),
    ];
    fitted(head, reports.iter().map(row).collect(), &SPARE, columns)
}

fn row(report: &SourceReport) -> [Cell; COLUMNS] {
    let seconds = |ns: Option<i64>, show: fn(f64) -> String| optional(ns, |ns| show(ns as f64 / 1e9));
    [
        report.source.as_str().into(),
        optional(report.address.clone(), |address| address),
        optional(report.stratum, |stratum| stratum.to_string()),
        seconds(report.offset_ns, signed),
        seconds(report.delay_ns, span),
        seconds(report.spread_ns, span),
        seconds(report.root_dispersion_ns, span),
        seconds(report.error_bound_ns, span),
        format!("{}/{}", report.received.unwrap_or(0), report.sent.unwrap_or(0)).into(),
        outcome(report),
    ]
}

fn outcome(report: &SourceReport) -> Cell {
    let style = if report.usable() { GOOD } else { BAD };
    match &report.kiss {
        Some(code) => Cell::styled(format!("{} {}", report.outcome, code), style),
        None => Cell::styled(report.outcome.to_string(), style),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kiss, Outcome};
    use crate::report::console::plain;

    #[test]
    fn servers_that_answer_and_one_that_does_not() {
        let good = SourceReport {
            source: "time.example".into(),
            address: Some("192.0.2.1".into()),
            outcome: Outcome::Ok,
            sent: Some(4),
            received: Some(4),
            stratum: Some(2),
            offset_ns: Some(-420_000),
            delay_ns: Some(12_300_000),
            spread_ns: Some(80_000),
            root_dispersion_ns: Some(3_000_000),
            error_bound_ns: Some(10_000_000),
            ..SourceReport::default()
        };
        let kiss =
            SourceReport { kiss: Some(Kiss::Rate), sent: Some(4), ..SourceReport::without("b", Outcome::Kiss(None)) };
        let expected = "\
server        address    stratum    offset    delay  spread  root disp  error bound  answers  outcome
time.example  192.0.2.1        2  -0.42 ms  12.3 ms   80 µs    3.00 ms      10.0 ms      4/4  ok
b             -                -         -        -       -          -            -      0/4  kiss RATE
";
        assert_eq!(plain(&probe(&[good, kiss], None)), expected);
    }
}
