//! Reads the source as far as the rules of the house need it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

/// A file of `src`.
pub(crate) struct Source {
    /// Below `src`, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// A line that counts: not of a test module, and no comment.
pub(crate) type Line<'a> = (usize, &'a str);

impl Source {
    /// The room: the folder, or the file that is one by itself.
    pub(crate) fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// How many modules the file is below the root of the crate.
    pub(crate) fn depth(&self) -> usize {
        let depth = self.path.split('/').count();
        if self.path.ends_with("/mod.rs") { depth - 1 } else { depth }
    }

    /// The files that are test modules of this one.
    fn test_files(&self) -> Vec<String> {
        let folder = self.path.strip_suffix("mod.rs").map(str::to_owned);
        let folder = folder.unwrap_or_else(|| format!("{}/", self.path.trim_end_matches(".rs")));
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]").filter_map(|pair| {
            let name = pair[1].strip_suffix(';')?.rsplit_once("mod ")?.1;
            Some(format!("{folder}{name}.rs"))
        });
        declared.collect()
    }

    /// The lines that count.
    pub(crate) fn lines(&self) -> Vec<Line<'_>> {
        let mut lines = Vec::new();
        let mut all = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let comment = if self.path.ends_with(".rs") { "//" } else { "#" };
        while let Some((number, line)) = all.next() {
            if line.trim() == "#[cfg(test)]" {
                let first = all.next().map_or("", |(_, line)| line);
                let end = format!("{}}}", &first[..first.len() - first.trim_start().len()]);
                // An item of one line, or one that ends with a brace below its first letter.
                if first.ends_with('{') {
                    all.by_ref().take_while(|(_, line)| !line.starts_with(&end)).for_each(drop);
                }
            } else if !line.trim_start().starts_with(comment) {
                lines.push((number, line));
            }
        }
        lines
    }
}

/// All files of `src` that are no test modules.
pub(crate) fn sources() -> Result<Vec<Source>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut sources, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path)?;
                sources.push(Source { path: path.strip_prefix(&root)?.to_string_lossy().into_owned(), text });
            }
        }
    }
    let tests: BTreeSet<String> = sources.iter().flat_map(Source::test_files).collect();
    sources.retain(|source| !tests.contains(&source.path));
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    ensure!(sources.len() > 200, "src was not found: {} files", sources.len());
    Ok(sources)
}

/// The rooms that lines of Rust import from, each with the number of its line; `depth` is that of their file.
pub(crate) fn imports(lines: &[Line<'_>], depth: usize) -> Vec<(usize, String)> {
    let code: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
    let line_of = |at: usize| lines[code[..at].matches('\n').count()].0;
    let mut found = Vec::new();
    let roots = code.match_indices("crate::").map(|(at, root)| (at, at + root.len()));
    let climbs = code.match_indices("super::").filter_map(|(at, _)| {
        let climb = code[at..].split("super::").take_while(|between| between.is_empty()).count();
        (climb >= depth && !code[..at].ends_with("super::")).then_some((at, at + climb * "super::".len()))
    });
    let whole = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
    for (at, after) in roots.chain(climbs).filter(|(at, _)| whole(*at)) {
        let rooms = firsts(&code[after..]);
        found.extend(
            rooms.into_iter().map(|(offset, room)| (line_of(if offset == 0 { at } else { after + offset }), room)),
        );
    }
    found
}

/// The first names of a path, or of each path of a group, and where they stand.
fn firsts(text: &str) -> Vec<(usize, String)> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if !text.starts_with('{') {
        return vec![(0, name(text))];
    }
    let (mut depth, mut expects, mut found) = (0, false, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        match c {
            '{' | ',' => expects = depth == 1,
            '}' => expects = false,
            c if c.is_whitespace() => {}
            _ if expects => {
                found.push((at, name(&text[at..])));
                expects = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let text = "\
use crate::{facts, firewall::{self, zone}};
use crate::{
    model::Status,
    text::{clean, hide},
};
// crate::comment::x
pub(crate) fn a() -> crate::ntp::Answer { $crate::b(mycrate::c) }
use super::{d, super::e};
use super::super::{report, exit::Exit};
#[cfg(test)]
use crate::cli::x;
#[cfg(test)]
mod tests {
    use crate::engine::y;
}
fn z() { crate::yaml::read(super::super::visible::code()) }
";
    let source = Source { path: "doctor/rules.rs".to_owned(), text: text.to_owned() };
    let found = imports(&source.lines(), source.depth());
    let mut found: Vec<(usize, &str)> = found.iter().map(|(line, room)| (*line, room.as_str())).collect();
    found.sort_unstable();
    let expected = [
        (1, "facts"),
        (1, "firewall"),
        (3, "model"),
        (4, "text"),
        (7, "ntp"),
        (9, "exit"),
        (9, "report"),
        (16, "visible"),
        (16, "yaml"),
    ];
    assert_eq!(found, expected);
}
