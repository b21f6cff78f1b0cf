//! Hosts of an ssh_config. How they are reached stays there, where it is read at each connection; only the
//! addresses at which others ask them are taken over.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

use super::fleet::{Fleet, Host};
use super::tree;
use super::words::{is_address, is_name, split};
use crate::exit::Hint as _;
use crate::yaml::out::Out;
use crate::yaml::tree::At;

/// How deep files may include others.
const DEEPEST: usize = 16;

/// Reads the file and those that it includes.
pub(super) fn read(path: &Path) -> Result<Fleet> {
    let mut fleet = Fleet::default();
    let mut blocks = Blocks::default();
    file(path, &mut fleet, &mut blocks, 0)?;
    for host in blocks.hosts {
        if host.git {
            fleet.notes.say(host.at, format!("`{}` left out: its user is `git`", host.name));
        } else {
            fleet.hosts.push(made(host));
        }
    }
    if fleet.hosts.is_empty() {
        let error = anyhow!("`{}` has no `Host` with a name of its own", path.display());
        return Err(error).hint("patterns (`Host *`) are no hosts; a table with names is read with `--from csv FILE`");
    }
    let usual = std::env::home_dir().is_some_and(|home| home.join(".ssh/config") == path);
    if !usual {
        let config = std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
        fleet.hosts.iter_mut().for_each(|host| host.set("ssh", "config", Out::text(&config)));
    }
    Ok(fleet)
}

fn made(block: Block) -> Host {
    let mut host = Host { name: block.name, ..Host::default() };
    if let Some(address) = block.address.filter(|address| *address != host.name) {
        host.set("", "time_address", Out::text(address));
    }
    host
}

#[derive(Default)]
struct Blocks {
    hosts: Vec<Block>,
    /// The hosts that the lines are about.
    open: Vec<usize>,
}

struct Block {
    name: String,
    at: At,
    address: Option<String>,
    git: bool,
}

fn file(path: &Path, fleet: &mut Fleet, blocks: &mut Blocks, depth: usize) -> Result<()> {
    let text = tree::text(path)?;
    let number = u32::try_from(fleet.files.len()).unwrap_or(u32::MAX);
    fleet.files.push(path.display().to_string());
    for (index, line) in text.lines().enumerate() {
        let at = At { file: number, line: index as u64 + 1, column: 1 };
        let line = line.trim();
        let (word, rest) = line.split_once([' ', '\t', '=']).unwrap_or((line, ""));
        let words = split(rest.trim_start_matches([' ', '\t', '=']), false).unwrap_or_default();
        match word.to_lowercase().as_str() {
            "host" => open(&words, at, fleet, blocks),
            "match" => blocks.open.clear(),
            "hostname" => each(blocks, |host| host.address = host.address.take().or_else(|| name(&words, &host.name))),
            "user" => each(blocks, |host| host.git |= words.first().is_some_and(|user| user == "git")),
            "include" if depth < DEEPEST => {
                for path in words.iter().flat_map(|pattern| included(pattern)) {
                    let before = blocks.open.clone();
                    file(&path, fleet, blocks, depth + 1)?;
                    blocks.open = before;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn open(words: &[String], at: At, fleet: &mut Fleet, blocks: &mut Blocks) {
    blocks.open.clear();
    for word in words.iter().filter(|word| !word.contains(['*', '?', '!'])) {
        if !is_name(word) || !is_address(word) {
            fleet.notes.say(at, format!("`{word}` cannot be the name of a host here; left out"));
            continue;
        }
        let place = blocks.hosts.iter().position(|host| host.name == *word).unwrap_or_else(|| {
            blocks.hosts.push(Block { name: word.clone(), at, address: None, git: false });
            blocks.hosts.len() - 1
        });
        blocks.open.push(place);
    }
}

fn each(blocks: &mut Blocks, mut change: impl FnMut(&mut Block)) {
    for place in &blocks.open {
        if let Some(host) = blocks.hosts.get_mut(*place) {
            change(host);
        }
    }
}

/// The value of `HostName`; `%h` is the name itself.
fn name(words: &[String], host: &str) -> Option<String> {
    words.first().map(|word| word.replace("%h", host)).filter(|word| is_address(word))
}

/// The files of `Include`: relative to `~/.ssh`, the last part may be a pattern.
fn included(pattern: &str) -> Vec<PathBuf> {
    let home = std::env::home_dir().unwrap_or_default();
    let path = match pattern.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => home.join(".ssh").join(pattern),
    };
    let (Some(folder), Some(last)) = (path.parent(), path.file_name().map(|name| name.to_string_lossy().into_owned()))
    else {
        return Vec::new();
    };
    if !last.contains(['*', '?']) {
        return if path.is_file() { vec![path] } else { Vec::new() };
    }
    let fits = wildmatch::WildMatch::new(&last);
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && path.file_name().is_some_and(|name| fits.matches(&name.to_string_lossy())))
        .collect();
    found.sort();
    found
}
