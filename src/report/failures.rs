//! What went wrong and the way out. Last before the summary, the worst at the very end, where
//! the eye is when a long run is over.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::style::{NAME, paint};
use super::{room, words};
use crate::lang::say;
use crate::model::{ErrorReport, HostReport, Status};
use crate::text::names;

/// Hosts that ended alike.
pub(super) struct Failure<'a> {
    pub(super) status: Status,
    pub(super) error: &'a ErrorReport,
    pub(super) hosts: Vec<&'a str>,
    /// Whether all were told the very same.
    same: bool,
}

/// Appends the errors; a hint that several share comes once, after the last of them.
pub(super) fn failures(text: &mut String, hosts: &[HostReport]) {
    let failures = collect(hosts);
    let width = failures.iter().map(|failure| room::width(&names::some(&failure.hosts))).max().unwrap_or(0);
    for (index, failure) in failures.iter().enumerate() {
        write_failure(text, failure, width);
        let hint = failure.error.hint.as_deref();
        if let Some(hint) = hint.filter(|_| failures.get(index + 1).and_then(|next| next.error.hint.as_deref()) != hint)
        {
            write_lines(text, width, paint(NAME, &say("hint")), &say(hint));
        }
    }
    if !failures.is_empty() {
        text.push('\n');
    }
}

pub(super) fn collect(hosts: &[HostReport]) -> Vec<Failure<'_>> {
    let mut failures: Vec<Failure<'_>> = Vec::new();
    let mut known: HashMap<_, usize> = HashMap::new();
    for host in hosts {
        let Some(error) = &host.error else { continue };
        let at = *known.entry((host.status, alike(error))).or_insert(failures.len());
        match failures.get_mut(at) {
            Some(known) => {
                known.same = known.same && known.error == error;
                known.hosts.push(&host.name);
            }
            None => failures.push(Failure { status: host.status, error, hosts: vec![&host.name], same: true }),
        }
    }
    failures.sort_by(|a, b| (rank(a.status), &a.error.hint).cmp(&(rank(b.status), &b.error.hint)));
    failures
}

/// Equal for hosts that failed in the same way: only the address that was tried differs.
fn alike(error: &ErrorReport) -> (Option<&str>, Vec<&str>) {
    (error.hint.as_deref(), shape(&error.message))
}

/// A message without the address in it: `connect 10.0.0.1:22: timed out`.
fn shape(message: &str) -> Vec<&str> {
    let is_address = |word: &str| {
        let word = word.trim_end_matches([':', ',']);
        let bare = word.trim_matches(['[', ']', '`']);
        word.parse::<SocketAddr>().is_ok() || bare.parse::<IpAddr>().is_ok()
    };
    message.split_whitespace().map(|word| if is_address(word) { "ADDRESS" } else { word }).collect()
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
    let message = say(failure.error.message.trim_end());
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    let more = match failure.hosts.len() {
        0 | 1 => String::new(),
        _ if failure.same => String::new(),
        many => format!(" ({})", say(&format!("and {} more alike", many - 1))),
    };
    let _ = writeln!(text, "{who}{} | {}: {first}{more}", room::padding(&who, width), paint(style, &word));
    for line in lines {
        let _ = writeln!(text, "{:width$} |   {}", "", line.trim_end());
    }
}

fn write_lines(text: &mut String, width: usize, word: String, lines: &str) {
    let mut lead = word + ": ";
    for line in lines.trim_end().lines() {
        let _ = writeln!(text, "{:width$} | {lead}{line}", "");
        lead = " ".repeat(room::width(&lead));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_by_the_address_alone_is_alike() {
        let told = |message: &str| ErrorReport { message: message.to_owned(), hint: None };
        for (other, is_alike) in [
            ("connect 10.0.0.2:22: timed out", true),
            ("connect [2001:db8::1]:22: timed out", true),
            ("connect 10.0.0.2:22: Connection refused", false),
        ] {
            let (one, other) = (told("connect 10.0.0.1:22: timed out"), told(other));
            assert_eq!(alike(&one) == alike(&other), is_alike, "{}", other.message);
        }
    }
}
