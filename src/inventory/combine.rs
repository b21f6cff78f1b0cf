//! Several files as one tree. What two files say of the same thing is a mistake that names both places.

use std::collections::HashMap;

use super::node::{At, Key, Kind, Mistake, Node};
use crate::model::MistakeCode;

/// Where in the tree parts meet: what they may have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// A whole inventory.
    Root,
    /// The same, and what the files of single groups and hosts say.
    Beside,
    Groups,
    /// Settings, and hosts.
    Group,
    /// Each host is in one file.
    Hosts,
    /// Each host may have a file of its own besides.
    HostFiles,
    /// Settings.
    Defaults,
    /// Settings, or an address alone.
    Host,
    /// The keys of `ssh` and the like.
    Section,
    /// One value.
    Leaf,
}

impl Level {
    fn below(self, key: &str) -> Level {
        match (self, key) {
            (Level::Root | Level::Beside, "groups") => Level::Groups,
            (Level::Root | Level::Beside, "defaults") => Level::Defaults,
            (Level::Beside, "hosts") => Level::HostFiles,
            (Level::Root | Level::Group, "hosts") => Level::Hosts,
            (Level::Groups, _) => Level::Group,
            (Level::HostFiles, _) => Level::Host,
            (Level::Group | Level::Defaults | Level::Host, "ssh" | "winrm" | "limits" | "vars") => Level::Section,
            _ => Level::Leaf,
        }
    }

    /// A part as the map that it stands for.
    fn as_map(self, node: Node) -> Node {
        match (self, &node.kind) {
            (Level::Hosts | Level::HostFiles, Kind::List(list)) => named(list, node.at).unwrap_or(node),
            (Level::Host, Kind::Bool(_) | Kind::Whole(_) | Kind::Number(_) | Kind::Text(_)) => {
                let address = Key { at: node.at, text: "address".to_owned() };
                Node { at: node.at, kind: Kind::Map(vec![(address, node)]) }
            }
            _ => node,
        }
    }
}

/// A part, and the place that is named where it stands twice.
pub(super) type Part = (At, Node);

/// Makes one of parts that stand in the same place of the tree; `what` are the keys that lead there. Of what stands
/// twice the first one stays, and the others are mistakes.
pub(super) fn combine(
    mut parts: Vec<Part>,
    level: Level,
    what: &str,
    files: &[String],
    mistakes: &mut Vec<Mistake>,
) -> Node {
    if parts.len() > 1 && level != Level::Leaf {
        parts = parts.into_iter().map(|(at, node)| (at, level.as_map(node))).collect();
        let said = |(_, node): &Part| !matches!(node.kind, Kind::Null);
        if parts.iter().any(said) {
            parts.retain(said);
        }
    }
    let is_map = |(_, node): &Part| level != Level::Leaf && matches!(node.kind, Kind::Map(_));
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return Node { at: At::default(), kind: Kind::Null } };
    let (more, others): (Vec<Part>, Vec<Part>) = parts.partition(|part| is_map(&first) && is_map(part));
    mistakes.extend(others.iter().filter_map(|(at, _)| twice(first.0, *at, what, files)));
    if more.is_empty() {
        return first.1;
    }
    let at = first.1.at;
    let pairs = by_key(std::iter::once(first).chain(more)).into_iter().map(|(key, parts)| {
        let what = if what.is_empty() { key.text.clone() } else { format!("{what}.{}", key.text) };
        let node = combine(parts, level.below(&key.text), &what, files, mistakes);
        (key, node)
    });
    Node { at, kind: Kind::Map(pairs.collect()) }
}

/// The pairs of maps, all of one key together, in the order in which the keys come first.
fn by_key(maps: impl Iterator<Item = Part>) -> Vec<(Key, Vec<Part>)> {
    let mut all: Vec<(Key, Vec<Part>)> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    let pairs = maps.flat_map(|(_, node)| match node.kind {
        Kind::Map(pairs) => pairs,
        _ => Vec::new(),
    });
    for (key, node) in pairs {
        let place = *known.entry(key.text.clone()).or_insert(all.len());
        match all.get_mut(place) {
            Some((_, parts)) => parts.push((key.at, node)),
            None => {
                let part = (key.at, node);
                all.push((key, vec![part]));
            }
        }
    }
    all
}

/// A list of names as a map.
fn named(list: &[Node], at: At) -> Option<Node> {
    let name = |node: &Node| Some((Key { at: node.at, text: node.scalar()? }, Node { at: node.at, kind: Kind::Null }));
    let pairs = list.iter().map(name).collect::<Option<_>>()?;
    Some(Node { at, kind: Kind::Map(pairs) })
}

/// What one file says in two places is none of this.
fn twice(first: At, again: At, what: &str, files: &[String]) -> Option<Mistake> {
    let file = files.get(first.file as usize).map_or("", String::as_str);
    let text = format!("`{what}` stands twice: {file}:{}:{} has it already; take one out", first.line, first.column);
    (first.file != again.file).then_some(Mistake { at: again, code: MistakeCode::Conflict, text })
}
