//! `history`: what runs of this user have changed.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::{Format, Global};
use crate::engine::is_at_work;
use crate::exit::Exit;
use crate::history::{Entry, History, Record, is_same};
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
                console::error_line(&format!("{runs} of other inventories: `--all` lists them too"));
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
        [entry.run.clone(), shown(&entry.who), shown(&result(entry)), took, shown(&entry.arguments.join(" "))]
    };
    if all {
        let with = |entry: &Entry| {
            let [run, who, result, took, command] = row(entry);
            [run, who, result, took, entry.inventory.display().to_string(), command]
        };
        let head = ["run", "by", "result", "took", "inventory", "command"];
        return table::columns(head, entries.iter().map(with).collect());
    }
    table::columns(["run", "by", "result", "took", "command"], entries.iter().map(row).collect())
}

/// `2 changed, 1 failed`.
fn result(entry: &Entry) -> String {
    let Some(ending) = &entry.report else { return without_end(&entry.who).to_owned() };
    let counted = |(word, number): (&String, &u64)| {
        (*number > 0 && word != "hosts").then(|| format!("{number} {}", word.replace('_', " ")))
    };
    ending.summary.iter().filter_map(counted).collect::<Vec<_>>().join(", ")
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
    let mut text = format!(
        "Run {} by {}\nBegan {}, took {}, exit code {}\nfleetclock {}\nInventory: {}\n\n",
        record.run,
        record.who,
        record.started,
        seconds(record.report["seconds"].as_f64()),
        record.report["exit_code"].as_u64().map_or_else(|| "-".to_owned(), |code| code.to_string()),
        record.arguments.join(" "),
        record.inventory.display()
    );
    let word = |value: &Value| clean::text(value.as_str().unwrap_or("")).into_owned();
    let row = |host: &Value| {
        let changes: Vec<String> =
            host["deltas"].as_array().into_iter().flatten().map(|delta| word(&delta["resource"])).collect();
        let mut once = changes;
        once.dedup();
        let why = word(&host["error"]["message"]);
        [
            word(&host["name"]),
            // The words of a status only; a name may have an underscore of its own.
            word(&host["status"]).replace('_', " "),
            seconds(host["seconds"].as_f64()),
            if why.is_empty() { once.join(", ") } else { why },
        ]
    };
    match record.report["hosts"].as_array() {
        Some(hosts) => {
            text.push_str(&table::columns(["host", "ended", "took", "what"], hosts.iter().map(row).collect()));
        }
        None => {
            let hosts = record.hosts.join(", ");
            text.push_str(&format!("Result: {}; these hosts take part: {hosts}\n", without_end(&record.who)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_is_shown_in_its_own_words_and_nothing_of_it_is_obeyed() {
        let begun = Record::begin("apply", "me@here".into(), "r1".into(), Path::new("f"), vec![]);
        let host = json!({
            "name": "web_1", "status": "failed_undone", "seconds": 1.0,
            "error": { "message": "write /etc/my_app.conf: \u{1b}[2J" },
        });
        let other = json!({ "name": "b", "status": "changed", "deltas": [{ "resource": "file /etc/my_app.conf" }] });
        let text = show(&Record { report: json!({ "hosts": [host, other] }), ..begun });
        assert!(text.contains("web_1  failed undone  1.0 s  write /etc/my_app.conf: \\u{1b}[2J"), "{text}");
        assert!(text.contains("file /etc/my_app.conf\n"), "{text}");
    }
}
