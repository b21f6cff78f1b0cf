//! The JSON Schema of a playbook, made from the types: `schemas/playbook.json`.

use std::path::Path;

use boon::{Compiler, Schemas};
use schemars::Schema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{Playbook, StepFile};
use crate::assets::{self, Assets};

/// Exactly one kind of step.
pub(super) fn one_kind(schema: &mut Schema) {
    one_of(schema, &super::written::KINDS);
}

/// Exactly one type of value.
pub(super) fn one_type(schema: &mut Schema) {
    one_of(schema, &["sz", "dword", "multi_sz"]);
}

fn one_of(schema: &mut Schema, keys: &[&str]) {
    let each: Vec<Value> = keys.iter().map(|key| json!({ "required": [key] })).collect();
    schema.insert("oneOf".to_owned(), each.into());
}

fn schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Vec<StepFile>>();
    schema.insert("title".to_owned(), "A playbook of fleetclock".into());
    schema
}

#[test]
fn the_schema_is_that_of_the_types() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/playbook.json"), &text).unwrap();
    } else {
        assert!(assets::SCHEMA == text, "schemas/playbook.json: UPDATE=1 cargo test --lib playbook::schema");
    }
}

/// What is said of a playbook by the program, and by an editor.
fn said(text: &str) -> (Result<(), String>, Result<(), String>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("playbooks")).unwrap();
    std::fs::write(dir.path().join("playbooks/x.yml"), text).unwrap();
    let read = Playbook::load(&Assets::new(Some(dir.path().to_owned())).unwrap(), "x.yml").map(drop);
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    compiler.add_resource("https://fleetclock.invalid/playbook", schema().to_value()).unwrap();
    let index = compiler.compile("https://fleetclock.invalid/playbook", &mut schemas).unwrap();
    let value: Value = serde_yaml::from_str(text).unwrap();
    let edited = schemas.validate(&value, index).map_err(|error| format!("{error:#}"));
    (read.map_err(|error| format!("{error:#}")), edited)
}

#[test]
fn an_editor_accepts_what_is_read_and_complains_of_the_rest() {
    for (name, text) in assets::EMBEDDED.iter().filter(|(name, _)| name.starts_with("playbooks/")) {
        assert_eq!(said(text), (Ok(()), Ok(())), "{name}");
    }
    let file = "file: { path: /etc/x, template: chrony.conf.j2";
    for (step, good) in [
        ("package: { name: chrony }".to_owned(), true),
        ("package: { name: chrony }\n  id: a\n  when: ntp.isolated".to_owned(), true),
        (format!("{file}, parents: true, mode: '0600', language: ntp }}"), true),
        (format!("{file}, parents: '0750' }}"), true),
        ("registry: { key: HKLM\\x, values: { A: { dword: '1' }, B: { multi_sz: [a, b] } } }".to_owned(), true),
        ("command: { check: 'true', run: 'true', undo: 'true' }".to_owned(), true),
        ("id: a".to_owned(), false),
        ("package: { name: chrony }\n  competing: { keep: chrony }".to_owned(), false),
        ("package: { name: chrony, version: '4' }".to_owned(), false),
        ("packages: { name: chrony }".to_owned(), false),
        (format!("{file}, mode: 'rw' }}"), false),
        (format!("{file}, parents: '8' }}"), false),
        (format!("{file}, language: json }}"), false),
        ("service: { name: chrony, running: maybe, enabled: true }".to_owned(), false),
        ("service: { name: chrony, running: true }".to_owned(), false),
        ("firewall: { port: 123/udp }".to_owned(), false),
    ] {
        let (read, edited) = said(&format!("- name: x\n  {step}\n"));
        assert_eq!((read.is_ok(), edited.is_ok()), (good, good), "{step}: {read:?} {edited:?}");
    }
}
