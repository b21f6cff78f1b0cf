//! Below the packet filters: whom the kernel takes to be where, and which packets it would route.

use super::{Find, ROW, Rule};
use crate::doctor::evidence::Route;
use crate::doctor::inside::{Neighbour, Refusal};
use crate::doctor::no_way::NoWay;
use crate::doctor::{Link, Patient, Seen};
use crate::firewall::ruleset::{Chain, Hook};

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC063",
        title: "A fixed neighbour entry leads to nobody",
        cause: "{at} has a fixed entry that {peer} ({address}) is at {hardware}, and {peer} has no interface with that hardware address: what {at} sends to {peer} is lost.",
        fix: "on {at}: ip neigh del {address} dev {device}; and where the entry comes from at boot (/etc/ethers, network scripts)",
        find: Find::Link(fixed),
        ..ROW
    },
    Rule {
        code: "FC064",
        title: "Another machine answers for the address",
        cause: "For {at}, {address} is at {hardware}, which is no interface of {peer}: another machine has the same address, or answers for it.",
        fix: "find the machine with the hardware address {hardware} (the table of the switch, `arping -I {device} {address}` on {at}) and give it another address: a person has to decide",
        find: Find::Link(double),
        ..ROW
    },
    Rule {
        code: "FC066",
        title: "Nobody says where the address is",
        cause: "{at} asks which machine has {address} and gets no answer ({protocol}), so what it has for {peer} is not sent{why}.",
        fix: "{remedy}",
        find: Find::Link(unanswered),
        ..ROW
    },
    Rule {
        code: "FC065",
        title: "The kernel does not route the packets of NTP",
        cause: "The kernel of {at} refuses {what}: {words}.",
        fix: "{remedy}",
        find: Find::Link(refused),
        ..ROW
    },
];

/// One end of a silent way whose entry for the other one does not fit.
fn astray(link: &Link<'_>, is_fixed: bool) -> Option<Seen> {
    if !link.is_silent() {
        return None;
    }
    let both = [true, false].into_iter().filter_map(|of_client| Some((of_client, link.neighbour(of_client)?)));
    let wrong = both.into_iter().find(|(_, (_, entry, fits))| !fits && (entry.state == "PERMANENT") == is_fixed);
    let (of_client, (at, entry, _)) = wrong?;
    let hardware = entry.hardware.as_deref()?;
    let text = format!("{} dev {} lladdr {hardware} {}", entry.address, entry.device, entry.state);
    let peer = if of_client { link.server_name() } else { link.client.name() };
    let seen = Seen { about: text.clone(), ..at.seen("neighbours", format!("{text}; {}", got(link))) };
    let seen = link.name_both(seen).with("at", at.name()).with("peer", peer).with("hardware", hardware);
    Some(seen.with("address", entry.address.to_string()).with("device", entry.device.as_str()))
}

fn got(link: &Link<'_>) -> String {
    format!("{} got: {}", link.client.name(), link.outcome())
}

fn fixed(link: &Link<'_>) -> Option<Seen> {
    astray(link, true)
}

/// An entry may be older than the change of a network card.
fn double(link: &Link<'_>) -> Option<Seen> {
    astray(link, false).map(|seen| {
        let old = seen.evidence.contains(" STALE;");
        seen.perhaps(old)
    })
}

