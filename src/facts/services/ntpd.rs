//! ntpd, as systems have it: classic ntp and ntpsec.

use super::{Ability, Service, Since, System};

/// ntpd of either kind; a system has one of them.
pub const NTPD: Service = Service {
    name: "ntpd",
    system: System::Linux,
    units: &["ntpsec", "ntp", "ntpd"],
    packages: &["ntp", "ntpsec"],
    version: Some(("ntpd", "ntpd")),
    processes: &["ntpd"],
    files: &["/etc/ntpsec/ntp.conf", "/etc/ntp.conf"],
    built_in: false,
    abilities: &[
        (Ability::Serve, Since::Always),
        (Ability::ServeNamed, Since::Feature("restrict_source")),
        (Ability::Isolated, Since::Always),
        (Ability::Orphan, Since::Always),
        (Ability::Together, Since::Always),
        (Ability::Pool, Since::Always),
        (Ability::PoolRenewed, Since::Feature("pool_renewed")),
        (Ability::Prefer, Since::Always),
        (Ability::PollOfSource, Since::Always),
        (Ability::StepNever, Since::Always),
        (Ability::Extra, Since::Always),
        (Ability::Burst, Since::Always),
        (Ability::Version, Since::Always),
        (Ability::NoSelect, Since::Always),
        (Ability::MinSources, Since::Always),
        (Ability::MaxDistance, Since::Always),
        (Ability::Bind, Since::Always),
        (Ability::RateLimit, Since::Always),
        (Ability::LeapFile, Since::Always),
        (Ability::Dscp, Since::Feature("ntp_dscp")),
        (Ability::Log, Since::Always),
        (Ability::LogRaw, Since::Always),
    ],
};
