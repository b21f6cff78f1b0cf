//! Names: whether a source's name leads to the source.

use super::{Find, ROW, Rule};
use crate::doctor::{Link, Seen};

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC060",
        title: "The name of the source does not resolve",
        cause: "{client} finds no address for `{source}`.",
        fix: "put `{source}` into the DNS that {client} asks or into its /etc/hosts, or name the source by its address in the inventory",
        find: Find::Link(unresolved),
        ..ROW
    },
    Rule {
        code: "FC061",
        title: "The name of the source leads to another host",
        cause: "On {client}, `{source}` is {found}, which is no address of {server}.",
        fix: "on {client}: correct `{source}` where it comes from ({origin}), then systemctl restart {unit}",
        find: Find::Link(elsewhere),
        ..ROW
    },
    Rule {
        code: "FC062",
        title: "The name leads to an IPv6 address that is dead",
        cause: "`{source}` is {dead} first, where nobody answers, and {alive} answers.",
        fix: "serve NTP on {dead} and let IPv6 through, or remove it from the name, or name the source as {alive} in the inventory",
        find: Find::Link(dead_six),
        ..ROW
    },
];

fn unresolved(link: &Link<'_>) -> Option<Seen> {
    let unresolved = link.answers.iter().all(|answer| answer.outcome == "unresolved") && !link.answers.is_empty();
    let seen = link.client.seen("names", format!("no address for {}", link.source.address));
    unresolved.then(|| named(link, seen))
}

/// The command with the name that was asked for.
fn named(link: &Link<'_>, mut seen: Seen) -> Seen {
    seen.command = seen.command.replace("NAME", &link.source.address);
    link.name_both(seen)
}

fn elsewhere(link: &Link<'_>) -> Option<Seen> {
    let server = link.server?.evidence;
    let found = link.client.evidence.stands_for(&link.source.address);
    // Windows is not asked for its addresses.
    let unknown = found.is_empty() || server.addresses.is_empty();
    if unknown || found.iter().any(|address| server.addresses.iter().any(|(_, own)| own == address)) {
        return None;
    }
    let list = |all: &mut dyn Iterator<Item = String>| all.collect::<Vec<_>>().join(", ");
    let found = list(&mut found.iter().map(ToString::to_string));
    let own = server.addresses.iter().filter(|(device, _)| device != "lo");
    let own = list(&mut own.map(|(_, address)| address.to_string()));
    let text = format!("{} is {found}; {} has {own}", link.source.address, link.server_name());
    let line = link
        .client
        .evidence
        .text("hosts")
        .lines()
        .next()
        .map(|line| format!("/etc/hosts, line {}", line.split(':').next().unwrap_or_default()));
    let origin = line.unwrap_or_else(|| "its DNS".to_owned());
    Some(named(link, link.client.seen("names", text)).with("found", found).with("origin", origin))
}

fn dead_six(link: &Link<'_>) -> Option<Seen> {
    let address = |usable: bool, six: bool| {
        let fits = |address: &&str| address.contains(':') == six;
        link.answers.iter().filter(|answer| answer.usable() == usable).filter_map(|a| a.address.as_deref()).find(fits)
    };
    let (dead, alive) = (address(false, true)?, address(true, false)?);
    let first = link.client.evidence.stands_for(&link.source.address);
    if !first.first().is_some_and(std::net::IpAddr::is_ipv6) {
        return None;
    }
    let outcome = link.answers.iter().find(|answer| answer.address.as_deref() == Some(dead))?.outcome.as_str();
    let seen = link.client.seen("probe", format!("{dead}: {outcome}; {alive}: ok"));
    Some(named(link, seen).with("dead", dead).with("alive", alive))
}
