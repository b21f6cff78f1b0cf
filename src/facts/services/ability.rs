//! What a time service can do of what an inventory may ask for, and since which version.

use super::{Service, of};
use crate::facts::versions::FEATURES;

/// Something that an inventory may ask of a time service, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ability {
    /// Others may ask it for time.
    Serve,
    /// Only the named networks may, whatever its sources are.
    ServeNamed,
    /// It goes on with its own clock where nobody gives it time.
    Isolated,
    /// Isolated masters agree with each other.
    Orphan,
    /// It weighs several sources against each other, and does not only keep the others for when one is lost.
    Together,
    /// Several servers of one name.
    Pool,
    /// It looks for others when one of those goes.
    PoolRenewed,
    /// One source before the others.
    Prefer,
    /// A poll interval for each source.
    PollOfSource,
    /// The clock never steps.
    StepNever,
    /// It may step in the first updates after the start, and not later.
    StepAtStart,
    /// Further lines for its configuration.
    Extra,
}

/// Since when a service can do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// In every version that is managed.
    Always,
    /// With a feature of [`FEATURES`], by its name.
    Feature(&'static str),
}

impl Since {
    /// Returns the first version that can, where that is not every one that is managed.
    pub fn version(self) -> Option<&'static str> {
        match self {
            Since::Always => None,
            Since::Feature(name) => FEATURES.iter().find(|feature| feature.name == name).map(|feature| feature.since),
        }
    }
}

impl Ability {
    /// All of them, in the order of the table.
    pub const ALL: &[Ability] = &[
        Ability::Serve,
        Ability::ServeNamed,
        Ability::Isolated,
        Ability::Orphan,
        Ability::Together,
        Ability::Pool,
        Ability::PoolRenewed,
        Ability::Prefer,
        Ability::PollOfSource,
        Ability::StepNever,
        Ability::StepAtStart,
        Ability::Extra,
    ];

    /// Returns its word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Ability::Serve => "serve",
            Ability::ServeNamed => "serve-named",
            Ability::Isolated => "isolated",
            Ability::Orphan => "orphan",
            Ability::Together => "together",
            Ability::Pool => "pool",
            Ability::PoolRenewed => "pool-renewed",
            Ability::Prefer => "prefer",
            Ability::PollOfSource => "poll-of-source",
            Ability::StepNever => "step-never",
            Ability::StepAtStart => "step-at-start",
            Ability::Extra => "extra",
        }
    }

    /// Returns what it is, after "it can".
    pub fn what(self) -> &'static str {
        match self {
            Ability::Serve => "serve time to others",
            Ability::ServeNamed => "serve the named networks only, with any sources",
            Ability::Isolated => "go on with its own clock",
            Ability::Orphan => "agree with other isolated masters",
            Ability::Together => "follow several sources together",
            Ability::Pool => "use several servers of one name (`pool`)",
            Ability::PoolRenewed => "look for another server of a pool when one goes",
            Ability::Prefer => "prefer one source (`prefer`)",
            Ability::PollOfSource => "ask each source as often as it says (`minpoll`, `maxpoll`)",
            Ability::StepNever => "slew every offset (`step: never`)",
            Ability::StepAtStart => "step in the first updates only",
            Ability::Extra => "take further lines (`extra`)",
        }
    }

    /// Whether an inventory that asks for it of a service that has it not is refused. What a service makes of the
    /// others is said by its plan.
    pub fn is_needed(self) -> bool {
        match self {
            Ability::Serve | Ability::Isolated | Ability::Pool | Ability::Prefer => true,
            Ability::PollOfSource | Ability::StepNever | Ability::Extra => true,
            Ability::ServeNamed | Ability::Orphan | Ability::Together => false,
            Ability::PoolRenewed | Ability::StepAtStart => false,
        }
    }
}

/// Why something cannot be asked of a service, if it cannot: names those that could.
pub fn refusal(service: &Service, ability: Ability) -> Option<String> {
    if service.can(ability).is_some() || !ability.is_needed() {
        return None;
    }
    let able: Vec<String> = of(service.system)
        .filter(|other| other.can(ability).is_some())
        .map(|other| format!("`{}`", other.name))
        .collect();
    let others = match able.as_slice() {
        [] => format!("no time service of {} can", service.system),
        [one] => format!("{one} can"),
        [firsts @ .., last] => format!("{} and {last} can", firsts.join(", ")),
    };
    Some(format!("`{}` cannot {}; {others}", service.name, ability.what()))
}

#[cfg(test)]
mod tests {
    use super::super::{CHRONY, W32TIME};
    use super::*;

    #[test]
    fn a_refusal_names_those_who_could() {
        assert_eq!(refusal(&CHRONY, Ability::Pool), None);
        assert_eq!(
            refusal(&W32TIME, Ability::Pool).as_deref(),
            Some("`w32time` cannot use several servers of one name (`pool`); no time service of Windows can")
        );
        // It steps whenever the offset is great: that is said, and not refused.
        assert_eq!(refusal(&super::super::NTPD, Ability::StepAtStart), None);
    }

    #[test]
    fn every_ability_has_a_word_of_its_own_and_somebody_has_it() {
        let words: std::collections::BTreeSet<&str> = Ability::ALL.iter().map(|ability| ability.word()).collect();
        assert_eq!(words.len(), Ability::ALL.len());
        for ability in Ability::ALL {
            assert!(super::super::ALL.iter().any(|service| service.can(*ability).is_some()), "{ability:?}");
        }
    }
}
