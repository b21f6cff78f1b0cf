//! The report as text for people. Pure: styles go in as codes, the printer strips them where
//! nobody would see colours.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::number::{count, signed, span};
use super::{Delta, FleetReport, HostReport, SourceReport, Status, Summary};

const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const CYAN: Style = AnsiColor::Cyan.on_default();
const BOLD: Style = Style::new().bold();

fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns the whole report of a run.
pub fn report(report: &FleetReport) -> String {
    let mut text = String::new();
    let before = matches!(report.command.as_str(), "plan" | "check");
    for group in alike(&report.hosts) {
        host_group(&mut text, &group, before);
    }
    if matches!(report.command.as_str(), "verify" | "apply") {
        text.push_str(&proof(&report.hosts));
    }
    unchanged(&mut text, &report.hosts);
    failures(&mut text, &report.hosts);
    let _ = writeln!(text, "{}", summary(&report.summary, report.seconds, &report.command));
    text
}

/// Hosts that need exactly the same are shown once: of three hundred, most do.
fn alike(hosts: &[HostReport]) -> Vec<Vec<&HostReport>> {
    let mut groups: Vec<(String, Vec<&HostReport>)> = Vec::new();
    for host in hosts.iter().filter(|host| !host.deltas.is_empty() || !host.warnings.is_empty()) {
        let key = format!("{:?}{:?}{:?}{:?}", host.deltas, host.warnings, host.provider, host.clock);
        let key = key.replace(&format!("# {}, ", host.name), "# HOST, ");
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(host),
            None => groups.push((key, vec![host])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

fn host_group(text: &mut String, group: &[&HostReport], before: bool) {
    let Some(first) = group.first() else { return };
    let names: Vec<&str> = group.iter().map(|host| host.name.as_str()).collect();
    let title = if group.len() == 1 {
        let parts = [Some(first.address.as_str()), Some(first.role), first.os.as_deref(), first.provider.as_deref()];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        format!("{} ({})", paint(BOLD, &first.name), parts.join(", "))
    } else {
        format!("{} ({}, shown for {})", paint(BOLD, &shorten(&names)), count(group.len(), "host"), first.name)
    };
    let _ = writeln!(text, "{title}");
    for delta in &first.deltas {
        delta_lines(text, delta);
    }
    if let Some(clock) = first.clock.as_ref().filter(|_| before) {
        let _ = writeln!(text, "  clock: {clock}");
    }
    for warning in &first.warnings {
        let _ = writeln!(text, "  {} {warning}", paint(YELLOW, "!"));
    }
    text.push('\n');
}

fn delta_lines(text: &mut String, delta: &Delta) {
    let (symbol, style) = match (&delta.from, &delta.to) {
        (None, _) => ("+", GREEN),
        (_, None) => ("-", RED),
        _ => ("~", YELLOW),
    };
    let change = match (&delta.from, &delta.to) {
        (None, Some(to)) => to.clone(),
        (Some(from), None) => format!("{from} -> removed"),
        (Some(from), Some(to)) => format!("{from} -> {to}"),
        (None, None) => String::new(),
    };
    let _ = writeln!(text, "  {} {}  {}: {change}", paint(style, symbol), delta.resource, delta.property);
    for line in delta.diff.iter().flat_map(|diff| diff.lines()) {
        let style = match line.as_bytes().first() {
            Some(b'+') => GREEN,
            Some(b'-') => RED,
            Some(b'@') => CYAN,
            _ => Style::new(),
        };
        let _ = writeln!(text, "      {}", paint(style, line));
    }
}

/// At most a line of names.
fn shorten(names: &[&str]) -> String {
    if names.len() <= 6 {
        return names.join(", ");
    }
    let first = names.get(..5).unwrap_or_default().join(", ");
    format!("{first}, ... {}", names.last().unwrap_or(&""))
}

/// The table of what was measured.
fn proof(hosts: &[HostReport]) -> String {
    let mut rows: Vec<[String; 9]> = Vec::new();
    for host in hosts.iter().filter(|host| host.daemon.is_some()) {
        if host.sources.is_empty() {
            rows.push(own_clock(host));
        }
        for (index, source) in host.sources.iter().enumerate() {
            rows.push(row(host, source, index == 0));
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let head = ["host", "  source", "answer", "stratum", "offset", "delay", "error bound", "limit", "reach"];
    let mut text = table(&head, &rows);
    text.push_str(&other_probes(hosts));
    text.push('\n');
    text
}

fn own_clock(host: &HostReport) -> [String; 9] {
    let daemon = host.daemon.as_ref();
    let state = if daemon.is_some_and(|daemon| daemon.synchronised) { "ok" } else { "unsynchronised" };
    let stratum = daemon.and_then(|daemon| daemon.stratum).map_or(String::new(), |stratum| stratum.to_string());
    let empty = String::new;
    [host.name.clone(), "  its own clock".into(), state.into(), stratum, empty(), empty(), empty(), empty(), empty()]
}

fn row(host: &HostReport, source: &SourceReport, first: bool) -> [String; 9] {
    let mark = if source.selected { "*" } else { " " };
    let name = source.host.as_deref().unwrap_or(&source.address);
    let optional = |value: Option<f64>, show: fn(f64) -> String| value.map_or(String::new(), show);
    [
        if first { host.name.clone() } else { String::new() },
        format!("{mark} {name}"),
        source.outcome.clone(),
        source.stratum.map_or(String::new(), |stratum| stratum.to_string()),
        optional(source.offset_s, signed),
        optional(source.delay_s, span),
        optional(source.error_bound_s, span),
        host.limit_s.map_or(String::new(), |limit| {
            let verdict = if source.within == Some(true) { "ok" } else { "FAIL" };
            format!("{} {verdict}", span(limit))
        }),
        source.reach.map_or(String::new(), |reach| format!("{reach:o}")),
    ]
}

/// Says when something else than the usual probe has measured.
fn other_probes(hosts: &[HostReport]) -> String {
    let mut others: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for host in hosts {
        for probe in host.sources.iter().filter_map(|source| source.probe.as_deref()).filter(|probe| *probe == "bash") {
            others.entry(probe).or_default().push(&host.name);
        }
    }
    others
        .into_iter()
        .map(|(probe, names)| format!("measured with the {probe} probe on: {}\n", shorten(&names)))
        .collect()
}

/// Columns as wide as they need to be; the verdict is coloured.
pub fn table<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| pad(cell, *width)).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = format!("{}\n", paint(BOLD, &line(head.to_vec())));
    for row in rows {
        let plain = line(row.iter().map(String::as_str).collect());
        let painted = plain.replace(" FAIL", &format!(" {}", paint(RED, "FAIL")));
        let _ = writeln!(text, "{painted}");
    }
    text
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.chars().count())))
}

