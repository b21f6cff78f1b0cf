//! Every format of `--report`: what it writes of two runs that hold everything, hostile texts too, stands in
//! `tests/report/formats/`. `BLESS=1 cargo test --test report formats` writes it anew; look at what has changed.
//! `tests/ci/judge` shows the same files to programs of others.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use fleetclock::model::{FleetReport, HostReport, Mark, Place, Status, Verb};
use fleetclock::report::formats::{ALL, Format, find};

use super::build::{content, daemon, delta, failed, finding, fleet, host, source};

fn placed(line: u64, column: u64) -> Mark {
    Mark { place: Some(Place { file: "sites/eu/fleet.yml".to_owned(), line, column }), ..Mark::default() }
}

/// What a host may say to harm whoever reads a report of it.
const HOSTILE: &str = "::error::owned\n]]> <script>alert(1)</script> | `code` ```` @everyone %0A \u{1b}[2J \u{202e}\"quoted\" {x=\"y\"}\\";

fn drifted() -> HostReport {
    let diff =
        "@@ -1,2 +1,2 @@\n server 10.10.10.1 iburst\n-pool pool.ntp.org\n+server 10.10.10.2 iburst\n ```\n ~~~~\n";
    let mut deltas = vec![
        content("/etc/chrony/chrony.conf", Some("sha256:00"), diff),
        delta("service chrony", "running", Some("no"), Some("yes")),
        delta("firewalld zone public", "10.10.20.0/24", None, Some("let in")),
        delta("command `x`", HOSTILE, Some(HOSTILE), Some("run")),
    ];
    deltas[0].mark = placed(9, 16);
    deltas[1].mark = placed(2, 13);
    deltas[2].mark = placed(21, 12);
    HostReport { deltas, warnings: vec![HOSTILE.to_owned()], mark: placed(14, 5), ..host("server2", Status::Drifted) }
}

fn well() -> HostReport {
    let (sources, daemon) = (vec![source("10.10.10.9")], Some(daemon(true)));
    HostReport { sources, daemon, mark: placed(13, 5), ..host("server1", Status::Unchanged) }
}

/// What `check` and the like come to, compared with the day before.
fn check() -> FleetReport {
    let lost = failed("server3", Status::Unreachable, "connect 10.10.10.3:22: timed out", Some("is the host up?"));
    let broken = failed("server4", Status::FailedNotUndone, HOSTILE, Some(HOSTILE));
    let hosts = vec![
        well(),
        drifted(),
        HostReport { mark: placed(15, 5), ..lost },
        HostReport { mark: placed(16, 5), ..broken },
        failed("gone9", Status::NotStarted, "not in the inventory any more", None),
    ];
    let mut old = fleet(Verb::Verify, vec![drifted(), failed("server1", Status::Unreachable, HOSTILE, None)]);
    "2025-12-31T00:00:00Z".clone_into(&mut old.started);
    old.hosts[0].deltas.truncate(2);
    let mut report = FleetReport { exit_code: 1, ..whole(Verb::Verify, hosts) };
    report.compare(&old);
    report
}

