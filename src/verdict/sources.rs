//! What the host has measured of each source, joined with what its time service says of the same
//! machine. A name is no machine: the address decides, the one that was asked or is followed.

use std::net::IpAddr;

use crate::inventory::HostSpec;
use crate::inventory::spec::Source;
use crate::model::{Kiss, Outcome, Port123, SourceReport};
use crate::ntp::remote;
use crate::ntp::report::SourceReport as Measured;
use crate::provider::{Peer, PeerKind, Provider};

use super::settling;

/// Joins what was measured with what the time service says of the same sources.
pub(crate) fn sources(spec: &HostSpec, printed: &str, peers: &[Peer]) -> Vec<SourceReport> {
    joined(spec, remote::parse(printed), peers)
}

/// As `sources`, for what is measured already. An address that is no source of the inventory is
/// measured where the service follows it: it counts as the source by whose name the service found it.
pub(crate) fn joined(spec: &HostSpec, measured: Vec<Measured>, peers: &[Peer]) -> Vec<SourceReport> {
    let mut measured = measured;
    let place = |m: &Measured| spec.time.sources.iter().position(|source| source.address == m.source);
    measured.sort_by_key(|m| place(m).unwrap_or(usize::MAX));
    let claims: Vec<Option<&Source>> =
        measured.iter().map(|m| declared(spec, m).or_else(|| claimant(spec, m, &measured, peers))).collect();
    let rows = measured.into_iter().zip(claims);
    rows.filter_map(|(m, declared)| Some(source(spec, declared?, m, peers))).collect()
}

/// The source that was asked, by its name or address. The probe asks an address that is followed by the name that
/// leads there, or has led there since the host was booted.
fn declared<'a>(spec: &'a HostSpec, m: &Measured) -> Option<&'a Source> {
    spec.time.sources.iter().find(|source| source.address == m.source)
}

/// The source of the inventory by whose name the service has come to an address where no name is known to have led:
/// what the service itself says of it, or one server of a pool.
fn claimant<'a>(spec: &'a HostSpec, m: &Measured, all: &[Measured], peers: &[Peer]) -> Option<&'a Source> {
    let peer = peers.iter().find(|peer| peer.selected && same_address(&peer.address, &m.source))?;
    if let Some(name) = &peer.name {
        return spec.time.sources.iter().find(|source| source.address == *name);
    }
    match peer.kind {
        PeerKind::PoolMember => of_its_pools(spec, peer),
        PeerKind::Unnamed => perhaps_of_pool(spec, all, peers),
        // ntpd does not say by which name it has found a server, so the name has to lead there.
        PeerKind::Server | PeerKind::Clock => None,
    }
}

/// The pool of a member, where the service has no other pools than those of the inventory.
fn of_its_pools<'a>(spec: &'a HostSpec, peer: &Peer) -> Option<&'a Source> {
    let named = |name: &String| {
        spec.time.sources.iter().find(|source| source.pool && source.address.eq_ignore_ascii_case(name))
    };
    let pools: Option<Vec<&Source>> = peer.pools.iter().map(named).collect();
    pools?.first().copied()
}

/// Servers that a service keeps of one pool: `maxsources` of chrony, which pools of the inventory leave as it is.
const POOL: usize = 4;

/// A pool that a server may be of, in a service that says nothing of it. But where it has more servers than the
/// names can account for, one of them is a stranger, and which one nobody knows.
fn perhaps_of_pool<'a>(spec: &'a HostSpec, all: &[Measured], peers: &[Peer]) -> Option<&'a Source> {
    let leads = |source: &Source, peer: &Peer| {
        let own = all.iter().filter(|m| m.source == source.address).filter_map(|m| m.address.as_deref());
        own.chain([source.address.as_str()]).any(|address| same_address(&peer.address, address))
    };
    let open = |source: &Source| {
        let room = if source.pool { POOL } else { 1 };
        room.saturating_sub(peers.iter().filter(|peer| leads(source, peer)).count())
    };
    let named = || spec.time.sources.iter().filter(|source| is_name(source));
    let foreign =
        |peer: &&Peer| peer.kind == PeerKind::Unnamed && !spec.time.sources.iter().any(|source| leads(source, peer));
    let accounted = peers.iter().filter(foreign).count() <= named().map(open).sum();
    named().find(|source| source.pool && open(source) > 0).filter(|_| accounted)
}

