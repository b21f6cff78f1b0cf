//! systemd-timesyncd, as systems have it.

use super::{Ability, Service, Since, System};

/// systemd-timesyncd, a client and nothing else.
pub const TIMESYNCD: Service = Service {
    name: "timesyncd",
    system: System::Linux,
    units: &["systemd-timesyncd"],
    packages: &["systemd-timesyncd"],
    version: None,
    processes: &["systemd-timesyn"],
    files: &["/etc/systemd/timesyncd.conf.d/fleetclock.conf", "/etc/systemd/timesyncd.conf"],
    built_in: true,
    abilities: &[(Ability::Extra, Since::Always), (Ability::MaxDistance, Since::Always)],
};
