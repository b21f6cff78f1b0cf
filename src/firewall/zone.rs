//! One zone of firewalld: whom it lets ask for time.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::Value;

/// Entries of the ipsets, by name.
pub type Ipsets = BTreeMap<String, Vec<String>>;

/// One zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zone {
    target: String,
    services: Vec<String>,
    ports: Vec<(String, String)>,
    protocols: Vec<String>,
    /// Its rich rules.
    pub rules: Vec<String>,
    /// Networks, addresses, MAC addresses and ipsets (`ipset:NAME`) whose packets are in it.
    pub sources: Vec<String>,
    /// Where it comes among others that have the same source (since firewalld 2.0; lower is earlier).
    pub priority: i64,
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

/// The places of the settings in the reply of a firewalld before 0.9, which does not name them.
const OLD: &[(&str, usize)] =
    &[("target", 4), ("services", 5), ("ports", 6), ("sources", 11), ("rules_str", 12), ("protocols", 13)];

impl Zone {
    /// Reads the settings as firewalld tells them.
    pub fn read(text: &str) -> Self {
        let value = super::dbus::values(text).and_then(|values| values.into_iter().next()).unwrap_or_default();
        let setting = |key: &str| match value.is_array() {
            true => OLD.iter().find(|(name, _)| *name == key).map_or(&Value::Null, |(_, at)| &value[at]),
            false => &value[key],
        };
        let list = |key: &str| setting(key).as_array().cloned().unwrap_or_default();
        let texts = |key: &str| list(key).iter().filter_map(|word| word.as_str().map(str::to_owned)).collect();
        let pair = |value: &Value| Some((value[0].as_str()?.to_owned(), value[1].as_str()?.to_owned()));
        let priority = setting("ingress_priority");
        Zone {
            target: setting("target").as_str().unwrap_or_default().to_owned(),
            services: texts("services"),
            ports: list("ports").iter().filter_map(pair).collect(),
            protocols: texts("protocols"),
            rules: texts("rules_str"),
            sources: texts("sources"),
            priority: priority.as_i64().or_else(|| priority.as_str()?.parse().ok()).unwrap_or(0),
        }
    }

    /// Returns whether NTP is let in from an address, or from all of a network.
    pub fn door(&self, from: IpNet, ipsets: &Ipsets) -> Door {
        let everybody = self.lets_all_in()
            || self.services.iter().any(|service| service == "ntp")
            || self.protocols.iter().any(|protocol| protocol == "udp")
            || self.ports.iter().any(|(port, protocol)| protocol == "udp" && holds(port));
        let rules: Vec<Rich<'_>> = self.rules.iter().map(|rule| Rich(rule)).filter(Rich::lets_ntp_in).collect();
        if everybody || rules.iter().any(|rule| rule.covers(from, ipsets)) {
            Door::Open
        } else if rules.is_empty() {
            Door::Closed
        } else {
            Door::OpenTo(rules.iter().map(Rich::source).collect())
        }
    }

    /// Returns whether everything is let in, not NTP in particular.
    pub fn lets_all_in(&self) -> bool {
        self.target == "ACCEPT"
    }
}

/// A rich rule: `rule family="ipv4" source address="10.0.0.0/8" service name="ntp" accept`.
struct Rich<'a>(&'a str);

impl Rich<'_> {
    fn value(&self, key: &str) -> Option<&str> {
        let (_, rest) = self.0.split_once(&format!(" {key}=\""))?;
        rest.split_once('"').map(|(value, _)| value)
    }

    /// It accepts NTP from any port, as often as it comes.
    fn lets_ntp_in(&self) -> bool {
        let words: Vec<&str> = self.0.split(' ').collect();
        let has = |word: &str| words.contains(&word);
        let (_, after) = self.0.rsplit_once(" accept").unwrap_or(("", " no"));
        let about = match (has("service"), has("port"), has("protocol")) {
            (true, ..) => self.0.contains("service name=\"ntp\""),
            (_, true, _) => {
                self.value("port").is_some_and(holds) && self.value("protocol").is_some_and(|name| name == "udp")
            }
            (.., true) => self.0.contains("protocol value=\"udp\""),
            // Whatever comes from there.
            _ => has("source"),
        };
        let others =
            ["NOT", "limit", "destination", "source-port", "icmp-block", "icmp-type", "forward-port", "masquerade"];
        after.is_empty() && about && !others.iter().any(|word| has(word))
    }

    fn source(&self) -> String {
        let named =
            self.value("ipset").map(|name| format!("ipset:{name}")).or_else(|| self.value("mac").map(str::to_owned));
        named.or_else(|| self.value("address").map(str::to_owned)).unwrap_or_else(|| "any".to_owned())
    }

    fn covers(&self, from: IpNet, ipsets: &Ipsets) -> bool {
        let family = self.value("family");
        if family.is_some_and(|family| (family == "ipv4") != from.addr().is_ipv4()) {
            return false;
        }
        let source = self.source();
        source == "any" || networks(&source, ipsets).iter().any(|network| network.contains(&from))
    }
}

