//! Windows servers that give no time: whether they serve, vouch for their clock, and let in.

use super::windows::{by_policy, in_registry, number};
use super::{Find, ROW, Rule};
use ipnet::IpNet;

use crate::doctor::{Link, Patient, Seen};
use crate::facts::windows::WindowsFacts;
use crate::facts::windows_firewall::{Door, Shut};
use crate::model::name_of_own_clock;

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC106",
        title: "The source serves its own clock though it has a source by the inventory",
        cause: "{server} shall follow {sources} and has lost it; it vouches for its own clock (reference {refid}), and {client} follows that.",
        fix: "{first}put right what keeps {server} from {sources} (fleetclock doctor -l {server}); `isolated: true` for {server} in the inventory if its own clock is meant",
        find: Find::Link(own_clock),
        ..ROW
    },
    Rule {
        code: "FC120",
        title: "The Windows server is told not to serve",
        cause: "`w32time` on {server} runs, and NtpServer\\Enabled is 0: it drops every question, which looks like a firewall and is none.",
        fix: "fleetclock apply -l {server}, or on {server}: reg add {key} /v Enabled /t REG_DWORD /d 1 /f & net stop w32time & net start w32time",
        configuration: true,
        find: Find::Link(not_serving),
        ..ROW
    },
    Rule {
        code: "FC121",
        title: "The Windows server has not been restarted since it was told to serve",
        cause: "NtpServer\\Enabled of {server} is 1, and `w32time` does not even answer {server} itself: it reads that value only when it starts.",
        fix: "on {server}: net stop w32time & net start w32time",
        find: Find::Link(not_restarted),
        ..ROW
    },
    Rule {
        code: "FC122",
        title: "The Windows firewall of the server is closed",
        cause: "The firewall of {server} is on, and no active inbound rule for udp/123 lets {from} in.",
        fix: "fleetclock apply -l {server}, or on {server}: netsh advfirewall firewall add rule name=fleetclock-ntp dir=in action=allow protocol=UDP localport=123 remoteip={from}",
        configuration: true,
        find: Find::Link(closed),
        ..ROW
    },
    Rule {
        code: "FC125",
        title: "A rule of the Windows firewall keeps the client out",
        cause: "The firewall of {server} does not let {from} ask for time: {why}.",
        fix: "on {server}: {remedy}",
        find: Find::Link(blocked),
        ..ROW
    },
    Rule {
        code: "FC126",
        title: "A policy lets the firewall rules of the Windows server not count",
        cause: "The firewall of {server} does not let {from} ask for time: {why}.",
        fix: "{remedy}; then on {server}: gpupdate /target:computer",
        find: Find::Link(ignored),
        ..ROW
    },
    Rule {
        code: "FC127",
        title: "Whether the Windows firewall lets the client in cannot be told",
        cause: "`w32time` of {server} answers itself and {client} gets no answer; of the firewall of {server} it cannot be told whether it lets {from} in ({why}).",
        fix: "somebody has to look at {server}: netsh advfirewall show currentprofile, and the rules named here; if they let {from} in, look at the routers and firewalls between {client} and {server}",
        find: Find::Link(doubtful),
        ..ROW
    },
    Rule {
        code: "FC123",
        title: "Packets are lost between the client and the Windows server",
        cause: "`w32time` of {server} serves, its firewall lets {from} in, and {client} gets no answer.",
        fix: "let 123/udp from {from} to {source} pass, and the answers back, on the routers and firewalls between {client} and {server}",
        find: Find::Link(lost),
        ..ROW
    },
    Rule {
        code: "FC124",
        title: "The Windows server does not vouch for its clock",
        cause: "{server} serves its own clock, and AnnounceFlags is {flags}: it answers as not synchronised, and nobody follows it.",
        fix: "fleetclock apply -l {server}, or on {server}: w32tm /config /reliable:yes /update",
        configuration: true,
        find: Find::Link(not_reliable),
        ..ROW
    },
];

/// The server at the other end, when it is a Windows host whose service runs and nobody answers.
fn mute<'a>(link: &Link<'a>) -> Option<(Patient<'a>, &'a WindowsFacts)> {
    let server = link.server.filter(|_| link.is_silent())?;
    let facts = server.evidence.windows().filter(|facts| facts.running)?;
    Some((server, facts))
}

/// Something seen at the server, with what the client saw and what it is not.
fn at(link: &Link<'_>, seen: Seen) -> Seen {
    let evidence = format!("{}; {} got: {}", seen.evidence, link.client.name(), link.outcome());
    link.name_both(Seen { evidence, ..seen }).excluding(link.excluded())
}

