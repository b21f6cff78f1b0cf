//! A systemd service: whether it runs, whether it starts at boot, and whether it has loaded
//! what is on the disk.

use anyhow::{Result, bail};

use super::{Delta, Fix, Resource, Slice};
use crate::facts::Facts;
use crate::transport::quote::sh;

/// Marks of restarts that are owed. On a tmpfs: after a reboot the service has loaded everything.
pub(crate) const OWED: &str = "/run/fleetclock/owed";

/// Returns shell text that marks a restart as owed, so that a run which dies between the new
/// file and the restart leaves a difference that the next run sees.
pub fn owe(unit: &str) -> String {
    format!("mkdir -p {OWED} && : >{}\n", sh(&format!("{OWED}/{unit}")))
}

/// A service that shall be in a certain state.
#[derive(Debug, Clone)]
pub struct Service {
    /// Unit name without `.service`.
    pub unit: String,
    /// Runs now.
    pub running: bool,
    /// Starts at boot.
    pub enabled: bool,
}

/// What the probe found.
struct State {
    exists: bool,
    active: String,
    file: String,
    owed: bool,
}

impl State {
    fn runs(&self) -> bool {
        self.active == "active" || self.active == "reloading"
    }

    /// Whether it starts at boot; `None` where that cannot be set (static, generated, ...). What is
    /// enabled under /run is gone after the next boot.
    fn starts_at_boot(&self) -> Option<bool> {
        match self.file.as_str() {
            "enabled" => Some(true),
            "static" | "generated" | "transient" | "indirect" | "alias" => None,
            _ => Some(false),
        }
    }

    fn is_masked(&self) -> bool {
        self.file.starts_with("masked")
    }

    /// A mask or a link that is gone after the next boot is named by an option of its own.
    fn runtime(&self) -> &'static str {
        if self.file.ends_with("-runtime") { "--runtime " } else { "" }
    }
}

impl Resource for Service {
    fn label(&self) -> String {
        format!("service {}", self.unit)
    }

    fn probe(&self) -> String {
        format!(
            "systemctl show -p LoadState -p ActiveState -p UnitFileState {} || exit\n\
             [ -e {} ] && echo owed=yes\n\
             exit 0",
            self.name(),
            self.mark()
        )
    }

    fn known(&self, facts: &Facts) -> Option<Slice> {
        let owed = if facts.owed.contains(&self.unit) { "owed=yes\n" } else { "" };
        let shown = &facts.units.get(&self.unit)?.shown;
        Some(Slice { stdout: format!("{shown}{owed}"), ..Slice::default() })
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let state = state(seen)?;
        let mut deltas = Vec::new();
        let mut compare = |property: &str, is: Option<String>, wanted: bool, same: bool| {
            if !same {
                deltas.push(Delta::new(self.label(), property, is, Some(yes_no(wanted))));
            }
        };
        let there = |text: &str| state.exists.then(|| text.to_owned());
        let boot = !state.exists && !self.enabled || state.starts_at_boot().is_none_or(|boot| boot == self.enabled);
        compare("enabled", there(&enabled_word(&state)), self.enabled, boot);
        let running = if state.active == "failed" { "failed".to_owned() } else { yes_no(state.runs()) };
        compare("running", there(&running), self.running, state.runs() == self.running);
        if state.owed && self.running && state.runs() {
            let from = Some("owed by a run that did not end".to_owned());
            deltas.push(Delta::new(self.label(), "restart", from, Some("restarted".to_owned())));
        }
        Ok(deltas)
    }

    fn fix(&self, seen: &Slice, refresh: bool) -> Result<Fix> {
        let state = state(seen)?;
        Ok(Fix { change: self.change(&state, refresh), undo: self.undo(&state), settle: self.settle(&state) })
    }
}

impl Service {
    fn name(&self) -> String {
        sh(&format!("{}.service", self.unit))
    }

    fn mark(&self) -> String {
        sh(&format!("{OWED}/{}", self.unit))
    }

    fn change(&self, state: &State, refresh: bool) -> String {
        let name = self.name();
        let mut text = String::new();
        if state.is_masked() && (self.enabled || self.running) {
            text.push_str(&format!("systemctl -q unmask {}{name}\n", state.runtime()));
        }
        if state.starts_at_boot().is_some_and(|boot| boot != self.enabled) {
            text.push_str(&format!("systemctl -q {} {name}\n", if self.enabled { "enable" } else { "disable" }));
        }
        if !self.running {
            text.push_str(&format!("systemctl stop {name}\n"));
            return text;
        }
        // A package may have started it with its own configuration: `start` would then do nothing.
        if refresh || state.owed || !state.runs() {
            text.push_str(&format!("{}\nrm -f {}\n", restart(&name), self.mark()));
        }
        text
    }

