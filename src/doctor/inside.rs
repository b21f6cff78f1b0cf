//! What the running service is and may do, and why it takes a source or leaves it, typed.
//! Reads what `evidence_service.sh` printed, judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::evidence::Listener;
use super::record::Parts;
use crate::provider::diagnosis::{Choice, Packets, Said};

/// Everything that was read of the running service and of the ways of its packets.
#[derive(Debug, Clone, Default)]
pub struct Inside {
    /// Its process, if it runs.
    pub process: Process,
    /// The settings of its unit, in the words of systemd.
    pub unit: BTreeMap<String, String>,
    /// Lines of its unit that are not the package's, and its conditions: file, line.
    pub unit_lines: Vec<(String, String)>,
    /// What it says of the choice of its sources.
    pub choices: Vec<Choice>,
    /// What it says of the packets of its sources.
    pub packets: Vec<Packets>,
    /// How many of its sources it has been told to leave alone for now.
    pub offline: u32,
    /// Sources with NTS: address, and whether it has cookies for them.
    pub nts: Vec<(String, bool)>,
    /// The hardware address of each interface.
    pub hardware: BTreeMap<String, String>,
    /// The interface that another one is a part of: a bridge, a bond, a VRF.
    pub masters: BTreeMap<String, String>,
    /// Whom the kernel takes to be where.
    pub neighbours: Vec<Neighbour>,
    /// Packets of NTP that the kernel would not route.
    pub refusals: Vec<Refusal>,
    /// What the tables of routes have for an address, in the words of `ip route`.
    pub tables: Vec<(IpAddr, String)>,
}

/// The process of the service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Process {
    /// `S` sleeps, `R` runs, `T` was stopped, `D` waits for a disk; empty if there is none.
    pub state: String,
    /// Whether its control group is frozen.
    pub frozen: bool,
    /// Whether it is in a network of its own.
    pub own_network: bool,
    /// Its capabilities.
    pub rights: Option<u64>,
    /// The number of the user that it runs as.
    pub user: Option<u64>,
}

/// An entry of `ip neigh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Who.
    pub address: IpAddr,
    /// Behind which interface.
    pub device: String,
    /// Hardware address, if there is one.
    pub hardware: Option<String>,
    /// `REACHABLE`, `STALE`, `FAILED`, `PERMANENT`, ...
    pub state: String,
}

/// A packet that the kernel would not route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Whether it comes in.
    pub inbound: bool,
    /// The other end.
    pub peer: IpAddr,
    /// The kernel's words.
    pub words: String,
}

impl Inside {
    /// Reads the parts; `said` is what the service answered.
    pub fn read(parts: &Parts, said: Said) -> Self {
        let text = |name: &str| parts.get(name).map_or("", |slice| slice.stdout.as_str());
        Inside {
            process: process(text("process")),
            unit: text("unit").lines().filter_map(|line| line.split_once('=')).map(super::lines::owned).collect(),
            unit_lines: text("unit-lines").lines().filter_map(|l| l.split_once(':')).map(super::lines::owned).collect(),
            choices: said.choices,
            packets: said.packets,
            offline: said.offline,
            nts: said.nts,
            hardware: text("links").lines().filter_map(|line| line.split_once(' ')).map(hardware).collect(),
            masters: text("links").lines().filter_map(master).collect(),
            neighbours: text("neighbours").lines().filter_map(neighbour).collect(),
            refusals: text("ways").lines().filter_map(refusal).collect(),
            tables: super::lines::pairs(text("tables")).map(|(to, line)| (to, line.trim().to_owned())).collect(),
        }
    }

    /// Returns a setting of the unit; empty if it has none.
    pub fn setting(&self, name: &str) -> &str {
        self.unit.get(name).map_or("", String::as_str)
    }

    /// Returns the line of the unit with a setting, and its file; the last one counts.
    pub fn unit_line(&self, name: &str) -> Option<(&str, &str)> {
        let is_it = |(_, line): &&(String, String)| line.split('=').next() == Some(name);
        self.unit_lines.iter().rfind(is_it).map(|(file, line)| (file.as_str(), line.as_str()))
    }

