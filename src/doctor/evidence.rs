//! What was read on a host, typed. Reads text, judges nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result};

use super::asks;
use super::inside::Inside;
use super::lines::{device, listener, names, owned, pairs, process, route, units};
use super::record::Parts;
use super::windows;
use crate::facts::windows::WindowsFacts;
use crate::facts::{self, Found};
use crate::firewall::firewalld::Firewalld;
use crate::firewall::{self, Ruleset};
use crate::model::Slice;
use crate::ntp::remote;
use crate::ntp::report::SourceReport;
use crate::provider::config::{Config, UNKNOWN};
use crate::provider::diagnosis::{Tool, Visitor};
use crate::provider::{self, DaemonStatus, LinuxProvider, Peer, Provider};

/// The part that holds the facts; it is asked by the script of `facts`.
pub const FACTS: &str = "facts";

/// Everything that was read on one host.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What the host is.
    pub facts: Found,
    /// The unit of the time service without `.service`; empty if none is there.
    pub unit: String,
    /// The time service; `None` if none is there.
    pub service: Option<&'static dyn Provider>,
    /// Its configuration file; empty if none is there.
    pub file: String,
    /// Whether the service answers its own tool.
    pub talks: bool,
    /// All units that keep time, by name without `.service`.
    pub units: BTreeMap<String, Unit>,
    /// When the service was started, seconds since 1970 by the clock of the host.
    pub started: Option<i64>,
    /// When its file was changed, likewise.
    pub changed: Option<i64>,
    /// Programs that keep time and run.
    pub processes: Vec<Process>,
    /// What is configured, line by line, comments left out.
    pub config: Config,
    /// That file has held a secret, as a run has noted on the host: what it holds now may be an old one.
    pub held_secret: bool,
    /// What the service says of itself.
    pub daemon: Option<DaemonStatus>,
    /// Its sources, with their marks.
    pub peers: Vec<Peer>,
    /// Who has asked it for time.
    pub visitors: Vec<Visitor>,
    /// What it says of the access of an address.
    pub access: BTreeMap<IpAddr, bool>,
    /// Who asked this host during this run, with the age of the question in seconds.
    pub askers: BTreeMap<IpAddr, f64>,
    /// Where somebody listens on udp/123.
    pub listeners: Vec<Listener>,
    /// The addresses of the host, with their interfaces.
    pub addresses: Vec<(String, IpAddr)>,
    /// How packets leave for an address.
    pub routes: BTreeMap<IpAddr, Route>,
    /// What the names of the sources stand for.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// What the host's sources answered.
    pub answers: Vec<SourceReport>,
    /// firewalld, if it runs.
    pub firewalld: Option<Firewalld>,
    /// The packet filter.
    pub filter: Ruleset,
    /// Digests of the keys of the service, by number.
    pub keys: BTreeMap<String, String>,
    /// What the time service answered to the host itself, on Windows.
    pub itself: Option<SourceReport>,
    /// What the running service is and may do, and why it takes a source or leaves it.
    pub inside: Inside,
    /// The configuration that `apply` would write; [`super::wanted::wanted`] knows it.
    pub wanted: Option<Config>,
    /// All parts as they were printed.
    pub parts: Parts,
}

