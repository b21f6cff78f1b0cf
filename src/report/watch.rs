//! What was watched: every round is counted, the newest are drawn as charts.

use std::collections::HashMap;

use serde::Serialize;

use super::rounds::{judged, said};
use super::strip::{self, AROUND, Point};
use super::style::{FAINT, NAME, paint};
use super::{room, words};
use crate::exit::Exit;
use crate::lang::say;
use crate::model::{Condition, ErrorReport, FleetReport, HostReport, SCHEMA, Status, Verb};
use crate::text::clean;
use crate::text::number::count;

/// Lines of a strip, where the terminal has room for them and where it has less.
const ROWS: [usize; 2] = [5, 3];

/// One round, as a line of JSON.
#[derive(Debug, Serialize)]
pub struct Round<'a> {
    /// Counted from 1.
    pub round: usize,
    /// What was measured.
    #[serde(flatten)]
    pub report: &'a FleetReport,
}

/// What all rounds came to, as the last line of JSON.
#[derive(Debug, Serialize)]
pub struct Watched {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `verify`.
    pub command: Verb,
    /// When the first round started, RFC 3339, UTC.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// The exit code of the program.
    pub exit_code: u8,
    /// All that was wrong in any round, also what the exit code does not tell.
    pub conditions: Vec<Condition>,
    /// How many rounds there were.
    pub rounds: usize,
    /// One entry for each host, in the order of the inventory.
    pub clocks: Vec<Clock>,
}

/// What all rounds of one host came to. Offsets are source minus host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Clock {
    /// The name in the inventory.
    pub name: String,
    /// The limit of the error bound, seconds.
    pub limit_s: Option<f64>,
    /// Rounds of this host.
    pub rounds: usize,
    /// Those with an offset.
    pub measured: usize,
    /// The least offset, seconds.
    pub offset_least_s: Option<f64>,
    /// The median of the offsets, seconds.
    pub offset_median_s: Option<f64>,
    /// The greatest offset, seconds.
    pub offset_greatest_s: Option<f64>,
    /// The greatest error bound, seconds.
    pub error_bound_greatest_s: Option<f64>,
    /// Rounds in which the clock was not proven.
    pub out_of_limits: usize,
    /// Rounds in which the host was not to be reached.
    pub unreachable: usize,
    /// Rounds that failed otherwise.
    pub failed: usize,
    /// What was wrong the last time that something was.
    pub error: Option<ErrorReport>,
}

/// Keeps what the summary and the charts need.
#[derive(Debug, Default)]
pub struct Tally {
    rounds: usize,
    hosts: Vec<Kept>,
    /// Where each of them is.
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Kept {
    name: String,
    limit_s: Option<f64>,
    points: Vec<Point>,
    statuses: Vec<Status>,
    bound_s: Option<f64>,
    /// The last round.
    said: String,
    status: Status,
    /// The greatest error bound of the last round against its limit; infinite where nothing was measured.
    strain: f64,
    error: Option<ErrorReport>,
}

impl Tally {
    /// Takes the reports of a round, and returns how many rounds there are now.
    pub fn take(&mut self, hosts: &[HostReport]) -> usize {
        self.rounds += 1;
        for report in hosts.iter().map(clean::host) {
            let at = *self.places.entry(report.name.clone()).or_insert(self.hosts.len());
            if at == self.hosts.len() {
                self.hosts.push(Kept::new(&report));
            }
            self.hosts.iter_mut().skip(at).take(1).for_each(|kept| kept.take(&report));
        }
        self.rounds
    }

    /// Returns all that was wrong in any round.
    fn conditions(&self) -> Vec<Condition> {
        Condition::holding(self.hosts.iter().flat_map(|host| host.statuses.iter().copied()))
    }

    /// Returns the exit code of what is in `red`: each host counts as it was at its worst.
    pub fn exit(&self, red: &[Condition]) -> Exit {
        if self.hosts.is_empty() { Exit::Interrupted } else { Exit::of(&self.conditions(), red) }
    }

    /// Returns what all rounds came to.
    pub fn watched(&self, started: String, seconds: f64, red: &[Condition]) -> Watched {
        Watched {
            schema: SCHEMA,
            command: Verb::Verify,
            started,
            seconds,
            exit_code: self.exit(red).code(),
            conditions: self.conditions(),
            rounds: self.rounds,
            clocks: self.hosts.iter().map(Kept::clock).collect(),
        }
    }

