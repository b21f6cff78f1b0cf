//! The way between two hosts, when both ends are in order.

use super::neighbours::ip_of;
use super::{Find, ROW, Rule};
use crate::doctor::evidence::Route;
use crate::doctor::no_way::NoWay;
use crate::doctor::{Link, Seen};

/// What can be told at the client alone.
pub(super) const CLIENT: &[Rule] = &[Rule {
    code: "FC050",
    title: "There is no route to the source",
    cause: "{client} does not know where to send packets for {source}.",
    fix: "a person has to decide by which router {address} is reached; on {client}: `{ip} route add {address} via ROUTER`, and the same in its network settings; then systemctl restart {unit}",
    find: Find::Link(no_route),
    ..ROW
}];

/// What is left when nothing else explains it.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC051",
        title: "Questions are lost on the way to the source",
        cause: "What {client} sends to {server} does not arrive there, and both ends would let it.",
        fix: "open 123/udp from {from} to {source} on the routers and firewalls between {client} and {server} (or the switch, or the security group of the hypervisor)",
        find: Find::Link(questions_lost),
        ..ROW
    },
    Rule {
        code: "FC052",
        title: "Answers are lost on the way back",
        cause: "{server} has answered {client}, and the answers do not arrive, though both ends would let them.",
        fix: "let answers from {source} port 123 to {from} pass on the routers and firewalls between {server} and {client} (or the switch, or the security group of the hypervisor)",
        find: Find::Link(answers_lost),
        ..ROW
    },
    Rule {
        code: "FC053",
        title: "The source does not answer and could not be looked at",
        cause: "{server} gives no time to {client}, and fleetclock could not look why: {unseen}",
        fix: "make {server} reachable for fleetclock, then fleetclock doctor {client}",
        find: Find::Link(unseen),
        ..ROW
    },
    Rule {
        code: "FC054",
        title: "A source outside the inventory does not answer",
        cause: "{source} gives no time to {client}, and {nothing} on {client}.",
        fix: "{first}ask who runs {source}, and who runs the firewalls on the way, to let 123/udp from {from} in; or name another source",
        find: Find::Link(outside),
        ..ROW
    },
    Rule {
        code: "FC055",
        title: "The source does not answer, and it is not known why",
        cause: "{server} gives no time to {client}, and it is not known why{doubt}; what is listed below was looked at and is in order.",
        fix: "{remedy}",
        find: Find::Link(unknown),
        ..ROW
    },
];

fn no_route(link: &Link<'_>) -> Option<Seen> {
    if link.works() {
        return None;
    }
    let address = link.address()?;
    let Some(Route::None(words)) = link.client.evidence.routes.get(&address) else { return None };
    // What a rule or a route refuses is FC065: a further route does not help there.
    if link.client.no_way(address, words) != NoWay::Missing {
        return None;
    }
    let mut seen = link.client.seen("routes", words.as_str());
    seen.command = seen.command.replace("ADDRESS", &address.to_string());
    Some(link.name_both(seen).with("address", address.to_string()).with("ip", ip_of(address)))
}

/// A list that is not kept counts nobody. Without the kernel's own word of what it routes, and of
/// who is where, something of the two ends may be the cause as well.
fn lost(link: &Link<'_>, arrived: bool) -> Option<Seen> {
    let passes =
        !link.is_filtered() && link.client_lets_pass() && link.would_be_taken() && (arrived || link.keeps_a_list());
    let server = link.server.filter(|_| link.is_silent() && passes && link.arrived() == arrived)?;
    let from = link.from()?;
    let text = if arrived {
        format!("{} has counted the questions of {from}", server.name())
    } else {
        format!("{} has counted no question of {from}", server.name())
    };
    let text = link.astray().map_or(text.clone(), |astray| format!("{text}; {astray}"));
    let seen = link.at(&server, "clients", &text).excluding(link.excluded());
    Some(seen.perhaps(!link.kernels_agree()))
}

fn questions_lost(link: &Link<'_>) -> Option<Seen> {
    lost(link, false)
}

fn answers_lost(link: &Link<'_>) -> Option<Seen> {
    lost(link, true)
}

fn unseen(link: &Link<'_>) -> Option<Seen> {
    let why = link.unseen.filter(|_| !link.works())?;
    Some(link.asked().with("unseen", why).excluding(link.excluded()))
}

fn outside(link: &Link<'_>) -> Option<Seen> {
    // Not before it is known that it is nothing here.
    let is_other = link.source.host.is_none() && link.is_silent() && !link.is_filtered() && link.client_lets_pass();
    let seen = link.asked().excluding(link.excluded());
    is_other.then(|| match link.astray() {
        None => seen.with("nothing", "it is nothing").with("first", ""),
        Some(astray) => {
            let first = format!("see first whether `ip neigh` of {} is right; if it is, ", link.client.name());
            let evidence = format!("{}; {astray}", seen.evidence);
            Seen { evidence, ..seen }.perhaps(true).with("nothing", "nothing else was found").with("first", first)
        }
    })
}

fn unknown(link: &Link<'_>) -> Option<Seen> {
    // A server whose configuration waits to be loaded has a finding of its own.
    let waits = link.server.is_some_and(|server| server.evidence.is_stale());
    if !link.is_silent() || waits {
        return None;
    }
    let mut seen = link.asked().excluding(link.excluded());
    if link.source.host.is_some() {
        link.server_name().clone_into(&mut seen.host);
    }
    let tcpdump =
        format!("look at {} with tcpdump -n udp port 123 while {} asks", link.server_name(), link.client.name());
    let (mut doubt, mut remedy) = (String::new(), tcpdump.clone());
    if let Some((name, found)) = link.doubt() {
        doubt = format!(": {} of {name} may stop it, `{}`, and cannot be judged from here", found.chain, found.rule);
        remedy = format!("on {name}: see whether that rule stops 123/udp; else {tcpdump}");
        seen.evidence.push_str(&format!("; {name} has a rule that is not understood here: {}", found.rule));
    }
    if !link.keeps_a_list() && link.server.is_some_and(|server| server.evidence.runs()) {
        seen.evidence
            .push_str("; its service keeps no list of those who ask, so it is not known whether the questions arrive");
    }
    if let Some((name, what)) = link.unread() {
        seen.evidence.push_str(&format!("; not judged on {name}: {what}"));
        if doubt.is_empty() {
            doubt = format!(": {what} on {name} may stop it, and cannot be judged from here");
            remedy = format!("on {name}: {}", what.look("stops 123/udp", &tcpdump));
        }
    }
    if let Some(program) = link.stolen_by() {
        doubt = format!(": `{program}` has taken 123/udp there (ss -nlup), and gets the questions");
        remedy = format!("on {}: see who has started `{program}`, and stop it", link.server_name());
    }
    if let Some(astray) = link.astray() {
        seen.evidence.push_str(&format!("; {astray}"));
    }
    let seen = seen.with("doubt", doubt).with("remedy", remedy);
    Some(seen)
}
