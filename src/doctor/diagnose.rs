//! From evidence to findings: what is a cause, and who only suffers from it.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::rules::{self, Find, Rule, Severity};
use super::{Link, Patient, Seen, paste};
use crate::inventory::HostSpec;
use crate::model::{Certainty, Finding, Mark};
use crate::verdict::sources;
use crate::verdict::{self, Verdict};

/// What could be learned of a host: its evidence, or why there is none.
pub type Looked = Result<Evidence, String>;

/// A finding while it is being made.
struct Found {
    rule: &'static Rule,
    seen: Seen,
    affects: Vec<String>,
}

/// Finds the causes. `hosts` are in the order of the inventory; those that others follow come
/// first in the search, so that a cause is found where it is, and not once for each who suffers.
///
/// Returns the findings of each host, by its name; a finding is with the host where its cause is.
pub fn diagnose(hosts: &[HostSpec], looked: &BTreeMap<String, Looked>) -> BTreeMap<String, Vec<Finding>> {
    let mut search = Search { hosts, looked, found: Vec::new() };
    let mut order: Vec<Patient<'_>> = hosts.iter().filter_map(|spec| search.patient(&spec.name)).collect();
    order.sort_by_key(|patient| patient.spec.tier);
    for patient in &order {
        search.host(patient);
    }
    for patient in &order {
        search.links(patient);
    }
    for patient in &order {
        search.unexplained(patient);
    }
    search.report()
}

/// Whether a host follows its sources, as far as its evidence tells.
pub fn is_well(spec: &HostSpec, evidence: &Evidence) -> bool {
    let follows_one = |host: &Patient<'_>| {
        evidence.peers.iter().filter(|peer| peer.selected).any(|peer| {
            let is_it = |source: &crate::inventory::spec::Source| {
                // W32Time shows the name that it was given.
                peer.address == source.address
                    || evidence.stands_for(&source.address).iter().any(|address| peer.address.parse() == Ok(*address))
            };
            host.spec.time.sources.iter().any(is_it)
        })
    };
    evidence.follows() && (spec.time.isolated.is_some() || follows_one(&Patient { spec, evidence }))
}

/// What `verify` would say of a host, if it would not pass: the two must not contradict each other.
fn failure(host: &Patient<'_>) -> Option<Verdict> {
    let daemon = host.evidence.daemon.as_ref().filter(|_| host.evidence.windows().is_none())?;
    let sources = sources::joined(host.spec, host.evidence.answers.clone(), &daemon.peers);
    let verdict = verdict::judge(host.spec, daemon, &sources).verdict;
    // What falls by itself is no trouble.
    (!matches!(verdict, Verdict::Proven | Verdict::Settling(..))).then_some(verdict)
}

struct Search<'a> {
    hosts: &'a [HostSpec],
    looked: &'a BTreeMap<String, Looked>,
    found: Vec<Found>,
}