fn unchanged(text: &mut String, hosts: &[HostReport]) {
    let names: Vec<&str> =
        hosts.iter().filter(|host| host.status == Status::Unchanged).map(|host| host.name.as_str()).collect();
    if !names.is_empty() {
        let _ = writeln!(text, "as wanted: {} ({})", shorten(&names), count(names.len(), "host"));
    }
}

/// Errors last, where the eye ends up.
fn failures(text: &mut String, hosts: &[HostReport]) {
    for host in hosts {
        let Some(error) = &host.error else { continue };
        let (word, style) = match host.status {
            Status::Unreachable => ("unreachable", RED),
            Status::FailedUndone => ("failed (undone)", RED),
            Status::FailedNotUndone => ("failed (NOT undone)", RED),
            Status::NotStarted => ("not started", YELLOW),
            Status::OutOfLimits => ("clock outside its limits", YELLOW),
            _ => ("failed", RED),
        };
        let _ = writeln!(text, "{} | {}: {}", host.name, paint(style, word), error.message);
        if let Some(hint) = &error.hint {
            let _ = writeln!(text, "{} | hint: {hint}", host.name);
        }
    }
}

/// `3 hosts: 1 changed, 2 unchanged (4.2 s)`; kinds that did not occur are left out.
fn summary(summary: &Summary, seconds: f64, command: &str) -> String {
    let pending = if command == "check" { "drifted" } else { "to change" };
    let parts = [
        (summary.changed, "changed", GREEN),
        (summary.drifted, pending, YELLOW),
        (summary.unchanged, "as wanted", GREEN),
        (summary.out_of_limits, "outside the limits", YELLOW),
        (summary.failed, "failed", RED),
        (summary.unreachable, "unreachable", RED),
        (summary.not_started, "not started", YELLOW),
    ];
    let words: Vec<String> = parts
        .into_iter()
        .filter(|(number, _, _)| *number > 0)
        .map(|(number, word, style)| paint(style, &format!("{number} {word}")))
        .collect();
    format!("{}: {} ({seconds:.1} s)", count(summary.hosts, "host"), words.join(", "))
}
