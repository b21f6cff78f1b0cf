//! Every language is complete where a reader would notice: whatever diagnosis, verdicts, connections and the inventory
//! say, as far as the data of the other tests and the source show it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::model::Outcome;

/// Rooms of `src` whose every sentence needs an entry of its own, but for those in `tests/lang/parts.txt`.
const ROOMS: &[&str] = &["calendar", "input.rs", "inventory", "transport", "yaml.rs"];

/// Words that no command has, and no sentence is without.
const ENGLISH_WORDS: &[&str] =
    &["the", "is", "are", "was", "which", "that", "its", "has", "and", "it", "of", "with", "does", "cannot"];

fn others() -> impl Iterator<Item = Lang> {
    codes().filter_map(Lang::of).filter(|lang| *lang != Lang::ENGLISH)
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn texts(name: &str, ending: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == ending)).collect();
    files.sort();
    files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// What is left in English of a text, outside of quotations.
fn english(text: &str) -> Vec<&str> {
    let outside = text.split('`').step_by(2);
    let words = outside.flat_map(|part| part.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_' && c != '/'));
    words.filter(|word| ENGLISH_WORDS.contains(word)).collect()
}

/// Fails with all texts that a language has no entry for, or has only a part of.
#[track_caller]
fn all_known(texts: &BTreeSet<String>) {
    assert!(texts.len() > 20, "{}", texts.len());
    let mut wrong = Vec::new();
    for lang in others() {
        for text in texts {
            let said = speaking(lang, || say(text).into_owned());
            if !knows(lang, text) {
                wrong.push(format!("po/{}.po has no entry for: {text}", lang.code()));
            } else if !english(&said).is_empty() {
                wrong.push(format!("po/{}.po leaves {:?} of: {text}\n  {said}", lang.code(), english(&said)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_entry_is_wrong() {
    for lang in others() {
        assert_eq!(mistakes(lang), Vec::<String>::new(), "po/{}.po", lang.code());
        assert!(entries(lang).len() > 500);
    }
    assert!(others().any(|lang| lang.code() == "ko"));
}

#[test]
fn what_is_found_is_said_with_its_cause_and_its_fix() {
    let mut all = BTreeSet::new();
    for text in texts("tests/doctor", "json") {
        let hosts: Value = serde_json::from_str(&text).unwrap();
        for finding in hosts.as_object().unwrap().values().flat_map(|all| all.as_array().unwrap()) {
            let parts = ["title", "cause", "fix"].map(|part| finding[part].as_str().unwrap());
            let excluded = finding["excluded"].as_array().unwrap().iter().map(|what| what.as_str().unwrap());
            all.extend(parts.into_iter().chain(excluded).map(str::to_owned));
        }
    }
    let titles: BTreeSet<&str> = crate::doctor::rules::all().map(|rule| rule.title).collect();
    assert!(titles.iter().all(|title| all.contains(*title)), "a rule without a case");
    all_known(&all);
}

#[test]
fn every_verdict_is_said() {
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let lines = texts("tests/verdict", "txt").into_iter().flat_map(lines);
    let said = |line: String| line.strip_prefix("= ").or(line.strip_prefix("! ")).map(str::to_owned);
    all_known(&lines.filter_map(said).filter(|line| line != "ok").collect());
}

#[test]
fn every_mistake_of_an_inventory_is_said() {
    let errors = texts("tests/inventory/bad", "err");
    // What begins with a bar shows the line of the file.
    let is_shown = |line: &&str| !line.trim_start().starts_with('|') && !line.contains(" | ");
    all_known(&errors.iter().flat_map(|text| text.lines()).filter(is_shown).map(str::to_owned).collect());
}

#[test]
fn every_outcome_of_a_question_is_said() {
    for lang in others() {
        for word in Outcome::words().filter(|word| *word != "ok") {
            assert!(knows(lang, word), "po/{}.po has no entry for: {word}", lang.code());
        }
    }
}

/// A literal of the source, with something in the place of what is filled in.
fn filled(literal: &str, with: &str) -> String {
    let (mut text, mut rest) = (String::new(), literal);
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('{') {
            text.push('{');
            rest = after;
        } else {
            text.push_str(with);
            rest = after.split_once('}').map_or("", |(_, after)| after);
        }
    }
    text.push_str(rest);
    text.replace("}}", "}")
}

/// The literals of a file that read like sentences, without its tests.
fn sentences(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut all = Vec::new();
    let mut rest = code;
    while let Some(at) = rest.find(['"', '/', '\'', 'r']) {
        let here = rest.get(at..).unwrap_or_default();
        if let Some(comment) = here.strip_prefix("//") {
            rest = comment.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(raw) = here.strip_prefix("r#\"") {
            rest = raw.split_once("\"#").map_or("", |(_, rest)| rest);
        } else if let Some(quoted) = here.strip_prefix('"') {
            let end = end_of_literal(quoted);
            all.extend(quoted.get(..end).map(unescaped));
            rest = quoted.get(end + 1..).unwrap_or_default();
        } else {
            let skipped = ["'\"'", "'\\''", "'\\\"'"].iter().find(|it| here.starts_with(**it)).map_or(1, |it| it.len());
            rest = here.get(skipped..).unwrap_or_default();
        }
    }
    all.retain(|text| reads_like_a_sentence(text));
    all
}

fn end_of_literal(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn unescaped(literal: &str) -> String {
    let mut lines = literal.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let joined = lines.fold(first, |text, line| text + line.trim_start());
    joined.replace("\\\"", "\"").replace("\\\\", "\\")
}

fn reads_like_a_sentence(text: &str) -> bool {
    let outside: String = text.split('`').step_by(2).collect();
    let is_word = |word: &&str| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase());
    let words = outside.split([' ', ',', ';', ':']).filter(is_word).count();
    words >= 3 && !text.contains("\\n") && !text.contains("2>")
}

fn sources(path: &Path, all: &mut Vec<PathBuf>) {
    if path.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| sources(&entry.unwrap().path(), all));
    } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
        all.push(path.to_owned());
    }
}

#[test]
fn whatever_the_source_says_of_hosts_and_inventories_has_an_entry() {
    let parts = std::fs::read_to_string(folder("tests/lang/parts.txt")).unwrap();
    let mut parts: BTreeSet<&str> = parts.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    ROOMS.iter().for_each(|room| sources(&folder("src").join(room), &mut files));
    let all: BTreeSet<String> =
        files.iter().flat_map(|path| sentences(&std::fs::read_to_string(path).unwrap())).collect();
    assert!(all.len() > 200);
    for text in &all {
        if parts.remove(text.as_str()) {
            continue;
        }
        for lang in others() {
            // Braces may be those of YAML as well.
            let samples = [text.clone(), filled(text, "7"), filled(text, "text")];
            if !samples.iter().any(|sample| knows(lang, sample.trim())) {
                wrong.push(format!("po/{}.po has no entry for: {text}", lang.code()));
            }
        }
    }
    wrong.extend(parts.iter().map(|part| format!("tests/lang/parts.txt: nobody says this any more: {part}")));
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
