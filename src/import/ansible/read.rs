//! Which files an inventory is made of, and how each is read.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};

use super::{Inventory, ini, order, vars, yaml};
use crate::exit::Hint as _;
use crate::import::tree;
use crate::yaml::tree::{At, Kind, Node};

/// Reads a file or a folder.
///
/// # Errors
/// A file that Ansible would not read either; what it is, and where.
pub fn read(path: &Path) -> Result<Inventory> {
    let mut inventory = Inventory::default();
    source(&mut inventory, path)?;
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    order::complete(&mut inventory)?;
    vars::beside(&mut inventory, folder)?;
    if inventory.hosts.is_empty() {
        return Err(anyhow!("`{}` names no host", path.display())).hint(WAY_OUT);
    }
    Ok(inventory)
}

/// Reads what `ansible-inventory --list` or a program in its place has printed; `name` is for messages.
///
/// # Errors
/// It is not in the form that Ansible takes from a program.
pub fn list(text: &str, name: &str) -> Result<Inventory> {
    let mut inventory = Inventory::default();
    let file = inventory.file(name.to_owned());
    let root = tree::parse(text, file, name)?;
    yaml::list(&mut inventory, &root).with_context(|| name.to_owned())?;
    order::complete(&mut inventory)?;
    Ok(inventory)
}

const WAY_OUT: &str = "`ansible-inventory -i PATH --list >all.json` prints what Ansible makes of it, also of programs \
    and plugins; give that file";

/// What Ansible passes over in a folder.
const ENDINGS: &[&str] =
    &[".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry"];
const NAMES: &[&str] = &["host_vars", "group_vars", "vars_plugins"];

fn source(inventory: &mut Inventory, path: &Path) -> Result<()> {
    if !path.is_dir() {
        return file(inventory, path);
    }
    for entry in entries(path)? {
        let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let passed = name.starts_with('.') || NAMES.contains(&name.as_str());
        if !passed && !ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            source(inventory, &entry)?;
        }
    }
    Ok(())
}

/// What is in a folder, by name.
pub(super) fn entries(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let list = || -> std::io::Result<Vec<std::path::PathBuf>> {
        let mut list =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        list.sort();
        Ok(list)
    };
    list().with_context(|| format!("read `{}`", folder.display()))
}

fn file(inventory: &mut Inventory, path: &Path) -> Result<()> {
    let name = path.display().to_string();
    let number = inventory.file(name.clone());
    let start = At { file: number, line: 0, column: 0 };
    let text = tree::text(path)?;
    if is_program(path, &text) {
        inventory.notes.say(start, format!("a program, which was not run: {WAY_OUT}"));
        return Ok(());
    }
    if super::vars::is_vault(&text) {
        inventory.notes.say(start, "is encrypted as a whole; its hosts are not known here");
        return Ok(());
    }
    let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
    let may_be_yaml = ["", "yml", "yaml", "json"].contains(&ending.as_str());
    match may_be_yaml.then(|| tree::parse(&text, number, &name)) {
        Some(Ok(root @ Node { kind: Kind::Map(_), .. })) => tree_of(inventory, &root, start).with_context(|| name),
        Some(Err(error)) if !ending.is_empty() && !text.trim_start().starts_with('[') => Err(error),
        Some(Ok(Node { kind: Kind::Null, .. })) => Ok(()),
        _ => ini::read(inventory, &text, number, &name),
    }
}

fn tree_of(inventory: &mut Inventory, root: &Node, start: At) -> Result<()> {
    if let Some(plugin) = root.get("plugin").and_then(Node::scalar) {
        inventory.notes.say(start, format!("is for the plugin `{plugin}`, which was not run: {WAY_OUT}"));
        return Ok(());
    }
    if yaml::is_list(root) { yaml::list(inventory, root) } else { yaml::read(inventory, root) }
}

fn is_program(path: &Path, text: &str) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = path.metadata().map(|about| about.permissions().mode()).unwrap_or_default();
    mode & 0o111 != 0 && text.starts_with("#!")
}
