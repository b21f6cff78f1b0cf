//! What is left when no cause has shown itself: what `check` and `verify` would say of the host.

use super::{Find, ROW, Rule};
use crate::doctor::{Link, Patient, Seen};
use crate::facts::Found;
use crate::text::number::{signed, span};
use crate::verdict::Verdict;

use super::unit::{arguments, without};

/// The right to set the clock, a bit of the capabilities (CAP_SYS_TIME).
const MAY_SET_THE_CLOCK: u64 = 1 << 25;

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC080",
        title: "The service does not move the clock",
        cause: "`{unit}` on {host} {why}.",
        fix: "{remedy}",
        configuration: true,
        find: Find::Host(unmoved),
        ..ROW
    },
    ISOLATED,
    FAILS,
    DRIFTED,
];

/// What explains a link when nothing else does, and the source answers everybody else.
pub(super) const LAST: &[Rule] = &[Rule {
    code: "FC097",
    title: "The service alone gets no answers",
    cause: "{source} answers fleetclock's own questions from {client}, and not those of `{unit}`: something tells the two apart, by the user, the process or the packet.",
    fix: "on {client}: `{listing} | grep -E 'skuid|skgid|owner|cgroup|length'` and `journalctl -b -u {unit}` show what it may be; if nothing does, fleetclock doctor {client} --save evidence.txt, and show the file to somebody",
    find: Find::Link(alone),
    ..ROW
}];

/// Found when an isolated master has no time and is the reason for it itself.
pub(in crate::doctor) const ISOLATED: Rule = Rule {
    code: "FC086",
    title: "The host shall go on alone, and its file does not say so",
    cause: "`{unit}` on {host} has no time: {why}.",
    fix: "fleetclock apply -l {host}",
    configuration: true,
    find: Find::Host(|_| Vec::new()),
    ..ROW
};

/// Found when a host follows its sources as far as can be seen, and `verify` would fail.
pub(in crate::doctor) const FAILS: Rule = Rule {
    code: "FC088",
    title: "The host follows its sources and would not pass `verify`",
    cause: "{host} would not pass `verify`: {why}.",
    fix: "{remedy}",
    find: Find::Host(|_| Vec::new()),
    ..ROW
};

/// Found when nothing else explains a host whose file is not the wanted one.
pub(in crate::doctor) const DRIFTED: Rule = Rule {
    code: "FC087",
    title: "The file is not what the inventory wants",
    cause: "{config} of {host} is not what the inventory wants, and nothing else was found that would keep `{unit}` from its sources.",
    fix: "fleetclock apply -l {host}; if that does not help, fleetclock doctor {host} --save evidence.txt, and show the file to somebody",
    configuration: true,
    find: Find::Host(|_| Vec::new()),
    ..ROW
};

/// Why an isolated master has no time, if its own file is the reason.
pub(in crate::doctor) fn own_reason(host: &Patient<'_>) -> Option<String> {
    let (spec, config) = (host.spec, &host.evidence.config);
    spec.time.isolated.filter(|_| host.evidence.runs() && !host.evidence.follows() && !host.evidence.is_stale())?;
    let is_itself = |source: &&str| {
        *source == "localhost"
            || source.parse().is_ok_and(|address: std::net::IpAddr| {
                address.is_loopback() || host.evidence.addresses.iter().any(|(_, own)| *own == address)
            })
    };
    let sources = config.sources();
    // 127.127.T.U is a clock of ntpd, and no host.
    let clock = sources.iter().any(|source| source.starts_with("127.127."));
    let alone = config.value("local").is_some() || clock || config.all("tos").flatten().any(|word| word == "orphan");
    let itself = sources.iter().find(|source| is_itself(source) && !source.starts_with("127.127."));
    match itself {
        Some(source) => Some(format!("its source is `{source}`, which is the host itself")),
        None if !alone => Some("the inventory says `isolated`, and the file has no line for it".to_owned()),
        None => None,
    }
}

/// A host that has no time by its own file.
pub(in crate::doctor) fn isolated(host: &Patient<'_>) -> Option<Seen> {
    let why = own_reason(host)?;
    let lines = host.evidence.config.sources().join(", ");
    let text = if lines.is_empty() { "no source is configured".to_owned() } else { format!("configured: {lines}") };
    Some(host.seen("config", text).with("why", why))
}

/// What `verify` says of a host of which nothing else is known.
pub(in crate::doctor) fn fails(host: &Patient<'_>, verdict: Verdict) -> Seen {
    let name = host.name();
    let (why, remedy) = match verdict {
        Verdict::Proven => (String::new(), String::new()),
        Verdict::Settling(why, _) | Verdict::OutOfLimits(why) => {
            let remedy = format!(
                "name a nearer or better source for {name}; or, knowing what it means, raise the limit in the inventory (`limits` of {name}): a person has to decide"
            );
            (why, remedy)
        }
        Verdict::NotSynchronised(why) => {
            let remedy = format!(
                "fleetclock verify -l {name}, which waits; if it stays so, fleetclock doctor {name} --save evidence.txt, and show the file to somebody"
            );
            (why, remedy)
        }
    };
    host.seen("probe", why.clone()).with("why", why).with("remedy", remedy)
}

