//! No other time service runs on a Windows host: two of them fight over one clock.

use anyhow::Result;

use super::service::{AUTO, DEMAND, start_argument, start_word};
use crate::facts::registry::Registry;
use crate::facts::windows::{RUNNING, WindowsFacts, service_state};
use crate::facts::windows_others::{SERVICES, state_of};
use crate::model::Slice;
use crate::resource::{Delta, Fix, Resource};

/// Other time services, which shall neither run nor start by themselves.
#[derive(Debug, Clone)]
pub(super) struct Competing {
    services: Vec<&'static str>,
}

/// One of them as it was found.
#[derive(Debug)]
struct Found<'a> {
    name: &'a str,
    start: u32,
    delayed: bool,
    running: bool,
}

impl Competing {
    /// Every one that the host has, but the one to keep.
    pub(super) fn new(facts: &WindowsFacts, keep: &str) -> Self {
        let others =
            facts.others.iter().filter(|name| !keep.split_whitespace().any(|kept| kept.eq_ignore_ascii_case(name)));
        Competing { services: others.copied().collect() }
    }

    fn found<'a>(&'a self, seen: &Slice) -> Vec<Found<'a>> {
        let registry = Registry::parse(&seen.stdout);
        let one = |name: &&'a str| {
            let key = format!("{SERVICES}\\{name}");
            let start = registry.number(&key, "Start")?;
            let delayed = registry.number(&key, "DelayedAutostart") == Some(1);
            let running = service_state(state_of(&seen.stdout, name)) == Some(RUNNING);
            Some(Found { name, start, delayed, running })
        };
        self.services.iter().filter_map(one).collect()
    }
}

impl Found<'_> {
    fn starts_alone(&self) -> bool {
        self.start == AUTO
    }

    fn start_argument(&self) -> &'static str {
        if self.delayed && self.starts_alone() { "delayed-auto" } else { start_argument(self.start) }
    }
}

impl Resource for Competing {
    fn label(&self) -> String {
        "other time services".to_owned()
    }

    fn probe(&self) -> String {
        let keys = self.services.iter().map(|name| format!("reg query {SERVICES}\\{name} 2>&1"));
        // Each behind its name, and all behind the keys: `reg` lists keys of others and what is below them.
        let states = self.services.iter().map(|name| format!("echo {name}&sc query {name} 2>&1"));
        keys.chain(states).collect::<Vec<_>>().join("\n")
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let mut deltas = Vec::new();
        for found in self.found(seen) {
            let label = format!("service {}", found.name);
            if found.running {
                deltas.push(Delta::new(label.clone(), "running", Some("yes".into()), Some("no".into())));
            }
            if found.starts_alone() {
                let (from, to) = (start_word(found.start), start_word(DEMAND));
                deltas.push(Delta::new(label, "start", Some(from), Some(to)));
            }
        }
        Ok(deltas)
    }

    fn reviewed(&self, seen: &Slice) -> String {
        format!("{:?}", self.found(seen))
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let mut fix = Fix::default();
        for found in self.found(seen) {
            let name = found.name;
            if found.starts_alone() {
                fix.change.push_str(&format!("sc config {name} start= demand\n"));
                fix.undo.push_str(&format!("sc config {name} start= {}\n", found.start_argument()));
            }
            if found.running {
                fix.change.push_str(&format!("net stop {name}\n"));
                fix.settle.push_str(&format!("-net start {name}\n"));
            }
        }
        Ok(fix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn competing() -> Competing {
        let mut facts = crate::facts::windows::parse(&std::collections::BTreeMap::new());
        facts.others = vec!["NTP", "NetTimeSvc", "Dimension4"];
        Competing::new(&facts, "w32time")
    }

    /// What the probe prints of services, each with its `Start`, what else its key has, and its state; a key has
    /// keys below it, as those of real services have.
    fn seen(services: &[(&str, u32, &str, u32)]) -> Slice {
        let root = SERVICES.replace("HKLM", "HKEY_LOCAL_MACHINE");
        let key = |(name, start, more, _): &(&str, u32, &str, u32)| {
            let key = format!("{root}\\{name}");
            format!("\n{key}\n    Start    REG_DWORD    0x{start}\n{more}\n{key}\\Parameters\n{key}\\Security\n")
        };
        let state = |(name, .., state): &(&str, u32, &str, u32)| {
            format!(
                "{name}\n\nSERVICE_NAME: {name}\n        종류               : 10  WIN32_OWN_PROCESS\n        상태              : {state}  X\n"
            )
        };
        let stdout = services.iter().map(key).chain(services.iter().map(state)).collect();
        Slice { stdout, ..Slice::default() }
    }

    #[test]
    fn a_running_rival_is_stopped_and_put_back_as_it_was() {
        let delayed = "    DelayedAutostart    REG_DWORD    0x1\n";
        let seen = seen(&[("NTP", 2, delayed, 4), ("NetTimeSvc", 3, "", 1), ("Dimension4", 3, "", 4)]);
        let deltas = competing().diff(&seen).unwrap();
        let shown: Vec<String> = deltas.iter().map(|delta| format!("{} {}", delta.resource, delta.property)).collect();
        assert_eq!(shown, ["service NTP running", "service NTP start", "service Dimension4 running"]);
        let fix = competing().fix(&seen, false).unwrap();
        assert_eq!(fix.change, "sc config NTP start= demand\nnet stop NTP\nnet stop Dimension4\n");
        assert_eq!(fix.undo, "sc config NTP start= delayed-auto\n");
        assert_eq!(fix.settle, "-net start NTP\n-net start Dimension4\n");
    }

    #[test]
    fn one_that_neither_runs_nor_starts_is_left() {
        let seen = seen(&[("NTP", 4, "", 1), ("NetTimeSvc", 3, "", 1)]);
        assert!(competing().diff(&seen).unwrap().is_empty());
        assert_eq!(competing().fix(&seen, false).unwrap(), Fix::default());
        assert!(competing().diff(&Slice::default()).unwrap().is_empty());
    }

    #[test]
    fn the_one_to_keep_is_none_of_them() {
        let mut facts = crate::facts::windows::parse(&std::collections::BTreeMap::new());
        facts.others = vec!["NTP"];
        assert!(Competing::new(&facts, "w32time ntp").services.is_empty());
    }
}
