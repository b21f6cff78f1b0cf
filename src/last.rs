//! How each host of an inventory ended its last run, on the machine that ran it: what `@last-failed` and
//! `@last-drifted` stand for. One small file for each inventory, beside the records of [`crate::history`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::exit::Hint as _;
use crate::model::{HostReport, Status, Verb};
use crate::{files, history, input};

/// Largest file that is read; 100,000 hosts have 4 MB.
const LARGEST: u64 = 64 << 20;

/// How each host ended the last time that it took part.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Last {
    /// The inventory, as an absolute path.
    inventory: PathBuf,
    hosts: BTreeMap<String, Status>,
}

impl Last {
    /// Reads what is known of an inventory.
    ///
    /// # Errors
    /// No run of it is known.
    pub fn of(inventory: &Path) -> Result<Last> {
        Self::read(&place(&history::state()?, inventory))?.ok_or_else(|| {
            anyhow!("no run of {} is known of", inventory.display())
                .hint("`check`, `plan`, `apply` and `verify` note how each host ended")
        })
    }

    /// Returns the hosts that ended in one of these ways, in the order of their names.
    pub fn ended(&self, wanted: impl Fn(Status) -> bool) -> Vec<String> {
        self.hosts.iter().filter(|(_, status)| wanted(**status)).map(|(name, _)| name.clone()).collect()
    }

    /// Notes how the hosts of a run ended; those that were not started, and all others, stay as they were. What is
    /// not in the inventory any more (`all` are its hosts) is forgotten.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(verb: Verb, inventory: &Path, hosts: &[HostReport], all: &BTreeSet<String>) -> Result<()> {
        Self::note_in(&history::state()?, verb, inventory, hosts, all)
    }

    /// Notes that hosts are about to be changed: whatever ends the run before it has come to one of them, that one
    /// is left to do.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(inventory: &Path, hosts: &[String], all: &BTreeSet<String>) -> Result<()> {
        let begun = hosts.iter().map(|name| (name.clone(), Status::NotStarted)).collect();
        Self::write(&history::state()?, inventory, begun, all)
    }

    fn note_in(state: &Path, verb: Verb, inventory: &Path, hosts: &[HostReport], all: &BTreeSet<String>) -> Result<()> {
        let compared = hosts.iter().filter(|host| verb.compares() && host.status != Status::NotStarted);
        Self::write(state, inventory, compared.map(|host| (host.name.clone(), host.status)).collect(), all)
    }

    fn write(state: &Path, inventory: &Path, ended: Vec<(String, Status)>, all: &BTreeSet<String>) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        if ended.is_empty() {
            return Ok(());
        }
        let path = place(state, inventory);
        let write = || -> Result<()> {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state.join("last"))?;
            // Another run may end at the same moment; the lock goes with the file.
            let turn = File::create(path.with_extension("lock"))?;
            turn.lock()?;
            let mut last = Self::read(&path).ok().flatten().unwrap_or_default();
            last.inventory = std::path::absolute(inventory)?;
            last.hosts.extend(ended);
            last.hosts.retain(|name, _| all.contains(name));
            Ok(files::write(&path, &serde_json::to_vec(&last)?)?)
        };
        write().with_context(|| format!("write {}", path.display()))
    }

    fn read(path: &Path) -> Result<Option<Last>> {
        if !path.exists() {
            return Ok(None);
        }
        let file = input::open(path, LARGEST).with_context(|| format!("read {}", path.display()))?;
        let last = serde_json::from_reader(std::io::BufReader::new(file));
        last.map(Some).with_context(|| format!("{} is damaged", path.display())).hint("remove it")
    }
}

/// The file of an inventory; the same however its path is written.
fn place(state: &Path, inventory: &Path) -> PathBuf {
    let real = inventory.canonicalize().or_else(|_| std::path::absolute(inventory));
    let digest = Sha256::digest(real.unwrap_or_else(|_| inventory.to_owned()).as_os_str().as_encoded_bytes());
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    state.join("last").join(format!("{name}.json"))
}

/// Returns whether a host that ended so is one of `@last-failed`.
pub fn is_failed(status: Status) -> bool {
    !is_as_wanted(status) && status != Status::Drifted
}

