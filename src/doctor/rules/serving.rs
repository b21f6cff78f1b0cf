//! Whether the server's service serves: it listens, it allows, it has time to give.

use super::{Find, ROW, Rule};
use crate::doctor::evidence::Listener;
use crate::doctor::{Link, Patient, Seen};
use crate::model::Kiss;
use crate::provider::Peer;

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC023",
        title: "The source has no time to give",
        cause: "{server} answers, and says that it is not synchronised itself.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(unsynchronised),
        ..ROW
    },
    Rule {
        code: "FC024",
        title: "The source limits the rate of questions",
        cause: "{server} has been asked more often from {from} than it allows.",
        fix: "ask less often (a greater `minpoll`), or raise `ratelimit` (chrony) or `discard` (ntpd) on {server}",
        find: Find::Link(limited),
        ..ROW
    },
    Rule {
        code: "FC025",
        title: "The source refuses this client",
        cause: "{server} has answered with a kiss of death that forbids {client} to ask.",
        fix: "ask who runs {server} to allow {from}, or name another source",
        find: Find::Link(forbidden),
        ..ROW
    },
    Rule {
        code: "FC021",
        title: "The server's NTP port is switched off",
        cause: "{config} of {server} says `port 0`: `{unit}` does not serve.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(port_off),
        ..ROW
    },
    Rule {
        code: "FC022",
        title: "The server listens on another address",
        cause: "`{unit}` on {server} takes questions at {bound} only, and {client} asks at {source}.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(bound),
        ..ROW
    },
    Rule {
        code: "FC020",
        title: "The server does not allow the client",
        cause: "`{unit}` on {server} serves nobody at {from}.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(not_allowed),
        ..ROW
    },
    Rule {
        code: "FC026",
        title: "The key of a source is missing",
        cause: "{client} asks {source} with key {key}, which is not in the key file of {missing}.",
        fix: "a person has to decide which key counts; on {missing}: put key {key} into the key file that {config} names, then systemctl restart {unit}",
        find: Find::Link(key_missing),
        ..ROW
    },
    Rule {
        code: "FC027",
        title: "The keys of client and source differ",
        cause: "Key {key} is not the same on {client} and on {server}, so each takes the other for a stranger.",
        fix: "a person has to decide which key counts: make key {key} the same in the key files of both, and restart both services",
        find: Find::Link(key_differs),
        ..ROW
    },
];

fn unsynchronised(link: &Link<'_>) -> Option<Seen> {
    if !link.is_unsynchronised() {
        return None;
    }
    let Some(server) = link.server else {
        let remedy = format!("ask who runs {}, or name another source", link.source.address);
        return Some(link.asked().with("remedy", remedy).beyond_apply(true));
    };
    let own = super::agreement::own_reason(&server);
    let off = super::runtime::is_off(&server);
    let remedy = match &own {
        Some(why) => format!("fleetclock apply -l {}: {why}", server.name()),
        None if off => format!(
            "on {}: systemctl restart {} (its file says `local`, which was switched off while it ran)",
            server.name(),
            server.evidence.unit
        ),
        None => format!("fleetclock doctor {}; without any outside time, say `isolated: true` for it", server.name()),
    };
    let detail = server.evidence.daemon.as_ref().map_or("", |daemon| &daemon.report.detail);
    Some(link.at(&server, "status", detail).with("remedy", remedy).beyond_apply(own.is_none()))
}

fn limited(link: &Link<'_>) -> Option<Seen> {
    if let Some(kiss) = link.answers.iter().find(|answer| answer.kiss == Some(Kiss::Rate)) {
        let text = format!("{} answered: kiss RATE", kiss.source);
        return Some(link.name_both(link.client.seen("probe", text)));
    }
    let (server, from) = (link.server.filter(|_| link.is_silent())?, link.from()?);
    let visitor = server.evidence.visitors.iter().find(|visitor| visitor.address == from && visitor.drops > 0)?;
    let limit = server.evidence.config.all("ratelimit").next().map(|words| words.join(" "));
    let text = format!("{} questions of {from} were dropped, `ratelimit {}`", visitor.drops, limit?);
    Some(link.at(&server, "clients", &text))
}

fn forbidden(link: &Link<'_>) -> Option<Seen> {
    let refusal = |kiss: &Kiss| matches!(kiss, Kiss::Deny | Kiss::Rstr);
    let (answer, kiss) = link.answers.iter().find_map(|answer| Some((answer, answer.kiss.filter(refusal)?)))?;
    let text = format!("{} answered: kiss {kiss}", answer.source);
    Some(link.name_both(link.client.seen("probe", text)))
}

