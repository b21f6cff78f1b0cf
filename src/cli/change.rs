//! The question before a change, and the change: one way for every verb that changes hosts.

use std::io::IsTerminal;

use anyhow::{Result, anyhow};

use super::run::Run;
use crate::engine::fleet::{PlanResult, apply_all};
use crate::engine::waves::Order;
use crate::exit::Hint;
use crate::model::{FleetReport, HostReport, Verb};
use crate::report::{console, text};
use crate::text::number::count;

/// What came of a plan.
pub(super) enum Changed {
    /// The user did not want it.
    Declined,
    /// It was done, or there was nothing to do.
    Done {
        /// How each host ended.
        hosts: Vec<HostReport>,
        /// Whether the plan was shown.
        shown: bool,
    },
}

/// Refuses, before any host is contacted, to go on where nobody can be asked.
///
/// # Errors
/// Nobody has agreed, and there is no terminal.
pub(super) fn can_ask(verb: &str, agreed_to: bool, hint: &str) -> Result<()> {
    if agreed_to || std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(anyhow!("{verb} asks before it changes anything, and there is no terminal to ask on").hint(hint))
}

/// Shows the plan and asks, unless it was agreed to; then changes the hosts, and proves them. Whoever is asked sees
/// `before` first.
///
/// # Errors
/// The terminal is gone.
pub(super) fn change(
    run: &mut Run,
    before: Option<&FleetReport>,
    plans: Vec<PlanResult>,
    order: Order,
    agreed_to: bool,
) -> Result<Changed> {
    run.waves.clone_from(&order.waves);
    let pending = plans.iter().filter(|plan| plan.as_ref().is_ok_and(|planned| planned.is_pending())).count();
    let asked = pending > 0 && !agreed_to;
    if asked {
        before.into_iter().for_each(show);
        show_plan(&plans, run);
        if !agreed(run, pending)? {
            console::sentence("nothing was changed");
            return Ok(Changed::Declined);
        }
    }
    run.begin();
    let taking_part = plans.iter().flatten().map(|planned| planned.spec.name.clone()).collect();
    let hosts = run.watched(taking_part, |cx| apply_all(plans, order, run.forks, cx));
    Ok(Changed::Done { hosts, shown: asked })
}

/// On standard error: the result of a change is not its plan.
fn show_plan(plans: &[PlanResult], run: &Run) {
    let hosts: Vec<HostReport> = plans.iter().map(report_of).cloned().collect();
    let mut report = run.report(hosts);
    report.command = Verb::Plan;
    show(&report);
}

fn show(report: &FleetReport) {
    console::error_line(text::report(report, text::Options::of(report.command)).trim_end());
}

fn report_of(plan: &PlanResult) -> &HostReport {
    match plan {
        Ok(planned) => &planned.report,
        Err(report) => report,
    }
}

fn agreed(run: &Run, pending: usize) -> Result<bool> {
    let question = format!("\nApply to {}? Only `yes` is accepted:", count(pending, "host"));
    run.interrupt.ask(&question)
}
