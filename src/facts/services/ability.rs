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
    /// It asks a source several times at each poll.
    Burst,
    /// It asks in an older version of NTP.
    Version,
    /// It knows the interleaved mode between client and server.
    Xleave,
    /// It measures a source that it never follows.
    NoSelect,
    /// It takes a source for right.
    Trust,
    /// It follows nobody without a certain source.
    Require,
    /// It corrects what it measures of a source.
    Offset,
    /// It uses so many servers of a pool.
    MaxSources,
    /// It passes over answers that took too long.
    MaxDelay,
    /// It takes the median of several answers.
    Filter,
    /// It sends a question ahead of the one that counts.
    Presend,
    /// It uses an extension field.
    ExtensionField,
    /// It moves the clock only while enough sources agree.
    MinSources,
    /// It does not follow a source that may be too far off.
    MaxDistance,
    /// It serves at some addresses of its host only.
    Bind,
    /// It asks from a certain port.
    ClientPort,
    /// It limits how often one client may ask.
    RateLimit,
    /// It limits bursts apart from the mean rate.
    RateLimitBurst,
    /// It reads leap seconds from a zone of the system.
    LeapZone,
    /// It reads leap seconds from a file.
    LeapFile,
    /// It smears leap seconds for those who ask.
    Smear,
    /// It marks its packets for the network.
    Dscp,
    /// It writes down what it measures.
    Log,
    /// It writes down every answer.
    LogRaw,
    /// It writes down what it made of a source, and the clock of the hardware.
    LogStatistics,
    /// It writes down why it chose a source.
    LogSelection,
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
        Ability::Burst,
        Ability::Version,
        Ability::Xleave,
        Ability::NoSelect,
        Ability::Trust,
        Ability::Require,
        Ability::Offset,
        Ability::MaxSources,
        Ability::MaxDelay,
        Ability::Filter,
        Ability::Presend,
        Ability::ExtensionField,
        Ability::MinSources,
        Ability::MaxDistance,
        Ability::Bind,
        Ability::ClientPort,
        Ability::RateLimit,
        Ability::RateLimitBurst,
        Ability::LeapZone,
        Ability::LeapFile,
        Ability::Smear,
        Ability::Dscp,
        Ability::Log,
        Ability::LogRaw,
        Ability::LogStatistics,
        Ability::LogSelection,
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
            Ability::Burst => "burst",
            Ability::Version => "version",
            Ability::Xleave => "xleave",
            Ability::NoSelect => "noselect",
            Ability::Trust => "trust",
            Ability::Require => "require",
            Ability::Offset => "offset",
            Ability::MaxSources => "maxsources",
            Ability::MaxDelay => "maxdelay",
            Ability::Filter => "filter",
            Ability::Presend => "presend",
            Ability::ExtensionField => "extfield",
            Ability::MinSources => "min-sources",
            Ability::MaxDistance => "max-distance",
            Ability::Bind => "bind",
            Ability::ClientPort => "client-port",
            Ability::RateLimit => "rate-limit",
            Ability::RateLimitBurst => "rate-limit-burst",
            Ability::LeapZone => "leap-zone",
            Ability::LeapFile => "leap-file",
            Ability::Smear => "smear",
            Ability::Dscp => "dscp",
            Ability::Log => "log",
            Ability::LogRaw => "log-raw",
            Ability::LogStatistics => "log-statistics",
            Ability::LogSelection => "log-selection",
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
            Ability::Burst => "ask a source several times at each poll (`burst`)",
            Ability::Version => "ask in another version of NTP (`version`)",
            Ability::Xleave => "use the interleaved mode with a server (`xleave`)",
            Ability::NoSelect => "measure a source without following it (`noselect`)",
            Ability::Trust => "trust one source whatever the others say (`trust`)",
            Ability::Require => "leave the clock alone while a certain source cannot be followed (`require`)",
            Ability::Offset => "correct what it measures of a source (`offset`)",
            Ability::MaxSources => "use a certain number of the servers of a pool (`maxsources`)",
            Ability::MaxDelay => "pass over answers that took too long (`maxdelay`)",
            Ability::Filter => "make one measurement of several answers (`filter`)",
            Ability::Presend => "send a question ahead of the one that counts (`presend`)",
            Ability::ExtensionField => "use an extension field (`extfield`)",
            Ability::MinSources => "wait until so many sources agree (`min_sources`)",
            Ability::MaxDistance => "leave a source alone that may be too far off (`max_distance`)",
            Ability::Bind => "serve at certain addresses only (`bind`)",
            Ability::ClientPort => "ask from a certain port (`client_port`)",
            Ability::RateLimit => "limit how often one client may ask (`rate_limit`)",
            Ability::RateLimitBurst => "limit bursts apart from the mean rate (`burst`, `leak` of `rate_limit`)",
            Ability::LeapZone => "read leap seconds from a zone of the system (`leap: { source: right/UTC }`)",
            Ability::LeapFile => "read leap seconds from a file (`leap: { source: /PATH }`)",
            Ability::Smear => "smear leap seconds (`leap: { smear: true }`)",
            Ability::Dscp => "mark its packets for the network (`dscp`)",
            Ability::Log => "write down measurements and corrections (`log`)",
            Ability::LogRaw => "write down every answer (`log: [raw]`)",
            Ability::LogStatistics => {
                "write down its statistics of a source or of the hardware clock (`log: [statistics, rtc]`)"
            }
            Ability::LogSelection => "write down its choice of a source (`log: [selection]`)",
        }
    }

    /// Whether an inventory that asks for it of a service that has it not is refused. What a service makes of the
    /// others is said by its plan.
    pub fn is_needed(self) -> bool {
        !matches!(
            self,
            Ability::ServeNamed | Ability::Orphan | Ability::Together | Ability::PoolRenewed | Ability::StepAtStart
        )
    }
}

