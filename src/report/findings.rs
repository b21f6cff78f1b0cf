//! What `doctor` has found, one block for each cause.

use std::fmt::Write as _;

use anstyle::Style;

use super::room::{padding, width};
use super::style::{ALARM, CARE, FAINT, NAME, PLAIN, paint};
use super::words;
use crate::lang::{self, say};
use crate::model::{Certainty, Finding, HostReport, Severity, Status, Verb};
use crate::text::names;

/// Columns of what stands before each line of a finding.
const LABEL: usize = 8;

/// Appends the findings of all hosts.
pub(super) fn findings(text: &mut String, hosts: &[HostReport]) {
    for host in hosts {
        for finding in &host.findings {
            write_finding(text, &host.name, finding);
        }
    }
}

/// Takes out the hosts that are not well, of which `doctor` has said all in its findings.
pub(super) fn sick(command: Verb, hosts: Vec<HostReport>) -> (Vec<HostReport>, Vec<HostReport>) {
    hosts.into_iter().partition(|host| command == Verb::Doctor && host.status == Status::OutOfLimits)
}

/// Appends why each of them is not well, in the codes of the findings.
pub(super) fn write_sick(text: &mut String, hosts: &[HostReport]) {
    let wide = hosts.iter().map(|host| width(&host.name)).max().unwrap_or(0);
    for host in hosts {
        let codes = host.error.as_ref().map_or("", |error| &error.message).split(", ");
        let why = codes.map(say).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "{}{} | {}: {why}", host.name, padding(&host.name, wide), paint(CARE, &say("not well")));
    }
    if !hosts.is_empty() {
        text.push('\n');
    }
}

fn write_finding(text: &mut String, host: &str, finding: &Finding) {
    let label = paint(style(finding.severity), &format!("{} {}", finding.code, words::severity(finding.severity)));
    let _ = writeln!(text, "{}: {label}: {}", paint(NAME, host), say(&finding.title));
    let mut line = |label: &str, value: &str| {
        let label = say(label);
        let _ = writeln!(text, "  {label}{} {value}", padding(&label, LABEL));
    };
    let perhaps = match finding.certainty {
        Certainty::Perhaps => format!("{}: ", lang::word("certainty", "perhaps")),
        Certainty::Certain => String::new(),
    };
    line("cause", &format!("{perhaps}{}", say(&finding.cause)));
    line("fix", &say(&finding.fix));
    for paste in &finding.paste {
        let place = if paste.on.is_empty() { "here".to_owned() } else { format!("on {}", paste.on) };
        // Nothing stands before the command: a whole line is marked and pasted.
        line(if paste.instead { "or" } else { "type" }, &format!("{}:\n{}", say(&place), paste.line));
    }
    line("seen", &say(&finding.evidence));
    line("by", &paint(FAINT, &format!("{} ({})", finding.command, say(&format!("on {}", finding.on)))));
    if !finding.affects.is_empty() {
        let affected: Vec<&str> = finding.affects.iter().map(String::as_str).collect();
        line("affects", &names::some(&affected));
    }
    for what in &finding.excluded {
        line("not", &say(what));
    }
    text.push('\n');
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Error => ALARM,
        Severity::Warning => CARE,
        Severity::Note => PLAIN,
    }
}