/// Returns the networks that a source stands for; a MAC address stands for none.
pub(super) fn networks(source: &str, ipsets: &Ipsets) -> Vec<IpNet> {
    if let Some(name) = source.strip_prefix("ipset:") {
        let entries = ipsets.get(name).map(Vec::as_slice).unwrap_or_default();
        return entries.iter().flat_map(|entry| plain(entry)).collect();
    }
    plain(source)
}

/// An address, a network, or a range of addresses.
fn plain(text: &str) -> Vec<IpNet> {
    if let Ok(network) = text.parse::<IpNet>() {
        return vec![network.trunc()];
    }
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return vec![IpNet::from(address)];
    }
    let Some((first, last)) = text.split_once('-') else { return Vec::new() };
    match (first.parse(), last.parse(), first.parse(), last.parse()) {
        (Ok(first), Ok(last), ..) => ipnet::Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect(),
        (.., Ok(first), Ok(last)) => ipnet::Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect(),
        _ => Vec::new(),
    }
}

/// Whether a port or a range of ports has that of NTP.
fn holds(ports: &str) -> bool {
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    ports == "ntp"
        || matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&123))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(settings: &str) -> Zone {
        Zone::read(&format!("a{{sv}} 1 {settings}"))
    }

    fn is_open(settings: &str, from: &str) -> bool {
        let sets =
            Ipsets::from([("lan".to_owned(), vec!["10.10.10.0/25".to_owned(), "10.10.20.1-10.10.20.9".to_owned()])]);
        zone(settings).door(from.parse().unwrap(), &sets) == Door::Open
    }

    #[test]
    fn what_is_open_more_widely_is_open() {
        for settings in [
            r#""services" as 2 "ssh" "ntp""#,
            r#""target" s "ACCEPT""#,
            r#""ports" a(ss) 1 "100-200" "udp""#,
            r#""protocols" as 1 "udp""#,
            r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.0.0.0/8\" service name=\"ntp\" accept""#,
            r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.0.0.0/8\" accept""#,
            r#""rules_str" as 1 "rule priority=\"-5\" source ipset=\"lan\" port port=\"123\" protocol=\"udp\" log prefix=\"x\" accept""#,
            r#""rules_str" as 1 "rule service name=\"ntp\" accept""#,
        ] {
            assert!(is_open(settings, "10.10.10.0/26"), "{settings}");
        }
        assert!(is_open(
            r#""rules_str" as 1 "rule source ipset=\"lan\" service name=\"ntp\" accept""#,
            "10.10.20.8/32"
        ));
    }

    #[test]
    fn what_is_open_in_part_is_not_open() {
        for settings in [
            r#""services" as 1 "ssh""#,
            r#""ports" a(ss) 1 "123" "tcp""#,
            r#""source_ports" a(ss) 1 "123" "udp""#,
            r#""rules_str" as 1 "rule family=\"ipv4\" source address=\"10.10.10.2\" service name=\"ntp\" accept""#,
            r#""rules_str" as 1 "rule family=\"ipv6\" service name=\"ntp\" accept""#,
            r#""rules_str" as 1 "rule service name=\"ntp\" accept limit value=\"3/m\"""#,
            r#""rules_str" as 1 "rule service name=\"ntp\" drop""#,
            r#""rules_str" as 1 "rule source NOT address=\"10.9.0.0/16\" service name=\"ntp\" accept""#,
            r#""rules_str" as 1 "rule source-port port=\"123\" protocol=\"udp\" accept""#,
        ] {
            assert!(!is_open(settings, "10.10.10.0/26"), "{settings}");
        }
    }

    #[test]
    fn an_old_firewalld_does_not_name_its_settings() {
        let text = r#"(sssbsasa(ss)asba(ssss)asasasasa(ss)b) "" "Public" "words" false "default" 1 "ssh" 1 "123" "udp" 0 false 0 1 "eth0" 1 "10.0.0.0/8" 0 0 0 false"#;
        let zone = Zone::read(text);
        assert_eq!(zone.door("10.1.1.1/32".parse().unwrap(), &Ipsets::new()), Door::Open);
        assert_eq!(zone.sources, ["10.0.0.0/8"]);
    }
}
