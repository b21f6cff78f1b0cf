//! Firewalls of both ends: firewalld by its zones, everything else by its rules.

use std::net::IpAddr;

use super::{Find, ROW, Rule, Severity};
use crate::doctor::filter::{self, CHOSEN, Packet, Stop};
use crate::doctor::zones::Door;
use crate::doctor::{Link, Patient, Seen};

/// What stops packets on the client.
pub(super) const CLIENT: &[Rule] = &[
    Rule {
        code: "FC048",
        title: "A rule of iptables-legacy stops NTP",
        cause: "iptables-legacy of {at} has a rule that does not let NTP pass; `nft list ruleset` and firewalld do not show it.",
        fix: "on {at}: {remedy}; and the same where it comes from at boot (/etc/iptables, /etc/sysconfig/iptables, rc.local)",
        find: Find::Link(legacy),
        ..ROW
    },
    Rule {
        code: "FC044",
        title: "The client's own firewall stops its questions",
        cause: "A rule on {client} does not let NTP out.",
        fix: "on {client}: remove `{rule}` from {chain}, or let 123/udp to {source} out before it",
        find: Find::Link(questions_stopped),
        ..ROW
    },
    Rule {
        code: "FC045",
        title: "The client's own firewall stops the answers",
        cause: "A rule on {client} does not let the answers of {server} in.",
        fix: "on {client}: remove `{rule}` from {chain}, or let `ct state established` in before it",
        find: Find::Link(answers_stopped),
        ..ROW
    },
];

/// What stops packets on the server, and what will.
pub(super) const SERVER: &[Rule] = &[
    Rule {
        code: "FC043",
        title: "The firewall of the server is open for others only",
        cause: "firewalld zone `{zone}` of {server} lets {open} in, and {client} asks from {from}.",
        fix: "fleetclock apply -l {server} after {from} is in `serve`, or on {server}: firewall-cmd --zone={zone} --add-rich-rule='rule family=\"{family}\" source address=\"{from}\" service name=\"ntp\" accept', and the same with --permanent",
        configuration: true,
        find: Find::Link(wrong_source),
        ..ROW
    },
    Rule {
        code: "FC047",
        title: "The opening of the firewall is permanent but not running",
        cause: "firewalld zone `{zone}` of {server} will let NTP in after its next start, and does not now.",
        fix: "on {server}: firewall-cmd --reload (drops rules that are running only), or fleetclock apply -l {server}",
        configuration: true,
        find: Find::Link(not_running),
        ..ROW
    },
    Rule {
        code: "FC042",
        title: "The firewall of the server is open in the wrong zone",
        cause: "firewalld of {server} lets NTP in in zone `{open}`, and the packets of {client} are in zone `{zone}`.",
        fix: "on {server}: firewall-cmd --zone={zone} --add-service=ntp, and the same with --permanent; or fleetclock apply -l {server}",
        configuration: true,
        find: Find::Link(wrong_zone),
        ..ROW
    },
    Rule {
        code: "FC040",
        title: "The firewall of the server is closed",
        cause: "firewalld zone `{zone}` of {server} does not let NTP in.",
        fix: "fleetclock apply -l {server}, or on {server}: firewall-cmd --zone={zone} --add-service=ntp, and the same with --permanent",
        configuration: true,
        find: Find::Link(closed),
        ..ROW
    },
    Rule {
        code: "FC046",
        title: "A packet filter of the server stops NTP",
        cause: "A rule on {server} beside firewalld does not let NTP pass.",
        fix: "on {server}: remove `{rule}` from {chain}, or let 123/udp pass before it",
        find: Find::Link(filtered),
        ..ROW
    },
    Rule {
        code: "FC049",
        severity: Severity::Warning,
        title: "The packet filter that is loaded at boot stops NTP",
        cause: "nftables.service of {host} is enabled, and what it loads at the next boot does not let {network} ask for time.",
        fix: "on {host}: let 123/udp pass before `{rule}` of {chain} in /etc/nftables.conf",
        find: Find::Host(closed_at_boot),
        ..ROW
    },
    Rule {
        code: "FC041",
        severity: Severity::Warning,
        title: "The opening of the firewall does not survive a restart",
        cause: "firewalld zone `{zone}` of {host} lets NTP in from {network} now, and will not after its next start.",
        fix: "fleetclock apply -l {host}, or on {host}: firewall-cmd --permanent --zone={zone} --add-service=ntp",
        configuration: true,
        find: Find::Host(not_permanent),
        ..ROW
    },
];

/// What nftables loads at boot and does not have now.
fn closed_at_boot(host: &Patient<'_>) -> Vec<Seen> {
    let chains = filter::read(host.evidence.text("boot-filter"));
    let seen = |network: &ipnet::IpNet| {
        let from: IpAddr = network.hosts().next().unwrap_or(network.addr());
        let (device, to) = host.evidence.addresses.iter().find(|(_, own)| network.contains(own))?;
        let packet = Packet { inbound: true, answer: false, from, to: *to, device: Some(device), port: CHOSEN };
        let stop = filter::stop(&chains, &packet).filter(|_| filter::stop(&host.evidence.filter, &packet).is_none())?;
        let text = format!("{}: {}; the rules that are loaded now do not", stop.chain, stop.rule);
        let seen = host.seen("boot-filter", text).with("rule", stop.rule).with("chain", stop.chain);
        Some(seen.with("network", network.to_string()))
    };
    host.spec.time.serve.iter().filter_map(seen).take(1).collect()
}

