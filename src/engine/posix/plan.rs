//! A Linux host as it is: its facts in one execution, what its steps are about and the measurement in another.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use super::frame::Frames;
use super::lock;
use super::proof::Proof;
use crate::engine::plan::{Extent, Service, now};
use crate::engine::session::{BECOME, Failure, Session};
use crate::engine::shell::System;
use crate::engine::steps::{self, Step};
use crate::engine::{Context, clock, ports};
use crate::exit::Hint;
use crate::facts::linux::Moment;
use crate::facts::services::{self, Ability};
use crate::facts::{self, Facts};
use crate::inventory::{At, HostSpec};
use crate::model::event::Phase;
use crate::model::{HostReport, Slice};
use crate::provider::{self, LinuxProvider, Provider};
use crate::verdict::{self, Verdict};

/// A Linux host, and the time service that it has or shall have.
pub(crate) struct Posix {
    facts: Facts,
    provider: &'static dyn LinuxProvider,
    unit: &'static str,
}

/// Reads a host's facts.
pub(crate) fn read_facts(session: &mut Session<'_>) -> Result<Facts, Failure> {
    session.phase(Phase::Facts);
    let mut frames = Frames::new();
    // Never plan against a half-applied change: wait for the script of a run that has lost its connection.
    frames.raw(&format!("{}\nfc_orphan '' 60", lock::FUNCTIONS));
    let part = frames.part(&facts::linux::script());
    let (script, splitter) = frames.finish();
    let sent = now();
    let output = session.run(script, session.spec.limits.read, &mut |_| ())?;
    let moment = Moment { sent, received: now() };
    let slice = splitter.part(&output, part).context("read facts")?;
    Ok(facts::linux::parse(&slice.stdout, moment).context("read facts")?)
}

/// What the inventory asks for and the service of the host cannot do: which one it is, and how old, is known only now.
fn unable(spec: &HostSpec, provider: &dyn Provider, facts: &Facts) -> Result<()> {
    let why = |(ability, at): &(Ability, At)| {
        let why = services::refusal_here(provider.service(), *ability, &facts.lacks)?;
        Some(format!("the inventory asks for it in line {}, column {}: {why}", at.line, at.column))
    };
    match spec.needs.iter().find_map(why) {
        None => Ok(()),
        Some(why) => Err(anyhow!(why).hint("take it out for this host, or give it a time service that can")),
    }
}

/// Returns the time service of the host, if it and the login are fit for what is wanted.
fn admitted(spec: &HostSpec, facts: &Facts) -> Result<&'static dyn LinuxProvider> {
    if facts.uid != 0 {
        let message = anyhow!("the login is user {}, and only root may read and change all that is needed", facts.uid);
        return Err(message.hint(BECOME));
    }
    let provider = provider::choose(spec.provider, facts)?;
    if let Some((why, way)) = provider.refusal(&spec.time, facts) {
        return Err(anyhow!(why).hint(way));
    }
    unable(spec, provider, facts)?;
    Ok(provider)
}

impl Posix {
    /// Reads the facts, and says in the report what host it is.
    ///
    /// # Errors
    /// The host cannot be read, or is not fit for what is wanted.
    pub(crate) fn meet(session: &mut Session<'_>, report: &mut HostReport) -> Result<Self, Failure> {
        let facts = read_facts(session)?;
        report.os = Some(facts.os_name.clone());
        let provider = admitted(session.spec, &facts)?;
        report.provider = Some(provider.name().to_owned());
        report.addresses = facts.addresses.iter().map(ToString::to_string).collect();
        Ok(Posix { unit: provider.layout(&facts).service, facts, provider })
    }
}

impl System for Posix {
    fn service(&self) -> Service {
        Service::Linux(self.provider, self.unit)
    }

    fn clock(&self, _spec: &HostSpec) -> clock::Model {
        clock::Model::Told(self.provider.slew_ppm())
    }

    fn steps(&self, spec: &HostSpec, cx: &Context) -> Result<Vec<Step>> {
        steps::steps(spec, &self.facts, self.provider, cx)
    }

    /// All probes in one execution, and the measurement with them. What the facts say already is not asked.
    fn read(
        &mut self,
        session: &mut Session<'_>,
        steps: &[Step],
        extent: Extent,
        report: &mut HostReport,
    ) -> Result<(Vec<Slice>, Option<Verdict>), Failure> {
        let (spec, provider) = (session.spec, self.provider);
        let mut known: Vec<Option<Slice>> = steps.iter().map(|step| step.resource.known(&self.facts)).collect();
        let mut frames = Frames::new();
        for (step, _) in steps.iter().zip(&known).filter(|(_, known)| known.is_none()) {
            frames.part(&step.resource.probe());
        }
        let proof = match extent {
            Extent::Configuration => None,
            Extent::Clock => Some(Proof::glance(&mut frames, spec, provider)),
            Extent::Proof => Some(Proof::wait(&mut frames, spec, provider, self.unit)),
        };
        let (script, splitter) = frames.finish();
        let wait = if extent == Extent::Proof { spec.limits.deadline } else { Duration::ZERO };
        let output = session.run_with_progress(script, spec.limits.read + wait, &splitter)?;
        for (index, asked) in known.iter_mut().filter(|known| known.is_none()).enumerate() {
            *asked = Some(splitter.part(&output, index)?);
        }
        let verdict = proof.map(|proof| proof.record(spec, provider, &splitter, &output, report)).transpose()?;
        if extent == Extent::Clock {
            // A glance at a service that is about to change is no statement about it.
            report.daemon = None;
            report.warnings.retain(|warning| !verdict::is_of_own_clock(warning));
        }
        report.warnings.extend(self.remarks(spec, session.cx));
        Ok((known.into_iter().flatten().collect(), verdict))
    }

    fn against_ours(&self, spec: &HostSpec) -> Option<String> {
        clock::against_ours(spec, self.facts.clock_offset_s, self.facts.clock_uncertainty_s)
    }
}

impl Posix {
    /// What is worth a word and is not changed here.
    fn remarks(&self, spec: &HostSpec, cx: &Context) -> Vec<String> {
        let mut all = self.provider.shortcomings(&spec.time, &self.facts);
        all.extend(ports::unlooked(spec, &self.facts, self.provider, cx));
        all.extend(cloud(&self.facts, self.provider.layout(&self.facts).config));
        all
    }
}

/// What cloud-init will do to the file that is written here.
fn cloud(facts: &Facts, config: &str) -> Option<String> {
    let place = facts.cloud.first()?;
    Some(format!(
        "{place} has `ntp:`: cloud-init writes {config} anew at the first boot of a clone or of a restored image; take it out there, and out of what the cloud hands to the machine"
    ))
}
