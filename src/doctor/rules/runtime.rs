//! What was changed while the service ran, and stands in no file: a restart forgets it.

use std::net::IpAddr;

use super::{Find, ROW, Rule};
use crate::doctor::{Link, Patient, Seen};
use crate::provider::Peer;

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC033",
        title: "The service was changed while it ran",
        cause: "What `{unit}` on {at} does is not what {config} says: {what}.",
        fix: "on {at}: systemctl restart {unit} (its file is right, and is read again)",
        find: Find::Link(changed),
        ..ROW
    },
    Rule {
        code: "FC069",
        title: "The service follows a source that was added while it ran",
        cause: "`{unit}` on {at} follows {other}, which neither {config} nor the inventory names: somebody, or a hook of the network, has added it with chronyc.",
        fix: "on {at}: systemctl restart {unit} (its file does not name it); or name {other} in the inventory",
        find: Find::Host(added),
        ..ROW
    },
];

fn seen(at: &Patient<'_>, part: &str, evidence: String, what: &str) -> Seen {
    Seen { about: what.to_owned(), ..at.seen(part, evidence) }.with("at", at.name()).with("what", what)
}

fn changed(link: &Link<'_>) -> Option<Seen> {
    denied(link).or_else(|| deleted(link)).or_else(|| unwanted(link))
}

/// `chronyc deny`: the file lets the client ask, and the service does not.
fn denied(link: &Link<'_>) -> Option<Seen> {
    let (server, from) = (link.server.filter(|_| link.is_silent())?, link.from()?);
    let evidence = server.evidence;
    let file = evidence.service.and_then(|service| service.lets_ask(&evidence.config, from));
    let differs = evidence.access.get(&from) == Some(&false) && file == Some(true);
    if !differs || !evidence.takes_commands() || evidence.is_stale() {
        return None;
    }
    let mut seen = seen(
        &server,
        "access",
        format!("209 Access denied, and the file allows {from}; {} got: {}", link.client.name(), link.outcome()),
        &format!("it refuses {from}, which the file allows (`chronyc deny`)"),
    );
    seen.command = seen.command.replace("ADDRESS", &from.to_string());
    Some(link.name_both(seen))
}

/// `chronyc delete`: the file names a source that the service does not know.
fn deleted(link: &Link<'_>) -> Option<Seen> {
    let evidence = link.client.evidence;
    let gone = link.is_deaf() && link.peer().is_none() && evidence.config.source(&link.source.address).is_some();
    // The address of a name may have been another one when the service was started.
    if !gone || !evidence.takes_commands() || link.source.address.parse::<IpAddr>().is_err() {
        return None;
    }
    let what = format!("it does not ask {} any more (`chronyc delete`)", link.source.address);
    let text = format!("{} is in the file, and not among the sources", link.source.address);
    Some(link.name_both(seen(&link.client, "status", text, &what)))
}

/// `chronyc selectopts` or `chronyc maxdelay`: an option that the line of the source does not have.
fn unwanted(link: &Link<'_>) -> Option<Seen> {
    let evidence = link.client.evidence;
    let options = evidence.config.source(&link.source.address).filter(|_| link.is_unused())?;
    let written = |option: &str| options.iter().any(|word| word == option);
    let peer = link.peer()?;
    let choice = evidence.inside.choice(&peer.address)?;
    let watched = choice.state == 'N' && !written("noselect") && evidence.config.value("authselectmode").is_none();
    let packets = evidence.inside.packets.iter().find(|packets| packets.address == peer.address);
    let late = packets.filter(|p| p.received > 0 && p.good == 0 && p.tests.as_bytes().get(6) == Some(&b'0'));
    let what = if watched {
        "the source has the option noselect (`chronyc selectopts`)"
    } else if late.is_some() && !written("maxdelay") {
        "the source has a maxdelay that its answers exceed (`chronyc maxdelay`)"
    } else {
        return None;
    };
    let text = format!("{} is in state {}; its line in the file: {}", peer.address, choice.state, options.join(" "));
    Some(link.name_both(seen(&link.client, "selection", text, what)))
}

/// Returns whether a source of the service stands in none of its files. Where one of them names a
/// source by its name, or DHCP has a hand in it, that cannot be told.
pub(super) fn is_added(host: &Patient<'_>, peer: &Peer) -> bool {
    let evidence = host.evidence;
    let sources = evidence.config.sources();
    let by_address = sources.iter().all(|source| source.parse::<IpAddr>().is_ok());
    let names = |source: &&&str| source.parse::<IpAddr>().ok() == peer.address.parse::<IpAddr>().ok();
    by_address
        && evidence.takes_commands()
        && !evidence.is_stale()
        && evidence.text("dhcp").is_empty()
        && !sources.iter().any(|source| names(&source))
        && evidence.config.value("sourcedir").is_none()
}

/// `chronyc add`: the service follows a source that no file names.
fn added(host: &Patient<'_>) -> Vec<Seen> {
    let selected = super::service::strangers(host).into_iter().filter(|peer| is_added(host, peer));
    let of = |peer: &Peer| {
        let text = format!("{} is marked {}, and {} does not name it", peer.address, peer.mark, host.evidence.file);
        seen(host, "status", text, &peer.address).with("other", peer.address.as_str())
    };
    selected.map(of).collect()
}

/// `chronyc local off`: the file of an isolated master says `local`, and the service has no time.
pub(super) fn is_off(host: &Patient<'_>) -> bool {
    let evidence = host.evidence;
    let says = evidence.takes_commands() && evidence.config.value("local").is_some() && !evidence.is_stale();
    says && evidence.config.sources().is_empty() && evidence.runs() && evidence.talks && !evidence.follows()
}
