//! What an inventory is read from: a file, a folder of files, what a program prints; and the files of single hosts and
//! groups beside it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::combine::{Level, combine};
use super::node::{self, At, Key, Kind, Mistake, Mistakes, Node, did_you_mean};
use super::program;
use super::read::MOST_HOSTS;
use crate::import::ansible;
use crate::model::MistakeCode;
use crate::text::number::count;
use crate::text::range;

/// A tree, and the files that its places are in.
pub(super) struct Files {
    pub(super) root: Node,
    pub(super) names: Vec<String>,
    /// The folder at which relative paths begin.
    pub(super) folder: PathBuf,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<String>,
}

/// Reads all that belongs to the inventory at this path.
pub(super) fn read(path: &Path) -> Result<Files, Mistakes> {
    let folder = if path.is_dir() { path } else { super::load::folder(path) };
    let mut files = Files {
        root: Node { at: At::default(), kind: Kind::Null },
        names: Vec::new(),
        folder: folder.to_owned(),
        mistakes: Vec::new(),
        warnings: Vec::new(),
    };
    if path.is_dir() {
        files.all_of(path)?;
    } else if program::is_one(path) {
        files.printed(path)?;
    } else {
        files.root = files.file(path)?;
    }
    files.beside()?;
    files.said_of_a_host_twice();
    Ok(files)
}

impl Files {
    /// Reads one more file.
    fn file(&mut self, path: &Path) -> Result<Node, Mistakes> {
        let mut root = node::read(path)?;
        root.stands_in(self.add(path.display().to_string()));
        Ok(root)
    }

    fn add(&mut self, name: String) -> u32 {
        self.names.push(name);
        u32::try_from(self.names.len() - 1).unwrap_or(u32::MAX)
    }

    /// A folder is all its files, in the order of their names.
    fn all_of(&mut self, folder: &Path) -> Result<(), Mistakes> {
        let list = listed(folder)?;
        if list.is_empty() {
            let text = "the folder has no file `*.yml`; an inventory is one, or several".to_owned();
            return Err(Mistakes::one(folder, At::default(), MistakeCode::Unreadable, text));
        }
        let files = list.iter().map(|path| self.file(path)).collect::<Result<Vec<_>, _>>()?;
        self.combine(files, Level::Root);
        Ok(())
    }

    /// What a program prints is our YAML or JSON, or a list as Ansible takes it.
    fn printed(&mut self, path: &Path) -> Result<(), Mistakes> {
        let wrong = |at: At, code, text: String| Mistakes::one(path, at, code, text);
        let printed = program::printed(path).map_err(|why| {
            wrong(At::default(), MistakeCode::Unreadable, format!("read the inventory from the program: {why}"))
        })?;
        if !printed.errors.is_empty() {
            self.warnings.push(format!("the program said: {}", printed.errors));
        }
        let shown = path.display().to_string();
        let mut root = node::parse(&printed.text)
            .map_err(|(at, why)| wrong(at, MistakeCode::Syntax, format!("what the program printed: {why}")))?;
        if ansible::is_list(&root) {
            let made = ansible::list(&printed.text, &shown).and_then(|list| ansible::convert(list, &[], &[]));
            let made = made.map_err(|error| {
                let why = crate::exit::message(&error);
                wrong(At::default(), MistakeCode::Missing, format!("what the program printed: {why}; {NAME_MASTERS}"))
            })?;
            if !made.notes.is_empty() {
                let notes = count(made.notes.len(), "thing");
                self.warnings.push(format!("{notes} of what the program printed could not be taken over as it was; `init --from ansible` of the same list names them"));
            }
            root = node::parse(&made.text).map_err(|(at, why)| wrong(at, MistakeCode::Syntax, why))?;
            self.add(format!("{shown} (put into our words)"));
        } else {
            self.add(shown);
        }
        self.root = root;
        Ok(())
    }

    fn combine(&mut self, trees: Vec<Node>, level: Level) {
        let parts = trees.into_iter().map(|tree| (tree.at, tree)).collect();
        self.root = combine(parts, level, "", &self.names, &mut self.mistakes);
    }

