//! How far off each clock is, drawn against its limit: a dot for the offset, a bar for the error.

use serde::Serialize;

use super::words;
use crate::lang::say;
use crate::model::{HostReport, SourceReport};
use crate::text::number::{count, signed, span};

/// Most hosts that are drawn; those nearest to their limits come first.
const MOST: usize = 40;

/// How far the picture reaches to each side, in limits.
const REACH: f64 = 1.25;

/// The width of the picture.
const WIDE: f64 = 560.0;

/// One clock.
#[derive(Debug, Serialize)]
pub(super) struct Clock {
    number: usize,
    name: String,
    class: &'static str,
    /// The ends of the bar, and the dot.
    from: f64,
    to: f64,
    at: f64,
    /// Whether the bar reaches out of the picture, to the left and to the right.
    left: bool,
    right: bool,
    words: String,
}

/// The picture.
#[derive(Debug, Serialize)]
pub(super) struct Clocks {
    width: f64,
    /// Where the limits are, and the middle.
    low: f64,
    middle: f64,
    high: f64,
    /// What they are called.
    limit: String,
    rows: Vec<Clock>,
    /// What is not drawn.
    left_out: Option<String>,
    unmeasured: Option<String>,
}

/// What counts of a host: the source that it follows, else the best one that answered.
pub(super) fn counts(host: &HostReport) -> Option<&SourceReport> {
    let bound = |source: &&SourceReport| source.error_bound_s.is_some() && source.offset_s.is_some();
    let all = || host.sources.iter().filter(bound);
    let least = |one: &&SourceReport, other: &&SourceReport| {
        one.error_bound_s.unwrap_or(f64::MAX).total_cmp(&other.error_bound_s.unwrap_or(f64::MAX))
    };
    all().find(|source| source.selected).or_else(|| all().min_by(least))
}

/// The part of its limit that the error bound of a host takes.
pub(super) fn used(host: &HostReport) -> Option<f64> {
    Some(counts(host)?.error_bound_s? / host.limit_s.filter(|limit| *limit > 0.0)?)
}

/// Draws the clocks of the hosts that were measured; none where none was.
pub(super) fn drawn(hosts: &[HostReport]) -> Option<Clocks> {
    let mut measured: Vec<(f64, usize, &HostReport)> =
        hosts.iter().enumerate().filter_map(|(number, host)| Some((used(host)?, number, host))).collect();
    measured.sort_by(|one, other| other.0.total_cmp(&one.0));
    let limits = measured.iter().filter_map(|(_, _, host)| host.limit_s);
    let first = measured.first().and_then(|(_, _, host)| host.limit_s)?;
    let same = limits.clone().all(|limit| limit.to_bits() == first.to_bits());
    let more = |number: usize, text: &str| {
        (number > 0).then(|| say(&format!("{} {text}", count(number, "host"))).into_owned())
    };
    Some(Clocks {
        width: WIDE,
        low: x(-1.0),
        middle: x(0.0),
        high: x(1.0),
        limit: if same { span(first) } else { say("limit").into_owned() },
        left_out: more(measured.len().saturating_sub(MOST), "with more room to their limits are in the table only"),
        unmeasured: more(hosts.len() - measured.len(), "of this run measured no source"),
        rows: measured.into_iter().take(MOST).filter_map(|(_, number, host)| clock(number, host)).collect(),
    })
}

/// The place of a part of the limit.
fn x(part: f64) -> f64 {
    ((part.clamp(-REACH, REACH) + REACH) / (2.0 * REACH) * WIDE * 10.0).round() / 10.0
}

fn clock(number: usize, host: &HostReport) -> Option<Clock> {
    let source = counts(host)?;
    let (offset, bound, limit) = (source.offset_s?, source.error_bound_s?, host.limit_s?);
    let doubt = (bound - offset.abs()).max(0.0);
    let (least, greatest) = ((offset - doubt) / limit, (offset + doubt) / limit);
    let class = match bound <= limit {
        true if words::class(host.status) == "good" => "good",
        true => "care",
        false => "bad",
    };
    Some(Clock {
        number,
        name: host.name.clone(),
        class,
        from: x(least),
        to: x(greatest),
        at: x(offset / limit),
        left: least < -REACH,
        right: greatest > REACH,
        words: say(&format!("{} ± {}, limit {}", signed(offset), span(doubt), span(limit))).into_owned(),
    })
}
