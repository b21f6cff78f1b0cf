//! Evidence in, findings out: every file in `tests/doctor/` is a case. Its first line names the
//! inventory, the rest is what `fleetclock doctor --save` wrote on real hosts that were broken
//! on purpose (`tests/lab/doctor.rs`). `UPDATE=1 cargo test --test doctor` rewrites what is expected.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fleetclock::assets::Assets;
use fleetclock::doctor::diagnose::Looked;
use fleetclock::doctor::wanted::wanted;
use fleetclock::doctor::{Evidence, diagnose, record, rules};
use fleetclock::inventory::{self, HostSpec};
use fleetclock::model::Finding;

const FOLDER: &str = "tests/doctor";

fn cases() -> Vec<PathBuf> {
    let files = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    cases.sort();
    cases
}

fn read(path: &Path) -> (Vec<HostSpec>, BTreeMap<String, Looked>) {
    parsed(&std::fs::read_to_string(path).unwrap())
}

fn parsed(text: &str) -> (Vec<HostSpec>, BTreeMap<String, Looked>) {
    let (head, evidence) = text.split_once('\n').unwrap();
    let name = head.strip_prefix("inventory: ").unwrap();
    let fleet = inventory::load(&Path::new(FOLDER).join(name)).unwrap();
    let assets = Assets::new(None).unwrap();
    let looked = record::read(evidence).into_iter();
    let looked = looked.map(|(host, parts)| match parts.get(record::UNREACHABLE) {
        Some(why) => (host, Err(why.stdout.trim().to_owned())),
        None => {
            let mut evidence = Evidence::read(parts, 0.0).unwrap();
            let spec = fleet.hosts.iter().find(|spec| spec.name == host).unwrap();
            evidence.wanted = wanted(spec, &evidence, &assets);
            (host, Ok(evidence))
        }
    });
    let looked = looked.collect();
    (fleet.hosts, looked)
}

/// What is found in each case, by its path; all tests look at the same.
fn findings(path: &Path) -> BTreeMap<String, Vec<Finding>> {
    static FOUND: LazyLock<BTreeMap<PathBuf, BTreeMap<String, Vec<Finding>>>> = LazyLock::new(|| {
        let of = |case: PathBuf| {
            let (hosts, looked) = read(&case);
            (case, diagnose(&hosts, &looked))
        };
        cases().into_iter().map(of).collect()
    });
    FOUND.get(path).unwrap().clone()
}

