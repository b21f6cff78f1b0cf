//! Why a clock does not follow: evidence from both ends, rules, findings.
//!
//! `evidence.sh` asks (`asks`), `evidence` reads the answers, `rules` know what they mean, and
//! [`diagnose`](diagnose::diagnose) decides what is a cause and what only follows from it.
//! Text in, findings out: nothing here talks to a host.

pub mod asks;
pub mod diagnose;
pub mod evidence;
pub mod inside;
mod lines;
pub mod link;
mod link_state;
mod no_way;
mod paste;
pub mod record;
pub mod rules;
pub mod wanted;
pub mod windows;

pub use diagnose::diagnose;
pub use evidence::Evidence;

use crate::inventory::HostSpec;
use crate::inventory::spec::Source;
use crate::ntp::report::SourceReport;

/// A host that was looked at.
#[derive(Debug, Clone, Copy)]
pub struct Patient<'a> {
    /// What it shall be.
    pub spec: &'a HostSpec,
    /// What was read on it.
    pub evidence: &'a Evidence,
}

/// The way from a host to one of its sources, seen from as many ends as could be looked at.
#[derive(Debug, Clone)]
pub struct Link<'a> {
    /// Who asks.
    pub client: Patient<'a>,
    /// Whom it asks.
    pub source: &'a Source,
    /// The other end, if it is in the inventory and was looked at.
    pub server: Option<Patient<'a>>,
    /// Why the other end could not be looked at, though it is in the inventory.
    pub unseen: Option<&'a str>,
    /// What each of the source's addresses answered.
    pub answers: Vec<&'a SourceReport>,
}

/// What a rule has seen, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The host where the cause lies, and where it is to be put right.
    pub host: String,
    /// The host on which it was seen.
    pub on: String,
    /// The command that showed it, as an administrator would type it.
    pub command: String,
    /// What it is about: what is seen twice about the same thing is one finding.
    pub about: String,
    /// What was seen.
    pub evidence: String,
    /// What fills in the braces of cause and fix.
    pub values: Vec<(&'static str, String)>,
    /// What it is not, and how that is known.
    pub excluded: Vec<String>,
    /// Whether this one is beyond `apply`, though the rule is about configuration.
    pub beyond: bool,
    /// Whether the service may follow nobody for a while because of it.
    pub unsettles: bool,
    /// Whether something else could be the cause, too, as far as was seen.
    pub perhaps: bool,
}

impl<'a> Patient<'a> {
    /// Returns the name in the inventory.
    pub fn name(&self) -> &'a str {
        &self.spec.name
    }

    /// Something seen on this host, in what a part printed.
    pub fn seen(&self, part: &str, evidence: impl Into<String>) -> Seen {
        let values = vec![
            ("unit", self.evidence.unit.clone()),
            ("config", self.evidence.file.clone()),
            ("host", self.name().to_owned()),
        ];
        Seen {
            host: self.name().to_owned(),
            on: self.name().to_owned(),
            command: self.evidence.shown(part),
            about: self.evidence.shown(part),
            evidence: evidence.into(),
            values,
            excluded: Vec::new(),
            beyond: false,
            unsettles: false,
            perhaps: false,
        }
    }
}

impl Seen {
    /// Fills in a name in braces.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.push((name, value.into()));
        self
    }

    /// Says what it is not.
    #[must_use]
    pub fn excluding(mut self, what: Vec<String>) -> Self {
        self.excluded = what;
        self
    }

    /// Says whether it is beyond `apply`.
    #[must_use]
    pub fn beyond_apply(self, beyond: bool) -> Self {
        Seen { beyond, ..self }
    }

    /// Says whether something else could be the cause as well.
    #[must_use]
    pub fn perhaps(self, perhaps: bool) -> Self {
        Seen { perhaps, ..self }
    }

    /// Returns what tells it from another one of its kind, and is the same in the next run: nothing that was measured.
    /// What several clients suffer from is one finding, whichever of them has shown it.
    pub fn thing(&self) -> String {
        let value =
            |wanted: &str| self.values.iter().rfind(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
        if value("client").is_some_and(|client| client != self.host) {
            return String::new();
        }
        let parts: Vec<&str> = ["source", "network", "address"].into_iter().filter_map(value).collect();
        parts.join(" ")
    }

    /// Fills the braces of a text.
    pub fn fill(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_is_named_by_what_stays_and_by_no_client_of_another_host() {
        let seen = |host: &str| Seen { host: host.to_owned(), ..Seen::default() }.with("offset", "0.1 s");
        assert_eq!(seen("a").thing(), "");
        assert_eq!(seen("a").with("network", "10.0.0.0/8").thing(), "10.0.0.0/8");
        let link = |host: &str| seen(host).with("client", "a").with("source", "192.0.2.1").with("address", "192.0.2.9");
        assert_eq!((link("a").thing().as_str(), link("b").thing().as_str()), ("192.0.2.1 192.0.2.9", ""));
    }
}
