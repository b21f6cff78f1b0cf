//! What is, or was, not in sync. Hosts that need exactly the same are shown once: of three
//! hundred, most do.

use std::collections::HashMap;
use std::fmt::Write as _;

use anstyle::Style;

use super::style::{BAD, CARE, FAINT, GOOD, NAME, PLACE, PLAIN, paint};
use super::table::{Cell, Side, line, widths};
use super::text::Options;
use super::words;
use crate::lang::say;
use crate::model::{Delta, HostReport};
use crate::text::names;
use crate::text::number::count;

/// Most clocks that are foretold one by one in a group; those that move most come first.
const CLOCKS: usize = 10;

/// Appends all hosts with differences or warnings, in the order of the inventory.
pub(super) fn changes(text: &mut String, hosts: &[HostReport], options: Options) {
    for group in groups(hosts) {
        write_group(text, &group, options);
    }
}

pub(super) fn groups(hosts: &[HostReport]) -> Vec<Vec<&HostReport>> {
    let mut groups: Vec<Vec<&HostReport>> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for host in hosts.iter().filter(|host| !host.deltas.is_empty() || !host.warnings.is_empty()) {
        let at = *known.entry(key(host)).or_insert(groups.len());
        match groups.get_mut(at) {
            Some(members) => members.push(host),
            None => groups.push(vec![host]),
        }
    }
    groups
}

/// Equal for hosts that are shown together.
fn key(host: &HostReport) -> String {
    let deltas: Vec<_> = host.deltas.iter().map(|delta| (&delta.resource, &delta.property, change(delta))).collect();
    let diffs: Vec<_> = diffs(host).map(|diff| nameless(host, diff)).collect();
    let losses: Vec<_> = host.deltas.iter().map(|delta| (delta.unmanaged, &delta.loses)).collect();
    format!("{:?}", (host.role, &host.os, &host.provider, host.status, deltas, diffs, losses, &host.warnings))
}

fn diffs(host: &HostReport) -> impl Iterator<Item = &str> {
    host.deltas.iter().filter_map(|delta| delta.diff.as_deref())
}

/// Two files that differ only in the host's own name and address are alike.
fn nameless(host: &HostReport, diff: &str) -> String {
    let separator = |c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_' | ':');
    let word = |word: &str| match word.trim_end_matches([',', ':', '.']) {
        own if own == host.name => word.replacen(own, "\u{0}name", 1),
        own if own == host.address => word.replacen(own, "\u{0}address", 1),
        _ => word.to_owned(),
    };
    diff.split_inclusive(separator)
        .map(|part| {
            let end = part.chars().next_back().filter(|c| separator(*c)).map_or(0, char::len_utf8);
            let (body, tail) = part.split_at(part.len() - end);
            word(body) + tail
        })
        .collect()
}

fn write_group(text: &mut String, group: &[&HostReport], options: Options) {
    let Some(first) = group.first() else { return };
    let _ = writeln!(text, "{}", title(first, group, options));
    write_deltas(text, first, options);
    if options.shows_diffs(first) && group.iter().any(|host| !diffs(host).eq(diffs(first))) {
        let note = format!("shown for {}; the others differ in their own name or address only", first.name);
        let _ = writeln!(text, "    {}", paint(FAINT, &say(&note)));
    }
    write_clocks(text, group);
    for warning in &first.warnings {
        let _ = writeln!(text, "  {} {}", paint(CARE, "!"), say(warning));
    }
    text.push('\n');
}

fn title(first: &HostReport, group: &[&HostReport], options: Options) -> String {
    let who: Vec<&str> = group.iter().map(|host| host.name.as_str()).collect();
    let number = count(group.len(), "host");
    let number = say(&number);
    let lead = if group.len() == 1 { first.address.as_str() } else { &number };
    let role = words::role(first.role);
    let parts = [Some(lead), Some(&role), first.os.as_deref(), first.provider.as_deref()];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    let title = format!("{} ({})", paint(NAME, &names::all(&who)), parts.join(", "));
    if !options.ended {
        return title;
    }
    let (word, style) = words::ending(first.status);
    format!("{title}: {}", paint(style, &word))
}

fn write_deltas(text: &mut String, host: &HostReport, options: Options) {
    let rows: Vec<[Cell; 3]> = host.deltas.iter().map(row).collect();
    let (widths, sides) = (narrowed(widths(&rows), options.columns), [Side::Left; 3]);
    for (delta, row) in host.deltas.iter().zip(&rows) {
        let _ = write!(text, "  {} {}", symbol(delta), line(row, &sides, &widths));
        if let Some(diff) = delta.diff.as_ref().filter(|_| options.shows_diffs(host)) {
            write_losses(text, delta);
            write_diff(text, diff, delta.from.is_none());
        }
    }
}

