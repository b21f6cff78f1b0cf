//! The verdict: whether a host follows, now, what the inventory names, and how far off it may be.
//!
//! Followed is what the time service has selected and has reached with one of its last polls. What
//! it once selected, what only our own probe reaches, and what has a right name count for nothing.

pub(crate) mod followed;
pub(crate) mod settling;
pub(crate) mod sources;
pub(crate) mod stripchart;

use std::net::IpAddr;
use std::time::Duration;

use crate::inventory::HostSpec;
use crate::inventory::spec::Source;
use crate::model::{DaemonReport, SourceReport, name_of_own_clock};
use crate::provider::{DaemonStatus, Peer, PeerKind, is_reached};

use sources::within;

/// What the proof came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The service follows a source of the inventory, within the limits.
    Proven,
    /// It follows one, and the clock is right as far as it was measured; the bound is above the limit
    /// and falls by itself. Says so, and how long that takes.
    Settling(String, Duration),
    /// It follows one, but the clock is outside the limits; says how.
    OutOfLimits(String),
    /// It follows none; says why.
    NotSynchronised(String),
}

/// A verdict, and what is worth a second look beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) warning: Option<String>,
}

impl From<Verdict> for Judged {
    fn from(verdict: Verdict) -> Self {
        Judged { verdict, warning: None }
    }
}

