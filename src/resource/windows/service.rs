//! A Windows service: start type, state, and the triggers that would start and stop it.

use anyhow::{Result, bail};

use super::triggers;

use crate::facts::registry::Registry;
use crate::facts::windows::{OWED, RUNNING, query, query_owed, query_service, service_state};
use crate::model::Slice;
use crate::resource::{Delta, Fix, Resource};

/// Returns the line that notes a restart as owed: a run that dies between a new value and the
/// restart leaves a difference that the next run sees.
pub fn owe(name: &str) -> String {
    format!("reg add \"{OWED}\" /v {name} /t REG_DWORD /d 1 /f\n")
}

/// Returns the line that takes the note away.
pub fn disown(name: &str) -> String {
    format!("-reg delete \"{OWED}\" /v {name} /f\n")
}

/// A service that shall be in a certain state.
#[derive(Debug, Clone)]
pub(super) struct Service {
    name: String,
    running: bool,
    enabled: bool,
    /// `Some(false)`: no trigger starts or stops it.
    triggers: Option<bool>,
}

/// What was found.
#[derive(Debug)]
struct State {
    /// `Start`: 2 automatic, 3 on demand, 4 disabled.
    start: Option<u32>,
    running: bool,
    triggers: bool,
    owed: bool,
}

/// `SERVICE_AUTO_START` and `SERVICE_DEMAND_START` (winnt.h).
pub(super) const AUTO: u32 = 2;
pub(super) const DEMAND: u32 = 3;

impl Service {
    pub(super) fn new(name: String, running: bool, enabled: bool, triggers: Option<bool>) -> Result<Self> {
        if triggers == Some(true) {
            bail!("service: triggers can be taken away (`triggers: false`), not made");
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            bail!("service: `{name}` is no name of a Windows service");
        }
        Ok(Service { name, running, enabled, triggers })
    }

    fn key(&self) -> String {
        // The spelling of the facts' own question, so that it is asked once.
        let w32time = crate::facts::windows::W32TIME;
        if self.name.eq_ignore_ascii_case("w32time") {
            return w32time.to_owned();
        }
        format!(r"HKLM\SYSTEM\CurrentControlSet\Services\{}", self.name)
    }

    fn state(&self, seen: &Slice) -> State {
        let registry = Registry::parse(&seen.stdout);
        State {
            start: registry.number(&self.key(), "Start"),
            running: service_state(&seen.stdout) == Some(RUNNING),
            triggers: registry.has_below(&format!("{}\\TriggerInfo", self.key())),
            owed: registry.number(OWED, &self.name) == Some(1),
        }
    }

    fn wanted_start(&self) -> u32 {
        if self.enabled { AUTO } else { DEMAND }
    }

    fn drops_triggers(&self, state: &State) -> bool {
        self.triggers == Some(false) && state.triggers
    }

    fn restarts(&self, state: &State, refresh: bool) -> bool {
        self.running && (refresh || state.owed || !state.running)
    }

    /// The service reads its values when it starts; `/update` makes sure of it, and `/resync`
    /// asks the sources now instead of at the next poll.
    fn restart(&self, stop: &str) -> String {
        let name = &self.name;
        let mut lines = format!("{stop}net start {name}\n");
        if name.eq_ignore_ascii_case("w32time") {
            lines.push_str("w32tm /config /update\n-w32tm /resync /rediscover\n");
        }
        lines.push_str(&disown(name));
        lines
    }
}

impl Resource for Service {
    fn label(&self) -> String {
        format!("service {}", self.name)
    }

    fn probe(&self) -> String {
        format!("{}\n{}\n{}", query(&self.key()), query_service(&self.name), query_owed(&self.name))
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let state = self.state(seen);
        let mut deltas = Vec::new();
        let mut differ = |property: &str, from: Option<String>, to: &str| {
            deltas.push(Delta::new(self.label(), property, from, Some(to.to_owned())));
        };
        if state.start != Some(self.wanted_start()) {
            differ("start", state.start.map(start_word), &start_word(self.wanted_start()));
        }
        if self.drops_triggers(&state) {
            differ("triggers", Some("started and stopped by triggers".to_owned()), "none");
        }
        if state.running != self.running {
            differ("running", state.start.map(|_| yes_no(state.running)), &yes_no(self.running));
        } else if state.owed && self.running {
            differ("restart", Some("owed by a run that did not end".to_owned()), "restarted");
        }
        Ok(deltas)
    }

