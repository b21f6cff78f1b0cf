//! Several files as one tree. What two files say of the same thing is a mistake that names both places.

use super::node::{Key, Kind, Mistake, Node};
use crate::model::MistakeCode;

/// Where in the tree two parts meet: what they may both have.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Level {
    Root,
    Groups,
    /// Settings, and hosts.
    Group,
    Hosts,
    /// Settings.
    Host,
    /// The keys of `ssh` and the like.
    Section,
    /// One value.
    Leaf,
}

impl Level {
    fn below(self, key: &str) -> Level {
        match (self, key) {
            (Level::Root, "groups") => Level::Groups,
            (Level::Root | Level::Group, "hosts") => Level::Hosts,
            (Level::Root, "defaults") => Level::Host,
            (Level::Groups, _) => Level::Group,
            (Level::Group | Level::Host, "ssh" | "winrm" | "limits" | "vars") => Level::Section,
            _ => Level::Leaf,
        }
    }
}

/// Puts `more` into `base`; `what` are the keys that lead there. Returns what stands twice.
pub(super) fn combine(base: &mut Node, more: Node, level: Level, what: &str, files: &[String]) -> Vec<Mistake> {
    if level == Level::Leaf {
        return vec![twice(base, &more, what, files)];
    }
    if level == Level::Hosts {
        named(base);
    }
    let mut more = more;
    if level == Level::Hosts {
        named(&mut more);
    }
    match (&mut base.kind, more.kind) {
        (_, Kind::Null) => Vec::new(),
        (kind @ Kind::Null, other) => {
            (*kind, base.at) = (other, more.at);
            Vec::new()
        }
        (Kind::Map(pairs), Kind::Map(others)) => pairs_of(pairs, others, level, what, files),
        (_, kind) => vec![twice(base, &Node { at: more.at, kind }, what, files)],
    }
}

fn pairs_of(
    pairs: &mut Vec<(Key, Node)>,
    others: Vec<(Key, Node)>,
    level: Level,
    what: &str,
    files: &[String],
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut known: std::collections::HashMap<String, usize> =
        pairs.iter().enumerate().map(|(index, (key, _))| (key.text.clone(), index)).collect();
    for (key, node) in others {
        let what = if what.is_empty() { key.text.clone() } else { format!("{what}.{}", key.text) };
        match known.get(&key.text).and_then(|index| pairs.get_mut(*index)) {
            Some((first, base)) if matches!(level.below(&key.text), Level::Leaf) => {
                let (base, more) = (Node { at: first.at, ..base.clone() }, Node { at: key.at, ..node });
                mistakes.push(twice(&base, &more, &what, files));
            }
            Some((_, base)) => mistakes.extend(combine(base, node, level.below(&key.text), &what, files)),
            None => {
                known.insert(key.text.clone(), pairs.len());
                pairs.push((key, node));
            }
        }
    }
    mistakes
}

/// A list of names as a map.
pub(super) fn named(node: &mut Node) {
    let Kind::List(list) = &node.kind else { return };
    let name = |node: &Node| Some((Key { at: node.at, text: node.scalar()? }, Node { at: node.at, kind: Kind::Null }));
    if let Some(pairs) = list.iter().map(name).collect() {
        node.kind = Kind::Map(pairs);
    }
}

fn twice(base: &Node, more: &Node, what: &str, files: &[String]) -> Mistake {
    let file = files.get(base.at.file as usize).map_or("", String::as_str);
    let text =
        format!("`{what}` stands twice: {file}:{}:{} has it already; take one out", base.at.line, base.at.column);
    Mistake { at: more.at, code: MistakeCode::Conflict, text }
}
