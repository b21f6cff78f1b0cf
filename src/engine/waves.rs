//! The order in which hosts are changed: masters by tier, then the canary, then batches. Masters
//! that serve the same hosts are never in one wave, so that those keep a source.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::fleet::PlanResult;
use crate::inventory::rollout::{Canary, Rollout, Share};
use crate::inventory::spec::Role;
use crate::model::Wave;

/// Waves, and what is between them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The waves. A host is in one of them at most.
    pub waves: Vec<Wave>,
    /// What was said of them.
    pub rollout: Rollout,
}

/// What the order depends on.
#[derive(Debug, Clone)]
struct Member<'a> {
    name: &'a str,
    master: bool,
    tier: usize,
    serve: &'a [IpNet],
    /// It will be changed.
    pending: bool,
}

/// Puts the hosts of a run into waves. Those that are as wanted are only proven, with the first
/// wave of their kind.
pub fn order(plans: &[PlanResult], rollout: &Rollout) -> Order {
    let members: Vec<Member<'_>> = plans.iter().flatten().map(member).collect();
    let lost: Vec<&str> =
        plans.iter().filter_map(|plan| plan.as_ref().err()).map(|report| report.name.as_str()).collect();
    Order { waves: waves(&members, &lost, rollout), rollout: rollout.clone() }
}

fn member(planned: &super::Planned) -> Member<'_> {
    let spec = &planned.spec;
    Member {
        name: &spec.name,
        master: spec.role == Role::Master,
        tier: spec.tier,
        serve: &spec.time.serve,
        pending: planned.is_pending(),
    }
}

fn waves<'a>(members: &[Member<'a>], lost: &[&'a str], rollout: &Rollout) -> Vec<Wave> {
    let mut waves = masters(members);
    let others: Vec<&Member<'a>> = members.iter().filter(|member| !member.master).collect();
    let (pending, kept): (Vec<&Member<'a>>, Vec<&Member<'a>>) = others.into_iter().partition(|member| member.pending);
    let first = waves.len();
    let (canary, rest) = canary(&pending, lost, rollout.canary.as_ref());
    if !canary.is_empty() {
        waves.push(Wave { why: "canary".to_owned(), hosts: canary });
    }
    let size = rollout.batch.map_or(usize::MAX, |share: Share| share.at_least_one(pending.len()));
    let batches = rest.chunks(size.min(rest.len().max(1)));
    let number = batches.len();
    for (index, batch) in batches.enumerate() {
        let why = if number == 1 { "those that follow".to_owned() } else { format!("batch {} of {number}", index + 1) };
        waves.push(Wave { why, hosts: batch.iter().map(|name| (*name).to_owned()).collect() });
    }
    if !kept.is_empty() {
        if waves.len() == first {
            waves.push(Wave { why: "those that follow".to_owned(), hosts: Vec::new() });
        }
        if let Some(wave) = waves.get_mut(first) {
            wave.hosts.extend(kept.iter().map(|member| member.name.to_owned()));
        }
    }
    waves
}

/// One wave or more for each tier: a master goes into the first one without a neighbour of its own. Neighbours serve
/// hosts in common, and both are changed.
fn masters(members: &[Member<'_>]) -> Vec<Wave> {
    let tiers: BTreeSet<usize> = members.iter().filter(|member| member.master).map(|member| member.tier).collect();
    let mut waves = Vec::new();
    for tier in tiers {
        let of_tier = members.iter().filter(|member| member.master && member.tier == tier);
        let mut split = Split::default();
        of_tier.for_each(|member| split.put(member));
        for (index, wave) in split.waves.into_iter().map(|wave| wave.members).enumerate() {
            let why = match (index, tier) {
                (0, 0) => "masters first".to_owned(),
                (0, _) => "masters that follow those above".to_owned(),
                _ => "masters that serve the same hosts as those above".to_owned(),
            };
            waves.push(Wave { why, hosts: wave.iter().map(|member| member.name.to_owned()).collect() });
        }
    }
    waves
}

/// The waves of one tier while they are filled.
#[derive(Default)]
struct Split<'a> {
    waves: Vec<Filling<'a>>,
    /// The first wave that may be free for those who serve exactly these networks: all before it have one of them.
    free: HashMap<&'a [IpNet], usize>,
}

/// A wave while it is filled.
#[derive(Default)]
struct Filling<'a> {
    members: Vec<&'a Member<'a>>,
    /// What those of them serve who are changed, from the first to the last address; no two have one in common.
    served: BTreeMap<IpAddr, IpAddr>,
}