    fn undo(&self, state: &State) -> String {
        let name = self.name();
        let mut text = String::new();
        if !state.runs() {
            text.push_str(&format!("systemctl stop {name} || :\n"));
        }
        match state.starts_at_boot() {
            Some(false) if self.enabled => text.push_str(&format!("systemctl -q disable {name} || :\n")),
            Some(true) if !self.enabled => text.push_str(&format!("systemctl -q enable {name}\n")),
            _ => {}
        }
        if state.is_masked() {
            text.push_str(&format!("systemctl -q mask {}{name}\n", state.runtime()));
        } else if state.file == "enabled-runtime" {
            text.push_str(&format!("systemctl -q enable --runtime {name}\n"));
        }
        text
    }

    /// It has to load what was put back.
    fn settle(&self, state: &State) -> String {
        let restart = if state.runs() { restart(&self.name()) } else { String::new() };
        format!("{restart}\nrm -f {}\n", self.mark())
    }
}

/// Restarts, and sees that it stays up: a service that dies at its new configuration may do so
/// a moment after `systemctl` has returned.
fn restart(name: &str) -> String {
    format!(
        "systemctl reset-failed {name} 2>/dev/null || :\n\
         fc_ok=yes\n\
         systemctl restart {name} || fc_ok=no\n\
         [ $fc_ok = no ] || {{ sleep 0.5; systemctl -q is-active {name} || fc_ok=no; }}\n\
         if [ $fc_ok = no ]; then\n\
         journalctl -q -n 8 -o cat -u {name} >&2 2>/dev/null || :\n\
         echo {name} 'does not run with this configuration' >&2\n\
         false\n\
         fi"
    )
}

fn state(seen: &Slice) -> Result<State> {
    let value = |key: &str| seen.stdout.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let (Some(load), Some(active), Some(file)) = (value("LoadState"), value("ActiveState"), value("UnitFileState"))
    else {
        bail!("systemctl show did not answer: {}", super::last_line(&seen.stderr));
    };
    Ok(State {
        exists: load != "not-found",
        active: active.to_owned(),
        file: file.to_owned(),
        owed: value("owed").is_some(),
    })
}

fn enabled_word(state: &State) -> String {
    match state.starts_at_boot() {
        _ if state.is_masked() => "masked".to_owned(),
        boot => boot.map_or_else(|| state.file.clone(), yes_no),
    }
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(load: &str, active: &str, file: &str, more: &str) -> Slice {
        let stdout = format!("LoadState={load}\nActiveState={active}\nUnitFileState={file}\n{more}");
        Slice { stdout, ..Slice::default() }
    }

    fn chrony() -> Service {
        Service { unit: "chrony".into(), running: true, enabled: true }
    }

    fn properties(slice: &Slice) -> Vec<(String, Option<String>)> {
        chrony().diff(slice).unwrap().into_iter().map(|d| (d.property, d.from)).collect()
    }

    #[test]
    fn active_is_not_enabled_and_enabled_is_not_active() {
        assert!(properties(&seen("loaded", "active", "enabled", "")).is_empty());
        assert_eq!(properties(&seen("loaded", "active", "disabled", "")), [("enabled".into(), Some("no".into()))]);
        assert_eq!(properties(&seen("loaded", "inactive", "enabled", "")), [("running".into(), Some("no".into()))]);
    }

    #[test]
    fn a_missing_service_is_absent() {
        let both = [("enabled".to_owned(), None), ("running".to_owned(), None)];
        assert_eq!(properties(&seen("not-found", "inactive", "", "")), both);
    }

    #[test]
    fn a_restart_that_is_owed_is_a_difference() {
        let slice = seen("loaded", "active", "enabled", "owed=yes\n");
        assert_eq!(properties(&slice)[0].0, "restart");
        assert!(chrony().fix(&slice, false).unwrap().change.contains("systemctl restart"));
    }

    #[test]
    fn a_running_service_is_not_restarted_without_a_reason() {
        let fix = chrony().fix(&seen("loaded", "active", "disabled", ""), false).unwrap();
        assert_eq!(fix.change, "systemctl -q enable 'chrony.service'\n");
    }

    #[test]
    fn undo_puts_a_mask_back() {
        let fix = chrony().fix(&seen("masked", "inactive", "masked", ""), true).unwrap();
        assert!(fix.change.contains("unmask") && fix.undo.contains("systemctl -q mask"));
    }
}
