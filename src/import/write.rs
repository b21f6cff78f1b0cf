//! A fleet as the text of an inventory: what hosts have in common is said once, at the highest place where it is
//! true of all.

use std::collections::{BTreeMap, BTreeSet};

use super::fleet::{Fleet, Group, Host, Key, Settings, free};
use crate::yaml::out::{Out, scalar};

/// What is of one host only.
const HOSTS_OWN: &[&str] = &["time_address"];

/// The order of the keys of a level; others come last.
const ORDER: &[&str] = &["role", "upstream", "follows", "serve", "isolated", "provider", "step"];

/// Longest line that is written as one.
const WIDE: usize = 110;

/// Writes the fleet; `head` are the first lines, which become comments as the notes do.
pub(super) fn text(fleet: &Fleet, head: &[String]) -> String {
    let levels = Levels::of(fleet);
    let mut out = String::new();
    for line in head {
        comment(&mut out, line);
    }
    let notes = fleet.notes.lines(&fleet.files);
    if !notes.is_empty() {
        comment(&mut out, "");
        comment(&mut out, "Not taken over as it was, and what to look at:");
        notes.iter().for_each(|note| comment(&mut out, &format!("- {note}")));
    }
    if !levels.defaults.is_empty() {
        out.push_str("\ndefaults:\n");
        settings(&mut out, 2, &levels.defaults);
    }
    out.push_str("\ngroups:\n");
    for (index, (group, own)) in levels.groups.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(&format!("  {}:\n", scalar(&group.name)));
        settings(&mut out, 4, own);
        match index < levels.homes {
            true => hosts(&mut out, fleet, group, &levels.own),
            false => names(&mut out, fleet, group),
        }
    }
    out
}

