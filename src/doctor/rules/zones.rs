//! Zones of firewalld that do not let NTP in: what is found of them, and what opens them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::firewall::stopped;
use crate::doctor::{Link, Patient, Seen};
use crate::facts::Found;
use crate::firewall::firewalld::{Door, Firewalld, Opening, SERVICE};
use crate::firewall::precede::{Opened, Refusal};
use crate::inventory::spec::FirewallChoice;

/// What firewalld itself stops, in a zone that is open.
pub(super) fn overruled(link: &Link<'_>) -> Option<Seen> {
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
    let opened = Opened::new(&Opening::default(), element(&server), old);
    let from = link.from()?.into();
    let refusal = Refusal { kind, name: &name, words: &words, from, permanent: false, opened: &opened };
    let seen = shown(link, &server, zone, &format!("{kind} {name}: {words}"));
    Some(seen.beyond_apply(true).with("remedy", format!("{}, and the same with --permanent", refusal.remedy())))
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

/// What a rich rule of the host has to be about, as `apply` writes it: the administrator's `ntp` may have other ports.
pub(super) fn element(host: &Patient<'_>) -> String {
    host.evidence.firewalld.as_ref().map_or_else(|| SERVICE.to_owned(), Firewalld::element)
}

/// The command that opens a zone for an address or a network.
fn opening(host: &Patient<'_>, zone: &str, from: &str, permanent: bool) -> String {
    let family = if from.contains(':') { "ipv6" } else { "ipv4" };
    let rule = format!("rule family=\"{family}\" source address=\"{from}\" {} accept", element(host));
    let option = if permanent { "--permanent " } else { "" };
    format!("firewall-cmd {option}--zone={zone} --add-rich-rule='{rule}'")
}

/// The same, running and permanent.
fn both(host: &Patient<'_>, zone: &str, from: IpAddr) -> String {
    format!("{}, and the same with --permanent", opening(host, zone, &from.to_string(), false))
}

pub(super) fn wrong_source(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, door) = shut(link, |door| matches!(door, Door::OpenTo(_)))?;
    let Door::OpenTo(sources) = door else { return None };
    let open = sources.join(", ");
    let from = link.from()?;
    let seen = shown(link, &server, zone, &format!("zone {zone} accepts ntp from {open}"));
    let served = server.spec.time.serve.iter().any(|network| network.contains(&from));
    let beyond = seen.beyond || !served;
    let fix = match served {
        true => remedy(&server, &both(&server, zone, from)),
        false => format!("on {}: {}; or put {from} into `serve` of it", server.name(), both(&server, zone, from)),
    };
    Some(seen.beyond_apply(beyond).with("open", open).with("remedy", fix))
}

pub(super) fn not_running(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, _) = shut(link, Door::is_shut)?;
    let permanent = server.evidence.firewalld.as_ref()?.door(zone, IpNet::from(link.from()?), true)?;
    let text = format!("zone {zone} is open in the permanent configuration and closed in the running one");
    let reload = "firewall-cmd --reload (drops rules that are running only)";
    (permanent == Door::Open).then(|| shown(link, &server, zone, &text).with("remedy", remedy(&server, reload)))
}

pub(super) fn wrong_zone(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, _) = shut(link, Door::is_shut)?;
    let open = server.evidence.firewalld.as_ref()?.open_zones(link.from()?).join(", ");
    let text = format!("zone {zone} has no ntp, {open} has");
    let fix = remedy(&server, &both(&server, zone, link.from()?));
    (!open.is_empty()).then(|| shown(link, &server, zone, &text).with("open", open.as_str()).with("remedy", fix))
}

pub(super) fn closed(link: &Link<'_>) -> Option<Seen> {
    let (server, zone, _) = shut(link, |door| *door == Door::Closed)?;
    let text = format!("zone {zone} has neither the service ntp, nor 123/udp, nor a rule for it");
    let fix = remedy(&server, &both(&server, zone, link.from()?));
    Some(shown(link, &server, zone, &text).with("remedy", fix))
}

/// Networks that are served now, and will not be.
pub(super) fn not_permanent(host: &Patient<'_>) -> Vec<Seen> {
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
        let fix = remedy(host, &opening(host, zone, &network.to_string(), true));
        let seen = seen.beyond_apply(host.spec.firewall == FirewallChoice::None).with("remedy", fix);
        (shut && open_now(network)).then(|| seen.with("zone", zone).with("network", network.to_string()))
    };
    host.spec.time.serve.iter().flat_map(|network| firewalld.split(*network, true)).filter_map(seen).collect()
}
