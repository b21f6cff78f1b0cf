//! The records of runs that changed something: one JSON file each, on the machine that ran them.
//!
//! A record is written before the first host is changed and again at the end: of a run that was
//! killed, the first one is left, and says that it never ended.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::exit::Hint;
use crate::files;
use crate::input;
use crate::model::{FleetReport, HostReport, Status, Summary, Verb};

/// Largest record that is read; one of 10,000 hosts that all change has 90 MB.
const LARGEST: u64 = 512 << 20;

/// Records that are kept.
const KEPT: usize = 500;

/// One run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Version of this description.
    pub record: u32,
    /// Its name; sorts by time.
    pub run: String,
    /// User, machine and process.
    pub who: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// The verb.
    pub command: Verb,
    /// The command line.
    pub arguments: Vec<String>,
    /// The inventory.
    pub inventory: PathBuf,
    /// The hosts that took part.
    pub hosts: Vec<String>,
    /// The report, as `--format json` prints it; `null` of a run that never ended.
    pub report: Option<FleetReport>,
}

/// What a list shows of a run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    /// Its name.
    pub run: String,
    /// User, machine and process.
    pub who: String,
    /// The command line.
    pub arguments: Vec<String>,
    /// The inventory.
    pub inventory: PathBuf,
    /// How it ended; none of a run that never did.
    pub report: Option<Ending>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Ending {
    /// How many hosts ended in which way.
    #[serde(default)]
    pub summary: Summary,
    /// How long it took, seconds.
    #[serde(default)]
    pub seconds: Option<f64>,
}

/// Where the records are: `$XDG_STATE_HOME/fleetclock/runs`, else below `~/.local/state`.
#[derive(Debug, Clone)]
pub struct History {
    folder: PathBuf,
}

impl History {
    /// The user's own.
    ///
    /// # Errors
    /// The user has no home.
    pub fn open() -> Result<Self> {
        Ok(History { folder: state()?.join("runs") })
    }

    /// Writes a record over an earlier one of the same run, in one move, and drops the oldest ones.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, record: &Record) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = self.path(&record.run);
        let write = || -> std::io::Result<()> {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
            let mut text = serde_json::to_vec_pretty(record)?;
            text.push(b'\n');
            files::write(&path, &text)
        };
        write().with_context(|| format!("write {}", path.display()))?;
        for old in self.names()?.iter().rev().skip(KEPT) {
            let _ = std::fs::remove_file(self.path(old));
        }
        Ok(())
    }

    /// Returns all records, the newest first, each read when it is its turn: those of a large fleet
    /// are too large to be held together. A file that is no record is left out.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn all(&self) -> Result<impl Iterator<Item = Record>> {
        Ok(self.names()?.into_iter().rev().filter_map(|name| self.read(&name).ok()))
    }

    /// Returns the records of runs that are newer than one, the newest first. Unlike `all` it says which cannot be read.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn newer(&self, than: &str) -> Result<impl Iterator<Item = Result<Record>>> {
        let mut names = self.names()?;
        names.retain(|name| name.as_str() > than);
        Ok(names.into_iter().rev().map(|name| self.read(&name)))
    }

    /// Returns what a list shows of all runs, the newest first; their hosts are skipped while reading.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        Ok(self.names()?.iter().rev().filter_map(|name| self.read(name).ok()).collect())
    }

    /// Returns the record of a run, whose name may be shortened, or of the last one that `of` is true for.
    ///
    /// # Errors
    /// There is none, or several begin so.
    pub fn find(&self, name: Option<&str>, of: impl Fn(&Path) -> bool) -> Result<Record> {
        let names = self.names()?;
        let none = || {
            anyhow!("there is no record of a run of this inventory in {}", self.folder.display())
                .hint("`fleetclock history --all` lists those of all inventories")
        };
        match name {
            None => {
                let is_it = |name: &&String| self.read::<Entry>(name).is_ok_and(|entry| of(&entry.inventory));
                self.read(names.iter().rev().find(is_it).ok_or_else(none)?)
            }
            Some(name) => self.read(whole(&names, name)?),
        }
    }

    /// Returns the whole name of a run that begins so.
    ///
    /// # Errors
    /// There is none, or several begin so.
    pub fn whole(&self, name: &str) -> Result<String> {
        whole(&self.names()?, name).cloned()
    }

    /// Returns the names of all runs, the oldest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("read {}", self.folder.display())),
        };
        let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = files.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
        names.sort();
        Ok(names)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.path(name);
        let file = input::open(&path, LARGEST).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_reader(BufReader::new(file)).with_context(|| format!("{} is no record", path.display()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

/// Most names that an ambiguity lists.
const LISTED: usize = 5;

fn whole<'a>(names: &'a [String], name: &str) -> Result<&'a String> {
    let fitting: Vec<&String> = names.iter().filter(|known| !name.is_empty() && known.starts_with(name)).collect();
    match fitting[..] {
        [only] => Ok(only),
        [] => Err(anyhow!("there is no record of run `{name}`").hint("`fleetclock history` lists them")),
        [ref first @ .., last] => {
            let first: Vec<&str> = first.iter().rev().take(LISTED).rev().map(|name| name.as_str()).collect();
            Err(anyhow!("`{name}` is the beginning of {} runs", fitting.len())
                .hint(&format!("give more of it: {}, {last}", first.join(", "))))
        }
    }
}