    /// Draws a strip of each host, newest at the right, into so many columns and lines. Where not
    /// all have room, those nearest to their limits are shown.
    pub fn charts(&self, columns: usize, lines: usize) -> String {
        // One line for the end, one that the terminal keeps for the cursor.
        let lines = lines.saturating_sub(2);
        let fits = |rows: &usize| self.hosts.len() * (rows + 1) <= lines;
        let rows = ROWS.into_iter().find(fits).unwrap_or(ROWS[1]);
        let most = (lines / (rows + 1)).max(1);
        let strains: Vec<f64> = self.hosts.iter().map(|host| host.strain).collect();
        let shown = most_strained(&strains, most);
        let mut text: String = shown
            .iter()
            .filter_map(|index| self.hosts.get(*index))
            .map(|host| host.picture(rows, columns.saturating_sub(AROUND).max(10), columns))
            .collect();
        let hidden = self.hosts.len() - shown.len();
        let more = if hidden == 0 {
            String::new()
        } else {
            format!(", {}", say(&format!("{} further within the limits", count(hidden, "other host"))))
        };
        text.push_str(&paint(FAINT, &format!("{}{more}; {}", say(&count(self.rounds, "round")), say("Ctrl-C ends"))));
        text
    }
}

/// Returns the places of the greatest values, in their order.
fn most_strained(strains: &[f64], most: usize) -> Vec<usize> {
    let mut order: Vec<(usize, f64)> = strains.iter().copied().enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut shown: Vec<usize> = order.into_iter().take(most).map(|(index, _)| index).collect();
    shown.sort_unstable();
    shown
}

impl Kept {
    fn new(report: &HostReport) -> Self {
        Kept {
            name: report.name.clone(),
            limit_s: report.limit_s,
            points: Vec::new(),
            statuses: Vec::new(),
            bound_s: None,
            said: String::new(),
            status: report.status,
            strain: 0.0,
            error: None,
        }
    }

    fn take(&mut self, report: &HostReport) {
        let source = judged(report);
        let bound = source.and_then(|source| source.error_bound_s);
        self.points.push(Point {
            offset_s: source.and_then(|source| source.offset_s),
            bad: report.status != Status::Unchanged,
        });
        self.statuses.push(report.status);
        self.bound_s = bound.into_iter().chain(self.bound_s).reduce(f64::max);
        self.said = said(report);
        self.status = report.status;
        self.strain = match (report.status, bound, report.limit_s) {
            (Status::Unchanged, Some(bound), Some(limit)) => bound / limit,
            (Status::Unchanged, ..) => 0.0,
            _ => f64::INFINITY,
        };
        self.error = report.error.clone().or(self.error.take());
    }

    fn clock(&self) -> Clock {
        let mut offsets: Vec<f64> = self.points.iter().filter_map(|point| point.offset_s).collect();
        offsets.sort_by(f64::total_cmp);
        let rounds = |wanted: &[Status]| self.statuses.iter().filter(|status| wanted.contains(status)).count();
        let (good, out, lost) = (Status::Unchanged, Status::OutOfLimits, Status::Unreachable);
        Clock {
            name: self.name.clone(),
            limit_s: self.limit_s,
            rounds: self.statuses.len(),
            measured: offsets.len(),
            offset_least_s: offsets.first().copied(),
            offset_median_s: median(&offsets),
            offset_greatest_s: offsets.last().copied(),
            error_bound_greatest_s: self.bound_s,
            out_of_limits: rounds(&[out]),
            unreachable: rounds(&[lost]),
            failed: self.statuses.len() - rounds(&[good, out, lost]),
            error: self.error.clone(),
        }
    }

