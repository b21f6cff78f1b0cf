//! The state of a run while it goes on: the one counter of who is done. Events go in, lines and
//! the live line come out; [`super::console`] draws them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::room::{padding, width};
use super::words;
use crate::lang::say;
use crate::model::event::{Event, Phase};
use crate::model::{HostReport, Status};
use crate::text::clean;
use crate::text::number::count;

/// Up to so many hosts each has lines of its own above the live line; more would only run past.
const FEW: usize = 20;

/// How much is said while a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing.
    Quiet,
    /// What changes and what is waited for.
    Normal,
    /// Also every phase, every script and how each host ends.
    Verbose,
}

/// Who is where.
pub(super) struct Live {
    verbosity: Verbosity,
    /// Whether a live line tells how far the run is; then not every host that ends needs a line.
    drawn: bool,
    started: Instant,
    width: usize,
    total: usize,
    running: BTreeMap<String, Running>,
    done: BTreeMap<String, Status>,
    said: BTreeSet<(String, String)>,
}

struct Running {
    since: Instant,
    what: String,
}

impl Live {
    pub(super) fn new(hosts: &[String], verbosity: Verbosity, drawn: bool, now: Instant) -> Self {
        let mut live = Live {
            verbosity,
            drawn,
            started: now,
            width: 0,
            total: 0,
            running: BTreeMap::new(),
            done: BTreeMap::new(),
            said: BTreeSet::new(),
        };
        live.start(hosts);
        live
    }

    fn start(&mut self, hosts: &[String]) {
        self.width = hosts.iter().map(|host| width(host)).max().unwrap_or(0);
        self.total = hosts.len();
        self.running.clear();
        self.done.clear();
    }

    /// Takes an event; returns the line to print for it.
    pub(super) fn take(&mut self, event: &Event, now: Instant) -> Option<String> {
        let said = match event {
            Event::Started { hosts } => {
                self.start(hosts);
                None
            }
            Event::Phase { host, phase } => {
                self.run(host, &say(word(*phase)), now);
                (self.verbosity == Verbosity::Verbose).then(|| (host, say(word(*phase)).into_owned()))
            }
            Event::Progress { host, text } => {
                let text = say(&clean::text(text)).into_owned();
                self.run(host, &text, now);
                (self.is_new(host, &text) && self.can_be_read()).then_some((host, text))
            }
            Event::Looked { host } => {
                self.running.remove(host);
                self.done.insert(host.clone(), Status::Unchanged);
                (self.verbosity == Verbosity::Verbose).then(|| (host, say("looked at").into_owned()))
            }
            Event::Done(report) => {
                self.running.remove(&report.name);
                self.done.insert(report.name.clone(), report.status);
                (self.verbosity == Verbosity::Verbose).then(|| (&report.name, ending(report)))
            }
            Event::Script { host, text } => {
                let text = clean::text(text.trim_end());
                Some((host, format!("{}\n{}", say("this script is sent:"), indented(&text))))
            }
        };
        let (host, text) = said.filter(|_| self.verbosity > Verbosity::Quiet)?;
        Some(format!("{host}{} | {text}", padding(host, self.width)))
    }

    fn run(&mut self, host: &str, what: &str, now: Instant) {
        self.done.remove(host);
        let running = self.running.entry(host.to_owned()).or_insert(Running { since: now, what: String::new() });
        what.clone_into(&mut running.what);
    }

    /// A text that counts seconds is said once; the live line shows the rest.
    fn is_new(&mut self, host: &str, text: &str) -> bool {
        let wording = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        self.said.insert((host.to_owned(), wording))
    }

    fn can_be_read(&self) -> bool {
        !self.drawn || self.total <= FEW || self.verbosity == Verbosity::Verbose
    }

    /// Returns what must have changed for the line to be worth saying again.
    pub(super) fn state(&self) -> String {
        format!("{} {}", self.done.len(), self.running.len())
    }

    /// Returns the live line, which begins with what must not be lost where it is cut:
    /// `12 of 40 hosts done, 1 failed (web7), 8 s, 10 running (web3: waiting for its masters)`.
    pub(super) fn line(&self, now: Instant) -> String {
        let of = format!("{} of {} done", self.done.len(), count(self.total, "host"));
        let mut line = say(&of).into_owned();
        let bad: Vec<&str> =
            self.done.iter().filter(|(_, status)| is_bad(**status)).map(|(name, _)| name.as_str()).collect();
        if let Some(first) = bad.first() {
            let more = if bad.len() > 1 { ", ..." } else { "" };
            line.push_str(&format!(", {} ({first}{more})", say(&format!("{} failed", bad.len()))));
        }
        line.push_str(&format!(", {} s", now.saturating_duration_since(self.started).as_secs()));
        // Who runs longest is who is waited for.
        if let Some((host, running)) = self.running.iter().min_by_key(|(_, running)| running.since) {
            let running_now = format!("{} running", self.running.len());
            line.push_str(&format!(", {} ({host}: {})", say(&running_now), running.what));
        }
        line
    }
}

