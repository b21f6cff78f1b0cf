//! Names: whether a source's name leads to the source.

use super::{Find, ROW, Rule};
use crate::doctor::evidence::Route;
use crate::doctor::{Link, Seen};
use crate::model::Outcome;
use crate::ntp::report::SourceReport;

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC060",
        title: "The name of the source does not resolve",
        cause: "{client} finds no address for `{source}`.",
        fix: "{remedy}",
        find: Find::Link(unresolved),
        ..ROW
    },
    Rule {
        code: "FC061",
        title: "The name of the source leads to another host",
        cause: "On {client}, `{source}` is {found}, which is no address of {server}.",
        fix: "{remedy}",
        find: Find::Link(elsewhere),
        ..ROW
    },
    Rule {
        code: "FC062",
        title: "The name leads to an IPv6 address that is dead",
        cause: "`{source}` is {dead} first, where nobody answers, and {alive} answers.",
        fix: "a person has to decide: serve NTP on {dead} and let IPv6 through, or take it out of the name, or name the source as {alive} in the inventory",
        find: Find::Link(dead_six),
        ..ROW
    },
    Rule {
        code: "FC067",
        title: "The server refuses the IPv6 address of the client",
        cause: "`{source}` is {dead} first, and `{unit}` on {server} serves nobody at {from}; at {alive} it answers.",
        fix: "name the IPv6 network of {client} in `serve` of {server}, then fleetclock apply -l {server}; or name the source as {alive} in the inventory: a person has to decide",
        find: Find::Link(refused_six),
        ..ROW
    },
];

fn unresolved(link: &Link<'_>) -> Option<Seen> {
    let unresolved =
        link.answers.iter().all(|answer| answer.outcome == Outcome::Unresolved) && !link.answers.is_empty();
    let seen = link.client.seen("names", format!("no address for {}", link.source.address));
    unresolved.then(|| named(link, seen).with("remedy", add_name(link)))
}

/// The address by which the inventory knows the other end, if that is one.
fn own_address(link: &Link<'_>) -> Option<std::net::IpAddr> {
    let server = link.server?.spec;
    let mut known = server.time_address.iter().chain([&server.address]);
    known.find_map(|address| address.parse().ok())
}

fn add_name(link: &Link<'_>) -> String {
    let (client, name, unit) = (link.client.name(), &link.source.address, &link.client.evidence.unit);
    let address = own_address(link);
    if link.client.evidence.windows().is_some() {
        return add_name_windows(client, name, address);
    }
    match address {
        Some(address) => format!(
            "on {client}: echo '{address} {name}' >>/etc/hosts && systemctl restart {unit}; or put {name} into the DNS that {client} asks"
        ),
        None => format!(
            "a person has to decide: put `{name}` into the DNS that {client} asks or into its /etc/hosts, or name the source by its address in the inventory"
        ),
    }
}

/// Windows has its file elsewhere, and no shell of Linux to write it with.
fn add_name_windows(client: &str, name: &str, address: Option<std::net::IpAddr>) -> String {
    let line = address.map_or_else(String::new, |address| format!(" (the line `{address} {name}`)"));
    format!(
        "a person has to decide: put `{name}` into the DNS that {client} asks or into its %SystemRoot%\\System32\\drivers\\etc\\hosts{line}, then net stop w32time & net start w32time; or name the source by its address in the inventory"
    )
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
    let lines = hosts_lines(link.client.evidence.text("hosts"), &link.source.address);
    let remedy = correct_name(link, &lines, &found);
    let found = list(&mut found.iter().map(ToString::to_string));
    let own = server.addresses.iter().filter(|(device, _)| device != "lo");
    let own = list(&mut own.map(|(_, address)| address.to_string()));
    let text = format!("{} is {found}; {} has {own}", link.source.address, link.server_name());
    Some(named(link, link.client.seen("names", text)).with("found", found).with("remedy", remedy))
}

/// A line of `/etc/hosts` that gives a name an address.
#[derive(Debug, PartialEq, Eq)]
struct HostsLine {
    number: u32,
    address: std::net::IpAddr,
    /// Whether nothing else is in it: no further name, no comment.
    alone: bool,
}

/// The lines of `/etc/hosts` that are about a name. grep finds it in longer names and in comments, too.
fn hosts_lines(text: &str, name: &str) -> Vec<HostsLine> {
    let about = |line: &str| {
        let (number, line) = line.split_once(':')?;
        let mut words = line.split('#').next()?.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.find(|word| word.eq_ignore_ascii_case(name))?;
        Some(HostsLine { number: number.parse().ok()?, address, alone: line.split_whitespace().count() == 2 })
    };
    text.lines().filter_map(about).collect()
}

