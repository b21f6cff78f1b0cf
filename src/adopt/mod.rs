//! A live fleet as an inventory: what was read on the hosts in, the text of the file that would produce it out.
//!
//! `read` knows what is asked and what the answers say, one file for each language (`chrony`, `ntp`, `others`,
//! `windows`; `finer` for what several say) what directives mean in the words of the inventory, `draft` what each host becomes, `fleet` who
//! follows whom, `groups` which hosts are alike, `write` the file, and `announce` what `plan` will show for it.
//! Nothing is dropped unsaid: a line that has no word in the inventory is kept under `extra` or named.

mod announce;
mod chrony;
mod draft;
mod finer;
mod fleet;
mod groups;
mod ntp;
mod others;
pub mod read;
mod windows;
mod write;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::assets::Assets;
use crate::config::{Directive, Place};
use crate::facts::windows::WindowsFacts;
use crate::text::hide::telling;
pub use read::{Linux, Process};

/// One host, and what was read of it.
#[derive(Debug)]
pub struct Host {
    /// Its name in the new file.
    pub name: String,
    /// Where it is reached.
    pub address: String,
    /// How it is reached: `ssh` or `winrm`, and what that says, as YAML.
    pub connection: Vec<(String, String)>,
    /// What was read.
    pub seen: Seen,
}

/// What was read of a host.
#[derive(Debug)]
pub enum Seen {
    /// A Linux host.
    Linux(Box<Linux>),
    /// A Windows host.
    Windows(Box<WindowsFacts>),
    /// Nothing, and why.
    Not(String),
}

/// What became of it.
#[derive(Debug)]
pub struct Adopted {
    /// The new inventory, with every note as a comment.
    pub text: String,
    /// What a person has to know: what was not understood, what `plan` will show, who was left out.
    pub notes: Vec<String>,
    /// How many hosts it has.
    pub hosts: usize,
}

/// A line of a host that has no word in the inventory, or what else is to be known of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Note {
    /// Where it stands, if it stands somewhere.
    place: Option<Place>,
    /// The line, and what becomes of it.
    text: String,
}

impl Note {
    fn at(directive: &Directive, what: &str) -> Self {
        Note { place: Some(directive.place.clone()), text: format!("`{}`: {what}", telling(&directive.text())) }
    }

    fn of_host(text: impl Into<String>) -> Self {
        Note { place: None, text: text.into() }
    }
}

/// A source as a file names it.
#[derive(Debug, Clone, PartialEq)]
struct Source {
    address: String,
    pool: bool,
    prefer: bool,
    iburst: bool,
    minpoll: Option<i8>,
    maxpoll: Option<i8>,
    /// Its finer keys, each with its value as YAML.
    finer: Vec<(&'static str, String)>,
}

impl Source {
    fn new(address: &str) -> Self {
        let address = address.to_owned();
        Source { address, pool: false, prefer: false, iburst: false, minpoll: None, maxpoll: None, finer: Vec::new() }
    }
}

/// When the clock may jump, in the words of the inventory.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    /// Never.
    Never,
    /// Above the first, in so many updates; `None` is any.
    Over(Duration, Option<u32>),
}

/// What the configuration of a host says.
#[derive(Debug, Clone, Default)]
struct Said {
    sources: Vec<Source>,
    /// Networks that may ask.
    serve: Vec<IpNet>,
    /// The service, where `auto` would choose another one.
    provider: Option<&'static str>,
    /// Everybody may ask because nothing says otherwise.
    open: bool,
    isolated: Option<u8>,
    step: Option<Step>,
    /// Whether the service leaves the clock alone.
    no_clock: bool,
    /// Finer keys of the host.
    finer: Vec<finer::Finer>,
    /// What goes under `extra` as it is.
    extra: Vec<Directive>,
    /// Whether it serves its own clients by a switch and not by networks.
    serves: bool,
    notes: Vec<Note>,
}

/// Puts an inventory together. `write_to` is the file that it will be: what relative paths begin at.
pub fn adopt(hosts: &[Host], assets: &Assets, write_to: &std::path::Path) -> Adopted {
    let (drafts, out) = draft::drafts(hosts);
    let fleet = fleet::joined(drafts);
    let groups = groups::grouped(&fleet);
    let first = write::text(&fleet, &groups, &BTreeMap::new(), &out);
    let announced = announce::announce(hosts, &fleet, assets, write_to, &first);
    let text = write::text(&fleet, &groups, &announced.hosts, &out);
    let mut notes = announced.mistakes;
    notes.extend(write::told(&fleet, &announced.hosts));
    notes.extend(out.iter().map(|(name, why)| format!("{name}: left out: {why}")));
    Adopted { text, notes, hosts: fleet.len() }
}

/// Whether an address says who somebody is: not one that every host has.
fn tells(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_unspecified() && !address.is_link_local(),
        IpAddr::V6(address) => {
            !address.is_loopback() && !address.is_unspecified() && address.segments()[0] & 0xffc0 != 0xfe80
        }
    }
}