/// The server, when nobody answers there and its configuration is the one that runs.
fn mute<'a>(link: &Link<'a>) -> Option<Patient<'a>> {
    link.server.filter(|server| link.is_silent() && server.evidence.runs() && !server.evidence.is_stale())
}

fn port_off(link: &Link<'_>) -> Option<Seen> {
    let server = mute(link).filter(|_| link.listener().is_none())?;
    let off = server.evidence.config.value("port") == Some("0");
    let (remedy, applies) = server.remedy("port 0");
    off.then(|| link.at(&server, "config", "port 0").with("remedy", remedy).beyond_apply(!applies))
}

/// It listens, but not where it is asked.
fn bound(link: &Link<'_>) -> Option<Seen> {
    let server = mute(link).filter(|_| link.listener().is_none())?;
    let config = &server.evidence.config;
    let line = ["bindaddress", "binddevice", "interface", "nic"].iter().find_map(|word| {
        let rest = config.all(word).next()?;
        Some(format!("{word} {}", rest.join(" ")))
    })?;
    let at = |listener: &Listener| match (&listener.address, &listener.device) {
        (None, Some(device)) => Some(format!("the interface {device}")),
        (address, _) => address.map(|at| at.to_string()),
    };
    let mut addresses: Vec<String> = server.evidence.listeners.iter().filter_map(at).collect();
    addresses.dedup();
    let at = if addresses.is_empty() { "no address".to_owned() } else { addresses.join(", ") };
    let seen = link.at(&server, "listeners", &format!("123/udp is open at {at}; {line}"));
    let (remedy, applies) = server.remedy(&line);
    Some(seen.with("bound", at).with("remedy", remedy).beyond_apply(!applies))
}

fn not_allowed(link: &Link<'_>) -> Option<Seen> {
    let (server, from) = (mute(link)?, link.from()?);
    let service = server.evidence.service?;
    let line = service.allowing(from)?;
    if let Some(why) = service.is_closed(&server.evidence.config).filter(|_| link.listener().is_none()) {
        let seen = link.at(&server, "listeners", &format!("nobody listens on 123/udp: {why}"));
        return Some(allowing(seen, &server, from, &line));
    }
    if link.access() != Some(false) {
        return None;
    }
    if service.tool().is_some_and(|tool| tool.says_access) {
        let mut seen = link.at(&server, "access", "209 Access denied");
        seen.command = seen.command.replace("ADDRESS", &from.to_string());
        return Some(allowing(seen, &server, from, &line));
    }
    let seen = link.at(&server, "config", &service.refusing(from));
    Some(allowing(seen, &server, from, &line))
}

/// `apply` writes what the inventory has the server serve; for others the inventory has to name them.
fn allowing(seen: Seen, server: &Patient<'_>, from: std::net::IpAddr, line: &str) -> Seen {
    let (name, evidence) = (server.name(), server.evidence);
    let by_hand = format!("on {name}: echo '{line}' >>{} && systemctl restart {}", evidence.file, evidence.unit);
    let served = server.spec.time.serve.iter().any(|network| network.contains(&from));
    let remedy = match served {
        true => format!("fleetclock apply -l {name}; or {by_hand}"),
        false => format!("{by_hand}; or put {from} into `serve` of it, then fleetclock apply -l {name}"),
    };
    seen.with("remedy", remedy).beyond_apply(!served)
}

/// The number of the key that the client uses for the source, when the service gets no time
/// from it though our own probe, which uses none, does.
fn key<'a>(link: &Link<'a>) -> Option<&'a str> {
    let quiet = link.works() && link.client.evidence.runs() && link.peer().is_none_or(Peer::is_unheard);
    let options = link.client.evidence.config.source(&link.source.address).filter(|_| quiet)?;
    let at = options.iter().position(|word| word == "key")?;
    options.get(at + 1).map(String::as_str)
}

fn key_missing(link: &Link<'_>) -> Option<Seen> {
    let key = key(link)?;
    let ends = [Some(link.client), link.server].into_iter().flatten();
    let missing = ends.into_iter().find(|end| !end.evidence.keys.contains_key(key))?;
    let seen = missing
        .seen("keys", format!("no key {key} there; {} asks {} with it", link.client.name(), link.source.address));
    Some(link.name_both(seen).with("key", key).with("missing", missing.name()))
}

fn key_differs(link: &Link<'_>) -> Option<Seen> {
    let key = key(link)?;
    let (here, there) = (link.client.evidence.keys.get(key)?, link.server?.evidence.keys.get(key)?);
    let text = format!("key {key} is another on {} than on {}", link.client.name(), link.server_name());
    (here != there).then(|| link.name_both(link.client.seen("keys", text)).with("key", key))
}
