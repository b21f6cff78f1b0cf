//! Firewalls of both ends: firewalld by its zones, everything else by its rules.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Find, ROW, Rule, Severity};
use crate::doctor::link::Stopped;
use crate::doctor::{Link, Patient, Seen};
use crate::facts::Found;
use crate::firewall::advice::advice;
use crate::firewall::firewalld::{Door, Opening};
use crate::firewall::precede::{Opened, Refusal};
use crate::firewall::{ClientPort, Packet, Sender, Verdict, nft, walk};
use crate::inventory::spec::FirewallChoice;

/// What stops packets on the client.
pub(super) const CLIENT: &[Rule] = &[
    Rule {
        code: "FC036",
        title: "firewalld is in panic mode",
        cause: "firewalld of {at} is in panic mode: it drops every packet, in and out, until somebody ends it.",
        fix: "on {at}, when the reason is gone for which somebody has run `firewall-cmd --panic-on`: firewall-cmd --panic-off",
        find: Find::Link(panic_mode),
        ..ROW
    },
    Rule {
        code: "FC035",
        title: "A rule sends the questions elsewhere",
        cause: "A rule of {owner} on {at} gives the questions of {client} another destination than {source}.",
        fix: "on {at}: {remedy}",
        find: Find::Link(diverted),
        ..ROW
    },
    Rule {
        code: "FC048",
        title: "A rule of iptables-legacy stops NTP",
        cause: "iptables-legacy of {at} has a rule that does not let NTP pass; `nft list ruleset` and firewalld do not show it.",
        fix: "on {at}: {remedy}",
        find: Find::Link(legacy),
        ..ROW
    },
    Rule {
        code: "FC044",
        title: "The client's own firewall stops its questions",
        cause: "A rule of {owner} on {client} does not let NTP out.",
        fix: "on {client}: {remedy}",
        find: Find::Link(questions_stopped),
        ..ROW
    },
    Rule {
        code: "FC045",
        title: "The client's own firewall stops the answers",
        cause: "A rule of {owner} on {client} does not let the answers of {server} in.",
        fix: "on {client}: {remedy}",
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
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(wrong_source),
        ..ROW
    },
    Rule {
        code: "FC047",
        title: "The opening of the firewall is permanent but not running",
        cause: "firewalld zone `{zone}` of {server} will let NTP in after its next start, and does not now.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(not_running),
        ..ROW
    },
    Rule {
        code: "FC042",
        title: "The firewall of the server is open in the wrong zone",
        cause: "firewalld of {server} lets NTP in in zone `{open}`, and the packets of {client} are in zone `{zone}`.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(wrong_zone),
        ..ROW
    },
    Rule {
        code: "FC040",
        title: "The firewall of the server is closed",
        cause: "firewalld zone `{zone}` of {server} does not let NTP in.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(closed),
        ..ROW
    },
    Rule {
        code: "FC034",
        title: "A rule of firewalld comes before the zone that lets NTP in",
        cause: "firewalld of {server} lets NTP in in zone `{zone}`, and a policy or a rule that refuses comes first.",
        fix: "on {server}: {remedy}",
        find: Find::Link(overruled),
        ..ROW
    },
    Rule {
        code: "FC046",
        title: "A packet filter of the server stops NTP",
        cause: "A rule of {owner} on {server} does not let NTP pass.",
        fix: "on {server}: {remedy}",
        find: Find::Link(filtered),
        ..ROW
    },
    Rule {
        code: "FC059",
        title: "A rule stops the time service and nobody else",
        cause: "A rule of {owner} on {client} stops what `{unit}` sends to {server}; the same question of another program is answered.",
        fix: "on {client}: {remedy}",
        find: Find::Link(service_alone),
        ..ROW
    },
    Rule {
        code: "FC049",
        severity: Severity::Warning,
        title: "The packet filter that is loaded at boot stops NTP",
        cause: "nftables.service of {host} is enabled, and what it loads at the next boot does not let {network} ask for time.",
        fix: "on {host}: printf '\\n%s\\n' 'insert rule {chain} {rule}' >>{file} && nft -c -f {file} (what is loaded last stands first in its chain)",
        find: Find::Host(closed_at_boot),
        ..ROW
    },
    Rule {
        code: "FC041",
        severity: Severity::Warning,
        title: "The opening of the firewall does not survive a restart",
        cause: "firewalld zone `{zone}` of {host} lets NTP in from {network} now, and will not after its next start.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Host(not_permanent),
        ..ROW
    },
];

