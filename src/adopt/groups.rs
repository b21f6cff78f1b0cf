//! Hosts that are alike in one group, with what they have in common said once.

use std::collections::BTreeMap;

use super::draft::Draft;
use super::write::{Pair, settings};

/// A group of the new file.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    /// Places in the list of hosts.
    pub(super) members: Vec<usize>,
    /// What most of them have; a host that has something else says so itself.
    pub(super) shared: Vec<Pair>,
}

/// What makes hosts belong together; the rest is what they may differ in.
const KIND: &[&str] = &["role", "upstream", "follows", "serve", "isolated"];

/// Puts hosts of the same role, sources and followers together, in the order of the list.
pub(super) fn grouped(fleet: &[Draft]) -> Vec<Group> {
    let mut groups: Vec<(Vec<Pair>, Vec<usize>)> = Vec::new();
    for (index, draft) in fleet.iter().enumerate() {
        let kind: Vec<Pair> =
            settings(draft, fleet, &[]).into_iter().filter(|pair| KIND.contains(&pair.key.as_str())).collect();
        match groups.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, members)) => members.push(index),
            None => groups.push((kind, vec![index])),
        }
    }
    let mut named: Vec<Group> = Vec::new();
    for (_, members) in groups {
        let name = name(&members, fleet, &named);
        named.push(Group { name, members, shared: Vec::new() });
    }
    // Those who give time stand above those who get it.
    named.sort_by_key(|group| rank(&group.members, fleet));
    for place in 0..named.len() {
        let all: Vec<Vec<Pair>> = named
            .get(place)
            .into_iter()
            .flat_map(|group| &group.members)
            .filter_map(|index| fleet.get(*index))
            .map(|draft| settings(draft, fleet, &named))
            .collect();
        if let Some(group) = named.get_mut(place) {
            group.shared = most(&all);
        }
    }
    named
}

fn first<'a>(members: &[usize], fleet: &'a [Draft]) -> Option<&'a Draft> {
    members.first().and_then(|index| fleet.get(*index))
}

fn rank(members: &[usize], fleet: &[Draft]) -> u8 {
    match first(members, fleet) {
        Some(draft) if draft.master && draft.follows.is_empty() => 0,
        Some(draft) if draft.master => 1,
        _ => 2,
    }
}

fn name(members: &[usize], fleet: &[Draft], taken: &[Group]) -> String {
    let base = ["masters", "relays", "slaves"].get(usize::from(rank(members, fleet))).copied().unwrap_or("hosts");
    let free =
        |name: &String| !taken.iter().any(|group| group.name == *name) && !fleet.iter().any(|host| host.name == *name);
    let numbered = (2..=fleet.len() + taken.len() + 2).map(|number| format!("{base}{number}"));
    std::iter::once(base.to_owned()).chain(numbered).find(free).unwrap_or_else(|| format!("{base}-of-the-fleet"))
}

/// For each key the value that most have, if more than one of them has it or there is but one host.
fn most(all: &[Vec<Pair>]) -> Vec<Pair> {
    let mut counts: BTreeMap<(usize, String), Vec<(Pair, usize)>> = BTreeMap::new();
    for pair in all.iter().flatten() {
        let values = counts.entry((pair.place(), pair.key.clone())).or_default();
        match values.iter_mut().find(|(known, _)| known.value == pair.value) {
            Some((_, count)) => *count += 1,
            None => values.push((pair.clone(), 1)),
        }
    }
    let best = |values: Vec<(Pair, usize)>| {
        let (pair, count) = values.into_iter().max_by_key(|(_, count)| *count)?;
        let common = if pair.can_be_undone() { 2 * count > all.len() } else { count == all.len() };
        common.then_some(pair)
    };
    counts.into_values().filter_map(best).collect()
}
