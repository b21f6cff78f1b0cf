//! The proof: the host asks its sources itself, the time service says what it follows, and
//! both are measured against the limits. Script and verdict; the waiting happens on the host.

use std::net::IpAddr;
use std::time::Duration;

use super::settling;
use crate::inventory::HostSpec;
use crate::inventory::spec::Source;
use crate::ntp::remote;
use crate::ntp::report::SourceReport as Measured;
use crate::provider::{self, LinuxProvider, Peer, Provider};
use crate::report::{DaemonReport, SourceReport};
use crate::transport::quote::sh;

/// Samples of each source; the one with the least delay counts.
const SAMPLES: u32 = 4;

/// How long one sample may take, milliseconds.
const SAMPLE_TIMEOUT_MS: u32 = 1000;

/// The source ports that a measurement asks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ports {
    /// One that the kernel chooses.
    Any,
    /// Also 123, as W32Time and ntpd do, unless a program holds it that does not share it.
    Both,
    /// Also 123, even past the program that holds it.
    Raw,
}

impl Ports {
    fn word(self) -> &'static str {
        match self {
            Ports::Any => "any",
            Ports::Both => "both",
            Ports::Raw => "raw",
        }
    }
}

/// Returns shell text that measures all sources once. Needs [`remote::functions`].
pub(crate) fn measure(spec: &HostSpec, samples: u32, timeout_ms: u32, ports: Ports) -> String {
    let limit = spec.limits.max_error.as_nanos();
    let sources: Vec<String> = spec.time.sources.iter().map(|source| sh(&source.address)).collect();
    if sources.is_empty() {
        return ":".to_owned();
    }
    format!("fc_probe {samples} {timeout_ms} {limit} {} {}", ports.word(), sources.join(" "))
}

/// Returns shell text that waits until the service is synchronised and one of its sources is
/// within the limits, or until the deadline; a service that does not run is not waited for.
pub(crate) fn wait(spec: &HostSpec, provider: &dyn LinuxProvider, unit: &str, boundary: &str) -> String {
    // An isolated master waits for nobody.
    let alone = spec.time.sources.is_empty() || spec.time.isolated.is_some();
    let measure = if alone { ":".to_owned() } else { measure(spec, 2, SAMPLE_TIMEOUT_MS, Ports::Any) };
    WAIT.replace("@READY@", provider.ready())
        .replace("@ALIVE@", &provider::alive(unit))
        .replace("@MEASURE@", &measure)
        .replace("@SETTLES@", &settling::shell(spec))
        .replace("@SECONDS@", &spec.limits.deadline.as_secs().max(1).to_string())
        .replace("@BOUNDARY@", boundary)
}

/// Says what is waited for when that changes, and every ten seconds.
const WAIT: &str = r#"fc_ready() { @READY@; }
fc_settles() {
@SETTLES@
}
fc_end=$(($(date +%s) + @SECONDS@)); fc_said=
until fc_seen= && fc_ready && fc_seen=$(@MEASURE@ 2>/dev/null); do
fc_left=$((fc_end - $(date +%s)))
[ "$fc_left" -gt 0 ] || break
@ALIVE@ || break
fc_settles && break
fc_what='no source is within the limits yet'
fc_ready || fc_what='no source is selected yet'
if [ "$fc_what" != "$fc_said" ] || [ $((fc_left % 10)) = 0 ]; then
echo "@BOUNDARY@ progress $fc_what ($fc_left s left)"
fi
fc_said=$fc_what
sleep 1
done"#;

/// Returns the final measurement.
pub(crate) fn proof(spec: &HostSpec, ports: Ports) -> String {
    measure(spec, SAMPLES, SAMPLE_TIMEOUT_MS, ports)
}

/// Returns shell text that asks the sources into `$fc_seen`. Where time is `needed`, it succeeds
/// only when at least one of them serves synchronised time.
pub(crate) fn guard(spec: &HostSpec, needed: bool) -> Option<String> {
    let sources: Vec<String> = spec.time.sources.iter().map(|source| sh(&source.address)).collect();
    if sources.is_empty() {
        return None;
    }
    let probe = format!("fc_probe 2 {SAMPLE_TIMEOUT_MS} 9223372036854775807 any {}", sources.join(" "));
    let ask = format!("fc_seen=$({probe} || :)\nprintf '%s\\n' \"$fc_seen\"");
    // An isolated master goes on without them.
    let needed = needed && spec.time.isolated.is_none();
    Some(if needed { format!("{ask}\ncase $fc_seen in *'\"outcome\":\"ok\"'*) ;; *) exit 1 ;; esac") } else { ask })
}

/// Returns the functions that the texts above call.
pub(crate) fn functions() -> String {
    remote::functions()
}

/// Joins what was measured with what the time service says of the same sources.
pub(crate) fn sources(spec: &HostSpec, printed: &str, peers: &[Peer]) -> Vec<SourceReport> {
    joined(spec, remote::parse(printed), peers)
}

/// As `sources`, for what is measured already.
pub(crate) fn joined(spec: &HostSpec, measured: Vec<Measured>, peers: &[Peer]) -> Vec<SourceReport> {
    measured.into_iter().map(|measured| source(spec, measured, peers)).collect()
}

