//! Sources that answer our own probe, and that the service does not hear, or does not take: by its
//! own words, and by the line of its file that says so.

use super::{Find, ROW, Rule};
use crate::doctor::{Link, Patient, Seen};
use crate::provider::diagnosis::{Choice, Heard, Packets};

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC032",
        title: "The service has been told to leave its sources alone",
        cause: "`{unit}` on {client} takes {source} for offline and does not ask it: {line}.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(offline),
        ..ROW
    },
    Rule {
        code: "FC083",
        title: "The service asks in a way that gets no answer",
        cause: "`{unit}` on {client} asks {source} {way}, and gets no answer there; asked the usual way, {source} answers.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(otherwise),
        ..ROW
    },
    Rule {
        code: "FC084",
        title: "The service refuses the answers of its source",
        cause: "`{line}` in {config} of {client} makes `{unit}` throw away what {source} answers.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(refuses),
        ..ROW
    },
    Rule {
        code: "FC085",
        title: "The source cannot prove itself by NTS",
        cause: "`{unit}` on {client} asks {source} for the keys of NTS (4460/tcp) and gets none: {why}.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(unproven),
        ..ROW
    },
    Rule {
        code: "FC095",
        title: "The key of a source is not trusted",
        cause: "`{line}` in {config} of {client} asks with key {key}, and no `trustedkey` names it.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(untrusted),
        ..ROW
    },
    Rule {
        code: "FC081",
        title: "An option of the source keeps it from being followed",
        cause: "`{unit}` on {client} hears {source} and does not use it ({reason}): `{line}`.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(option),
        ..ROW
    },
    Rule {
        code: "FC082",
        title: "A setting of the service keeps it from following",
        cause: "`{unit}` on {client} hears {source} and does not follow it ({reason}): `{line}` in {config}.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Link(setting),
        ..ROW
    },
];

/// Something that a line of the client's file does, with what puts it right.
fn by_line(link: &Link<'_>, part: &str, evidence: String, line: &str) -> Seen {
    let (remedy, applies) = link.client.remedy(line);
    let seen = Seen { about: line.to_owned(), ..link.client.seen(part, evidence) };
    link.name_both(seen).with("line", line).with("remedy", remedy).beyond_apply(!applies)
}

/// Something that nobody has written down: it was done while the service ran.
fn by_hand(link: &Link<'_>, part: &str, evidence: String, words: &str, command: &str) -> Seen {
    let remedy = format!("on {}: {command}", link.client.name());
    link.name_both(link.client.seen(part, evidence)).with("line", words).with("remedy", remedy).beyond_apply(true)
}

/// A restart reads the file again, which is right.
fn restart(link: &Link<'_>) -> String {
    format!("systemctl restart {}", link.client.evidence.unit)
}

fn source_line(link: &Link<'_>) -> Option<String> {
    link.client.evidence.config.source_line(&link.source.address)
}

fn has_option(link: &Link<'_>, option: &str) -> bool {
    link.client.evidence.config.source(&link.source.address).is_some_and(|all| all.iter().any(|word| word == option))
}

/// The word after an option of the source.
fn option_value<'a>(link: &Link<'a>, option: &str) -> Option<&'a str> {
    let options = link.client.evidence.config.source(&link.source.address)?;
    let at = options.iter().position(|word| word == option)?;
    options.get(at + 1).map(String::as_str)
}

fn packets<'a>(link: &Link<'a>) -> Option<&'a Packets> {
    let peer = link.peer()?;
    link.client.evidence.inside.packets.iter().find(|packets| packets.address == peer.address)
}

fn choice<'a>(link: &Link<'a>) -> Option<&'a Choice> {
    link.client.evidence.inside.choice(&link.peer()?.address)
}

fn offline(link: &Link<'_>) -> Option<Seen> {
    let evidence = link.client.evidence;
    let told = evidence.inside.offline;
    if !link.is_deaf() || told == 0 {
        return None;
    }
    let silent = evidence.peers.iter().filter(|peer| peer.is_unheard()).count();
    let text = format!("{told} of {} sources are offline", evidence.peers.len());
    let seen = match source_line(link).filter(|_| has_option(link, "offline")) {
        Some(line) => by_line(link, "online", text, &line),
        None => {
            let words = "somebody, or a hook of the network, has run `chronyc offline`";
            by_hand(link, "online", text, words, "chronyc online")
        }
    };
    Some(seen.perhaps(usize::try_from(told) != Ok(silent)))
}

/// At another port, or from an address or interface that leads nowhere.
fn otherwise(link: &Link<'_>) -> Option<Seen> {
    if !link.is_deaf() {
        return None;
    }
    let port = packets(link).filter(|packets| packets.port != 123);
    if let Some(packets) = port {
        let text =
            format!("{}: port {}, {} sent, {} received", packets.address, packets.port, packets.sent, packets.received);
        let way = format!("at port {}", packets.port);
        let line = source_line(link).filter(|_| has_option(link, "port"));
        let seen = match line {
            Some(line) => by_line(link, "packets", text, &line),
            None => by_hand(link, "packets", text, "it was added by chronyc", &restart(link)),
        };
        return Some(seen.with("way", way));
    }
    if link.client.evidence.asks_from_123() { unheard(link) } else { bound(link) }
}

/// A service that asks from any port may be told from where; so may chronyd.
fn bound(link: &Link<'_>) -> Option<Seen> {
    let config = &link.client.evidence.config;
    let (from, device) = (link.from()?.to_string(), link.client_way()?.0);
    let astray = |word: &str, right: &str| config.line(word, |rest| rest.first().is_some_and(|at| at != right));
    let line = astray("bindacqaddress", &from).or_else(|| astray("bindacqdevice", device))?;
    let text = packets(link)
        .map_or(String::new(), |packets| format!("; {} sent, {} received", packets.sent, packets.received));
    let seen = by_line(link, "config", format!("{line}{text}"), &line);
    Some(seen.with("way", format!("by `{line}`, though the way there is by {device}, from {from}")))
}

