//! Inventories of others, each compared with what its own tool understands, and with what is made of it: `NAME.json`,
//! `NAME.yml`. A new case is a new line in `cases.txt`; `UPDATE=1 cargo test --test inventory` writes what comes out now.

use std::path::{Path, PathBuf};

use fleetclock::import::{Format, ansible, read};
use fleetclock::inventory;
use proptest::prelude::*;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

/// Name, path and masters of each case.
fn cases() -> Vec<[String; 3]> {
    let text = std::fs::read_to_string(root().join("ansible/cases.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let words = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    lines.map(|line| words(line).try_into().unwrap()).collect()
}

/// As text, without what only Python's kinds of values make different: numbers, truth values.
fn plain(value: &Value) -> String {
    match value {
        Value::Bool(value) => if *value { "yes" } else { "no" }.to_owned(),
        Value::String(text) if ["true", "True", "yes", "on"].contains(&text.as_str()) => "yes".to_owned(),
        Value::String(text) if ["false", "False", "no", "off"].contains(&text.as_str()) => "no".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The variables of a host that Ansible lets be compared: what was encrypted it has opened, and we have not.
fn variables(host: &Value) -> Vec<(String, String)> {
    let encrypted = ["ansible_become_password", "vault_"];
    let fields = host.as_object().unwrap().iter();
    let ours =
        fields.filter(|(name, _)| name.starts_with("ansible_") && !encrypted.iter().any(|word| name.contains(word)));
    ours.filter(|(name, _)| *name != "ansible_group_priority")
        .map(|(name, value)| (name.clone(), plain(value)))
        .collect()
}

#[test]
fn hosts_groups_and_connections_are_what_ansible_says_they_are() {
    for [name, path, _] in cases() {
        let ours =
            ansible::read(&root().join("ansible").join(path)).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let ours = ours.understood();
        let theirs = std::fs::read_to_string(root().join(format!("ansible/{name}.json"))).unwrap();
        let theirs: Value = serde_json::from_str(&theirs).unwrap();
        let groups = |of: &Value| -> Vec<(String, Value)> {
            let all = of["groups"].as_object().unwrap().clone().into_iter();
            all.filter(|(_, members)| !members.as_array().unwrap().is_empty()).collect()
        };
        assert_eq!(groups(&ours), groups(&theirs), "{name}");
        for (host, vars) in theirs["hosts"].as_object().unwrap() {
            // A file that is encrypted as a whole is read by nobody here.
            let mut theirs = variables(vars);
            theirs.retain(|(_, value)| value != "from-the-vault");
            assert_eq!(variables(&ours["hosts"][host]), theirs, "{name}: {host}");
        }
        assert_eq!(ours["hosts"].as_object().unwrap().len(), theirs["hosts"].as_object().unwrap().len(), "{name}");
    }
}

#[test]
fn what_is_made_of_them_loads_without_a_mistake() {
    let mut wrong = Vec::new();
    for [name, path, masters] in cases() {
        // As it is named, so that the places in the notes are the same everywhere.
        let source = read(Format::Ansible, &Path::new("tests/import/ansible").join(path)).unwrap();
        let imported = source.convert(&[masters], &[]).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let text = imported.text;
        for secret in SECRETS {
            assert!(!text.contains(secret), "{name}: {secret}");
        }
        if let Err(mistakes) = inventory::parse(Path::new(&format!("{name}.yml")), &text) {
            wrong.push(format!("{mistakes}\n{text}"));
        }
        let expected = root().join(format!("ansible/{name}.yml"));
        if super::updating() {
            std::fs::write(&expected, &text).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != text {
            wrong.push(format!("{name}.yml is now:\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

proptest! {
    #[test]
    fn nothing_that_is_read_makes_it_panic(
        text in "(\\PC|[\\[\\]{}:=,|'\"#!$ \n-]|[ab0-9.]|Host |ansible_host=|_meta|children|ntp_servers: ){0,60}",
        name in "hosts(\\.yml|\\.json)?",
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        for format in [Format::Ansible, Format::SshConfig, Format::Csv, Format::KnownHosts] {
            let made = read(format, &path).and_then(|source| source.convert(&["a".to_owned()], &[]));
            let _ = made.map(|made| inventory::parse(&path, &made.text));
        }
    }
}

/// All passwords that stand in the cases, in clear or encrypted.
const SECRETS: &[&str] =
    &["hunter2", "in-clear-text", "plain {{", "Sup3r", "Tr0ub4dor", "ANSIBLE_VAULT", "hashi_vault", "ten dollars"];