pub(super) fn is_name(source: &Source) -> bool {
    source.address.parse::<IpAddr>().is_err()
}

/// Says that the server that is followed counts as one of a pool, and that nothing proves it.
pub(crate) fn unproven(spec: &HostSpec, measured: &[Measured], peers: &[Peer]) -> Option<String> {
    let claimed = measured.iter().filter(|m| declared(spec, m).is_none());
    let is_it = |m: &&Measured| {
        let mut peers = peers.iter().filter(|peer| peer.selected && peer.kind == PeerKind::Unnamed);
        peers.any(|peer| same_address(&peer.address, &m.source))
    };
    let (m, pool) = claimed.filter(is_it).find_map(|m| Some((m, claimant(spec, m, measured, peers)?)))?;
    Some(format!(
        "it follows {}, which is perhaps a server of the pool `{}`: the name does not lead there now, and this service \
         does not say by which name it found a server",
        m.source, pool.address
    ))
}

fn source(spec: &HostSpec, declared: &Source, m: Measured, peers: &[Peer]) -> SourceReport {
    let usable = m.usable();
    // W32Time names its source as it was configured, the others by its address.
    let is = |peer: &&Peer| {
        same_address(&peer.address, m.address.as_deref().unwrap_or(&m.source)) || peer.address == m.source
    };
    let peer = peers.iter().find(is);
    let seconds = |ns: Option<i64>| ns.map(|ns| ns as f64 / 1e9);
    let (bound, outcome) = (seconds(m.error_bound_ns), outcome(&m));
    let report = SourceReport {
        address: declared.address.clone(),
        ip: m.address.filter(|address| address.parse::<IpAddr>().is_ok()),
        host: declared.host.clone(),
        reachable: m.received.unwrap_or(0) > 0,
        outcome,
        stratum: m.stratum,
        leap: m.leap,
        refid: m.refid,
        offset_s: seconds(m.offset_ns),
        delay_s: seconds(m.delay_ns),
        root_delay_s: seconds(m.root_delay_ns),
        root_dispersion_s: seconds(m.root_dispersion_ns),
        error_bound_s: bound,
        selected: peer.is_some_and(|peer| peer.selected),
        reach: peer.and_then(|peer| peer.reach),
        last_answer_s: peer.and_then(|peer| peer.last_s),
        within: Some(usable && within(spec, bound, m.stratum)),
        probe: Some(m.probe),
        from_123: m.from_123,
        polls_left: None,
    };
    SourceReport { polls_left: settling::polls_left(spec, Some(declared), &report), ..report }
}

/// A kiss that came after a good answer does not undo it.
fn outcome(m: &Measured) -> Outcome {
    match m.outcome {
        Outcome::Kiss(_) => Outcome::Kiss(m.kiss),
        outcome => outcome,
    }
}

/// Whether a clock is within the limits of the host.
pub(crate) fn within(spec: &HostSpec, bound: Option<f64>, stratum: Option<u8>) -> bool {
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

/// A service that asks from port 123 itself has proven that port by its own polls. An old poll says
/// nothing of now: it counts where the source answers our probe, too.
pub(crate) fn credit(sources: &mut [SourceReport], provider: &dyn Provider) {
    let answered = |source: &SourceReport| source.selected || source.reach.is_some_and(|reach| reach & 1 == 1);
    for source in sources.iter_mut().filter(|_| provider.asks_from_123()) {
        let unknown = matches!(source.from_123, None | Some(Port123::Asked(Outcome::Held)));
        if unknown && source.reachable && answered(source) {
            source.from_123 = Some(Port123::Service);
        }
    }
}

/// Says of each source that it limits the rate of questions, and has let us feel it.
pub(crate) fn limited(sources: &[SourceReport]) -> Vec<String> {
    let words = |source: &SourceReport| {
        let name = &source.address;
        format!(
            "`{name}` limits the rate of questions (KoD RATE); it has had too many of this address, and is left in peace"
        )
    };
    sources.iter().filter(|source| source.outcome == Outcome::Kiss(Some(Kiss::Rate))).map(words).collect()
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
