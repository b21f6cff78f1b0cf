//! The shape of the file: defaults, groups, hosts, ranges. Gives each host its merged settings.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::name::{LONGEST_NAME, is_bracketed, is_given_name, not_an_address, not_for_others, not_one_machine, short};
use super::node::{At, Key, Kind, Node, did_you_mean};
use super::range;
use super::read::Reader;
use super::rollout::{self, Rollout};
use super::settings::{HOST, LEVEL, Settings};
use crate::calendar::Freeze;
use crate::model::MistakeCode;

/// A host with its settings merged, names not looked up yet.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) at: At,
    pub(super) address: String,
    /// Where others ask it for time; its address if nothing is said.
    pub(super) time_addresses: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) settings: Settings,
}

/// All hosts and groups of a file.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    pub(super) hosts: Vec<Draft>,
    pub(super) groups: BTreeMap<String, Vec<String>>,
    pub(super) rollout: Rollout,
    pub(super) freeze: Vec<Freeze>,
}

/// What one place says of a host.
struct Mention {
    name: String,
    at: At,
    address: Option<String>,
    time_addresses: Vec<String>,
    settings: Settings,
    group: Option<usize>,
}

/// Reads the tree of a file.
pub(super) fn load(root: &Node, reader: &mut Reader<'_>) -> Drafts {
    let pairs = reader.map(root, "inventory", &["defaults", "groups", "hosts", "rollout"]);
    let part = |name: &str| pairs.iter().find(|(key, _)| key.text == name).map(|(_, node)| node);
    let defaults = part("defaults").map(|node| reader.settings(LEVEL, node, "defaults", &[]).0).unwrap_or_default();
    let mut mentions = Vec::new();
    let mut groups: Vec<(String, Settings)> = Vec::new();
    for (key, node) in part("groups").map(|node| entries(node, reader, "groups")).unwrap_or_default() {
        group(&key, &node, reader, &mut groups, &mut mentions);
    }
    for (key, node) in part("hosts").map(|node| entries(node, reader, "hosts")).unwrap_or_default() {
        mentions.extend(hosts(&key, &node, reader, "hosts", None));
    }
    let mut drafts = gather(mentions, &defaults, &groups, reader);
    if let Some(node) = part("rollout") {
        (drafts.rollout, drafts.freeze) = rollout::read(node, reader, &drafts);
    }
    drafts
}

/// The pairs of a map whose keys are names of the user.
fn entries(node: &Node, reader: &mut Reader<'_>, what: &str) -> Vec<(Key, Node)> {
    match &node.kind {
        Kind::Map(pairs) => pairs.clone(),
        Kind::List(nodes) => nodes
            .iter()
            .filter_map(|node| {
                let text = reader.text(node, what)?;
                Some((Key { at: node.at, text }, Node { at: node.at, kind: Kind::Null }))
            })
            .collect(),
        _ => reader.map(node, what, &[]),
    }
}

fn group(
    key: &Key,
    node: &Node,
    reader: &mut Reader<'_>,
    groups: &mut Vec<(String, Settings)>,
    mentions: &mut Vec<Mention>,
) {
    let what = format!("groups.{}", key.text);
    check_name(key, reader, "group");
    let (settings, pairs) = reader.settings(LEVEL, node, &what, &["hosts"]);
    let index = groups.len();
    groups.push((key.text.clone(), settings));
    let Some((_, node)) = pairs.iter().find(|(key, _)| key.text == "hosts") else {
        reader.missing(key.at, format!("{what}: it has no `hosts`"));
        return;
    };
    for (key, node) in entries(node, reader, &format!("{what}.hosts")) {
        mentions.extend(hosts(&key, &node, reader, &what, Some(index)));
    }
}

