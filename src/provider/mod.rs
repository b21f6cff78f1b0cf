//! Time services: their names and paths on each system, and what they say of themselves.

mod chrony;
mod ntpd;
pub mod passed;
pub mod w32time;

use anyhow::{Result, bail};
use serde::Serialize;

pub use chrony::{BEFORE_4, READ_OLD};
pub use ntpd::HERE;

use crate::exit::Hint;
use crate::facts::versions::{CHRONY, NTP};
use crate::facts::{Facts, Family};
use crate::inventory::spec::{ProviderChoice, TimeSpec};
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

/// One source as the time service sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Peer {
    /// Numeric address, or the name of a reference clock.
    pub address: String,
    /// The name by which its configuration knows it, where the service says that.
    pub name: Option<String>,
    /// Whether the service has selected it.
    pub selected: bool,
    /// Reachability register, eight bits, where the service has one.
    pub reach: Option<u8>,
    /// How old its last answer is, seconds; `None` if there is none, or the service does not say.
    pub last_s: Option<u64>,
    /// How often it is asked, seconds, where the service says that.
    pub every_s: Option<u64>,
    /// What kind of source it is.
    pub kind: PeerKind,
}

/// The kinds of sources that a time service may follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PeerKind {
    /// Another machine.
    #[default]
    Server,
    /// Another machine of a service that says neither names nor which servers are members of a pool: chronyd before 4.0.
    Unnamed,
    /// One of the servers behind the name of a pool, which ntpd does not say.
    PoolMember,
    /// A clock that is attached to the host.
    Clock,
}

/// Polls that may be lost, one after the other, before a service counts as cut off from its source.
pub(crate) const PATIENCE: u8 = 3;

/// Whether one of the last polls was answered; a service without a register is taken at its word.
pub fn is_reached(reach: Option<u8>) -> bool {
    reach.is_none_or(|reach| reach & ((1 << PATIENCE) - 1) != 0)
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
pub trait Provider: Sync {
    /// Returns the name in reports.
    fn name(&self) -> &'static str;

    /// Returns the word of the inventory.
    fn choice(&self) -> ProviderChoice;

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
    fn units(&self) -> &'static [&'static str];

    /// Returns its names and paths on a system.
    fn layout(&self, facts: &Facts) -> Layout;

    /// Returns what an old version of it cannot do at all of what is wanted.
    fn refusal(&self, _time: &TimeSpec, _facts: &Facts) -> Option<String> {
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
        passed::over(self.choice() == ProviderChoice::Chrony)
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

/// All that can be managed on Linux, in the order of preference.
pub const ALL: &[&dyn LinuxProvider] = &[&chrony::Chrony, &ntpd::Ntpd];

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
    let (program, oldest, floor, other) = match provider.choice() {
        ProviderChoice::Chrony => ("chrony", CHRONY, "chrony_floor", "ntpd"),
        _ => ("ntp", NTP, "ntp_floor", "chrony"),
    };
    if !facts.lacks.contains(&floor) {
        return Ok(provider);
    }
    let is = match facts.versions.get(program) {
        Some(is) => format!("its {program} is {is}"),
        None => format!("the {program} that this system brings is too old"),
    };
    let text = format!("{is}, and the oldest that is managed is {oldest}");
    Err(anyhow::anyhow!(text).hint(&format!("renew the package, or say `provider: {other}` for this host")))
}

fn named(choice: ProviderChoice, facts: &Facts) -> Result<&'static dyn LinuxProvider> {
    match choice {
        ProviderChoice::Auto => Ok(active(facts).unwrap_or(ALL[0])),
        declared => match ALL.iter().find(|provider| provider.choice() == declared) {
            Some(provider) => Ok(*provider),
            // The inventory has refused that with its place.
            None => bail!("provider `w32time` is for Windows hosts (those with `winrm`)"),
        },
    }
}

fn active(facts: &Facts) -> Option<&'static dyn LinuxProvider> {
    ALL.iter().copied().find(|provider| {
        let is_active = |unit: &str| facts.units.get(unit).is_some_and(|state| state.active);
        provider.units().iter().any(|unit| is_active(unit))
    })
}

/// Returns shell text that succeeds while a unit runs.
pub fn alive(unit: &str) -> String {
    format!("systemctl -q is-active {}", crate::transport::quote::sh(unit))
}

/// Whether the ntpd of a system is ntpsec: it has that one, or has neither and brings that one only (Debian 12,
/// Ubuntu 23.04, Fedora 34). RHEL 8 and later bring none of them; EPEL has ntpsec, where somebody has chosen it.
fn has_ntpsec(facts: &Facts) -> bool {
    let has = |package: &str| facts.packages.contains_key(package);
    if has("ntpsec") || has("ntp") {
        return has("ntpsec");
    }
    let version = |unknown: f64| facts.os_version.parse().unwrap_or(unknown);
    match (facts.family, facts.os_id.as_str()) {
        (Family::Debian, "ubuntu") => version(f64::INFINITY) >= 23.04,
        (Family::Debian, _) => version(f64::INFINITY) >= 12.0,
        (_, "fedora") => version(0.0) >= 34.0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ntpd_of_a_system_is_the_one_that_it_has_or_brings() {
        let of = |family: &str, id: &str, version: &str, installed: &[&str]| {
            let packages = installed.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect();
            let assumed = crate::facts::assumed::linux(family);
            let facts = Facts { os_id: id.to_owned(), os_version: version.to_owned(), packages, ..assumed };
            let layout = ntpd::Ntpd.layout(&facts);
            (layout.package, layout.service, layout.config)
        };
        let (debian, classic) = (("ntpsec", "ntpsec", "/etc/ntpsec/ntp.conf"), ("ntp", "ntpd", "/etc/ntp.conf"));
        let sec = ("ntpsec", "ntpd", "/etc/ntp.conf");
        for (family, id, version, installed, wanted) in [
            ("debian", "debian", "12", &[][..], debian),
            ("debian", "debian", "11", &[], ("ntp", "ntp", "/etc/ntp.conf")),
            ("debian", "debian", "12", &["ntp"], ("ntp", "ntp", "/etc/ntp.conf")),
            ("debian", "debian", "11", &["ntpsec"], debian),
            ("debian", "ubuntu", "22.04", &[], ("ntp", "ntp", "/etc/ntp.conf")),
            // EPEL, and Fedora, which has no other since 34.
            ("redhat", "rocky", "9.4", &["ntpsec"], sec),
            ("redhat", "rocky", "9.4", &["chrony"], classic),
            ("redhat", "centos", "7", &["ntp"], classic),
            ("redhat", "fedora", "42", &[], sec),
            ("redhat", "fedora", "33", &[], classic),
            ("suse", "opensuse-tumbleweed", "20260101", &["ntpsec"], sec),
            ("suse", "sles", "15.6", &[], classic),
        ] {
            assert_eq!(of(family, id, version, installed), wanted, "{id} {version} {installed:?}");
        }
    }
}
