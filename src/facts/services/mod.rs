//! The time services that are known, as data: the names that systems have for them, and what each can do.
//! How they are asked and what they answer is in `provider/`, under the same name.

mod ability;
mod chrony;
mod ntpd;
mod timesyncd;
mod w32time;

use std::fmt;

pub use ability::{Ability, Since, refusal, refusal_here};
pub use chrony::CHRONY;
pub use ntpd::NTPD;
pub use timesyncd::TIMESYNCD;
pub use w32time::W32TIME;

/// A time service that can be managed.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    /// The word of the inventory, and its name in reports.
    pub name: &'static str,
    /// Where it runs.
    pub system: System,
    /// All unit names (without `.service`) that it goes by on the various systems, in the order of preference.
    pub units: &'static [&'static str],
    /// The packages that bring it.
    pub packages: &'static [&'static str],
    /// The program that says its version with `--version`, and the name of that version among the facts.
    pub version: Option<(&'static str, &'static str)>,
    /// The names of its processes, as the kernel has them: 15 characters at most.
    pub processes: &'static [&'static str],
    /// Where systems keep its configuration, in the order in which they are looked for.
    pub files: &'static [&'static str],
    /// Whether systems bring it running, so that it runs says nothing of what somebody wanted.
    pub built_in: bool,
    /// What it can do, and since when.
    pub abilities: &'static [(Ability, Since)],
}

/// The systems that a time service runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux.
    Linux,
    /// Windows.
    Windows,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            System::Linux => "Linux",
            System::Windows => "Windows",
        })
    }
}

/// All that can be managed, in the order of preference; each has its behaviour in `provider/`.
pub const ALL: &[&Service] = &[&CHRONY, &NTPD, &TIMESYNCD, &W32TIME];

/// Those that are known and not managed: they shall not run beside the chosen one.
pub struct Foreign {
    /// Unit names without `.service`.
    pub units: &'static [&'static str],
    /// Packages.
    pub packages: &'static [&'static str],
    /// Names of processes.
    pub processes: &'static [&'static str],
}

/// All that are known and not managed, with programs that set the clock and end.
pub const FOREIGN: &[Foreign] = &[
    Foreign { units: &["openntpd"], packages: &["openntpd"], processes: &["openntpd"] },
    Foreign { units: &[], packages: &["ntpdate", "ntpsec-ntpdate"], processes: &["ntpdate", "sntp"] },
    Foreign { units: &["ntpd-rs"], packages: &["ntpd-rs"], processes: &["ntp-daemon"] },
    Foreign { units: &[], packages: &[], processes: &["ptp4l", "phc2sys"] },
];

impl Service {
    /// Returns the service of a name.
    pub fn named(name: &str) -> Option<&'static Service> {
        ALL.iter().find(|service| service.name == name).copied()
    }

    /// Returns since when it can do something, if it can.
    pub fn can(&self, ability: Ability) -> Option<Since> {
        self.abilities.iter().find(|(known, _)| *known == ability).map(|(_, since)| *since)
    }
}

/// Returns the services of one kind of system.
pub fn of(system: System) -> impl Iterator<Item = &'static Service> {
    ALL.iter().copied().filter(move |service| service.system == system)
}

/// Returns the packages of all that keep time on Linux, known and managed.
pub fn packages() -> impl Iterator<Item = &'static str> {
    let foreign = FOREIGN.iter().flat_map(|foreign| foreign.packages);
    of(System::Linux).flat_map(|service| service.packages).chain(foreign).copied()
}

/// Returns the units of all that keep time on Linux, without `.service`.
pub fn units() -> impl Iterator<Item = &'static str> {
    let foreign = FOREIGN.iter().flat_map(|foreign| foreign.units);
    of(System::Linux).flat_map(|service| service.units).chain(foreign).copied()
}

/// Returns the names of all processes that keep time on Linux.
pub fn processes() -> impl Iterator<Item = &'static str> {
    let foreign = FOREIGN.iter().flat_map(|foreign| foreign.processes);
    of(System::Linux).flat_map(|service| service.processes).chain(foreign).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_name_of_a_system_belongs_to_one_service() {
        for all in [units().collect::<Vec<_>>(), packages().collect(), processes().collect()] {
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
            assert!(processes().all(|name| name.len() <= 15), "the kernel cuts names: {all:?}");
        }
    }

    #[test]
    fn an_ability_is_told_once_and_its_version_is_in_the_table() {
        use crate::facts::versions::FEATURES;
        for service in ALL {
            let told: BTreeSet<Ability> = service.abilities.iter().map(|(ability, _)| *ability).collect();
            assert_eq!(told.len(), service.abilities.len(), "{}", service.name);
            for (ability, since) in service.abilities {
                let Since::Feature(name) = since else { continue };
                let known = FEATURES.iter().any(|feature| feature.name == *name);
                assert!(known, "{}: {ability:?}: facts/versions.rs has no `{name}`", service.name);
            }
        }
    }
}
