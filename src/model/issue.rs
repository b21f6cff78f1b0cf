//! All that is wrong with a run, one thing after the other, as platforms want to be told of it.

use std::borrow::Cow;

use super::mark::fingerprint;
use super::{Condition, Delta, ErrorReport, Finding, FleetReport, HostReport, Mark, Place, Severity, Status, Verb};

/// One thing that is wrong with one host.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// The host.
    pub host: &'a HostReport,
    /// What it is.
    pub what: What<'a>,
    /// How bad it is.
    pub severity: Severity,
}

/// What can be wrong with a host.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// A property is not as wanted.
    Drift(&'a Delta),
    /// A cause that diagnosis has found.
    Finding(&'a Finding),
    /// The host did not end as it should; why, if that is known.
    Ending(Option<&'a ErrorReport>),
}

/// What an issue is called by programs, beside the codes of findings.
pub const DRIFT: &str = "drift";

impl<'a> Issue<'a> {
    /// Returns the word by which issues of its kind are known: `drift`, `unreachable`, `FC040`.
    pub fn rule(&self) -> &'a str {
        match self.what {
            What::Drift(_) => DRIFT,
            What::Finding(finding) => &finding.code,
            What::Ending(_) => ending::of(self.host.status),
        }
    }

    /// Returns where it stands and by what it is known.
    pub fn mark(&self) -> &'a Mark {
        match self.what {
            What::Drift(delta) => &delta.mark,
            What::Finding(finding) => &finding.mark,
            What::Ending(_) => &self.host.mark,
        }
    }

    /// Returns the place in the inventory: its own, else that of its host.
    pub fn place(&self) -> Option<&'a Place> {
        self.mark().place.as_ref().or(self.host.mark.place.as_ref())
    }

    /// Returns by what it is known again: what never changes from one run to the next while the thing is the same. An
    /// offset, a time or a digest is none of it.
    pub fn fingerprint(&self) -> Cow<'a, str> {
        self.mark().fingerprint.as_deref().map_or_else(|| Cow::Owned(self.computed()), Cow::Borrowed)
    }

    /// As [`Issue::fingerprint`], whatever the report says of it.
    pub(super) fn computed(&self) -> String {
        let host = self.host.name.as_str();
        match self.what {
            What::Drift(delta) => fingerprint(&[host, DRIFT, &delta.resource, &delta.property]),
            What::Finding(finding) => {
                let about = Some(finding.about.as_str()).filter(|about| !about.is_empty());
                let parts = [host, "finding", &finding.code, &finding.on];
                fingerprint(&parts.into_iter().chain(about).collect::<Vec<_>>())
            }
            What::Ending(_) => fingerprint(&[host, "ending", ending::of(self.host.status)]),
        }
    }

    /// Returns what of the exit code it is, if anything.
    pub fn condition(&self) -> Option<Condition> {
        match self.what {
            What::Drift(_) => Some(Condition::Drift),
            What::Finding(_) => (self.severity == Severity::Error).then_some(Condition::Limits),
            What::Ending(_) => Condition::holding([self.host.status]).first().copied(),
        }
    }
}

/// The words for how a host ended badly. However a change went that failed, the same thing is wrong.
pub(super) mod ending {
    use super::{DRIFT, Status};

    pub(in crate::model) const UNREACHABLE: &str = "unreachable";
    pub(in crate::model) const OUT_OF_LIMITS: &str = "out-of-limits";
    pub(in crate::model) const NOT_STARTED: &str = "not-started";
    pub(in crate::model) const FAILED: &str = "failed";

    pub(super) fn of(status: Status) -> &'static str {
        match status {
            Status::Unreachable => UNREACHABLE,
            Status::OutOfLimits => OUT_OF_LIMITS,
            Status::NotStarted => NOT_STARTED,
            Status::Failed | Status::FailedUndone | Status::FailedNotUndone => FAILED,
            Status::Drifted => DRIFT,
            Status::Unchanged | Status::Changed => "well",
        }
    }
}

impl HostReport {
    /// Returns all that is wrong with the host, after a run of that verb.
    pub fn issues(&self, command: Verb) -> impl Iterator<Item = Issue<'_>> {
        let drift = if command == Verb::Plan { Severity::Warning } else { Severity::Error };
        let issue = |what, severity| Issue { host: self, what, severity };
        let ending = self.ended_badly().then(|| issue(What::Ending(self.error.as_ref()), Severity::Error));
        let deltas = self.deltas.iter().filter(move |_| self.is_drifted(command));
        let deltas = deltas.map(move |delta| issue(What::Drift(delta), drift));
        let findings = self.findings.iter().map(move |finding| issue(What::Finding(finding), finding.severity));
        ending.into_iter().chain(deltas).chain(findings)
    }

    /// The marks of its issues, in the order in which those come.
    pub(super) fn marks(&mut self, command: Verb) -> Vec<&mut Mark> {
        let (ended_badly, is_drifted) = (self.ended_badly(), self.is_drifted(command));
        let ending = ended_badly.then_some(&mut self.mark);
        let deltas = self.deltas.iter_mut().filter(|_| is_drifted).map(|delta| &mut delta.mark);
        let findings = self.findings.iter_mut().map(|finding| &mut finding.mark);
        ending.into_iter().chain(deltas).chain(findings).collect()
    }

    /// Whether it ended in a way that its deltas and findings do not tell of.
    fn ended_badly(&self) -> bool {
        match self.status {
            Status::Unchanged | Status::Changed => false,
            Status::Drifted => self.deltas.is_empty(),
            // What a diagnosis found on the host itself is the reason.
            Status::OutOfLimits => !self.findings.iter().any(|finding| finding.severity == Severity::Error),
            _ => true,
        }
    }

    /// Whether its deltas are still there. Those of `undo` are what a run had done, those of `doctor --fix` are mended.
    fn is_drifted(&self, command: Verb) -> bool {
        !matches!(command, Verb::Undo | Verb::Doctor)
            && !matches!(self.status, Status::Unchanged | Status::Changed | Status::OutOfLimits)
    }
}

impl FleetReport {
    /// Returns all that is wrong, in the order of the inventory.
    pub fn issues(&self) -> impl Iterator<Item = Issue<'_>> {
        self.hosts.iter().flat_map(|host| host.issues(self.command))
    }
}
