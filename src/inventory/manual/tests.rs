//! The manual, the schema and the defaults are those of the rows. With `UPDATE=1` the tests write the tables of the
//! manual and `schemas/inventory.json`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use super::*;
use crate::inventory::parse;
use crate::model::MistakeCode;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn updating() -> bool {
    std::env::var_os("UPDATE").is_some()
}

/// A table of the manual; only settings of several levels have a rule for merging.
fn table(part: &str, keys: &[KeyWords]) -> String {
    let merged = matches!(part, "settings" | "host");
    let (head, line) = if merged { (" merge |", " --- |") } else { ("", "") };
    let mut text = format!("| key | type | default |{head} meaning |\n| --- | --- | --- |{line} --- |\n");
    for KeyWords { key, kind, default, merge, meaning, .. } in keys {
        let key = key.rsplit('.').next().unwrap();
        let rule = if merged { format!(" {merge} |") } else { String::new() };
        writeln!(text, "| `{key}` | {kind} | {default} |{rule} {meaning} |").unwrap();
    }
    text
}

#[test]
fn the_manual_shows_the_rows() {
    for keys in keys().chunk_by(|one, next| one.part == next.part) {
        let part = keys[0].part;
        let page = if part == "winrm" { "windows" } else { "inventory" };
        let path = root().join(format!("docs/{page}.md"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (begin, end) = (format!("<!-- keys: {part} -->\n"), "<!-- end -->");
        let (head, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("docs/{page}.md has no `{begin}`"));
        let (shown, tail) = rest.split_once(end).unwrap();
        let table = table(part, keys);
        if updating() {
            std::fs::write(&path, format!("{head}{begin}{table}{end}{tail}")).unwrap();
        } else {
            assert_eq!(shown, table, "UPDATE=1 cargo test --lib inventory::manual writes docs/{page}.md");
        }
    }
}

#[test]
fn the_schema_is_that_of_the_rows() {
    let path = root().join("schemas/inventory.json");
    let text = crate::inventory::schema() + "\n";
    if updating() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "schemas/inventory.json: UPDATE=1 cargo test --lib inventory::manual");
}

struct Judge(Schemas, SchemaIndex);

impl Judge {
    fn new() -> Self {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.add_resource("https://fleetclock.invalid/inventory", crate::inventory::schema::inventory()).unwrap();
        let index = compiler.compile("https://fleetclock.invalid/inventory", &mut schemas).unwrap();
        Judge(schemas, index)
    }

    /// What an editor would say of a text.
    fn says(&self, text: &str) -> Result<(), String> {
        let value: Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        self.0.validate(&value, self.1).map_err(|error| format!("{error:#}"))
    }
}

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let all = std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let yaml = all.filter(|path| path.extension().is_some_and(|end| end == "yml"));
    yaml.filter_map(|path| Some((path.clone(), std::fs::read_to_string(&path).ok()?))).collect()
}

#[test]
fn the_schema_takes_what_is_right_and_refuses_what_is_unknown_or_of_another_type() {
    let judge = Judge::new();
    for (path, text) in files("examples") {
        judge.says(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let (mut unknown, mut number) = (0, 0);
    for (path, text) in files("tests/inventory/bad") {
        let Err(mistakes) = parse(&path, &text) else { continue };
        let has = |code| mistakes.list.iter().any(|mistake| mistake.code == code);
        if has(MistakeCode::UnknownSetting) || has(MistakeCode::WrongType) {
            assert!(judge.says(&text).is_err(), "{}", path.display());
            number += 1;
            unknown += usize::from(has(MistakeCode::UnknownSetting));
        }
    }
    assert!(unknown > 1 && number > unknown, "{unknown} of {number}");
}

/// The value at the beginning of a default, where it begins with one.
fn literal(default: &str) -> Option<&str> {
    default.strip_prefix('`')?.split('`').next()
}

/// Hosts with a setting of theirs, each written as `{key}: {value}` into this text.
fn defaults<S: 'static>(table: Table<S>, around: &str) -> usize {
    let shown = |text: &str| -> String {
        let fleet = parse(Path::new("t.yml"), text).unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}"));
        serde_json::to_string(&fleet.hosts).unwrap() + &serde_json::to_string(&fleet.rollout).unwrap()
    };
    let silent = shown(&around.replace("SETTING", ""));
    let said = rows(table).filter_map(|row| Some((row.key, literal(row.default)?)));
    let texts: Vec<String> = said.map(|(key, value)| around.replace("SETTING", &format!("{key}: {value}"))).collect();
    texts.iter().for_each(|text| assert_eq!(shown(text), silent, "{text}"));
    let judge = Judge::new();
    texts.iter().for_each(|text| judge.says(text).unwrap_or_else(|error| panic!("{text}\n{error}")));
    texts.len()
}

#[test]
fn a_default_that_is_said_changes_nothing() {
    let host = |more: &str| format!("hosts: {{ h: {{ address: 10.0.0.1, role: slave, {more} }} }}");
    let source = "upstream: [{ address: 10.0.0.9, SETTING }]";
    let (upstream, winrm) = ("upstream: [10.0.0.9]", "winrm: { password: ask, SETTING }");
    let master = "hosts: { h: { address: 10.0.0.1, role: master, isolated: { SETTING } } }";
    let held = [
        defaults(HOST, &host(&format!("{upstream}, SETTING"))),
        defaults(LIMITS, &host(&format!("{upstream}, limits: {{ SETTING }}"))),
        defaults(SSH, &host(&format!("{upstream}, ssh: {{ SETTING }}"))),
        defaults(WINRM, &host(&format!("{upstream}, {winrm}"))),
        defaults(STEPS, &host(&format!("{upstream}, step: {{ SETTING }}"))),
        defaults(UPSTREAM, &host(source)),
        defaults(ISOLATED, master),
        defaults(ROLLOUT, &format!("{}\nrollout: {{ SETTING }}", host(upstream))),
    ];
    assert!(held.iter().all(|held| *held > 0), "{held:?}");
}
