//! What kept a run from its work: for people on standard error, and with `--format json` as a document, too.

use anyhow::anyhow;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use super::reports::Reports;
use super::{Cli, Format, run};
use crate::exit::{self, Exit};
use crate::inventory::Mistakes;
use crate::model::{ErrorReport, Refusal, SCHEMA};
use crate::report::formats::Mistaken;
use crate::report::{console, json};
use crate::transport;

/// Reads the command line, does what it says, and tells what went wrong.
pub fn start() -> Exit {
    let read = Cli::command().try_get_matches();
    let read = read.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, typed(&matches), reports(&matches))));
    match read {
        Ok((cli, command, reports)) => {
            let format = cli.global.format;
            run(cli).unwrap_or_else(|error| refused(&error, format, command, reports))
        }
        Err(error) => unread(&error),
    }
}

/// The verb with the one below it, as it was typed.
fn typed(matches: &ArgMatches) -> Option<String> {
    let (first, below) = matches.subcommand()?;
    Some(typed(below).map_or_else(|| first.to_owned(), |second| format!("{first} {second}")))
}

/// The reports that the verb was asked for.
fn reports(matches: &ArgMatches) -> Reports {
    matches.subcommand().map_or_else(|| Reports::of(matches), |(_, below)| reports(below))
}

fn refused(error: &anyhow::Error, format: Format, command: Option<String>, reports: Reports) -> Exit {
    console::error(error);
    if transport::has_contacted() {
        return Exit::Failed;
    }
    let refusal = refusal(error, command);
    if format == Format::Json {
        print(&refusal);
    }
    // What cannot be written either was said already, if that is why.
    let lost = reports.write_mistakes(&Mistaken::of(&refusal), format);
    lost.iter().filter(|lost| exit::message(lost) != refusal.error.message).for_each(console::error);
    Exit::Usage
}

fn refusal(error: &anyhow::Error, command: Option<String>) -> Refusal {
    let mistakes = exit::cause::<Mistakes>(error);
    Refusal {
        schema: SCHEMA,
        command,
        exit_code: Exit::Usage.code(),
        error: ErrorReport { message: exit::message(error), hint: exit::hint(error).map(str::to_owned) },
        mistakes: mistakes.map(Mistakes::reports).unwrap_or_default(),
    }
}

fn print(refusal: &Refusal) {
    if let Err(error) = console::print(&json::document(refusal)) {
        console::error(&error);
    }
}

/// A command line that cannot be read, or asks for help.
fn unread(error: &clap::Error) -> Exit {
    // Nobody is left to be told when the output is closed.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Ok;
    }
    if wants_json(std::env::args_os().filter_map(|word| word.into_string().ok())) {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        print(&refusal(&anyhow!("{}", first.trim_start_matches("error: ")), None));
    }
    Exit::Usage
}

/// Whether the words ask for JSON, as far as that can be told of a line that is wrong.
fn wants_json(words: impl Iterator<Item = String>) -> bool {
    let words: Vec<String> = words.collect();
    let apart = words.windows(2).any(|pair| matches!(pair, [option, value] if option == "--format" && value == "json"));
    apart || words.iter().any(|word| word == "--format=json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_in_either_spelling() {
        let wants = |line: &str| wants_json(line.split(' ').map(str::to_owned));
        assert!(wants("fleetclock plan --format json --nonsense") && wants("fleetclock --format=json plan"));
        assert!(!wants("fleetclock plan --format human") && !wants("fleetclock plan json"));
    }

    #[test]
    fn the_verb_is_named_as_it_was_typed() {
        let of = |line: &str| typed(&Cli::command().try_get_matches_from(line.split(' ')).unwrap());
        assert_eq!(of("fleetclock plan").as_deref(), Some("plan"));
        assert_eq!(of("fleetclock inventory validate").as_deref(), Some("inventory validate"));
    }
}