/// A service that asks from port 123 does so by the sockets that it has opened; so does ntpd.
fn unheard(link: &Link<'_>) -> Option<Seen> {
    let evidence = link.client.evidence;
    let from = link.from()?;
    let open = evidence.listeners.iter().any(|listener| listener.address == Some(from));
    if open || evidence.listeners.is_empty() {
        return None;
    }
    let line = ["interface", "nic"].iter().find_map(|word| evidence.config.line(word, |_| true));
    let addresses: Vec<String> =
        evidence.listeners.iter().filter_map(|listener| listener.address).map(|at| at.to_string()).collect();
    let text = format!("123/udp is open at {}", addresses.join(", "));
    let way = format!("from none of its sockets, for it has opened none at {from}");
    let seen = match line {
        Some(line) => by_line(link, "listeners", format!("{text}; {line}"), &line),
        None => {
            let text = format!("{text}; {}", evidence.text("options").lines().next().unwrap_or_default().trim());
            by_hand(link, "listeners", text, "its command line", &restart(link)).perhaps(true)
        }
    };
    Some(seen.with("way", way))
}

fn refuses(link: &Link<'_>) -> Option<Seen> {
    let evidence = link.client.evidence;
    let address = link.address().filter(|_| link.is_deaf())?;
    let line = evidence.service?.refuses_answers(&evidence.config, address)?;
    Some(by_line(link, "config", format!("the line that fits {address} best: {line}"), &line))
}

fn unproven(link: &Link<'_>) -> Option<Seen> {
    let evidence = link.client.evidence;
    let peer = link.peer()?;
    let lacks = evidence.inside.nts.iter().any(|(address, has)| *address == peer.address && !has);
    if !link.is_deaf() || !lacks {
        return None;
    }
    let about = |line: &&str| ["TLS", "NTS", "certificate", "4460", "connect"].iter().any(|word| line.contains(word));
    let why = evidence.text("complaints").lines().rfind(about).unwrap_or("no word of it in the journal").to_owned();
    let text = format!("{}: NTS, no cookies; {why}", peer.address);
    let line = source_line(link).unwrap_or_default();
    Some(by_line(link, "proofs", text, &line).with("why", why))
}

fn untrusted(link: &Link<'_>) -> Option<Seen> {
    let evidence = link.client.evidence;
    let key = option_value(link, "key").filter(|_| link.is_deaf())?;
    let trusted = evidence.service.is_none_or(|service| service.trusts_key(&evidence.config, key));
    let line = source_line(link)?;
    let text = format!("{line}; no trustedkey {key}");
    (!trusted).then(|| by_line(link, "config", text, &line).with("key", key))
}

/// What chronyd or ntpd says of a source that it hears and does not use.
fn option(link: &Link<'_>) -> Option<Seen> {
    if !link.is_unused() {
        return None;
    }
    let (word, reason) = by_option(link)?;
    let line = source_line(link)?;
    let shown = match choice(link) {
        Some(choice) if choice.state != ' ' => format!("{} is in state {}", choice.address, choice.state),
        _ => format!("{} is marked `{}`", link.source.address, link.peer().map_or(' ', |peer| peer.mark)),
    };
    Some(by_line(link, "selection", format!("{shown}; {line}"), &line).with("reason", format!("`{word}`: {reason}")))
}

/// The option of the source, and what it does.
fn by_option(link: &Link<'_>) -> Option<(&'static str, String)> {
    let state = choice(link).map_or(' ', |choice| choice.state);
    if has_option(link, "noselect") && matches!(state, 'N' | ' ') {
        return Some(("noselect", "it is only watched".to_owned()));
    }
    let packets = packets(link).filter(|packets| packets.received > 0)?;
    let failed = |at: usize| packets.tests.as_bytes().get(at) == Some(&b'0');
    let tests = [("maxdelay", 6), ("maxdelayratio", 7), ("maxdelaydevratio", 8)];
    if let Some((word, _)) = tests.into_iter().find(|(word, at)| failed(*at) && has_option(link, word)) {
        return Some((word, format!("{} answers took longer, {} were good", packets.received, packets.good)));
    }
    let filter: u64 = option_value(link, "filter")?.parse().ok()?;
    (state == 'M' && packets.good <= filter * 3).then(|| ("filter", format!("{filter} answers are one sample")))
}

fn setting(link: &Link<'_>) -> Option<Seen> {
    let evidence = link.client.evidence;
    let service = evidence.service?;
    if !(link.is_unused() || link.is_deaf() && service.drops_by_settings()) {
        return None;
    }
    let stratum = link.answer().and_then(|answer| answer.stratum).unwrap_or(0);
    let good = evidence.peers.iter().filter(|peer| !peer.is_unheard()).count();
    let (line, reason) = service.setting(&evidence.config, Heard { choice: choice(link), stratum, good })?;
    let shown = match choice(link) {
        Some(choice) if choice.state != ' ' => format!("{} is in state {}", choice.address, choice.state),
        Some(choice) => format!("{} has flash {:04x}", choice.address, choice.flash),
        None => String::new(),
    };
    Some(by_line(link, "selection", format!("{shown}; {line}"), &line).with("reason", reason))
}

/// Whether the service has been told not to move the clock.
pub(super) fn told_not_to(host: &Patient<'_>) -> Option<String> {
    host.evidence.service?.told_not_to_set(&host.evidence.config)
}
