//! The hierarchy of time as a picture: a tree for the terminal, Graphviz for a page.

use std::fmt::Write as _;

use super::spec::{Fleet, HostSpec};

/// Returns a tree: masters at the root, with what they follow and whom they serve.
pub fn tree(fleet: &Fleet) -> String {
    let mut text = String::new();
    for root in fleet.hosts.iter().filter(|host| host.tier == 0) {
        branch(fleet, root, 0, &mut text);
    }
    text
}

fn branch(fleet: &Fleet, host: &HostSpec, depth: usize, text: &mut String) {
    let _ = writeln!(text, "{}{}", "   ".repeat(depth), line(host));
    for follower in fleet.hosts.iter().filter(|other| follows(other, host)) {
        branch(fleet, follower, depth + 1, text);
    }
}

fn follows(host: &HostSpec, master: &HostSpec) -> bool {
    // Isolated masters that ask each other stand side by side.
    host.tier > master.tier
        && host.time.sources.iter().any(|source| source.host.as_deref() == Some(master.name.as_str()))
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