/// A comment has as many lines as it needs.
fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split(' ') {
        if line.chars().count() + word.chars().count() >= WIDE && line.len() > 4 {
            out.push_str(line.trim_end());
            out.push_str("\n#  ");
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// What is said where.
struct Levels {
    defaults: Settings,
    /// The groups in which hosts are written out come first, as many as `homes`.
    groups: Vec<(Group, Settings)>,
    homes: usize,
    own: Vec<Settings>,
}

impl Levels {
    fn of(fleet: &Fleet) -> Levels {
        let (homes, groups) = groups(fleet);
        let mut said: Vec<Settings> = vec![Settings::new(); fleet.hosts.len()];
        let all: Vec<usize> = (0..fleet.hosts.len()).collect();
        let defaults = common(&all, fleet, &said, Share::Most);
        tell(&mut said, &all, &defaults);
        let mut levels = Levels { defaults, groups: Vec::new(), homes, own: Vec::new() };
        for (index, group) in groups.into_iter().enumerate() {
            let own = common(&group.members, fleet, &said, Share::All);
            tell(&mut said, &group.members, &own);
            levels.groups.push((
                group,
                if index < homes { role(fleet, index == 0).into_iter().chain(own).collect() } else { own },
            ));
        }
        for (host, said) in fleet.hosts.iter().zip(&said) {
            let own = host.settings.iter().filter(|(key, value)| said.get(*key) != Some(value));
            levels.own.push(own.map(|(key, value)| (key.clone(), value.clone())).collect());
        }
        levels
    }
}

/// The masters, the others, and then all other groups, the largest first; none is empty.
fn groups(fleet: &Fleet) -> (usize, Vec<Group>) {
    let of = |master: bool| -> Vec<usize> {
        fleet.hosts.iter().enumerate().filter(|(_, host)| host.master == master).map(|(index, _)| index).collect()
    };
    let mut list = vec![Group { name: fleet.masters.clone(), members: of(true) }];
    let followers = of(false);
    if !followers.is_empty() {
        list.push(Group { name: free("slaves", &fleet.taken()), members: followers });
    }
    let homes = list.len();
    let mut others: Vec<&Group> =
        fleet.groups.iter().filter(|group| group.name != fleet.masters && !group.members.is_empty()).collect();
    others.sort_by_key(|group| (std::cmp::Reverse(group.members.len()), group.name.clone()));
    list.extend(others.into_iter().cloned());
    (homes, list)
}

fn role(fleet: &Fleet, master: bool) -> Settings {
    let mut role =
        Settings::from([((String::new(), "role".to_owned()), Out::text(if master { "master" } else { "slave" }))]);
    if !master {
        role.insert((String::new(), "follows".to_owned()), Out::List(vec![Out::text(&fleet.masters)]));
    }
    role
}

/// How many of the hosts have to have the same value.
#[derive(Clone, Copy, PartialEq)]
enum Share {
    All,
    /// All have one, and most the same.
    Most,
}

/// What can be said for all of these hosts at once: each of them has the key, and none gets a value that it is not
/// to have without one of its own. How hosts of Windows would be reached over SSH does not matter to them.
fn common(members: &[usize], fleet: &Fleet, said: &[Settings], share: Share) -> Settings {
    let hosts: Vec<(&Host, &Settings)> =
        members.iter().filter_map(|index| fleet.hosts.get(*index).zip(said.get(*index))).collect();
    let keys = hosts.iter().flat_map(|(host, _)| host.settings.keys());
    let keys: BTreeSet<&Key> = keys.filter(|(_, name)| !HOSTS_OWN.contains(&name.as_str())).collect();
    let mut common = Settings::new();
    for key in keys {
        let mut counts: BTreeMap<String, (usize, &Out)> = BTreeMap::new();
        let concerned = || hosts.iter().filter(|(host, _)| key.0 != "ssh" || !host.is_windows());
        for value in concerned().filter_map(|(host, _)| host.settings.get(key)) {
            counts.entry(value.to_string()).or_insert((0, value)).0 += 1;
        }
        let (all, with) = (concerned().count(), counts.values().map(|(count, _)| count).sum::<usize>());
        let Some((count, value)) = counts.values().max_by_key(|(count, _)| *count) else { continue };
        let enough = if share == Share::All { *count == all } else { *count * 2 > all && all > 1 };
        if all == with && enough && concerned().any(|(_, said)| said.get(key) != Some(value)) {
            common.insert(key.clone(), (*value).clone());
        }
    }
    common
}

fn tell(said: &mut [Settings], members: &[usize], more: &Settings) {
    for index in members {
        if let Some(said) = said.get_mut(*index) {
            said.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
    }
}

/// The settings of a level, each section in one line.
fn settings(out: &mut String, indent: usize, all: &Settings) {
    for (name, value) in sections(all) {
        let line = format!("{:indent$}{name}: {value}", "");
        match &value {
            Out::List(list) if line.len() > WIDE => {
                out.push_str(&format!("{:indent$}{name}:\n", ""));
                list.iter().for_each(|value| out.push_str(&format!("{:indent$}  - {value}\n", "")));
            }
            _ => out.push_str(&format!("{line}\n")),
        }
    }
}

/// The sections as maps, in their order.
fn sections(all: &Settings) -> Vec<(String, Out)> {
    let mut list: Vec<(String, Out)> = Vec::new();
    for ((section, name), value) in all {
        if section.is_empty() {
            list.push((name.clone(), value.clone()));
            continue;
        }
        match list.iter_mut().find(|(known, _)| known == section) {
            Some((_, Out::Map(pairs))) => pairs.push((name.clone(), value.clone())),
            _ => list.push((section.clone(), Out::Map(vec![(name.clone(), value.clone())]))),
        }
    }
    let rank = |name: &str| ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len());
    list.sort_by_key(|(name, _)| rank(name));
    list
}

/// Hosts, each with what only it has. Those of one range that differ in nothing stay one line.
fn hosts(out: &mut String, fleet: &Fleet, group: &Group, own: &[Settings]) {
    out.push_str("    hosts:\n");
    let plain = |index: usize| {
        let host = fleet.hosts.get(index)?;
        let same = host.address.is_none().then(|| own.get(index))??;
        Some((host.range.as_ref()?, same))
    };
    let mut rest = group.members.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let Some(host) = fleet.hosts.get(*first) else { break };
        let own_of = own.get(*first).cloned().unwrap_or_default();
        let alike = rest.iter().take_while(|index| plain(**index).is_some() && plain(**index) == plain(*first)).count();
        match &host.range {
            Some((range, count)) if alike == *count && alike > 1 => {
                line(out, range, None, &own_of);
                rest = rest.get(alike..).unwrap_or_default();
            }
            _ => {
                line(out, &host.name, host.address.as_deref(), &own_of);
                rest = after;
            }
        }
    }
}

fn line(out: &mut String, name: &str, address: Option<&str>, own: &Settings) {
    let name = scalar(name);
    match (address, own.is_empty()) {
        (None, true) => out.push_str(&format!("      {name}:\n")),
        (Some(address), true) => out.push_str(&format!("      {name}: {}\n", scalar(address))),
        (address, false) => {
            let address = address.map(|address| ("address".to_owned(), Out::text(address)));
            let pairs = Out::Map(address.into_iter().chain(sections(own)).collect());
            out.push_str(&format!("      {name}: {pairs}\n"));
        }
    }
}

/// Hosts that are written out elsewhere.
fn names(out: &mut String, fleet: &Fleet, group: &Group) {
    let mut words: Vec<Out> = Vec::new();
    let mut rest = group.members.as_slice();
    let range = |index: &usize| fleet.hosts.get(*index).and_then(|host| host.range.as_ref());
    while let Some((first, after)) = rest.split_first() {
        let alike = rest.iter().take_while(|index| range(index).is_some() && range(index) == range(first)).count();
        match range(first) {
            Some((range, count)) if alike == *count && alike > 1 => {
                words.push(Out::text(range));
                rest = rest.get(alike..).unwrap_or_default();
            }
            _ => {
                words.extend(fleet.hosts.get(*first).map(|host| Out::text(&host.name)));
                rest = after;
            }
        }
    }
    let list = Out::List(words);
    settings(out, 4, &Settings::from([((String::new(), "hosts".to_owned()), list)]));
}
