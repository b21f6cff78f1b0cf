//! What the names in firewalld's settings stand for: ipsets, services, and which address has which hardware.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::packet::{NTP, Truth};
use super::rich::{single, within};

/// Services of firewalld itself that have 123/udp, beside `ntp`.
const WITH_NTP: &[&str] = &["ntp", "freeipa-ldap", "freeipa-ldaps"];

/// What names stand for, in one of firewalld's two states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Entries of the ipsets, by name.
    pub(super) ipsets: BTreeMap<String, Vec<String>>,
    /// Whether services are about NTP; those that are not here are as firewalld brings them.
    pub(super) services: BTreeMap<String, Truth>,
    /// The hardware addresses that are known, in small letters.
    pub(super) neighbours: BTreeMap<IpAddr, String>,
}

impl Known {
    /// Returns whether a service is about NTP.
    pub(super) fn service(&self, name: &str) -> Truth {
        self.services.get(name).copied().unwrap_or_else(|| Truth::of(WITH_NTP.contains(&name)))
    }

    /// Returns whether all packets of a network come from a source: a network, a MAC address, `ipset:NAME`.
    pub(super) fn is_from(&self, source: &str, from: IpNet) -> Truth {
        if source == "any" {
            return Truth::Yes;
        }
        let networks = Truth::any(self.networks(source).into_iter().map(|own| within(own, from)));
        Truth::any([networks, self.is_by_hardware(source, from)])
    }

    fn is_by_hardware(&self, source: &str, from: IpNet) -> Truth {
        let macs = self.macs(source);
        let own = single(from).and_then(|address| self.neighbours.get(&address));
        match own {
            _ if macs.is_empty() => Truth::No,
            Some(mac) => Truth::of(macs.contains(mac)),
            None => Truth::Unknown,
        }
    }

    /// Returns the networks that a source stands for; a MAC address stands for none.
    pub(super) fn networks(&self, source: &str) -> Vec<IpNet> {
        self.entries(source).iter().flat_map(|entry| plain(entry)).collect()
    }

    /// Returns the hardware addresses that a source stands for, in small letters.
    pub(super) fn macs(&self, source: &str) -> Vec<String> {
        let is_mac = |entry: &String| entry.split(':').count() == 6 && entry.len() == 17;
        self.entries(source).into_iter().filter(is_mac).map(|entry| entry.to_lowercase()).collect()
    }

    fn entries(&self, source: &str) -> Vec<String> {
        match source.strip_prefix("ipset:") {
            Some(name) => self.ipsets.get(name).cloned().unwrap_or_default(),
            None => vec![source.to_owned()],
        }
    }
}

/// Ports of a protocol, as firewalld names them.
pub(super) struct Port<'a> {
    pub(super) ports: &'a str,
    pub(super) protocol: &'a str,
}

impl Port<'_> {
    fn numbers(&self) -> Option<(u64, u64)> {
        let (first, last) = self.ports.split_once('-').unwrap_or((self.ports, self.ports));
        if self.ports == "ntp" { Some((NTP, NTP)) } else { first.parse().ok().zip(last.parse().ok()) }
    }

    /// Whether the port of NTP is one of them.
    pub(super) fn holds_ntp(&self) -> Truth {
        let holds = self.numbers().is_some_and(|(first, last)| (first..=last).contains(&NTP));
        Truth::of(self.protocol == "udp" && holds)
    }

    /// Whether a client may ask from one of them.
    pub(super) fn of_a_client(&self) -> Truth {
        let may = self.numbers().is_some_and(|(first, last)| (first..=last).contains(&NTP) || last >= 32_768);
        Truth::of(self.protocol == "udp" && may)
    }

    /// Whether the protocol as a whole is meant.
    pub(super) fn is_all_udp(&self) -> Truth {
        Truth::of(matches!(self.protocol, "udp" | "17"))
    }
}

/// Returns whether a service is about NTP, as firewalld tells its settings: named since 0.9, in a row before.
pub(super) fn service(value: &Value) -> Truth {
    let setting = |key: &str, at: usize| if value.is_array() { &value[at] } else { &value[key] };
    let list = |key: &str, at: usize| setting(key, at).as_array().cloned().unwrap_or_default();
    let port = |pair: &Value| {
        Port { ports: pair[0].as_str().unwrap_or_default(), protocol: pair[1].as_str().unwrap_or_default() }.holds_ntp()
    };
    let by_port = Truth::any(list("ports", 3).iter().map(port));
    let whole = list("protocols", 6).iter().any(|name| name.as_str().is_some_and(|name| name == "udp"));
    // Ports of clients, and what other services say that it takes in.
    let more = list("includes", usize::MAX);
    let ntp = more.iter().any(|name| name.as_str().is_some_and(|name| WITH_NTP.contains(&name)));
    let unsure = !more.is_empty() && !ntp || !list("source_ports", 7).is_empty();
    let opens = Truth::any([by_port, Truth::of(whole || ntp), if unsure { Truth::Unknown } else { Truth::No }]);
    let bound = setting("destination", 5).as_object().is_some_and(|map| !map.is_empty());
    Truth::all([opens, if bound { Truth::Unknown } else { Truth::Yes }])
}

/// An address, a network, or a range of addresses.
fn plain(text: &str) -> Vec<IpNet> {
    if let Ok(network) = text.parse::<IpNet>() {
        return vec![network.trunc()];
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return vec![IpNet::from(address)];
    }
    let Some((first, last)) = text.split_once('-') else { return Vec::new() };
    match (first.parse(), last.parse(), first.parse(), last.parse()) {
        (Ok(first), Ok(last), ..) => ipnet::Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect(),
        (.., Ok(first), Ok(last)) => ipnet::Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect(),
        _ => Vec::new(),
    }
}