/// Returns the folder of what the program remembers for its user.
///
/// # Errors
/// The user has no home.
pub fn state() -> Result<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")));
    let state = state.ok_or_else(|| anyhow!("there is no home for the records").hint("set XDG_STATE_HOME"))?;
    Ok(state.join("fleetclock"))
}

/// Returns whether two paths are the same inventory, however they are written.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute(one) == absolute(other)
        || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Returns the name of a run that began then.
pub fn name(started: &str) -> String {
    started.replace([':', '-', '.'], "")
}

/// Returns whether a word has the form of such a name.
pub fn is_name(word: &str) -> bool {
    let Some((day, time)) = word.strip_suffix('Z').and_then(|word| word.split_once('T')) else { return false };
    let digits = |text: &str, count| text.len() == count && text.chars().all(|c| c.is_ascii_digit());
    digits(day, 8) && digits(time, 12)
}

/// Returns whether a word may be the beginning of such a name: a day and the hour at least.
pub fn is_beginning(word: &str) -> bool {
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    word.split_once('T').is_some_and(|(day, time)| day.len() == 8 && digits(day) && time.len() >= 2 && digits(time))
}

impl Record {
    /// A run that begins.
    pub fn begin(command: Verb, who: String, started: String, inventory: &Path, hosts: Vec<String>) -> Self {
        let arguments = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        let inventory = std::path::absolute(inventory).unwrap_or_else(|_| inventory.to_owned());
        let run = name(&started);
        Record { record: 1, run, who, started, command, arguments, inventory, hosts, report: None }
    }

    /// The same with its end.
    #[must_use]
    pub fn ended(self, report: &FleetReport) -> Self {
        Record { report: Some(report.clone()), ..self }
    }

    /// Returns the hosts that it left changed, also those whose clock is not right after it. One on which an `undo`
    /// failed has kept what was to be taken back; of `doctor --fix`, the report is that of the look afterwards.
    pub fn changed(&self) -> Vec<&str> {
        let changed = |host: &&HostReport| match host.status {
            Status::Changed => true,
            Status::FailedNotUndone => self.command != Verb::Undo,
            Status::OutOfLimits => self.command != Verb::Undo && !host.deltas.is_empty(),
            Status::Unreachable => self.command == Verb::Doctor && !host.deltas.is_empty(),
            _ => false,
        };
        let hosts = self.report.iter().flat_map(|report| &report.hosts);
        hosts.filter(changed).map(|host| host.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests;
