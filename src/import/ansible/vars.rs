//! The files of variables beside an inventory: `group_vars` and `host_vars`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::read::entries;
use super::{Inventory, Vars};
use crate::import::tree;
use crate::yaml::tree::{At, Kind};

const ENDINGS: &[&str] = &["yml", "yaml", "json"];

/// Reads the variables of each group and each host from the files that are named like it.
pub(super) fn beside(inventory: &mut Inventory, folder: &Path) -> Result<()> {
    let groups: Vec<String> = inventory.groups.keys().cloned().collect();
    for name in groups {
        let vars = of(inventory, &folder.join("group_vars"), &name)?;
        inventory.group(&name).beside = vars;
    }
    if !folder.join("host_vars").is_dir() {
        return Ok(());
    }
    for place in 0..inventory.hosts.len() {
        let Some(name) = inventory.hosts.get(place).map(|host| host.name.clone()) else { continue };
        let vars = of(inventory, &folder.join("host_vars"), &name)?;
        if let Some(host) = inventory.hosts.get_mut(place) {
            host.beside = vars;
        }
    }
    Ok(())
}

/// The variables of one name: of a folder all files, else of the first file there is.
fn of(inventory: &mut Inventory, folder: &Path, name: &str) -> Result<Vars> {
    let mut vars = Vars::new();
    if name.contains('/') || !folder.is_dir() {
        return Ok(vars);
    }
    let plain = folder.join(name);
    let named = ENDINGS.iter().map(|ending| folder.join(format!("{name}.{ending}")));
    let Some(first) = std::iter::once(plain).chain(named).find(|path| path.exists()) else { return Ok(vars) };
    let files = if first.is_dir() { below(&first)? } else { vec![first] };
    for path in files {
        vars.extend(file(inventory, &path)?);
    }
    Ok(vars)
}

/// The files of a folder and of the folders in it.
fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut list = Vec::new();
    for path in entries(folder)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned());
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        match ending {
            None if path.is_dir() => list.extend(below(&path)?),
            Some(ending) if !ENDINGS.contains(&ending.as_str()) => {}
            _ if path.is_file() => list.push(path),
            _ => {}
        }
    }
    Ok(list)
}

fn file(inventory: &mut Inventory, path: &Path) -> Result<Vars> {
    let name = path.display().to_string();
    let number = inventory.file(name.clone());
    let text = tree::text(path)?;
    let start = At { file: number, line: 0, column: 0 };
    if is_vault(&text) {
        let note = "is encrypted as a whole; its variables are not known here, and what names one of them is written as \
                    { env: NAME }";
        inventory.notes.say(start, note);
        return Ok(Vars::new());
    }
    let root = tree::parse(&text, number, &name).context("read variables")?;
    if !matches!(root.kind, Kind::Map(_) | Kind::Null) {
        inventory.notes.say(start, "holds no map of variables; left out");
    }
    Ok(root.pairs().iter().map(|(key, value)| (key.text.clone(), value.clone())).collect())
}

/// Whether a text is what ansible-vault has made.
pub(super) fn is_vault(text: &str) -> bool {
    text.trim_start().starts_with("$ANSIBLE_VAULT;")
}
