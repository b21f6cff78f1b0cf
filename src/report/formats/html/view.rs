//! What the templates show, ready to be printed: values in, words and numbers out.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;

use super::clocks::{self, Clocks};
use super::layout::Placed;
use super::{policy, topology, words};
use crate::lang::{self, say};
use crate::model::{
    DaemonReport, Delta, ErrorReport, Finding, FleetReport, HostReport, Severity, SourceReport, Status, Verb,
};
use crate::report::changes::groups;
use crate::report::failures::collect;
use crate::report::spread;
use crate::report::words::role;
use crate::text::names;
use crate::text::number::{count, signed, span};

/// All above the rows of the hosts.
#[derive(Debug, Serialize)]
pub(super) struct Head<'a> {
    policy: String,
    title: String,
    language: &'static str,
    command: &'a str,
    class: &'static str,
    verdict: String,
    conditions: Vec<&'static str>,
    inventory: Option<&'a str>,
    started: &'a str,
    took: String,
    exit_code: u8,
    version: &'static str,
    hosts: usize,
    tiles: Vec<Tile>,
    spread: Option<String>,
    failures: Vec<Failed<'a>>,
    findings: Vec<Found<'a>>,
    topology: Option<Placed>,
    clocks: Option<Clocks>,
    notes: Vec<String>,
    changes: usize,
}

/// How many hosts ended in one way.
#[derive(Debug, Serialize)]
struct Tile {
    word: Cow<'static, str>,
    class: &'static str,
    count: usize,
}

/// Hosts that went wrong in the same way.
#[derive(Debug, Serialize)]
struct Failed<'a> {
    who: String,
    word: Cow<'static, str>,
    class: &'static str,
    error: &'a ErrorReport,
}

/// A finding, and where it is.
#[derive(Debug, Serialize)]
struct Found<'a> {
    number: usize,
    host: &'a str,
    class: &'static str,
    severity: Cow<'static, str>,
    affects: String,
    finding: &'a Finding,
}

/// Returns what stands above the rows.
pub(super) fn head<'a>(report: &'a FleetReport, changes: &[Change<'a>]) -> Head<'a> {
    let (class, verdict) = verdict(report);
    Head {
        policy: policy(),
        title: format!("fleetclock {}: {verdict}", report.command),
        language: lang::chosen().code(),
        command: report.command.word(),
        class,
        verdict,
        conditions: report.conditions.iter().map(|condition| words::condition(*condition)).collect(),
        inventory: report.inventory.as_deref(),
        started: &report.started,
        took: span(report.seconds),
        exit_code: report.exit_code,
        version: env!("CARGO_PKG_VERSION"),
        hosts: report.hosts.len(),
        tiles: tiles(&report.hosts),
        spread: report.spread.as_ref().map(spread::line),
        failures: failures(&report.hosts),
        findings: findings(&report.hosts),
        topology: topology::drawn(&report.hosts),
        clocks: clocks::drawn(&report.hosts),
        notes: report.part().into_iter().chain(report.notes.iter().cloned()).collect(),
        changes: changes.len(),
    }
}

/// The one sentence that a reader in a hurry takes home.
fn verdict(report: &FleetReport) -> (&'static str, String) {
    let ill = |class: &str| report.hosts.iter().filter(|host| words::class(host.status) == class).count();
    let (bad, care, all) = (ill("bad"), ill("care"), report.hosts.len());
    let well = if report.command == Verb::Doctor { "well" } else { "in sync" };
    match bad + care {
        _ if all == 0 => ("care", said("no host took part")),
        0 if all == 1 => ("good", said(&format!("the host is {well}"))),
        0 => ("good", said(&format!("all {all} hosts are {well}"))),
        some => (if bad > 0 { "bad" } else { "care" }, said(&format!("{some} of {} not {well}", count(all, "host")))),
    }
}

fn said(text: &str) -> String {
    say(text).into_owned()
}

/// The worst first; what there is none of is left out.
fn tiles(hosts: &[HostReport]) -> Vec<Tile> {
    let mut statuses: Vec<Status> = hosts.iter().map(|host| host.status).collect();
    statuses.sort_by_key(|status| words::rank(*status));
    let tile = |chunk: &[Status]| {
        let status = chunk.first().copied().unwrap_or(Status::NotStarted);
        Tile { word: words::word(status), class: words::class(status), count: chunk.len() }
    };
    statuses.chunk_by(|one, other| one == other).map(tile).collect()
}

fn failures(hosts: &[HostReport]) -> Vec<Failed<'_>> {
    let failed = collect(hosts).into_iter().rev().map(|failure| Failed {
        who: names::all(&failure.hosts),
        word: words::word(failure.status),
        class: words::class(failure.status),
        error: failure.error,
    });
    failed.collect()
}

