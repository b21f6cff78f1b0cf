//! firewalld: which zone a packet is in, as firewalld finds it, and whether that zone lets NTP in.
//! `apply`, `check` and `doctor` all ask here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

mod judged;
mod opens;
mod words;

pub use opens::Daemon;

use super::askers::asker;
pub use super::askers::{WAY, askers};
pub use super::known::Opening;
use super::known::{self, Known};
use super::packet::Truth;
pub use super::zone::{Door, Zone};
use super::{Packet, Ruleset, Verdict, dbus, walk};

/// Functions that print the state, after [`WAY`]: `fc_firewalld ADDRESS,ADDRESS...`, for networks that ask.
pub const FUNCTIONS: &str = include_str!("firewalld.sh");

/// One of firewalld's two states: as it works now, or as it will after its next start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The zones.
    pub zones: BTreeMap<String, Zone>,
    policies: BTreeMap<String, Zone>,
    /// What names in them stand for.
    known: Known,
    /// Rules in the words of iptables.
    direct: BTreeSet<String>,
}

/// The two states of firewalld.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firewalld {
    /// The zone of interfaces that are in no other.
    default: String,
    /// Zone of each interface that is bound to one.
    interfaces: BTreeMap<String, String>,
    /// Whether it is in panic mode, in which it drops all packets.
    pub panic: bool,
    /// Which interface leads to an address.
    routes: BTreeMap<IpAddr, String>,
    /// As it works now.
    pub running: State,
    /// As it will after its next start.
    pub permanent: State,
    /// The rules that were added by us: state, zone, rule.
    pub ours: Vec<(String, String, String)>,
}

impl Firewalld {
    /// Reads what the functions printed; `None` when firewalld does not run. One that runs and could
    /// not be asked has no zones.
    pub fn read(text: &str) -> Option<Self> {
        Self::read_for(text, &Opening::default())
    }