/// One key of `hosts`: a host, or as many as its range stands for.
fn hosts(key: &Key, node: &Node, reader: &mut Reader<'_>, what: &str, group: Option<usize>) -> Vec<Mention> {
    let what = format!("{what}.hosts.{}", key.text).replace("hosts.hosts", "hosts");
    let (settings, mut address, mut time_addresses) = host(node, reader, &what);
    let names = match range::expand(&key.text) {
        Ok(names) => {
            if let Some(first) = names.first() {
                check_name(&Key { at: key.at, text: first.clone() }, reader, "host");
            }
            names
        }
        Err(why) => {
            reader.wrong(key.at, format!("{what}: {why}"));
            // One host in place of them, so that what else is wrong with them is said in the same go.
            (address, time_addresses) = (None, Vec::new());
            vec![key.text.clone()]
        }
    };
    let names = if reader.room_for(names.len(), key.at) { names } else { Vec::new() };
    if names.is_empty() {
        return Vec::new();
    }
    let addresses = address.map(|pattern| spread(&pattern, names.len(), key, reader, &what, not_reached));
    let odd = |text: &str| not_an_address(text).or_else(|| not_for_others(text).map(str::to_owned));
    let mut times = Vec::new();
    for pattern in &time_addresses {
        times.push(spread(pattern, names.len(), key, reader, &what, odd));
    }
    names
        .into_iter()
        .enumerate()
        .map(|(index, name)| Mention {
            name,
            at: key.at,
            address: addresses.as_ref().and_then(|all| all.get(index).cloned()),
            time_addresses: times.iter().filter_map(|all| all.get(index).cloned()).collect(),
            settings: settings.clone(),
            group,
        })
        .collect()
}

/// Why no host can be reached at this address.
fn not_reached(text: &str) -> Option<String> {
    not_an_address(text).or_else(|| not_one_machine(text).map(str::to_owned))
}

/// A host is its address, a map, or nothing (its name is its address).
fn host(node: &Node, reader: &mut Reader<'_>, what: &str) -> (Settings, Option<String>, Vec<String>) {
    if !matches!(node.kind, Kind::Map(_) | Kind::Null) {
        return (Settings::default(), reader.reached_at(node, what), Vec::new());
    }
    let mut settings = reader.settings(HOST, node, what, &[]).0;
    let (address, times) = (settings.address.take(), settings.time_address.take());
    (settings, address, times.unwrap_or_default())
}

impl Reader<'_> {
    pub(super) fn reached_at(&mut self, node: &Node, what: &str) -> Option<String> {
        pattern(node).or_else(|| self.address(node, what))
    }

    pub(super) fn asked_at(&mut self, node: &Node, what: &str) -> Option<String> {
        pattern(node).or_else(|| self.time_address(node, what))
    }
}

/// An address may be a pattern, which goes along with the names.
fn pattern(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Text(text) if range::is_pattern(text) && !is_bracketed(text) => Some(text.clone()),
        _ => None,
    }
}

/// The addresses that a pattern stands for, one for each name; `odd` says what is wrong with one of them.
fn spread(
    pattern: &str,
    count: usize,
    key: &Key,
    reader: &mut Reader<'_>,
    what: &str,
    odd: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    match range::expand(pattern) {
        Ok(addresses) if addresses.len() == count => {
            let wrong = addresses.iter().filter(|_| range::is_pattern(pattern)).find_map(|a| Some((a, odd(a)?)));
            if let Some((address, why)) = wrong {
                reader.wrong(key.at, format!("{what}: `{address}` of `{pattern}` {why}"));
            }
            addresses
        }
        Ok(addresses) => {
            let text = format!("{what}: {count} names but {} addresses in `{pattern}`", addresses.len());
            reader.wrong(key.at, text);
            Vec::new()
        }
        Err(why) => {
            reader.wrong(key.at, format!("{what}: {why}"));
            Vec::new()
        }
    }
}

/// A name is printed, compared and put into commands: plain letters keep all of that simple.
fn check_name(key: &Key, reader: &mut Reader<'_>, what: &str) {
    if key.text.len() > LONGEST_NAME {
        let long = format!("`{}` is too long for a {what}: {LONGEST_NAME} bytes are the most", short(&key.text));
        reader.wrong(key.at, long);
    } else if !is_given_name(&key.text) {
        reader.wrong(
            key.at,
            format!(
                "`{}` is not a valid name of a {what}: only letters, digits and . - _ are allowed",
                short(&key.text)
            ),
        );
    }
}