fn findings(hosts: &[HostReport]) -> Vec<Found<'_>> {
    let numbered = hosts.iter().enumerate();
    let all = numbered.flat_map(|(number, host)| host.findings.iter().map(move |finding| (number, host, finding)));
    let mut found: Vec<Found<'_>> = all
        .map(|(number, host, finding)| Found {
            number,
            host: &host.name,
            class: severity(finding.severity),
            severity: crate::report::words::severity(finding.severity),
            affects: names::all(&finding.affects.iter().map(String::as_str).collect::<Vec<_>>()),
            finding,
        })
        .collect();
    found.sort_by_key(|found| ["bad", "care", "plain"].iter().position(|class| *class == found.class));
    found
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "bad",
        Severity::Warning => "care",
        Severity::Note => "plain",
    }
}

/// One line of the table of hosts.
#[derive(Debug, Serialize)]
pub(super) struct Row<'a> {
    number: usize,
    name: &'a str,
    address: &'a str,
    role: Cow<'static, str>,
    part: &'static str,
    tier: usize,
    word: Cow<'static, str>,
    class: &'static str,
    rank: usize,
    os: Option<&'a str>,
    provider: Option<&'a str>,
    source: Option<&'a str>,
    offset: Option<String>,
    offset_s: Option<f64>,
    bound: Option<String>,
    bound_s: Option<f64>,
    /// Per cent of the limit that the error bound takes, and the same as far as there is room for a bar.
    used: Option<u64>,
    bar: u64,
    changes: usize,
}

/// Returns the line of a host.
pub(super) fn row(number: usize, host: &HostReport) -> Row<'_> {
    let counts = clocks::counts(host);
    let used = clocks::used(host).map(|used| (used * 100.0).round().clamp(0.0, 99_999.0) as u64);
    let selected = host.sources.iter().find(|source| source.selected);
    Row {
        number,
        name: &host.name,
        address: &host.address,
        role: role(host.role),
        part: host.role.word(),
        tier: host.tier,
        word: words::word(host.status),
        class: words::class(host.status),
        rank: words::rank(host.status),
        os: host.os.as_deref(),
        provider: host.provider.as_deref(),
        source: selected.map(|source| source.host.as_deref().unwrap_or(&source.address)),
        offset: counts.and_then(|source| source.offset_s).map(signed),
        offset_s: counts.and_then(|source| source.offset_s),
        bound: counts.and_then(|source| source.error_bound_s).map(span),
        bound_s: counts.and_then(|source| source.error_bound_s),
        used,
        bar: used.unwrap_or(0).min(100),
        changes: host.deltas.len(),
    }
}

/// Hosts that need exactly the same.
#[derive(Debug, Serialize)]
pub(super) struct Change<'a> {
    who: String,
    count: usize,
    class: &'static str,
    word: Cow<'static, str>,
    alike: bool,
    first: &'a str,
    deltas: Vec<Differs<'a>>,
    warnings: &'a [String],
    clocks: Vec<(&'a str, &'a str)>,
    #[serde(skip)]
    names: Vec<&'a str>,
}

/// One thing that differs.
#[derive(Debug, Serialize)]
struct Differs<'a> {
    delta: &'a Delta,
    /// The lines of its diff, each with its class.
    lines: Vec<(&'static str, &'a str)>,
}

/// Most clocks that are foretold one by one.
const CLOCKS: usize = 10;

/// Returns the groups of hosts that have something to change or to look at.
pub(super) fn changes(hosts: &[HostReport]) -> Vec<Change<'_>> {
    groups(hosts).into_iter().filter_map(|group| change(&group)).collect()
}

