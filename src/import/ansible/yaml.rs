//! Inventories in YAML, and what `ansible-inventory --list` and programs in its place print.

use anyhow::{Context as _, Result};

use super::Inventory;
use crate::import::note::place;
use crate::yaml::tree::{At, Kind, Node};

/// Whether a tree has the shape of a list: groups that name their hosts in a list, and `_meta`.
pub(crate) fn is_list(root: &Node) -> bool {
    let lists = |node: &Node| matches!(node.kind, Kind::List(_));
    let group =
        |node: &Node| lists(node) || node.get("hosts").is_some_and(lists) || node.get("children").is_some_and(lists);
    root.get("_meta").is_some_and(|meta| meta.get("hostvars").is_some())
        || (!root.pairs().is_empty() && root.pairs().iter().all(|(_, node)| group(node)))
}

/// Reads a list.
pub(super) fn list(inventory: &mut Inventory, root: &Node) -> Result<()> {
    for (key, node) in root.pairs().iter().filter(|(key, _)| key.text != "_meta") {
        inventory.group(&key.text);
        let (hosts, children) = match &node.kind {
            Kind::List(_) => (Some(node), None),
            _ => (node.get("hosts"), node.get("children")),
        };
        for host in hosts.into_iter().flat_map(items) {
            let place = inventory.host(&host, key.at, None, None);
            inventory.group(&key.text).hosts.insert(place);
        }
        for child in children.into_iter().flat_map(items) {
            inventory.child(&key.text, &child)?;
        }
        for (name, value) in node.get("vars").map(Node::pairs).unwrap_or_default() {
            inventory.set_in_group(&key.text, &name.text, value.clone());
        }
    }
    let about = root.get("_meta").and_then(|meta| meta.get("hostvars"));
    for (key, vars) in about.map(Node::pairs).unwrap_or_default() {
        let place = inventory.host(&key.text, key.at, None, None);
        if let Some(host) = inventory.hosts.get_mut(place) {
            host.vars.extend(vars.pairs().iter().map(|(name, value)| (name.text.clone(), value.clone())));
        }
    }
    Ok(())
}

fn items(node: &Node) -> Vec<String> {
    match &node.kind {
        Kind::List(nodes) => nodes.iter().filter_map(Node::scalar).collect(),
        _ => node.scalar().into_iter().collect(),
    }
}

/// Reads an inventory in YAML: groups with `hosts`, `children` and `vars`.
pub(super) fn read(inventory: &mut Inventory, root: &Node) -> Result<()> {
    for (key, node) in root.pairs() {
        group(inventory, &key.text, key.at, node)?;
    }
    Ok(())
}

fn group(inventory: &mut Inventory, name: &str, at: At, node: &Node) -> Result<()> {
    if !matches!(node.kind, Kind::Map(_) | Kind::Null) {
        inventory.notes.say(at, format!("`{name}` is no group (no map); left out"));
        return Ok(());
    }
    inventory.group(name);
    for (key, part) in node.pairs() {
        match key.text.as_str() {
            "hosts" => {
                for (host_at, pattern, vars) in names(part) {
                    let where_ = || place(host_at, &[]);
                    inventory.add(&pattern, name, host_at, &vars).with_context(where_)?;
                }
            }
            "children" => {
                for (child_at, child, body) in children(part) {
                    group(inventory, &child, child_at, &body)?;
                    inventory.child(name, &child)?;
                }
            }
            "vars" => {
                for (variable, value) in part.pairs() {
                    inventory.set_in_group(name, &variable.text, value.clone());
                }
            }
            other => {
                let text = format!(
                    "`{other}` of the group `{name}` is none of hosts, children, vars; left out, as Ansible does"
                );
                inventory.notes.say(key.at, text);
            }
        }
    }
    Ok(())
}

type Named = (At, String, Vec<(String, Node)>);

/// The hosts of a group: a map, or one name.
fn names(node: &Node) -> Vec<Named> {
    let vars = |node: &Node| node.pairs().iter().map(|(name, value)| (name.text.clone(), value.clone())).collect();
    match &node.kind {
        Kind::Map(pairs) => pairs.iter().map(|(key, node)| (key.at, key.text.clone(), vars(node))).collect(),
        _ => node.scalar().into_iter().map(|name| (node.at, name, Vec::new())).collect(),
    }
}

fn children(node: &Node) -> Vec<(At, String, Node)> {
    match &node.kind {
        Kind::Map(pairs) => pairs.iter().map(|(key, node)| (key.at, key.text.clone(), node.clone())).collect(),
        _ => {
            let empty = Node { at: node.at, kind: Kind::Null };
            node.scalar().into_iter().map(|name| (node.at, name, empty.clone())).collect()
        }
    }
}