/// What nftables loads at boot and does not have now.
fn closed_at_boot(host: &Patient<'_>) -> Vec<Seen> {
    let rules = nft::read(host.evidence.text("boot-filter"));
    let file = host.evidence.filter.boot_file().unwrap_or("/etc/nftables.conf");
    let seen = |network: &IpNet| {
        let (device, to) = host.evidence.addresses.iter().find(|(_, own)| network.contains(own))?;
        let packet = Packet {
            inbound: true,
            answer: false,
            from: *network,
            to: IpNet::from(*to),
            device: Some(device),
            port: ClientPort::Chosen,
            sender: Sender::Probe,
        };
        let Verdict::Stopped(stop) = walk::verdict(&rules, &packet, false) else { return None };
        if walk::verdict(&host.evidence.filter, &packet, false) != Verdict::Passes {
            return None;
        }
        let text = format!("{}: {}; the rules that are loaded now do not", stop.place(), stop.words());
        let family = if network.addr().is_ipv4() { "ip" } else { "ip6" };
        let rule = format!("{family} saddr {network} udp dport 123 accept");
        let seen = Seen { command: format!("cat {file}"), ..host.seen("boot-filter", text) };
        let seen = seen.with("rule", rule).with("chain", stop.base.full()).with("file", file);
        Some(seen.with("network", network.to_string()))
    };
    host.spec.time.serve.iter().filter_map(seen).take(1).collect()
}

fn stopped(link: &Link<'_>, on: &Patient<'_>, stopped: &Stopped<'_>) -> Seen {
    let Stopped { stop, packet } = stopped;
    let at_server = link.server.is_some_and(|server| server.name() == on.name());
    let zone = link.zone().filter(|_| at_server);
    let advice = advice(&on.evidence.filter, stop, packet, zone);
    let counted = stop.packets.map_or_else(String::new, |packets| format!(", which has counted {packets} packets"));
    let text = format!(
        "{}: {}{counted}; questions to {}: {}",
        stop.place(),
        stop.words(),
        link.source.address,
        link.outcome()
    );
    let part = if stop.is_legacy() { "legacy" } else { "filter" };
    let seen = Seen { about: format!("{} {}", stop.place(), stop.words()), ..on.seen(part, text) };
    link.name_both(seen).with("at", on.name()).with("owner", advice.owner).with("remedy", advice.words)
}

/// Whoever stops questions or answers, on either end; the client's end comes first.
fn first_stop<'a>(link: &Link<'a>) -> Option<(Stopped<'a>, Patient<'a>)> {
    if !link.is_silent() || link.by_port() {
        return None;
    }
    let at_client = || link.stop_at_client(false).or_else(|| link.stop_at_client(true)).zip(Some(link.client));
    let at_server = || link.stop_at_server().or_else(|| link.stop_of_answers()).zip(link.server);
    at_client().or_else(at_server)
}

fn panic_mode(link: &Link<'_>) -> Option<Seen> {
    let is_in = |host: &Patient<'_>| host.evidence.firewalld.as_ref().is_some_and(|firewalld| firewalld.panic);
    let host = link.server.filter(|server| is_in(server)).or_else(|| Some(link.client).filter(is_in))?;
    let text = format!("queryPanicMode of firewalld says yes; {} answers: {}", link.source.address, link.outcome());
    let (command, about) = ("firewall-cmd --query-panic".to_owned(), "panic mode".to_owned());
    let seen = link.name_both(Seen { command, about, ..host.seen("firewalld", text) });
    (!link.works()).then(|| seen.with("at", host.name()))
}

fn diverted(link: &Link<'_>) -> Option<Seen> {
    let (stop, end) = first_stop(link).filter(|(stop, _)| stop.stop.diverts)?;
    Some(stopped(link, &end, &stop))
}

fn legacy(link: &Link<'_>) -> Option<Seen> {
    let (stop, end) = first_stop(link).filter(|(stop, _)| stop.stop.is_legacy())?;
    Some(stopped(link, &end, &stop))
}

fn questions_stopped(link: &Link<'_>) -> Option<Seen> {
    match link.stop_at_client(false).filter(|_| !link.works() && !link.by_port()) {
        Some(stop) => Some(stopped(link, &link.client, &stop)),
        None => refused(link),
    }
}

