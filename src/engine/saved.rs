//! A plan as a file: everything that was reviewed, and what it was made from. `apply FILE` plans
//! again, and refuses host by host what is not as it was reviewed.

#[cfg(test)]
mod tests;
mod validity;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::clock;
use super::fleet::PlanResult;
use super::moved::{observed, used, wanted};
use super::seal;
use super::waves::Order;
use crate::assets::Assets;
use crate::exit::Hint;
use crate::input;
use crate::inventory::HostSpec;
use crate::model::{Delta, ErrorReport, HostReport, Role, Status};

pub use validity::Validity;

/// Largest plan, bytes. Ten thousand hosts are about twenty megabytes.
const LARGEST: u64 = 512 << 20;

/// The version of the file.
pub const FORMAT: u32 = 1;

/// A plan that was written to a file. Holds no secrets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// [`FORMAT`].
    pub fleetclock_plan: u32,
    /// Version of the program that made it.
    pub version: String,
    /// When it was made, RFC 3339, UTC.
    pub made: String,
    /// Who made it, and on which machine.
    pub made_by: String,
    /// When it may be applied.
    #[serde(default)]
    pub validity: Validity,
    /// The inventory that it was made from.
    pub inventory: String,
    /// Every playbook and template that went into it.
    pub assets: Vec<SavedAsset>,
    /// The order in which the hosts are changed.
    pub order: Order,
    /// The hosts, in the order of the inventory.
    pub hosts: Vec<SavedHost>,
    /// Shows that the plan was made by this user on this machine, where it consents to something.
    #[serde(default)]
    pub seal: String,
    /// SHA-256 of the file with this value left empty.
    pub digest: String,
    /// Whether the seal fits; nothing that a file could say.
    #[serde(skip)]
    pub is_own: bool,
}

/// A playbook or template, as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedAsset {
    /// `templates/chrony.conf.j2`.
    pub name: String,
    /// `embedded`, or its path.
    pub origin: String,
    /// SHA-256 of its text.
    pub sha256: String,
}

/// One host of a plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedHost {
    /// The name in the inventory.
    pub name: String,
    /// The address that was contacted.
    pub address: String,
    /// The part that it plays.
    pub role: Role,
    /// The operating system's own name for itself.
    pub os: Option<String>,
    /// The time service.
    pub provider: Option<String>,
    /// What planning came to: `drifted`, `unchanged`, or why there is no plan for it.
    pub status: Status,
    /// What happens to the clock, in one sentence.
    pub clock: Option<String>,
    /// By how much the clock was off, seconds, if its sources answered.
    pub offset_s: Option<f64>,
    /// Whether its clock may step that far, beyond `limits.max_step`.
    pub allow_step: bool,
    /// The greatest step that was allowed then, seconds; any without it.
    pub max_step_s: Option<f64>,
    /// Why it could not be planned.
    pub error: Option<ErrorReport>,
    /// What will be changed, in order.
    pub deltas: Vec<Delta>,
    /// SHA-256 of what was seen, step by step.
    pub observed: Vec<Observed>,
    /// The resolved settings of the host, without how it is reached.
    pub wanted: Value,
}

/// What one step saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// `file /etc/chrony/chrony.conf`.
    pub resource: String,
    /// SHA-256 of what its probe printed, and its status.
    pub sha256: String,
}

/// What a plan is made from, besides the hosts themselves.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// Path of the inventory.
    pub inventory: &'a Path,
    /// Playbooks and templates.
    pub assets: &'a Assets,
    /// When the plan was made, RFC 3339.
    pub made: String,
    /// The names of hosts whose clock may step however far it is off.
    pub allow_step: Vec<String>,
    /// The order in which the hosts are changed.
    pub order: Order,
    /// When it may be applied.
    pub validity: Validity,
}

impl Saved {
    /// Puts a plan together.
    ///
    /// # Errors
    /// A playbook or template cannot be read.
    pub fn of(plans: &[PlanResult], hosts: &[HostSpec], inputs: &Inputs<'_>) -> Result<Self> {
        let known: HashMap<&str, &HostSpec> = hosts.iter().map(|host| (host.name.as_str(), host)).collect();
        let spec = |name: &str| known.get(name).copied();
        Ok(Saved {
            fleetclock_plan: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made: inputs.made.clone(),
            made_by: super::lock::whoami(),
            validity: inputs.validity.clone(),
            inventory: inputs.inventory.display().to_string(),
            assets: used(inputs.assets, hosts.iter())?
                .into_values()
                .flatten()
                .collect::<BTreeMap<_, _>>()
                .into_values()
                .collect(),
            order: inputs.order.clone(),
            hosts: plans.iter().map(|plan| saved(plan, spec, &inputs.allow_step)).collect::<Result<_>>()?,
            seal: String::new(),
            digest: String::new(),
            is_own: true,
        })
    }

    /// Returns the text of the file.
    ///
    /// # Errors
    /// It cannot be said in JSON.
    pub fn text(&self) -> Result<String> {
        let plain = Saved { digest: String::new(), seal: String::new(), ..self.clone() };
        let unsealed = serde_json::to_string_pretty(&plain)? + "\n";
        let consents = self.hosts.iter().any(|host| host.allow_step);
        // Without a place for the key there is no seal, and `apply` asks.
        let seal = if consents { seal::of(unsealed.as_bytes()).unwrap_or_default() } else { String::new() };
        let blank = unsealed.replace(&field("seal", ""), &field("seal", &seal));
        Ok(blank.replace(&field("digest", ""), &field("digest", &digest(blank.as_bytes()))))
    }

