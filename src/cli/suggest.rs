//! What a shell offers while a command line is typed, beside verbs and options: the names of hosts, groups,
//! runs and assets. It says nothing where it knows nothing: a mistake in the inventory is no answer to a Tab.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::CompleteEnv;

use super::Cli;
use crate::assets::Assets;
use crate::history::History;
use crate::inventory::manual::keys;

/// Set by the shell's function that asks for suggestions, to the name of the shell.
pub(super) const ASKED: &str = "FLEETCLOCK_COMPLETE";

/// What `--limit` knows besides names.
const LISTS: [&str; 2] = ["@last-drifted", "@last-failed"];

/// Answers a shell that asks what could come next, and ends the program; returns where none asks.
pub fn answer_shell() {
    CompleteEnv::with_factory(Cli::command).var(ASKED).complete();
}

/// Patterns of hosts, comma separated.
pub(super) fn pattern() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| last_part(current, &patterns()))
}

/// Names of runs.
pub(super) fn run() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| beginning(current, &runs()))
}

/// Names of runs, or patterns of hosts.
pub(super) fn run_or_pattern() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let mut all = beginning(current, &runs());
        all.extend(last_part(current, &patterns()));
        all
    })
}

/// Names of assets.
pub(super) fn asset() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| beginning(current, &assets("")))
}

/// Keys of the inventory.
pub(super) fn key() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        beginning(current, &keys().into_iter().map(|words| words.key).collect::<Vec<_>>())
    })
}

/// Names of templates, without their folder.
pub(super) fn template() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| beginning(current, &assets("templates/")))
}

/// The names that begin as what was typed.
fn beginning(current: &OsStr, names: &[String]) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    names.iter().filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

/// The same for the last part of a pattern; what stands before it stays.
fn last_part(current: &OsStr, names: &[String]) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let start = typed.rfind(',').map_or(0, |at| at + 1);
    let start = start + typed.get(start..).map_or(0, |part| part.len() - part.trim_start_matches(['!', '&']).len());
    let (before, part) = typed.split_at(start);
    let fitting = names.iter().filter(|name| name.starts_with(part));
    fitting.map(|name| CompletionCandidate::new(format!("{before}{name}"))).collect()
}

fn patterns() -> Vec<String> {
    let inventory = inventory();
    // A program may take a minute, and asks whom it likes: not for a Tab.
    let known = (!crate::inventory::is_program(&inventory)).then(|| crate::inventory::load(&inventory).ok()).flatten();
    let Some(fleet) = known else { return Vec::new() };
    let hosts = fleet.hosts.into_iter().map(|host| host.name);
    let names: BTreeSet<String> = hosts.chain(fleet.groups.into_keys()).collect();
    names.into_iter().chain(LISTS.map(str::to_owned)).collect()
}

/// The newest first.
fn runs() -> Vec<String> {
    let names = History::open().and_then(|history| history.names()).unwrap_or_default();
    names.into_iter().rev().collect()
}

fn assets(folder: &str) -> Vec<String> {
    let list = Assets::new(typed("assets")).map(|assets| assets.list()).unwrap_or_default();
    list.iter().filter_map(|(name, _)| Some(name.strip_prefix(folder)?.to_owned())).collect()
}

/// The inventory of the line that is being typed.
fn inventory() -> PathBuf {
    typed("inventory").unwrap_or_else(|| PathBuf::from("fleet.yml"))
}

/// The path that an option has in the line that is being typed, as far as that can be read, or from elsewhere. The
/// line follows `--` in the call by the shell.
fn typed(option: &str) -> Option<PathBuf> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let read = Cli::command().ignore_errors(true).try_get_matches_from(words).ok()?;
    read.try_get_one::<PathBuf>(option).ok()?.cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(candidates: &[CompletionCandidate]) -> Vec<String> {
        candidates.iter().map(|candidate| candidate.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_last_part_of_a_pattern_is_completed() {
        let names = ["db".to_owned(), "web1".into(), "web2".into(), "서버".into()];
        let of = |typed: &str| values(&last_part(OsStr::new(typed), &names));
        assert_eq!(of("w"), ["web1", "web2"]);
        assert_eq!(of("db,!w"), ["db,!web1", "db,!web2"]);
        assert_eq!(of("&서"), ["&서버"]);
        assert_eq!(of("x").len() + of("web1,x").len(), 0);
        assert_eq!(of("db,").len(), 4);
    }
}
