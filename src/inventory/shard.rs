//! A part of the hosts, for several jobs that share the work.

use std::num::NonZeroUsize;

use super::spec::HostSpec;
use crate::model::{ShardReport, fingerprint};

/// One of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 1.
    index: NonZeroUsize,
    /// How many there are.
    of: NonZeroUsize,
}

impl Shard {
    /// Returns one of the parts, if there is such a one.
    pub fn new(index: usize, of: usize) -> Option<Shard> {
        let (index, of) = (NonZeroUsize::new(index)?, NonZeroUsize::new(of)?);
        (index <= of).then_some(Shard { index, of })
    }

    /// Whether the hosts are divided at all.
    pub fn divides(self) -> bool {
        self.of.get() > 1
    }

    /// Keeps the hosts of this part, in their order, and returns what the report says of it. The hosts are dealt out
    /// by the order of their names: each is in one part, whatever order they stand in, and no part is larger than
    /// another by more than one.
    pub fn cut(self, hosts: &mut Vec<HostSpec>) -> ShardReport {
        let mut names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
        names.sort_unstable();
        let own = |position: usize| position % self.of == self.index.get() - 1;
        hosts.retain(|host| names.binary_search(&host.name).is_ok_and(own));
        let cut_from = fingerprint(&names.iter().map(String::as_str).collect::<Vec<_>>());
        ShardReport { index: self.index.get(), of: self.of.get(), hosts: names.len(), cut_from }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::parse;
    use proptest::prelude::*;

    fn hosts(count: usize) -> Vec<HostSpec> {
        let text = format!(
            "groups:\n  m: {{ role: master, isolated: true, hosts: {{ ntp1: 10.0.0.1 }} }}\n  s: {{ role: slave, \
             follows: [m], hosts: {{ 'web[1:{count}]': '10.1.0.[1:{count}]' }} }}\n"
        );
        parse("t.yml".as_ref(), &text).unwrap().hosts
    }

    fn cut(hosts: &[HostSpec], index: usize, of: usize) -> (Vec<String>, ShardReport) {
        let mut hosts = hosts.to_vec();
        let report = Shard::new(index, of).unwrap().cut(&mut hosts);
        (hosts.into_iter().map(|host| host.name).collect(), report)
    }

    #[test]
    fn there_is_no_part_zero_and_none_behind_the_last() {
        for (index, of) in [(0, 1), (1, 0), (3, 2), (0, 0)] {
            assert_eq!(Shard::new(index, of), None, "{index}/{of}");
        }
        assert!(!Shard::new(1, 1).unwrap().divides() && Shard::new(1, 2).unwrap().divides());
    }

    #[test]
    fn hosts_stay_in_their_order_and_the_report_says_of_how_many() {
        let (names, report) = cut(&hosts(5), 2, 2);
        assert_eq!(names, ["web1", "web3", "web5"]);
        assert_eq!((report.index, report.of, report.hosts), (2, 2, 6));
        assert_ne!(report.cut_from, cut(&hosts(4), 2, 2).1.cut_from);
    }

    proptest! {
        #[test]
        fn each_host_is_in_one_part_and_the_parts_are_alike(count in 1..40usize, of in 1..9usize, turn in 0..40usize) {
            let (hosts, mut other) = (hosts(count), hosts(count));
            let length = other.len();
            other.rotate_left(turn % length);
            let mut all = Vec::new();
            for index in 1..=of {
                let (names, report) = cut(&hosts, index, of);
                let (mut turned, same) = cut(&other, index, of);
                prop_assert!(names.len().abs_diff(hosts.len() / of) <= 1);
                turned.sort_by_key(|name| hosts.iter().position(|host| host.name == *name));
                prop_assert_eq!(&names, &turned);
                prop_assert_eq!(report, same);
                all.extend(names);
            }
            all.sort();
            let mut names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
            names.sort();
            prop_assert_eq!(all, names);
        }
    }
}
