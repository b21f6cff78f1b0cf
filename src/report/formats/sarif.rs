//! `sarif`: the exchange format of static analysis (OASIS, 2.1.0), which code scanning of GitHub and Azure reads.

use std::collections::BTreeMap;
use std::io::{Result, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::list::{list, value};
use super::mistaken::Wrong;
use super::{Format, Mistaken, Mistakes, said};
use crate::model::{DRIFT, FleetReport, Issue, Place, Severity, What};
use crate::text::clean;

/// SARIF 2.1.0.
#[derive(Debug)]
pub(super) struct Sarif;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// Where the word `fingerprints` stands with GitHub, and with whoever goes by the standard.
const GITHUB: &str = "primaryLocationLineHash";
const OURS: &str = "fleetclock/v1";

impl Format for Sarif {
    fn name(&self) -> &'static str {
        "sarif"
    }

    fn extension(&self) -> &'static str {
        "sarif"
    }

    fn about(&self) -> &'static str {
        "SARIF 2.1.0 for code scanning"
    }

    fn is_json(&self) -> bool {
        true
    }

    fn write(&self, report: &FleetReport, out: &mut dyn Write) -> Result<()> {
        let rules = Rules::of(report);
        write!(out, "{{\"$schema\":\"{SCHEMA}\",\"version\":\"2.1.0\",\"runs\":[{{\n\"tool\":{{\"driver\":")?;
        value(out, &driver(&rules))?;
        out.write_all(b"},\n\"columnKind\":\"unicodeCodePoints\",\n\"automationDetails\":")?;
        value(out, &json!({ "id": format!("fleetclock/{}/", report.command) }))?;
        out.write_all(b",\n\"invocations\":")?;
        value(out, &json!([invocation(report)]))?;
        out.write_all(b",\n\"results\":")?;
        // What is gone is in none of them: who does not know of `absent` would take it for a thing that is wrong.
        let here = said::new_first(report).map(|issue| result(&issue, &rules));
        list(out, here)?;
        if let Some(since) = &report.since {
            out.write_all(b",\n\"properties\":")?;
            value(out, &json!({ "gone": since.gone.len(), "notLookedAt": since.unknown.len() }))?;
        }
        out.write_all(b"\n}]}\n")
    }

    fn mistakes(&self) -> Option<Mistakes> {
        Some(mistakes)
    }
}

/// Under the same identifier as the results of the verb, so that the next run of it takes the place of this one.
fn mistakes(mistaken: &Mistaken<'_>, out: &mut dyn Write) -> Result<()> {
    let result = |wrong: Wrong<'_>| {
        let places: Vec<Value> =
            wrong.place.iter().map(|place| json!({ "physicalLocation": physical(place) })).collect();
        json!({
            "ruleId": wrong.rule,
            "level": "error",
            "message": message(&wrong.text),
            "locations": places,
            "partialFingerprints": prints(&wrong.fingerprint),
        })
    };
    let run = json!({
        "tool": { "driver": driver(&Rules(BTreeMap::new())) },
        "columnKind": "unicodeCodePoints",
        "automationDetails": { "id": format!("fleetclock/{}/", mistaken.command.replace(' ', "-")) },
        "invocations": [{ "executionSuccessful": mistaken.exit_code != 2, "exitCode": mistaken.exit_code }],
        "results": mistaken.each().into_iter().map(result).collect::<Vec<_>>(),
    });
    value(out, &json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] }))?;
    out.write_all(b"\n")
}

/// The kinds of issues of a report, each with what it is called: as many as there are kinds, however many hosts.
struct Rules<'a>(BTreeMap<&'a str, String>);

impl<'a> Rules<'a> {
    fn of(report: &'a FleetReport) -> Self {
        let mut rules = BTreeMap::new();
        for issue in report.issues() {
            rules.entry(issue.rule()).or_insert_with(|| called(&issue));
        }
        Rules(rules)
    }

    fn index(&self, rule: &str) -> usize {
        self.0.range(..rule).count()
    }
}