/// The kernel of the client has said that it does not send the question (EPERM says not who refuses), and none of
/// the rules that were understood does that.
fn refused(link: &Link<'_>) -> Option<Seen> {
    // That ntpd was answered from 123 is how it was at its last poll, and nobody between the hosts says EPERM.
    if !link.is_filtered() || link.by_port() {
        return None;
    }
    if link.client.evidence.windows().is_some() {
        let text = format!("Windows refuses to send questions to {} (WSAEACCES)", link.source.address);
        let seen = link.name_both(link.client.seen("probe", text));
        return Some(seen.with("owner", "the Windows firewall, or of another filter,").with("remedy", LOOK_WINDOWS));
    }
    let mut remedy = LOOK.to_owned();
    let mut text = format!("the kernel refuses to send questions to {} (EPERM)", link.source.address);
    if let Some((_, doubt)) = link.doubt().filter(|(name, _)| *name == link.client.name()) {
        text.push_str(&format!("; {} has a rule that is not understood here: {}", doubt.chain, doubt.rule));
        remedy = format!("see whether the rule `{}` of {} stops 123/udp; else {LOOK}", doubt.rule, doubt.chain);
    }
    if let Some((_, what)) = link.unread().filter(|(name, _)| *name == link.client.name()) {
        text.push_str(&format!("; not judged: {what}"));
        remedy = format!("see whether {what} stops 123/udp; else {LOOK}");
    }
    if link.peer().is_some_and(|peer| peer.reach & 1 != 0) {
        text.push_str(&format!(
            "; {} was answered at its last poll, so what refuses may tell programs apart: the control group of our login, or its user",
            link.client.evidence.unit
        ));
    }
    let seen = Seen { about: "refused".to_owned(), ..link.client.seen("filter", text) };
    Some(link.name_both(seen).with("owner", OTHERS).with("remedy", remedy).perhaps(true))
}

const LOOK_WINDOWS: &str = "look at `netsh advfirewall firewall show rule name=all dir=out` and `netsh advfirewall show allprofiles` (`BlockOutbound`)";

/// Who makes the kernel say EPERM, where no rule that is known does.
const OTHERS: &str =
    "the packet filter, a BPF program of a control group (`IPAddressDeny=` of a slice) or a policy of IPsec";

/// Where a person finds what stops packets on their way out.
const LOOK: &str = "look at `nft list ruleset`, `iptables-legacy -S OUTPUT`, `ip xfrm policy` and the BPF programs of control groups (`systemctl show -p IPAddressDeny user.slice`, `bpftool cgroup tree`)";

fn answers_stopped(link: &Link<'_>) -> Option<Seen> {
    let stop = link.stop_at_client(true).filter(|_| link.is_silent() && !link.by_port())?;
    Some(stopped(link, &link.client, &stop))
}

/// What firewalld itself stops, in a zone that is open.
fn overruled(link: &Link<'_>) -> Option<Seen> {
    let server = link.server.filter(|_| link.is_silent() && !link.by_port())?;
    let zone = link.zone().unwrap_or("?");
    if let Some(stop) = link.stop_at_server().or_else(|| link.stop_of_answers()) {
        let of_firewalld = server.evidence.filter.is_of_firewalld(&stop.stop.base);
        return of_firewalld.then(|| stopped(link, &server, &stop).with("zone", zone));
    }
    // What hangs on a hardware address is no stop for those who read the rules, and the settings know it.
    let (zone, door) = link.door().filter(|_| !link.firewalld_lets_in())?;
    let Door::Refused { policy, words } = door else { return None };
    let (kind, name) = policy.map_or(("zone", zone.to_owned()), |policy| ("policy", policy));
    let old = matches!(&server.evidence.facts, Found::Linux(facts) if facts.lacks.contains(&"rich_priority"));
    let opened = Opened::new(&Opening::default(), "service name=\"ntp\"".to_owned(), old);
    let from = link.from()?.into();
    let refusal = Refusal { kind, name: &name, words: &words, from, permanent: false, opened: &opened };
    let seen = shown(link, &server, zone, &format!("{kind} {name}: {words}"));
    Some(seen.beyond_apply(true).with("remedy", format!("{}, and the same with --permanent", refusal.remedy())))
}

fn filtered(link: &Link<'_>) -> Option<Seen> {
    let server = link.server.filter(|_| link.is_silent() && !link.by_port())?;
    let stop = link.stop_at_server().or_else(|| link.stop_of_answers())?;
    Some(stopped(link, &server, &stop))
}

/// Our own question is answered, that of the service has never been, and a rule tells the two apart.
fn service_alone(link: &Link<'_>) -> Option<Seen> {
    let deaf = link.works() && link.client.evidence.runs() && link.peer().is_some_and(|peer| peer.reach == 0);
    let stop = link.stop_of_service().filter(|_| deaf)?;
    Some(stopped(link, &link.client, &stop))
}

/// The zone that does not let the client in, as it is seen there.
fn shut<'a>(link: &Link<'a>, holds: impl Fn(&Door) -> bool) -> Option<(Patient<'a>, &'a str, Door)> {
    // What the rules themselves let pass is open, whatever the settings of the zone say.
    let server = link.server.filter(|_| link.is_silent() && !link.firewalld_lets_in())?;
    let (zone, door) = link.door().filter(|(_, door)| holds(door))?;
    Some((server, zone, door))
}