#[test]
fn every_case_is_recognised() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let expected = case.with_extension("json");
        let found = serde_json::to_string_pretty(&findings(&case)).unwrap() + "\n";
        if update {
            std::fs::write(&expected, &found).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("{}: found\n{found}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_case_and_a_section() {
    let manual = std::fs::read_to_string("docs/findings.md").unwrap();
    let seen: BTreeSet<String> =
        cases().iter().flat_map(|case| findings(case).into_values().flatten().map(|finding| finding.code)).collect();
    let mut codes = BTreeSet::new();
    for rule in rules::all() {
        assert!(codes.insert(rule.code), "{} is there twice", rule.code);
        let heading = format!("### {} {}\n", rule.code, rule.title);
        assert!(seen.contains(rule.code), "{FOLDER} has no case of {}", rule.code);
        assert!(manual.contains(&heading), "docs/findings.md has no `{}`", heading.trim());
    }
}

/// What is to be pasted is whole shell text and has no words for people in it.
#[test]
#[expect(clippy::disallowed_methods, reason = "the shell is asked whether it understands")]
fn what_is_to_be_pasted_is_understood_by_a_shell() {
    let mut seen = BTreeSet::new();
    for case in cases() {
        let (hosts, _) = read(&case);
        let windows = |name: &str| hosts.iter().any(|spec| spec.name == name && spec.is_windows());
        for paste in findings(&case).into_values().flatten().flat_map(|finding| finding.paste) {
            let words = [" and ", " then ", " or ", "; its", " (", " with ", "`", ", "];
            // What stands in quotes is a file's.
            let bare: String = paste.line.split(['\'', '"']).step_by(2).collect();
            assert!(!words.iter().any(|word| bare.contains(word)), "{}: {}", case.display(), paste.line);
            if !windows(&paste.on) {
                seen.insert(paste.line);
            }
        }
    }
    let all: Vec<String> = seen.iter().map(|line| format!("{line}\n")).collect();
    assert!(all.len() > 30, "{all:?}");
    let output = std::process::Command::new("bash").args(["-n", "-c", &all.concat()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The administrator's own `ntp` without 123/udp opens nothing: then a rule has to name the port, as `apply` has it.
#[test]
fn what_opens_a_zone_names_the_port_where_the_service_is_another() {
    let own = "service running/ntp a{sv} 1 \"ports\" a(ss) 1 \"124\" \"udp\"\n";
    let (service, port) = ("service name=\"ntp\" accept", "port port=\"123\" protocol=\"udp\" accept");
    let escaped = |text: &str| text.replace('"', "\\\"");
    let fix = |case: &str, code: &str, change: &dyn Fn(String) -> String| {
        let text = std::fs::read_to_string(Path::new(FOLDER).join(case)).unwrap();
        let (hosts, looked) = parsed(&change(text));
        let found: Vec<Finding> = diagnose(&hosts, &looked).into_values().flatten().collect();
        let mut fixes = found.iter().filter(|finding| finding.code == code).map(|finding| finding.fix.clone());
        fixes.next_back().unwrap_or_else(|| panic!("{case}: {found:?}"))
    };
    // In the first host with firewalld, the server, and its rules by the port: they let in what they did.
    let changed = |text: String| {
        let text = text.replace(&escaped(service), &escaped(port));
        text.replacen("\npermanent public ", &format!("\n{own}permanent public "), 1)
    };
    let unread = |text: String| {
        let (before, rest) = text.split_once("#: filter 0\n").unwrap();
        let (_, after) = rest.split_once("#: firewalld 0\n").unwrap();
        format!("{before}#: filter 0\n#: firewalld 0\n{after}")
    };
    for (case, code) in [("overruled.txt", "FC034"), ("closed.txt", "FC040")] {
        let usual = fix(case, code, &|text| text);
        assert!(usual.contains(service), "{usual}");
        assert_eq!(fix(case, code, &changed), usual.replace(service, port));
    }
    // By the settings alone, without the rules.
    let by_settings = fix("overruled.txt", "FC034", &|text| unread(changed(text)));
    assert!(by_settings.contains("let it in before that") && by_settings.contains(port), "{by_settings}");
}

/// An old `ss` prints IPv4's any so, and a new one a socket for both families.
#[test]
fn a_socket_at_any_address_takes_ipv4_however_ss_prints_it() {
    let text = std::fs::read_to_string(Path::new(FOLDER).join("closed.txt")).unwrap();
    let (hosts, looked) = parsed(&text);
    let (_, starred) = parsed(&text.replace(" 0.0.0.0:123 ", " *:123 "));
    let findings = diagnose(&hosts, &looked);
    assert!(findings.values().flatten().any(|finding| !finding.excluded.is_empty()), "{findings:?}");
    assert_eq!(diagnose(&hosts, &starred), findings);
}

#[test]
fn nothing_is_left_to_be_filled_in() {
    for case in cases() {
        for finding in findings(&case).into_values().flatten() {
            for text in [&finding.cause, &finding.fix, &finding.command, &finding.evidence] {
                let blank = text.contains(['{', '}']) && !text.contains("{ ") && finding.code != "FC044";
                assert!(!blank && !text.contains("$fc_"), "{}: {}: {text}", case.display(), finding.code);
            }
        }
    }
}

/// Where `nft` is not installed, nobody is sent to it.
#[test]
fn rules_are_shown_by_a_program_that_is_there() {
    for case in ["filtered-unseen", "alone"] {
        let text = std::fs::read_to_string(Path::new(FOLDER).join(format!("{case}.txt"))).unwrap();
        let (hosts, looked) = parsed(&text.replace("#: links 0\n", "#: keepers 0\nwithout nft\n#: links 0\n"));
        let found = diagnose(&hosts, &looked);
        let fixes: Vec<&str> = found.values().flatten().map(|finding| finding.fix.as_str()).collect();
        assert!(fixes.iter().any(|fix| fix.contains("`iptables-save")), "{case}: {fixes:?}");
        assert!(!fixes.iter().any(|fix| fix.contains("`nft ")), "{case}: {fixes:?}");
    }
}
