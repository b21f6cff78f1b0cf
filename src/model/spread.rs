//! The greatest difference between any two clocks of the fleet, from what the hosts measured of
//! the sources that they share: the number that a database asks for.
//!
//! A source is a machine: an address, and the reference identifier that it answers with. What two
//! hosts call by one name may be two machines, and is not taken for one.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{HostReport, SourceReport};

/// Two clocks, and how far they are apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Spread {
    /// The two hosts.
    pub between: [String; 2],
    /// How far their clocks are apart, seconds.
    pub difference_s: f64,
    /// How wrong that may be, seconds: of each measurement on the way from one to the other half the round trip, or
    /// what the two clocks in it do not show, if that is more.
    pub uncertainty_s: f64,
    /// How many hosts could be compared with another.
    pub hosts: usize,
}

/// One measurement: the clock at the other end minus this one, and how wrong that may be.
#[derive(Debug, Clone, Copy)]
struct Edge {
    to: usize,
    offset: f64,
    doubt: f64,
}

/// A clock as seen from another: the difference, and how wrong that may be.
#[derive(Debug, Clone, Copy)]
struct Seen {
    offset: f64,
    doubt: f64,
}

/// The clocks and what was measured between them, in both directions. The first are the hosts.
#[derive(Default)]
struct Graph<'a> {
    machines: BTreeMap<(IpAddr, Option<&'a str>), usize>,
    edges: Vec<Vec<Edge>>,
}

/// The hosts by their names and by the addresses that they have.
struct Hosts<'a> {
    reports: &'a [HostReport],
    names: BTreeMap<&'a str, usize>,
    addresses: BTreeMap<IpAddr, usize>,
}

impl<'a> Hosts<'a> {
    fn of(reports: &'a [HostReport]) -> Self {
        let names = reports.iter().enumerate().map(|(index, host)| (host.name.as_str(), index)).collect();
        let own = |(index, host): (usize, &'a HostReport)| {
            let own = host.addresses.iter().filter_map(|address| address.parse().ok());
            own.filter(|address| is_shared(*address)).map(move |address| (address, index))
        };
        Hosts { reports, names, addresses: reports.iter().enumerate().flat_map(own).collect() }
    }

    /// The host that has answered: the one that has the address, or that the inventory says has it; and
    /// it must tell what it tells of itself.
    fn behind(&self, address: IpAddr, source: &SourceReport) -> Option<usize> {
        let declared = || {
            let index = *self.names.get(source.host.as_deref()?)?;
            let unread = self.reports.get(index)?.addresses.is_empty();
            (unread && source.address.parse() == Ok(address)).then_some(index)
        };
        let index = self.addresses.get(&address).copied().or_else(declared)?;
        let itself = self.reports.get(index)?.daemon.as_ref().and_then(|daemon| daemon.refid.as_deref());
        let same = itself.is_none() || source.refid.is_none() || itself == source.refid.as_deref();
        same.then_some(index)
    }
}

/// Whether an address means one machine wherever it is used: not that of the asker, nor of his link.
fn is_shared(address: IpAddr) -> bool {
    let on_link = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !on_link && !address.is_loopback() && !address.is_unspecified()
}

/// How wrong the offset may be: what the bound has beside the offset and beside what the source says of its own
/// way to the time: delay, precision of either clock, drift. A measurement without a bound compares nothing.
fn doubt(source: &SourceReport) -> Option<f64> {
    let root = source.root_delay_s? / 2.0 + source.root_dispersion_s?;
    let rest = source.error_bound_s? - source.offset_s?.abs() - root;
    Some(rest.max(source.delay_s? / 2.0))
}

impl<'a> Graph<'a> {
    fn of(reports: &'a [HostReport]) -> Self {
        let hosts = Hosts::of(reports);
        let mut graph = Graph { edges: vec![Vec::new(); reports.len()], ..Graph::default() };
        for (own, host) in reports.iter().enumerate() {
            for source in host.sources.iter().filter(|source| source.is_ok()) {
                let (Some(offset), Some(doubt)) = (source.offset_s, doubt(source)) else { continue };
                let address = source.ip.as_deref().unwrap_or(&source.address).parse();
                let Some(address) = address.ok().filter(|address| is_shared(*address)) else { continue };
                let other = hosts.behind(address, source).unwrap_or_else(|| graph.machine(address, source));
                graph.join(own, Edge { to: other, offset, doubt });
            }
        }
        graph
    }

