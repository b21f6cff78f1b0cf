//! No time service runs but the chosen one: two of them fight over one clock.

use anyhow::Result;

use super::{Delta, Fix, Resource, Slice};
use crate::facts::{Facts, units};
use crate::transport::quote::sh;

/// Other time services, which shall neither run nor start at boot.
#[derive(Debug, Clone)]
pub struct Competing {
    /// Unit names without `.service`.
    pub units: Vec<String>,
}

impl Competing {
    /// Every time service that the host has, but the one to keep. That one goes by several
    /// names, of which systemd may show any.
    pub fn new(facts: &Facts, keep: &str) -> Self {
        let others = facts.units.keys().filter(|unit| !keep.split_whitespace().any(|name| name == *unit));
        Competing { units: others.cloned().collect() }
    }
}

impl Resource for Competing {
    fn label(&self) -> String {
        "other time services".to_owned()
    }

    fn probe(&self) -> String {
        if self.units.is_empty() {
            return ":".to_owned();
        }
        let units: Vec<String> = self.units.iter().map(|unit| sh(&format!("{unit}.service"))).collect();
        format!("systemctl show -p Id -p LoadState -p ActiveState -p UnitFileState {}", units.join(" "))
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let mut deltas = Vec::new();
        for unit in units::shown(&seen.stdout) {
            let label = format!("service {}", unit.name());
            if unit.is_active() {
                deltas.push(Delta::new(label.clone(), "running", Some("yes".into()), Some("no".into())));
            }
            if unit.is_enabled() {
                deltas.push(Delta::new(label, "enabled", Some("yes".into()), Some("no".into())));
            }
        }
        Ok(deltas)
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let mut fix = Fix::default();
        for unit in units::shown(&seen.stdout).filter(|unit| unit.is_active() || unit.is_enabled()) {
            let name = sh(&format!("{}.service", unit.name()));
            // The package manager may have taken the service away in the meantime, or not yet put it back.
            let gone = format!("[ \"$(systemctl show -p LoadState {name})\" = LoadState=not-found ]");
            fix.change.push_str(&format!("{gone} || systemctl -q disable {name}\nsystemctl stop {name} || {gone}\n"));
            if unit.is_enabled() {
                fix.undo.push_str(&format!("{gone} || systemctl -q enable {name}\n"));
            }
            if unit.is_active() {
                fix.settle.push_str(&format!("{gone} || systemctl start {name}\n"));
            }
        }
        Ok(fix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_competitor_is_stopped_and_can_be_put_back() {
        let stdout = "Id=systemd-timesyncd.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\nId=ntp.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n";
        let seen = Slice { stdout: stdout.into(), ..Slice::default() };
        let competing = Competing { units: vec!["systemd-timesyncd".into(), "ntp".into()] };
        let deltas = competing.diff(&seen).unwrap();
        assert_eq!(deltas.len(), 2);
        assert_eq!(deltas[0].resource, "service systemd-timesyncd");
        let fix = competing.fix(&seen, false).unwrap();
        assert!(fix.undo.contains("enable") && fix.settle.contains("start") && !fix.change.contains("ntp.service"));
    }
}
