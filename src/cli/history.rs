//! `history`: what runs of this user have changed.

use std::path::Path;

use anyhow::Result;

use super::{Format, Global};
use crate::engine::is_at_work;
use crate::exit::Exit;
use crate::history::{Entry, History, Record, is_same};
use crate::model::HostReport;
use crate::report::{console, json, table};
use crate::text::clean;
use crate::text::number::count;

/// Options of `history`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The runs of all inventories, not only of this one
    #[arg(long)]
    all: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show one run, the last one unless it is named
    Show {
        /// Name of the run, or its beginning
        #[arg(add = crate::cli::suggest::run())]
        run: Option<String>,
    },
}

/// Lists the runs, or shows one.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let history = History::open()?;
    let shown = |inventory: &Path| args.all || is_same(inventory, &global.inventory);
    let text = match (&args.verb, global.format) {
        (None, Format::Json) => return every_record(&history, shown),
        (None, Format::Human) => {
            let (entries, others): (Vec<Entry>, Vec<Entry>) =
                history.entries()?.into_iter().partition(|entry| shown(&entry.inventory));
            if !others.is_empty() && !global.quiet {
                let runs = count(others.len(), "run");
                console::sentence(&format!("{runs} of other inventories: `--all` lists them too"));
            }
            list(&entries, args.all)
        }
        (Some(Verb::Show { run }), Format::Json) => json::document(&history.find(run.as_deref(), shown)?),
        (Some(Verb::Show { run }), Format::Human) => show(&history.find(run.as_deref(), shown)?),
    };
    match global.format {
        Format::Human => console::print_text(&text)?,
        Format::Json => console::print(&text)?,
    }
    Ok(Exit::Ok)
}

/// Prints all records as one array, one after the other.
fn every_record(history: &History, shown: impl Fn(&Path) -> bool) -> Result<Exit> {
    let mut before = "[\n";
    for record in history.all()?.filter(|record| shown(&record.inventory)) {
        console::print(&format!("{before}{}", json::document(&record).trim_end()))?;
        before = ",\n";
    }
    console::print(if before == ",\n" { "\n]\n" } else { "[]\n" })?;
    Ok(Exit::Ok)
}

/// The inventory of each run is named where there may be several.
fn list(entries: &[Entry], all: bool) -> String {
    let row = |entry: &Entry| {
        let ending = entry.report.as_ref();
        let took = seconds(ending.and_then(|ending| ending.seconds));
        let shown = |text: &str| clean::text(text).into_owned();
        [shown(&entry.run), shown(&entry.who), shown(&result(entry)), took, shown(&entry.arguments.join(" "))]
    };
    if all {
        let with = |entry: &Entry| {
            let [run, who, result, took, command] = row(entry);
            let inventory = clean::text(&entry.inventory.display().to_string()).into_owned();
            [run, who, result, took, inventory, command]
        };
        let head = ["run", "who", "result", "took", "inventory", "command"];
        return table::columns(head, entries.iter().map(with).collect());
    }
    table::columns(["run", "who", "result", "took", "command"], entries.iter().map(row).collect())
}

/// `2 changed, 1 failed`.
fn result(entry: &Entry) -> String {
    let Some(ending) = &entry.report else { return without_end(&entry.who).to_owned() };
    let counted = |(word, number): (&str, usize)| (number > 0).then(|| format!("{number} {}", word.replace('_', " ")));
    ending.summary.endings().into_iter().filter_map(counted).collect::<Vec<_>>().join(", ")
}

/// What can be said of a run whose end is not recorded.
fn without_end(who: &str) -> &'static str {
    match is_at_work(who) {
        Some(true) => "still running",
        Some(false) => "never ended",
        None => "no end recorded",
    }
}

fn seconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"))
}

fn show(record: &Record) -> String {
    let head = format!(
        "Run {} by {}\nBegan {}, took {}, exit code {}\nfleetclock {}\nInventory: {}\n\n",
        record.run,
        record.who,
        record.started,
        seconds(record.report.as_ref().map(|report| report.seconds)),
        record.report.as_ref().map_or_else(|| "-".to_owned(), |report| report.exit_code.to_string()),
        record.arguments.join(" "),
        record.inventory.display()
    );
    let mut text = clean::text(&head).into_owned();
    match &record.report {
        Some(report) => {
            let rows = report.hosts.iter().map(clean::host).map(|host| row(&host)).collect();
            text.push_str(&table::columns(["host", "ended", "took", "what"], rows));
        }
        None => {
            let hosts = record.hosts.join(", ");
            let hosts = clean::text(&hosts);
            text.push_str(&format!("Result: {}; these hosts take part: {hosts}\n", without_end(&record.who)));
        }
    }
    text
}

/// A host of a run: what was wrong with it, else what was changed on it.
fn row(host: &HostReport) -> [String; 4] {
    let mut changes: Vec<&str> = host.deltas.iter().map(|delta| delta.resource.as_str()).collect();
    changes.dedup();
    let what = host.error.as_ref().map_or_else(|| changes.join(", "), |error| error.message.clone());
    [host.name.clone(), host.status.word().replace('_', " "), seconds(Some(host.seconds)), what]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Delta, ErrorReport, Status, Verb, sample};

    #[test]
    fn a_run_is_shown_in_its_own_words_and_nothing_of_it_is_obeyed() {
        let begun = Record::begin(Verb::Apply, "me@here".into(), "r1".into(), Path::new("f"), vec![]);
        let mut report = sample::fleet(&[("web_1", Status::FailedUndone), ("b", Status::Changed)]);
        let message = "write /etc/my_app.conf: \u{1b}[2J".to_owned();
        report.hosts[0].error = Some(ErrorReport { message, hint: None });
        report.hosts[1].deltas = vec![Delta::new("file /etc/my_app.conf".to_owned(), "mode", None, None)];
        let text = show(&begun.ended(&report));
        assert!(text.contains("web_1  failed undone  1.0 s  write /etc/my_app.conf: \\u{1b}[2J"), "{text}");
        assert!(text.contains("file /etc/my_app.conf\n"), "{text}");
        let evil = "\u{1b}[2J";
        let begun =
            Record::begin(Verb::Apply, format!("me{evil}"), "r1".into(), Path::new("f"), vec![format!("a{evil}")]);
        let record = Record { arguments: vec![format!("-l{evil}")], inventory: format!("/f{evil}").into(), ..begun };
        assert_eq!((show(&record).matches(evil).count(), show(&record).matches("\\u{1b}").count()), (0, 4));
        let Record { run, who, arguments, inventory, .. } = record;
        let list = list(&[Entry { run: run + evil, who, arguments, inventory, report: None }], true);
        assert_eq!((list.matches(evil).count(), list.matches("\\u{1b}").count()), (0, 4), "{list:?}");
    }
}
