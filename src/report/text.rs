//! The report as text for people: what differs, what was measured, what went wrong, how many.
//! Pure: styles go in as codes, the printer strips them where nobody would see colours.

use std::fmt::Write as _;

use anstyle::Style;

use super::changes::changes;
use super::failures::failures;
use super::proof::proof;
use super::style::{ALARM, BAD, CARE, GOOD, PLAIN, paint};
use super::waves::waves;
use super::{findings, room, since, spread};
use crate::lang::say;
use crate::model::{FleetReport, HostReport, Status, Summary, Verb};
use crate::text::number::count;
use crate::text::{clean, names};

/// What a report shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The diffs of files; they are left out when they have just been shown.
    pub diffs: bool,
    /// How each host ended, beside its changes; a plan has not ended.
    pub ended: bool,
    /// The columns of the terminal that it goes to, if it does.
    pub columns: Option<usize>,
}

impl Options {
    /// Returns what the report of a verb shows.
    pub fn of(command: Verb) -> Self {
        Options { diffs: true, ended: command != Verb::Plan, columns: None }
    }

    /// Of a host that failed, what was to be written matters less than why it was not.
    pub(super) fn shows_diffs(self, host: &HostReport) -> bool {
        self.diffs && matches!(host.status, Status::Drifted | Status::Changed | Status::OutOfLimits)
    }
}

/// Returns the whole report of a run.
pub fn report(report: &FleetReport, options: Options) -> String {
    let hosts: Vec<HostReport> = report.hosts.iter().map(clean::host).collect();
    let mut text = String::new();
    changes(&mut text, &hosts, options);
    findings::findings(&mut text, &hosts);
    if matches!(report.command, Verb::Verify | Verb::Apply) {
        proof(&mut text, &hosts, options.columns);
    }
    if let Some(spread) = report.spread.as_ref().filter(|_| report.command == Verb::Verify) {
        let _ = writeln!(text, "{}\n", clean::text(&spread::line(spread)));
    }
    // The table of `verify` has them all; `facts` has shown each, and compared none with anything.
    if !matches!(report.command, Verb::Verify | Verb::Facts) {
        unchanged(&mut text, &hosts, well(report.command));
    }
    troubles(&mut text, report.command, hosts);
    if report.command == Verb::Plan {
        waves(&mut text, report);
    }
    since::since(&mut text, report);
    let _ = writeln!(text, "{}", summary(report));
    match options.columns {
        Some(columns) => room::wrap(&text, columns),
        None => text,
    }
}

/// Returns what went wrong and the summary: what is said for people beside a result for machines.
pub fn ending(report: &FleetReport) -> String {
    let hosts: Vec<HostReport> = report.hosts.iter().map(clean::host).collect();
    let mut text = String::new();
    troubles(&mut text, report.command, hosts);
    since::since(&mut text, report);
    let _ = writeln!(text, "{}", summary(report));
    text
}

/// What is wrong with which host, and why.
fn troubles(text: &mut String, command: Verb, hosts: Vec<HostReport>) {
    let (sick, others) = findings::sick(command, hosts);
    findings::write_sick(text, &sick);
    failures(text, &others);
}

/// What is said of a host where nothing was to be done.
fn well(command: Verb) -> &'static str {
    match command {
        Verb::Doctor => "well",
        Verb::Undo => "unchanged",
        _ => "in sync",
    }
}

fn unchanged(text: &mut String, hosts: &[HostReport], how: &str) {
    let who: Vec<&str> =
        hosts.iter().filter(|host| host.status == Status::Unchanged).map(|host| host.name.as_str()).collect();
    if !who.is_empty() {
        let _ = writeln!(text, "{}: {}\n", say(&format!("{} {how}", count(who.len(), "host"))), names::all(&who));
    }
}

/// `Plan: 3 hosts to change, 0 unchanged, 1 unreachable (2.1 s)`. What a verb is asked for is
/// said even when there is none of it; other kinds only when they occurred.
fn summary(report: &FleetReport) -> String {
    let parts: Vec<String> = parts(&report.summary, report.command)
        .into_iter()
        .filter(|part| part.always || part.number > 0)
        .map(|part| part.text())
        .collect();
    let lead = match report.command {
        Verb::Plan => format!("{}: ", say("Plan")),
        _ => format!("{}: ", say(&count(report.summary.hosts, "host"))),
    };
    let shard = report.part().map(|part| format!("{}\n", say(&part))).unwrap_or_default();
    format!("{shard}{lead}{} ({:.1} s)", parts.join(", "), report.seconds)
}

struct Part {
    number: usize,
    word: &'static str,
    style: Style,
    always: bool,
    hosts: bool,
}

impl Part {
    fn text(&self) -> String {
        let number = if self.hosts { count(self.number, "host") } else { self.number.to_string() };
        paint(if self.number == 0 { PLAIN } else { self.style }, &say(&format!("{number} {}", self.word)))
    }
}

fn parts(summary: &Summary, command: Verb) -> Vec<Part> {
    let (drifted, kept) = match command {
        Verb::Plan => ("to change", "unchanged"),
        Verb::Verify => ("drifted", "ok"),
        Verb::Facts | Verb::Adopt => ("drifted", "read"),
        Verb::Check => ("drifted", "in sync"),
        Verb::Doctor => ("drifted", "well"),
        _ => ("drifted", "unchanged"),
    };
    let part = |number, word, style, always| Part { number, word, style, always, hosts: word == "to change" };
    let (plan, apply) = (command == Verb::Plan, matches!(command, Verb::Apply | Verb::Undo));
    vec![
        part(summary.changed, "changed", GOOD, apply),
        part(summary.drifted, drifted, CARE, plan || command == Verb::Check),
        part(summary.unchanged, kept, GOOD, true),
        part(summary.out_of_limits, if command == Verb::Doctor { "not well" } else { "out of limits" }, CARE, false),
        part(summary.failed, "failed", BAD, apply),
        part(summary.unreachable, "unreachable", BAD, false),
        part(summary.not_started, "not started", ALARM, false),
    ]
}
