//! What went wrong and the way out. Last before the summary, the worst at the very end, where
//! the eye is when a long run is over.

use std::fmt::Write as _;

use super::style::{NAME, paint};
use super::{ErrorReport, HostReport, Status, names, words};

/// Hosts that ended alike.
struct Failure<'a> {
    status: Status,
    error: &'a ErrorReport,
    hosts: Vec<&'a str>,
}

/// Appends the errors; a hint that several share comes once, after the last of them.
pub(super) fn failures(text: &mut String, hosts: &[HostReport]) {
    let failures = collect(hosts);
    let width = failures.iter().map(|failure| names::some(&failure.hosts).chars().count()).max().unwrap_or(0);
    for (index, failure) in failures.iter().enumerate() {
        write_failure(text, failure, width);
        let hint = failure.error.hint.as_deref();
        if let Some(hint) = hint.filter(|_| failures.get(index + 1).and_then(|next| next.error.hint.as_deref()) != hint)
        {
            write_lines(text, width, paint(NAME, "hint"), hint);
        }
    }
    if !failures.is_empty() {
        text.push('\n');
    }
}

fn collect(hosts: &[HostReport]) -> Vec<Failure<'_>> {
    let mut failures: Vec<Failure<'_>> = Vec::new();
    for host in hosts {
        let Some(error) = &host.error else { continue };
        match failures.iter_mut().find(|known| known.status == host.status && known.error == error) {
            Some(known) => known.hosts.push(&host.name),
            None => failures.push(Failure { status: host.status, error, hosts: vec![&host.name] }),
        }
    }
    failures.sort_by(|a, b| (rank(a.status), &a.error.hint).cmp(&(rank(b.status), &b.error.hint)));
    failures
}

/// The order in which endings are said; what needs a hand first comes last.
fn rank(status: Status) -> usize {
    match status {
        Status::Unchanged | Status::Changed | Status::Drifted => 0,
        Status::NotStarted => 1,
        Status::OutOfLimits => 2,
        Status::Unreachable => 3,
        Status::Failed => 4,
        Status::FailedUndone => 5,
        Status::FailedNotUndone => 6,
    }
}

fn write_failure(text: &mut String, failure: &Failure<'_>, width: usize) {
    let (word, style) = words::ending(failure.status);
    let who = names::some(&failure.hosts);
    let mut lines = failure.error.message.trim_end().lines();
    let first = lines.next().unwrap_or_default();
    let _ = writeln!(text, "{who:width$} | {}: {first}", paint(style, word));
    for line in lines {
        let _ = writeln!(text, "{:width$} |   {}", "", line.trim_end());
    }
}

fn write_lines(text: &mut String, width: usize, word: String, lines: &str) {
    let mut lead = word + ": ";
    for line in lines.trim_end().lines() {
        let _ = writeln!(text, "{:width$} | {lead}{line}", "");
        lead = "      ".to_owned();
    }
}
