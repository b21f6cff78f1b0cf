//! What the hosts measured: one line for each source, as those know it who know `chronyc
//! sources` and `ntpq -p`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::style::{BAD, CARE, FAINT, GOOD, NAME, PLAIN, paint};
use super::table::{Cell, Side, fitted, optional};
use crate::lang::{self, say};
use crate::model::{HostReport, Outcome, Port123, Prober, SourceReport, Status};
use crate::text::names;
use crate::text::number::{count, signed, span};

/// The columns: host, source, reach, stratum, offset, delay, root dispersion, error bound, limit, verdict.
const COLUMNS: usize = 10;

/// The columns that a narrow terminal can do without, the first one first: root dispersion, delay, stratum,
/// reach, limit.
const SPARE: [usize; 5] = [6, 5, 3, 2, 8];

/// The probe that needs no mention.
const USUAL: Prober = Prober::Static;

/// Appends the table of all hosts that measured something.
pub(super) fn proof(text: &mut String, hosts: &[HostReport], columns: Option<usize>) {
    let rows: Vec<[Cell; COLUMNS]> = hosts.iter().filter(|host| host.daemon.is_some()).flat_map(rows).collect();
    if rows.is_empty() {
        return;
    }
    text.push_str(&fitted(head(), rows, &SPARE, columns));
    write_probes(text, hosts);
    write_ports(text, hosts);
    write_details(text, hosts);
    text.push('\n');
}

fn head() -> [(&'static str, Side); COLUMNS] {
    use Side::{Left, Right};
    [
        ("host", Left),
        ("  source", Left),
        ("reach", Right),
        ("stratum", Right),
        ("offset", Right),
        ("delay", Right),
        ("root disp", Right),
        ("error bound", Right),
        ("limit", Right),
        ("verdict", Left),
    ]
}

fn rows(host: &HostReport) -> Vec<[Cell; COLUMNS]> {
    let alone = host.sources.is_empty() || host.daemon.as_ref().is_some_and(|daemon| daemon.own_clock);
    let own = alone.then(|| own_clock(host));
    own.into_iter().chain(host.sources.iter().map(|source| row(host, source))).collect()
}

fn row(host: &HostReport, source: &SourceReport) -> [Cell; COLUMNS] {
    let mark = if source.selected { "*" } else { " " };
    [
        host.name.as_str().into(),
        Cell::styled(format!("{mark} {}", name(source)), if source.selected { NAME } else { PLAIN }),
        optional(source.reach, |reach| format!("{reach:o}")),
        optional(source.stratum, |stratum| stratum.to_string()),
        optional(source.offset_s, signed),
        optional(source.delay_s, span),
        optional(source.root_dispersion_s, span),
        optional(source.error_bound_s, span),
        optional(host.limit_s, span),
        verdict(host, source),
    ]
}

fn name(source: &SourceReport) -> String {
    match &source.host {
        Some(host) if *host != source.address => format!("{host} ({})", source.address),
        _ => source.address.clone(),
    }
}

/// A bad source that is not followed is a thing to look at, and no failure of the host.
fn verdict(host: &HostReport, source: &SourceReport) -> Cell {
    let (style, word) = match (source.within, source.selected, host.status) {
        (Some(true), ..) => (GOOD, "ok"),
        (Some(false), true, _) if source.polls_left.is_some() => (CARE, "falling"),
        (None, ..) => (PLAIN, "-"),
        (Some(false), true, _) | (Some(false), false, Status::OutOfLimits) => (BAD, "FAIL"),
        (Some(false), false, _) => (CARE, "FAIL"),
    };
    let why = if source.is_ok() { String::new() } else { format!(": {}", say(&source.words())) };
    Cell::styled(format!("{}{why}", lang::word("verdict", word)), style)
}

/// A host that follows nobody now: what its service says of itself.
fn own_clock(host: &HostReport) -> [Cell; COLUMNS] {
    let daemon = host.daemon.as_ref();
    let (style, word) = match daemon {
        Some(daemon) if daemon.synchronised && host.status == Status::OutOfLimits => {
            (BAD, lang::word("verdict", "FAIL"))
        }
        Some(daemon) if daemon.synchronised => (GOOD, lang::word("verdict", "ok")),
        _ => (BAD, say("FAIL: unsynchronised")),
    };
    let dash = || Cell::from("-");
    [
        host.name.as_str().into(),
        format!("* {}", say("its own clock")).into(),
        dash(),
        optional(daemon.and_then(|daemon| daemon.stratum), |stratum| stratum.to_string()),
        dash(),
        dash(),
        optional(daemon.and_then(|daemon| daemon.root_dispersion_s), span),
        dash(),
        dash(),
        Cell::styled(word, style),
    ]
}

/// Says what is known of source port 123, from which ntpd and W32Time ask and firewalls may tell
/// questions apart; what differs is a warning, and stands elsewhere.
fn write_ports(text: &mut String, hosts: &[HostReport]) {
    let all = || hosts.iter().flat_map(|host| &host.sources);
    let is_service = |source: &&SourceReport| source.from_123 == Some(Port123::Service);
    let asked = all().filter(|source| source.answers_123() == Some(true) && !is_service(source)).count();
    let service = all().filter(is_service).count();
    let mut known = Vec::new();
    if asked > 0 {
        known.push(say(&format!("our probe got {}", count(asked, "answer"))).into_owned());
    }
    if service > 0 {
        known.push(say(&format!("services that ask from there got {}", count(service, "answer"))).into_owned());
    }
    let unknown: Vec<&str> =
        hosts.iter().filter(|host| host.sources.iter().any(is_unknown)).map(|host| host.name.as_str()).collect();
    if !known.is_empty() {
        let _ = writeln!(text, "{}", paint(FAINT, &format!("{}: {}", say("from source port 123"), known.join(", "))));
    }
    if !unknown.is_empty() {
        let note = format!("not asked from source port 123, which another program holds: {}", names::some(&unknown));
        let _ = writeln!(text, "{}", paint(FAINT, &say(&note)));
    }
}

fn is_unknown(source: &SourceReport) -> bool {
    source.from_123 == Some(Port123::Asked(Outcome::Held))
}

/// What a service that is synchronised says beside it; why another is not, stands with its error.
fn write_details(text: &mut String, hosts: &[HostReport]) {
    let detail =
        |host: &HostReport| host.daemon.as_ref().filter(|daemon| daemon.synchronised).map(|d| d.detail.clone());
    for host in hosts {
        if let Some(detail) = detail(host).filter(|detail| !detail.is_empty()) {
            let _ = writeln!(text, "{}", paint(FAINT, &format!("{}: {}", host.name, say(&detail))));
        }
    }
}

/// Says where something else than the usual probe has measured.
fn write_probes(text: &mut String, hosts: &[HostReport]) {
    let mut others: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for host in hosts {
        if let Some(probe) = host.sources.iter().filter_map(|source| source.probe).find(|probe| *probe != USUAL) {
            others.entry(probe.word()).or_default().push(&host.name);
        }
    }
    for (probe, who) in others {
        let note = format!("measured with the {probe} probe on {}", names::some(&who));
        let _ = writeln!(text, "{}", paint(FAINT, &say(&note)));
    }
}