fn change<'a>(group: &[&'a HostReport]) -> Option<Change<'a>> {
    let first = *group.first()?;
    let names: Vec<&str> = group.iter().map(|host| host.name.as_str()).collect();
    let diffs = |host: &HostReport| host.deltas.iter().map(|delta| delta.diff.clone()).collect::<Vec<_>>();
    let told = group.iter().filter_map(|host| Some((host.name.as_str(), host.clock.as_deref()?)));
    Some(Change {
        who: names::all(&names),
        count: group.len(),
        class: words::class(first.status),
        word: words::word(first.status),
        alike: group.iter().all(|host| diffs(host) == diffs(first)),
        first: &first.name,
        deltas: first.deltas.iter().map(differs).collect(),
        warnings: &first.warnings,
        clocks: told.take(CLOCKS).collect(),
        names,
    })
}

fn differs(delta: &Delta) -> Differs<'_> {
    let line = |line| (diff_class(line), line);
    Differs { delta, lines: delta.diff.iter().flat_map(|diff| diff.lines()).map(line).collect() }
}

fn diff_class(line: &str) -> &'static str {
    match line.as_bytes() {
        [b'-', b'-', b'-', b' ', ..] | [b'+', b'+', b'+', b' ', ..] => "at",
        [b'+', ..] => "add",
        [b'-', ..] => "del",
        [b'@', ..] => "at",
        _ => "",
    }
}

/// Returns the number of the change of each host that has one.
pub(super) fn change_of<'a>(changes: &[Change<'a>]) -> HashMap<&'a str, usize> {
    let numbered = changes.iter().enumerate();
    numbered.flat_map(|(number, change)| change.names.iter().map(move |name| (*name, number))).collect()
}

/// What stands between the table and the hosts.
#[derive(Debug, Serialize)]
pub(super) struct Middle<'a> {
    changes: &'a [Change<'a>],
}

/// Returns what stands between the table and the hosts.
pub(super) fn middle<'a>(changes: &'a [Change<'a>]) -> Middle<'a> {
    Middle { changes }
}

/// One host with all that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Host<'a> {
    row: Row<'a>,
    limit: Option<String>,
    sources: Vec<Source<'a>>,
    daemon: Option<&'a DaemonReport>,
    error: Option<&'a ErrorReport>,
    clock: Option<&'a str>,
    findings: usize,
    change: Option<usize>,
    executions: usize,
    took: String,
}

/// What a host measured of a source.
#[derive(Debug, Serialize)]
struct Source<'a> {
    name: &'a str,
    address: &'a str,
    selected: bool,
    words: String,
    class: &'static str,
    stratum: Option<u8>,
    reach: Option<String>,
    offset: Option<String>,
    delay: Option<String>,
    bound: Option<String>,
}

/// Returns what is said of one host.
pub(super) fn host<'a>(number: usize, host: &'a HostReport, change_of: &HashMap<&str, usize>) -> Host<'a> {
    Host {
        row: row(number, host),
        limit: host.limit_s.map(span),
        sources: host.sources.iter().map(source).collect(),
        daemon: host.daemon.as_ref(),
        error: host.error.as_ref(),
        clock: host.clock.as_deref(),
        findings: host.findings.len(),
        change: change_of.get(host.name.as_str()).copied(),
        executions: host.executions,
        took: span(host.seconds),
    }
}

fn source(source: &SourceReport) -> Source<'_> {
    Source {
        name: source.host.as_deref().unwrap_or(&source.address),
        address: &source.address,
        selected: source.selected,
        words: said(&source.words()),
        class: match (source.within, source.reachable) {
            (Some(false), _) | (_, false) => "bad",
            (Some(true), _) => "good",
            _ => "plain",
        },
        stratum: source.stratum,
        reach: source.reach.map(|reach| format!("{reach:o}")),
        offset: source.offset_s.map(signed),
        delay: source.delay_s.map(span),
        bound: source.error_bound_s.map(span),
    }
}

/// The end of the page.
#[derive(Debug, Serialize)]
pub(super) struct Foot<'a> {
    version: &'static str,
    command: &'a str,
    started: &'a str,
}

/// Returns the end of the page.
pub(super) fn foot(report: &FleetReport) -> Foot<'_> {
    Foot { version: env!("CARGO_PKG_VERSION"), command: report.command.word(), started: &report.started }
}
