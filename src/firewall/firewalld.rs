//! firewalld: which zone a packet is in, as firewalld finds it, and whether that zone lets NTP in.
//! `apply`, `check` and `doctor` all ask here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::askers::asker;
pub use super::askers::{WAY, askers};
pub use super::known::Opening;
use super::known::{self, Known};
use super::packet::Truth;
pub use super::zone::{Door, Zone};
use super::{Packet, Ruleset, Verdict, dbus, walk};

/// Returns where the rich rules stand that were added by us, on the host: state, zone and rule in a line, with tabs.
pub fn record(wanted: &Opening) -> String {
    let more = if wanted.is_ntp() { String::new() } else { format!("-{}-{}", wanted.ports(), wanted.protocol()) };
    format!("/var/lib/fleetclock/firewalld{more}")
}

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
        firewalld.running.known.wanted = wanted.clone();
        firewalld.permanent.known.wanted = wanted.clone();
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
        let own = |(_, zone): &(&String, &Zone)| zone.interfaces.iter().any(|name| name == device);
        let saved = self.permanent.zones.iter().find(own).filter(|_| permanent).map(|(name, _)| name);
        saved.or_else(|| self.interfaces.get(device)).filter(|zone| !zone.is_empty()).map(String::as_str)
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

/// What a rich rule is about that lets NTP in.
const SERVICE: &str = "service name=\"ntp\"";

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
mod tests {
    use super::*;

    const CLOSED: &str = r#"{"data":[{"services":{"type":"as","data":["ssh"]}}]}"#;
    const OPEN: &str =
        r#"{"data":[{"services":{"type":"as","data":["ntp"]},"sources":{"type":"as","data":["10.9.0.0/16"]}}]}"#;

    #[test]
    fn a_source_comes_before_an_interface_and_both_before_the_default() {
        let text = format!(
            "default public\ninterface eth1 dmz\nrunning public {CLOSED}\nrunning dmz {CLOSED}\nrunning lan {OPEN}\n"
        );
        let firewalld = Firewalld::read(&text).unwrap();
        let zone = |from: &str, device| firewalld.zone(from.parse().unwrap(), device).to_owned();
        assert_eq!(zone("10.9.1.1", Some("eth1")), "lan");
        assert_eq!(zone("10.8.1.1", Some("eth1")), "dmz");
        assert_eq!(zone("10.8.1.1", Some("eth0")), "public");
        assert_eq!(firewalld.open_zones("10.8.1.1".parse().unwrap()), ["lan"]);
    }

    #[test]
    fn a_firewalld_that_could_not_be_asked_is_not_taken_for_none() {
        let firewalld = Firewalld::read("default \n").unwrap();
        assert!(firewalld.running.zones.is_empty());
        assert_eq!(Firewalld::read(""), None);
    }

    const BOUND: &str = "default s \"public\"\nactive a{sa{sas}} 1 \"dmz\" 1 \"interfaces\" 1 \"eth1\"\nroute 10.10.10.1 10.10.10.1 dev eth1 src 10.10.10.9\nneighbour 10.10.10.7 02:00:00:00:00:07\nipset running/lan as 2 \"10.10.10.64/26\" \"10.20.0.0/16\"\n";

    fn split(sources: &str, network: &str) -> Vec<String> {
        let text = format!("{BOUND}running public a{{sv}} 0\nrunning dmz a{{sv}} 0\n{sources}");
        let firewalld = Firewalld::read(&text).unwrap();
        let parts = firewalld.split(network.parse().unwrap(), false);
        parts.into_iter().map(|(network, zone)| format!("{network} {zone}")).collect()
    }

    #[test]
    fn a_network_is_split_where_a_source_has_a_part_of_it() {
        let bound = |zone: &str, source: &str| format!("running {zone} a{{sv}} 1 \"sources\" as 1 \"{source}\"\n");
        let all = "10.10.10.0/24";
        assert_eq!(split("", all), ["10.10.10.0/24 dmz"]);
        assert_eq!(split("", "10.99.0.0/24"), ["10.99.0.0/24 public"]);
        assert_eq!(split(&bound("work", "10.0.0.0/8"), all), ["10.10.10.0/24 work"]);
        assert_eq!(split(&bound("work", "10.10.10.20"), all), ["10.10.10.20/32 work", "10.10.10.0/24 dmz"]);
        assert_eq!(split(&bound("work", "ipset:lan"), all), ["10.10.10.64/26 work", "10.10.10.0/24 dmz"]);
        assert_eq!(split(&bound("work", "02:00:00:00:00:07"), all), ["10.10.10.7/32 work", "10.10.10.0/24 dmz"]);
        let two = bound("a", "10.10.10.0/25") + &bound("b", "10.10.10.0/24");
        assert_eq!(split(&two, all), ["10.10.10.0/25 a", "10.10.10.0/24 b"]);
        let halves = bound("a", "10.10.10.0/25") + &bound("b", "10.10.10.128/25");
        assert_eq!(split(&halves, all), ["10.10.10.0/25 a", "10.10.10.128/25 b"]);
        assert_eq!(split(&two, "10.10.10.7/32"), ["10.10.10.7/32 a"]);
    }

