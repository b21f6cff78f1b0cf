//! Time services: how each is asked, what it says of itself, what it is started with, and what a diagnosis has to know
//! of it. Their names on the systems and what they can do are data, in `facts/services/`.

mod chrony;
pub mod config;
pub mod diagnosis;
mod ntpd;
pub mod passed;
pub mod peer;
pub mod started;
mod timesyncd;
pub mod w32time;

use std::fmt;

use anyhow::{Result, bail};
use ipnet::IpNet;
use serde::Serialize;

pub use diagnosis::Diagnosis;
pub use ntpd::HERE;
pub(crate) use peer::PATIENCE;
pub use peer::{Peer, PeerKind, is_reached};

use crate::exit::Hint;
use crate::facts::Facts;
use crate::facts::services::Service;
use crate::facts::versions::FEATURES;
use crate::inventory::spec::{ProviderChoice, StepPolicy, TimeSpec};
use crate::model::{DaemonReport, Slice};

/// Names and paths of a time service on one system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// Package.
    pub package: &'static str,
    /// Unit name without `.service`.
    pub service: &'static str,
    /// All unit names that it goes by here.
    pub units: &'static [&'static str],
    /// Main configuration file.
    pub config: &'static str,
    /// Where it keeps the frequency of the clock.
    pub driftfile: &'static str,
    /// Where it would log.
    pub logdir: &'static str,
    /// Command that accepts or refuses a configuration file (`{}`); empty if it has none.
    pub validate: String,
}

/// What a time service says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct DaemonStatus {
    /// The summary for the report.
    pub report: DaemonReport,
    /// Its sources.
    pub peers: Vec<Peer>,
}

impl DaemonStatus {
    /// Returns the status of a service that does not answer its own tool; `why` in words.
    fn silent(provider: &str, why: String) -> Self {
        let report = DaemonReport { provider: provider.to_owned(), detail: why, ..DaemonReport::default() };
        DaemonStatus { report, peers: Vec::new() }
    }
}

/// What becomes of an offset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Slew {
    /// It is slewed, in about so many seconds.
    Seconds(f64),
    /// The clock is set.
    Step,
}

/// A time service that can be managed.
pub trait Provider: Diagnosis + Sync {
    /// Returns what is known of it as data.
    fn service(&self) -> &'static Service;

    /// Returns the word of the inventory, and the name in reports.
    fn name(&self) -> &'static str {
        self.service().name
    }

    /// Returns its playbook.
    fn playbook(&self) -> &'static str;

    /// Returns whether it asks its sources from port 123, and not from one that the kernel chooses.
    fn asks_from_123(&self) -> bool {
        false
    }

    /// Returns how fast it slews the clock at most, parts in a million: of the kernel, unless it has its own.
    fn slew_ppm(&self) -> f64 {
        500.0
    }

    /// Returns when it steps the clock, where the inventory wants this: one that goes by its own rule does not do as it
    /// is told.
    fn steps(&self, wanted: StepPolicy) -> StepPolicy {
        wanted
    }

    /// Returns text for the host's shell that prints its status. Changes nothing.
    fn status(&self) -> &'static str;

    /// Reads what `status` printed; no verdict.
    ///
    /// # Errors
    /// The output is not what the service prints.
    fn parse_status(&self, seen: &Slice) -> Result<DaemonStatus>;
}

