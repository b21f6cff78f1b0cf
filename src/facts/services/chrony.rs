//! chrony, as systems have it.

use super::{Ability, Service, Since, System};

/// chronyd.
pub const CHRONY: Service = Service {
    name: "chrony",
    system: System::Linux,
    units: &["chrony", "chronyd"],
    packages: &["chrony"],
    version: Some(("chrony", "chronyd")),
    processes: &["chronyd"],
    files: &["/etc/chrony/chrony.conf", "/etc/chrony.conf"],
    abilities: &[
        (Ability::Serve, Since::Always),
        (Ability::ServeNamed, Since::Always),
        (Ability::Isolated, Since::Always),
        (Ability::Orphan, Since::Always),
        (Ability::Together, Since::Always),
        (Ability::Pool, Since::Always),
        (Ability::PoolRenewed, Since::Always),
        (Ability::Prefer, Since::Always),
        (Ability::PollOfSource, Since::Always),
        (Ability::StepNever, Since::Always),
        (Ability::StepAtStart, Since::Always),
        (Ability::Extra, Since::Always),
    ],
};