/// A script below the line that speaks of it.
fn indented(script: &str) -> String {
    script.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn is_bad(status: Status) -> bool {
    !matches!(status, Status::Unchanged | Status::Changed | Status::Drifted | Status::OutOfLimits)
}

/// Says how a host ended; the whole error comes with the result.
fn ending(report: &HostReport) -> String {
    let (word, _) = words::ending(report.status);
    let first = report.error.as_ref().and_then(|error| error.message.lines().next()).map(clean::text);
    let first = first.as_deref().map(say);
    match (first, report.status) {
        (Some(first), _) => format!("{word}: {first}"),
        (None, Status::Drifted) => format!("{word}: {}", say(&count(report.deltas.len(), "difference"))),
        (None, _) => format!("{word} ({:.1} s)", report.seconds),
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Facts => "connecting",
        Phase::Probe => "reading",
        Phase::Waiting => "waiting for its masters",
        Phase::Apply => "changing",
        Phase::Undo => "putting back",
        Phase::Verify => "verifying",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use std::time::Duration;

    fn hosts() -> Vec<String> {
        ["web1", "server12"].map(str::to_owned).to_vec()
    }

    fn progress(host: &str, text: &str) -> Event {
        Event::Progress { host: host.into(), text: text.into() }
    }

    fn phase(host: &str, phase: Phase) -> Event {
        Event::Phase { host: host.into(), phase }
    }

    fn done(name: &str, status: Status) -> Event {
        let mut report = sample::host(name, status);
        report.seconds = 1.25;
        Event::Done(Box::new(report))
    }

    #[test]
    fn lines_are_aligned_and_a_countdown_is_said_once() {
        let now = Instant::now();
        let mut live = Live::new(&hosts(), Verbosity::Normal, false, now);
        assert_eq!(live.take(&phase("web1", Phase::Apply), now), None);
        assert_eq!(
            live.take(&progress("web1", "no source yet (30 s left)"), now).unwrap(),
            "web1     | no source yet (30 s left)"
        );
        assert_eq!(live.take(&progress("web1", "no source yet (29 s left)"), now), None);
        assert_eq!(live.take(&progress("web1", "서버"), now).unwrap(), "web1     | 서버");
    }

    #[test]
    fn the_live_line_counts_and_names_who_is_waited_for() {
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(8));
        let mut live = Live::new(&hosts(), Verbosity::Normal, true, now);
        assert_eq!(live.line(now), "0 of 2 hosts done, 0 s");
        live.take(&phase("web1", Phase::Facts), now);
        live.take(&phase("server12", Phase::Waiting), later);
        assert_eq!(live.line(later), "0 of 2 hosts done, 8 s, 2 running (web1: connecting)");
        assert!(live.take(&done("web1", Status::Unchanged), later).is_none());
        assert!(live.take(&done("server12", Status::Unreachable), later).is_none(), "the report says it");
        assert_eq!(live.line(later), "2 of 2 hosts done, 1 failed (server12), 8 s");
        live.take(&phase("web1", Phase::Verify), later);
        assert_eq!(live.line(later), "1 of 2 hosts done, 1 failed (server12), 8 s, 1 running (web1: verifying)");
    }

    #[test]
    fn above_the_live_line_of_a_large_fleet_nothing_runs_past() {
        let now = Instant::now();
        let many: Vec<String> = (0..300).map(|index| format!("web{index}")).collect();
        let mut live = Live::new(&many, Verbosity::Normal, true, now);
        assert_eq!(live.take(&progress("web1", "no source yet"), now), None);
        assert_eq!(live.line(now), "0 of 300 hosts done, 0 s, 1 running (web1: no source yet)");
        live.take(&done("web1", Status::FailedNotUndone), now);
        live.take(&done("web2", Status::Failed), now);
        assert_eq!(live.line(now), "2 of 300 hosts done, 2 failed (web1, ...), 0 s");
    }

    #[test]
    fn quiet_says_nothing_and_verbose_every_phase() {
        let now = Instant::now();
        let mut quiet = Live::new(&hosts(), Verbosity::Quiet, false, now);
        assert_eq!(quiet.take(&done("web1", Status::Failed), now), None);
        let mut verbose = Live::new(&hosts(), Verbosity::Verbose, false, now);
        assert_eq!(verbose.take(&phase("web1", Phase::Undo), now).unwrap(), "web1     | putting back");
        assert_eq!(verbose.take(&done("server12", Status::Unchanged), now).unwrap(), "server12 | in sync (1.2 s)");
        let script = Event::Script { host: "web1".into(), text: "id\n\u{1b}[2J\n".into() };
        assert_eq!(verbose.take(&script, now).unwrap(), "web1     | this script is sent:\n    id\n    \\u{1b}[2J");
        assert_eq!(quiet.take(&script, now), None);
    }
}