/// Lines that are not ours, and ours that are missing.
pub(in crate::doctor) fn drifted(host: &Patient<'_>) -> Option<Seen> {
    let (foreign, lacking) = (host.foreign(), host.lacking());
    if host.evidence.is_stale() || (foreign.is_empty() && lacking.is_empty()) {
        return None;
    }
    let quoted = |lines: &[String]| lines.iter().map(|line| format!("`{line}`")).collect::<Vec<_>>().join(", ");
    let mut text = Vec::new();
    if !foreign.is_empty() {
        text.push(format!("not ours: {}", quoted(&foreign)));
    }
    if !lacking.is_empty() {
        text.push(format!("missing: {}", quoted(&lacking)));
    }
    Some(host.seen("config", text.join("; ")).perhaps(true))
}

/// The service follows a source, the clock is off, and the service is not going to change that.
fn unmoved(host: &Patient<'_>) -> Vec<Seen> {
    let evidence = host.evidence;
    if !evidence.runs() || !evidence.talks || evidence.is_stale() {
        return Vec::new();
    }
    if let Some(line) = super::unused::told_not_to(host) {
        let (remedy, applies) = host.remedy(&line);
        let why = format!("has been told not to: `{line}` in {}", evidence.file);
        return vec![host.seen("config", line).with("why", why).with("remedy", remedy).beyond_apply(!applies)];
    }
    still(host).into_iter().collect()
}

/// More than the limit off the selected source, less than what FC075 is about.
fn still(host: &Patient<'_>) -> Option<Seen> {
    let evidence = host.evidence;
    let limit = host.spec.limits.max_error.as_secs_f64();
    let (service, selected) = (evidence.service?, evidence.peers.iter().find(|peer| peer.selected)?);
    let answer = evidence.answers.iter().find(|answer| answer.address.as_deref() == Some(selected.address.as_str()))?;
    let offset = answer.offset_ns.filter(|_| answer.usable())? as f64 / 1e9;
    if offset.abs() <= limit || (offset.abs() > 1.0 && service.slews_whatever()) {
        return None;
    }
    let text = format!(
        "{} is marked {}, and ahead by {}; the limit is {}",
        selected.address,
        selected.mark,
        signed(offset),
        span(limit)
    );
    let seen = host.seen("probe", text);
    let seen = match cannot(host) {
        Some((why, remedy)) => seen.with("why", why).with("remedy", remedy),
        None => {
            let rate = (1e6 / service.slew_ppm()).round();
            let why = format!(
                "is {} off and may still be slewing, which takes up to {}",
                signed(offset),
                span(offset.abs() * rate)
            );
            seen.with("why", why)
                .with("remedy", format!("fleetclock verify -l {} after that time", host.name()))
                .perhaps(true)
        }
    };
    Some(seen.beyond_apply(true))
}

/// Why the service cannot move the clock, and what helps.
pub(super) fn cannot(host: &Patient<'_>) -> Option<(String, String)> {
    let evidence = host.evidence;
    let no_clock = evidence.service.and_then(|service| service.command_line()?.no_clock);
    let unbound = no_clock.is_some_and(|letter| arguments(host).contains(&format!("-{letter}").as_str()));
    let unable = evidence.inside.process.rights.is_some_and(|rights| rights & MAY_SET_THE_CLOCK == 0);
    let why = match (unbound, unable) {
        (true, _) => "was started with `-x`: it follows its source and leaves the clock alone",
        (_, true) => "has not the right to set the clock (CAP_SYS_TIME)",
        _ => return None,
    };
    let platform = match &evidence.facts {
        Found::Linux(facts) => facts.platform.as_str(),
        Found::Windows(_) => "",
    };
    let contained =
        ["nspawn", "lxc", "docker", "podman", "container", "openvz", "wsl"].iter().any(|word| platform.contains(word));
    let remedy = if contained {
        format!(
            "{} is a container ({platform}) and has the clock of its machine: put that one right; a person has to decide",
            host.name()
        )
    } else if unbound {
        without(host, "-x")
    } else {
        format!(
            "on {}: `systemctl cat {}` shows what takes the right away (CapabilityBoundingSet, ProtectClock); a person has to decide",
            host.name(),
            evidence.unit
        )
    };
    Some((why.to_owned(), remedy))
}

/// Found only when nothing else has been: the service is not young, and its file has no other lines.
fn alone(link: &Link<'_>) -> Option<Seen> {
    let client = &link.client;
    // Who was not answered until a moment ago has not asked again yet.
    let never = link.peer().is_none_or(|peer| peer.is_unheard());
    let told = link.doubt().is_some() || never;
    if !super::unit::one_family(client).is_empty()
        || !link.is_deaf()
        || !told
        || super::clock::fresh(client).is_some()
        || !client.suspects().is_empty()
    {
        return None;
    }
    let reach = link
        .peer()
        .map_or("not among its sources".to_owned(), |peer| format!("reach {:o}", peer.reach.unwrap_or_default()));
    let mut text = format!("our probe got: {}; {}: {reach}", link.outcome(), client.evidence.unit);
    if let Some((name, rule)) = link.doubt() {
        text.push_str(&format!("; {name} has a rule that is not understood here: {}", rule.rule));
    }
    let seen = link.name_both(client.seen("status", text)).perhaps(true);
    Some(seen.with("listing", client.evidence.filter.listing()))
}