    /// Reads a plan, and sees that it is whole and of this version.
    ///
    /// # Errors
    /// It cannot be read, is no plan, was edited, or was made by another version.
    pub fn read(path: &Path) -> Result<Self> {
        parse(&input::text(path, LARGEST).with_context(|| format!("read {}", path.display()))?, path)
    }

    /// The hosts whose clocks it lets step.
    pub fn steps(&self) -> Vec<&str> {
        self.hosts.iter().filter(|host| host.allow_step).map(|host| host.name.as_str()).collect()
    }

    /// Lets the clocks of its hosts step as far as was reviewed, and no farther: where no offset was
    /// seen, none was reviewed, and a limit that was raised since was not reviewed either.
    pub fn consent(&self, hosts: &mut [HostSpec]) {
        let known: HashMap<&str, &SavedHost> = self.hosts.iter().map(|saved| (saved.name.as_str(), saved)).collect();
        for host in hosts {
            let Some(saved) = known.get(host.name.as_str()) else { continue };
            let reviewed = saved.allow_step.then(|| saved.step()).flatten();
            host.limits.max_step = reviewed.or_else(|| saved.least(host.limits.max_step));
        }
    }

    /// Hosts of the plan that the inventory does not have any more, each with its refusal.
    pub fn gone(&self, hosts: &[HostSpec]) -> Vec<Box<HostReport>> {
        let names: HashSet<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
        let known = |saved: &&SavedHost| !names.contains(saved.name.as_str());
        let why = ["the inventory does not have this host any more".to_owned()];
        self.hosts.iter().filter(known).map(|saved| Box::new(refused(saved.report(), &why))).collect()
    }
}

/// Reads the text of a plan.
fn parse(text: &str, path: &Path) -> Result<Saved> {
    let plan: Saved = serde_json::from_str(text)
        .with_context(|| format!("{} is no plan", path.display()))
        .hint("`fleetclock plan --out FILE` makes one")?;
    if plan.fleetclock_plan != FORMAT || plan.version != env!("CARGO_PKG_VERSION") {
        let own = env!("CARGO_PKG_VERSION");
        return Err(anyhow!("{} was made by version {}, and this is {own}", path.display(), plan.version)
            .hint("apply it with the version that made it, or plan again"));
    }
    let blank = text.replace(&field("digest", &plan.digest), &field("digest", ""));
    if digest(blank.as_bytes()) != plan.digest {
        bail!("{} is not what was written: its digest differs; make a new plan", path.display());
    }
    if let Some(host) = plan.hosts.iter().find(|host| host.offset_s.is_some() && host.step().is_none()) {
        bail!("{} is no plan: the offset of host `{}` is none that a clock can have", path.display(), host.name);
    }
    let unsealed = blank.replace(&field("seal", &plan.seal), &field("seal", ""));
    Ok(Saved { is_own: seal::fits(&plan.seal, unsealed.as_bytes()), ..plan })
}

/// A field of the file as it is written.
fn field(name: &str, value: &str) -> String {
    format!("\"{name}\": \"{value}\"")
}

/// How much farther than reviewed a clock may be off by now, seconds.
const MARGIN: f64 = 1.0;

impl SavedHost {
    /// How far its clock was off when that was reviewed, and the margin.
    fn step(&self) -> Option<Duration> {
        Duration::try_from_secs_f64(self.offset_s?.abs() + MARGIN).ok()
    }

    /// The lesser of the limit of then and that of now. None is there now only where `--allow-step` has taken it
    /// away, or `step: always` has, which was reviewed or has moved.
    fn least(&self, now: Option<Duration>) -> Option<Duration> {
        let then = self.max_step_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        now.map(|now| then.map_or(now, |then| then.min(now)))
    }

    /// The host as a report, for showing it.
    pub fn report(&self) -> HostReport {
        HostReport {
            os: self.os.clone(),
            provider: self.provider.clone(),
            status: self.status,
            deltas: self.deltas.clone(),
            clock: self.clock.clone(),
            error: self.error.clone(),
            ..HostReport::blank(&self.name, &self.address, self.role)
        }
    }
}

pub(super) fn refused(mut report: HostReport, moved: &[String]) -> HostReport {
    report.status = Status::Failed;
    let message = format!("nothing was changed: the plan is stale: {}", moved.join("; "));
    report.error =
        Some(ErrorReport { message, hint: Some("look at a new plan: `fleetclock plan --out FILE`".to_owned()) });
    report
}

fn saved<'a>(
    plan: &PlanResult,
    spec: impl Fn(&str) -> Option<&'a HostSpec>,
    allow_step: &[String],
) -> Result<SavedHost> {
    let report = match plan {
        Ok(planned) => &planned.report,
        Err(report) => report,
    };
    Ok(SavedHost {
        name: report.name.clone(),
        address: report.address.clone(),
        role: report.role,
        os: report.os.clone(),
        provider: report.provider.clone(),
        status: report.status,
        clock: report.clock.clone(),
        offset_s: clock::offset(&report.sources).map(|(offset, _)| offset),
        allow_step: allow_step.contains(&report.name),
        max_step_s: spec(&report.name).and_then(|spec| spec.limits.max_step).map(|most| most.as_secs_f64()),
        error: report.error.clone(),
        deltas: report.deltas.clone(),
        observed: plan.as_ref().map_or_else(|_| Vec::new(), observed),
        wanted: spec(&report.name).map_or(Ok(Value::Null), wanted)?,
    })
}

pub(super) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