    /// The key of W32Time is all of its settings, and `sc` says process numbers.
    fn reviewed(&self, seen: &Slice) -> String {
        format!("{:?}", self.state(seen))
    }

    fn fix(&self, seen: &Slice, refresh: bool) -> Result<Fix> {
        let state = self.state(seen);
        let Some(start) = state.start else {
            bail!("the host has no service `{}`", self.name);
        };
        let name = &self.name;
        let mut fix = Fix::default();
        if start != self.wanted_start() {
            fix.change.push_str(&format!("sc config {name} start= {}\n", start_argument(self.wanted_start())));
            fix.undo.push_str(&format!("sc config {name} start= {}\n", start_argument(start)));
        }
        if self.drops_triggers(&state) {
            fix.change.push_str(&format!("sc triggerinfo {name} delete\n"));
            fix.undo.push_str(&triggers::put_back(name, &self.key(), &Registry::parse(&seen.stdout))?);
        }
        if !self.running && state.running {
            fix.change.push_str(&format!("net stop {name}\n"));
        } else if self.restarts(&state, refresh) {
            let stop = if state.running { format!("net stop {name}\n") } else { String::new() };
            fix.change.push_str(&self.restart(&stop));
        }
        fix.settle = if state.running {
            self.restart(&format!("-net stop {name}\n"))
        } else {
            format!("-net stop {name}\n{}", disown(name))
        };
        Ok(fix)
    }
}

/// The start type in words.
pub(super) fn start_word(start: u32) -> String {
    match start {
        AUTO => "automatic".to_owned(),
        DEMAND => "on demand".to_owned(),
        4 => "disabled".to_owned(),
        other => format!("start type {other}"),
    }
}

/// The start type as `sc config` takes it.
pub(super) fn start_argument(start: u32) -> &'static str {
    match start {
        AUTO => "auto",
        4 => "disabled",
        _ => "demand",
    }
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(start: u32, state: u32, more: &str) -> Slice {
        let stdout = format!(
            "\nHKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\W32Time\n    Start    REG_DWORD    0x{start}\n{more}\nSERVICE_NAME: w32time\n        TYPE               : 20  WIN32_SHARE_PROCESS\n        STATE              : {state}  X\n"
        );
        Slice { stdout, ..Slice::default() }
    }

    fn w32time() -> Service {
        Service::new("w32time".to_owned(), true, true, Some(false)).unwrap()
    }

    const TRIGGER: &str = "\nHKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\W32Time\\TriggerInfo\\0\n    Type    REG_DWORD    0x3\n    Action    REG_DWORD    0x1\n    GUID    REG_BINARY    BA0AE21C5198214494301DDEB766E809\n";

    #[test]
    fn a_workgroup_host_would_lose_its_time_service_at_the_next_boot() {
        let deltas = w32time().diff(&seen(3, 1, TRIGGER)).unwrap();
        let properties: Vec<&str> = deltas.iter().map(|delta| delta.property.as_str()).collect();
        assert_eq!(properties, ["start", "triggers", "running"]);
        let fix = w32time().fix(&seen(3, 1, TRIGGER), false).unwrap();
        assert!(
            fix.change.starts_with("sc config w32time start= auto\nsc triggerinfo w32time delete\nnet start w32time\n")
        );
        assert!(
            fix.undo.starts_with("sc config w32time start= demand\nsc triggerinfo w32time start/domainjoin\n")
                && fix.settle.starts_with("-net stop")
        );
    }

    #[test]
    fn a_running_service_is_restarted_only_for_a_reason() {
        assert!(w32time().diff(&seen(2, 4, "")).unwrap().is_empty());
        assert_eq!(w32time().fix(&seen(2, 4, ""), false).unwrap().change, "");
        assert!(w32time().fix(&seen(2, 4, ""), true).unwrap().change.contains("net start w32time"));
        let owed = "\nHKEY_LOCAL_MACHINE\\SOFTWARE\\fleetclock\n    w32time    REG_DWORD    0x1\n";
        assert_eq!(w32time().diff(&seen(2, 4, owed)).unwrap()[0].property, "restart");
        assert!(w32time().fix(&seen(2, 4, owed), false).unwrap().change.contains("net start w32time"));
    }

    #[test]
    fn a_host_without_the_service_cannot_be_fixed() {
        let error = w32time().fix(&Slice::default(), false).unwrap_err();
        assert_eq!(error.to_string(), "the host has no service `w32time`");
    }
}