/// What a service that says it is synchronised goes by.
enum Follows<'a> {
    /// A source of the inventory, reached in the last polls.
    Source(&'a SourceReport),
    /// A clock that is attached to the host.
    Clock(&'a Peer),
    /// Its own clock.
    Itself,
    /// Something that the inventory does not name.
    Stranger(&'a Peer),
    /// Nothing any more; says what it has lost.
    Nothing(String),
}

/// Judges a host by what its service says and what was measured.
pub(crate) fn judge(spec: &HostSpec, daemon: &DaemonStatus, sources: &[SourceReport]) -> Judged {
    let report = &daemon.report;
    if !report.synchronised {
        return Verdict::NotSynchronised(format!("{}: {}", report.provider, report.detail)).into();
    }
    let by = |what: &str| Verdict::NotSynchronised(format!("{} {what}", report.provider));
    match follows(daemon, sources) {
        Follows::Source(source) => by_source(spec, source).into(),
        Follows::Clock(peer) => clock(spec, report, peer).into(),
        Follows::Stranger(peer) => by(&stranger(spec, peer)).into(),
        Follows::Itself | Follows::Nothing(_) if spec.time.isolated.is_some() => alone(spec, daemon, sources),
        Follows::Itself => by("goes by its own clock, and this host is not `isolated`").into(),
        Follows::Nothing(lost) => by(&lost).into(),
    }
}

/// A service that does not say by which name it found a server may have found it by one of the inventory.
fn stranger(spec: &HostSpec, peer: &Peer) -> String {
    let what = format!("follows {}, which the inventory does not name", peer.address);
    let says = peer.name.is_some() || peer.kind == PeerKind::PoolMember || peer.address.parse::<IpAddr>().is_err();
    // ntpd says which servers are members of a pool.
    let may_be = |source: &&Source| sources::is_name(source) && (peer.kind == PeerKind::Unnamed || !source.pool);
    let names: Vec<String> = spec.time.sources.iter().filter(may_be).map(quoted).collect();
    if says || names.is_empty() {
        return what;
    }
    let pool = "; a name of many servers is a `pool: true`";
    let pool = if spec.time.sources.iter().any(|source| source.pool) { "" } else { pool };
    format!(
        "{what}: {} was not seen to lead there since this host was booted. If it did when the service started, restart \
         the service{pool}",
        names.join(" or ")
    )
}

fn quoted(source: &Source) -> String {
    format!("`{}`", source.address)
}

fn by_source(spec: &HostSpec, source: &SourceReport) -> Verdict {
    if let Some(reference) = cut_off(spec, source) {
        return Verdict::OutOfLimits(format!(
            "`{}` serves its own clock (reference {reference}): it has lost the source that it shall follow",
            source.address
        ));
    }
    match source.within {
        Some(true) => Verdict::Proven,
        _ => settling(spec, source).unwrap_or_else(|| Verdict::OutOfLimits(explain(spec, source))),
    }
}

/// The reference of a source that shall have one of its own and goes by its own clock.
fn cut_off(spec: &HostSpec, source: &SourceReport) -> Option<&'static str> {
    let fed = spec.time.sources.iter().any(|declared| declared.fed && declared.address == source.address);
    let reference = source.refid.as_deref().and_then(name_of_own_clock)?;
    (fed && source.is_ok()).then_some(reference)
}

/// A bound that is above the limit and falls by itself.
fn settling(spec: &HostSpec, source: &SourceReport) -> Option<Verdict> {
    let polls = source.polls_left?;
    Some(Verdict::Settling(settling::explain(spec, source, polls), settling::time(polls)))
}

/// The verdict after the polls of the sources were counted anew.
pub(crate) fn anew(spec: &HostSpec, verdict: Verdict, sources: &[SourceReport]) -> Verdict {
    let followed = || sources.iter().find(|source| source.selected);
    match verdict {
        Verdict::OutOfLimits(why) => {
            followed().and_then(|source| settling(spec, source)).unwrap_or(Verdict::OutOfLimits(why))
        }
        verdict => verdict,
    }
}

fn follows<'a>(daemon: &'a DaemonStatus, sources: &'a [SourceReport]) -> Follows<'a> {
    if daemon.report.own_clock {
        return Follows::Itself;
    }
    let Some(peer) = daemon.peers.iter().find(|peer| peer.selected) else {
        let all = state_of_all(daemon, sources);
        return Follows::Nothing(format!("follows no source now: {all}{}", unheard(daemon, sources)));
    };
    let named = sources.iter().find(|source| source.selected);
    match (named, peer.kind) {
        (None, PeerKind::Server | PeerKind::PoolMember | PeerKind::Unnamed) => Follows::Stranger(peer),
        _ if !is_reached(peer.reach) => Follows::Nothing(format!(
            "has selected {}, and its last three polls of it were lost{}",
            state(peer, named.map_or(&peer.address, |source| &source.address)),
            named.map_or_else(String::new, |source| seen_by_us(source, peer, &daemon.report.provider))
        )),
        (Some(source), _) => Follows::Source(source),
        (None, PeerKind::Clock) => Follows::Clock(peer),
    }
}

/// Which of the two is cut off: the service, or the host; or it was, and the service has not asked since.
fn seen_by_us(source: &SourceReport, peer: &Peer, service: &str) -> String {
    if source.is_ok() { answers_us(peer.every_s, service) } else { String::new() }
}

/// Where the service hears nobody of those who answer us.
fn unheard(daemon: &DaemonStatus, sources: &[SourceReport]) -> String {
    let deaf = !daemon.peers.is_empty() && !daemon.peers.iter().any(|peer| is_reached(peer.reach));
    let answered = sources.iter().any(|source| source.is_ok());
    let every = daemon.peers.iter().filter_map(|peer| peer.every_s).min();
    if deaf && answered { answers_us(every, &daemon.report.provider) } else { String::new() }
}

fn answers_us(every_s: Option<u64>, service: &str) -> String {
    let again = every_s.map(|seconds| format!(", and {service} asks again within {}", span(seconds)));
    format!("; our probe from the same host is answered{}", again.unwrap_or_default())
}

/// `10.0.0.1` (reach 0, last answer 9m ago).
fn state(peer: &Peer, name: &str) -> String {
    let reach = peer.reach.map(|reach| format!("reach {reach:o}"));
    let last = peer.last_s.map(|seconds| format!("last answer {} ago", span(seconds)));
    let words: Vec<String> = reach.into_iter().chain(last).collect();
    if words.is_empty() { format!("`{name}`") } else { format!("`{name}` ({})", words.join(", ")) }
}

/// The sources as the service sees them; of many, the first.
fn state_of_all(daemon: &DaemonStatus, sources: &[SourceReport]) -> String {
    let name = |peer: &Peer| {
        let known = sources.iter().find(|source| source.ip.as_ref().is_some_and(|ip| *ip == peer.address));
        known.map_or_else(|| peer.address.clone(), |source| source.address.clone())
    };
    let all: Vec<String> = daemon.peers.iter().take(SHOWN).map(|peer| state(peer, &name(peer))).collect();
    match daemon.peers.len().saturating_sub(SHOWN) {
        0 if all.is_empty() => "it has none".to_owned(),
        0 => all.join(", "),
        more => format!("{} and {more} more", all.join(", ")),
    }
}

/// Sources that a sentence names.
const SHOWN: usize = 4;

fn span(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

/// A clock that is attached to the host is in its configuration file, or the service would not have it.
fn clock(spec: &HostSpec, report: &DaemonReport, peer: &Peer) -> Verdict {
    let bound = clock_bound(report);
    if within(spec, bound, report.stratum) {
        return Verdict::Proven;
    }
    let shown = bound.map_or_else(|| "unknown".to_owned(), |bound| format!("{:.1} ms", bound * 1e3));
    let (limit, stratum) = (spec.limits.max_error.as_secs_f64() * 1e3, report.stratum.unwrap_or(0));
    Verdict::OutOfLimits(format!(
        "error bound to the clock `{}` is {shown}, the limit is {limit:.1} ms; stratum {stratum}, the limit is {}",
        peer.address, spec.limits.max_stratum
    ))
}

/// As RFC 5905 section 11.2 counts: a clock has a delay, too, of which half may be an error, and what a service
/// that says when it last heard of it knew then has drifted since. Nothing where a part of it is not known.
fn clock_bound(report: &DaemonReport) -> Option<f64> {
    let drift = report.since_s.unwrap_or(0.0) * DRIFT;
    Some(report.offset_s?.abs() + report.root_delay_s? / 2.0 + report.root_dispersion_s? + drift)
}

/// How fast a clock may drift (PHI of RFC 5905).
const DRIFT: f64 = 15e-6;

/// A master that may go on without any outside time does so. With an upstream, that is a fallback and is said.
fn alone(spec: &HostSpec, daemon: &DaemonStatus, sources: &[SourceReport]) -> Judged {
    let Some(why) = lost(spec, daemon, sources) else { return Verdict::Proven.into() };
    match spec.time.alarm {
        true => Verdict::OutOfLimits(why).into(),
        false => Judged { verdict: Verdict::Proven, warning: Some(why) },
    }
}

/// What a master on its own clock has lost: those it shall follow, or the other masters that it shall agree with.
fn lost(spec: &HostSpec, daemon: &DaemonStatus, sources: &[SourceReport]) -> Option<String> {
    let orphan = |source: &SourceReport| {
        spec.time.sources.iter().any(|declared| declared.orphan && declared.address == source.address)
    };
    let is_of = |peer: &Peer, source: &SourceReport| {
        source.ip.as_deref().unwrap_or(&source.address) == peer.address || peer.name.as_ref() == Some(&source.address)
    };
    let peers: Vec<&Peer> = daemon.peers.iter().filter(|peer| !is_local(peer)).collect();
    let upstream: Vec<&Peer> = peers
        .iter()
        .copied()
        .filter(|peer| !sources.iter().any(|source| orphan(source) && is_of(peer, source)))
        .collect();
    let has_upstream = spec.time.sources.iter().any(|source| !source.orphan) || !upstream.is_empty();
    if !has_upstream {
        let silent = !peers.is_empty() && !peers.iter().any(|peer| is_reached(peer.reach));
        return silent.then(|| {
            format!(
                "{OWN_CLOCK} and does not hear the other isolated masters ({}): they may drift apart",
                state_of_all(daemon, sources)
            )
        });
    }
    let answered = upstream.iter().filter_map(|peer| peer.last_s).min();
    let heard = upstream.iter().any(|peer| is_reached(peer.reach));
    let since = match answered {
        _ if heard => "its upstream answers and is not selected".to_owned(),
        Some(seconds) => format!("its upstream is lost: the last answer came {} ago", span(seconds)),
        None => format!("its upstream is lost: no answer came since {} started", daemon.report.provider),
    };
    let probe = sources.iter().any(|source| !orphan(source) && source.is_ok());
    let every = upstream.iter().filter_map(|peer| peer.every_s).min();
    let probe = if probe && !heard { answers_us(every, &daemon.report.provider) } else { String::new() };
    Some(format!("{OWN_CLOCK}, {since} ({}){probe}", state_of_all(daemon, sources)))
}

/// How the warning of a master begins that has lost its upstream.
const OWN_CLOCK: &str = "it runs on its own clock";

/// Whether a warning is one of [`judge`].
pub(crate) fn is_of_own_clock(warning: &str) -> bool {
    warning.starts_with(OWN_CLOCK)
}

/// The driver of ntpd for the host's own clock.
fn is_local(peer: &Peer) -> bool {
    peer.kind == PeerKind::Clock && peer.address.starts_with("127.127.1.")
}

fn explain(spec: &HostSpec, source: &SourceReport) -> String {
    let limits = &spec.limits;
    match (source.error_bound_s, source.stratum) {
        (Some(bound), _) if source.is_ok() && bound > limits.max_error.as_secs_f64() => format!(
            "error bound {:.1} ms to `{}` is above the limit of {:.1} ms",
            bound * 1e3,
            source.address,
            limits.max_error.as_secs_f64() * 1e3
        ),
        (_, Some(stratum)) if source.is_ok() && stratum > limits.max_stratum => {
            format!("`{}` is stratum {stratum}, the limit is {}", source.address, limits.max_stratum)
        }
        _ if source.is_filtered() => {
            format!("our question to the selected source `{}` got no further: {}", source.address, source.words())
        }
        _ if source.answers_123() == Some(true) && !source.reachable => {
            format!("the selected source `{}` answers only when it is asked from port 123", source.address)
        }
        _ => {
            let last =
                source.last_answer_s.map(|seconds| format!("; the service got its last answer {} ago", span(seconds)));
            let last = last.unwrap_or_default();
            format!("the selected source `{}` answered our probe with: {}{last}", source.address, source.outcome)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sources::{joined, unproven};
    use super::*;
    use crate::engine::sample::fleet;
    use crate::model::{Outcome, Slice};
    use crate::ntp::report::SourceReport as Measured;
    use crate::provider;

    /// `source address outcome offset`: stratum 2, a delay of 0.4 ms and a dispersion of 0.2 ms; and its reference.
    fn measured(line: &str) -> Measured {
        let (line, refid) = line.split_once(" refid ").map_or((line, None), |(line, refid)| (line, Some(refid)));
        let [source, address, outcome, offset] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let offset = offset.parse::<f64>().ok().map(|ms| (ms * 1e6) as i64);
        Measured {
            source: source.to_owned(),
            address: Some(address.to_owned()),
            outcome: Outcome::try_from(outcome.to_owned()).unwrap(),
            received: Some(u32::from(offset.is_some())),
            stratum: offset.map(|_| 2),
            refid: refid.map(str::to_owned),
            offset_ns: offset,
            delay_ns: offset.map(|_| 400_000),
            error_bound_ns: offset.map(|offset| offset.abs() + 400_000),
            ..Measured::default()
        }
    }

    fn shown(judged: &Judged) -> String {
        let verdict = match &judged.verdict {
            Verdict::Proven => "= ok".to_owned(),
            Verdict::Settling(why, _) => format!("= settling: {why}"),
            Verdict::OutOfLimits(why) => format!("= out of limits: {why}"),
            Verdict::NotSynchronised(why) => format!("= not synchronised: {why}"),
        };
        let warning = judged.warning.iter().map(|warning| format!("! {warning}"));
        std::iter::once(verdict).chain(warning).collect::<Vec<_>>().join("\n")
    }

    /// Judges one case of a file, and returns what came of it and what shall.
    fn judged(provider: &str, case: &str) -> (String, String) {
        let of = |mark: &str| {
            let lines = case.lines().filter_map(|line| line.strip_prefix(mark));
            lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>()
        };
        let settings = case.lines().nth(1).unwrap();
        let spec = fleet(&format!("hosts: {{ h: {{ address: 10.0.0.99, role: master, {settings} }} }}")).remove(0);
        let provider = provider::every().find(|known| known.name() == provider).unwrap();
        let stdout = of("-").join("\n") + "\n";
        let daemon = provider.parse_status(&Slice { stdout, ..Slice::default() }).unwrap();
        let measured: Vec<Measured> = of("~").into_iter().map(measured).collect();
        let unproven = unproven(&spec, &measured, &daemon.peers).map(|warning| format!("\n! {warning}"));
        let sources = joined(&spec, measured, &daemon.peers);
        let wanted: Vec<&str> = case.lines().filter(|line| line.starts_with(['=', '!'])).collect();
        (shown(&judge(&spec, &daemon, &sources)) + &unproven.unwrap_or_default(), wanted.join("\n"))
    }

    #[test]
    fn every_case_is_judged_right() {
        for provider in provider::ALL.iter().map(|provider| provider.name()) {
            let path = format!("{}/tests/verdict/{provider}.txt", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(path).unwrap();
            let cases: Vec<&str> = text.split("\n=== ").skip(1).collect();
            assert!(cases.len() > 4, "{provider}: {} cases", cases.len());
            for case in cases {
                let (came, wanted) = judged(provider, case);
                assert_eq!(came, wanted, "{provider}: {case}");
            }
        }
    }
}
