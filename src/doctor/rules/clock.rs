//! Sources that answer and are not followed, and clocks that are followed in vain.

use super::{Find, ROW, Rule, Severity};
use crate::doctor::{Link, Patient, Seen};
use crate::ntp::report::SourceReport;
use crate::provider::Peer;
use crate::text::number::{count, signed, span};

/// A root distance that no service objects to, seconds.
const NEAR: f64 = 1.5;

/// Worst drift of a clock that nobody corrects, seconds per second (RFC 5905, PHI).
const DRIFT: f64 = 15e-6;

/// Greatest poll interval where none is configured, log2 seconds.
const MAXPOLL: i32 = 10;

/// The rules of this family.
pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "FC071",
        title: "The clock is too far off for ntpd",
        cause: "The clock of {host} is off by {offset}, more than ntpd corrects, and ntpd has given up.",
        fix: "on {host}: systemctl stop {unit}; ntpd -g -q; systemctl start {unit} (the clock will jump)",
        silences: true,
        find: Find::Host(panic),
        ..ROW
    },
    Rule {
        code: "FC072",
        title: "A source disagrees with the others",
        cause: "{source} is a falseticker for {client}: the other sources agree with one another, and not with it.",
        fix: "put the clock of {server} right, or take it out of the sources of {client}",
        find: Find::Link(falseticker),
        ..ROW
    },
    Rule {
        code: "FC070",
        title: "The source is too far from true time",
        cause: "{source} claims a root distance of {distance}, and `{unit}` on {client} accepts {limit} at most.",
        fix: "give {server} a better source; or, knowing what it means, add `{line}` to `extra` of {client} and fleetclock apply",
        find: Find::Link(too_distant),
        ..ROW
    },
    Rule {
        code: "FC075",
        title: "The clock is far off and may not step",
        cause: "The clock of {client} is off by {offset}, and `{unit}` {how}.",
        fix: "{remedy}",
        find: Find::Link(slews),
        ..ROW
    },
    Rule {
        code: "FC078",
        title: "The clock was moved while it was measured",
        cause: "The clock of {client} is off by {offset}, and `{unit}` takes {source} for too variable: what it measured before the clock was moved and after does not fit. A virtual machine that was paused does that, another program, or a source whose own clock was moved.",
        fix: "on {client}: {command} (the clock will jump); a machine that is paused from time to time needs `step: always` in the inventory",
        find: Find::Link(moved),
        ..ROW
    },
    Rule {
        code: "FC073",
        severity: Severity::Warning,
        title: "The poll interval cannot hold the limit",
        cause: "{unit} on {host} may ask {source} only every {interval}, in which a clock drifts by up to {drift}; the limit is {limit}.",
        fix: "set `maxpoll` of {source} to {maxpoll} or less in the inventory, and fleetclock apply -l {host}",
        find: Find::Host(polls_seldom),
        ..ROW
    },
    Rule {
        code: "FC074",
        severity: Severity::Warning,
        title: "The hardware clock is in local time",
        cause: "{host} reads its hardware clock as local time, so it can start an hour or more off.",
        fix: "on {host}: timedatectl set-local-rtc 0",
        find: Find::Host(local_rtc),
        ..ROW
    },
    Rule {
        code: "FC076",
        severity: Severity::Warning,
        title: "The clock has jumped",
        cause: "Something has moved the clock of {host} behind the back of `{unit}` in the last day: a person, another program, or a machine or a service that was paused.",
        fix: "find out what it was ({hint}); a machine that is paused or moved needs `step: always` in the inventory, or the time synchronisation of its hypervisor off",
        find: Find::Host(jumps),
        ..ROW
    },
    STARTED,
    UNKNOWN,
];

/// Found also when nothing else explains a host whose service is very young.
pub(in crate::doctor) const STARTED: Rule = Rule {
    code: "FC079",
    severity: Severity::Note,
    title: "The service has just been started",
    cause: "`{unit}` on {host} was started a moment ago and is still measuring.",
    fix: "wait a minute, then fleetclock verify -l {host}",
    find: Find::Host(measuring),
    ..ROW
};

/// Found when no other rule explains a host that follows nobody.
pub(in crate::doctor) const UNKNOWN: Rule = Rule {
    code: "FC090",
    title: "The clock does not follow, and it is not known why",
    cause: "`{unit}` on {host} follows no source, and none of the known causes fits.",
    fix: "fleetclock doctor {host} --save evidence.txt, and show the file to somebody",
    ..ROW
};

fn seconds(nanoseconds: Option<i64>) -> Option<f64> {
    nanoseconds.map(|ns| ns as f64 / 1e9)
}

fn offset(answer: &SourceReport) -> Option<f64> {
    seconds(answer.offset_ns).filter(|_| answer.usable())
}

