//! firewalld: which zone a packet is in, and whether that zone lets NTP in.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

/// The state of firewalld.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firewalld {
    /// The zone of interfaces that are in no other.
    default: String,
    /// Zone of each interface that matters.
    interfaces: BTreeMap<String, String>,
    /// The zones as they work now.
    pub running: BTreeMap<String, Zone>,
    /// The zones as they will be after the next start.
    pub permanent: BTreeMap<String, Zone>,
}

/// One zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zone {
    target: String,
    services: Vec<String>,
    ports: Vec<(String, String)>,
    rules: Vec<String>,
    sources: Vec<String>,
}

/// Whether a zone lets NTP in from an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// Open to it.
    Open,
    /// Open, but to these others only.
    OpenTo(Vec<String>),
    /// Closed.
    Closed,
}

impl Firewalld {
    /// Reads what the part printed; `None` when firewalld does not run. One that runs and could
    /// not be asked (`busctl` before systemd 240 has no JSON) has no zones.
    pub fn read(text: &str) -> Option<Self> {
        let mut firewalld = Firewalld::default();
        for line in text.lines() {
            let mut words = line.splitn(3, ' ');
            match (words.next()?, words.next().unwrap_or_default(), words.next().unwrap_or_default()) {
                ("default", zone, _) => zone.clone_into(&mut firewalld.default),
                ("interface", name, zone) => drop(firewalld.interfaces.insert(name.to_owned(), zone.to_owned())),
                ("running", name, json) => drop(firewalld.running.insert(name.to_owned(), Zone::read(json))),
                ("permanent", name, json) => drop(firewalld.permanent.insert(name.to_owned(), Zone::read(json))),
                _ => {}
            }
        }
        (!text.trim().is_empty()).then_some(firewalld)
    }

    /// Returns the zone that a packet from `from` is in, when it comes in by `device`: sources
    /// come before interfaces, and both before the default.
    pub fn zone(&self, from: IpAddr, device: Option<&str>) -> &str {
        let has = |zone: &&Zone| zone.sources.iter().any(|source| covers(source, from));
        let by_source = self.running.iter().find(|(_, zone)| has(zone)).map(|(name, _)| name);
        let by_device = device.and_then(|device| self.interfaces.get(device)).filter(|zone| !zone.is_empty());
        by_source.or(by_device).unwrap_or(&self.default)
    }

    /// Returns the zones that let NTP in, now.
    pub fn open_zones(&self, from: IpAddr) -> Vec<&str> {
        let open = self.running.iter().filter(|(_, zone)| zone.speaks_of_ntp() && zone.door(from) == Door::Open);
        open.map(|(name, _)| name.as_str()).collect()
    }
}

impl Zone {
    fn read(json: &str) -> Self {
        let value: Value = serde_json::from_str(json).unwrap_or_default();
        let settings = &value["data"][0];
        let list = |key: &str| settings[key]["data"].as_array().cloned().unwrap_or_default();
        let texts = |key: &str| list(key).iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
        let pair = |value: &Value| Some((value[0].as_str()?.to_owned(), value[1].as_str()?.to_owned()));
        Zone {
            target: settings["target"]["data"].as_str().unwrap_or_default().to_owned(),
            services: texts("services"),
            ports: list("ports").iter().filter_map(pair).collect(),
            rules: texts("rules_str"),
            sources: texts("sources"),
        }
    }

    /// Returns whether NTP is let in from an address.
    pub fn door(&self, from: IpAddr) -> Door {
        let everybody = self.target == "ACCEPT"
            || self.services.iter().any(|service| service == "ntp")
            || self.ports.iter().any(|(port, protocol)| protocol == "udp" && holds(port, 123));
        let rules: Vec<String> = self.ntp_rules().map(|rule| source(rule)).collect();
        if everybody || rules.iter().any(|source| source == "any" || covers(source, from)) {
            Door::Open
        } else if rules.is_empty() {
            Door::Closed
        } else {
            Door::OpenTo(rules)
        }
    }

    /// The rich rules that accept NTP.
    fn ntp_rules(&self) -> impl Iterator<Item = &String> {
        let ntp = |rule: &str| {
            rule.contains("service name=\"ntp\"")
                || (rule.contains("port=\"123\"") && rule.contains("protocol=\"udp\"") && !rule.contains("source-port"))
        };
        self.rules.iter().filter(move |rule| ntp(rule) && rule.ends_with("accept") && !rule.contains("NOT"))
    }

    fn speaks_of_ntp(&self) -> bool {
        self.target != "ACCEPT"
    }
}

/// The source of a rich rule.
fn source(rule: &str) -> String {
    rule.split_once("source address=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or_else(|| "any".to_owned(), |(source, _)| source.to_owned())
}

/// A port or a range of ports.
fn holds(ports: &str, port: u16) -> bool {
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&port))
}

/// An address or a network.
fn covers(network: &str, address: IpAddr) -> bool {
    network.parse::<IpNet>().is_ok_and(|network| network.contains(&address))
        || network.parse::<IpAddr>().is_ok_and(|other| other == address)
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
        assert!(firewalld.running.is_empty());
        assert_eq!(Firewalld::read(""), None);
    }
}
