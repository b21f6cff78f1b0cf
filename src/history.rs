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

    /// Returns the hosts that it left changed. One on which an `undo` failed has kept what was to be taken back.
    pub fn changed(&self) -> Vec<&str> {
        let changed = |host: &&HostReport| match host.status {
            Status::Changed => true,
            Status::FailedNotUndone => self.command != Verb::Undo,
            _ => false,
        };
        let hosts = self.report.iter().flat_map(|report| &report.hosts);
        hosts.filter(changed).map(|host| host.name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn record(run: &str, report: Option<FleetReport>) -> Record {
        let hosts = vec!["a".into(), "b".into()];
        let begun = Record::begin(Verb::Apply, "me@here".into(), run.into(), Path::new("fleet.yml"), hosts);
        Record { report, ..begun }
    }

    #[test]
    fn a_record_without_end_and_what_is_no_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let history = History { folder: dir.path().to_owned() };
        std::fs::File::create(history.path("large")).unwrap().set_len(LARGEST + 1).unwrap();
        std::os::unix::fs::symlink("/dev/zero", history.path("zero")).unwrap();
        for (name, cause) in [("large", "the limit is"), ("zero", "it is no file")] {
            let error = format!("{:#}", history.find(Some(name), |_| true).unwrap_err());
            assert!(error.contains(cause) && error.contains(name), "{error}");
        }
        assert!(history.all().unwrap().next().is_none() && history.entries().unwrap().is_empty());
    }

    /// What JSON has, of some depth.
    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[ -~é\u{202e}]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let key = prop_oneof![
                Just("hosts".to_owned()),
                Just("name".to_owned()),
                Just("status".to_owned()),
                Just("summary".to_owned()),
                "[a-z]{0,6}",
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..6).prop_map(|map| json!(map)),
            ]
        })
    }

    fn report() -> Value {
        serde_json::to_value(sample::fleet(&[("a", Status::Changed), ("b", Status::FailedUndone)])).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn whatever_a_record_holds_it_is_read_or_refused(
            (report, is_report) in prop_oneof![json_value().prop_map(|value| (value, false)), Just((report(), true))],
            cut in 0usize..1200, noise in any::<u8>(),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let history = History { folder: dir.path().to_owned() };
            let mut json = serde_json::to_value(record("r", None)).unwrap();
            json["report"] = report;
            let mut bytes = serde_json::to_vec(&json).unwrap();
            for spoilt in [false, true] {
                if spoilt {
                    let at = cut % bytes.len();
                    bytes[at] = noise;
                }
                std::fs::write(history.path("r"), &bytes).unwrap();
                let read = history.find(Some("r"), |_| true);
                prop_assert!(spoilt || !is_report || read.is_ok());
                if let Ok(record) = read {
                    let _ = record.changed();
                }
                let _ = history.entries().unwrap();
            }
            std::fs::write(history.path("r"), &bytes[..cut.min(bytes.len())]).unwrap();
            let _ = (history.find(None, |_| true), history.all().unwrap().count());
        }
    }

    #[test]
    fn a_record_is_written_twice_and_the_oldest_ones_go() {
        let dir = tempfile::tempdir().unwrap();
        let history = History { folder: dir.path().join("deep/runs") };
        assert!(history.all().unwrap().next().is_none() && history.find(None, |_| true).is_err());
        history.write(&record("r1", None)).unwrap();
        history.write(&record("r1", Some(sample::fleet(&[])))).unwrap();
        assert_eq!(history.all().unwrap().count(), 1);
        for number in 0..KEPT {
            history.write(&record(&format!("s{number:04}"), None)).unwrap();
        }
        assert_eq!(history.names().unwrap().len(), KEPT);
        assert!(history.find(Some("r1"), |_| true).is_err());
        assert_eq!(history.find(Some("s0123"), |_| true).unwrap().run, "s0123");
        let several = history.whole("s012").unwrap_err();
        assert_eq!(several.to_string(), "`s012` is the beginning of 10 runs");
        assert!(crate::exit::hint(&several).unwrap().ends_with("s0128, s0129"));
        assert!(history.whole("").is_err() && history.whole("s9").is_err());
        assert_eq!(history.find(None, |_| true).unwrap().run, format!("s{:04}", KEPT - 1));
        let of = |name: &str| history.find(None, |path| is_same(path, Path::new(name))).map(|record| record.run);
        assert_eq!(of("./fleet.yml").unwrap(), format!("s{:04}", KEPT - 1));
        assert!(of("other.yml").is_err());
    }

    #[test]
    fn the_beginning_of_a_name_is_told_from_a_host() {
        for (word, is_it) in [
            ("20261125T06", true),
            ("20261125T063732693813", true),
            ("20261125", false),
            ("20261125T6", false),
            ("web1T06", false),
            ("", false),
        ] {
            assert_eq!(is_beginning(word), is_it, "{word}");
        }
        assert!(is_name("20261125T063732693813Z") && !is_beginning("20261125T063732693813Z"));
    }

    #[test]
    fn a_list_reads_how_each_run_ended_and_none_of_its_hosts() {
        let dir = tempfile::tempdir().unwrap();
        let history = History { folder: dir.path().to_owned() };
        let report = sample::fleet(&[("a", Status::Changed), ("b", Status::Changed)]);
        history.write(&record("r1", Some(report.clone()))).unwrap();
        assert_eq!(history.find(Some("r1"), |_| true).unwrap().report, Some(report));
        history.write(&record("r2", None)).unwrap();
        std::fs::write(dir.path().join("r3.json"), "no record").unwrap();
        let entries = history.entries().unwrap();
        let ended = |entry: &Entry| entry.report.as_ref().map(|end| (end.summary.changed, end.seconds));
        assert_eq!(entries.iter().map(|entry| entry.run.as_str()).collect::<Vec<_>>(), ["r2", "r1"]);
        assert_eq!(entries.iter().map(ended).collect::<Vec<_>>(), [None, Some((2, Some(1.5)))]);
    }
}
