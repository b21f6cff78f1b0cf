//! What people read, to the letter: reports made by hand and the text they come to.
#![expect(clippy::unwrap_used, reason = "a test may end here")]

mod back;
mod browser;
mod build;
mod changes;
mod chromium;
mod compliance;
mod endings;
mod findings;
mod formats;
mod html;
mod language;
mod promised;
mod proof;

use build::{delta, failed, fleet, host};
use fleetclock::model::{FleetReport, Status, Verb};
use fleetclock::report::console::plain;
use fleetclock::report::json;
use fleetclock::report::text::{Options, report};
use fleetclock::report::watch::{Round, Tally};

/// Returns the text without colours.
fn text(report_of: &FleetReport) -> String {
    plain(&report(report_of, Options::of(report_of.command)))
}

/// Compares line by line, and shows the whole text when they differ.
#[track_caller]
fn shows(report_of: &FleetReport, expected: &str) {
    let text = text(report_of);
    assert!(text == expected, "the report is\n{text}\nand should be\n{expected}");
}

#[test]
fn colours_are_there_until_they_are_stripped() {
    let mut server2 = host("server2", Status::Drifted);
    server2.deltas = vec![delta("service chrony", "running", Some("no"), Some("yes"))];
    let coloured = report(&fleet(Verb::Plan, vec![server2]), Options::of(Verb::Plan));
    assert!(coloured.contains("\u{1b}[33m~\u{1b}[0m service chrony"), "{coloured:?}");
    assert!(!plain(&coloured).contains('\u{1b}'));
}

#[test]
fn what_a_host_says_does_not_drive_the_terminal() {
    let mut server2 = host("server2", Status::Drifted);
    server2.os = Some("Debian \u{1b}[2J\u{9b}1m".to_owned());
    let coloured = report(&fleet(Verb::Plan, vec![server2.clone()]), Options::of(Verb::Plan));
    assert!(!coloured.contains("\u{1b}[2J"));
    server2.warnings = vec!["a\u{7}".to_owned()];
    let shown = text(&fleet(Verb::Plan, vec![server2]));
    assert!(shown.starts_with("server2 (10.10.10.2, slave, Debian \\u{1b}[2J\\u{9b}1m, chrony)\n"), "{shown}");
    assert!(shown.contains("  ! a\\u{7}\n"));
}

#[test]
fn json_is_one_document_with_the_promised_names() {
    let mut server2 = host("server2", Status::Drifted);
    server2.deltas = vec![delta("service chrony", "running", Some("no"), Some("yes"))];
    let expected = r#"{
  "schema": 1,
  "command": "plan",
  "started": "2026-01-01T00:00:00Z",
  "seconds": 2.1,
  "exit_code": 0,
  "conditions": [],
  "summary": {
    "hosts": 1,
    "unchanged": 0,
    "changed": 0,
    "failed": 0,
    "unreachable": 0,
    "drifted": 1,
    "out_of_limits": 0,
    "not_started": 0
  },
  "notes": [],
  "waves": [],
  "spread": null,
  "hosts": [
    {
      "name": "server2",
      "address": "10.10.10.2",
      "addresses": [],
      "os": "Debian GNU/Linux 12",
      "role": "slave",
      "tier": 0,
      "follows": [],
      "provider": "chrony",
      "status": "drifted",
      "limit_s": 0.1,
      "deltas": [
        {
          "resource": "service chrony",
          "property": "running",
          "from": "no",
          "to": "yes"
        }
      ],
      "clock": null,
      "sources": [],
      "daemon": null,
      "findings": [],
      "warnings": [],
      "error": null,
      "executions": 2,
      "seconds": 1.0
    }
  ]
}
"#;
    assert_eq!(json::document(&fleet(Verb::Plan, vec![server2])), expected);
}

#[test]
fn every_field_is_in_the_manual() {
    let mut server2 = host("server2", Status::Drifted);
    server2.deltas = vec![delta("a", "b", None, None)];
    server2.sources = vec![build::source("10.10.10.1")];
    server2.daemon = Some(build::daemon(true));
    server2.findings = vec![build::finding()];
    server2.follows = vec![build::followed("server1")];
    server2.error = Some(build::error("message", Some("hint")));
    let value: serde_json::Value = serde_json::from_str(&json::document(&fleet(Verb::Plan, vec![server2]))).unwrap();
    let manual = std::fs::read_to_string("docs/report.md").unwrap();
    let mut names = Vec::new();
    collect(&value, &mut names);
    let seen = [failed("server2", Status::Failed, "why", Some("hint"))];
    let mut tally = Tally::default();
    let report = fleet(Verb::Verify, Vec::new());
    for text in [
        json::line(&Round { round: tally.take(&seen), report: &report }),
        json::line(&tally.watched("2026-01-01T00:00:00Z".to_owned(), 1.0, &[])),
    ] {
        assert_eq!(text.lines().count(), 1);
        collect(&serde_json::from_str(&text).unwrap(), &mut names);
    }
    assert!(names.iter().any(|name| name == "round") && names.iter().any(|name| name == "offset_median_s"));
    for name in names {
        assert!(manual.contains(&format!("`{name}`")), "docs/report.md does not speak of `{name}`");
    }
}

fn collect(value: &serde_json::Value, names: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            names.push(name.clone());
            collect(value, names);
        }),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        _ => {}
    }
}
