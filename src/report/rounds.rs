//! What a round found on a host, and what all rounds came to, in words.

use std::borrow::Cow;

use super::room::{padding, width};
use super::style::{PLAIN, paint};
use super::table::{Cell, Side, fitted, optional};
use super::watch::{Clock, Watched};
use super::words;
use crate::lang::{self, say};
use crate::model::{HostReport, SourceReport, Status};
use crate::text::clean;
use crate::text::number::{count, signed, span};

/// The columns that a narrow terminal can do without, the first one first: rounds, limit, least, greatest.
const SPARE: [usize; 4] = [1, 6, 2, 4];

/// Returns the source by which a host is judged: the one that its service follows, else the best
/// that answered.
pub(super) fn judged(report: &HostReport) -> Option<&SourceReport> {
    let usable = || report.sources.iter().filter(|source| source.is_ok() && source.offset_s.is_some());
    let bound = |source: &&SourceReport| source.error_bound_s.unwrap_or(f64::INFINITY);
    usable().find(|source| source.selected).or_else(|| usable().min_by(|a, b| bound(a).total_cmp(&bound(b))))
}

/// Says in a line what a round found on a host.
pub(super) fn said(report: &HostReport) -> String {
    let measured = judged(report).map(|source| {
        let bound = source.error_bound_s.map(|bound| format!(", error bound {}", span(bound))).unwrap_or_default();
        let text = format!("{} from {}{bound}", signed(source.offset_s.unwrap_or_default()), source.address);
        say(&text).into_owned()
    });
    let word = match report.status {
        Status::Unchanged if measured.is_none() => say("follows its own clock"),
        Status::Unchanged => lang::word("verdict", "ok"),
        status => words::ending(status).0,
    };
    let why = report.error.as_ref().and_then(|error| error.message.lines().next());
    let all = [Some(word), measured.map(Cow::Owned), why.map(say)];
    all.into_iter().flatten().collect::<Vec<_>>().join(": ")
}

/// Returns one line for each host of a round.
pub fn lines(time: &str, hosts: &[HostReport]) -> String {
    let wide = hosts.iter().map(|host| width(&host.name)).max().unwrap_or(0);
    hosts
        .iter()
        .map(clean::host)
        .map(|host| {
            let (_, style) = words::ending(host.status);
            let style = if host.status == Status::Unchanged { PLAIN } else { style };
            format!("{time}  {}{}  {}\n", host.name, padding(&host.name, wide), paint(style, &said(&host)))
        })
        .collect()
}

/// Returns the table of all rounds, and under it what was wrong last.
pub fn summary(watched: &Watched, columns: Option<usize>) -> String {
    use Side::{Left, Right};
    let head = [
        ("host", Left),
        ("rounds", Right),
        ("least", Right),
        ("median", Right),
        ("greatest", Right),
        ("error bound", Right),
        ("limit", Right),
        ("verdict", Left),
    ];
    let mut text = fitted(head, watched.clocks.iter().map(row).collect(), &SPARE, columns);
    let wrong: Vec<String> = watched
        .clocks
        .iter()
        .filter_map(|clock| {
            Some(format!("{} | {}: {}\n", clock.name, say("last"), say(&clock.error.as_ref()?.message)))
        })
        .collect();
    if !wrong.is_empty() {
        text.push('\n');
        text.extend(wrong);
    }
    text.push_str(&format!(
        "\n{} ({:.1} s)\n",
        say(&format!("{} of {}", count(watched.rounds, "round"), count(watched.clocks.len(), "host"))),
        watched.seconds
    ));
    text
}

fn row(clock: &Clock) -> [Cell; 8] {
    [
        clock.name.as_str().into(),
        clock.rounds.to_string().into(),
        optional(clock.offset_least_s, signed),
        optional(clock.offset_median_s, signed),
        optional(clock.offset_greatest_s, signed),
        optional(clock.error_bound_greatest_s, span),
        optional(clock.limit_s, span),
        verdict(clock),
    ]
}

fn verdict(clock: &Clock) -> Cell {
    let bad = [
        (clock.failed, Status::Failed),
        (clock.unreachable, Status::Unreachable),
        (clock.out_of_limits, Status::OutOfLimits),
    ];
    let seen: Vec<String> = bad
        .iter()
        .filter(|(rounds, _)| *rounds > 0)
        .map(|(rounds, status)| format!("{} {}", say(&count(*rounds, "round")), words::ending(*status).0))
        .collect();
    match bad.iter().find(|(rounds, _)| *rounds > 0) {
        Some((_, status)) => Cell::styled(seen.join(", "), words::ending(*status).1),
        None => Cell::styled(lang::word("verdict", "ok"), words::ending(Status::Unchanged).1),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::sample::host;
    use crate::model::{ErrorReport, Outcome};
    use crate::report::console::plain;

    pub(crate) fn source(offset: f64, selected: bool) -> SourceReport {
        SourceReport {
            address: "10.10.10.1".into(),
            outcome: Outcome::Ok,
            offset_s: Some(offset),
            error_bound_s: Some(offset.abs() + 0.002),
            selected,
            ..SourceReport::default()
        }
    }

    pub(crate) fn seen(name: &str, offset: f64, status: Status) -> HostReport {
        let error = (status != Status::Unchanged).then(|| ErrorReport { message: "why".into(), hint: None });
        HostReport { sources: vec![source(offset, true)], error, ..host(name, status) }
    }

    pub(crate) fn lost(name: &str) -> HostReport {
        let error = Some(ErrorReport { message: "connect 10.10.10.3:22: timed out".into(), hint: None });
        HostReport { error, ..host(name, Status::Unreachable) }
    }

    #[test]
    fn a_line_says_what_a_round_found() {
        let own = host("m1", Status::Unchanged);
        let hosts =
            [own, seen("server2", -0.000_42, Status::Unchanged), seen("s3", 1.25, Status::OutOfLimits), lost("s4")];
        assert_eq!(
            plain(&lines("12:00:05", &hosts)),
            "\
12:00:05  m1       follows its own clock
12:00:05  server2  ok: -0.42 ms from 10.10.10.1, error bound 2.42 ms
12:00:05  s3       out of limits: +1.25 s from 10.10.10.1, error bound 1.25 s: why
12:00:05  s4       unreachable: connect 10.10.10.3:22: timed out
"
        );
    }

    #[test]
    fn the_source_that_is_followed_counts_and_without_one_the_best() {
        let report = |sources: Vec<SourceReport>| HostReport { sources, ..host("a", Status::Unchanged) };
        let of = |report: HostReport| judged(&report).and_then(|source| source.offset_s);
        assert_eq!(of(report(vec![source(0.001, false), source(0.2, true)])), Some(0.2));
        assert_eq!(of(report(vec![source(0.2, false), source(-0.001, false)])), Some(-0.001));
        let silent = SourceReport { outcome: Outcome::Timeout, selected: true, ..SourceReport::default() };
        assert_eq!(of(report(vec![silent])), None);
    }
}