/// Why something cannot be asked of a service, if it cannot: names those that could.
pub fn refusal(service: &Service, ability: Ability) -> Option<String> {
    if service.can(ability).is_some() || !ability.is_needed() {
        return None;
    }
    Some(format!("`{}` cannot {}; {}", service.name, ability.what(), others(service, ability)))
}

/// The same for the service of a host, which lacks these features.
pub fn refusal_here(service: &Service, ability: Ability, lacks: &[&str]) -> Option<String> {
    let Some(Since::Feature(name)) = service.can(ability) else { return refusal(service, ability) };
    let since = Since::Feature(name).version().filter(|_| lacks.contains(&name))?;
    let (name, what, others) = (service.name, ability.what(), others(service, ability));
    Some(format!("`{name}` can {what} since {since}, and this host has an older one; {others}"))
}

/// The other services of its system that can.
fn others(service: &Service, ability: Ability) -> String {
    let can = |other: &&Service| other.name != service.name && other.can(ability).is_some();
    let able: Vec<String> = of(service.system).filter(can).map(|other| format!("`{}`", other.name)).collect();
    match able.as_slice() {
        [] if service.can(ability).is_some() => format!("no other time service of {} can", service.system),
        [] => format!("no time service of {} can", service.system),
        [one] => format!("{one} can"),
        [firsts @ .., last] => format!("{} and {last} can", firsts.join(", ")),
    }
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
    fn a_service_that_is_too_old_is_told_since_when_it_can() {
        let here = |ability, lacks: &[&str]| refusal_here(&CHRONY, ability, lacks);
        assert_eq!(here(Ability::Filter, &[]), None);
        assert_eq!(here(Ability::Trust, &["filter"]), None);
        assert_eq!(
            here(Ability::Dscp, &["dscp"]).as_deref(),
            Some(
                "`chrony` can mark its packets for the network (`dscp`) since 4.0, and this host has an older one; `ntpd` can"
            )
        );
        assert!(refusal_here(&W32TIME, Ability::Dscp, &[]).unwrap().ends_with("no time service of Windows can"));
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