impl<'a> Split<'a> {
    fn put(&mut self, member: &'a Member<'a>) {
        let spans = if member.pending { merged(member.serve) } else { Vec::new() };
        let first = if member.pending { self.free.get(member.serve).copied().unwrap_or_default() } else { 0 };
        let later = self.waves.iter().skip(first).position(|wave| wave.is_free(&spans));
        let index = later.map_or(self.waves.len(), |later| first + later);
        if index == self.waves.len() {
            self.waves.push(Filling::default());
        }
        if let Some(wave) = self.waves.get_mut(index) {
            wave.members.push(member);
            wave.served.extend(spans);
        }
        if member.pending && !member.serve.is_empty() {
            self.free.insert(member.serve, index + 1);
        }
    }
}

impl Filling<'_> {
    /// Whether nobody who is changed serves any of these addresses.
    fn is_free(&self, spans: &[(IpAddr, IpAddr)]) -> bool {
        let taken = |(first, last): &(IpAddr, IpAddr)| {
            self.served.range(..=last).next_back().is_some_and(|(_, other)| other >= first)
        };
        !spans.iter().any(taken)
    }
}

/// The spans of a list of networks, each address once.
fn merged(networks: &[IpNet]) -> Vec<(IpAddr, IpAddr)> {
    let mut merged: Vec<(IpAddr, IpAddr)> = Vec::new();
    for (first, last) in spans(networks) {
        match merged.last_mut().filter(|(_, before)| *before >= first) {
            Some((_, before)) => *before = last.max(*before),
            None => merged.push((first, last)),
        }
    }
    merged
}

/// Whether two lists of networks have an address in common. Each is walked through once, in the order of its
/// addresses: lists of thousands are compared with each other.
pub(crate) fn overlap(one: &[IpNet], other: &[IpNet]) -> bool {
    let (one, other) = (spans(one), spans(other));
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
        if a.1 < b.0 {
            one.next();
        } else if b.1 < a.0 {
            other.next();
        } else {
            return true;
        }
    }
    false
}

/// The first and the last address of each network, in order.
fn spans(networks: &[IpNet]) -> Vec<(IpAddr, IpAddr)> {
    let mut spans: Vec<(IpAddr, IpAddr)> =
        networks.iter().map(|network| (network.network(), network.broadcast())).collect();
    spans.sort_unstable();
    spans
}

