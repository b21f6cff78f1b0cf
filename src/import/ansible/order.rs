//! Which group is above which, and which variable counts: all, then each group below the one above it, then the host.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};

use super::Inventory;
use crate::yaml::tree::{Kind, Node};

/// A variable of a host, and the group or host that says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) node: &'a Node,
    pub(super) by: &'a str,
}

/// Puts each group that nobody has below `all`, and each host that has no group into `ungrouped`.
pub(super) fn complete(inventory: &mut Inventory) -> Result<()> {
    for name in ["all", "ungrouped"] {
        inventory.group(name);
    }
    let below: BTreeSet<&String> = inventory.groups.values().flat_map(|group| &group.children).collect();
    let top: Vec<String> =
        inventory.groups.keys().filter(|name| *name != "all" && !below.contains(name)).cloned().collect();
    inventory.group("all").children.extend(top);
    if below_of(inventory, "all").contains("all") {
        return Err(anyhow!("groups are children of each other"));
    }
    let grouped = |name: &&String| *name != "all" && *name != "ungrouped";
    let grouped: BTreeSet<usize> = inventory
        .groups
        .iter()
        .filter(|(name, _)| grouped(name))
        .flat_map(|(_, group)| group.hosts.iter().copied())
        .collect();
    let alone = (0..inventory.hosts.len()).filter(|place| !grouped.contains(place)).collect();
    inventory.group("ungrouped").hosts = alone;
    Ok(())
}

/// The groups below one, itself not counted unless it is below itself.
pub(super) fn below_of<'a>(inventory: &'a Inventory, name: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&str> = vec![name];
    while let Some(next) = open.pop() {
        let children = inventory.groups.get(next).into_iter().flat_map(|group| &group.children);
        open.extend(children.map(String::as_str).filter(|child| found.insert(*child)).collect::<Vec<_>>());
    }
    found
}

/// What is known of the groups, looked up once for all hosts.
pub(super) struct Order<'a> {
    inventory: &'a Inventory,
    /// The groups of each host, with all above them, in the order in which their variables count.
    groups: Vec<Vec<&'a str>>,
}

impl<'a> Order<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> Self {
        let depths = depths(inventory);
        let mut above: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for name in inventory.groups.keys() {
            for below in below_of(inventory, name) {
                above.entry(below).or_default().insert(name);
            }
        }
        let mut groups: Vec<BTreeSet<&str>> = vec![BTreeSet::from(["all"]); inventory.hosts.len()];
        for (name, group) in &inventory.groups {
            for place in &group.hosts {
                if let Some(own) = groups.get_mut(*place) {
                    own.insert(name);
                    own.extend(above.get(name.as_str()).into_iter().flatten());
                }
            }
        }
        let rank = |name: &str| {
            let priority = inventory.groups.get(name).and_then(|group| group.priority).unwrap_or(1);
            (depths.get(name).copied().unwrap_or(0), priority, name.to_owned())
        };
        let sorted = groups.into_iter().map(|own| {
            let mut own: Vec<&str> = own.into_iter().collect();
            own.sort_by_key(|name| rank(name));
            own
        });
        Order { inventory, groups: sorted.collect() }
    }

    /// The variables of a host, each as the last one to count says it.
    pub(super) fn vars(&self, place: usize) -> BTreeMap<&'a str, Said<'a>> {
        let mut vars = BTreeMap::new();
        let Some(host) = self.inventory.hosts.get(place) else { return vars };
        let own = self.groups.get(place).map(Vec::as_slice).unwrap_or_default();
        let known = || own.iter().filter_map(|name| self.inventory.groups.get_key_value(*name));
        // Of each group what the inventory says, `all` first; then what the files beside it say, `all` first.
        for (name, group) in known() {
            vars.extend(group.vars.iter().map(|(key, node)| (key.as_str(), Said { node, by: name })));
        }
        for (name, group) in known() {
            vars.extend(group.beside.iter().map(|(key, node)| (key.as_str(), Said { node, by: name })));
        }
        for all in [&host.vars, &host.beside] {
            vars.extend(all.iter().map(|(key, node)| (key.as_str(), Said { node, by: &host.name })));
        }
        vars
    }

    /// The hosts of a group and of those below it.
    pub(super) fn members(&self, name: &str) -> BTreeSet<usize> {
        (0..self.groups.len()).filter(|place| self.groups.get(*place).is_some_and(|own| own.contains(&name))).collect()
    }
}

/// How far below `all` each group is, by the longest way.
fn depths(inventory: &Inventory) -> BTreeMap<&str, usize> {
    let mut depths: BTreeMap<&str, usize> = BTreeMap::from([("all", 0)]);
    let mut open: Vec<(&str, usize)> = vec![("all", 0)];
    while let Some((name, depth)) = open.pop() {
        for child in inventory.groups.get(name).into_iter().flat_map(|group| &group.children) {
            let known = depths.entry(child).or_insert(0);
            if *known < depth + 1 {
                *known = depth + 1;
                open.push((child, depth + 1));
            }
        }
    }
    depths
}

impl Inventory {
    /// The groups that have hosts, and how many; `all` is none.
    pub fn sizes(&self) -> Vec<(String, usize)> {
        let order = Order::of(self);
        let size = |name: &String| (name.clone(), order.members(name).len());
        self.groups.keys().filter(|name| *name != "all").map(size).filter(|(_, size)| *size > 0).collect()
    }

    /// What was understood, for comparing with what Ansible itself understands: the members of each group, and the
    /// variables of each host.
    pub fn understood(&self) -> serde_json::Value {
        let order = Order::of(self);
        let name = |place: usize| self.hosts.get(place).map(|host| host.name.clone()).unwrap_or_default();
        let groups = self.groups.keys().map(|group| {
            let members: BTreeSet<String> = order.members(group).into_iter().map(name).collect();
            (group.clone(), serde_json::json!(members))
        });
        let hosts = (0..self.hosts.len()).map(|place| {
            let vars = order.vars(place).into_iter().map(|(key, said)| (key.to_owned(), json(said.node)));
            (name(place), serde_json::Value::Object(vars.collect()))
        });
        let (groups, hosts) = (groups.collect::<serde_json::Map<_, _>>(), hosts.collect::<serde_json::Map<_, _>>());
        serde_json::json!({ "groups": groups, "hosts": hosts })
    }
}

fn json(node: &Node) -> serde_json::Value {
    match &node.kind {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool(value) => (*value).into(),
        Kind::Whole(value) => i64::try_from(*value).map_or(serde_json::Value::Null, Into::into),
        Kind::Number(value) => (*value).into(),
        Kind::Text(text) => text.clone().into(),
        Kind::List(list) => list.iter().map(json).collect(),
        Kind::Map(pairs) => {
            serde_json::Value::Object(pairs.iter().map(|(key, node)| (key.text.clone(), json(node))).collect())
        }
    }
}
