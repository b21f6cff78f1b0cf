//! `history`: what runs of this user have changed.

use anyhow::Result;
use serde_json::Value;

use super::{Format, Global};
use crate::exit::Exit;
use crate::history::{History, Record};
use crate::report::{console, json, table};

/// Options of `history`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show one run, the last one unless it is named
    Show {
        /// Name of the run
        run: Option<String>,
    },
}

/// Lists the runs, or shows one.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let history = History::open()?;
    let text = match (&args.verb, global.format) {
        (None, Format::Json) => json::document(&history.all()?),
        (None, Format::Human) => list(&history.all()?),
        (Some(Verb::Show { run }), Format::Json) => json::document(&history.find(run.as_deref())?),
        (Some(Verb::Show { run }), Format::Human) => show(&history.find(run.as_deref())?),
    };
    console::print(&text)?;
    Ok(Exit::Ok)
}

fn list(records: &[Record]) -> String {
    let row = |record: &Record| {
        let command = record.arguments.join(" ");
        [record.run.clone(), record.who.clone(), result(&record.report), seconds(&record.report), command]
    };
    table::columns(["run", "by", "result", "took", "command"], records.iter().map(row).collect())
}

/// `2 changed, 1 failed`.
fn result(report: &Value) -> String {
    let Some(summary) = report["summary"].as_object() else { return "never ended".to_owned() };
    let counted = |(word, number): (&String, &Value)| {
        let number = number.as_u64().filter(|number| *number > 0 && word != "hosts")?;
        Some(format!("{number} {}", word.replace('_', " ")))
    };
    summary.iter().filter_map(counted).collect::<Vec<_>>().join(", ")
}

fn seconds(report: &Value) -> String {
    report["seconds"].as_f64().map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1} s"))
}

fn show(record: &Record) -> String {
    let mut text = format!(
        "Run {} by {}\nBegan {}, took {}, exit code {}\nfleetclock {}\nInventory: {}\n\n",
        record.run,
        record.who,
        record.started,
        seconds(&record.report),
        record.report["exit_code"].as_u64().map_or_else(|| "-".to_owned(), |code| code.to_string()),
        record.arguments.join(" "),
        record.inventory.display()
    );
    let word = |value: &Value| value.as_str().unwrap_or("").replace('_', " ");
    let row = |host: &Value| {
        let changes: Vec<String> =
            host["deltas"].as_array().into_iter().flatten().map(|delta| word(&delta["resource"])).collect();
        let mut once = changes;
        once.dedup();
        let why = word(&host["error"]["message"]);
        [word(&host["name"]), word(&host["status"]), seconds(host), if why.is_empty() { once.join(", ") } else { why }]
    };
    match record.report["hosts"].as_array() {
        Some(hosts) => {
            text.push_str(&table::columns(["host", "ended", "took", "what"], hosts.iter().map(row).collect()));
        }
        None => text.push_str(&format!("It never ended; these hosts took part: {}\n", record.hosts.join(", "))),
    }
    text
}
