//! Firewalls of both ends: firewalld by its zones, everything else by its rules.

use ipnet::IpNet;

use super::zones::{closed, element, not_permanent, not_running, overruled, wrong_source, wrong_zone};
use super::{Find, ROW, Rule, Severity};
use crate::doctor::link::Stopped;
use crate::doctor::{Link, Patient, Seen};
use crate::facts::Found;
use crate::firewall::advice::{Place, advice};
use crate::firewall::firewalld::Opening;
use crate::firewall::registry::AtBoot;
use crate::firewall::unread::Unread;
use crate::firewall::{ALL, ClientPort, LinuxFirewall, Packet, Sender, Verdict, walk};
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
        fix: "{mend}",
        configuration: true,
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
        cause: "{loader} of {host} is enabled, and what it loads at the next boot does not let {network} ask for time.",
        fix: "{remedy}",
        configuration: true,
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

/// What a firewall loads at boot and does not have now.
fn closed_at_boot(host: &Patient<'_>) -> Vec<Seen> {
    ALL.iter().filter_map(|firewall| closed_at_boot_by(host, *firewall)).take(1).collect()
}

fn closed_at_boot_by(host: &Patient<'_>, firewall: &dyn LinuxFirewall) -> Option<Seen> {
    let AtBoot { part, read, unit } = firewall.boot()?;
    let rules = read(host.evidence.text(part))?;
    let seen = |network: &IpNet| {
        let (device, to) = host.evidence.addresses.iter().find(|(_, own)| network.contains(own))?;
        let packet = Packet {
            inbound: true,
            answer: false,
            from: *network,
            to: IpNet::from(*to),
            device: Some(device),
            service: Opening::default(),
            port: ClientPort::Chosen,
            sender: Sender::Probe,
        };
        let Verdict::Stopped(stop) = walk::verdict(&rules, &packet, false) else { return None };
        if walk::verdict(&host.evidence.filter, &packet, false) != Verdict::Passes {
            return None;
        }
        let words = firewall.boot_advice(&host.evidence.filter, &stop, &packet);
        let is_ours = is_opened_by_apply(host, firewall.word());
        let text = format!("{}: {}; the rules that are loaded now do not", stop.place(), stop.words());
        let unit = format!("{}.service", unit(host.evidence.text(part), &stop));
        let seen = host.seen(part, text).beyond_apply(!is_ours).with("remedy", mend(host, firewall.word(), &words));
        Some(seen.with("loader", unit).with("network", network.to_string()))
    };
    host.spec.time.serve.iter().find_map(seen)
}

/// Whether `apply` opens this firewall on a host.
fn is_opened_by_apply(host: &Patient<'_>, word: &str) -> bool {
    match (host.spec.firewall, &host.evidence.facts) {
        (FirewallChoice::Auto, Found::Linux(facts)) => facts.firewall.as_str() == word,
        (FirewallChoice::Named(named), _) => named.as_str() == word,
        _ => false,
    }
}

/// What opens it: `apply`, where the firewall is the one that it opens, or the command.
fn mend(host: &Patient<'_>, word: &str, command: &str) -> String {
    let name = host.name();
    match is_opened_by_apply(host, word) {
        true => format!("fleetclock apply -l {name}, or on {name}: {command}"),
        false => format!("on {name}: {command}"),
    }
}

pub(super) fn stopped(link: &Link<'_>, on: &Patient<'_>, stopped: &Stopped<'_>) -> Seen {
    let Stopped { stop, packet } = stopped;
    let at_server = link.server.is_some_and(|server| server.name() == on.name());
    let element = element(on);
    let place = link.zone().filter(|_| at_server).map(|zone| Place { zone, element: &element });
    let advice = advice(&on.evidence.filter, stop, packet, place);
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
    let mend = mend(on, &advice.owner, &advice.words);
    link.name_both(seen)
        .with("at", on.name())
        .with("owner", advice.owner)
        .with("mend", mend)
        .with("remedy", advice.words)
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
    let look = look(&link.client);
    let mut remedy = look.to_owned();
    let mut text = format!("the kernel refuses to send questions to {} (EPERM)", link.source.address);
    if let Some((_, doubt)) = link.doubt().filter(|(name, _)| *name == link.client.name()) {
        text.push_str(&format!("; {} has a rule that is not understood here: {}", doubt.chain, doubt.rule));
        remedy = format!("see whether the rule `{}` of {} stops 123/udp; else {look}", doubt.rule, doubt.chain);
    }
    if let Some((_, what)) = link.unread().filter(|(name, _)| *name == link.client.name()) {
        text.push_str(&format!("; not judged: {what}"));
        if what != Unread::Filter {
            remedy = what.look("stops 123/udp", look);
        }
    }
    if link.peer().is_some_and(|peer| peer.answered(1)) {
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

/// Where a person finds what stops packets on their way out. A host without `nft` may have rules of nftables all the
/// same, where the kernel can.
fn look(host: &Patient<'_>) -> &'static str {
    let filter = &host.evidence.filter;
    match host.evidence.text("filter").starts_with('{') {
        _ if filter.without_nft && !filter.unread => LOOK_IPTABLES,
        true => LOOK,
        false => LOOK_WITHOUT,
    }
}

const LOOK: &str = "look at `nft list ruleset`, `iptables-legacy -S OUTPUT`, `ip xfrm policy` and the BPF programs of control groups (`systemctl show -p IPAddressDeny user.slice`, `bpftool cgroup tree`)";

const LOOK_IPTABLES: &str = "look at `iptables-save`, `ip xfrm policy` and the BPF programs of control groups (`systemctl show -p IPAddressDeny user.slice`, `bpftool cgroup tree`)";

const LOOK_WITHOUT: &str = "install the package nftables where `nft` is missing, then look at `nft list ruleset`, `iptables-legacy -S OUTPUT`, `ip xfrm policy` and the BPF programs of control groups (`systemctl show -p IPAddressDeny user.slice`, `bpftool cgroup tree`)";

fn answers_stopped(link: &Link<'_>) -> Option<Seen> {
    let stop = link.stop_at_client(true).filter(|_| link.is_silent() && !link.by_port())?;
    Some(stopped(link, &link.client, &stop))
}

fn filtered(link: &Link<'_>) -> Option<Seen> {
    let server = link.server.filter(|_| link.is_silent() && !link.by_port())?;
    let stop = link.stop_at_server().or_else(|| link.stop_of_answers())?;
    // What an owner writes anew, and what stops answers, is for a person.
    let seen = stopped(link, &server, &stop);
    let owner = seen.values.iter().find(|(name, _)| *name == "owner").map_or("", |(_, owner)| owner.as_str());
    let is_opened = !stop.packet.answer && is_opened_by_apply(&server, owner);
    Some(seen.beyond_apply(!is_opened))
}

/// Our own question is answered, that of the service has never been, and a rule tells the two apart.
fn service_alone(link: &Link<'_>) -> Option<Seen> {
    let deaf = link.works() && link.client.evidence.runs() && link.peer().is_some_and(|peer| peer.is_unheard());
    let stop = link.stop_of_service().filter(|_| deaf)?;
    Some(stopped(link, &link.client, &stop))
}
