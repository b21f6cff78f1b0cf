use super::*;
use crate::model::sample::host;
use crate::model::{Delta, Status, Summary, Verb, sample};

fn written(hosts: Vec<HostReport>) -> String {
    let report = FleetReport { command: Verb::Check, summary: Summary::of(&hosts), hosts, ..sample::fleet(&[]) };
    let mut out = Vec::new();
    Markdown.write(&report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn drifted(name: &str, lines: usize) -> HostReport {
    let mut delta = Delta::new("file /etc/chrony.conf".to_owned(), "content", Some("a".into()), Some("b".into()));
    delta.diff = Some(format!("--- a\n+++ b\n@@ -1 +1 @@\n{}", "+server 10.0.0.1\n".repeat(lines)));
    HostReport { deltas: vec![delta], ..host(name, Status::Drifted) }
}

#[test]
fn what_does_not_fit_is_left_out_whole_and_said() {
    let many = written((0..2_000).map(|number| drifted(&format!("web{number}"), 1)).collect());
    assert!(many.chars().count() <= 65_000, "{}", many.chars().count());
    assert_eq!(many.matches("<details>").count(), many.matches("</details>").count());
    let last = many.lines().last().unwrap();
    let rows = many.lines().filter(|line| line.starts_with("| <code>web")).count();
    let left = format!("{} hosts and {} folded texts", 2_000 - rows, 2_000 - many.matches("<details>").count());
    assert!(last.contains(&left), "{last}: {left}");
    // One that is too long leaves room for the next.
    let long = written(vec![drifted("long", 9_000), drifted("short", 3)]);
    assert_eq!(long.matches("<details>").count(), 1);
    assert!(long.contains("<details><summary><code>short&#58;") && long.contains("room for it: 1 folded text."));
}

#[test]
fn a_host_that_is_well_is_in_no_row() {
    let well = written(vec![host("a", Status::Unchanged)]);
    assert!(!well.contains('|') && !well.contains("Left out"), "{well}");
}
