//! Inventories of Ansible: files of INI or YAML, folders with `group_vars` and `host_vars`, and what
//! `ansible-inventory --list` prints, read as Ansible reads them. Ansible need not be there.

mod connect;
mod convert;
mod ini;
mod literal;
mod order;
mod read;
mod servers;
mod ssh_args;
mod template;
mod time;
mod vars;
mod view;
mod windows;
mod yaml;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Result, anyhow};

use super::note::Notes;
use crate::text::range;
use crate::yaml::tree::{At, Node};
pub use convert::convert;
pub use read::{list, read};
pub(crate) use yaml::is_list;

/// The variables of a host or a group.
type Vars = BTreeMap<String, Node>;

/// An inventory of Ansible.
#[derive(Debug, Default)]
pub struct Inventory {
    files: Vec<String>,
    hosts: Vec<Host>,
    index: HashMap<String, usize>,
    groups: BTreeMap<String, Group>,
    notes: Notes,
}

/// A host.
#[derive(Debug, Default)]
struct Host {
    name: String,
    at: At,
    /// The range that named it first, and how many hosts that stands for.
    range: Option<(String, usize)>,
    /// What the inventory says of it, and what the files beside it do.
    vars: Vars,
    beside: Vars,
}

/// A group.
#[derive(Debug, Default)]
struct Group {
    children: BTreeSet<String>,
    hosts: BTreeSet<usize>,
    priority: Option<i64>,
    vars: Vars,
    beside: Vars,
}

/// Most hosts that an inventory may stand for.
const MOST: usize = 150_000;

impl Inventory {
    /// The number of a file, for places in it.
    fn file(&mut self, name: String) -> u32 {
        self.files.push(name);
        u32::try_from(self.files.len() - 1).unwrap_or(u32::MAX)
    }

    fn group(&mut self, name: &str) -> &mut Group {
        self.groups.entry(name.to_owned()).or_default()
    }

    /// Puts a group below another; nothing is below itself.
    fn child(&mut self, parent: &str, child: &str) -> Result<()> {
        if parent == child || order::below_of(self, child).contains(parent) {
            return Err(anyhow!("the groups `{parent}` and `{child}` are children of each other"));
        }
        self.group(child);
        self.group(parent).children.insert(child.to_owned());
        Ok(())
    }

    fn set_in_group(&mut self, group: &str, name: &str, value: Node) {
        let group = self.group(group);
        if name == "ansible_group_priority" {
            group.priority = value.scalar().and_then(|text| text.trim().parse().ok()).or(group.priority);
        }
        group.vars.insert(name.to_owned(), value);
    }

    /// Adds the hosts that a pattern stands for (`web[01:50].example.com:2222`), and returns their places.
    fn add(&mut self, pattern: &str, group: &str, at: At, vars: &[(String, Node)]) -> Result<Vec<usize>> {
        let (pattern, port) = port(pattern);
        let is_range = pattern.split_once('[').is_some_and(|(_, rest)| rest.contains(':') && rest.contains(']'));
        let names = if is_range { expand(pattern)? } else { vec![pattern.to_owned()] };
        if self.hosts.len() + names.len() > MOST {
            return Err(anyhow!("the inventory stands for more than {MOST} hosts"));
        }
        let range = is_range.then(|| (pattern.to_owned(), names.len()));
        let mut places = Vec::new();
        for name in names {
            let place = self.host(&name, at, range.clone(), port);
            self.group(group).hosts.insert(place);
            if let Some(host) = self.hosts.get_mut(place) {
                host.vars.extend(vars.iter().cloned());
            }
            places.push(place);
        }
        Ok(places)
    }

    /// The place of a host; a port behind its name counts where it is named first.
    fn host(&mut self, name: &str, at: At, range: Option<(String, usize)>, port: Option<u16>) -> usize {
        if let Some(place) = self.index.get(name) {
            return *place;
        }
        let mut host = Host { name: name.to_owned(), at, range, ..Host::default() };
        if let Some(port) = port {
            let kind = crate::yaml::tree::Kind::Whole(port.into());
            host.vars.insert("ansible_port".to_owned(), Node { at, kind });
        }
        self.hosts.push(host);
        self.index.insert(name.to_owned(), self.hosts.len() - 1);
        self.hosts.len() - 1
    }
}

/// What a range stands for; it may begin with nothing, which is 0.
fn expand(pattern: &str) -> Result<Vec<String>> {
    range::expand(&pattern.replace("[:", "[0:")).map_err(|why| anyhow!("the range {why}"))
}

/// Takes the port off: `host:22`, `[fd00::1]:22`. An IPv6 address alone has none.
fn port(pattern: &str) -> (&str, Option<u16>) {
    let is_six = |text: &str| text.parse::<std::net::Ipv6Addr>().is_ok();
    let Some((host, port)) = pattern.rsplit_once(':').filter(|_| !is_six(pattern)) else { return (pattern, None) };
    let Ok(port) = port.parse() else { return (pattern, None) };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).filter(|host| is_six(host));
    let outside =
        host.split('[').map(|part| part.rsplit(']').next().unwrap_or_default()).any(|part| part.contains(':'));
    match bare {
        Some(host) => (host, Some(port)),
        None if outside => (pattern, None),
        None => (host, Some(port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_told_from_an_address_and_a_range() {
        for (pattern, host, number) in [
            ("web1", "web1", None),
            ("web1:2222", "web1", Some(2222)),
            ("web[1:5]", "web[1:5]", None),
            ("web[1:5].lab:22", "web[1:5].lab", Some(22)),
            ("fd00::1", "fd00::1", None),
            ("[fd00::1]:22", "fd00::1", Some(22)),
            ("10.0.0.[1:3]:22", "10.0.0.[1:3]", Some(22)),
        ] {
            assert_eq!(port(pattern), (host, number), "{pattern}");
        }
    }
}
