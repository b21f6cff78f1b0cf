//! `--report`: the result in more formats, each in a file of its own.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::ErrorKind::BrokenPipe;
use std::io::{BufWriter, Write};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use clap::ArgMatches;

use super::Format as Shown;
use crate::exit::Hint;
use crate::files::{self, Place};
use crate::model::FleetReport;
use crate::report::formats::{self, Format, Mistaken};
use crate::report::{guard, json};

/// Options of the reports beside the result.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Reports {
    #[arg(id = ID, long = "report", value_name = "FORMAT[=FILE]", value_parser = wanted, help = short(), long_help = long())]
    reports: Vec<Wanted>,
}

/// One report that is asked for.
#[derive(Debug, Clone)]
struct Wanted {
    format: &'static dyn Format,
    file: Option<PathBuf>,
}

/// By what the options are found in those of any verb.
const ID: &str = "reports";

/// What is written in a format.
type Writer<'a> = &'a dyn Fn(&'static dyn Format, &mut dyn Write) -> std::io::Result<()>;

const WHAT: &str = "Also write the result in another format, several if given again";

fn names() -> String {
    formats::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

fn short() -> String {
    format!("{WHAT}: {}", names())
}

fn long() -> String {
    let line = |format: &&dyn Format| format!("  {:<11} {} ({})", format.name(), format.about(), usual(*format));
    let lines: Vec<String> = formats::ALL.iter().map(line).collect();
    format!(
        "{WHAT}. What is there is replaced; `-` is standard output. Formats, and the file if none is named:\n{}",
        lines.join("\n")
    )
}

/// Where a report goes.
fn place(format: &dyn Format, file: Option<&Path>) -> PathBuf {
    file.map_or_else(|| PathBuf::from(usual(format)), Path::to_owned)
}

/// Where a format goes when no file is named.
fn usual(format: &dyn Format) -> String {
    if format.is_for_the_log() { "-".to_owned() } else { format!("fleetclock.{}", format.extension()) }
}

fn wanted(text: &str) -> Result<Wanted, String> {
    let (name, file) = text.split_once('=').map_or((text, None), |(name, file)| (name, Some(file)));
    let format = formats::find(name).ok_or_else(|| format!("there is no format `{name}`; known are {}", names()))?;
    if file == Some("") {
        return Err(format!("the file is missing; `{name}` alone writes {}", usual(format)));
    }
    Ok(Wanted { format, file: file.map(PathBuf::from) })
}

impl Reports {
    /// Returns those that a verb was called with, if it takes any.
    pub(super) fn of(matches: &ArgMatches) -> Reports {
        let wanted = matches.try_get_many::<Wanted>(ID).ok().flatten();
        Reports { reports: wanted.into_iter().flatten().cloned().collect() }
    }

    /// Writes mistakes, in the formats that have a place for them; the files of the others stay as they are. Returns
    /// what went wrong.
    pub(super) fn write_mistakes(mut self, mistaken: &Mistaken<'_>, shown: Shown) -> Vec<anyhow::Error> {
        self.reports.retain(|wanted| wanted.format.mistakes().is_some());
        let write = |format: &'static dyn Format, out: &mut dyn Write| {
            format.mistakes().map_or(Ok(()), |mistakes| mistakes(mistaken, out))
        };
        self.open(shown).map_or_else(|error| vec![error], |mut opened| opened.write_as(&write))
    }

    /// Whether one of them goes to standard output.
    pub(super) fn take_standard_output(&self) -> bool {
        self.reports.iter().any(|Wanted { format, file }| place(*format, file.as_deref()) == Path::new(STANDARD_OUTPUT))
    }

    /// Whether mistakes can be written in all of them.
    ///
    /// # Errors
    /// One is for the results of hosts.
    pub(super) fn take_mistakes(&self) -> Result<()> {
        let Some(wanted) = self.reports.iter().find(|wanted| wanted.format.mistakes().is_none()) else { return Ok(()) };
        let able = formats::ALL.iter().filter(|format| format.mistakes().is_some()).map(|format| format.name());
        let hint =
            format!("mistakes are written as {}; --format json prints them", able.collect::<Vec<_>>().join(", "));
        Err(anyhow!("--report {}: it is for the results of hosts", wanted.format.name()).hint(&hint))
    }

    /// Opens all files, so that what is wrong with one of them is known before any host is contacted.
    ///
    /// # Errors
    /// One of them cannot be written, or two reports want the same place.
    pub(super) fn open(&self, shown: Shown) -> Result<Opened> {
        let mut opened = Opened::default();
        let mut seen = HashSet::new();
        for Wanted { format, file } in &self.reports {
            if format.is_for_the_log() {
                guard::on();
            }
            let path = place(*format, file.as_deref());
            if !seen.insert(path.clone()) {
                return Err(anyhow!("--report: two reports want {}", called(&path)).hint("give each a file of its own"));
            }
            if path != Path::new(STANDARD_OUTPUT) {
                let place = files::prepare_for(&path, mode(*format));
                let place = place.with_context(|| format!("write the {} report {}", format.name(), path.display()))?;
                opened.files.push((*format, place));
                continue;
            }
            if shown == Shown::Json {
                let what = format!("--report {}=-: standard output is taken by --format json", format.name());
                return Err(anyhow!(what).hint("name a file for the report"));
            }
            opened.standard_output = Some(*format);
        }
        Ok(opened)
    }
}

const STANDARD_OUTPUT: &str = "-";

fn called(path: &Path) -> String {
    if path == Path::new(STANDARD_OUTPUT) { "standard output".to_owned() } else { path.display().to_string() }
}

/// Returns the name of an inventory as platforms look for it: below the current folder, where it is there, as the user
/// named it.
pub(super) fn named(inventory: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.as_ref().and_then(|here| inventory.strip_prefix(here).ok()).unwrap_or(inventory);
    // Without the `.` of `./fleet.yml`.
    below.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>().display().to_string()
}

/// As other programs write files; what another user's program has to read, it can.
fn mode(format: &dyn Format) -> u32 {
    let usual = 0o666 & !files::mask();
    if format.is_for_others() { usual | 0o444 } else { usual }
}

/// Reports whose places are there.
#[derive(Debug, Default)]
pub(super) struct Opened {
    files: Vec<(&'static dyn Format, Place)>,
    standard_output: Option<&'static dyn Format>,
}

impl Opened {
    /// Whether standard output is that of a report.
    pub(super) fn takes_standard_output(&self) -> bool {
        self.standard_output.is_some()
    }

    /// Writes all of them, and goes on to the next where one cannot be written; returns what went wrong.
    pub(super) fn write(&mut self, report: &FleetReport) -> Vec<anyhow::Error> {
        self.write_as(&|format, out| formats::write(format, report, out))
    }

    fn write_as(&mut self, write: Writer<'_>) -> Vec<anyhow::Error> {
        let mut wrong = Vec::new();
        for (format, place) in std::mem::take(&mut self.files) {
            let path = place.path().display().to_string();
            let written = place.fill(|out| write(format, out));
            wrong.extend(written.with_context(|| format!("write the {} report {path}", format.name())).err());
        }
        if let Some(format) = self.standard_output.take() {
            let written = to_standard_output(format, write);
            // A reader that goes has what it wanted.
            let written = written.or_else(|error| if error.kind() == BrokenPipe { Ok(()) } else { Err(error) });
            wrong.extend(written.with_context(|| format!("write the {} report", format.name())).err());
        }
        wrong
    }
}

/// What is not for the log of a job gives no commands to whoever reads it.
fn to_standard_output(format: &'static dyn Format, write: Writer<'_>) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    if format.is_for_the_log() {
        write(format, &mut out)?;
    } else {
        let mut text = Vec::new();
        write(format, &mut text)?;
        let text = String::from_utf8_lossy(&text);
        let shown = match format.is_json() {
            true => Cow::Owned(json::unread_by_runners(text.into_owned())),
            false => guard::guarded(&text),
        };
        out.write_all(shown.as_bytes())?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(words: &[&str]) -> Reports {
        Reports { reports: words.iter().map(|word| wanted(word).unwrap()).collect() }
    }

    #[test]
    fn a_format_is_known_or_refused_with_those_that_are() {
        let error = wanted("xml=a").unwrap_err();
        assert!(error.starts_with("there is no format `xml`; known are json, junit, "), "{error}");
        assert_eq!(wanted("junit=").unwrap_err(), "the file is missing; `junit` alone writes fleetclock.junit.xml");
        assert_eq!(wanted("json=a=b").unwrap().file.unwrap(), Path::new("a=b"));
    }

    #[test]
    fn an_inventory_is_named_as_seen_from_here() {
        let here = std::env::current_dir().unwrap();
        for (path, name) in [("./a/b.yml", "a/b.yml"), ("../b.yml", "../b.yml"), ("/no/b.yml", "/no/b.yml")] {
            assert_eq!(named(Path::new(path)), name);
        }
        assert_eq!(named(&here.join("sites/b.yml")), "sites/b.yml");
    }

    #[test]
    fn two_reports_in_one_place_are_a_mistake_and_so_is_a_second_document_on_standard_output() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| format!("{name}={}", dir.path().join("report").display());
        let wrong = |words: &[&str], shown| reports(words).open(shown).unwrap_err().to_string();
        assert!(wrong(&[&file("json"), &file("junit")], Shown::Human).contains("two reports want /"));
        assert_eq!(wrong(&["github", "junit=-"], Shown::Human), "--report: two reports want standard output");
        assert!(wrong(&["github"], Shown::Json).contains("taken by --format json"));
        assert!(reports(&["github", &file("json")]).open(Shown::Human).unwrap().takes_standard_output());
        assert!(wrong(&["json=/no/folder/a"], Shown::Human).contains("write the json report /no/folder/a"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
