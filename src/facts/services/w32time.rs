//! The Windows Time service, as Windows has it.

use super::{Ability, Service, Since, System};

/// W32Time.
pub const W32TIME: Service = Service {
    name: "w32time",
    system: System::Windows,
    units: &["w32time"],
    packages: &[],
    version: None,
    processes: &[],
    files: &[],
    built_in: false,
    abilities: &[
        (Ability::Serve, Since::Always),
        (Ability::Isolated, Since::Always),
        (Ability::StepNever, Since::Always),
    ],
};