    /// The same, for another port than that of NTP.
    pub fn read_for(text: &str, wanted: &Opening) -> Option<Self> {
        let mut firewalld = Firewalld::default();
        firewalld.running.known.wanted = *wanted;
        firewalld.permanent.known.wanted = *wanted;
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            firewalld.line(word, rest);
        }
        (!text.trim().is_empty()).then_some(firewalld)
    }

    fn line(&mut self, word: &str, rest: &str) {
        let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "default" => self.default = text(rest),
            "panic" => self.panic = true,
            "interface" if !value.is_empty() => drop(self.interfaces.insert(name.to_owned(), value.to_owned())),
            "active" => self.active(rest),
            "route" => {
                let device = value.split(' ').skip_while(|word| *word != "dev").nth(1);
                self.routes.extend(name.parse().ok().zip(device.map(str::to_owned)));
            }
            "neighbour" => {
                let entry = name.parse().ok().map(|address| (address, value.to_lowercase()));
                self.running.known.neighbours.extend(entry.clone());
                self.permanent.known.neighbours.extend(entry);
            }
            "running" => self.running.setting("zone", name, value),
            "permanent" => self.permanent.setting("zone", name, value),
            "ours" => {
                let mut fields = rest.splitn(3, '\t').map(str::to_owned);
                let row = (fields.next(), fields.next(), fields.next());
                self.ours.extend(row.0.zip(row.1).zip(row.2).map(|((state, zone), rule)| (state, zone, rule)));
            }
            "service" | "ipset" | "policy" | "direct" => match name.split_once('/') {
                Some(("running", name)) => self.running.setting(word, name, value),
                Some(("permanent", name)) => self.permanent.setting(word, name, value),
                _ => {}
            },
            _ => {}
        }
    }

    /// Each zone that is bound to something, with its interfaces.
    fn active(&mut self, reply: &str) {
        let zones = dbus::values(reply).and_then(|values| values.into_iter().next()).unwrap_or_default();
        for (zone, bound) in zones.as_object().into_iter().flatten() {
            for device in bound["interfaces"].as_array().into_iter().flatten().filter_map(|name| name.as_str()) {
                self.interfaces.insert(device.to_owned(), zone.clone());
            }
        }
    }

    fn state(&self, permanent: bool) -> &State {
        if permanent { &self.permanent } else { &self.running }
    }

    /// Returns the zone that a packet from `from` is in now, when it comes in by `device`.
    pub fn zone(&self, from: IpAddr, device: Option<&str>) -> &str {
        let bindings = self.bindings(false, device);
        let first = bindings.iter().find(|(_, source)| match source {
            Some(source) => self.running.known.is_from(source, IpNet::from(from)) == Truth::Yes,
            None => true,
        });
        first.map_or(&self.default, |(zone, _)| zone)
    }

    /// All zones that a packet may be in which comes in by an interface, and the source that it must have, in the
    /// order in which firewalld looks: by priority, sources before interfaces, by name.
    fn bindings(&self, permanent: bool, device: Option<&str>) -> Vec<(&str, Option<&str>)> {
        let zones = &self.state(permanent).zones;
        let mut all: Vec<(i64, &str, Option<&str>)> = Vec::new();
        for (name, zone) in zones {
            all.extend(zone.sources.iter().map(|source| (zone.priority, name.as_str(), Some(source.as_str()))));
        }
        if let Some(name) = device.and_then(|device| self.zone_of(device, permanent)) {
            all.push((zones.get(name).map_or(0, |zone| zone.priority), name, None));
        }
        all.sort_by_key(|(priority, name, source)| (*priority, source.is_none(), *name));
        all.into_iter().map(|(_, name, source)| (name, source)).collect()
    }

    /// The zone that an interface is bound to; one that only its network manager has bound stays.
    fn zone_of(&self, device: &str, permanent: bool) -> Option<&str> {
        let saved = self.permanent.zones.iter().filter(|_| permanent);
        let saved = saved.flat_map(|(name, zone)| zone.interfaces.iter().map(move |bound| (bound, name)));
        let now = self.interfaces.iter().filter(|(_, zone)| !zone.is_empty());
        let fitting = saved.chain(now).filter_map(|(bound, zone)| Some((fit(bound, device)?, zone)));
        // Of two that fit as well, the one that is saved.
        fitting.reduce(|best, next| if next.0 > best.0 { next } else { best }).map(|(_, zone)| zone.as_str())
    }

    /// Returns where packets of a network arrive: the parts of it that sources of zones have, each with its
    /// zone, and the rest with the zone of the interface that leads there.
    pub fn split(&self, network: IpNet, permanent: bool) -> Vec<(IpNet, &str)> {
        let (mut parts, mut taken): (Vec<(IpNet, &str)>, Vec<IpNet>) = (Vec::new(), Vec::new());
        let device = self.routes.get(&asker(network)).map(String::as_str);
        for (zone, source) in self.bindings(permanent, device).into_iter().chain([(self.default.as_str(), None)]) {
            let own = source.map_or_else(|| vec![network], |source| self.state(permanent).sources_in(source, network));
            for own in own {
                if !IpNet::aggregate(&taken).iter().any(|other| other.contains(&own)) {
                    parts.push((own, zone));
                    taken.push(own);
                }
            }
        }
        parts
    }

    /// Returns what a zone does with questions from a network, now or after the next start.
    pub fn door(&self, zone: &str, from: IpNet, permanent: bool) -> Option<Door> {
        let state = self.state(permanent);
        let mut policies: Vec<(&str, &Zone)> = state.policies.iter().map(|(name, own)| (name.as_str(), own)).collect();
        policies.retain(|(_, policy)| policy.is_policy_of(zone));
        policies.sort_by_key(|(name, policy)| (policy.priority, *name));
        Some(state.zones.get(zone)?.door(&policies, from, &state.known))
    }

    /// Returns the zones that let NTP in, now; one that lets everything in is no sign that NTP was meant.
    pub fn open_zones(&self, from: IpAddr) -> Vec<&str> {
        let open = |zone: &Zone| !zone.lets_all_in() && zone.door(&[], from.into(), &self.running.known) == Door::Open;
        self.running.zones.iter().filter(|(_, zone)| open(zone)).map(|(name, _)| name.as_str()).collect()
    }

    /// Returns what a rich rule has to be about: the service, or the port where there is none, or not any more.
    pub fn element(&self) -> String {
        let wanted = &self.running.known.wanted;
        let is_service = |state: &State| wanted.is_ntp() && state.known.service("ntp") == Truth::Yes;
        match is_service(&self.running) && is_service(&self.permanent) {
            true => SERVICE.to_owned(),
            false => port(wanted),
        }
    }

    /// Returns the direct rules that will work after the next start and do not now: what they do is not read.
    pub fn direct_later(&self) -> Vec<&str> {
        self.permanent.direct.difference(&self.running.direct).map(String::as_str).collect()
    }
}