/// The state of a unit, in the words of systemd.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// `loaded`, `masked`, `not-found`.
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`.
    pub active: String,
    /// `running`, `dead`, `auto-restart`.
    pub sub: String,
    /// `enabled`, `disabled`, `masked`.
    pub file: String,
    /// `success`, `exit-code`, `signal`, ...
    pub result: String,
    /// Exit status of the main process.
    pub status: String,
}

/// A program that keeps time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub id: String,
    /// Name.
    pub name: String,
    /// The last part of its control group: its unit.
    pub group: String,
}

/// A socket on udp/123.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address it is bound to; `None` is any.
    pub address: Option<IpAddr>,
    /// The interface it is bound to; `None` is any.
    pub device: Option<String>,
    /// Whether it takes IPv6, else IPv4; `None` is both, or not known.
    pub six: Option<bool>,
    /// The user that has opened it, where that is known.
    pub user: Option<u64>,
    /// The program behind it.
    pub program: String,
}

/// How packets leave for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// By this interface, from this address.
    By {
        /// Interface.
        device: String,
        /// Source address.
        from: Option<IpAddr>,
        /// The router that gets them first; `None`: they go to the address itself.
        via: Option<IpAddr>,
    },
    /// They do not; in the words of `ip`.
    None(String),
}

/// A time service of Linux as one of any system.
fn any(provider: &&'static dyn LinuxProvider) -> &'static dyn Provider {
    *provider
}

impl Evidence {
    /// Reads what the parts printed; `now` is our own clock, seconds since 1970.
    ///
    /// # Errors
    /// The facts cannot be read.
    pub fn read(parts: Parts, now: f64) -> Result<Self> {
        let empty = Slice::default();
        let part = |name: &str| parts.get(name).unwrap_or(&empty);
        let text = |name: &str| part(name).stdout.as_str();
        let facts = match windows::facts(&parts) {
            Some(facts) => Found::Windows(Box::new(facts)),
            None => Found::Linux(Box::new(
                facts::linux::parse(text(FACTS), facts::linux::Moment { sent: now, received: now })
                    .context("read facts")?,
            )),
        };
        let mut words = text("service").trim_end_matches('\n').split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        let (unit, name, file) = (word(), word(), word());
        let talks = part("status").status == 0;
        let provider = provider::ALL.iter().find(|provider| provider.name() == name);
        let service = provider.map(any);
        let said = provider.map(|provider| provider.read(&text)).unwrap_or_default();
        let daemon = provider.and_then(|provider| provider.parse_status(part("status")).ok());
        let mut evidence = Evidence {
            units: units(text("units")),
            started: text("started").trim().parse().ok(),
            changed: text("changed").trim().parse().ok(),
            processes: text("processes").lines().filter_map(process).collect(),
            config: Config::read(text("config"), provider.map_or(&UNKNOWN, |provider| provider.language())),
            held_secret: text("noted").trim() == "yes",
            peers: daemon.iter().flat_map(|daemon| daemon.peers.clone()).collect(),
            visitors: said.visitors.clone(),
            access: pairs(text("access")).map(|(address, word)| (address, word == "allowed")).collect(),
            askers: pairs(text("askers")).filter_map(|(address, ago)| Some((address, ago.parse().ok()?))).collect(),
            listeners: text("listeners").lines().filter_map(listener).collect(),
            addresses: text("addresses").lines().filter_map(device).collect(),
            routes: pairs(text("routes")).map(|(address, line)| (address, route(line))).collect(),
            names: names(text("names")),
            answers: remote::parse(text("probe")),
            firewalld: Firewalld::read(text("firewalld")),
            filter: firewall::read(text("filter"), text("legacy"), text("keepers")),
            keys: text("keys").lines().filter_map(|line| line.split_once(' ')).map(owned).collect(),
            facts,
            unit,
            service,
            file,
            talks,
            daemon,
            itself: None,
            inside: Inside::read(&parts, said),
            wanted: None,
            parts,
        };
        (evidence.filter.asks_as, evidence.filter.answers_as) =
            evidence.inside.senders(evidence.asks_from_123(), &evidence.listeners);
        windows::complete(&mut evidence);
        Ok(evidence)
    }

    /// Returns the command of a part as an administrator would type it on this host.
    pub fn shown(&self, part: &str) -> String {
        match self.windows() {
            Some(_) => windows::shown(part),
            None => asks::shown(part, self.service_name(), &self.unit, &self.file),
        }
    }

    /// Returns what a part printed.
    pub fn text(&self, part: &str) -> &str {
        self.parts.get(part).map_or("", |slice| slice.stdout.trim())
    }

    /// Returns the clock of the host when it was read, seconds since 1970; 0 where that is not known.
    pub fn now(&self) -> f64 {
        let line = self.text(FACTS).lines().find_map(|line| line.strip_prefix("now="));
        line.and_then(|text| text.parse().ok()).unwrap_or(0.0)
    }

    /// Returns the facts of a Windows host.
    pub fn windows(&self) -> Option<&WindowsFacts> {
        match &self.facts {
            Found::Windows(facts) => Some(facts),
            Found::Linux(_) => None,
        }
    }

    /// Returns whether the time service asks from port 123, by the sockets that it answers at.
    pub fn asks_from_123(&self) -> bool {
        self.service.is_none_or(|service| service.asks_from_123())
    }

    /// Returns the tool of the time service.
    pub fn tool(&self) -> Option<Tool> {
        self.service?.tool()
    }

    /// Returns whether its tool can change what it does while it runs, and says every source by its address.
    pub fn takes_commands(&self) -> bool {
        self.tool().is_some_and(|tool| tool.commands)
    }

    /// Returns whether the server lets an address ask; `None` when it cannot be told. What it says itself counts
    /// more than its file.
    pub fn lets_ask(&self, from: IpAddr) -> Option<bool> {
        match self.access.get(&from) {
            Some(allowed) => Some(*allowed),
            None if self.tool().is_some_and(|tool| tool.says_access) => None,
            None => self.service?.lets_ask(&self.config, from),
        }
    }

    /// Returns the name of the time service in reports.
    pub fn service_name(&self) -> Option<&'static str> {
        self.service.map(|service| service.name())
    }

    /// Returns the state of the service's own unit.
    pub fn own(&self) -> Option<&Unit> {
        self.units.get(&self.unit)
    }

    /// Returns whether the service runs.
    pub fn runs(&self) -> bool {
        match self.windows() {
            Some(facts) => facts.running,
            None => self.own().is_some_and(|unit| unit.active == "active"),
        }
    }

    /// Returns whether the file was changed after the service has read it.
    pub fn is_stale(&self) -> bool {
        matches!((self.changed, self.started), (Some(changed), Some(started)) if changed > started) && self.runs()
    }

    /// Returns whether the service follows somebody, or itself on purpose.
    pub fn follows(&self) -> bool {
        self.runs() && self.daemon.as_ref().is_some_and(|daemon| daemon.report.synchronised)
    }

    /// Returns what a source's name or address stands for on this host.
    pub fn stands_for(&self, source: &str) -> Vec<IpAddr> {
        match source.parse() {
            Ok(address) => vec![address],
            Err(_) => self.names.get(source).cloned().unwrap_or_default(),
        }
    }
}