/// Splits off the canary. A named host that could not be planned is in it, and fails it.
fn canary<'a>(pending: &[&Member<'a>], lost: &[&'a str], canary: Option<&Canary>) -> (Vec<String>, Vec<&'a str>) {
    let names = || pending.iter().map(|member| member.name);
    match canary {
        None => (Vec::new(), names().collect()),
        Some(Canary::Share(share)) => {
            let size = share.at_least_one(pending.len());
            (names().take(size).map(str::to_owned).collect(), names().skip(size).collect())
        }
        Some(Canary::Hosts(hosts)) => {
            let hosts: HashSet<&str> = hosts.iter().map(String::as_str).collect();
            let named = |name: &&str| hosts.contains(name);
            let lost = lost.iter().copied().filter(named);
            (
                names().filter(named).chain(lost).map(str::to_owned).collect(),
                names().filter(|name| !named(name)).collect(),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn host(name: &'static str, tier: usize, serve: &'static [IpNet]) -> Member<'static> {
        Member { name, master: !serve.is_empty(), tier, serve, pending: true }
    }

    fn shown(members: &[Member<'_>], lost: &[&str], rollout: &Rollout) -> Vec<String> {
        waves(members, lost, rollout).iter().map(|wave| format!("{}: {}", wave.why, wave.hosts.join(" "))).collect()
    }

    fn nets(text: &[&str]) -> &'static [IpNet] {
        Vec::leak(text.iter().map(|net| net.parse().unwrap()).collect())
    }

    #[test]
    fn masters_of_the_same_hosts_are_never_in_one_wave() {
        let (ours, yours) = (nets(&["10.1.0.0/16"]), nets(&["10.2.0.5/32"]));
        let mut all = vec![
            host("m1", 0, ours),
            host("m2", 0, nets(&["10.1.7.0/24"])),
            host("m3", 0, yours),
            host("relay", 1, ours),
            host("s1", 1, &[]),
        ];
        let expected = [
            "masters first: m1 m3",
            "masters that serve the same hosts as those above: m2",
            "masters that follow those above: relay",
            "those that follow: s1",
        ];
        assert_eq!(shown(&all, &[], &Rollout::default()), expected);
        // Who is only proven keeps on serving.
        all[1].pending = false;
        assert_eq!(shown(&all, &[], &Rollout::default())[0], "masters first: m1 m2 m3");
    }

    #[test]
    fn a_canary_goes_before_the_batches_and_what_is_as_wanted_is_proven_with_it() {
        let mut all: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| host(name, 1, &[])).into();
        all[4].pending = false;
        let share = Rollout {
            canary: Some(Canary::Share(Share::Percent(10))),
            batch: Some(Share::Count(2)),
            pause: Duration::ZERO,
            max_fail: None,
        };
        assert_eq!(shown(&all, &[], &share), ["canary: a e", "batch 1 of 2: b c", "batch 2 of 2: d"]);
        let named = Rollout { canary: Some(Canary::Hosts(vec!["d".into(), "x".into()])), ..Rollout::default() };
        assert_eq!(shown(&all, &["x"], &named), ["canary: d x e", "those that follow: a b c"]);
    }

    proptest! {
        #[test]
        fn every_host_is_in_exactly_one_wave(
            pending in prop::collection::vec(any::<bool>(), 0..40), batch in 1usize..50, canary in 0usize..120, percent in any::<bool>()
        ) {
            let names: Vec<&'static str> = (0..pending.len()).map(|n| &*String::leak(format!("h{n}"))).collect();
            let members: Vec<_> = names.iter().zip(&pending).map(|(name, p)| Member { pending: *p, ..host(name, 1, &[]) }).collect();
            let share = if percent { Share::Percent(canary.min(100)) } else { Share::Count(canary) };
            let rollout = Rollout { canary: Some(Canary::Share(share)), batch: Some(Share::Count(batch)), ..Rollout::default() };
            let mut found: Vec<String> = waves(&members, &[], &rollout).into_iter().flat_map(|wave| wave.hosts).collect();
            found.sort();
            let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            wanted.sort();
            prop_assert_eq!(found, wanted);
        }
    }

    proptest! {
        #[test]
        fn a_walk_through_two_lists_finds_what_comparing_each_with_each_does(
            one in prop::collection::vec((0u32..64, 24u8..=32, any::<bool>()), 0..6),
            other in prop::collection::vec((0u32..64, 24u8..=32, any::<bool>()), 0..6),
        ) {
            let networks = |list: &[(u32, u8, bool)]| -> Vec<IpNet> {
                let network = |(low, prefix, six): &(u32, u8, bool)| match six {
                    false => IpNet::new(IpAddr::from((0x0a00_0000 | (low * 37)).to_be_bytes()), *prefix).unwrap(),
                    true => IpNet::new(IpAddr::from((u128::from(low * 37) | 0xfd << 120).to_be_bytes()), prefix + 96).unwrap(),
                };
                list.iter().map(network).collect()
            };
            let (one, other) = (networks(&one), networks(&other));
            let each = one.iter().any(|a| other.iter().any(|b| a.contains(b) || b.contains(a)));
            prop_assert_eq!(overlap(&one, &other), each);
        }

        #[test]
        fn each_master_goes_into_the_first_wave_without_a_neighbour(
            all in prop::collection::vec((prop::collection::vec((0u32..16, 26u8..=32), 1..4), any::<bool>()), 0..20)
        ) {
            let network = |(low, prefix): &(u32, u8)| -> IpNet {
                IpNet::new(IpAddr::from((0x0a00_0000 | (low * 17)).to_be_bytes()), *prefix).unwrap()
            };
            let lists: Vec<Vec<IpNet>> = all.iter().map(|(list, _)| list.iter().map(network).collect()).collect();
            let names: Vec<String> = (0..all.len()).map(|n| format!("m{n}")).collect();
            let members: Vec<Member<'_>> = names.iter().zip(&lists).zip(&all)
                .map(|((name, serve), (_, pending))| Member { name, master: true, tier: 0, serve, pending: *pending })
                .collect();
            let mut wanted: Vec<Vec<&Member<'_>>> = Vec::new();
            for one in &members {
                let neighbours = |other: &&Member<'_>| one.pending && other.pending && overlap(one.serve, other.serve);
                match wanted.iter().position(|wave| !wave.iter().any(neighbours)) {
                    Some(index) => wanted[index].push(one),
                    None => wanted.push(vec![one]),
                }
            }
            let wanted: Vec<Vec<&str>> = wanted.iter().map(|wave| wave.iter().map(|one| one.name).collect()).collect();
            let found: Vec<Vec<String>> = masters(&members).into_iter().map(|wave| wave.hosts).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
