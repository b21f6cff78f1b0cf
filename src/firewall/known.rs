//! What the names in firewalld's settings stand for: ipsets, services, and which address has which hardware.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use anyhow::{Result, bail};
use ipnet::IpNet;
use serde_json::Value;

use super::packet::{NTP, Truth, overlap};
use super::rich::{single, within};

/// Services of firewalld itself that have 123/udp, beside `ntp`.
const WITH_NTP: &[&str] = &["ntp", "freeipa-ldap", "freeipa-ldaps"];

/// What is let in: ports of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    pub(super) first: u64,
    pub(super) last: u64,
    protocol: &'static str,
}

/// The protocols that have ports, with their numbers.
const PROTOCOLS: [[&str; 2]; 4] = [["udp", "17"], ["tcp", "6"], ["sctp", "132"], ["dccp", "33"]];

impl Default for Opening {
    /// That of NTP.
    fn default() -> Self {
        Opening { first: NTP, last: NTP, protocol: "udp" }
    }
}

impl Opening {
    /// Reads `123/udp`, or several: `60000-60100/udp`.
    ///
    /// # Errors
    /// It is no port of a protocol.
    pub fn read(text: &str) -> Result<Self> {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, ""));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number > 0).map(u64::from);
        let protocol = PROTOCOLS.iter().map(|[name, _]| *name).find(|name| *name == protocol);
        match (number(first), number(last), protocol) {
            (Some(first), Some(last), Some(protocol)) if first <= last => Ok(Opening { first, last, protocol }),
            _ => bail!("`{text}` is no port; write 123/udp, 4460/tcp or 60000-60100/udp"),
        }
    }

    /// Whether it is the port of NTP.
    pub fn is_ntp(&self) -> bool {
        *self == Opening::default()
    }

    /// Whether netsh has such rules: it knows ports of these two protocols only.
    pub fn is_of_windows(&self) -> bool {
        ["tcp", "udp"].contains(&self.protocol())
    }

    /// Returns the first port and the last.
    pub fn numbers(&self) -> (u16, u16) {
        let number = |port: u64| u16::try_from(port).unwrap_or(u16::MAX);
        (number(self.first), number(self.last))
    }

    /// Returns the ports alone: `123`, or `60000-60100`.
    pub fn ports(&self) -> String {
        if self.first == self.last { self.first.to_string() } else { format!("{}-{}", self.first, self.last) }
    }

    /// Returns the protocol: `udp`.
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// Returns the words for the protocol: its name and its number.
    pub(super) fn words(&self) -> &'static [&'static str] {
        PROTOCOLS.iter().find(|[name, _]| *name == self.protocol).map_or(&[], |words| words)
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ports(), self.protocol)
    }
}

/// What names stand for, in one of firewalld's two states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// What shall be let in.
    pub(super) wanted: Opening,
    /// Entries of the ipsets, by name.
    pub(super) ipsets: BTreeMap<String, Vec<String>>,
    /// Whether services are about it; those that are not here are as firewalld brings them.
    pub(super) services: BTreeMap<String, Truth>,
    /// The hardware addresses that are known, in small letters.
    pub(super) neighbours: BTreeMap<IpAddr, String>,
}

impl Known {
    /// Returns whether a service is about what is wanted.
    pub(super) fn service(&self, name: &str) -> Truth {
        let usual = || if self.wanted.is_ntp() { Truth::of(WITH_NTP.contains(&name)) } else { Truth::Unknown };
        self.services.get(name).copied().unwrap_or_else(usual)
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

    /// Whether what is wanted is among them.
    pub(super) fn holds(&self, wanted: &Opening) -> Truth {
        let (first, last) = self.numbers().filter(|_| self.protocol == wanted.protocol).unwrap_or((1, 0));
        let all = first <= wanted.first && wanted.last <= last;
        overlap(all, first <= wanted.last && wanted.first <= last)
    }

    /// Whether a client of NTP may ask from one of them; clients of others ask from any.
    pub(super) fn of_a_client(&self) -> Truth {
        let may = self.numbers().is_some_and(|(first, last)| (first..=last).contains(&NTP) || last >= 32_768);
        Truth::of(self.protocol == "udp" && may)
    }

    /// Whether the protocol as a whole is meant.
    pub(super) fn is_all_of(&self, wanted: &Opening) -> Truth {
        Truth::of(wanted.words().contains(&self.protocol))
    }
}

/// Returns whether a service is about what is wanted, as firewalld tells its settings: named since 0.9, in a row before.
pub(super) fn service(value: &Value, wanted: &Opening) -> Truth {
    let setting = |key: &str, at: usize| if value.is_array() { &value[at] } else { &value[key] };
    let list = |key: &str, at: usize| setting(key, at).as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let port = |pair: &Value| Port { ports: &text(&pair[0]), protocol: &text(&pair[1]) }.holds(wanted);
    let by_port = Truth::any(list("ports", 3).iter().map(port));
    let whole = list("protocols", 6).iter().any(|name| text(name) == wanted.protocol);
    // Ports of clients, and what other services say that it takes in.
    let more = list("includes", usize::MAX);
    let ntp = wanted.is_ntp() && more.iter().any(|name| WITH_NTP.contains(&text(name).as_str()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_what_is_none_is_an_error() {
        for text in ["123/udp", "4460/tcp", "60000-60100/udp", "1-65535/sctp"] {
            assert_eq!(Opening::read(text).unwrap().to_string(), text);
        }
        for text in ["", "123", "/udp", "0/udp", "70000/tcp", "5-4/tcp", "ntp/udp", "123/icmp", "123/UDP", "1 2/udp"] {
            assert!(Opening::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_part_of_what_is_wanted_is_not_all_of_it() {
        let wanted = Opening::read("60000-60100/udp").unwrap();
        let holds = |ports, protocol| Port { ports, protocol }.holds(&wanted);
        assert_eq!(holds("60000-61000", "udp"), Truth::Yes);
        assert_eq!(holds("60050", "udp"), Truth::Unknown);
        assert_eq!([holds("60000-60100", "tcp"), holds("123", "udp"), holds("x", "udp")], [Truth::No; 3]);
        assert_eq!(Port { ports: "", protocol: "17" }.is_all_of(&wanted), Truth::Yes);
    }
}
