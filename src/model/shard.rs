//! Which part of the hosts a run has looked at, where several jobs share them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::FleetReport;

/// A part of the hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShardReport {
    /// Which part, from 1.
    pub index: usize,
    /// How many parts there are.
    pub of: usize,
    /// How many hosts were divided.
    pub hosts: usize,
    /// By what it is known again that parts were cut from the same hosts.
    pub cut_from: String,
}

impl FleetReport {
    /// Says which part of the hosts this is, if it is one.
    pub fn part(&self) -> Option<String> {
        let ShardReport { index, of, hosts, .. } = self.shard.as_ref()?;
        Some(format!("shard {index} of {of}: {} of {hosts} hosts", self.summary.hosts))
    }
}

/// Returns the parts that are missing beside those that are there, as `2/8`: of hosts that were divided, all parts
/// belong together.
pub(super) fn missing(reports: &[FleetReport]) -> Vec<String> {
    let mut seen: BTreeMap<(&str, usize), BTreeSet<usize>> = BTreeMap::new();
    for shard in reports.iter().filter_map(|report| report.shard.as_ref()) {
        seen.entry((&shard.cut_from, shard.of)).or_default().insert(shard.index);
    }
    let missing = |((_, of), seen): (&(&str, usize), &BTreeSet<usize>)| {
        let of = *of;
        (1..=of).filter(|index| !seen.contains(index)).map(|index| format!("{index}/{of}")).collect::<Vec<_>>()
    };
    seen.iter().flat_map(missing).collect()
}