/// One end that gets no answer to ARP, or to IPv6's neighbour discovery. Of a machine outside the inventory,
/// or of one that could not be looked at, it is not known whether it is there at all; a router has to be.
fn unanswered(link: &Link<'_>) -> Option<Seen> {
    let both = [true, false].into_iter().filter_map(|of_client| Some((of_client, link.unanswered(of_client)?)));
    let known = |(_, (_, _, is_router)): &(bool, (Patient<'_>, &Neighbour, bool))| *is_router || link.server.is_some();
    let (of_client, (at, entry, is_router)) = both.into_iter().find(known).filter(|_| link.is_silent())?;
    let peer = if of_client { link.server_name() } else { link.client.name() };
    let (end, why, remedy) = dropped_by(link, (at, entry, is_router), of_client)
        .unwrap_or_else(|| (at.name(), String::new(), find_out(&at, entry)));
    let text = format!("{} dev {} {}", entry.address, entry.device, entry.state);
    let about = if why.is_empty() { text.clone() } else { why.clone() };
    let seen = at.seen("neighbours", format!("{text}; {}", got(link)));
    let seen = Seen { about, host: end.to_owned(), ..seen };
    let peer = if is_router { format!("{peer} (by the router {})", entry.address) } else { peer.to_owned() };
    let protocol = if entry.address.is_ipv6() { "neighbour discovery" } else { "ARP" };
    let seen = link.name_both(seen).with("at", at.name()).with("peer", peer).with("protocol", protocol);
    let seen = seen.with("address", entry.address.to_string()).with("why", why).with("remedy", remedy);
    // A server that was never reached has no reason to ask now.
    Some(seen.perhaps(!of_client && !link.arrived()))
}

/// A rule of either end about such questions, which may be why, and what to insert before it.
fn dropped_by<'a>(
    link: &Link<'a>,
    (at, entry, is_router): (Patient<'a>, &Neighbour, bool),
    of_client: bool,
) -> Option<(&'a str, String, String)> {
    let other = if of_client { link.server } else { Some(link.client) };
    // What a router does with the question is not known.
    let other = other.filter(|_| !is_router).zip(link.opposite(of_client));
    let ends = [Some((at, entry.address)), other].into_iter().flatten();
    let (end, peer, (chain, rule)) =
        ends.filter_map(|(end, peer)| Some((end.name(), peer, end.evidence.filter.about_neighbours(peer)?))).next()?;
    let why = format!("; {end} has a rule that may be why: `{}`, chain {}", rule.shown, chain.full());
    Some((end, why, format!("on {end}: {}", let_ask(chain, peer))))
}

/// What lets a machine ask and answer. A chain of nobody's hook is for a person, who knows from where it is called.
fn let_ask(chain: &Chain, peer: std::net::IpAddr) -> String {
    let condition = match (peer.is_ipv6(), chain.hook) {
        (_, None) => {
            return format!("a person has to decide: let the questions of {peer} pass in chain {}", chain.full());
        }
        (true, _) => "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }".to_owned(),
        (false, Some(Hook::Output | Hook::Postrouting | Hook::Egress)) => format!("arp daddr ip {peer}"),
        (false, _) => format!("arp saddr ip {peer}"),
    };
    format!(
        "nft insert rule {} {condition} accept; and the same rule where this table comes from at boot",
        chain.full()
    )
}

fn find_out(at: &Patient<'_>, entry: &Neighbour) -> String {
    let what = if entry.address.is_ipv6() { "icmp6" } else { "arp" };
    format!(
        "a person has to decide: `tcpdump -n {what} and host {}` on {} and on the other end shows whether the question or the answer is lost (ports of the switch, VLANs, `sysctl net.ipv4.conf.all.arp_ignore`, arptables, ebtables)",
        entry.address,
        at.name()
    )
}

/// What one end does not route, unless it has no route to the source at all (that is FC050).
fn refused(link: &Link<'_>) -> Option<Seen> {
    // A rule for the user of the service alone leaves our own probe its answers.
    if !link.is_silent() && !link.is_deaf() {
        return None;
    }
    let of =
        |end: &Patient<'_>, peer| end.evidence.inside.refusals.iter().find(|refusal| refusal.peer == peer).cloned();
    let address = link.address()?;
    let bare = |end: &Patient<'_>, peer| match end.evidence.routes.get(&peer) {
        Some(Route::None(words)) => Some(Refusal { inbound: false, peer, words: words.clone() }),
        _ => None,
    };
    let at_client = || {
        let refusal = bare(&link.client, address).or_else(|| of(&link.client, address))?;
        Some((link.client, refusal))
    };
    let at_server = || {
        let server = link.server?;
        let from = link.from()?;
        bare(&server, from).or_else(|| of(&server, from)).map(|refusal| (server, refusal))
    };
    let (at, refusal) = at_client().or_else(at_server)?;
    let is_client = at.name() == link.client.name();
    let what = match (is_client, refusal.inbound) {
        (true, false) => format!("to send questions to {address}"),
        (true, true) => format!("the answers that come from {address}"),
        (false, true) => format!("the questions that come from {}", refusal.peer),
        (false, false) => format!("to send answers to {}", refusal.peer),
    };
    let rules = at.evidence.text("rules");
    let shown =
        if rules.is_empty() { refusal.words.clone() } else { format!("{}; ip rule: {}", refusal.words, joined(rules)) };
    let remedy = remedy(&at, &refusal, is_client);
    let mut seen = Seen { about: refusal.words.clone(), ..at.seen("ways", format!("{shown}; {}", got(link))) };
    seen.command = seen.command.replace("ADDRESS", &refusal.peer.to_string());
    Some(
        link.name_both(seen)
            .with("at", at.name())
            .with("what", what)
            .with("words", refusal.words)
            .with("remedy", remedy),
    )
}

fn joined(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("; ")
}

/// The tool for the routes of an address: without `-6` it asks for those of IPv4 alone.
pub(super) fn ip_of(peer: std::net::IpAddr) -> &'static str {
    if peer.is_ipv4() { "ip" } else { "ip -6" }
}