    fn machine(&mut self, address: IpAddr, source: &'a SourceReport) -> usize {
        let next = self.edges.len();
        let number = *self.machines.entry((address, source.refid.as_deref())).or_insert(next);
        if number == next {
            self.edges.push(Vec::new());
        }
        number
    }

    fn join(&mut self, from: usize, edge: Edge) {
        let back = Edge { to: from, offset: -edge.offset, doubt: edge.doubt };
        for (place, edge) in [(from, edge), (edge.to, back)] {
            if let Some(edges) = self.edges.get_mut(place) {
                edges.push(edge);
            }
        }
    }

    /// Every clock minus that of `start`, each by the way that is least in doubt.
    fn from(&self, start: usize) -> BTreeMap<usize, Seen> {
        let mut known: BTreeMap<usize, Seen> = BTreeMap::new();
        let mut waiting = BinaryHeap::from([Way { at: start, seen: Seen { offset: 0.0, doubt: 0.0 } }]);
        while let Some(Way { at, seen }) = waiting.pop() {
            if known.contains_key(&at) {
                continue;
            }
            known.insert(at, seen);
            for edge in self.edges.get(at).into_iter().flatten().filter(|edge| !known.contains_key(&edge.to)) {
                let seen = Seen { offset: seen.offset + edge.offset, doubt: seen.doubt + edge.doubt };
                waiting.push(Way { at: edge.to, seen });
            }
        }
        known
    }

    /// The clocks that are joined with `start`.
    fn group(&self, start: usize, seen: &mut [bool]) -> Vec<usize> {
        let (mut group, mut waiting) = (Vec::new(), vec![start]);
        while let Some(at) = waiting.pop() {
            let Some(mark) = seen.get_mut(at).filter(|mark| !**mark) else { continue };
            *mark = true;
            group.push(at);
            waiting.extend(self.edges.get(at).into_iter().flatten().map(|edge| edge.to));
        }
        group
    }

    /// The two hosts of a group that are furthest apart. All clocks are seen from the one that most
    /// were compared with, and the two that differ most from there are then seen from each other.
    fn furthest(&self, group: &[usize], hosts: usize) -> Option<(usize, usize, Seen)> {
        let degree = |at: &&usize| self.edges.get(**at).map_or(0, Vec::len);
        let known = self.from(*group.iter().max_by_key(degree)?);
        let ours = || known.iter().filter(|(at, _)| **at < hosts);
        let by_offset = |a: &(&usize, &Seen), b: &(&usize, &Seen)| a.1.offset.total_cmp(&b.1.offset);
        let (least, greatest) = (*ours().min_by(by_offset)?.0, *ours().max_by(by_offset)?.0);
        let other = if least == greatest { *ours().map(|(at, _)| at).find(|at| **at != least)? } else { greatest };
        Some((least, other, *self.from(least).get(&other)?))
    }
}

/// A way to a clock; the heap gives the one that is least in doubt.
struct Way {
    at: usize,
    seen: Seen,
}

impl Ord for Way {
    fn cmp(&self, other: &Self) -> Ordering {
        other.seen.doubt.total_cmp(&self.seen.doubt).then(other.at.cmp(&self.at))
    }
}

impl PartialOrd for Way {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Way {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Way {}

/// Returns the two clocks that are furthest apart; `None` when no two can be compared. Its time grows
/// with the number of measurements, and not with that of the pairs.
pub fn spread(hosts: &[HostReport]) -> Option<Spread> {
    let graph = Graph::of(hosts);
    let mut seen = vec![false; graph.edges.len()];
    let mut most: Option<(usize, usize, Seen)> = None;
    let mut compared = 0;
    for start in 0..hosts.len() {
        let group = graph.group(start, &mut seen);
        let ours = group.iter().filter(|at| **at < hosts.len()).count();
        if ours < 2 {
            continue;
        }
        compared += ours;
        let found = graph.furthest(&group, hosts.len());
        let further =
            |found: &(usize, usize, Seen)| most.is_none_or(|(_, _, old)| found.2.offset.abs() > old.offset.abs());
        most = found.filter(further).or(most);
    }
    let (one, other, Seen { offset, doubt }) = most?;
    let (one, other) = (one.min(other), one.max(other));
    let between = [hosts.get(one)?.name.clone(), hosts.get(other)?.name.clone()];
    Some(Spread { between, difference_s: offset.abs(), uncertainty_s: doubt, hosts: compared })
}

#[cfg(test)]
mod tests;