fn stopped(link: &Link<'_>, on: &Patient<'_>, stop: &Stop) -> Seen {
    let text = format!("{}: {}; questions to {}: {}", stop.chain, stop.rule, link.source.address, link.outcome());
    let seen = Seen { about: format!("{} {}", stop.chain, stop.rule), ..on.seen("filter", text) };
    link.name_both(seen).with("rule", stop.rule.as_str()).with("chain", stop.chain.as_str())
}

fn questions_stopped(link: &Link<'_>) -> Option<Seen> {
    let stop = link.stop_at_client(false).filter(|_| !link.works() && !link.by_port())?;
    Some(stopped(link, &link.client, &stop))
}

fn answers_stopped(link: &Link<'_>) -> Option<Seen> {
    let stop = link.stop_at_client(true).filter(|_| link.is_silent() && !link.by_port())?;
    Some(stopped(link, &link.client, &stop))
}

/// Where iptables-legacy stops questions or answers, on either end.
fn legacy(link: &Link<'_>) -> Option<Seen> {
    if !link.is_silent() || link.by_port() {
        return None;
    }
    let at_client = || link.stop_at_client(false).or_else(|| link.stop_at_client(true)).zip(Some(link.client));
    let at_server = || link.stop_at_server().or_else(|| link.stop_of_answers()).zip(link.server);
    let (stop, end) = at_client().or_else(at_server).filter(|(stop, _)| stop.legacy)?;
    let program = if link.address()?.is_ipv4() { "iptables-legacy" } else { "ip6tables-legacy" };
    let remedy = match stop.rule.strip_prefix("-A ") {
        Some(rule) => format!("{program} -D {rule}"),
        None => format!("let 123/udp pass with {program} before the policy of {} decides", stop.chain),
    };
    let seen = stopped(link, &end, &stop);
    Some(Seen { command: end.evidence.shown("legacy"), ..seen }.with("at", end.name()).with("remedy", remedy))
}

fn filtered(link: &Link<'_>) -> Option<Seen> {
    let server = link.server.filter(|_| link.is_silent() && !link.by_port())?;
    let stop = link.stop_at_server().or_else(|| link.stop_of_answers())?;
    Some(stopped(link, &server, &stop))
}

/// The zone that does not let the client in, as it is seen there.
fn shut<'a>(link: &Link<'a>, holds: impl Fn(&Door) -> bool) -> Option<(Patient<'a>, &'a str, Door)> {
    let server = link.server.filter(|_| link.is_silent())?;
    let (zone, door) = link.door().filter(|(_, door)| holds(door))?;
    Some((server, zone, door))
}

fn shown(link: &Link<'_>, server: &Patient<'_>, zone: &str, text: &str) -> Seen {
    let mut seen = link.at(server, "firewalld", text).with("zone", zone);
    seen.command = format!("firewall-cmd --zone={zone} --list-all");
    seen.about.clone_from(&seen.command);
    seen.excluding(link.excluded())
}

fn wrong_source(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, door) = shut(link, |door| matches!(door, Door::OpenTo(_)))?;
    let Door::OpenTo(sources) = door else { return None };
    let open = sources.join(", ");
    let family = if link.from()?.is_ipv4() { "ipv4" } else { "ipv6" };
    let from = link.from()?;
    let seen = shown(link, &server, zone, &format!("zone {zone} accepts ntp from {open}"));
    let seen = seen.beyond_apply(!server.spec.time.serve.iter().any(|network| network.contains(&from)));
    Some(seen.with("open", open).with("family", family))
}

fn not_running(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, _) = shut(link, |door| *door != Door::Open)?;
    let permanent = server.evidence.firewalld.as_ref()?.permanent.get(zone)?.door(link.from()?);
    let text = format!("zone {zone} is open in the permanent configuration and closed in the running one");
    (permanent == Door::Open).then(|| shown(link, &server, zone, &text))
}

fn wrong_zone(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, _) = shut(link, |door| *door != Door::Open)?;
    let open = server.evidence.firewalld.as_ref()?.open_zones(link.from()?).join(", ");
    let text = format!("zone {zone} has no ntp, {open} has");
    (!open.is_empty()).then(|| shown(link, &server, zone, &text).with("open", open.as_str()))
}

fn closed(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, _) = shut(link, |door| *door == Door::Closed)?;
    Some(shown(
        link,
        &server,
        zone,
        &format!("zone {zone} has neither the service ntp, nor 123/udp, nor a rule for it"),
    ))
}

/// Networks that are served now, and will not be.
fn not_permanent(host: &Patient<'_>) -> Vec<Seen> {
    let Some(firewalld) = &host.evidence.firewalld else { return Vec::new() };
    let seen = |network: &ipnet::IpNet| {
        let from: IpAddr = network.hosts().next().unwrap_or(network.addr());
        let own = host.evidence.addresses.iter().find(|(_, own)| network.contains(own));
        let zone = firewalld.zone(from, own.map(|(device, _)| device.as_str()));
        let open = firewalld.running.get(zone)?.door(from) == Door::Open;
        let stays = firewalld.permanent.get(zone)?.door(from) == Door::Open;
        let mut seen =
            host.seen("firewalld", format!("zone {zone} is open for {network} in the running configuration only"));
        seen.command = format!("firewall-cmd --permanent --zone={zone} --list-all");
        (open && !stays).then(|| seen.with("zone", zone).with("network", network.to_string()))
    };
    host.spec.time.serve.iter().filter_map(seen).collect()
}
