//! A strip chart: offset over time, the newest at the right, in a few lines of characters.

use crate::text::number::{signed, span};

/// Characters before the first column: the label and the axis.
pub(super) const MARGIN: usize = 12;

/// The word at the end of the lines of the limit.
const LIMIT: &str = " limit";

/// Characters that are not for the strip itself.
pub(super) const AROUND: usize = MARGIN + LIMIT.len();

/// The finest scale, nanoseconds.
const FINEST: u64 = 1000;

/// One round in a chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Seconds; `None` where nothing was measured.
    pub(super) offset_s: Option<f64>,
    /// Whether it is drawn as something to look at.
    pub(super) bad: bool,
}

/// Returns the end of the scale, seconds: 1, 2 or 5 times a power of ten that holds all points.
pub(super) fn scale(points: &[Point]) -> f64 {
    let most = points.iter().filter_map(|point| point.offset_s).fold(0.0, |most: f64, offset| most.max(offset.abs()));
    let steps = std::iter::successors(Some(FINEST), |power| power.checked_mul(10))
        .flat_map(|power| [1, 2, 5].into_iter().map(move |step| power.saturating_mul(step) as f64 / 1e9));
    steps.into_iter().find(|step| *step >= most).unwrap_or(most)
}

/// Draws the points into `rows` lines (odd, at least 3), `0` in the middle: `*` an offset, `!` one
/// outside the limits, `x` a round without an answer. The limit is a line of `-` where it is
/// within the scale.
pub(super) fn chart(points: &[Point], limit_s: Option<f64>, rows: usize, columns: usize) -> Vec<String> {
    let points = points.get(points.len().saturating_sub(columns)..).unwrap_or_default();
    let scale = scale(points);
    let middle = rows / 2;
    let row = |seconds: f64| -> usize {
        let up = (seconds / scale * middle as f64).round() as isize;
        (middle as isize - up).clamp(0, rows as isize - 1) as usize
    };
    let limits = limit_s.filter(|limit| *limit <= scale).map(|limit| [row(limit), row(-limit)]);
    (0..rows)
        .map(|line| {
            let is_limit = limits.is_some_and(|limits| limits.contains(&line));
            let label = match line {
                0 => signed(scale),
                _ if line == middle => "0".to_owned(),
                _ if line + 1 == rows => signed(-scale),
                _ => String::new(),
            };
            let empty = if is_limit {
                '-'
            } else if line == middle {
                '.'
            } else {
                ' '
            };
            let cell = |point: &Point| match point.offset_s {
                Some(offset) if row(offset) == line => {
                    if point.bad {
                        '!'
                    } else {
                        '*'
                    }
                }
                None if line == middle => 'x',
                _ => empty,
            };
            let cells: String = points.iter().map(cell).chain(std::iter::repeat(empty)).take(columns).collect();
            let end = if is_limit { LIMIT } else { "" };
            format!("{label:>width$} |{}{end}", cells, width = MARGIN - 2).trim_end().to_owned()
        })
        .collect()
}

/// Says where the limit is when it is not in the chart.
pub(super) fn beyond(points: &[Point], limit_s: f64) -> String {
    let note = if limit_s > scale(points) { " (off the chart)" } else { "" };
    format!("limit {}{note}", span(limit_s))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(offset_s: f64) -> Point {
        Point { offset_s: Some(offset_s), bad: offset_s.abs() > 0.1 }
    }

    #[test]
    fn a_quiet_clock_fills_its_own_scale() {
        let points = [point(0.0004), point(0.0), Point { offset_s: None, bad: true }, point(-0.0002)];
        assert_eq!(
            chart(&points, Some(0.1), 5, 8),
            ["  +0.50 ms |*", "           |", "         0 |.*x.....", "           |   *", "  -0.50 ms |",]
        );
        assert_eq!(beyond(&points, 0.1), "limit 100 ms (off the chart)");
    }

    #[test]
    fn the_limit_is_a_line_and_what_is_beyond_it_stands_out() {
        let points = [point(0.0), point(0.09), point(0.19)];
        assert_eq!(
            chart(&points, Some(0.1), 5, 6),
            [
                "   +200 ms |  !",
                "           |-*---- limit",
                "         0 |*.....",
                "           |------ limit",
                "   -200 ms |",
            ]
        );
        assert_eq!(beyond(&points, 0.1), "limit 100 ms");
    }

    #[test]
    fn only_the_newest_points_have_room_and_the_scale_is_theirs() {
        let points = [point(5.0), point(0.001), point(0.002)];
        assert_eq!(chart(&points, None, 3, 2), ["  +2.00 ms |**", "         0 |..", "  -2.00 ms |"]);
    }

    #[test]
    fn the_scale_holds_everything_from_nothing_to_years() {
        let scale_of = |offset: f64| scale(&[point(offset)]);
        assert_eq!((scale_of(0.0), scale_of(0.000_001), scale_of(-0.003), scale_of(5.0)), (1e-6, 1e-6, 5e-3, 5.0));
        assert_eq!((scale_of(3e9), scale(&[])), (5e9, 1e-6));
    }
}