/// Returns whether a host that ended so is left alone by `apply --failed`.
pub fn is_as_wanted(status: Status) -> bool {
    matches!(status, Status::Unchanged | Status::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::host;

    fn note(state: &Path, verb: Verb, inventory: &str, hosts: &[(&str, Status)]) {
        let hosts: Vec<HostReport> = hosts.iter().map(|(name, status)| host(name, *status)).collect();
        Last::note_in(state, verb, Path::new(inventory), &hosts, &everybody()).unwrap();
    }

    /// The hosts of each inventory here.
    fn everybody() -> BTreeSet<String> {
        ["a", "b", "c", "d", "m1", "s1", "s2"].map(str::to_owned).into()
    }

    #[test]
    fn a_host_that_is_gone_from_the_inventory_is_forgotten() {
        let state = tempfile::tempdir().unwrap();
        note(state.path(), Verb::Check, "a.yml", &[("a", Status::Failed), ("b", Status::Drifted)]);
        let left = BTreeSet::from(["b".to_owned(), "c".to_owned()]);
        let hosts = [host("c", Status::Failed), host("elsewhere", Status::Failed)];
        Last::note_in(state.path(), Verb::Check, Path::new("a.yml"), &hosts, &left).unwrap();
        assert_eq!(known(state.path(), "a.yml").unwrap().ended(|_| true), ["b", "c"]);
    }

    fn known(state: &Path, inventory: &str) -> Option<Last> {
        Last::read(&place(state, Path::new(inventory))).unwrap()
    }

    #[test]
    fn each_host_is_known_by_its_own_last_run() {
        let state = tempfile::tempdir().unwrap();
        let note = |inventory: &str, hosts: &[(&str, Status)]| note(state.path(), Verb::Check, inventory, hosts);
        note("a.yml", &[("m1", Status::Drifted), ("s1", Status::Drifted), ("s2", Status::Unreachable)]);
        note("./a.yml", &[("s1", Status::Changed)]);
        note("b.yml", &[("m1", Status::Unchanged)]);
        let last = known(state.path(), "a.yml").unwrap();
        assert_eq!(last.ended(|status| status == Status::Drifted), ["m1"]);
        assert_eq!(last.ended(is_failed), ["s2"]);
        assert_eq!(last.ended(|status| !is_as_wanted(status)), ["m1", "s2"]);
        assert!(known(state.path(), "c.yml").is_none());
        std::fs::write(place(state.path(), Path::new("b.yml")), "{").unwrap();
        assert!(Last::read(&place(state.path(), Path::new("b.yml"))).is_err());
    }

    #[test]
    fn a_verb_that_compares_nothing_leaves_what_is_known() {
        let state = tempfile::tempdir().unwrap();
        for verb in [Verb::Doctor, Verb::Undo, Verb::Facts] {
            note(state.path(), verb, "a.yml", &[("a", Status::Unchanged)]);
            assert!(!state.path().join("last").exists(), "{verb:?}");
        }
        for verb in [Verb::Plan, Verb::Check, Verb::Apply, Verb::Verify] {
            note(state.path(), verb, "a.yml", &[("a", Status::OutOfLimits)]);
            assert_eq!(known(state.path(), "a.yml").unwrap().ended(is_failed), ["a"], "{verb:?}");
            note(state.path(), verb, "a.yml", &[("a", Status::Unchanged)]);
            note(state.path(), Verb::Doctor, "a.yml", &[("a", Status::Failed)]);
            assert!(known(state.path(), "a.yml").unwrap().ended(is_failed).is_empty(), "{verb:?}");
        }
    }

    #[test]
    fn a_host_that_was_not_started_stays_as_it_was_and_one_of_a_killed_run_is_left_to_do() {
        let state = tempfile::tempdir().unwrap();
        let all = [("a", Status::Unchanged), ("b", Status::Drifted), ("c", Status::Failed)];
        note(state.path(), Verb::Check, "a.yml", &all);
        note(state.path(), Verb::Check, "a.yml", &all.map(|(name, _)| (name, Status::NotStarted)));
        assert_eq!(known(state.path(), "a.yml").unwrap().ended(is_failed), ["c"]);
        let begun = ["a", "b", "d"].map(|name| (name.to_owned(), Status::NotStarted)).to_vec();
        Last::write(state.path(), Path::new("a.yml"), begun, &everybody()).unwrap();
        note(state.path(), Verb::Apply, "a.yml", &[("a", Status::NotStarted), ("b", Status::Changed)]);
        assert_eq!(known(state.path(), "a.yml").unwrap().ended(is_failed), ["a", "c", "d"]);
    }
}
