//! Keeps texts of hosts from being taken for commands by the runner of GitHub Actions, which reads the log of a job: a
//! line that begins with `::`, and `##[` wherever it stands.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the log is one that a runner reads, though nothing around the program says so.
static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on all that is printed is guarded: a report for the runner goes to the same log.
pub fn on() {
    ASKED.store(true, Ordering::Relaxed);
}

/// Returns a text as it may be printed here.
pub fn guarded(text: &str) -> Cow<'_, str> {
    let is_on = ASKED.load(Ordering::Relaxed) || std::env::var_os("GITHUB_ACTIONS").is_some();
    if is_on { harmless(text) } else { Cow::Borrowed(text) }
}

/// The same text, in which a runner finds no command.
fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains("::") && !text.contains("##[") {
        return Cow::Borrowed(text);
    }
    let lines = text.split_inclusive(['\n', '\r']).map(|line| {
        let start = line.len() - begin(line).len();
        match line.split_at_checked(start) {
            Some((before, rest)) if rest.starts_with("::") => {
                format!("{before}: {}", rest.get(1..).unwrap_or_default())
            }
            _ => line.to_owned(),
        }
    });
    Cow::Owned(lines.collect::<String>().replace("##[", "## ["))
}

/// Where a line begins for a runner: after spaces, and after colours, which are taken away before it reads.
fn begin(line: &str) -> &str {
    let rest = line.trim_start();
    let colour = rest.strip_prefix("\u{1b}[").and_then(|rest| rest.split_once('m'));
    match colour.filter(|(numbers, _)| numbers.chars().all(|c| c.is_ascii_digit() || c == ';')) {
        Some((_, rest)) => begin(rest),
        None => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::console::plain;
    use proptest::prelude::*;

    /// As the runner looks for them.
    fn is_command(line: &str) -> bool {
        line.trim_start().starts_with("::") || line.contains("##[")
    }

    #[test]
    fn a_command_is_shown_and_not_obeyed() {
        assert_eq!(harmless("a\n  ::error::owned\n"), "a\n  : :error::owned\n");
        assert_eq!(harmless("\u{1b}[33m::stop-commands::x\u{1b}[0m"), "\u{1b}[33m: :stop-commands::x\u{1b}[0m");
        assert_eq!(harmless("a ##[add-mask]b"), "a ## [add-mask]b");
        let well = "server1: fd00::1 and a::b\n";
        assert!(harmless(well) == well && matches!(harmless("plain"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn no_line_is_a_command_with_colours_or_without(text in "(((\u{1b}\\[[0-9;]{0,3}m)? ?){0,2}(::|##\\[|[:#\\[ \ta\u{3000}]){0,8}[\n\r]){0,5}") {
            let shown = harmless(&text);
            for text in [shown.to_string(), plain(&shown)] {
                prop_assert!(!text.split(['\n', '\r']).any(is_command), "{:?}", text);
            }
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(letters(&shown), letters(&text));
        }
    }
}
