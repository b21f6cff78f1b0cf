//! The only writer to the terminal. Hosts send events; this prints them, one line at a time,
//! and keeps one live line at the bottom of a terminal.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::number::count;
use super::{FleetReport, HostReport, Status, text};
use crate::engine::event::{Event, Phase};

/// How much is said while a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing.
    Quiet,
    /// What changes and what is waited for.
    Normal,
    /// Also every phase.
    Verbose,
}

/// Prints events until the last sender is gone.
pub fn watch(events: &Receiver<Event>, verbosity: Verbosity) {
    let mut live = Live::new(verbosity);
    loop {
        match events.recv_timeout(Duration::from_millis(200)) {
            Ok(event) => live.take(&event),
            Err(RecvTimeoutError::Timeout) => live.draw(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    live.bar.finish_and_clear();
}

/// The state of the live line; the one counter of what is done.
struct Live {
    verbosity: Verbosity,
    bar: ProgressBar,
    started: Instant,
    width: usize,
    total: usize,
    done: usize,
    failed: usize,
    running: BTreeMap<String, &'static str>,
}

impl Live {
    fn new(verbosity: Verbosity) -> Self {
        let visible = verbosity > Verbosity::Quiet && std::io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let started = Instant::now();
        Live { verbosity, bar, started, width: 0, total: 0, done: 0, failed: 0, running: BTreeMap::new() }
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Started { hosts } => {
                self.total = hosts.len();
                self.done = 0;
                self.width = hosts.iter().map(|host| host.chars().count()).max().unwrap_or(0);
            }
            Event::Phase { host, phase } => {
                self.running.insert(host.clone(), word(*phase));
                if self.verbosity == Verbosity::Verbose {
                    self.line(host, word(*phase));
                }
            }
            Event::Progress { host, text } => self.line(host, text),
            Event::Done(report) => self.finish(report),
        }
        self.draw();
    }

    fn finish(&mut self, report: &HostReport) {
        self.running.remove(&report.name);
        self.done += 1;
        if let Some(error) = report.error.as_ref().filter(|_| report.status != Status::OutOfLimits) {
            self.failed += 1;
            self.line(&report.name, &error.message);
        }
    }

    fn line(&self, host: &str, text: &str) {
        if self.verbosity > Verbosity::Quiet {
            let line = format!("{host:width$} | {text}", width = self.width);
            self.bar.suspend(|| error_line(&line));
        }
    }

    fn draw(&self) {
        if self.total == 0 {
            return;
        }
        let mut message = format!("{} of {} done", self.done, count(self.total, "host"));
        if let Some((host, phase)) = self.running.iter().next() {
            message.push_str(&format!(", {} running ({host}: {phase})", self.running.len()));
        }
        if self.failed > 0 {
            message.push_str(&format!(", {} failed", self.failed));
        }
        message.push_str(&format!(", {} s", self.started.elapsed().as_secs()));
        self.bar.set_message(message);
        self.bar.tick();
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

/// Prints a line to standard error.
pub fn error_line(line: &str) {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Prints the result of a run for people.
pub fn print_report(report: &FleetReport) {
    print(&text::report(report));
}

/// Prints a result to standard output. A reader that has gone (`| head`) has what it wanted.
pub fn print(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Sets when colours are used: on a terminal, always, never.
pub fn set_color(choice: ColorChoice) {
    choice.write_global();
}

/// Strips colours from a text.
pub fn plain(text: &str) -> String {
    let mut stream = AutoStream::never(Vec::new());
    let _ = stream.write_all(text.as_bytes());
    String::from_utf8_lossy(&stream.into_inner()).into_owned()
}
