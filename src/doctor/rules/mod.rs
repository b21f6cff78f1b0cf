//! The rules: what can be wrong with time, how it is recognised, and how it is put right.
//!
//! A rule is a row of its family's table: words, and a predicate that says where it has seen it.
//! `docs/findings.md` has a section for each, `tests/doctor/` a case. A code is never reused.

mod agreement;
mod clock;
mod firewall;
mod machine;
mod mute;
mod names;
mod neighbours;
mod path;
mod ports;
mod runtime;
mod service;
mod serving;
mod smear;
mod unit;
mod unused;
mod windows;
mod windows_server;
mod zones;

pub(super) use agreement::{DRIFTED, FAILS, ISOLATED, drifted, fails, isolated};
pub(super) use clock::{STARTED, UNKNOWN, fresh};
pub(super) use machine::{DENIED, denial};
pub(super) use unit::other_file;
pub(super) use windows::OWN_CLOCK;

use super::{Link, Patient, Seen};
use crate::facts::windows::WindowsFacts;
pub use crate::model::Severity;

/// What a rule looks at.
#[derive(Clone, Copy)]
pub enum Find {
    /// A Linux host for itself.
    Host(fn(&Patient<'_>) -> Vec<Seen>),
    /// A Windows host for itself.
    Windows(fn(&Patient<'_>, &WindowsFacts) -> Vec<Seen>),
    /// A host and all its sources.
    Sources(fn(&Patient<'_>, &[Link<'_>]) -> Vec<Seen>),
    /// A host and a source that gives it no time; the first rule that matches explains it.
    Link(fn(&Link<'_>) -> Option<Seen>),
}

/// One rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Stable code.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The heading in `docs/findings.md`.
    pub title: &'static str,
    /// The cause in one sentence.
    pub cause: &'static str,
    /// The exact fix.
    pub fix: &'static str,
    /// Whether a host with it serves nobody, which then needs no further reason.
    pub silences: bool,
    /// Whether it is put right by `apply` on the host of the finding.
    pub configuration: bool,
    /// How it is recognised.
    pub find: Find,
}

/// What most rows have in common.
const ROW: Rule = Rule {
    code: "",
    severity: Severity::Error,
    title: "",
    cause: "",
    fix: "",
    silences: false,
    configuration: false,
    find: Find::Host(|_| Vec::new()),
};

/// Returns all rules, in the order in which links are explained by them.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        service::RULES,
        mute::RULES,
        unit::RULES,
        machine::RULES,
        windows::RULES,
        windows_server::RULES,
        names::RULES,
        unused::RULES,
        runtime::RULES,
        path::CLIENT,
        neighbours::RULES,
        firewall::CLIENT,
        serving::RULES,
        firewall::SERVER,
        ports::RULES,
        path::RULES,
        clock::RULES,
        agreement::RULES,
        ports::OTHERS,
        smear::RULES,
        agreement::LAST,
    ]
    .into_iter()
    .flatten()
}