    /// The last round in a line, and below it the strip; of a host that never measured there is none.
    fn picture(&self, rows: usize, columns: usize, width: usize) -> String {
        let points = self.points.get(self.points.len().saturating_sub(columns)..).unwrap_or_default();
        let drawn = points.iter().any(|point| point.offset_s.is_some());
        let limit = self.limit_s.filter(|_| drawn);
        let limit = limit.map(|limit| format!("; {}", say(&strip::beyond(points, limit)))).unwrap_or_default();
        let (_, style) = words::ending(self.status);
        // The verdict comes first: it is not what a narrow terminal loses.
        let room = columns_left(width, &[&self.name, &self.said, "  "]);
        let limit = if room::width(&limit) <= room { limit } else { String::new() };
        let said = room::fit(&self.said, columns_left(width, &[&self.name, &limit, "  "]));
        let mut text = format!("{}  {}{limit}\n", paint(NAME, &self.name), paint(style, &said));
        let strip = if drawn { strip::chart(points, self.limit_s, rows, columns) } else { Vec::new() };
        for line in strip {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }
}

/// What these texts leave of a line.
fn columns_left(width: usize, texts: &[&str]) -> usize {
    texts.iter().fold(width, |left, text| left.saturating_sub(room::width(text)))
}

/// The median of values in order.
fn median(sorted: &[f64]) -> Option<f64> {
    let low = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    let high = sorted.get(sorted.len() / 2)?;
    Some((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::host;
    use crate::report::console::plain;
    use crate::report::rounds::summary;
    use crate::report::rounds::tests::{lost, seen};

    fn tally(rounds: &[&[HostReport]]) -> Tally {
        let mut tally = Tally::default();
        for hosts in rounds {
            let _ = tally.take(hosts);
        }
        tally
    }

    #[test]
    fn the_summary_has_the_extremes_of_all_rounds() {
        let good = |offset: f64| seen("a", offset, Status::Unchanged);
        let tally = tally(&[
            &[good(0.001), seen("server2", 0.25, Status::OutOfLimits)],
            &[good(-0.003), seen("server2", 0.05, Status::Unchanged)],
            &[good(0.002), lost("server2")],
        ]);
        let watched = tally.watched("2026-01-01T00:00:00Z".into(), 10.0, &Condition::ALL);
        assert_eq!(
            plain(&summary(&watched, None)),
            "\
host     rounds     least    median  greatest  error bound   limit  verdict
a             3  -3.00 ms  +1.00 ms  +2.00 ms      5.00 ms  100 ms  ok
server2       3  +50.0 ms   +150 ms   +250 ms       252 ms  100 ms  1 round unreachable, 1 round out of limits

server2 | last: connect 10.10.10.3:22: timed out

3 rounds of 2 hosts (10.0 s)
"
        );
        assert_eq!((watched.exit_code, watched.clocks[1].measured), (5, 2));
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst_round() {
        let of = |statuses: &[Status]| {
            tally(
                &statuses
                    .iter()
                    .map(|s| vec![host("a", *s)])
                    .collect::<Vec<_>>()
                    .iter()
                    .map(Vec::as_slice)
                    .collect::<Vec<_>>(),
            )
            .exit(&Condition::ALL)
        };
        assert_eq!(of(&[Status::Unchanged, Status::Unchanged]), Exit::Ok);
        assert_eq!(of(&[Status::OutOfLimits, Status::Unchanged]), Exit::OutOfLimits);
        assert_eq!(of(&[Status::OutOfLimits, Status::Unreachable, Status::Unchanged]), Exit::OutOfLimits);
        assert_eq!(of(&[Status::Unreachable, Status::Unchanged]), Exit::Unreachable);
        assert_eq!(of(&[Status::Failed, Status::Unreachable]), Exit::Failed);
        assert_eq!(of(&[]), Exit::Interrupted);
    }

    #[test]
    fn each_host_has_its_strip() {
        let good = |offset: f64| seen("a", offset, Status::Unchanged);
        let m1 = || host("m1", Status::Unchanged);
        let bad = seen("b", 0.15, Status::OutOfLimits);
        let tally = tally(&[&[m1(), good(0.001), lost("b")], &[m1(), good(-0.001), bad]]);
        assert_eq!(
            plain(&tally.charts(90, 24)),
            "\
m1  follows its own clock
a  ok: -1.00 ms from 10.10.10.1, error bound 3.00 ms; limit 100 ms (off the chart)
  +1.00 ms |*
           |
         0 |........................................................................
           |
  -1.00 ms | *
b  out of limits: +150 ms from 10.10.10.1, error bound 152 ms: why; limit 100 ms
   +200 ms |
           |-!---------------------------------------------------------------------- limit
         0 |x.......................................................................
           |------------------------------------------------------------------------ limit
   -200 ms |
2 rounds; Ctrl-C ends"
        );
        let small = plain(&tally.charts(72, 7));
        assert!(
            small.starts_with("b  out of limits: +150 ms from 10.10.10.1, error bound 152 ms: why\n")
                && !small.contains("\na "),
            "{small}"
        );
        assert!(small.ends_with("2 rounds, 2 other hosts further within the limits; Ctrl-C ends"), "{small}");
    }
}