/// A time service of Linux systems.
pub trait LinuxProvider: Provider {
    /// Returns the unit names it goes by on the various systems.
    fn units(&self) -> &'static [&'static str] {
        self.service().units
    }

    /// Returns the feature without which it is not managed, of [`FEATURES`].
    fn floor(&self, _facts: &Facts) -> Option<&'static str> {
        None
    }

    /// Returns its names and paths on a system.
    fn layout(&self, facts: &Facts) -> Layout;

    /// Returns what it cannot do at all of what is wanted on this system, and the way out.
    fn refusal(&self, _time: &TimeSpec, _facts: &Facts) -> Option<(String, &'static str)> {
        None
    }

    /// Returns what it makes of what is wanted on this system, and cannot do better.
    fn shortcomings(&self, _time: &TimeSpec, _facts: &Facts) -> Vec<String> {
        Vec::new()
    }

    /// Returns shell text that succeeds when the service is synchronised. Changes nothing.
    fn ready(&self) -> &'static str;

    /// Returns shell text that succeeds when the service answers its own tool, whatever it says. Changes nothing.
    fn talks(&self) -> &'static str;

    /// Returns shell text that prints `NUMBER LINE` for each line of `$fc_config` that the running service
    /// `$fc_unit` has passed over when it started. Changes nothing.
    fn passed_over(&self) -> String {
        String::new()
    }

    /// Returns shell text that prints what the file says and what the running service does, which is process
    /// `$fc_pid`; `serve` are the networks that it serves. Changes nothing.
    fn runtime(&self, _config: &str, _serve: &[IpNet]) -> String {
        ":".to_owned()
    }

    /// Says what commands have changed in the running service since it has loaded its file, by what that printed.
    fn changed_at_run_time(&self, _seen: &Slice, _serve: &[IpNet]) -> Option<String> {
        None
    }

    /// Returns shell text that prints the addresses of the servers that the service has selected
    /// and that answered one of its last polls. Changes nothing.
    fn followed(&self) -> &'static str;

    /// Returns shell text that lets a service that follows nobody ask its sources now, and not when their
    /// time has come; empty where it cannot be told to.
    fn hurry(&self) -> &'static str {
        ""
    }

    /// Returns shell text that prints how many whole seconds ago the last answer of a source came;
    /// nothing, if that is not known.
    fn age(&self) -> &'static str;
}

impl fmt::Debug for dyn Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for dyn LinuxProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All that can be managed on Linux, in the order of preference.
pub const ALL: &[&dyn LinuxProvider] = &[&chrony::Chrony, &ntpd::Ntpd, &timesyncd::Timesyncd];

/// All time services, of every system.
pub fn every() -> impl Iterator<Item = &'static dyn Provider> {
    let upcast = |provider: &&'static dyn LinuxProvider| -> &'static dyn Provider { *provider };
    let windows: &'static dyn Provider = &w32time::W32Time;
    ALL.iter().map(upcast).chain([windows])
}

/// Chooses the time service of a host: the declared one, else the one that is active, else
/// the distribution's own.
///
/// # Errors
/// The declared one is not built, or not for this system, or the host has one that is too old.
pub fn choose(choice: ProviderChoice, facts: &Facts) -> Result<&'static dyn LinuxProvider> {
    let provider = named(choice, facts)?;
    let old = provider.floor(facts).filter(|floor| facts.lacks.contains(floor));
    let Some(floor) = FEATURES.iter().find(|feature| Some(feature.name) == old) else { return Ok(provider) };
    let (program, oldest) = (floor.program, floor.since);
    let is = match facts.versions.get(program) {
        Some(is) => format!("its {program} is {is}"),
        None => format!("the {program} that this system brings is too old"),
    };
    let text = format!("{is}, and the oldest that is managed is {oldest}");
    let other = ALL.iter().find(|other| other.name() != provider.name()).map_or("auto", |other| other.name());
    Err(anyhow::anyhow!(text).hint(&format!("renew the package, or say `provider: {other}` for this host")))
}

fn named(choice: ProviderChoice, facts: &Facts) -> Result<&'static dyn LinuxProvider> {
    let Some(declared) = choice.named() else { return Ok(active(facts).unwrap_or(ALL[0])) };
    match ALL.iter().find(|provider| provider.name() == declared.name) {
        Some(provider) => Ok(*provider),
        // The inventory has refused that with its place.
        None => bail!("provider `{}` is for {} hosts", declared.name, declared.system),
    }
}

/// Returns those that a host may have where the inventory does not name one. That a service runs which the system brought
/// says nothing of what somebody wanted, so that one has to be named.
pub fn unnamed() -> impl Iterator<Item = &'static dyn LinuxProvider> {
    ALL.iter().copied().filter(|provider| !provider.service().built_in)
}

fn active(facts: &Facts) -> Option<&'static dyn LinuxProvider> {
    unnamed().find(|provider| {
        let is_active = |unit: &str| facts.units.get(unit).is_some_and(|state| state.active);
        provider.units().iter().any(|unit| is_active(unit))
    })
}

/// Returns shell text that succeeds while a unit runs.
pub fn alive(unit: &str) -> String {
    format!("systemctl -q is-active {}", crate::transport::quote::sh(unit))
}
