//! How each host of an inventory stands: the last run that it took part in counts, whatever came after for others.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;

use super::{History, is_same};
use crate::model::{Status, Verb};

/// A record as far as it says how its hosts ended; what changed on them is skipped while reading.
#[derive(Debug, Deserialize)]
struct Endings {
    command: Verb,
    inventory: PathBuf,
    hosts: Vec<String>,
    report: Option<Report>,
}

#[derive(Debug, Deserialize)]
struct Report {
    #[serde(default)]
    hosts: Vec<Ended>,
}

#[derive(Debug, Deserialize)]
struct Ended {
    name: String,
    status: Status,
}

impl Endings {
    /// Whether it was a change towards the inventory: `apply`, or `doctor --fix`.
    fn applied(&self) -> bool {
        matches!(self.command, Verb::Apply | Verb::Doctor)
    }

    /// Each host, and whether it was left as wanted; those of a run that never ended are all in doubt.
    fn of_each(self) -> Vec<(String, bool)> {
        match self.report {
            None => self.hosts.into_iter().map(|name| (name, false)).collect(),
            Some(report) => {
                let good = |status: Status| matches!(status, Status::Unchanged | Status::Changed);
                report.hosts.into_iter().map(|host| (host.name, good(host.status))).collect()
            }
        }
    }
}

impl History {
    /// Returns the hosts that the last run of each, with this inventory, did not leave as wanted, in the order of
    /// their names; `None` if there is no such run. Older runs are read until all `known` hosts were met.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn in_doubt(&self, inventory: &Path, known: &HashSet<&str>) -> Result<Option<Vec<String>>> {
        let mut latest: BTreeMap<String, bool> = BTreeMap::new();
        let (mut open, mut found) = (known.clone(), false);
        for name in self.names()?.iter().rev() {
            let Ok(record) = self.read::<Endings>(name) else { continue };
            if !record.applied() || !is_same(&record.inventory, inventory) {
                continue;
            }
            found = true;
            for (host, good) in record.of_each() {
                open.remove(host.as_str());
                latest.entry(host).or_insert(good);
            }
            if open.is_empty() {
                break;
            }
        }
        Ok(found.then(|| latest.into_iter().filter(|(_, good)| !good).map(|(host, _)| host).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Record;
    use crate::model::sample;
    use serde_json::from_value;

    /// Writes runs, the oldest first: verb, inventory, and `host status` of each host; none of a run that was killed.
    fn history(folder: &Path, runs: &[(&str, &str, &[&str])]) -> History {
        let history = History { folder: folder.to_owned() };
        for (index, (command, inventory, hosts)) in runs.iter().enumerate() {
            let started = format!("2026-11-21T02:00:0{index}.000000Z");
            let part = vec!["web1".to_owned(), "web2".to_owned()];
            let command = from_value((*command).into()).unwrap();
            let begun = Record::begin(command, "me@here".into(), started, Path::new(inventory), part);
            fn host(text: &str) -> (&str, Status) {
                let (name, status) = text.split_once(' ').unwrap();
                (name, from_value(status.into()).unwrap())
            }
            let ended: Vec<(&str, Status)> = hosts.iter().map(|text| host(text)).collect();
            let report = (!hosts.is_empty()).then(|| sample::fleet(&ended));
            history.write(&Record { report, ..begun }).unwrap();
        }
        history
    }

    fn doubt(runs: &[(&str, &str, &[&str])], known: &[&str]) -> Option<Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        history(dir.path(), runs).in_doubt(Path::new("fleet.yml"), &known.iter().copied().collect()).unwrap()
    }

    #[test]
    fn the_last_run_of_each_host_counts() {
        let all: &[&str] = &["web1 failed", "web2 failed_undone", "db1 changed", "web3 unreachable"];
        let known = ["web1", "web2", "web3", "db1"];
        let names = |found: Option<Vec<String>>| found.map(|names| names.join(" "));
        let (one, both): (&[&str], &[&str]) = (&["web1 changed"], &["web1 unchanged", "web2 out_of_limits"]);
        assert_eq!(names(doubt(&[("apply", "fleet.yml", all)], &known)).unwrap(), "web1 web2 web3");
        // What was repaired alone does not make the others forgotten, and neither do runs of other kinds.
        let more = [("apply", "fleet.yml", all), ("apply", "./fleet.yml", one), ("undo", "fleet.yml", both)];
        assert_eq!(names(doubt(&more, &known)).unwrap(), "web2 web3");
        let fixed = [("apply", "fleet.yml", all), ("doctor", "fleet.yml", both), ("apply", "other.yml", all)];
        assert_eq!(names(doubt(&fixed, &known)).unwrap(), "web2 web3");
        // A host that failed again, and a run that was killed.
        let again = [("apply", "fleet.yml", one), ("apply", "fleet.yml", all)];
        assert_eq!(names(doubt(&again, &known)).unwrap(), "web1 web2 web3");
        let killed: [(&str, &str, &[&str]); 2] =
            [("apply", "fleet.yml", &["web2 changed", "db1 not_started"]), ("apply", "fleet.yml", &[])];
        assert_eq!(names(doubt(&killed, &known)).unwrap(), "db1 web1 web2");
    }

    #[test]
    fn all_in_sync_is_told_from_no_run_at_all() {
        assert_eq!(doubt(&[("apply", "fleet.yml", &["web1 changed", "web2 unchanged"])], &["web1"]), Some(vec![]));
        assert_eq!(
            doubt(&[("undo", "fleet.yml", &["web1 changed"]), ("apply", "other.yml", &["web1 failed"])], &[]),
            None
        );
    }
}