/// A good answer of a server that has lost its own source: the clients follow a clock that nobody corrects.
fn own_clock(link: &Link<'_>) -> Option<Seen> {
    let server = link.server.filter(|_| link.works())?;
    let fed = server.spec.time.isolated.is_none() && !server.spec.time.sources.is_empty();
    let shown = link.answer()?.refid.as_deref().and_then(name_of_own_clock)?;
    let sources: Vec<&str> = server.spec.time.addresses().collect();
    let seen = link.client.seen("probe", format!("{} answers with reference {shown}", link.source.address));
    let seen = Seen { host: server.name().to_owned(), about: "its own clock".to_owned(), ..link.name_both(seen) };
    fed.then(|| seen.with("refid", shown).with("sources", sources.join(", ")).with("first", takes_out(&server)))
}

/// The line of a Linux server that lets it go on alone, if it is not ours.
fn takes_out(server: &Patient<'_>) -> String {
    let alone = ["local", "tos orphan", "server 127.127.1."];
    let line = server.foreign().into_iter().find(|line| alone.iter().any(|words| line.starts_with(words)));
    line.map(|line| format!("{}, and ", server.remedy(&line).0)).unwrap_or_default()
}

const SERVER: &str = "TimeProviders\\NtpServer";

fn not_serving(link: &Link<'_>) -> Option<Seen> {
    let (server, facts) = mute(link)?;
    let enabled = number(facts, SERVER, "Enabled").unwrap_or(0);
    let off = enabled == 0 && !by_policy(facts, SERVER, "Enabled");
    off.then(|| at(link, in_registry(&server, SERVER, "Enabled", format!("NtpServer\\Enabled is {enabled}"))))
}

/// What the server answers itself tells its service from its firewall.
fn answers_itself(server: &Patient<'_>) -> Option<bool> {
    server.evidence.itself.as_ref().map(|answer| answer.received.unwrap_or(0) > 0)
}

fn not_restarted(link: &Link<'_>) -> Option<Seen> {
    let (server, facts) = mute(link)?;
    let silent = answers_itself(&server) == Some(false) && number(facts, SERVER, "Enabled") == Some(1);
    silent.then(|| at(link, server.seen("itself", "NtpServer\\Enabled is 1; questions to 127.0.0.1: timeout")))
}

/// What the firewall of a server that is silent does with the client.
fn door<'a>(link: &Link<'a>) -> Option<(Patient<'a>, IpNet, Door)> {
    let (server, facts) = mute(link)?;
    let from = IpNet::from(link.from()?);
    Some((server, from, facts.rules.door(from)))
}

fn closed(link: &Link<'_>) -> Option<Seen> {
    let (server, _, Door::Closed(Shut::NoRule)) = door(link)? else { return None };
    Some(at(link, server.seen("rules", Shut::NoRule.why())))
}

fn blocked(link: &Link<'_>) -> Option<Seen> {
    let (server, from, Door::Closed(shut)) = door(link)? else { return None };
    let blocks = matches!(shut, Shut::Block(..) | Shut::Shields(_));
    blocks.then(|| shut_by(link, &server, "rules", from, &shut))
}

fn ignored(link: &Link<'_>) -> Option<Seen> {
    let (server, from, Door::Closed(shut)) = door(link)? else { return None };
    matches!(shut, Shut::OwnRulesIgnored(_)).then(|| shut_by(link, &server, "firewall-policy", from, &shut))
}

fn shut_by(link: &Link<'_>, server: &Patient<'_>, part: &str, from: IpNet, shut: &Shut) -> Seen {
    at(link, server.seen(part, shut.why())).with("why", shut.why()).with("remedy", shut.remedy(from))
}

/// Only a server that answers itself leaves nothing but its firewall and the way.
fn doubtful(link: &Link<'_>) -> Option<Seen> {
    let (server, _, Door::Unsure(why)) = door(link)? else { return None };
    let serves = answers_itself(&server) == Some(true);
    serves.then(|| at(link, server.seen("rules", why.clone())).with("why", why).perhaps(true))
}

fn lost(link: &Link<'_>) -> Option<Seen> {
    let (server, _, Door::Open(_)) = door(link)? else { return None };
    let serves = answers_itself(&server) == Some(true);
    serves.then(|| at(link, server.seen("itself", "questions to 127.0.0.1 are answered")))
}

/// `AnnounceFlags`: 1 is "always a time server", 4 is "always reliable".
fn not_reliable(link: &Link<'_>) -> Option<Seen> {
    let server = link.server.filter(|_| link.is_unsynchronised())?;
    let facts = server.evidence.windows()?;
    let flags = number(facts, "Config", "AnnounceFlags").unwrap_or(10);
    let vouches = flags & 5 == 5 || by_policy(facts, "Config", "AnnounceFlags");
    let seen = || in_registry(&server, "Config", "AnnounceFlags", format!("AnnounceFlags is {flags}"));
    (server.spec.time.sources.is_empty() && !vouches).then(|| at(link, seen()).with("flags", flags.to_string()))
}