    #[test]
    fn after_the_next_start_other_zones_may_be_bound() {
        let text = format!(
            "{BOUND}running public a{{sv}} 0\npermanent work a{{sv}} 1 \"sources\" as 1 \"10.10.10.20\"\npermanent inner a{{sv}} 1 \"interfaces\" as 1 \"eth1\"\n"
        );
        let firewalld = Firewalld::read(&text).unwrap();
        let all = "10.10.10.0/24".parse().unwrap();
        assert_eq!(firewalld.split(all, false), [(all, "dmz")]);
        assert_eq!(firewalld.split(all, true), [("10.10.10.20/32".parse().unwrap(), "work"), (all, "inner")]);
    }

    #[test]
    fn an_interface_may_come_before_a_source() {
        let zones =
            "running work a{sv} 1 \"sources\" as 1 \"10.10.10.0/28\"\nrunning dmz a{sv} 1 \"ingress_priority\" i -1\n";
        assert_eq!(split(zones, "10.10.10.0/24"), ["10.10.10.0/24 dmz"]);
        let firewalld = Firewalld::read(&format!("{BOUND}{zones}")).unwrap();
        let from = "10.10.10.2".parse().unwrap();
        assert_eq!((firewalld.zone(from, Some("eth1")), firewalld.zone(from, Some("eth0"))), ("dmz", "work"));
    }

    #[test]
    fn services_and_policies_and_direct_rules_are_those_of_their_state() {
        let text = concat!(
            "default s \"public\"\n",
            "running public a{sv} 1 \"services\" as 1 \"ntp\"\npermanent public a{sv} 1 \"services\" as 1 \"ntp\"\n",
            "service running/ntp a{sv} 1 \"ports\" a(ss) 1 \"124\" \"udp\"\n",
            "service permanent/ntp (sssa(ss)asa{ss}asa(ss)) \"\" \"NTP\" \"words\" 1 \"123\" \"udp\" 0 0 0 0\n",
            "policy permanent/noise a{sv} 4 \"target\" s \"REJECT\" \"priority\" i -1 \"ingress_zones\" as 1 \"public\" \"egress_zones\" as 1 \"HOST\"\n",
            "direct running/rules a(sssias) 1 \"ipv4\" \"filter\" \"INPUT\" 0 2 \"-p\" \"udp\"\n",
            "direct permanent/settings (a(sss)a(sssias)a(sas)) 0 2 \"ipv4\" \"filter\" \"INPUT\" 0 2 \"-p\" \"udp\" \"ipv4\" \"filter\" \"INPUT\" 1 2 \"-j\" \"DROP\" 0\n",
        );
        let firewalld = Firewalld::read(text).unwrap();
        let door = |permanent| firewalld.door("public", "10.10.10.2/32".parse().unwrap(), permanent).unwrap();
        assert_eq!(door(false), Door::Closed);
        assert_eq!(door(true), Door::Refused { policy: Some("noise".to_owned()), words: "target REJECT".to_owned() });
        assert_eq!(firewalld.element(), "port port=\"123\" protocol=\"udp\"");
        assert_eq!(firewalld.direct_later(), ["ipv4 filter INPUT 1 -j DROP"]);
    }

    #[test]
    fn a_lower_priority_comes_first() {
        let zone = |name: &str, priority: i32| {
            format!("running {name} a{{sv}} 2 \"sources\" as 1 \"10.0.0.0/8\" \"ingress_priority\" i {priority}\n")
        };
        assert_eq!(split(&(zone("a", 0) + &zone("b", -5)), "10.10.10.0/24"), ["10.10.10.0/24 b"]);
    }
}
