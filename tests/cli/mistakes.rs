//! Mistakes of an inventory in the formats of platforms, beside its lines: `tests/report/mistakes`, which `tests/ci/judge`
//! shows to the programs of those platforms. `UPDATE=1` writes them anew.

use super::*;

const WRONG: &str = "groups:\n  masters: { role: master, hosts: { ntp1: 10.10.10.300 } }\n  slaves:\n    role: slave\n    \
                     follow: [masters]\n    hosts: { \"web[1:2]\": \"10.10.20.[1:2]\" }\n";
const RIGHT: &str = "groups: { masters: { role: master, isolated: true, hosts: { ntp1: 10.10.10.1 } } }\n";
const REPORTS: [&str; 6] = [
    "--report",
    "sarif=mistakes.sarif",
    "--report",
    "gitlab=mistakes.gitlab.json",
    "--report",
    "github=mistakes.github.txt",
];

fn with(verb: &[&'static str]) -> Vec<&'static str> {
    [verb, &REPORTS].concat()
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn what_keeps_a_run_from_its_work_is_told_beside_the_lines_of_the_inventory() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/mistakes");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("fleet.yml"), WRONG).unwrap();
    run(dir.path(), &with(&["inventory", "validate"]), 2);
    for name in ["mistakes.sarif", "mistakes.gitlab.json", "mistakes.github.txt"] {
        let now = read(dir.path(), name);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(golden.join(name), &now).unwrap();
        }
        assert_eq!(now, read(&golden, name), "{name}: UPDATE=1 writes it anew; look at it then");
    }
    // A run of hosts says the same, under its own name, and leaves what is for their results as it was.
    std::fs::write(dir.path().join("last.json"), "older").unwrap();
    run(dir.path(), &with(&["check", "--report", "json=last.json"]), 2);
    assert_eq!(
        read(dir.path(), "mistakes.sarif"),
        read(&golden, "mistakes.sarif").replace("inventory-validate", "check")
    );
    assert_eq!(read(dir.path(), "last.json"), "older");
    // Without a file, what is for the log of a job goes there.
    let (stdout, stderr) = run(dir.path(), &["plan", "--report", "github"], 2);
    assert_eq!(stdout, read(&golden, "mistakes.github.txt"));
    assert!(stderr.contains("fleet.yml:2:"), "{stderr}");
}

#[test]
fn where_nothing_is_wrong_the_reports_say_so() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("fleet.yml"), RIGHT).unwrap();
    run(dir.path(), &with(&["inventory", "validate"]), 0);
    let sarif: serde_json::Value = serde_json::from_str(&read(dir.path(), "mistakes.sarif")).unwrap();
    assert_eq!(sarif["runs"][0]["results"], serde_json::json!([]));
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], true);
    assert_eq!(read(dir.path(), "mistakes.gitlab.json").replace('\n', ""), "[]");
    assert_eq!(read(dir.path(), "mistakes.github.txt"), "");
    let (stdout, stderr) = run(dir.path(), &["inventory", "validate", "--report", "gitlab=-"], 0);
    assert!(stdout.starts_with('[') && stderr.contains("no mistake"), "{stdout}{stderr}");
    let (_, stderr) = run(dir.path(), &["inventory", "validate", "--report", "junit"], 2);
    assert!(stderr.contains("it is for the results of hosts"), "{stderr}");
}

#[test]
fn what_is_no_mistake_of_the_inventory_is_told_without_a_line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("fleet.yml"), RIGHT).unwrap();
    let (stdout, _) = run(dir.path(), &["check", "--limit", "nobody", "--report", "github"], 2);
    assert!(stdout.starts_with("::error title=refused::--limit: no group or host `nobody`"), "{stdout}");
}
