//! Keeps what hosts say from driving the terminal: a control character in a name, an error or a
//! file is shown, not obeyed.

use std::borrow::Cow;

use super::{Delta, ErrorReport, Finding, HostReport};

/// Shows control characters as `\u{1b}`; line breaks and tabs stay.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    // A carriage return at the end of a line is how some tools end it, and harmless.
    let text = text.replace("\r\n", "\n");
    let shown = text.chars().map(|c| if obeyed(c) { c.escape_default().to_string() } else { c.to_string() });
    Cow::Owned(shown.collect())
}

/// Cleans everything that is printed of a host.
pub(super) fn host(host: &HostReport) -> HostReport {
    let mut host = host.clone();
    for field in [&mut host.name, &mut host.address] {
        clean(field);
    }
    for field in [&mut host.os, &mut host.provider, &mut host.clock].into_iter().flatten() {
        clean(field);
    }
    host.deltas.iter_mut().for_each(delta);
    host.warnings.iter_mut().for_each(clean);
    host.findings.iter_mut().for_each(finding);
    for source in &mut host.sources {
        [&mut source.address, &mut source.outcome].into_iter().for_each(clean);
    }
    if let Some(daemon) = &mut host.daemon {
        daemon.source.iter_mut().for_each(clean);
        clean(&mut daemon.detail);
    }
    if let Some(ErrorReport { message, hint }) = &mut host.error {
        clean(message);
        hint.iter_mut().for_each(clean);
    }
    host
}

fn delta(delta: &mut Delta) {
    let Delta { resource, property, from, to, diff } = delta;
    [resource, property].into_iter().for_each(clean);
    [from, to, diff].into_iter().flatten().for_each(clean);
}

fn finding(finding: &mut Finding) {
    let Finding {
        code,
        severity,
        certainty,
        title,
        evidence,
        command,
        on,
        cause,
        fix,
        configuration: _,
        excluded,
        affects,
    } = finding;
    [code, severity, certainty, title, evidence, command, on, cause, fix].into_iter().for_each(clean);
    excluded.iter_mut().chain(affects).for_each(clean);
}

fn clean(field: &mut String) {
    if let Cow::Owned(shown) = text(field) {
        *field = shown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_shown_and_lines_stay_lines() {
        assert_eq!(text("a\tb\nc\r\nd\u{1b}[2J\u{9b}"), "a\tb\nc\nd\\u{1b}[2J\\u{9b}");
        assert!(matches!(text("plain µs"), Cow::Borrowed(_)));
    }
}