/// Joins all that was said of each host.
fn gather(
    mentions: Vec<Mention>,
    defaults: &Settings,
    groups: &[(String, Settings)],
    reader: &mut Reader<'_>,
) -> Drafts {
    let mut drafts = Drafts::default();
    let mut index: HashMap<String, usize> = HashMap::with_capacity(mentions.len());
    let mut own: Vec<(Settings, Vec<usize>)> = Vec::new();
    drafts.groups = groups.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
    for mention in mentions {
        let place = *index.entry(mention.name.clone()).or_insert_with(|| {
            drafts.hosts.push(draft(&mention));
            own.push((Settings::default(), Vec::new()));
            drafts.hosts.len() - 1
        });
        let (Some(host), Some((settings, member))) = (drafts.hosts.get_mut(place), own.get_mut(place)) else {
            continue;
        };
        join(host, settings, member, mention, reader);
    }
    for (host, (settings, member)) in drafts.hosts.iter_mut().zip(own) {
        finish(host, settings, &member, defaults, groups, reader);
        for group in &host.groups {
            drafts.groups.entry(group.clone()).or_default().push(host.name.clone());
        }
    }
    for (name, host) in groups.iter().filter_map(|(name, _)| Some((name, drafts.hosts.get(*index.get(name)?)?))) {
        reader.mistake(host.at, MistakeCode::Conflict, format!("`{name}` is both a host and a group"));
    }
    drafts
}

fn draft(mention: &Mention) -> Draft {
    Draft {
        name: mention.name.clone(),
        at: mention.at,
        address: String::new(),
        time_addresses: Vec::new(),
        groups: Vec::new(),
        settings: Settings::default(),
    }
}

fn join(host: &mut Draft, settings: &mut Settings, member: &mut Vec<usize>, m: Mention, reader: &mut Reader<'_>) {
    if member.iter().any(|group| Some(*group) == m.group) {
        reader.mistake(m.at, MistakeCode::Conflict, format!("host `{}` is twice in the same group", m.name));
    }
    if let Some(address) = m.address {
        if !host.address.is_empty() && host.address != address {
            reader.mistake(
                m.at,
                MistakeCode::Conflict,
                format!("host `{}` has two addresses: {} and {address}", m.name, host.address),
            );
        }
        host.address = address;
    }
    if !m.time_addresses.is_empty() {
        host.time_addresses = m.time_addresses;
    }
    member.extend(m.group);
    let clash = m.settings.is_local().filter(|_| settings.winrm.is_some());
    if let Some(at) = clash.or_else(|| settings.is_local().filter(|_| m.settings.winrm.is_some())) {
        reader.mistake(
            at,
            MistakeCode::Conflict,
            format!("host `{}` is said to be `local` here, and has `winrm` in another place", m.name),
        );
    }
    *settings = m.settings.over(std::mem::take(settings));
}

fn finish(
    host: &mut Draft,
    own: Settings,
    member: &[usize],
    defaults: &Settings,
    groups: &[(String, Settings)],
    reader: &mut Reader<'_>,
) {
    if host.address.is_empty() {
        if let Some(why) = not_reached(&host.name)
            && !reader.is_wrong(host.at)
        {
            let name = short(&host.name);
            reader.mistake(
                host.at,
                MistakeCode::Missing,
                format!("host `{name}` has no `address`, and its name {why}"),
            );
        }
        host.address.clone_from(&host.name);
    }
    if host.time_addresses.is_empty() {
        host.time_addresses.push(host.address.clone());
    }
    let mut below = defaults.clone();
    let mut roles = Vec::new();
    for (name, settings) in member.iter().filter_map(|group| groups.get(*group)) {
        host.groups.push(name.clone());
        roles.extend(settings.role.map(|(role, _)| role));
        below = settings.clone().over(below);
    }
    if own.role.is_none() && roles.windows(2).any(|pair| pair[0] != pair[1]) {
        reader.mistake(
            host.at,
            MistakeCode::Conflict,
            format!("host `{}`: its groups give it different roles; say `role` on the host", host.name),
        );
    }
    host.settings = own.over(below).complete();
}

/// Says that a name is unknown, with the one that was probably meant.
pub(super) fn unknown<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    format!("no group or host `{word}`{}", did_you_mean(word, known))
}

/// The folder of a file: what its relative paths begin at.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