impl<'a> Search<'a> {
    fn patient(&self, name: &str) -> Option<Patient<'a>> {
        let spec = self.hosts.iter().find(|spec| spec.name == name)?;
        let evidence = self.looked.get(name)?.as_ref().ok()?;
        Some(Patient { spec, evidence })
    }

    /// What is wrong with a host for itself.
    fn host(&mut self, patient: &Patient<'a>) {
        for rule in rules::all() {
            let seen = match (rule.find, patient.evidence.windows()) {
                (Find::Host(find), None) => find(patient),
                (Find::Windows(find), Some(facts)) => find(patient, facts),
                _ => continue,
            };
            self.found.extend(seen.into_iter().map(|seen| Found { rule, seen, affects: Vec::new() }));
        }
    }

    /// Why the sources of a host give it no time: the source's own finding, or the first rule that fits.
    fn links(&mut self, patient: &Patient<'a>) {
        let links = self.links_of(patient);
        for rule in rules::all() {
            let Find::Sources(find) = rule.find else { continue };
            let seen = find(patient, &links).into_iter();
            self.found.extend(seen.map(|seen| Found { rule, seen, affects: Vec::new() }));
        }
        for link in links {
            if !self.blame_server(&link, |found| found.rule.silences) && !self.explain(&link) && !link.works() {
                self.blame_server(&link, |found| found.rule.severity == Severity::Error);
            }
        }
    }

    fn links_of(&self, patient: &Patient<'a>) -> Vec<Link<'a>> {
        let link = |source: &'a crate::inventory::spec::Source| {
            let server = source.host.as_deref().and_then(|name| self.patient(name));
            let unseen = source.host.as_deref().and_then(|name| self.looked.get(name)?.as_ref().err());
            let answers = patient.evidence.answers.iter().filter(|answer| answer.source == source.address).collect();
            Link { client: *patient, source, server, unseen: unseen.map(String::as_str), answers }
        };
        patient.spec.time.sources.iter().map(link).collect()
    }

    /// Adds the client to those who suffer from the server's own findings.
    fn blame_server(&mut self, link: &Link<'_>, fits: impl Fn(&Found) -> bool) -> bool {
        let Some(server) = link.server.filter(|_| !link.works()) else { return false };
        let mut blamed = false;
        for found in &mut self.found {
            let own = found.seen.host == server.name();
            let suffers = found.affects.iter().any(|name| name == server.name()) && link.is_unsynchronised();
            if fits(found) && own || suffers {
                found.add(link.client.name());
                blamed = true;
            }
        }
        blamed
    }

    fn explain(&mut self, link: &Link<'_>) -> bool {
        if link.is_unsynchronised() && self.blame_server(link, |found| found.rule.severity == Severity::Error) {
            return true;
        }
        let first = rules::all().find_map(|rule| match rule.find {
            Find::Link(find) => find(link).map(|seen| (rule, seen)),
            _ => None,
        });
        let Some((rule, seen)) = first else { return false };
        self.add(rule, seen, link.client.name());
        true
    }

    /// The same cause for another client is no second finding.
    fn add(&mut self, rule: &'static Rule, seen: Seen, client: &str) {
        let same = |found: &&mut Found| {
            found.rule.code == rule.code
                && found.seen.host == seen.host
                && found.seen.about == seen.about
                && seen.host != client
        };
        match self.found.iter_mut().find(same) {
            Some(found) => found.add(client),
            None => {
                let mut found = Found { rule, seen, affects: Vec::new() };
                found.add(client);
                self.found.push(found);
            }
        }
    }

    /// A host that does not follow, though nothing says why.
    fn unexplained(&mut self, patient: &Patient<'a>) {
        let explains = |found: &Found| {
            let concerns = found.seen.host == patient.name() || found.affects.iter().any(|name| name == patient.name());
            concerns && (found.rule.severity != Severity::Warning || found.seen.unsettles)
        };
        let failure = failure(patient);
        let well = is_well(patient.spec, patient.evidence);
        if (well && failure.is_none()) || self.found.iter().any(explains) {
            return;
        }
        let drifted = || rules::drifted(patient);
        let last = [
            (&rules::ISOLATED, rules::isolated(patient)),
            (&rules::FAILS, failure.filter(|_| well).map(|verdict| rules::fails(patient, verdict))),
            (&rules::DENIED, rules::denial(patient)),
            (&rules::DRIFTED, drifted().filter(|_| !patient.suspects().is_empty())),
            (&rules::STARTED, rules::fresh(patient)),
            (&rules::DRIFTED, drifted()),
        ];
        if let Some((rule, seen)) = last.into_iter().find_map(|(rule, seen)| Some((rule, seen?))) {
            self.found.push(Found { rule, seen, affects: Vec::new() });
            return;
        }
        let detail = patient.evidence.daemon.as_ref().map_or("", |daemon| &daemon.report.detail);
        let seen = patient.seen("status", detail);
        let rule = if patient.evidence.windows().is_some() { &rules::OWN_CLOCK } else { &rules::UNKNOWN };
        self.found.push(Found { rule, seen, affects: Vec::new() });
    }

    fn report(self) -> BTreeMap<String, Vec<Finding>> {
        let mut all: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
        for found in self.found {
            all.entry(found.seen.host.clone()).or_default().push(found.finding(self.hosts));
        }
        for findings in all.values_mut() {
            findings.sort_by(|a, b| (a.severity, &a.code).cmp(&(b.severity, &b.code)));
        }
        all
    }
}

impl Found {
    /// Of a warning nobody suffers yet.
    fn add(&mut self, client: &str) {
        let suffers = self.rule.severity != Severity::Warning;
        if suffers && client != self.seen.host && !self.affects.iter().any(|name| name == client) {
            self.affects.push(client.to_owned());
        }
    }

    fn finding(self, hosts: &[HostSpec]) -> Finding {
        let Found { rule, seen, affects } = self;
        let fix = seen.fill(rule.fix);
        Finding {
            code: rule.code.to_owned(),
            severity: rule.severity,
            certainty: if seen.perhaps { Certainty::Perhaps } else { Certainty::Certain },
            title: rule.title.to_owned(),
            evidence: seen.evidence.clone(),
            command: seen.command.clone(),
            on: seen.on.clone(),
            about: seen.thing(),
            cause: seen.fill(rule.cause),
            paste: paste::commands(&fix, hosts),
            fix,
            configuration: rule.configuration && !seen.beyond,
            excluded: seen.excluded,
            affects,
            mark: Mark::default(),
        }
    }
}
