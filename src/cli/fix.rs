//! `doctor --fix`: what is configuration goes the way of `apply`, the rest is left to people.

use anyhow::Result;

use super::change::{Changed, change};
use super::doctor::look;
use super::run::Run;
use super::{Format, Global};
use crate::engine::Extent;
use crate::engine::fleet::plan_all;
use crate::engine::waves::order;
use crate::exit::Exit;
use crate::model::{Finding, HostReport, Status, Verb};
use crate::report::{console, text};

/// What the user wants to be put right.
pub(super) struct Wanted {
    /// The hosts that may be changed.
    pub(super) chosen: Vec<String>,
    /// Whether it was agreed to beforehand.
    pub(super) yes: bool,
}

/// Changes the hosts that have a finding about configuration, and looks at all again.
pub(super) fn fix(mut run: Run, global: &Global, found: Vec<HostReport>, wanted: &Wanted) -> Result<Exit> {
    let (todo, left): (Vec<_>, Vec<_>) =
        all(&found).partition(|(host, finding)| finding.configuration && wanted.chosen.iter().any(|name| name == host));
    tell("put right by a change", &todo);
    tell("left to people", &left.iter().copied().filter(|(_, finding)| !finding.configuration).collect::<Vec<_>>());
    tell(
        "left, for the host is not among the chosen ones",
        &left.iter().copied().filter(|(_, finding)| finding.configuration).collect::<Vec<_>>(),
    );
    let sick: Vec<String> = todo.iter().map(|(host, _)| (*host).to_owned()).collect();
    if sick.is_empty() {
        return Ok(run.print(found, true));
    }
    if !wanted.yes {
        // Whoever is asked has to know what was found; and whoever declines has it.
        let report = run.report(found.clone());
        console::error_line(text::report(&report, text::Options::of(Verb::Doctor)).trim_end());
    }
    let looked_at = run.hosts.clone();
    run.hosts.retain(|host| sick.contains(&host.name));
    let plans = run.watched(run.names(), |cx| plan_all(run.hosts.clone(), run.forks, Extent::Clock, cx));
    let order = order(&plans, &run.rollout);
    let (done, shown) = match change(&mut run, &global.inventory, plans, order, wanted.yes)? {
        Changed::Declined if run.format == Format::Json => {
            run.hosts = looked_at;
            run.print(found, true);
            return Ok(Exit::Pending);
        }
        Changed::Declined => return Ok(Exit::Pending),
        Changed::Done { hosts, shown } => (hosts, shown),
    };
    run.hosts = looked_at;
    let (again, _) = look(&run, &wanted.chosen, None);
    tell("still there", &all(&again).filter(|(host, finding)| same(&todo, host, finding)).collect::<Vec<_>>());
    Ok(run.print(joined(again, done), !shown))
}

fn all(reports: &[HostReport]) -> impl Iterator<Item = (&str, &Finding)> {
    reports.iter().flat_map(|report| report.findings.iter().map(|finding| (report.name.as_str(), finding)))
}

fn same(todo: &[(&str, &Finding)], host: &str, finding: &Finding) -> bool {
    todo.iter().any(|(other, known)| *other == host && known.code == finding.code)
}

/// `left to people: FC051 on server1, FC074 on server2`.
fn tell(what: &str, findings: &[(&str, &Finding)]) {
    let list: Vec<String> = findings.iter().map(|(host, finding)| format!("{} on {host}", finding.code)).collect();
    if !list.is_empty() {
        console::error_line(&format!("{what}: {}", list.join(", ")));
    }
}

/// How each host is, by the second look, and what was done to it. A failed change stays one.
fn joined(again: Vec<HostReport>, mut done: Vec<HostReport>) -> Vec<HostReport> {
    let join = |mut report: HostReport| {
        let Some(at) = done.iter().position(|done| done.name == report.name) else { return report };
        let done = done.swap_remove(at);
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