/// ntpd that ended because its clock was too far off.
pub(super) fn panicked(host: &Patient<'_>) -> Option<Seen> {
    let evidence = host.evidence;
    let limit = evidence.service?.gives_up_above_s()?;
    let ended = evidence.own().is_some_and(|unit| unit.active != "active");
    let least = evidence.answers.iter().filter_map(offset).min_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    if !ended || least.abs() <= limit {
        return None;
    }
    // In the words of ntpsec, and in those of classic ntp.
    let panics = |line: &&str| line.contains("Panic:") || line.contains("sanity limit");
    let told = evidence.text("journal").lines().find(panics).unwrap_or("ntpd has ended");
    Some(host.seen("journal", told).with("offset", signed(least)))
}

fn panic(host: &Patient<'_>) -> Vec<Seen> {
    panicked(host).into_iter().collect()
}

fn falseticker(link: &Link<'_>) -> Option<Seen> {
    let peer = link.peer().filter(|peer| peer.mark == 'x')?;
    let offset =
        link.answer().and_then(offset).map_or_else(String::new, |offset| format!(", off by {}", signed(offset)));
    Some(link.name_both(link.client.seen("status", format!("{} is marked x{offset}", peer.address))))
}

/// A source that was heard and is not taken.
fn not_taken(link: &Link<'_>) -> bool {
    link.works() && link.peer().is_some_and(|peer| !peer.is_unheard() && matches!(peer.mark, '?' | ' '))
}

fn too_distant(link: &Link<'_>) -> Option<Seen> {
    let answer = link.answer().filter(|_| not_taken(link))?;
    let distance = seconds(answer.root_delay_ns)? / 2.0 + seconds(answer.root_dispersion_ns)?;
    let config = &link.client.evidence.config;
    let (limit, line) = link.client.evidence.service?.max_distance(config)?;
    let text = format!("root delay/2 + root dispersion of {} is {}", link.source.address, span(distance));
    let line = format!("{line} {:.0}", (distance * 1.5).ceil());
    let seen = link.name_both(link.client.seen("probe", text));
    let seen = seen.with("distance", span(distance)).with("limit", span(limit)).with("line", line);
    (distance > limit).then_some(seen)
}

/// A step that the configuration does not provide for, as soon as a source is selected.
const BY_HAND: &str = " && chronyc waitsync 6 && chronyc makestep";

/// Off by more than a step would be worth, and nobody steps. chronyd slews by 1/12 at most.
fn slews(link: &Link<'_>) -> Option<Seen> {
    // A negative number of updates allows a step at any time.
    let may_step = |words: &[String]| words.get(1).is_some_and(|word| word.starts_with('-'));
    let seen = far_off(link, '*').filter(|_| !link.client.evidence.config.all("makestep").any(may_step))?;
    Some(match super::agreement::cannot(&link.client) {
        Some((why, remedy)) => seen.with("how", why).with("remedy", remedy),
        None => {
            let how = seen.fill("may only slew it, which takes about {time}");
            let remedy = seen.fill("on {client}: {command} (the clock will jump)");
            seen.with("how", how).with("remedy", remedy)
        }
    })
}

/// chronyd selects no source whose measurements scatter by more than `maxjitter`, a second (`~`).
fn moved(link: &Link<'_>) -> Option<Seen> {
    far_off(link, '~')
}

/// More than a second off a source that chronyd gives this mark.
fn far_off(link: &Link<'_>, mark: char) -> Option<Seen> {
    let evidence = link.client.evidence;
    let offset = link.answer().and_then(offset).filter(|offset| offset.abs() > 1.0)?;
    let slews = evidence.service.is_some_and(|service| service.slews_whatever());
    let marked = slews && link.peer().is_some_and(|peer| peer.mark == mark);
    // A restart forgets what was measured, and steps if the configuration lets it.
    let over =
        |words: &[String]| words.first().and_then(|word| word.parse().ok()).is_some_and(|least| offset.abs() > least);
    let and_steps = if evidence.config.all("makestep").any(over) { "" } else { BY_HAND };
    let command = format!("systemctl restart {}{and_steps}", evidence.unit);
    let seen =
        link.name_both(link.client.seen("probe", format!("{} is ahead by {}", link.source.address, signed(offset))));
    let seen = seen.with("offset", signed(offset)).with("time", span(offset.abs() * 12.0)).with("command", command);
    marked.then_some(seen)
}

