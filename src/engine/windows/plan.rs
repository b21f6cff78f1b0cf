//! From a Windows host as it is to the list of what has to change.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::lines::Answers;
use super::lock::{self, Entry};
use super::{proof, timer};
use crate::engine::Context;
use crate::engine::clock;
use crate::engine::plan::{Extent, Service, now};
use crate::engine::ports::opens;
use crate::engine::session::{Failure, Session};
use crate::engine::shell::System;
use crate::engine::steps::{Step, differs, follow};
use crate::exit::Hint;
use crate::facts::windows::{self, WindowsFacts};
use crate::firewall::Word;
use crate::inventory::HostSpec;
use crate::inventory::spec::FirewallChoice;
use crate::model::event::Phase;
use crate::model::{HostReport, Slice};
use crate::ntp::windows_clock;
use crate::playbook::context;
use crate::provider::Provider;
use crate::provider::w32time::clock::Clock;
use crate::provider::w32time::{self, W32Time};
use crate::resource;
use crate::verdict::Verdict;

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

/// A Windows host, and what it has said so far.
pub(crate) struct Windows {
    facts: WindowsFacts,
    answers: Answers,
    apart: Option<Apart>,
    left_over: bool,
}

impl Windows {
    /// Reads the facts, and says in the report what host it is and what it did with a run that was lost.
    ///
    /// # Errors
    /// The host cannot be read, or its time is not ours to change.
    pub(crate) fn meet(session: &mut Session<'_>, report: &mut HostReport) -> Result<Self, Failure> {
        let mut answers = Answers::default();
        let (facts, apart) = facts(session, &mut answers)?;
        report.os = Some(facts.system());
        report.provider = Some(W32Time.name().to_owned());
        let told = timer::told(&runs(&answers));
        let left_over = told.is_some() || lock_of(&answers).is_some();
        report.warnings.extend(told);
        w32time::admit(session.spec, &facts)?;
        Ok(Windows { facts, answers, apart, left_over })
    }
}

impl System for Windows {
    fn service(&self) -> Service {
        Service::Windows { left_over: self.left_over }
    }

    fn clock(&self, spec: &HostSpec) -> clock::Model {
        clock::Model::Windows(Clock::of(spec, &self.facts))
    }

    fn steps(&self, spec: &HostSpec, cx: &Context) -> Result<Vec<Step>> {
        steps(spec, &self.facts, cx)
    }

    /// What the facts have asked already is not asked again. The measurement is a command of its own, for it
    /// starts PowerShell; for foretelling what happens to the clock it is needless where nothing will.
    fn read(
        &mut self,
        session: &mut Session<'_>,
        steps: &[Step],
        extent: Extent,
        report: &mut HostReport,
    ) -> Result<(Vec<Slice>, Option<Verdict>), Failure> {
        self.answers.ask(session, &lines(steps), session.spec.limits.read)?;
        let seen: Vec<Slice> = steps.iter().map(|step| self.answers.of(&step.resource.probe())).collect();
        let verdict = match extent {
            Extent::Proof => Some(proof::wait(session, report)?),
            Extent::Clock if differs(steps, &seen)? => {
                report.sources = proof::measure(session, 2, 500)?;
                None
            }
            Extent::Configuration | Extent::Clock => None,
        };
        Ok((seen, verdict))
    }

    fn against_ours(&self, spec: &HostSpec) -> Option<String> {
        against_ours(spec, self.apart)
    }
}

/// All lines of all probes.
pub(super) fn lines<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Vec<String> {
    steps.into_iter().flat_map(|step| step.resource.probe().lines().map(str::to_owned).collect::<Vec<_>>()).collect()
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
