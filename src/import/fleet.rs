//! A fleet in our words, before it is written: what each host is to have, whoever said it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};

use super::note::Notes;
use crate::exit::Hint as _;
use crate::text::names::some;
use crate::yaml::out::Out;

/// A section (`ssh`, `winrm`, or nothing) and a key in it.
pub(super) type Key = (String, String);

/// The settings of a host.
pub(super) type Settings = BTreeMap<Key, Out>;

/// The key of a section; `""` is no section.
pub(super) fn key(section: &str, name: &str) -> Key {
    (section.to_owned(), name.to_owned())
}

/// A host of the new file.
#[derive(Debug, Clone, Default)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) master: bool,
    /// The range that it was written as, and how many hosts that has.
    pub(super) range: Option<(String, usize)>,
    pub(super) address: Option<String>,
    pub(super) settings: Settings,
}

impl Host {
    /// Whether it is reached over `WinRM`.
    pub(super) fn is_windows(&self) -> bool {
        self.settings.keys().any(|(section, _)| section == "winrm")
    }

    pub(super) fn set(&mut self, section: &str, name: &str, value: Out) {
        self.settings.insert(key(section, name), value);
    }

    pub(super) fn get(&self, section: &str, name: &str) -> Option<&Out> {
        self.settings.get(&key(section, name))
    }

    /// Where others ask it, and from where it asks.
    fn heard_from(&self) -> &str {
        match self.get("", "time_address") {
            Some(Out::Text(address)) => address,
            _ => self.address.as_deref().unwrap_or(&self.name),
        }
    }
}

/// A group of hosts that has its own name in the new file.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) name: String,
    /// Places in the list of hosts.
    pub(super) members: Vec<usize>,
}

/// The fleet.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    /// The files that notes are about.
    pub(super) files: Vec<String>,
    pub(super) hosts: Vec<Host>,
    /// The name of the group of masters.
    pub(super) masters: String,
    /// All other groups.
    pub(super) groups: Vec<Group>,
    pub(super) notes: Notes,
}

impl Fleet {
    /// Makes the fleet one that can be loaded: what our file needs and the other one did not say.
    pub(super) fn complete(&mut self) {
        self.sources();
        self.networks();
        self.one_local();
    }

    fn sources(&mut self) {
        let alone =
            |host: &Host| host.master && host.get("", "upstream").is_none() && host.get("", "follows").is_none();
        let mut named: Vec<&str> = Vec::new();
        for host in self.hosts.iter_mut().filter(|host| alone(host)) {
            host.set("", "isolated", Out::Bool(true));
            named.push(&host.name);
        }
        if !named.is_empty() {
            let text = format!(
                "nothing says which servers {} asks: `isolated: true` lets it go by its own clock; where there are servers, \
                 write `upstream: [SERVER, ...]` in its place",
                some(&named)
            );
            self.notes.say(NOWHERE, text);
        }
    }

    /// A master that is asked by names only cannot know whom to let in.
    fn networks(&mut self) {
        let numeric = |text: &str| text.parse::<std::net::IpAddr>().is_ok_and(|address| !address.is_loopback());
        // Masters that go by their own clocks ask each other.
        let alone = |host: &&Host| host.master && host.get("", "isolated").is_some();
        let peers = self.hosts.iter().filter(alone).count() > 1;
        let unknown: Vec<String> = self
            .hosts
            .iter()
            .filter(|host| (!host.master || peers && alone(host)) && !numeric(host.heard_from()))
            .map(|host| host.name.clone())
            .collect();
        let open = |host: &Host| host.master && host.get("", "serve").is_none();
        if unknown.is_empty() || !self.hosts.iter().any(open) {
            return;
        }
        for host in self.hosts.iter_mut().filter(|host| open(host)) {
            host.set("", "serve", Out::List(PRIVATE.iter().map(|network| Out::text(*network)).collect()));
        }
        let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
        let text = format!(
            "{} known by name only, so nothing says whom the masters have to let in: `serve` has the private networks; \
             write those of your fleet",
            format_args!("{} {}", some(&names), if names.len() == 1 { "is" } else { "are" })
        );
        self.notes.say(NOWHERE, text);
    }

    /// This machine itself is one host.
    fn one_local(&mut self) {
        let local = |host: &Host| host.get("", "local") == Some(&Out::Bool(true));
        let extra: Vec<usize> =
            self.hosts.iter().enumerate().filter(|(_, host)| local(host)).map(|(index, _)| index).skip(1).collect();
        let names: Vec<String> =
            extra.iter().filter_map(|index| self.hosts.get(*index)).map(|host| host.name.clone()).collect();
        if names.is_empty() {
            return;
        }
        self.leave_out(&extra);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = format!("{} left out: only one host can be `local`, this machine itself", some(&names));
        self.notes.say(NOWHERE, text);
    }

    /// Takes hosts out, also out of their groups.
    fn leave_out(&mut self, gone: &[usize]) {
        let place = |index: usize| index - gone.iter().filter(|other| **other < index).count();
        for group in &mut self.groups {
            group.members.retain(|index| !gone.contains(index));
            group.members.iter_mut().for_each(|index| *index = place(*index));
        }
        let mut index = 0;
        self.hosts.retain(|_| {
            index += 1;
            !gone.contains(&(index - 1))
        });
    }
}

/// What is in no file.
pub(super) const NOWHERE: crate::yaml::tree::At = crate::yaml::tree::At { file: u32::MAX, line: 0, column: 0 };

/// The networks that nobody has on the internet (RFC 1918, RFC 4193).
const PRIVATE: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

impl Fleet {
    /// Makes masters of the hosts with these names.
    ///
    /// # Errors
    /// A name is unknown, or nobody is a master.
    pub(super) fn choose(&mut self, masters: &[String]) -> Result<()> {
        for word in masters {
            let members: Vec<usize> = match self.groups.iter().find(|group| group.name == *word) {
                Some(group) => group.members.clone(),
                None => (0..self.hosts.len())
                    .filter(|index| self.hosts.get(*index).is_some_and(|h| h.name == *word))
                    .collect(),
            };
            if members.is_empty() {
                return Err(self.no_master(&format!("no group and no host is called `{word}`")));
            }
            members.into_iter().filter_map(|index| self.hosts.get_mut(index).map(|host| host.master = true)).count();
        }
        if !self.hosts.iter().any(|host| host.master) {
            return Err(self.no_master("no host is a master"));
        }
        self.masters = free("masters", &self.taken());
        Ok(())
    }

    fn no_master(&self, why: &str) -> anyhow::Error {
        let names: Vec<&str> = self.hosts.iter().map(|host| host.name.as_str()).collect();
        let way_out = format!("--masters HOST, or several, comma separated. The hosts are: {}", some(&names));
        anyhow!("{why}: who are the time masters?").hint(&way_out)
    }

    /// The names that groups and hosts have.
    pub(super) fn taken(&self) -> BTreeSet<&str> {
        let groups = self.groups.iter().map(|group| group.name.as_str());
        groups.chain(self.hosts.iter().map(|host| host.name.as_str())).collect()
    }
}

/// A name that nobody has yet.
pub(super) fn free(wanted: &str, taken: &BTreeSet<&str>) -> String {
    let names = std::iter::once(wanted.to_owned()).chain((1..).map(|number| match number {
        1 => format!("time_{wanted}"),
        number => format!("time_{wanted}_{number}"),
    }));
    names.into_iter().find(|name| !taken.contains(name.as_str())).unwrap_or_default()
}