/// What takes a route away: its line without what `ip` shows of it and does not take.
fn delete(peer: std::net::IpAddr, line: &str) -> String {
    let cut = |line: &str, word: &str| line.split(word).next().unwrap_or_default().trim_end().to_owned();
    format!("{} route del {}", ip_of(peer), cut(&cut(line, " error "), " pref "))
}

/// A rule of one's own before those that refuse; a route is a person's to take away.
fn remedy(at: &Patient<'_>, refusal: &Refusal, is_client: bool) -> String {
    let (name, peer) = (at.name(), refusal.peer);
    let device = match at.evidence.routes.get(&peer) {
        Some(Route::By { device, .. }) => device.as_str(),
        _ => "all",
    };
    if refusal.inbound && refusal.words.contains("Invalid cross-device link") {
        return format!(
            "on {name}: sysctl -w net.ipv4.conf.{device}.rp_filter=2 net.ipv4.conf.all.rp_filter=2 (packets may come in where answers do not go out); and the same in /etc/sysctl.d"
        );
    }
    let ip = ip_of(peer);
    let missing = format!(
        "a person has to decide by which router {peer} is reached; on {name}: `{ip} route add {peer} via ROUTER`, and the same in its network settings"
    );
    let table = match at.no_way(peer, &refusal.words) {
        NoWay::Missing => return missing,
        NoWay::Route(line) => {
            let del = delete(peer, &line);
            return format!(
                "on {name}: the route `{line}` refuses; a person has to decide whether `{del}` may take it away, here and where it comes from at boot"
            );
        }
        NoWay::Rule(table) => table,
        NoWay::Refused => "main".to_owned(),
    };
    let first =
        at.evidence.text("rules").lines().filter_map(|line| line.split(':').next()?.trim().parse::<u32>().ok()).min();
    match first.filter(|first| *first > 1) {
        Some(first) => {
            let (word, port) = match (refusal.inbound, is_client) {
                (true, true) => ("from", "sport 123"),
                (true, false) => ("from", "dport 123"),
                (false, true) => ("to", "dport 123"),
                (false, false) => ("to", "sport 123"),
            };
            // What comes in has to be found in the table of the host's own addresses first.
            let table = if refusal.inbound { "local" } else { table.as_str() };
            format!(
                "on {name}: {ip} rule add pref {} {word} {peer} ipproto udp {port} lookup {table}; and the same where the rules come from at boot",
                first - 1
            )
        }
        None => format!(
            "on {name}: `{ip} route show table all | grep -E 'blackhole|unreachable|prohibit'` shows the route; a person has to decide whether `{ip} route del` may take it away"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_taken_away_by_words_that_ip_takes() {
        let del = |peer: &str, line| peer.parse().map(|peer| delete(peer, line)).unwrap_or_default();
        let line = "unreachable fd00::/64 dev lo table 100 metric 1024 error -113 pref medium";
        assert_eq!(del("fd00::1", line), "ip -6 route del unreachable fd00::/64 dev lo table 100 metric 1024");
        assert_eq!(del("fd00::1", "throw fd00::1 pref medium"), "ip -6 route del throw fd00::1");
        assert_eq!(del("10.0.0.1", "blackhole 10.0.0.0/8 metric 5"), "ip route del blackhole 10.0.0.0/8 metric 5");
    }
}
