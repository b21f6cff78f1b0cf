//! Inventories in Ansible's INI.

use anyhow::{Context as _, Result, anyhow};

use super::literal::literal;
use super::{Inventory, Vars};
use crate::import::words::split;
use crate::yaml::tree::{At, Kind, Node};

/// What the lines of a section are.
#[derive(Clone, Copy, PartialEq)]
enum Section {
    Hosts,
    Children,
    Vars,
}

/// Reads the text of a file into the inventory.
pub(super) fn read(inventory: &mut Inventory, text: &str, file: u32, name: &str) -> Result<()> {
    let (mut group, mut section) = ("ungrouped".to_owned(), Section::Hosts);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let at = At { file, line: number as u64 + 1, column: 1 };
        let place = || format!("{name}:{}", at.line);
        match header(line) {
            Some((new, kind)) => {
                (group, section) = (new.to_owned(), of(kind).with_context(place)?);
                inventory.group(&group);
            }
            None => entry(inventory, &group, section, line, at).with_context(place)?,
        }
    }
    Ok(())
}

/// `[name]` or `[name:kind]`, with a comment perhaps.
fn header(line: &str) -> Option<(&str, &str)> {
    let (inner, rest) = line.strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim_start();
    let (name, kind) = inner.split_once(':').unwrap_or((inner, "hosts"));
    let word = kind.chars().all(|c| c.is_alphanumeric() || c == '_');
    let whole = !name.is_empty() && word && !inner.contains(char::is_whitespace);
    // `[fd00::1]:22` is a host.
    (whole && (rest.is_empty() || rest.starts_with('#'))).then_some((name, kind))
}

fn of(kind: &str) -> Result<Section> {
    match kind {
        "hosts" => Ok(Section::Hosts),
        "children" => Ok(Section::Children),
        "vars" => Ok(Section::Vars),
        other => Err(anyhow!("a section is `[group]`, `[group:children]` or `[group:vars]`, and not `:{other}`")),
    }
}

fn entry(inventory: &mut Inventory, group: &str, section: Section, line: &str, at: At) -> Result<()> {
    match section {
        Section::Children => {
            let child = line.split(['#', ' ', '\t']).next().unwrap_or_default();
            inventory.child(group, child)
        }
        Section::Vars => {
            let (name, value) = line.split_once('=').context("`name = value` is needed in a `:vars` section")?;
            inventory.set_in_group(group, name.trim(), value_of(value.trim(), at));
            Ok(())
        }
        Section::Hosts => {
            // The line may hold a password, so it is not shown.
            let words = split(line, true).context("a quotation mark is not closed")?;
            let Some((pattern, words)) = words.split_first() else { return Ok(()) };
            let mut vars = Vars::new();
            for word in words {
                let (name, value) = word.split_once('=').context("`name=value` is needed behind the name of a host")?;
                vars.insert(name.to_owned(), value_of(value, at));
            }
            let vars: Vec<(String, Node)> = vars.into_iter().collect();
            inventory.add(pattern, group, at, &vars).map(drop)
        }
    }
}

/// What Python would read, else the text as it is.
fn value_of(text: &str, at: At) -> Node {
    literal(text, at).unwrap_or_else(|| Node { at, kind: Kind::Text(text.to_owned()) })
}