/// A line of `/etc/hosts` that has this one name only, and is where its address comes from, is written anew;
/// everything else is for a person.
fn correct_name(link: &Link<'_>, lines: &[HostsLine], found: &[std::net::IpAddr]) -> String {
    let (client, name, unit) = (link.client.name(), &link.source.address, &link.client.evidence.unit);
    let origin = lines.iter().find(|line| found.contains(&line.address));
    match (own_address(link), origin) {
        (Some(address), Some(HostsLine { number, alone: true, .. })) if lines.len() == 1 => format!(
            "on {client}: sed -i '{number}s/.*/{address} {name}/' /etc/hosts && systemctl restart {unit}; or correct the inventory, if that is wrong"
        ),
        _ => {
            let place = origin
                .map_or_else(|| "its DNS".to_owned(), |HostsLine { number, .. }| format!("/etc/hosts, line {number}"));
            format!(
                "a person has to decide; on {client}: correct `{name}` where it comes from ({place}), then systemctl restart {unit}"
            )
        }
    }
}

/// The IPv6 address of a name, which comes first and gives no time, and the IPv4 address that does.
fn both<'a>(link: &Link<'a>) -> Option<(&'a SourceReport, &'a str)> {
    let fits = |answer: &&&'a SourceReport, usable: bool, six: bool| {
        answer.usable() == usable && answer.address.as_deref().is_some_and(|address| address.contains(':') == six)
    };
    let dead = link.answers.iter().find(|answer| fits(answer, false, true)).copied()?;
    let alive = link.answers.iter().find(|answer| fits(answer, true, false))?.address.as_deref()?;
    let first = link.client.evidence.stands_for(&link.source.address);
    first.first().is_some_and(std::net::IpAddr::is_ipv6).then_some((dead, alive))
}

/// The address of the client that the server refuses, by its own list. An address that the server
/// does not have is answered by nobody.
fn refused_from(link: &Link<'_>, dead: &SourceReport) -> Option<std::net::IpAddr> {
    let address = dead.address.as_deref()?.parse().ok()?;
    let Some(Route::By { from: Some(from), .. }) = link.client.evidence.routes.get(&address) else { return None };
    let server = link.server?.evidence;
    server.addresses.iter().find(|(_, own)| *own == address)?;
    let allowed = server.lets_ask(*from) != Some(false);
    (!allowed || dead.kiss.is_some()).then_some(*from)
}

fn of_six(link: &Link<'_>, dead: &SourceReport, alive: &str) -> Seen {
    let address = dead.address.as_deref().unwrap_or_default();
    let seen = link.client.seen("probe", format!("{address}: {}; {alive}: ok", dead.outcome));
    named(link, seen).with("dead", address).with("alive", alive)
}

fn dead_six(link: &Link<'_>) -> Option<Seen> {
    let (dead, alive) = both(link)?;
    refused_from(link, dead).is_none().then(|| of_six(link, dead, alive))
}

fn refused_six(link: &Link<'_>) -> Option<Seen> {
    let (dead, alive) = both(link)?;
    let from = refused_from(link, dead)?;
    let server = link.server?;
    let mut seen = of_six(link, dead, alive);
    // It is put right there, and its service is the one that refuses.
    seen.values.retain(|(name, _)| !matches!(*name, "from" | "unit"));
    seen.evidence.push_str(&format!("; {} refuses {from}", server.name()));
    Some(seen.with("from", from.to_string()).with("unit", server.evidence.unit.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_another_host_is_not_about_the_name() {
        let lines = |text| hosts_lines(text, "m1").into_iter().map(|l| (l.number, l.alone)).collect::<Vec<_>>();
        assert_eq!(lines("2:10.0.0.9 m1.example.com\n3:10.0.0.9 m1-old\n4:# 10.0.0.9 m1\n5:10.0.0.9 web # m1"), []);
        assert_eq!(
            lines("2:10.0.0.9\tM1\n7:fd00::9 m1 # ours\n8:10.0.0.9 web m1"),
            [(2, true), (7, false), (8, false)]
        );
        assert_eq!(lines("2:m1 m1\n:10.0.0.9 m1\nm1"), []);
    }

    #[test]
    fn windows_is_told_nothing_of_the_shell_of_linux() {
        let words = add_name_windows("win1", "m1", "10.0.0.1".parse().ok());
        assert!(words.contains("drivers\\etc\\hosts (the line `10.0.0.1 m1`)"), "{words}");
        assert!(!words.contains("/etc/hosts") && !words.contains("systemctl"), "{words}");
        assert!(!add_name_windows("win1", "m1", None).contains("the line"));
    }
}