impl State {
    fn setting(&mut self, word: &str, name: &str, value: &str) {
        let first = || dbus::values(value).and_then(|values| values.into_iter().next()).unwrap_or_default();
        match word {
            "zone" => drop(self.zones.insert(name.to_owned(), Zone::read(value))),
            "policy" => drop(self.policies.insert(name.to_owned(), Zone::read(value))),
            "service" => {
                let about = known::service(&first(), &self.known.wanted);
                self.known.services.insert(name.to_owned(), about);
            }
            "ipset" => {
                let entries = first().as_array().cloned().unwrap_or_default();
                let texts = entries.iter().filter_map(|entry| entry.as_str().map(str::to_owned)).collect();
                self.known.ipsets.insert(name.to_owned(), texts);
            }
            // The permanent ones have chains before them, and what is passed through behind.
            "direct" if name == "settings" => self.direct.extend(direct(&first()[1])),
            "direct" => self.direct.extend(direct(&first())),
            _ => {}
        }
    }

    /// The parts of a network that a source has; of hardware addresses those that are known.
    fn sources_in(&self, source: &str, network: IpNet) -> Vec<IpNet> {
        let within = |own: IpNet| match (own.contains(&network), network.contains(&own)) {
            (true, _) => Some(network),
            (false, true) => Some(own),
            (false, false) => None,
        };
        let macs = self.known.macs(source);
        let neighbours = self.known.neighbours.iter();
        let known = neighbours.filter(|(address, mac)| network.contains(*address) && macs.contains(mac));
        let by_mac = known.map(|(address, _)| IpNet::from(*address));
        self.known.networks(source).into_iter().filter_map(within).chain(by_mac).collect()
    }
}

/// How well the name of an interface in a binding fits: as a whole, or by its beginning (`eth+`).
fn fit(bound: &str, device: &str) -> Option<usize> {
    match bound.strip_suffix('+') {
        _ if bound == device => Some(usize::MAX),
        Some(start) if device.starts_with(start) => Some(start.len()),
        _ => None,
    }
}

/// What a rich rule is about that lets NTP in.
pub(crate) const SERVICE: &str = "service name=\"ntp\"";

fn port(wanted: &Opening) -> String {
    format!("port port=\"{}\" protocol=\"{}\"", wanted.ports(), wanted.protocol())
}

/// Returns whether a rich rule is one that lets in what is wanted, and nothing else.
pub fn is_for(rule: &str, wanted: &Opening) -> bool {
    wanted.is_ntp() && rule.contains(SERVICE) || rule.contains(&port(wanted))
}

/// Direct rules in words: `ipv4 filter INPUT 0 -p udp -j DROP`.
fn direct(rules: &Value) -> Vec<String> {
    let words = |word: &Value| match word {
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        word => word.as_str().unwrap_or_default().to_owned(),
    };
    let rule = |rule: &Value| rule.as_array().map(|list| list.iter().map(words).collect::<Vec<_>>().join(" "));
    rules.as_array().into_iter().flatten().filter_map(rule).collect()
}

/// Returns whether rules of firewalld are among those that were read, and all together let a packet pass.
pub fn lets_in(rules: &Ruleset, packet: &Packet<'_>, asked: bool) -> bool {
    rules.chains.iter().any(|chain| rules.is_of_firewalld(chain))
        && walk::verdict(rules, packet, asked) == Verdict::Passes
}

/// A name as our own lines have it, or as busctl prints it: `s "public"`.
fn text(word: &str) -> String {
    let reply = dbus::values(word).filter(|_| word.starts_with("s "));
    reply.and_then(|values| values.first()?.as_str().map(str::to_owned)).unwrap_or_else(|| word.to_owned())
}

#[cfg(test)]
mod tests;
