use super::*;
use crate::model::sample::{fleet, host};
use crate::model::{Certainty, Delta, ErrorReport, Finding, Mark, Severity};

fn drifted(name: &str, properties: &[&str]) -> HostReport {
    let delta = |property: &&str| Delta::new("service chrony".to_owned(), property, Some("no".into()), None);
    HostReport { deltas: properties.iter().map(delta).collect(), ..host(name, Status::Drifted) }
}

fn lost(name: &str, message: &str) -> HostReport {
    let error = Some(ErrorReport { message: message.to_owned(), hint: None });
    HostReport { error, ..host(name, Status::Unreachable) }
}

fn sick(name: &str, code: &str) -> HostReport {
    let text = String::new;
    let finding = Finding {
        code: code.to_owned(),
        severity: Severity::Error,
        certainty: Certainty::Certain,
        title: text(),
        evidence: text(),
        command: text(),
        on: name.to_owned(),
        about: text(),
        cause: text(),
        fix: text(),
        configuration: false,
        excluded: vec![],
        affects: vec![],
        paste: Vec::new(),
        mark: Mark::default(),
    };
    HostReport { findings: vec![finding], ..host(name, Status::OutOfLimits) }
}

fn run(command: Verb, hosts: Vec<HostReport>) -> FleetReport {
    let mut report = FleetReport { command, hosts, ..fleet(&[]) };
    report.stamp();
    report
}

/// What is new, how much is still there, what is gone, what is not known.
fn compared(old: &FleetReport, mut new: FleetReport) -> (Vec<String>, usize, Vec<String>, Vec<String>) {
    new.compare(old);
    let of = |issue: &Issue<'_>| format!("{} {}", issue.host.name, issue.rule());
    let fresh = new.issues().filter(|issue| issue.mark().new == Some(true)).map(|issue| of(&issue)).collect();
    let list = |gone: &[Gone]| gone.iter().map(|gone| format!("{} {}", gone.host, gone.rule)).collect();
    let since = new.since.as_ref().unwrap();
    (fresh, since.still, list(&since.gone), list(&since.unknown))
}

#[test]
fn what_is_new_still_there_and_gone_is_told_apart() {
    let old = run(
        Verb::Check,
        vec![drifted("a", &["running", "enabled"]), lost("b", "timed out"), host("c", Status::Unchanged)],
    );
    let new = run(Verb::Check, vec![drifted("a", &["running"]), lost("b", "refused"), drifted("c", &["running"])]);
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(compared(&old, new.clone()), (words(&["c drift"]), 2, words(&["a drift"]), vec![]));
    let mut new = new;
    assert_eq!(new.new_conditions(), [Condition::Drift, Condition::Unreachable], "all is new before it is compared");
    new.compare(&old);
    assert_eq!(new.new_conditions(), [Condition::Drift]);
}

#[test]
fn what_could_not_be_seen_is_not_gone() {
    let old = run(Verb::Check, vec![drifted("a", &["running"]), drifted("b", &["running"]), lost("c", "x")]);
    // One is not reached any more, one was not looked at, one is reached again.
    let new = run(Verb::Check, vec![lost("a", "x"), host("c", Status::Unchanged)]);
    let (fresh, still, gone, unknown) = compared(&old, new);
    assert_eq!((fresh, still), (vec!["a unreachable".to_owned()], 0));
    assert_eq!((gone, unknown), (vec!["c unreachable".to_owned()], vec!["a drift".to_owned(), "b drift".to_owned()]));
    // `check` looks for no causes.
    let old = run(Verb::Doctor, vec![sick("a", "FC040")]);
    let (_, _, gone, unknown) = compared(&old, run(Verb::Check, vec![host("a", Status::Unchanged)]));
    assert_eq!((gone, unknown), (vec![], vec!["a FC040".to_owned()]));
}

#[test]
fn what_a_run_could_not_see_is_remembered_until_one_can() {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let first = run(Verb::Check, vec![drifted("a", &["running"])]);
    let mut second = run(Verb::Check, vec![lost("a", "x")]);
    second.compare(&first);
    // It is still there, it is gone, it could not be seen again.
    let still = run(Verb::Check, vec![drifted("a", &["running"])]);
    assert_eq!(compared(&second, still), (vec![], 1, words(&["a unreachable"]), vec![]));
    let well = run(Verb::Check, vec![host("a", Status::Unchanged)]);
    assert_eq!(compared(&second, well), (vec![], 0, words(&["a unreachable", "a drift"]), vec![]));
    let lost = run(Verb::Check, vec![lost("a", "y")]);
    assert_eq!(compared(&second, lost), (vec![], 1, vec![], words(&["a drift"])));
}

#[test]
fn findings_of_one_kind_are_told_apart_by_what_they_are_about() {
    let prints = |about: &[&str]| {
        let mut one = sick("a", "FC054");
        let finding = one.findings.remove(0);
        one.findings = about.iter().map(|about| Finding { about: (*about).to_owned(), ..finding.clone() }).collect();
        let report = run(Verb::Doctor, vec![one]);
        report.issues().map(|issue| issue.fingerprint().into_owned()).collect::<Vec<_>>()
    };
    let both = prints(&["192.0.2.1", "192.0.2.2"]);
    assert_eq!((prints(&["192.0.2.2"]), prints(&["192.0.2.1"])), (vec![both[1].clone()], vec![both[0].clone()]));
    // One that is about nothing else is known by what it was known by before.
    assert_eq!(prints(&[""]), [fingerprint(&["a", "finding", "FC054", "a"])]);
}

#[test]
fn values_that_change_by_themselves_are_no_part_of_a_fingerprint() {
    let report = |value: &str| {
        let mut host = drifted("a", &["running"]);
        host.deltas[0].from = Some(value.to_owned());
        host.deltas[0].diff = Some(value.to_owned());
        run(Verb::Check, vec![host, lost("b", value)])
    };
    let prints = |report: &FleetReport| report.issues().map(|one| one.fingerprint().into_owned()).collect::<Vec<_>>();
    assert_eq!(prints(&report("0.1 ms")), prints(&report("0.2 ms")));
    // The same twice on a host is two issues.
    let twice = run(Verb::Check, vec![drifted("a", &["running", "running"])]);
    let prints = prints(&twice);
    assert_ne!(prints[0], prints[1]);
    assert!(prints.iter().all(|print| print.len() == 64));
}

#[test]
fn what_was_changed_is_no_issue_any_more_and_a_cause_is_told_once() {
    let count = |command, host: HostReport| run(command, vec![host]).issues().count();
    let with = |status| HostReport { status, ..drifted("a", &["running", "enabled"]) };
    assert_eq!(count(Verb::Apply, with(Status::Changed)), 0);
    assert_eq!(count(Verb::Apply, with(Status::FailedUndone)), 3);
    assert_eq!(count(Verb::Undo, with(Status::FailedUndone)), 1);
    assert_eq!(count(Verb::Doctor, sick("a", "FC040")), 1);
    assert_eq!(count(Verb::Verify, host("a", Status::OutOfLimits)), 1);
    assert_eq!(count(Verb::Check, host("a", Status::Drifted)), 1);
}