/// What `doctor` comes to.
fn doctor() -> FleetReport {
    let mut evil = finding();
    (evil.code, evil.evidence, evil.fix) = ("FC099".to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
    let sick = HostReport { findings: vec![finding(), evil], mark: placed(13, 5), ..well() };
    let late = failed("server2", Status::OutOfLimits, "FC040 on server1", None);
    FleetReport { exit_code: 5, ..whole(Verb::Doctor, vec![HostReport { status: Status::OutOfLimits, ..sick }, late]) }
}

fn whole(command: Verb, hosts: Vec<HostReport>) -> FleetReport {
    let mut report = FleetReport { inventory: Some("sites/eu/fleet.yml".to_owned()), ..fleet(command, hosts) };
    report.stamp();
    report
}

#[expect(clippy::unwrap_used, reason = "nothing is in the way of a text in memory")]
fn text(format: &dyn Format, report: &FleetReport) -> String {
    let mut out = Vec::new();
    format.write(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn golden(name: &str, format: &dyn Format) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/report/formats/{name}.{}", format.extension()))
}

/// What changes from one version of this program to the next, and is no difference.
fn steady(text: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let quoted = text.replace(&format!("\"{version}\""), "\"VERSION\"");
    quoted.replace(&format!("fleetclock {version}"), "fleetclock VERSION")
}

#[test]
fn every_format_writes_what_it_has_written() {
    for format in ALL {
        for (name, report) in [("verify", check()), ("doctor", doctor())] {
            let (path, written) = (golden(name, *format), text(*format, &report));
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(&path, &written).unwrap();
            }
            let known = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(steady(&known) == steady(&written), "{}: BLESS=1 writes it anew:\n{written}", path.display());
        }
    }
}

#[test]
fn every_format_is_explained_and_judged() {
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (ci, judge) = (read("docs/ci.md"), read("tests/ci/judge"));
    for format in ALL {
        assert!(ci.contains(&format!("\n| `{}` | ", format.name())), "docs/ci.md has no line for {}", format.name());
        let case = format!("*.{})", format.extension());
        assert!(judge.contains(&case), "tests/ci/judge has no `{case}`; where there is no judge, say so there");
        assert!(std::ptr::addr_eq(find(format.name()).unwrap(), *format), "two formats are called {}", format.name());
        assert!(format.name().chars().all(|c| c.is_ascii_lowercase()), "{}", format.name());
    }
    let names: std::collections::BTreeSet<&str> = ALL.iter().map(|format| format.extension()).collect();
    assert_eq!(names.len(), ALL.len(), "two formats write the same file");
}

#[test]
fn no_format_lets_a_host_speak_to_the_reader() {
    for format in ALL.iter().filter(|format| format.name() != "json") {
        for report in [check(), doctor()] {
            let written = text(*format, &report);
            assert!(!written.contains(['\u{1b}', '\u{202e}']), "{}", format.name());
            // The page has a script of its own; `html.rs` looks at it as a parser does.
            let is_markup = format.extension().ends_with("ml");
            assert!(!is_markup || !written.contains("<script>alert"), "{}", format.name());
        }
    }
}

#[test]
fn an_annotation_is_one_line_and_no_command_of_a_host() {
    for report in [check(), doctor()] {
        let written = text(find("github").unwrap(), &report);
        assert!(written.lines().all(|line| line.starts_with("::error file=") || line.starts_with("::error title=")));
        assert_eq!(written.lines().count(), report.issues().count(), "{written}");
    }
}

#[test]
fn all_formats_tell_the_same_story() {
    let report = check();
    for format in ALL.iter().filter(|format| format.name() != "prometheus") {
        let written = text(*format, &report).replace("&#x2f;", "/");
        for word in ["server2", "server3", "server4", "sites/eu/fleet.yml"] {
            assert!(written.contains(word), "{} does not say {word}", format.name());
        }
    }
    let prom = text(find("prometheus").unwrap(), &report);
    assert!(prom.contains("fleetclock_host_drift{command=\"verify\",host=\"server2\",role=\"slave\"} 4\n"), "{prom}");
    assert!(prom.contains("fleetclock_issues{command=\"verify\",state=\"gone\"} 1\n"), "{prom}");
}

#[test]
fn a_host_that_nobody_compared_has_no_number_of_differences() {
    let of = |report: &FleetReport| text(find("prometheus").unwrap(), report);
    let written = of(&check());
    for (host, is_there) in [("server1", true), ("server2", true), ("server3", false), ("gone9", false)] {
        let line = format!("fleetclock_host_drift{{command=\"verify\",host=\"{host}\"");
        assert_eq!(written.contains(&line), is_there, "{host}: {written}");
    }
    assert!(!of(&doctor()).contains("host_drift"));
}

#[test]
fn what_is_gone_is_no_result() {
    let report: serde_json::Value = serde_json::from_str(&text(find("sarif").unwrap(), &check())).unwrap();
    let run = &report["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), check().issues().count());
    assert_eq!(run["properties"], serde_json::json!({ "gone": 1, "notLookedAt": 0 }));
}

/// Takes what is written in, and knows only how much it was.
struct Sink {
    most: usize,
    all: usize,
}

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        (self.most, self.all) = (self.most.max(bytes.len()), self.all + bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_large_fleet_is_written_piece_by_piece() {
    let hosts = (0..2_000).map(|number| HostReport { name: format!("web{number}"), ..drifted() }).collect();
    let report = whole(Verb::Check, hosts);
    for format in ALL {
        let mut sink = Sink { most: 0, all: 0 };
        format.write(&report, &mut sink).unwrap();
        sink.flush().unwrap();
        // A comment for people has an end, and a page its style sheet; what is left is written host by host.
        assert!(sink.all > 60_000 && sink.most < 16_384, "{}: {} of {}", format.name(), sink.most, sink.all);
    }
}
