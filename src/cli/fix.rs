//! `doctor --fix`: what is configuration goes the way of `apply`, the rest is needs manual action.

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use super::change::{Changed, change};
use super::doctor::look;
use super::run::Run;
use crate::engine::Extent;
use crate::engine::fleet::plan_all;
use crate::engine::waves::order;
use crate::exit::Exit;
use crate::lang::say;
use crate::model::{Finding, HostReport, Status, Verb};
use crate::report::console;

/// What the user wants to be put right.
pub(super) struct Wanted {
    /// The hosts that may be changed.
    pub(super) chosen: Vec<String>,
    /// Whether it was agreed to beforehand.
    pub(super) yes: bool,
}

/// Changes the hosts that have a finding about configuration, and looks at all again.
pub(super) fn fix(mut run: Run, found: Vec<HostReport>, wanted: &Wanted) -> Result<Exit> {
    let chosen: HashSet<&str> = wanted.chosen.iter().map(String::as_str).collect();
    let (todo, left): (Vec<_>, Vec<_>) =
        all(&found).partition(|(host, finding)| finding.configuration && chosen.contains(host));
    tell("fixed by apply", &todo);
    tell(
        "needs manual action",
        &left.iter().copied().filter(|(_, finding)| !finding.configuration).collect::<Vec<_>>(),
    );
    tell(
        "left, for the host is not among the chosen ones",
        &left.iter().copied().filter(|(_, finding)| finding.configuration).collect::<Vec<_>>(),
    );
    let sick: HashSet<&str> = todo.iter().map(|(host, _)| *host).collect();
    if sick.is_empty() {
        return Ok(run.print(found, true));
    }
    // Whoever is asked has to know what was found; and whoever declines has it.
    let report = run.report(found.clone());
    let looked_at = run.hosts.clone();
    run.hosts.retain(|host| sick.contains(host.name.as_str()));
    let plans = run.watched(run.names(), |cx| plan_all(run.hosts.clone(), run.forks, Extent::Clock, cx));
    let order = order(&plans, &run.rollout);
    let (done, shown) = match change(&mut run, Some(&report), plans, order, wanted.yes)? {
        Changed::Declined => return Ok(run.print_declined(found)),
        Changed::Done { hosts, shown } => (hosts, shown),
    };
    run.note_endings(Verb::Apply, &done);
    run.hosts = looked_at;
    let (again, _) = look(&run, &wanted.chosen, None);
    tell("not resolved", &all(&again).filter(|(host, finding)| same(&todo, host, finding)).collect::<Vec<_>>());
    Ok(run.print(joined(again, done), !shown))
}

fn all(reports: &[HostReport]) -> impl Iterator<Item = (&str, &Finding)> {
    reports.iter().flat_map(|report| report.findings.iter().map(|finding| (report.name.as_str(), finding)))
}

fn same(todo: &[(&str, &Finding)], host: &str, finding: &Finding) -> bool {
    todo.iter().any(|(other, known)| *other == host && known.code == finding.code)
}

/// `needs manual action: FC051 on server1, FC074 on server2`.
fn tell(what: &str, findings: &[(&str, &Finding)]) {
    let list: Vec<String> =
        findings.iter().map(|(host, finding)| say(&format!("{} on {host}", finding.code)).into_owned()).collect();
    if !list.is_empty() {
        console::error_line(&format!("{}: {}", say(what), list.join(", ")));
    }
}

/// How each host is, by the second look, and what was done to it. A failed change stays one.
fn joined(again: Vec<HostReport>, done: Vec<HostReport>) -> Vec<HostReport> {
    let mut done: HashMap<String, HostReport> = done.into_iter().map(|report| (report.name.clone(), report)).collect();
    let join = |mut report: HostReport| {
        let Some(done) = done.remove(&report.name) else { return report };
        if !matches!(done.status, Status::Changed | Status::Unchanged) || report.status == Status::Unchanged {
            report.status = done.status;
            report.error = done.error;
        }
        report.deltas = done.deltas;
        report.warnings.extend(done.warnings);
        report.executions += done.executions;
        report.seconds += done.seconds;
        report
    };
    again.into_iter().map(join).collect()
}