fn called(issue: &Issue<'_>) -> String {
    match issue.what {
        What::Drift(_) => ending(DRIFT).to_owned(),
        What::Finding(finding) => clean::text(&finding.title).into_owned(),
        What::Ending(_) => ending(issue.rule()).to_owned(),
    }
}

/// What the kinds that are no findings are called.
fn ending(rule: &str) -> &'static str {
    match rule {
        DRIFT => "The host is not configured as the inventory says",
        "unreachable" => "The host was not to be reached",
        "out-of-limits" => "The clock is outside its limits",
        "not-started" => "The work on the host was not started",
        "failed" => "The work on the host failed",
        _ => "A finding of an older run",
    }
}

fn driver(rules: &Rules<'_>) -> Value {
    let rule = |(id, text): (&&str, &String)| json!({ "id": id, "shortDescription": { "text": text } });
    json!({
        "name": env!("CARGO_PKG_NAME"),
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": rules.0.iter().map(rule).collect::<Vec<_>>(),
    })
}

fn invocation(report: &FleetReport) -> Value {
    json!({
        "executionSuccessful": report.exit_code != 2,
        "exitCode": report.exit_code,
        "startTimeUtc": report.started,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    rule_id: &'a str,
    rule_index: usize,
    level: &'static str,
    message: Value,
    locations: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Value>,
    partial_fingerprints: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline_state: Option<&'static str>,
}

fn result<'a>(issue: &Issue<'a>, rules: &Rules<'_>) -> Entry<'a> {
    // The key that asks for it first; the host beside it, where that is another place.
    let own = issue.host.mark.place.as_ref().filter(|own| Some(*own) != issue.place());
    Entry {
        rule_id: issue.rule(),
        rule_index: rules.index(issue.rule()),
        level: level(issue.severity),
        message: message(&said::message(issue)),
        locations: vec![location(&issue.host.name, issue.place())],
        related_locations: own.map(|place| related(issue, place)).into_iter().collect(),
        partial_fingerprints: prints(&issue.fingerprint()),
        baseline_state: issue.mark().new.map(|new| if new { "new" } else { "unchanged" }),
    }
}

/// A message is more than text: braces stand for arguments, and brackets are links.
fn message(text: &str) -> Value {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '{' | '}' => escaped.extend([c, c]),
            '[' | ']' | '\\' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    json!({ "text": escaped })
}

fn prints(print: &str) -> Value {
    json!({ OURS: print, GITHUB: format!("{print}:1") })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn location(host: &str, place: Option<&Place>) -> Value {
    let logical = json!([{ "name": clean::text(host), "kind": "resource" }]);
    match place {
        Some(place) => json!({ "physicalLocation": physical(place), "logicalLocations": logical }),
        None => json!({ "logicalLocations": logical }),
    }
}

fn related(issue: &Issue<'_>, place: &Place) -> Value {
    let text = format!("the host {}", clean::text(&issue.host.name));
    json!({ "physicalLocation": physical(place), "message": { "text": text } })
}

fn physical(place: &Place) -> Value {
    json!({
        "artifactLocation": { "uri": uri(&place.file) },
        "region": { "startLine": place.line.max(1), "startColumn": place.column.max(1) },
    })
}

/// A path as a reference of RFC 3986: what could be taken for something else is written as bytes. One that begins at the
/// root says so: a relative one must not.
fn uri(path: &str) -> String {
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_no_link_and_no_argument() {
        let text = message("a {0} [click](https://a.example) C:\\x");
        assert_eq!(text["text"], "a {{0}} \\[click\\](https://a.example) C:\\\\x");
    }

    #[test]
    fn a_path_is_a_reference_and_nothing_else() {
        assert_eq!(uri("sites/eu/fleet.yml"), "sites/eu/fleet.yml");
        assert_eq!(uri("/srv/fleet.yml"), "file:///srv/fleet.yml");
        assert_eq!(uri("a b/c:d#e?f%.yml"), "a%20b/c%3Ad%23e%3Ff%25.yml");
        assert_eq!(uri("시계.yml"), "%EC%8B%9C%EA%B3%84.yml");
    }
}