    /// Returns the users whose sockets the questions and the answers of the service leave by: one that asks from any
    /// port opens a socket for that as what it has become, one that asks from 123 takes those that it listens at.
    pub fn senders(&self, asks_from_123: bool, listeners: &[Listener]) -> (Option<u64>, Option<u64>) {
        let all: BTreeSet<Option<u64>> = listeners.iter().map(|listener| listener.user).collect();
        let answers = if all.len() == 1 { all.into_iter().next().flatten() } else { None };
        (if asks_from_123 { answers } else { self.process.user }, answers)
    }

    /// Returns whether questions for an address may come in by an interface, where the answers leave by another one.
    pub fn may_come_in_by(
        &self,
        device: &str,
        answers_by: &str,
        addresses: &[(String, IpAddr)],
        address: Option<IpAddr>,
    ) -> bool {
        let is_part = |other: &str| other == device || self.masters.get(other).is_some_and(|master| master == device);
        let mut homes = addresses.iter().filter(|(_, own)| Some(*own) == address);
        is_part(answers_by) || homes.any(|(home, _)| is_part(home))
    }

    /// Returns what the service says of the choice of a source.
    pub fn choice(&self, address: &str) -> Option<&Choice> {
        self.choices.iter().find(|choice| choice.address == address)
    }
}

fn process(text: &str) -> Process {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    Process {
        state: value("state").unwrap_or_default().to_owned(),
        frozen: text.lines().any(|line| line == "frozen"),
        own_network: value("network") == Some("own"),
        rights: value("rights").and_then(|hex| u64::from_str_radix(hex, 16).ok()),
        user: value("user").and_then(|number| number.parse().ok()),
    }
}

/// Reads a line of `ip neigh`.
fn neighbour(line: &str) -> Option<Neighbour> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let after = |key: &str| words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1).copied());
    Some(Neighbour {
        address: words.first()?.parse().ok()?,
        device: after("dev")?.to_owned(),
        hardware: after("lladdr").map(str::to_owned),
        state: (*words.last()?).to_owned(),
    })
}

/// `host0 6a:ea:cd:55:f4:47 master br0`: the hardware address alone.
fn hardware((device, rest): (&str, &str)) -> (String, String) {
    (device.to_owned(), rest.split(' ').next().unwrap_or_default().to_owned())
}

fn master(line: &str) -> Option<(String, String)> {
    let (device, rest) = line.split_once(' ')?;
    let (_, master) = rest.split_once("master ")?;
    Some((device.to_owned(), master.split(' ').next()?.to_owned()))
}

fn refusal(line: &str) -> Option<Refusal> {
    let (direction, rest) = line.split_once(' ')?;
    let (peer, words) = rest.split_once(' ')?;
    Some(Refusal { inbound: direction == "in", peer: peer.parse().ok()?, words: words.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_and_refusals_are_read() {
        let read = neighbour("10.10.10.1 dev host0 lladdr 6a:ea:cd:55:f4:47 PERMANENT").unwrap();
        assert_eq!((read.hardware.as_deref(), read.state.as_str()), (Some("6a:ea:cd:55:f4:47"), "PERMANENT"));
        assert_eq!(neighbour("10.10.10.9 dev host0 FAILED").unwrap().hardware, None);
        // A bridge is no part of a hardware address.
        let line = ("host0", "6a:ea:cd:55:f4:47 master br0");
        assert_eq!(hardware(line).1, "6a:ea:cd:55:f4:47");
        assert_eq!(master("host0 6a:ea:cd:55:f4:47 master br0").map(|pair| pair.1), Some("br0".to_owned()));
        assert!(refusal("in 10.10.10.1 RTNETLINK answers: Invalid argument").is_some_and(|refusal| refusal.inbound));
    }

    #[test]
    fn questions_may_come_in_where_their_address_is() {
        let masters = BTreeMap::from([("eth0".to_owned(), "vrf0".to_owned())]);
        let inside = Inside { masters, ..Inside::default() };
        let addresses =
            [("eth0".to_owned(), "10.0.0.1".parse().unwrap()), ("eth2".to_owned(), "10.2.0.1".parse().unwrap())];
        let by = |device: &str| inside.may_come_in_by(device, "eth1", &addresses, "10.0.0.1".parse().ok());
        assert_eq!(["eth1", "eth0", "vrf0", "eth2", "lo"].map(by), [true, true, true, false, false]);
    }
}