/// On a narrow terminal one long property does not push all changes out of sight: its line alone is broken.
fn narrowed([resource, property, change]: [usize; 3], columns: Option<usize>) -> [usize; 3] {
    let around = resource + change + "  ~ ".len() + 2 * "  ".len();
    let room = columns.map_or(property, |columns| columns.saturating_sub(around).max(1));
    [resource, property.min(room), change]
}

fn symbol(delta: &Delta) -> String {
    let (symbol, style) = match (&delta.from, &delta.to) {
        (None, Some(_)) => ("+", GOOD),
        (Some(_), None) => ("-", BAD),
        _ => ("~", CARE),
    };
    paint(style, symbol)
}

fn row(delta: &Delta) -> [Cell; 3] {
    [delta.resource.as_str().into(), delta.property.as_str().into(), change(delta).into()]
}

/// What becomes of the property. Of a content that is shown, the digests would only be noise.
pub(super) fn change(delta: &Delta) -> String {
    if let Some(diff) = &delta.diff {
        let lines = |sign: char| body(diff).filter(|line| line.starts_with(sign)).count();
        return match (&delta.from, lines('+'), lines('-')) {
            (None, more, _) => format!("{} -> {}", say("absent"), say(&count(more, "line"))),
            (_, more, less) => say(&format!("+{more} -{less} lines")).into_owned(),
        };
    }
    let word = |value: &Option<String>| say(value.as_deref().unwrap_or("absent")).into_owned();
    format!("{} -> {}", word(&delta.from), word(&delta.to))
}

/// The lines of a diff without its head: the file is named above it.
fn body(diff: &str) -> impl Iterator<Item = &str> {
    diff.lines().skip_while(|line| !line.starts_with("@@"))
}

fn write_diff(text: &mut String, diff: &str, new: bool) {
    for line in body(diff).filter(|line| !(new && line.starts_with("@@"))) {
        let line = line.trim_end();
        let indent = if line.is_empty() { "" } else { "      " };
        let _ = writeln!(text, "{indent}{}", paint(diff_style(line), line));
    }
}

/// What goes with a file that people have written: above its diff, in which it is easily passed over.
fn write_losses(text: &mut String, delta: &Delta) {
    if !delta.unmanaged {
        return;
    }
    let said = match delta.loses.len() {
        0 => "fleetclock has never changed this host; its file loses no directive".to_owned(),
        lost => format!(
            "fleetclock has never changed this host; its file loses {} (`fleetclock adopt` reads such hosts):",
            count(lost, "directive")
        ),
    };
    let _ = writeln!(text, "      {}", paint(CARE, &said));
    for line in &delta.loses {
        let _ = writeln!(text, "        {}", paint(CARE, line));
    }
}

fn diff_style(line: &str) -> Style {
    match line.as_bytes().first() {
        Some(b'+') => GOOD,
        Some(b'-') => BAD,
        Some(b'@') => PLACE,
        _ => PLAIN,
    }
}

/// What happens to the clocks: one line if it is the same for all, else the largest moves first.
fn write_clocks(text: &mut String, group: &[&HostReport]) {
    let mut clocks: Vec<(&HostReport, &str)> =
        group.iter().filter_map(|host| Some((*host, host.clock.as_deref()?))).collect();
    let Some((_, first)) = clocks.first().copied() else { return };
    if clocks.len() == group.len() && clocks.iter().all(|(_, clock)| *clock == first) {
        let _ = writeln!(text, "    {}", say(&format!("clock: {first}")));
        return;
    }
    clocks.sort_by(|(a, _), (b, _)| farthest(b).total_cmp(&farthest(a)));
    for (host, clock) in clocks.iter().take(CLOCKS) {
        let _ = writeln!(text, "    {}", say(&format!("clock of {}: {clock}", host.name)));
    }
    if let Some(more) = clocks.len().checked_sub(CLOCKS).filter(|more| *more > 0) {
        let note = format!("clock of {}: smaller moves; --format json has each", count(more, "more host"));
        let _ = writeln!(text, "    {}", say(&note));
    }
}

fn farthest(host: &HostReport) -> f64 {
    host.sources.iter().filter_map(|source| source.offset_s).map(f64::abs).fold(0.0, f64::max)
}
