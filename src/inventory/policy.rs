//! The settings that are judgements: how a master goes on alone, when a clock may jump, what the proof shows.

use std::time::Duration;

use serde_json::{Value, json};

use super::kinds::{Boolean, Placed, Span, Words, number, types};
use super::node::{At, Kind, Node};
use super::read::Reader;
use super::schema;
use super::settings::Settings;
use super::spec::{Limits, StepPolicy};
use super::table::{One, Row, Table, Type, keys, one};
use crate::facts::services::Ability;

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
    let said = &s.limits;
    // W32Time is not made for milliseconds.
    let default = if s.winrm.is_some() { Duration::from_secs(1) } else { Duration::from_millis(100) };
    Limits {
        max_error: said.max_error.map_or(default, |(duration, _)| duration),
        max_stratum: said.max_stratum.map_or(15, |(stratum, _)| stratum),
        max_step: said.max_step.or(match s.step {
            // Whoever writes the word `always` says so of every step.
            Some(StepPolicy::Always { .. }) => None,
            _ => Some(Duration::from_secs(1)),
        }),
        deadline: said.deadline.unwrap_or(Duration::from_secs(60)),
        read: said.read.unwrap_or(Duration::from_secs(if s.winrm.is_some() { 60 } else { 90 })),
    }
}

/// The keys of `limits`.
#[derive(Debug, Clone, Default)]
pub(super) struct LimitLines {
    pub(super) max_error: Option<(Duration, At)>,
    pub(super) max_stratum: Option<(u8, At)>,
    max_step: Option<Duration>,
    deadline: Option<Duration>,
    read: Option<Duration>,
}

const fn limit<T: Type>(slot: fn(&mut LimitLines) -> &mut Option<T::Value>, of: T) -> One<LimitLines, T> {
    one(slot, of)
}

#[rustfmt::skip]
pub(super) const LIMITS: Table<LimitLines> = &[&[
    Row { key: "max_error", field: &limit(|l| &mut l.max_error, Placed(Span)), default: "100ms; Windows 1s",
        doc: "How far off a clock may be at most: what was measured, and all that it may be wrong by." },
    Row { key: "max_stratum", field: &limit(|l| &mut l.max_stratum, Placed(number(1, 15, "1 to 15"))), default: "`15`",
        doc: "The greatest stratum that a source may have." },
    Row { key: "max_step", field: &limit(|l| &mut l.max_step, Span), default: "`1s`; none with `step: always`",
        doc: "How far `apply` may let the clock step." },
    Row { key: "deadline", field: &limit(|l| &mut l.deadline, Span), default: "`60s`",
        doc: "How long `apply` and `verify` wait for a clock to come within the limits." },
    Row { key: "read", field: &limit(|l| &mut l.read, Span), default: "90s; Windows 60s",
        doc: "How long reading a host may take." },
]];

/// A limit that no measurement can meet.
pub(super) fn check_limits(reader: &mut Reader<'_>, limits: &LimitLines, what: &str) {
    if let Some((duration, at)) = limits.max_error.filter(|(duration, _)| *duration < Duration::from_micros(10)) {
        let shown = humantime::format_duration(duration);
        reader.wrong(at, format!("{what}.max_error: {shown} can never be proven over a network; 10us is the least"));
    }
}

/// The keys of `isolated`.
#[derive(Default)]
pub(super) struct IsolatedLines {
    stratum: Option<u8>,
    alarm: Option<bool>,
}

#[rustfmt::skip]
pub(super) const ISOLATED: Table<IsolatedLines> = &[&[
    Row { key: "stratum", field: &one(|i: &mut IsolatedLines| &mut i.stratum, number(1, 15, "1 to 15")), default: "`10`",
        doc: "The stratum that it claims." },
    Row { key: "alarm", field: &one(|i: &mut IsolatedLines| &mut i.alarm, Boolean), default: "`false`",
        doc: "Going by its own clock while it has a source is a failure." },
]];

/// `true`, `false`, or a map.
pub(super) struct IsolatedType;

impl Type for IsolatedType {
    type Value = Option<Isolated>;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Option<Isolated>> {
        match &node.kind {
            Kind::Bool(value) => Some(value.then(Isolated::default)),
            Kind::Map(_) => {
                // A wrong value is a mistake of its own; the host is isolated all the same.
                let mut said = IsolatedLines::default();
                reader.rows(ISOLATED, &mut said, node, what, &[]);
                let stratum = said.stratum.unwrap_or(DEFAULT_ISOLATED_STRATUM);
                Some(Some(Isolated { stratum, alarm: said.alarm.unwrap_or_default() }))
            }
            other => {
                let text = "true, false or { stratum: N, alarm: true } is needed, not";
                reader.wrong(node.at, format!("{what}: {text} {}", other.word()));
                None
            }
        }
    }

    fn words(&self) -> String {
        format!("`true`, `false`, {}", keys(ISOLATED))
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [{ "type": "boolean" }, schema::map(ISOLATED)] })
    }
}

/// The keys of `step`.
#[derive(Default)]
pub(super) struct StepLines {
    over: Option<Duration>,
    /// `Some(None)` is the word `always`, which nobody says by leaving something out.
    first: Option<Option<u32>>,
}

#[rustfmt::skip]
pub(super) const STEPS: Table<StepLines> = &[&[
    Row { key: "over", field: &one(|s: &mut StepLines| &mut s.over, Span), default: "`1s`",
        doc: "A smaller offset is slewed." },
    Row { key: "first", field: &one(|s: &mut StepLines| &mut s.first, FirstType), default: "`3`",
        doc: "In so many updates after the start of the service." },
]];

const STEP_WORDS: &[(&str, StepPolicy)] =
    &[("never", StepPolicy::Never), ("always", StepPolicy::Always { over: OVER })];

/// A word, or a map.
pub(super) struct StepType;

impl Type for StepType {
    type Value = StepPolicy;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<StepPolicy> {
        if !matches!(node.kind, Kind::Map(_)) {
            return Words(STEP_WORDS).read(reader, node, what);
        }
        let mut said = StepLines::default();
        reader.rows(STEPS, &mut said, node, what, &[]);
        let over = said.over.unwrap_or(OVER);
        Some(match said.first.unwrap_or(Some(FIRST)) {
            None => StepPolicy::Always { over },
            Some(updates) => StepPolicy::AtStart { over, updates },
        })
    }

    fn words(&self) -> String {
        format!("{}, {}", Words(STEP_WORDS).words(), keys(STEPS))
    }

    fn schema(&self) -> Value {
        json!({ "anyOf": [Words(STEP_WORDS).schema(), schema::map(STEPS)] })
    }

    fn needs(&self, value: &StepPolicy) -> Vec<Ability> {
        if *value == StepPolicy::Never { vec![Ability::StepNever] } else { Vec::new() }
    }
}

types! {
    /// A number of updates, or the word `always`.
    FirstType: Option<u32>, Reader::first, "number, `always`", {
        "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 1000 }, { "const": "always" }]
    };
}

impl Reader<'_> {
    /// In how many updates.
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
}
