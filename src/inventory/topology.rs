//! The hierarchy of time as a picture: a tree for the terminal, Graphviz for a page.

use std::collections::HashMap;
use std::fmt::Write as _;

use ipnet::IpNet;
use serde::Serialize;

use super::spec::{Fleet, HostSpec, Role};

/// Returns a tree: masters at the root, with what they follow and whom they serve.
pub fn tree(fleet: &Fleet) -> String {
    let below = followers(fleet);
    let mut text = String::new();
    for root in fleet.hosts.iter().filter(|host| host.tier == 0) {
        branch(&below, root, 0, &mut text);
    }
    text
}

/// Who follows each host, in the order of the file.
fn followers(fleet: &Fleet) -> HashMap<&str, Vec<&HostSpec>> {
    let tiers: HashMap<&str, usize> = fleet.hosts.iter().map(|host| (host.name.as_str(), host.tier)).collect();
    let mut below: HashMap<&str, Vec<&HostSpec>> = HashMap::new();
    for host in &fleet.hosts {
        // Isolated masters that ask each other stand side by side.
        let above = |name: &&str| tiers.get(name).is_some_and(|tier| host.tier > *tier);
        for master in host.time.sources.iter().filter_map(|source| source.host.as_deref()).filter(above) {
            below.entry(master).or_default().push(host);
        }
    }
    below
}

fn branch(below: &HashMap<&str, Vec<&HostSpec>>, host: &HostSpec, depth: usize, text: &mut String) {
    let _ = writeln!(text, "{}{}", "   ".repeat(depth), line(host));
    for follower in below.get(host.name.as_str()).into_iter().flatten() {
        branch(below, follower, depth + 1, text);
    }
}

fn line(host: &HostSpec) -> String {
    let mut line = format!("{} ({}, {})", host.name, host.address, host.role.word());
    let upstream: Vec<&str> =
        host.time.sources.iter().filter(|s| s.host.is_none()).map(|source| source.address.as_str()).collect();
    if !upstream.is_empty() {
        let _ = write!(line, " <- {}", upstream.join(", "));
    }
    if let Some(stratum) = host.time.isolated {
        let _ = write!(line, " isolated, stratum {stratum}");
    }
    if !host.time.serve.is_empty() {
        let serve: Vec<String> = host.time.serve.iter().map(ToString::to_string).collect();
        let more = serve.len().saturating_sub(4);
        let shown = serve.get(..4.min(serve.len())).unwrap_or_default().join(", ");
        let _ = write!(line, " serves {shown}");
        if more > 0 {
            let _ = write!(line, " and {more} more");
        }
    }
    line
}

/// The hierarchy of time, for programs.
#[derive(Debug, Serialize)]
pub struct Graph<'a> {
    hosts: Vec<Place<'a>>,
}

/// Where a host stands in it.
#[derive(Debug, Serialize)]
struct Place<'a> {
    name: &'a str,
    address: &'a str,
    role: Role,
    /// 0 follows no host of this inventory.
    tier: usize,
    /// Hosts of this inventory that it asks for time.
    follows: Vec<&'a str>,
    /// Servers outside of it.
    upstream: Vec<&'a str>,
    /// The stratum that it claims when it follows nobody.
    isolated: Option<u8>,
    /// Networks that may ask it.
    serve: &'a [IpNet],
}

/// Returns who follows whom, in the order of the file.
pub fn graph(fleet: &Fleet) -> Graph<'_> {
    Graph { hosts: fleet.hosts.iter().map(Place::of).collect() }
}

impl<'a> Place<'a> {
    fn of(host: &'a HostSpec) -> Self {
        let sources = &host.time.sources;
        let outside = sources.iter().filter(|source| source.host.is_none());
        let mut follows: Vec<&str> = sources.iter().filter_map(|source| source.host.as_deref()).collect();
        follows.dedup();
        Place {
            name: &host.name,
            address: &host.address,
            role: host.role,
            tier: host.tier,
            follows,
            upstream: outside.map(|source| source.address.as_str()).collect(),
            isolated: host.time.isolated,
            serve: &host.time.serve,
        }
    }
}

/// Returns the graph for `dot`; arrows go the way the time goes.
pub fn dot(fleet: &Fleet) -> String {
    let mut text = "digraph fleetclock {\n  rankdir=TB;\n  node [shape=box];\n".to_owned();
    for host in &fleet.hosts {
        let _ =
            writeln!(text, "  {} [label={}];", quoted(&host.name), quoted(&format!("{}\n{}", host.name, host.address)));
        for source in &host.time.sources {
            let from = source.host.as_deref().unwrap_or(&source.address);
            let _ = writeln!(text, "  {} -> {};", quoted(from), quoted(&host.name));
        }
    }
    text.push_str("}\n");
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
