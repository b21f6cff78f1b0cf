//! Keeps what hosts say from driving the terminal: a control character in a name, an error or a
//! file is shown, not obeyed.

use std::borrow::Cow;

use crate::model::{DaemonReport, Delta, ErrorReport, Finding, Followed, HostReport, SourceReport};
use crate::visible::is_hidden;

/// Shows control characters, and what cannot be seen, as `\u{1b}`; line breaks and tabs stay.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| is_hidden(c) && c != '\n' && c != '\t';
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    // A carriage return at the end of a line is how some tools end it, and harmless.
    let text = text.replace("\r\n", "\n");
    let shown = text.chars().map(|c| if obeyed(c) { c.escape_unicode().to_string() } else { c.to_string() });
    Cow::Owned(shown.collect())
}

/// Cleans everything that is printed of a host.
pub(crate) fn host(host: &HostReport) -> HostReport {
    let mut host = host.clone();
    each_word(&mut host, &mut clean);
    each_text(&mut host, &mut clean);
    host
}

/// Goes through the words by which things are known and judged.
fn each_word(host: &mut HostReport, visit: &mut dyn FnMut(&mut String)) {
    [&mut host.name, &mut host.address].into_iter().for_each(&mut *visit);
    host.provider.iter_mut().for_each(&mut *visit);
    host.deltas.iter_mut().for_each(|delta| visit(&mut delta.property));
    for Followed { address, host } in &mut host.follows {
        [Some(address), host.as_mut()].into_iter().flatten().for_each(&mut *visit);
    }
    for source in &mut host.sources {
        let SourceReport { address, ip, host, refid, .. } = source;
        visit(address);
        [ip, host, refid].into_iter().flatten().for_each(&mut *visit);
    }
    if let Some(DaemonReport { provider, source, refid, .. }) = &mut host.daemon {
        visit(provider);
        [source, refid].into_iter().flatten().for_each(&mut *visit);
    }
    for Finding { code, on, about, affects, .. } in &mut host.findings {
        [code, on, about].into_iter().chain(affects).for_each(&mut *visit);
    }
}

/// Goes through everything that is told of a host in words, its own or those of programs.
pub(super) fn each_text(host: &mut HostReport, visit: &mut dyn FnMut(&mut String)) {
    [&mut host.os, &mut host.clock].into_iter().flatten().for_each(&mut *visit);
    for Delta { resource, property: _, from, to, diff, unmanaged: _, loses, mark: _ } in &mut host.deltas {
        visit(resource);
        [from, to, diff].into_iter().flatten().for_each(&mut *visit);
        loses.iter_mut().for_each(&mut *visit);
    }
    host.warnings.iter_mut().for_each(&mut *visit);
    host.findings.iter_mut().for_each(|each| finding(each, visit));
    host.daemon.iter_mut().for_each(|daemon| visit(&mut daemon.detail));
    if let Some(ErrorReport { message, hint }) = &mut host.error {
        visit(message);
        hint.iter_mut().for_each(visit);
    }
}

fn finding(finding: &mut Finding, visit: &mut dyn FnMut(&mut String)) {
    let Finding { title, evidence, command, cause, fix, excluded, paste, .. } = finding;
    let lines = paste.iter_mut().map(|paste| &mut paste.line);
    [title, evidence, command, cause, fix].into_iter().chain(excluded).chain(lines).for_each(visit);
}

fn clean(field: &mut String) {
    if let Cow::Owned(shown) = text(field) {
        *field = shown;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Status, sample};

    #[test]
    fn whatever_a_host_says_of_a_source_is_cleaned() {
        let evil = || Some("\u{1b}[2J".to_owned());
        let source = SourceReport { ip: evil(), host: evil(), refid: evil(), ..SourceReport::default() };
        let report = HostReport { sources: vec![source], ..sample::host("h1", Status::Unchanged) };
        let cleaned = host(&report);
        let json = serde_json::to_string(&cleaned).unwrap();
        assert!(!json.contains("\\u001b") && json.matches("u{1b}").count() == 3, "{json}");
    }

    #[test]
    fn escapes_are_shown_and_lines_stay_lines() {
        assert_eq!(text("a\tb\nc\r\nd\u{1b}[2J\u{9b}"), "a\tb\nc\nd\\u{1b}[2J\\u{9b}");
        assert_eq!(text("a\u{202e}b\u{feff} \u{2028}c"), "a\\u{202e}b\\u{feff} \\u{2028}c");
        assert!(matches!(text("plain µs 마스터"), Cow::Borrowed(_)));
    }
}
