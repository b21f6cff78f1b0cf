//! No other time service runs on a Windows host: two of them fight over one clock.

use anyhow::Result;

use super::service::{AUTO, DEMAND, start_argument, start_word};
use crate::facts::registry::Registry;
use crate::facts::windows::{RUNNING, WindowsFacts, service_state};
use crate::facts::windows_others::SERVICES;
use crate::model::Slice;
use crate::resource::{Delta, Fix, Resource};

/// Other time services, which shall neither run nor start by themselves.
#[derive(Debug, Clone)]
pub(super) struct Competing {
    services: Vec<&'static str>,
}

/// One of them as it was found.
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
            let running = service_state(after_key(&seen.stdout, name)) == Some(RUNNING);
            Some(Found { name, start, delayed, running })
        };
        self.services.iter().filter_map(one).collect()
    }
}

/// What `sc` has said of a service: it stands behind the service's key, up to the next.
fn after_key<'a>(printed: &'a str, name: &str) -> &'a str {
    let end = format!("\\services\\{name}").to_ascii_lowercase();
    let ends = |line: &&str| line.trim_end().to_ascii_lowercase().ends_with(&end);
    let Some(line) = printed.lines().find(ends) else { return "" };
    let rest = printed.split_once(line).map_or("", |(_, rest)| rest);
    rest.split("HKEY_").next().unwrap_or_default()
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
        let ask = |name: &&str| format!("reg query {SERVICES}\\{name} 2>&1&sc query {name} 2>&1");
        self.services.iter().map(ask).collect::<Vec<_>>().join("\n")
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

    fn service(name: &str, start: u32, more: &str, state: u32) -> String {
        let key = format!("{}\\{name}", SERVICES.replace("HKLM", "HKEY_LOCAL_MACHINE"));
        format!(
            "\n{key}\n    Start    REG_DWORD    0x{start}\n{more}\nSERVICE_NAME: {name}\n        종류               : 10  WIN32_OWN_PROCESS\n        상태              : {state}  X\n"
        )
    }

    #[test]
    fn a_running_rival_is_stopped_and_put_back_as_it_was() {
        let delayed = "    DelayedAutostart    REG_DWORD    0x1\n";
        let stdout =
            service("NTP", 2, delayed, 4) + &service("NetTimeSvc", 3, "", 1) + &service("Dimension4", 3, "", 4);
        let seen = Slice { stdout, ..Slice::default() };
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
        let seen = Slice { stdout: service("NTP", 4, "", 1) + &service("NetTimeSvc", 3, "", 1), ..Slice::default() };
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
