//! The settings that are judgements: how a master goes on alone, when a clock may jump, what the proof shows.

use std::time::Duration;

use super::node::{Kind, Node};
use super::read::{Reader, Settings};
use super::spec::{Limits, StepPolicy};

/// How a master goes on without any outside time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Isolated {
    pub(super) stratum: u8,
    /// Whether going by its own clock is a failure, where it has an upstream.
    pub(super) alarm: bool,
}

impl Default for Isolated {
    fn default() -> Self {
        Isolated { stratum: DEFAULT_ISOLATED_STRATUM, alarm: false }
    }
}

/// chrony's own default for `local`.
const DEFAULT_ISOLATED_STRATUM: u8 = 10;

/// Where a clock may step unless something else is said: over this, in so many updates after the start.
const OVER: Duration = Duration::from_secs(1);
const FIRST: u32 = 3;

/// The policy of a host that says nothing.
pub(super) const STEP: StepPolicy = StepPolicy::AtStart { over: OVER, updates: FIRST };

/// The limits of a host, as far as something is said of them; else the usual ones.
pub(super) fn limits(s: &Settings) -> Limits {
    // W32Time is not made for milliseconds.
    let default = if s.winrm.is_some() { Duration::from_secs(1) } else { Duration::from_millis(100) };
    Limits {
        max_error: s.max_error.map_or(default, |(duration, _)| duration),
        max_stratum: s.max_stratum.map_or(15, |(stratum, _)| stratum),
        max_step: s.max_step.or(match s.step {
            // Whoever writes the word `always` says so of every step.
            Some(StepPolicy::Always { .. }) => None,
            _ => Some(Duration::from_secs(1)),
        }),
        deadline: s.deadline.unwrap_or(Duration::from_secs(60)),
        read: s.read.unwrap_or(Duration::from_secs(if s.winrm.is_some() { 60 } else { 90 })),
    }
}

impl Reader<'_> {
    pub(super) fn isolated(&mut self, node: &Node, what: &str) -> Option<Option<Isolated>> {
        match &node.kind {
            Kind::Bool(value) => Some(value.then(Isolated::default)),
            Kind::Map(_) => {
                // A wrong value is a mistake of its own; the host is isolated all the same.
                let mut isolated = Isolated::default();
                for (key, value) in &self.map(node, what, &["stratum", "alarm"]) {
                    let what = &format!("{what}.{}", key.text);
                    match key.text.as_str() {
                        "stratum" => {
                            let stratum = self.number(value, what, 1, 15).and_then(|n| u8::try_from(n).ok());
                            isolated.stratum = stratum.unwrap_or(isolated.stratum);
                        }
                        "alarm" => isolated.alarm = self.boolean(value, what).unwrap_or_default(),
                        _ => {}
                    }
                }
                Some(Some(isolated))
            }
            other => {
                let text = "true, false or { stratum: N, alarm: true } is needed, not";
                self.wrong(node.at, format!("{what}: {text} {}", other.word()));
                None
            }
        }
    }

    pub(super) fn step(&mut self, node: &Node, what: &str) -> Option<StepPolicy> {
        if !matches!(node.kind, Kind::Map(_)) {
            let words = [("never", StepPolicy::Never), ("always", StepPolicy::Always { over: OVER })];
            return self.choice(node, what, &words);
        }
        let (mut over, mut first) = (OVER, Some(FIRST));
        for (key, value) in &self.map(node, what, &["over", "first"]) {
            let what = &format!("{what}.{}", key.text);
            match key.text.as_str() {
                "over" => over = self.duration(value, what)?,
                "first" => first = self.first(value, what)?,
                _ => {}
            }
        }
        Some(first.map_or(StepPolicy::Always { over }, |updates| StepPolicy::AtStart { over, updates }))
    }

    /// In how many updates; `Some(None)` is the word `always`, which nobody says by leaving something out.
    fn first(&mut self, node: &Node, what: &str) -> Option<Option<u32>> {
        match &node.kind {
            Kind::Text(word) if word == "always" => Some(None),
            Kind::Text(_) => {
                self.wrong(node.at, format!("{what}: a number, or `always`, is needed"));
                None
            }
            _ => self.number(node, what, 1, 1000).and_then(|n| u32::try_from(n).ok()).map(Some),
        }
    }

    pub(super) fn limits(&mut self, s: &mut Settings, node: &Node, what: &str) {
        for (key, value) in &self.map(node, what, &["max_error", "max_stratum", "max_step", "deadline", "read"]) {
            let what = &format!("{what}.{}", key.text);
            match key.text.as_str() {
                "max_error" => s.max_error = self.duration(value, what).map(|duration| (duration, value.at)),
                "max_stratum" => {
                    let number = self.number(value, what, 1, 15).and_then(|n| u8::try_from(n).ok());
                    s.max_stratum = number.map(|n| (n, value.at));
                }
                "max_step" => s.max_step = self.duration(value, what),
                "deadline" => s.deadline = self.duration(value, what),
                "read" => s.read = self.duration(value, what),
                _ => {}
            }
        }
        if let Some((duration, at)) = s.max_error.filter(|(duration, _)| *duration < Duration::from_micros(10)) {
            let shown = humantime::format_duration(duration);
            self.wrong(at, format!("{what}.max_error: {shown} can never be proven over a network; 10us is the least"));
        }
    }
}