fn polls_seldom(host: &Patient<'_>) -> Vec<Seen> {
    let limit = host.spec.limits.max_error.as_secs_f64();
    let most = (limit / DRIFT).log2().floor();
    let seen = |source: &crate::inventory::spec::Source| {
        let options = host.evidence.config.source(&source.address)?;
        let at = options.iter().position(|word| word == "maxpoll");
        let maxpoll: i32 = at.and_then(|at| options.get(at + 1)?.parse().ok()).unwrap_or(MAXPOLL);
        let interval = f64::from(maxpoll).exp2();
        let seen = host.seen("config", format!("{} maxpoll {maxpoll}", source.address));
        let seen = seen.with("source", source.address.as_str()).with("interval", span(interval));
        let seen =
            seen.with("drift", span(interval * DRIFT)).with("limit", span(limit)).with("maxpoll", format!("{most:.0}"));
        (interval * DRIFT > limit).then_some(seen)
    };
    host.spec.time.sources.iter().filter_map(seen).collect()
}

fn local_rtc(host: &Patient<'_>) -> Vec<Seen> {
    let local = host.evidence.text("rtc") == "LOCAL";
    if local { vec![host.seen("rtc", "LOCAL")] } else { Vec::new() }
}

/// Steps of the service itself are no news so long after its start, seconds.
const SETTLING: f64 = 600.0;

/// When a line of the journal was written, seconds since 1970.
fn written(line: &str) -> f64 {
    line.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// Lines of the journal with their time; those of the service's own beginning are left out.
fn jumps(host: &Patient<'_>) -> Vec<Seen> {
    let evidence = host.evidence;
    let started = evidence.started.map_or(0.0, |started| started as f64);
    let counts = |line: &&str| {
        // The time of the note may be that before the jump.
        let detected = line.contains("time jump detected") && written(line) >= started - 1.0;
        detected || written(line) > started + SETTLING
    };
    let all: Vec<&str> = evidence.text("jumps").lines().filter(counts).collect();
    let Some(last) = all.last() else { return Vec::new() };
    let words = last.split_once(": ").map_or(*last, |(_, words)| words);
    let machine = evidence.text("machine").lines().find_map(|line| line.strip_prefix("on ")).unwrap_or_default();
    let hint = match machine {
        "" | "none" => "journalctl -b shows what else happened at that moment".to_owned(),
        machine => format!("journalctl -b, and whether the machine, which is virtual ({machine}), was paused"),
    };
    let text = format!("{} in the last day, the last: {words}", count(all.len(), "jump"));
    // The service forgets what it has measured, and measures anew.
    let unsettles = (evidence.now() - written(last)).abs() < SETTLING;
    vec![Seen { unsettles, ..host.seen("jumps", text) }.with("hint", hint)]
}

/// A service that is younger has not heard of anybody yet, seconds.
const FRESH: f64 = 30.0;

/// The bit of `flash` that ntpd sets when it has seen an answer twice.
const DUPLICATE: u32 = 1;

/// Samples that a service takes before it follows; later polls are a minute apart.
const FEW: u8 = 0b1111;

/// A service that was started a moment ago and has heard of nobody yet.
pub(in crate::doctor) fn fresh(host: &Patient<'_>) -> Option<Seen> {
    let evidence = host.evidence;
    let age = evidence.now() - evidence.started? as f64;
    let unheard = evidence.peers.iter().all(Peer::is_unheard);
    let answered = evidence.answers.iter().any(SourceReport::usable);
    let text = format!("started {age:.0} s ago, and no source has answered it yet");
    ((0.0..FRESH).contains(&age) && unheard && answered).then(|| host.seen("started", text))
}

fn measuring(host: &Patient<'_>) -> Vec<Seen> {
    let evidence = host.evidence;
    let few = |reach: u8| reach != 0 && reach <= FEW;
    let unmarked = |peer: &&Peer| matches!(peer.mark, '?' | ' ');
    let heard = evidence.peers.iter().filter(unmarked).any(|peer| peer.reach.is_some_and(few));
    let near = evidence.answers.iter().any(|answer| {
        let distance =
            seconds(answer.root_delay_ns).unwrap_or(0.0) / 2.0 + seconds(answer.root_dispersion_ns).unwrap_or(0.0);
        answer.usable() && distance < NEAR
    });
    // After a jump it measures anew, too, and has not been started.
    let jumped = jumps(host).iter().any(|seen| seen.unsettles);
    // What the service says of its choice, or its file, may be reason enough to take nobody.
    let choosing = evidence.inside.choices.iter().all(|choice| match choice.state {
        ' ' => choice.flash & !DUPLICATE == 0,
        state => matches!(state, 'M' | 'U' | 'S'),
    });
    let good = evidence.inside.packets.iter().all(|packets| packets.received == 0 || packets.good > 0);
    let own = choosing && good && host.suspects().is_empty();
    let young = evidence.runs() && !evidence.follows() && heard && near && !jumped && own;
    if young { vec![host.seen("status", "no source has answered more than a few times")] } else { Vec::new() }
}
