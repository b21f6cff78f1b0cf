//! From a Windows host as it is to the list of what has to change.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::lines::Answers;
use super::lock::{self, Entry};
use super::{proof, timer};
use crate::engine::Context;
use crate::engine::clock;
use crate::engine::plan::{Extent, Planned, Service, hidden, now};
use crate::engine::ports::opens;
use crate::engine::session::{Failure, Session};
use crate::engine::steps::{Step, compared, follow};
use crate::exit::Hint;
use crate::facts::windows::{self, Kind, W32TIME, WindowsFacts};
use crate::firewall::Word;
use crate::inventory::HostSpec;
use crate::inventory::spec::{DomainTime, FirewallChoice};
use crate::model::event::Phase;
use crate::model::{HostReport, Status};
use crate::ntp::windows_clock;
use crate::playbook::context;
use crate::provider::Provider;
use crate::provider::w32time::clock::Clock;
use crate::provider::w32time::{self, W32Time};
use crate::resource;
use crate::text::hide::Hider;

/// Time limit for one command that only reads.
pub(super) const READ: Duration = Duration::from_secs(60);

/// What runs have left on the host.
fn runs(answers: &Answers) -> String {
    answers.of(&windows::query_runs()).stdout
}

fn lock_of(answers: &Answers) -> Option<Entry> {
    Entry::of(&runs(answers))
}

/// How far the clock of a host is from ours, and how wrong that may be, seconds.
type Apart = (f64, f64);

/// Reads the facts of a Windows host.
pub(crate) fn read_facts(session: &mut Session<'_>) -> Result<WindowsFacts, Failure> {
    let mut answers = Answers::default();
    facts(session, &mut answers).map(|(facts, _)| facts)
}

/// Asks all questions in one go, and what its clock says where nobody but the host may know.
fn ask(session: &mut Session<'_>, answers: &mut Answers, questions: &[String]) -> Result<Option<Apart>, Failure> {
    if session.spec.time.isolated.is_none() {
        return answers.ask(session, questions, session.spec.limits.read).map(|()| None);
    }
    let lines: Vec<String> = questions.iter().cloned().chain([windows_clock::command()]).collect();
    let sent = now();
    let mut slices = proof::asked(session, &lines)?;
    let received = now();
    let clock = slices.pop().and_then(|slice| windows_clock::parse(&slice.stdout));
    answers.0.extend(questions.iter().cloned().zip(slices));
    let (middle, doubt) = (f64::midpoint(sent, received), (received - sent).abs() / 2.0);
    Ok(clock.map(|clock| (clock - middle, doubt)))
}

/// Compares the clock of a host that follows nobody with that of this machine.
fn against_ours(spec: &HostSpec, apart: Option<Apart>) -> Option<String> {
    match apart {
        Some((offset, doubt)) => clock::against_ours(spec, offset, doubt),
        None => Some(
            "it follows nobody who would know, and its clock was not compared with that of this machine: \
             PowerShell does not say what time it is there"
                .to_owned(),
        ),
    }
}

fn facts(session: &mut Session<'_>, answers: &mut Answers) -> Result<(WindowsFacts, Option<Apart>), Failure> {
    session.phase(Phase::Facts);
    let questions: Vec<String> =
        windows::queries().into_iter().map(|(_, command)| command).chain([windows::query_runs()]).collect();
    let mut apart = ask(session, answers, &questions)?;
    if lock_of(answers).is_some_and(|lock| lock.is_orphan()) {
        // Half a change of a run that has lost its connection is nothing to plan from.
        lock::quiet(session, &[lock::ask()], Entry::is_orphan)?;
        *answers = Answers::default();
        apart = ask(session, answers, &questions)?;
    }
    let facts = windows::parse(&answers.0);
    if facts.build == 0 {
        let seen = answers.0.values().next().map_or("", |slice| slice.stdout.trim());
        return Err(anyhow!("read the registry: {seen}")
            .hint("the account must be an administrator of the host")
            .into());
    }
    Ok((facts, apart))
}

/// Reads a host and compares it with what is wanted; `known` are the secrets that are known so far.
pub(crate) fn plan(
    spec: &HostSpec,
    cx: &Context,
    extent: Extent,
    report: &mut HostReport,
    known: &mut Arc<Hider>,
) -> Result<Planned, Failure> {
    let mut session = Session::open(spec, cx)?;
    let result = compare(&mut session, extent, report);
    report.executions = session.executions;
    *known = Arc::clone(&session.hidden);
    result
}

