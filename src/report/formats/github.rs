//! `github`: workflow commands, which the runner of GitHub Actions finds in the log of a job and shows beside the lines
//! of the inventory.

use std::fmt::Write as _;
use std::io::{Result, Write};

use super::{Format, Mistaken, Mistakes, said};
use crate::model::{FleetReport, Issue, Place, Severity};

/// Annotations of GitHub Actions.
#[derive(Debug)]
pub(super) struct Github;

impl Format for Github {
    fn name(&self) -> &'static str {
        "github"
    }

    fn extension(&self) -> &'static str {
        "github.txt"
    }

    fn about(&self) -> &'static str {
        "annotations of GitHub Actions, in the log of the job"
    }

    fn is_for_the_log(&self) -> bool {
        true
    }

    fn write(&self, report: &FleetReport, out: &mut dyn Write) -> Result<()> {
        for issue in said::new_first(report) {
            writeln!(out, "{}", command(&issue))?;
        }
        Ok(())
    }

    fn mistakes(&self) -> Option<Mistakes> {
        Some(mistakes)
    }
}

fn mistakes(mistaken: &Mistaken<'_>, out: &mut dyn Write) -> Result<()> {
    for wrong in mistaken.each() {
        let title = format!("title={}", property(&wrong.rule.replace('_', " ")));
        let place = wrong.place.as_ref().map(at).unwrap_or_default();
        writeln!(out, "::error {place}{title}::{}", data(&wrong.text))?;
    }
    Ok(())
}

/// One line, whatever the texts hold.
fn command(issue: &Issue<'_>) -> String {
    let mut line = format!("::{} ", word(issue.severity));
    line.extend(issue.place().map(at));
    let news = if issue.mark().new == Some(true) { " (new)" } else { "" };
    let title = format!("{}: {}{news}", issue.host.name, said::title(issue));
    let _ = write!(line, "title={}::{}", property(&title), data(&said::message(issue)));
    line
}

fn at(place: &Place) -> String {
    format!("file={},line={},col={},", property(&place.file), place.line, place.column)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    }
}

/// What would end the line, or begin an escape, as the runner reads it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same in a property, which a colon or a comma would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the runner reads it.
    fn unescaped(text: &str) -> String {
        text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
    }

    proptest! {
        #[test]
        fn a_text_stays_in_its_place_and_comes_back_as_it_was(text in "(?s).{0,40}|[%0-9A-D:,\r\n]{0,20}") {
            let (data, property) = (data(&text), property(&text));
            prop_assert!(!data.contains(['\r', '\n']) && !property.contains(['\r', '\n', ':', ',']));
            prop_assert_eq!(&unescaped(&data), &text);
            prop_assert_eq!(&unescaped(&property), &text);
        }
    }
}