    /// `hosts/NAME.yml` are settings of the host NAME, `groups/NAME.yml` those of a group, as they would stand there.
    fn beside(&mut self) -> Result<(), Mistakes> {
        let mut trees = self.own_files("groups")?;
        trees.extend(self.own_files("hosts")?);
        if !trees.is_empty() {
            let inventory = std::mem::replace(&mut self.root, Node { at: At::default(), kind: Kind::Null });
            trees.insert(0, inventory);
            self.combine(trees, Level::Beside);
        }
        Ok(())
    }

    /// The files of single groups or hosts, each as an inventory that says no more.
    fn own_files(&mut self, kind: &str) -> Result<Vec<Node>, Mistakes> {
        let folder = self.folder.join(kind);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let known = self.known(kind);
        let mut own = Vec::new();
        for path in listed(&folder)? {
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let node = self.file(&path)?;
            let at = At { file: node.at.file, line: 1, column: 1 };
            if known.contains(&name) {
                let of =
                    |text: &str, node| Node { at, kind: Kind::Map(vec![(Key { at, text: text.to_owned() }, node)]) };
                own.push(of(kind, of(&name, node)));
            } else {
                let (one, hint) = (kind.trim_end_matches('s'), did_you_mean(&name, known.iter().map(String::as_str)));
                let text = format!("the inventory has no {one} `{name}`, whose settings this file would be{hint}");
                self.mistakes.push(Mistake { at, code: MistakeCode::UnknownName, text });
            }
        }
        Ok(own)
    }

    /// The names of all groups, or of all hosts with those that ranges stand for.
    fn known(&self, kind: &str) -> HashSet<String> {
        let groups = self.root.get("groups").map(Node::pairs).unwrap_or_default();
        if kind == "groups" {
            return groups.iter().map(|(key, _)| key.text.clone()).collect();
        }
        let all = self.places_of_hosts().flat_map(|node| match &node.kind {
            Kind::List(list) => list.iter().filter_map(Node::scalar).collect::<Vec<_>>(),
            _ => node.pairs().iter().map(|(key, _)| key.text.clone()).collect(),
        });
        // What more would be is refused when they are read.
        all.flat_map(|name| range::expand(&name).unwrap_or_default()).take(MOST_HOSTS).collect()
    }

    fn places_of_hosts(&self) -> impl Iterator<Item = &Node> {
        let groups = self.root.get("groups").map(Node::pairs).unwrap_or_default();
        groups.iter().filter_map(|(_, group)| group.get("hosts")).chain(self.root.get("hosts"))
    }

    /// A host may be named in several groups, and by itself: what two files say of it there stands twice as well.
    fn said_of_a_host_twice(&mut self) {
        let mut entries: BTreeMap<&str, Vec<(At, &Node)>> = BTreeMap::new();
        let mut mistakes = Vec::new();
        if self.names.len() > 1 {
            let said = self.places_of_hosts().flat_map(Node::pairs);
            for (key, node) in said.filter(|(_, node)| !matches!(node.kind, Kind::Null)) {
                entries.entry(&key.text).or_default().push((key.at, node));
            }
        }
        for (name, parts) in entries.into_iter().filter(|(_, parts)| parts.len() > 1) {
            let parts = parts.into_iter().map(|(at, node)| (at, node.clone())).collect();
            combine(parts, Level::Host, &format!("hosts.{name}"), &self.names, &mut mistakes);
        }
        self.mistakes.extend(mistakes);
    }
}

const NAME_MASTERS: &str =
    "a group `masters`, or a variable `fleetclock: { role: master }` of hosts or groups, says who they are";

/// The files of YAML in a folder, in the order of their names.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, Mistakes> {
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let mut list =
            std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        list.retain(|path| path.extension().is_some_and(|end| end == "yml" || end == "yaml") && !is_hidden(path));
        list.sort();
        Ok(list)
    };
    read().map_err(|error| {
        Mistakes::one(folder, At::default(), MistakeCode::Unreadable, format!("read the folder: {error}"))
    })
}

fn is_hidden(path: &Path) -> bool {
    path.is_dir() || path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}