fn compare(session: &mut Session<'_>, extent: Extent, report: &mut HostReport) -> Result<Planned, Failure> {
    let (spec, cx) = (session.spec, session.cx);
    let mut answers = Answers::default();
    let (facts, apart) = facts(session, &mut answers)?;
    report.os = Some(facts.system());
    report.provider = Some(W32Time.name().to_owned());
    let told = timer::told(&runs(&answers));
    let left_over = told.is_some() || lock_of(&answers).is_some();
    report.warnings.extend(told);
    check(spec, &facts)?;
    let steps = steps(spec, &facts, cx)?;
    session.hidden = hidden(&steps, cx);
    report.warnings.extend(steps.iter().flat_map(|step| step.resource.warnings()));
    session.phase(if extent == Extent::Proof { Phase::Verify } else { Phase::Probe });
    answers.ask(session, &lines(&steps), spec.limits.read)?;
    let seen: Vec<_> = steps.iter().map(|step| answers.of(&step.resource.probe())).collect();
    let (changes, deltas) = compared(steps, seen)?;
    report.deltas = deltas;
    report.warnings.extend(changes.iter().flat_map(|change| change.step.resource.doubts(&change.seen)));
    report.status = if report.deltas.is_empty() { Status::Unchanged } else { Status::Drifted };
    let clock = clock::Model::Windows(Clock::of(spec, &facts));
    let verdict = match extent {
        Extent::Configuration => None,
        Extent::Clock => glance(session, clock, report).map(|()| None)?,
        Extent::Proof => Some(proof::wait(session, report)?),
    };
    if clock::is_its_own(spec, report.daemon.as_ref()) {
        report.warnings.extend(against_ours(spec, apart));
    }
    Ok(Planned {
        spec: spec.clone(),
        service: Service::Windows,
        clock,
        changes,
        left_over,
        verdict,
        hidden: Hider::default(),
        report: report.clone(),
    })
}

/// One quick measurement, for foretelling what happens to the clock; needless where nothing will.
fn glance(session: &mut Session<'_>, clock: clock::Model, report: &mut HostReport) -> Result<(), Failure> {
    if report.deltas.is_empty() {
        return Ok(());
    }
    report.sources = proof::measure(session, 2, 500)?;
    report.clock = clock::effect(session.spec, clock, &report.sources);
    Ok(())
}

/// All lines of all probes.
pub(super) fn lines<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Vec<String> {
    steps.into_iter().flat_map(|step| step.resource.probe().lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The one domain controller whose time is a matter of an inventory (Microsoft, "Configure the PDC emulator").
const PDC: &str = "one domain controller takes the time for the domain from outside, the PDC emulator (`nltest \
    /dsgetdc:DOMAIN /pdc` names it): give it `role: master`, `upstream` and `domain_time: replace`; leave the others to the domain";

/// What speaks against touching the host at all.
fn check(spec: &HostSpec, facts: &WindowsFacts) -> Result<()> {
    let own_time = spec.domain_time == DomainTime::Replace || w32time::refusal(spec, facts).is_none();
    if let Some(why) = w32time::forbidden(spec, facts).filter(|_| own_time) {
        let hint = "take Type out of the group policy that sets it (gpresult /r /scope computer), or leave the host's time to it";
        return Err(anyhow!("left alone: {why}").hint(hint));
    }
    if !facts.registry.has(W32TIME) {
        return Err(
            anyhow!("the host has no Windows Time service").hint("`w32tm /register` on the host makes it again")
        );
    }
    match w32time::refusal(spec, facts) {
        None => Ok(()),
        Some(why) if facts.kind == Kind::DomainController => Err(anyhow!("left alone: {why}").hint(PDC)),
        Some(why) => Err(anyhow!("left alone: {why}")
            .hint("`domain_time: replace` takes the host out of the domain's time and lets it follow this inventory")),
    }
}

fn steps(spec: &HostSpec, facts: &WindowsFacts, cx: &Context) -> Result<Vec<Step>> {
    let firewall = firewall(spec.firewall, facts);
    let contexts = context::contexts(spec, facts, &w32time::layout(spec), firewall);
    let named = RefCell::new(Vec::new());
    let mut steps = follow(spec.playbook_or(W32Time.playbook()), &contexts, cx, &|kind, shown| {
        named.borrow_mut().extend(opens(&kind));
        resource::windows::build(kind, shown, facts)
    })?;
    // Where the firewall is left alone, its rules are.
    if firewall == Word::WINDOWS {
        let name = "Close what no step opens any more".to_owned();
        steps.push(Step::of(name, resource::windows::closed(named.into_inner())));
    }
    Ok(steps)
}

/// The inventory has no firewall of Linux here.
fn firewall(choice: FirewallChoice, facts: &WindowsFacts) -> Word {
    let named = choice == FirewallChoice::Named(Word::WINDOWS);
    let open = named || (choice == FirewallChoice::Auto && facts.firewall);
    if open { Word::WINDOWS } else { Word::NONE }
}