fn source(spec: &HostSpec, m: Measured, peers: &[Peer]) -> SourceReport {
    let usable = m.usable();
    // W32Time names its source as it was configured, the others by its address.
    let is = |peer: &&Peer| {
        same_address(&peer.address, m.address.as_deref().unwrap_or(&m.source)) || peer.address == m.source
    };
    let peer = peers.iter().find(is);
    let seconds = |ns: Option<i64>| ns.map(|ns| ns as f64 / 1e9);
    let bound = seconds(m.error_bound_ns);
    let declared: Option<&Source> = spec.time.sources.iter().find(|source| source.address == m.source);
    let refid = m.refid.clone().unwrap_or_default();
    let report = SourceReport {
        host: declared.and_then(|source| source.host.clone()),
        reachable: m.received.unwrap_or(0) > 0,
        outcome: m.kiss.as_ref().map_or(m.outcome.clone(), |code| format!("{} {code}", m.outcome)),
        stratum: m.stratum,
        leap: m.leap,
        offset_s: seconds(m.offset_ns),
        delay_s: seconds(m.delay_ns),
        root_delay_s: seconds(m.root_delay_ns),
        root_dispersion_s: seconds(m.root_dispersion_ns),
        error_bound_s: bound,
        selected: peer.is_some_and(|peer| peer.selected),
        reach: peer.and_then(|peer| peer.reach),
        within: Some(usable && within(spec, bound, m.stratum)),
        probe: Some(m.probe),
        from_123: m.from_123,
        address: m.source,
        polls_left: None,
    };
    SourceReport { polls_left: settling::polls_left(spec, declared, &refid, &report), ..report }
}

/// The word of a port from which the service itself asks, and is answered.
pub(crate) const SERVICE: &str = "service";

/// A service that asks from port 123 itself has proven that port by its own polls.
pub(crate) fn credit(sources: &mut [SourceReport], provider: &dyn Provider) {
    let answered = |source: &SourceReport| source.selected || source.reach.is_some_and(|reach| reach & 1 == 1);
    for source in sources.iter_mut().filter(|_| provider.asks_from_123()) {
        if matches!(source.from_123.as_deref(), None | Some("held")) && answered(source) {
            source.from_123 = Some(SERVICE.to_owned());
        }
    }
}

/// Says of each source that makes a difference between the ports it is asked from.
pub(crate) fn differences(sources: &[SourceReport]) -> Vec<String> {
    let name = |source: &SourceReport| format!("`{}`", source.address);
    let differs = |source: &SourceReport| match (source.reachable, source.answers_123()) {
        (true, Some(false)) => Some(format!(
            "{} answers, but not when it is asked from port 123, as ntpd and W32Time do; `doctor` looks why",
            name(source)
        )),
        (false, Some(true)) => {
            Some(format!("{} answers only when it is asked from port 123; `doctor` looks why", name(source)))
        }
        _ => None,
    };
    sources.iter().filter_map(differs).collect()
}

fn within(spec: &HostSpec, bound: Option<f64>, stratum: Option<u8>) -> bool {
    bound.is_some_and(|bound| bound <= spec.limits.max_error.as_secs_f64())
        && stratum.is_some_and(|stratum| stratum <= spec.limits.max_stratum)
}

/// Compares addresses as numbers where both are (`::1` and `0:0:0:0:0:0:0:1`).
fn same_address(left: &str, right: &str) -> bool {
    match (left.parse::<IpAddr>(), right.parse::<IpAddr>()) {
        (Ok(left), Ok(right)) => left == right,
        _ => left == right,
    }
}

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

/// Judges a host by what its service says and what was measured.
pub(crate) fn judge(spec: &HostSpec, daemon: Option<&DaemonReport>, sources: &[SourceReport]) -> Verdict {
    let Some(daemon) = daemon else {
        return Verdict::NotSynchronised("the time service was not asked".to_owned());
    };
    if !daemon.synchronised {
        return Verdict::NotSynchronised(format!("{}: {}", daemon.provider, daemon.detail));
    }
    if spec.time.sources.is_empty() || sources.iter().any(|source| source.selected && source.within == Some(true)) {
        return Verdict::Proven;
    }
    match sources.iter().find(|source| source.selected) {
        Some(source) => match source.polls_left {
            Some(polls) => Verdict::Settling(settling::explain(spec, source, polls), settling::time(polls)),
            None => Verdict::OutOfLimits(explain(spec, source)),
        },
        None => elsewhere(spec, daemon, sources),
    }
}

/// The service follows something that we did not measure: its own clock, a pool's further
/// server, or a source that is not in the inventory.
fn elsewhere(spec: &HostSpec, daemon: &DaemonReport, sources: &[SourceReport]) -> Verdict {
    let followed = daemon.source.as_deref().unwrap_or("its own clock");
    let good = sources.iter().any(|source| source.within == Some(true));
    let pool = spec.time.sources.iter().any(|source| source.pool);
    if spec.time.isolated.is_some() || (pool && good) {
        return Verdict::Proven;
    }
    Verdict::NotSynchronised(format!("{} follows {followed}, which the inventory does not name", daemon.provider))
}

fn explain(spec: &HostSpec, source: &SourceReport) -> String {
    let limits = &spec.limits;
    match (source.error_bound_s, source.stratum) {
        (Some(bound), _) if bound > limits.max_error.as_secs_f64() => format!(
            "error bound {:.1} ms to `{}` is above the limit of {:.1} ms",
            bound * 1e3,
            source.address,
            limits.max_error.as_secs_f64() * 1e3
        ),
        (_, Some(stratum)) if stratum > limits.max_stratum => {
            format!("`{}` is stratum {stratum}, the limit is {}", source.address, limits.max_stratum)
        }
        _ if source.answers_123() == Some(true) && !source.reachable => {
            format!("the selected source `{}` answers only when it is asked from port 123", source.address)
        }
        _ => format!("the selected source `{}` answered our probe with: {}", source.address, source.outcome),
    }
}
