//! A pipeline as it is in real life: drift made by hand on two hosts, a third one down. All reports tell the same
//! story, programs of others read them, and the next day only what is new counts.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fixture::{Lab, Run, accepted};
use crate::report::{host, statuses};
use crate::rollout::{HOSTS, THREE};

const FORMATS: &[(&str, &str)] = &[
    ("json", "run.json"),
    ("junit", "run.junit.xml"),
    ("sarif", "run.sarif"),
    ("gitlab", "run.gitlab.json"),
    ("prometheus", "run.prom"),
    ("markdown", "run.md"),
    ("github", "run.github.txt"),
    ("html", "run.html"),
    ("compliance", "run.compliance.csv"),
];

/// Runs `check` with all reports, in the folder of the lab.
fn check(lab: &Lab, more: &[&str]) -> Run {
    let reports: Vec<String> =
        FORMATS.iter().map(|(format, file)| format!("--report={format}={}", lab.path(file).display())).collect();
    let mut arguments = vec!["check"];
    arguments.extend(reports.iter().map(String::as_str));
    arguments.extend(more);
    lab.fleetclock(&arguments)
}

fn read(lab: &Lab, file: &str) -> String {
    std::fs::read_to_string(lab.path(file)).unwrap()
}

fn data(lab: &Lab, file: &str) -> Value {
    serde_json::from_str(&read(lab, file)).unwrap()
}

/// The fingerprints of a report, each with the line in the inventory.
fn prints(entries: &[Value], print: &str, line: &str) -> BTreeSet<(String, u64)> {
    let of = |entry: &Value| {
        (entry.pointer(print).unwrap().as_str().unwrap().to_owned(), entry.pointer(line).unwrap().as_u64().unwrap())
    };
    entries.iter().map(of).collect()
}

/// What each format says is wrong, compared with each other.
fn one_story(lab: &Lab, issues: usize) {
    let (sarif, gitlab) = (data(lab, "run.sarif"), data(lab, "run.gitlab.json"));
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let sarif =
        prints(results, "/partialFingerprints/fleetclock~1v1", "/locations/0/physicalLocation/region/startLine");
    let gitlab = prints(gitlab.as_array().unwrap(), "/fingerprint", "/location/lines/begin");
    assert_eq!(sarif, gitlab);
    assert_eq!(sarif.len(), issues, "{sarif:?}");
    assert_eq!(read(lab, "run.github.txt").lines().filter(|line| line.starts_with("::error file=")).count(), issues);
    let junit = read(lab, "run.junit.xml");
    assert_eq!(junit.matches("<failure type=\"fleetclock/drift\"").count(), 2, "{junit}");
    assert_eq!(junit.matches("<error type=\"fleetclock/unreachable\"").count(), 1, "{junit}");
    let (prom, markdown) = (read(lab, "run.prom"), read(lab, "run.md"));
    for (name, status) in [("server1", "drifted"), ("server2", "drifted"), ("server3", "unreachable")] {
        assert!(prom.contains(&format!("host=\"{name}\",role=\"{}\",status=\"{status}\"}} 1", role(name))), "{prom}");
        assert!(markdown.contains(&format!("| <code>{name}</code> | {status} | ")), "{markdown}");
    }
    let (page, evidence) = (read(lab, "run.html"), read(lab, "run.compliance.csv"));
    assert_eq!(page.matches("<tr data-word=\"drifted\"").count(), 2, "{page}");
    for name in ["server1", "server2"] {
        let differs =
            |line: &&str| line.contains(&format!("\"{name}\"")) && line.contains("\"not met\",\"differs from");
        assert!(evidence.lines().any(|line| differs(&line)), "{evidence}");
    }
    for (_, file) in FORMATS {
        accepted(&lab.path(file));
    }
}

fn role(name: &str) -> &'static str {
    if name == "server1" { "master" } else { "slave" }
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn all_reports_tell_one_story_and_the_next_day_what_is_new() {
    let lab = Lab::up("ci", HOSTS, THREE);
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    lab.sh("server1", "systemctl disable -q chrony");
    lab.sh("server2", "systemctl stop chrony");
    lab.lab("stop", "server3");
    let first = check(&lab, &[]);
    assert_eq!(first.code, 3, "{}", first.stderr);
    let report = data(&lab, "run.json");
    assert_eq!(statuses(&report), ["server1 drifted", "server2 drifted", "server3 unreachable"]);
    one_story(&lab, 3);
    // Each stands at its host: nothing is said of the time service of these two.
    let line = |name: &str| host(&report, name)["place"]["line"].as_u64().unwrap();
    assert_eq!((line("server1"), line("server3")), (9, 13), "{report:#}");

    // The next day one is repaired by hand, the other has drifted further.
    lab.sh("server1", "systemctl enable -q chrony; chmod 600 /etc/chrony/chrony.conf");
    std::fs::rename(lab.path("run.json"), lab.path("old.json")).unwrap();
    let old = lab.path("old.json").display().to_string();
    let second = check(&lab, &["--since", &old, "--fail-on-new"]);
    assert_eq!(second.code, 3, "{}", second.stderr);
    let since = &data(&lab, "run.json")["since"];
    assert_eq!((&since["new"], &since["still"]), (&Value::from(1), &Value::from(2)), "{since:#}");
    assert_eq!(since["gone"][0]["about"], "service chrony enabled", "{since:#}");
    assert!(second.stdout.contains("new  server1: file /etc/chrony/chrony.conf: mode: "), "{}", second.stdout);
    one_story(&lab, 3);

    // And when nothing new has come, the pipeline is green.
    std::fs::rename(lab.path("run.json"), lab.path("old.json")).unwrap();
    let third = check(&lab, &["--since", &old, "--fail-on-new"]);
    assert_eq!(third.code, 0, "{}{}", third.stdout, third.stderr);
    assert!(third.stdout.contains("0 new, 3 still there, 0 gone"), "{}", third.stdout);
}
