//! Windows servers that give no time: whether they serve, vouch for their clock, and let in.

use super::windows::{by_policy, in_registry, number};
use super::{Find, ROW, Rule};
use crate::doctor::{Link, Patient, Seen, windows};
use crate::facts::windows::WindowsFacts;

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
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

fn closed(link: &Link<'_>) -> Option<Seen> {
    let (server, facts) = mute(link)?;
    let from = link.from()?;
    let shut = facts.firewall && windows::admits(server.evidence, from).is_none();
    shut.then(|| at(link, server.seen("rules", format!("no active inbound rule for udp/123 lets {from} in"))))
}

fn lost(link: &Link<'_>) -> Option<Seen> {
    let (server, _) = mute(link)?;
    let serves = answers_itself(&server) == Some(true);
    serves.then(|| at(link, server.seen("itself", "questions to 127.0.0.1 are answered")))
}

/// `AnnounceFlags`: 1 is "always a time server", 4 is "always reliable".
fn not_reliable(link: &Link<'_>) -> Option<Seen> {
    let server = link.server.filter(|_| link.outcome() == "unsynchronised")?;
    let facts = server.evidence.windows()?;
    let flags = number(facts, "Config", "AnnounceFlags").unwrap_or(10);
    let vouches = flags & 5 == 5 || by_policy(facts, "Config", "AnnounceFlags");
    let seen = || in_registry(&server, "Config", "AnnounceFlags", format!("AnnounceFlags is {flags}"));
    (server.spec.time.sources.is_empty() && !vouches).then(|| at(link, seen()).with("flags", flags.to_string()))
}