fn shown(link: &Link<'_>, server: &Patient<'_>, zone: &str, text: &str) -> Seen {
    let mut seen = link.at(server, "firewalld", text).with("zone", zone);
    seen.command = format!("firewall-cmd --zone={zone} --list-all");
    seen.about.clone_from(&seen.command);
    let hands_off = server.spec.firewall == FirewallChoice::None;
    seen.excluding(link.excluded()).beyond_apply(hands_off)
}

/// What opens a zone: `apply`, where the inventory lets it, or the command.
fn remedy(host: &Patient<'_>, command: &str) -> String {
    let name = host.name();
    match host.spec.firewall {
        FirewallChoice::None => format!("on {name}: {command} (`firewall: none` keeps fleetclock from it)"),
        _ => format!("fleetclock apply -l {name}, or on {name}: {command}"),
    }
}

/// The command that opens a zone for an address or a network.
fn opening(zone: &str, from: &str, permanent: bool) -> String {
    let family = if from.contains(':') { "ipv6" } else { "ipv4" };
    let rule = format!("rule family=\"{family}\" source address=\"{from}\" service name=\"ntp\" accept");
    let option = if permanent { "--permanent " } else { "" };
    format!("firewall-cmd {option}--zone={zone} --add-rich-rule='{rule}'")
}

/// The same, running and permanent.
fn both(zone: &str, from: IpAddr) -> String {
    format!("{}, and the same with --permanent", opening(zone, &from.to_string(), false))
}

fn wrong_source(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, door) = shut(link, |door| matches!(door, Door::OpenTo(_)))?;
    let Door::OpenTo(sources) = door else { return None };
    let open = sources.join(", ");
    let from = link.from()?;
    let seen = shown(link, &server, zone, &format!("zone {zone} accepts ntp from {open}"));
    let served = server.spec.time.serve.iter().any(|network| network.contains(&from));
    let beyond = seen.beyond || !served;
    let fix = match served {
        true => remedy(&server, &both(zone, from)),
        false => format!("on {}: {}; or put {from} into `serve` of it", server.name(), both(zone, from)),
    };
    Some(seen.beyond_apply(beyond).with("open", open).with("remedy", fix))
}

fn not_running(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, _) = shut(link, Door::is_shut)?;
    let permanent = server.evidence.firewalld.as_ref()?.door(zone, IpNet::from(link.from()?), true)?;
    let text = format!("zone {zone} is open in the permanent configuration and closed in the running one");
    let reload = "firewall-cmd --reload (drops rules that are running only)";
    (permanent == Door::Open).then(|| shown(link, &server, zone, &text).with("remedy", remedy(&server, reload)))
}

fn wrong_zone(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, _) = shut(link, Door::is_shut)?;
    let open = server.evidence.firewalld.as_ref()?.open_zones(link.from()?).join(", ");
    let text = format!("zone {zone} has no ntp, {open} has");
    let fix = remedy(&server, &both(zone, link.from()?));
    (!open.is_empty()).then(|| shown(link, &server, zone, &text).with("open", open.as_str()).with("remedy", fix))
}

fn closed(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, _) = shut(link, |door| *door == Door::Closed)?;
    let text = format!("zone {zone} has neither the service ntp, nor 123/udp, nor a rule for it");
    let fix = remedy(&server, &both(zone, link.from()?));
    Some(shown(link, &server, zone, &text).with("remedy", fix))
}

/// Networks that are served now, and will not be.
fn not_permanent(host: &Patient<'_>) -> Vec<Seen> {
    let Some(firewalld) = &host.evidence.firewalld else { return Vec::new() };
    let open_now = |network: IpNet| {
        let mut parts = firewalld.split(network, false).into_iter();
        parts.all(|(part, zone)| firewalld.door(zone, part, false) == Some(Door::Open))
    };
    let seen = |(network, zone): (IpNet, &str)| {
        let shut = firewalld.door(zone, network, true).is_some_and(|door| door.is_shut());
        let mut seen =
            host.seen("firewalld", format!("zone {zone} is open for {network} in the running configuration only"));
        seen.command = format!("firewall-cmd --permanent --zone={zone} --list-all");
        let fix = remedy(host, &opening(zone, &network.to_string(), true));
        let seen = seen.beyond_apply(host.spec.firewall == FirewallChoice::None).with("remedy", fix);
        (shut && open_now(network)).then(|| seen.with("zone", zone).with("network", network.to_string()))
    };
    host.spec.time.serve.iter().flat_map(|network| firewalld.split(*network, true)).filter_map(seen).collect()
}
