//! Hosts whose keys are known: the names in `known_hosts`, as far as they can be read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Result, anyhow};

use super::fleet::{Fleet, Host, NOWHERE};
use super::tree;
use super::words::is_address;
use crate::exit::Hint as _;
use crate::text::number::count;
use crate::yaml::out::Out;

/// Reads the file; lines that hide their names are counted and said.
pub(super) fn read(path: &Path) -> Result<Fleet> {
    let text = tree::text(path)?;
    let mut fleet = Fleet { files: vec![path.display().to_string()], ..Fleet::default() };
    // By key: the name and the address of one machine may be on two lines.
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let (mut order, mut hashed, mut others): (Vec<&str>, usize, usize) = (Vec::new(), 0, 0);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        let (Some(hosts), Some(key)) = (words.next(), words.nth(1)) else { continue };
        match hosts {
            _ if hosts.starts_with('|') => hashed += 1,
            _ if hosts.starts_with('@') || hosts.contains(['*', '?', '!']) => others += 1,
            _ => {
                let known = names.entry(key).or_default();
                known.extend(hosts.split(','));
                order.push(key);
            }
        }
    }
    for key in order {
        for host in machines(&names.remove(key).unwrap_or_default()) {
            add(&mut fleet, host);
        }
    }
    leave_out_addresses(&mut fleet);
    let hidden = format!(
        "{} of {} without readable names (HashKnownHosts): those hosts are not here",
        count(hashed, "line"),
        path.display()
    );
    if fleet.hosts.is_empty() {
        let why = if hashed > 0 { hidden } else { format!("`{}` names no host", path.display()) };
        return Err(anyhow!(why)).hint("a table with name, address and role is read with `--from csv FILE`");
    }
    if hashed > 0 {
        fleet.notes.say(NOWHERE, hidden);
    }
    if others > 0 {
        fleet.notes.say(
            NOWHERE,
            format!("{} with patterns or marks (@cert-authority, @revoked) left out", count(others, "line")),
        );
    }
    Ok(fleet)
}

/// The machines that one key stands for: one with a name and an address, else each for itself.
fn machines(names: &[&str]) -> Vec<Host> {
    let all: Vec<(&str, Option<i64>)> =
        names.iter().map(|name| port(name)).filter(|(name, _)| is_address(name)).collect();
    let numeric = |name: &str| name.parse::<IpAddr>().is_ok();
    let mut named: Vec<&(&str, Option<i64>)> = all.iter().filter(|(name, _)| !numeric(name)).collect();
    let mut addresses: Vec<&(&str, Option<i64>)> = all.iter().filter(|(name, _)| numeric(name)).collect();
    named.dedup();
    addresses.dedup();
    if let ([(name, port)], [(address, _)]) = (named.as_slice(), addresses.as_slice()) {
        return vec![machine(name, Some(address), *port)];
    }
    all.iter().map(|(name, port)| machine(name, None, *port)).collect()
}

fn machine(name: &str, address: Option<&str>, port: Option<i64>) -> Host {
    let mut host = Host { name: name.to_owned(), address: address.map(str::to_owned), ..Host::default() };
    if let Some(port) = port {
        host.set("ssh", "port", Out::Number(port));
    }
    host
}

/// `[host]:2222`.
fn port(name: &str) -> (&str, Option<i64>) {
    let bare = name.strip_prefix('[').and_then(|rest| rest.split_once("]:"));
    bare.and_then(|(host, port)| Some((host, Some(port.parse().ok()?)))).unwrap_or((name, None))
}

/// A host has several keys, and is there once.
fn add(fleet: &mut Fleet, host: Host) {
    match fleet.hosts.iter_mut().find(|known| known.name == host.name) {
        Some(known) => known.address = known.address.take().or(host.address),
        None => fleet.hosts.push(host),
    }
}

/// An address that is known to be that of a named host is no host of its own.
fn leave_out_addresses(fleet: &mut Fleet) {
    let taken: Vec<String> = fleet.hosts.iter().filter_map(|host| host.address.clone()).collect();
    fleet.hosts.retain(|host| !taken.contains(&host.name));
}
