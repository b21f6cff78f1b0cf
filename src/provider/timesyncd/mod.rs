//! systemd-timesyncd: a client that asks one server at a time, and keeps the others for when that is silent.

mod diagnosis;
mod runtime;
mod status;

use std::time::Duration;

use anyhow::Result;
use ipnet::IpNet;

use super::{DaemonStatus, Layout, LinuxProvider, Provider, passed};
use crate::facts::services::{Service, TIMESYNCD};
use crate::facts::{Facts, Family};
use crate::inventory::spec::{StepPolicy, TimeSpec};
use crate::model::Slice;

/// systemd-timesyncd, asked over D-Bus.
pub(super) struct Timesyncd;

/// Its unit.
const UNIT: &str = "systemd-timesyncd";

/// The file that is written; those of others stay beside it.
const FILE: &str = "/etc/systemd/timesyncd.conf.d/fleetclock.conf";

/// Above this offset it steps, whenever it is; below, it slews (`NTP_MAX_ADJUST` of its source).
const STEPS_ABOVE: Duration = Duration::from_millis(400);

/// An inventory that says no more than this has its default, which nobody has asked for.
const USUAL: Duration = Duration::from_secs(1);

/// Prints all its properties in one line. Nothing that asks may start it: `timedatectl timesync-status` would, and so
/// would a call that activates; so only a running one is called, and that without activation.
macro_rules! properties {
    () => {
        "systemctl -q is-active systemd-timesyncd.service && busctl --auto-start=no call org.freedesktop.timesync1 /org/freedesktop/timesync1 org.freedesktop.DBus.Properties GetAll s org.freedesktop.timesync1.Manager"
    };
}
use properties;

/// It touches this file with each answer that it takes; the folder goes when it ends.
macro_rules! taken {
    () => {
        "/run/systemd/timesync/synchronized"
    };
}

/// Shell text that succeeds while its last answer is no older than three polls and a few seconds.
macro_rules! fresh {
    () => {
        concat!(
            "fc_t=$(stat -c %Y ",
            taken!(),
            " 2>/dev/null) && fc_w=$(",
            properties!(),
            " 2>/dev/null | sed -n 's/.*\"PollIntervalUSec\" t \\([0-9]*\\).*/\\1/p')",
            " && [ $(($(date +%s) - fc_t)) -le $((${fc_w:-0} / 1000000 * 3 + 10)) ]"
        )
    };
}

impl Provider for Timesyncd {
    fn service(&self) -> &'static Service {
        &TIMESYNCD
    }

    fn playbook(&self) -> &'static str {
        "linux-timesyncd.yml"
    }

    fn steps(&self, _wanted: StepPolicy) -> StepPolicy {
        StepPolicy::Always { over: STEPS_ABOVE }
    }

    fn status(&self) -> &'static str {
        concat!(
            "if ",
            properties!(),
            "; then echo \"taken $(stat -c %Y ",
            taken!(),
            " 2>/dev/null)\"; echo \"now $(date +%s)\"\n",
            "else echo 'it does not run, or does not answer over D-Bus'; false; fi"
        )
    }

    fn parse_status(&self, seen: &Slice) -> Result<DaemonStatus> {
        status::read(seen)
    }
}

impl LinuxProvider for Timesyncd {
    fn layout(&self, facts: &Facts) -> Layout {
        // Where the system has it without a package of its own, there is nothing to install.
        let inside = facts.units.contains_key(UNIT) && !facts.packages.contains_key(UNIT);
        Layout {
            package: if inside { "" } else { UNIT },
            service: UNIT,
            units: TIMESYNCD.units,
            config: FILE,
            driftfile: "",
            logdir: "",
            validate: String::new(),
        }
    }

    fn floor(&self, _facts: &Facts) -> Option<&'static str> {
        Some("timesync_bus")
    }

    fn refusal(&self, time: &TimeSpec, facts: &Facts) -> Option<(String, &'static str)> {
        let why = if !time.sets_clock {
            "timesyncd sets the clock of its host, and the inventory says `sets_clock: false`".to_owned()
        } else if facts.family != Family::Debian && !facts.units.contains_key(UNIT) {
            format!("{} has no systemd-timesyncd, and no package brings it", facts.os_name)
        } else {
            return None;
        };
        Some((why, "say `provider: chrony` for this host"))
    }

    fn shortcomings(&self, time: &TimeSpec, _facts: &Facts) -> Vec<String> {
        let over = match time.step {
            StepPolicy::Always { over } | StepPolicy::AtStart { over, .. } => over,
            StepPolicy::Never => return Vec::new(),
        };
        let text = || {
            let (above, over) = (humantime::format_duration(STEPS_ABOVE), humantime::format_duration(over));
            format!("timesyncd steps whenever its offset is above {above}, and not above {over} only")
        };
        (over > USUAL).then(text).into_iter().collect()
    }

    /// It goes on without a line that it does not understand.
    fn passed_over(&self) -> String {
        passed::over(PASSED, None)
    }

    fn runtime(&self, config: &str, _serve: &[IpNet]) -> String {
        runtime::probe(config)
    }

    fn changed_at_run_time(&self, seen: &Slice, _serve: &[IpNet]) -> Option<String> {
        runtime::changed(seen)
    }

    fn ready(&self) -> &'static str {
        fresh!()
    }

    fn talks(&self) -> &'static str {
        concat!("timeout 8 sh -c '", properties!(), "' >/dev/null 2>&1")
    }

    /// IPv4 as four numbers, IPv6 as sixteen.
    fn followed(&self) -> &'static str {
        concat!(
            fresh!(),
            " && { set -- $(",
            properties!(),
            " 2>/dev/null | sed -n 's/.*\"ServerAddress\" (iay) \\([0-9 ]*\\).*/\\1/p')\n",
            "case ${1-}:${2-} in\n2:4) echo \"$3.$4.$5.$6\" ;;\n",
            "10:16) shift 2; printf '%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x:%02x%02x\\n' \"$@\" ;;\nesac; }"
        )
    }

    fn age(&self) -> &'static str {
        concat!("fc_t=$(stat -c %Y ", taken!(), " 2>/dev/null) && echo $(($(date +%s) - fc_t))")
    }
}

/// What systemd says in the journal of a line of our file.
const PASSED: &str = r"sed -n 's|.*timesyncd.conf.d/fleetclock.conf:\([0-9]*\): .*ignoring.*|\1|p'";

#[cfg(test)]
mod tests;
