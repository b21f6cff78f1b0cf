//! Names of hosts and groups in Korean, wherever names are written.

use std::collections::BTreeSet;

use super::*;

const INVENTORY: &str = "defaults: { ssh: { port: 9, timeout: 1s } }\ngroups:\n  마스터: { role: master, isolated: true, serve: [10.0.0.0/8], hosts: { 시계1: { address: 127.0.0.1, time_address: 10.0.0.1 } } }\n  웹: { role: slave, follows: [마스터], hosts: { '서버[1:3]': '127.0.1.[1:3]' } }\n";

#[test]
fn names_in_korean_work_wherever_names_do() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("함대.yml"), INVENTORY).unwrap();
    std::fs::write(dir.path().join("목록"), "서버[1:2]\n시계1 # 마스터\n").unwrap();
    let in_fleet = |words: &[&str], code| run(dir.path(), &[&["-i", "함대.yml"], words].concat(), code);
    for (pattern, hosts) in [
        ("웹", "서버1 서버2 서버3"),
        ("서버?", "서버1 서버2 서버3"),
        ("*2", "서버2"),
        ("웹,!서버2", "서버1 서버3"),
        ("웹,&서버[2:3]", "서버2 서버3"),
        ("마스터,서버1", "시계1 서버1"),
        ("@목록", "시계1 서버1 서버2"),
    ] {
        let (json, _) = in_fleet(&["inventory", "show", "-l", pattern, "--format", "json"], 0);
        let shown: serde_json::Value = serde_json::from_str(&json).unwrap();
        let names: BTreeSet<&str> = shown.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, hosts.split(' ').collect(), "{pattern}");
    }
    let (_, stderr) = in_fleet(&["check", "-l", "서벼1"], 2);
    assert!(stderr.contains("no group or host `서벼1` (did you mean `서버1`?)"), "{stderr}");
    let (graph, _) = in_fleet(&["inventory", "graph"], 0);
    assert!(graph.contains("시계1") && graph.contains("서버"), "{graph}");
    in_fleet(&["render", "서버1"], 0);
    let (stdout, _) = in_fleet(
        &[
            "plan",
            "--canary",
            "서버1,마스터",
            "--report",
            "html=보고서.html",
            "--report",
            "junit=결과.xml",
            "--report",
            "json=결과.json",
        ],
        4,
    );
    assert!(stdout.contains("시계1, 서버[1:3] | "), "{stdout}");
    for (file, text) in [("보고서.html", "서버2"), ("결과.xml", "서버2"), ("결과.json", "시계1")] {
        assert!(std::fs::read_to_string(dir.path().join(file)).unwrap().contains(text), "{file}");
    }
    let (stdout, _) = in_fleet(&["check", "-l", "@last-failed,웹"], 4);
    assert!(stdout.contains("서버[1:3]"), "{stdout}");
    let (page, _) = run(dir.path(), &["report", "show", "결과.json", "--report", "markdown=-"], 0);
    assert!(page.contains("서버"), "{page}");
}
