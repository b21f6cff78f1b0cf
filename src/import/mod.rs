//! What other tools know of a fleet, as an inventory of ours: read, put into our words, and written as text.
//! Nothing is run, no host is contacted, and no password is taken along. What cannot be taken over is noted with
//! the place that says it.

pub mod ansible;
mod csv;
mod fleet;
mod known_hosts;
mod note;
mod ssh_config;
mod tree;
mod words;
mod write;

use std::path::Path;

use anyhow::Result;

use fleet::Fleet;

/// What an inventory can be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An inventory of Ansible.
    Ansible,
    /// The configuration of `ssh`.
    SshConfig,
    /// A table.
    Csv,
    /// The keys of known hosts.
    KnownHosts,
}

/// What was read, before it is said who the masters are.
#[derive(Debug)]
pub struct Source(Kind);

#[derive(Debug)]
enum Kind {
    Ansible(Box<ansible::Inventory>),
    Plain(Box<Fleet>),
}

/// An inventory that was made out of something else.
#[derive(Debug)]
pub struct Imported {
    /// The inventory, with all notes as comments.
    pub text: String,
    /// How many hosts it has.
    pub hosts: usize,
    /// What could not be taken over as it was, each with its place.
    pub notes: Vec<String>,
}

/// Reads a file or a folder.
///
/// # Errors
/// It cannot be read, or is not what it is said to be.
pub fn read(format: Format, path: &Path) -> Result<Source> {
    Ok(Source(match format {
        Format::Ansible => Kind::Ansible(Box::new(ansible::read(path)?)),
        Format::SshConfig => Kind::Plain(Box::new(ssh_config::read(path)?)),
        Format::Csv => Kind::Plain(Box::new(csv::read(path)?)),
        Format::KnownHosts => Kind::Plain(Box::new(known_hosts::read(path)?)),
    }))
}

impl Source {
    /// Whether it says itself who the masters are.
    pub fn names_masters(&self) -> bool {
        match &self.0 {
            Kind::Ansible(_) => false,
            Kind::Plain(fleet) => fleet.hosts.iter().any(|host| host.master),
        }
    }

    /// Who may be named as the masters: groups, each with the number of its hosts; where there is none, hosts.
    pub fn candidates(&self) -> Vec<(String, usize)> {
        match &self.0 {
            Kind::Ansible(inventory) => inventory.sizes(),
            Kind::Plain(fleet) if fleet.groups.is_empty() => {
                fleet.hosts.iter().map(|host| (host.name.clone(), 1)).collect()
            }
            Kind::Plain(fleet) => fleet.groups.iter().map(|group| (group.name.clone(), group.members.len())).collect(),
        }
    }

    /// Makes the inventory. `masters` are names of groups or hosts, `head` the first lines of its comment.
    ///
    /// # Errors
    /// A name is unknown, or nobody is a master.
    pub fn convert(self, masters: &[String], head: &[String]) -> Result<Imported> {
        match self.0 {
            Kind::Ansible(inventory) => ansible::convert(*inventory, masters, head),
            Kind::Plain(mut fleet) => {
                fleet.choose(masters)?;
                Ok(fleet.finish(head))
            }
        }
    }
}

impl Fleet {
    fn finish(mut self, head: &[String]) -> Imported {
        self.complete();
        Imported { text: write::text(&self, head), hosts: self.hosts.len(), notes: self.notes.lines(&self.files) }
    }
}
