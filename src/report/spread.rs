//! The greatest difference between any two clocks of the fleet, from what the hosts measured of
//! the sources that they share: the number that a database asks for.

use std::collections::BTreeMap;

use serde::Serialize;

use super::HostReport;
use super::number::span;

/// Two clocks, and how far they are apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// The two hosts.
    pub between: [String; 2],
    /// How far their clocks are apart, seconds.
    pub difference_s: f64,
    /// How wrong that may be: half the round trip of each measurement on the way from one to the other, seconds.
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

/// The clocks and what was measured between them, in both directions.
#[derive(Default)]
struct Graph<'a> {
    numbers: BTreeMap<&'a str, usize>,
    edges: Vec<Vec<Edge>>,
}

impl<'a> Graph<'a> {
    fn of(hosts: &'a [HostReport]) -> Self {
        let mut graph = Graph::default();
        for host in hosts {
            let own = graph.number(&host.name);
            for source in host.sources.iter().filter(|source| source.outcome == "ok") {
                let (Some(offset), Some(delay)) = (source.offset_s, source.delay_s) else { continue };
                let other = graph.number(source.host.as_deref().unwrap_or(&source.address));
                graph.join(own, Edge { to: other, offset, doubt: delay / 2.0 });
            }
        }
        graph
    }

    fn number(&mut self, name: &'a str) -> usize {
        let next = self.edges.len();
        let number = *self.numbers.entry(name).or_insert(next);
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
    fn from(&self, start: usize) -> BTreeMap<usize, (f64, f64)> {
        let mut known: BTreeMap<usize, (f64, f64)> = BTreeMap::from([(start, (0.0, 0.0))]);
        let mut waiting = vec![start];
        // Hierarchies of time are a few steps deep: a queue that looks again is quick enough.
        while let Some(at) = waiting.pop() {
            let Some(&(offset, doubt)) = known.get(&at) else { continue };
            for edge in self.edges.get(at).into_iter().flatten() {
                let new = (offset + edge.offset, doubt + edge.doubt);
                if known.get(&edge.to).is_none_or(|(_, old)| new.1 < *old) {
                    known.insert(edge.to, new);
                    waiting.push(edge.to);
                }
            }
        }
        known
    }
}

/// Returns the two clocks that are furthest apart; `None` when no two can be compared.
pub fn spread(hosts: &[HostReport]) -> Option<Spread> {
    let graph = Graph::of(hosts);
    let ours: Vec<(&str, usize)> =
        hosts.iter().filter_map(|host| Some((host.name.as_str(), *graph.numbers.get(host.name.as_str())?))).collect();
    let mut most: Option<Spread> = None;
    let mut compared = 0;
    for (index, (name, start)) in ours.iter().enumerate() {
        let known = graph.from(*start);
        let others = |(_, other): &&(&str, usize)| other != start && known.contains_key(other);
        compared += usize::from(ours.iter().any(|pair| others(&pair)));
        for (other, number) in ours.iter().skip(index + 1).filter(others) {
            let Some(&(offset, doubt)) = known.get(number) else { continue };
            if most.as_ref().is_none_or(|most| offset.abs() > most.difference_s) {
                let between = [(*name).to_owned(), (*other).to_owned()];
                most = Some(Spread { between, difference_s: offset.abs(), uncertainty_s: doubt, hosts: 0 });
            }
        }
    }
    most.map(|most| Spread { hosts: compared, ..most })
}

/// Returns the line for people.
pub(super) fn line(spread: &Spread) -> String {
    let Spread { between: [one, other], difference_s, uncertainty_s, hosts } = spread;
    let (difference, doubt) = (span(*difference_s), span(*uncertainty_s));
    format!("of {hosts} clocks, those of {one} and {other} differ most: by {difference}, give or take {doubt}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::host;
    use crate::report::{SourceReport, Status};

    /// A host that measured sources: name, offset and delay in milliseconds.
    fn measured(name: &str, sources: &[(&str, f64, f64)]) -> HostReport {
        let mut report = host(name, Status::Unchanged);
        report.sources = sources
            .iter()
            .map(|(source, offset, delay)| SourceReport {
                address: (*source).to_owned(),
                outcome: "ok".to_owned(),
                offset_s: Some(offset / 1e3),
                delay_s: Some(delay / 1e3),
                ..SourceReport::default()
            })
            .collect();
        report
    }

    #[test]
    fn clocks_are_compared_through_the_sources_that_they_share() {
        let hosts = [
            measured("m", &[("up", 1.0, 4.0)]),
            measured("a", &[("m", 2.0, 1.0)]),
            measured("b", &[("m", -3.0, 1.0), ("up", 9.0, 100.0)]),
        ];
        let most = spread(&hosts).unwrap();
        assert_eq!((most.between, most.hosts), (["a".to_owned(), "b".to_owned()], 3));
        assert!((most.difference_s - 0.005).abs() < 1e-9 && (most.uncertainty_s - 0.001).abs() < 1e-9);
    }

    #[test]
    fn clocks_without_a_common_source_are_not_compared() {
        assert_eq!(spread(&[measured("a", &[("x", 1.0, 1.0)]), measured("b", &[("y", 5.0, 1.0)])]), None);
        assert_eq!(spread(&[measured("a", &[("x", 1.0, 1.0)])]), None);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn two_hosts_of_one_address_are_two_and_a_source_is_none() {
        let hosts = [measured("a", &[("x", 1.0, 2.0)]), measured("b", &[("x", 1.5, 2.0)])];
        let most = spread(&hosts).unwrap();
        assert_eq!(most.hosts, 2);
        assert_eq!(line(&most), "of 2 clocks, those of a and b differ most: by 0.50 ms, give or take 2.00 ms");
    }
}
