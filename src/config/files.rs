//! A configuration of several files: how they are read on a host, and their directives in the order in which the
//! service takes them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Directive, Language, read};

/// Text for the host's shell: `fc_config LANGUAGE FILE 0` prints each line as `FILE:NUMBER:TEXT`, with the files
/// that it names. Changes nothing.
pub const READ: &str = include_str!("files.sh");

/// Deeper than any service goes.
const DEEPEST: usize = 8;

/// The files of a configuration by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    texts: BTreeMap<String, String>,
}

impl Files {
    /// Reads what `fc_config` printed.
    pub fn parse(printed: &str) -> Self {
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for line in printed.lines() {
            let Some((file, number, text)) = numbered(line) else { continue };
            // A file that two others name is printed twice.
            if seen.insert((file, number)) {
                let known = texts.entry(file.to_owned()).or_default();
                known.push_str(text);
                known.push('\n');
            }
        }
        Files { texts }
    }

    /// One file.
    pub fn one(file: &str, text: &str) -> Self {
        Files { texts: BTreeMap::from([(file.to_owned(), text.to_owned())]) }
    }

    /// Adds a file, in place of one of the same name.
    pub fn add(&mut self, file: &str, text: &str) {
        self.texts.insert(file.to_owned(), text.to_owned());
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Returns the names of the files, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.texts.keys().map(String::as_str)
    }

    /// Returns the text of a file.
    pub fn text(&self, file: &str) -> Option<&str> {
        self.texts.get(file).map(String::as_str)
    }

    /// Returns the directives of a file, and those of the files that it names in the place where it does. The
    /// directive that names them stays, before them.
    pub fn directives(&self, language: Language, file: &str) -> Vec<Directive> {
        let mut list = Vec::new();
        self.walk(language, file, 0, &mut list);
        list
    }

    fn walk(&self, language: Language, file: &str, depth: usize, list: &mut Vec<Directive>) {
        let Some(text) = self.text(file).filter(|_| depth < DEEPEST) else { return };
        for directive in read(language, file, text) {
            let named = self.named(&directive);
            list.push(directive);
            named.into_iter().for_each(|file| self.walk(language, &file, depth + 1, list));
        }
    }

    /// The files that a directive names, by the order of their names.
    fn named(&self, directive: &Directive) -> Vec<String> {
        let patterns = directive.words.iter().map(|word| word.trim_matches('"'));
        let patterns: Vec<String> = match directive.name.as_str() {
            "include" | "includefile" => patterns.map(str::to_owned).collect(),
            "confdir" => patterns.map(|folder| format!("{}/*.conf", folder.trim_end_matches('/'))).collect(),
            "sourcedir" => patterns.map(|folder| format!("{}/*.sources", folder.trim_end_matches('/'))).collect(),
            _ => return Vec::new(),
        };
        let fits = |file: &&String| patterns.iter().any(|pattern| is_like(pattern, file));
        self.texts.keys().filter(fits).cloned().collect()
    }
}

fn numbered(line: &str) -> Option<(&str, usize, &str)> {
    // A name may have colons: the number is the first word between two of them that is one.
    let mut from = 0;
    loop {
        let colon = from + line.get(from..)?.find(':')?;
        let (number, text) = line.get(colon + 1..)?.split_once(':')?;
        if let Ok(number) = number.parse() {
            return Some((line.get(..colon)?, number, text));
        }
        from = colon + 1;
    }
}

/// Whether a path is one of those that a pattern of a shell stands for; a `*` goes over no `/`.
fn is_like(pattern: &str, path: &str) -> bool {
    let mut patterns = pattern.chars();
    let Some(first) = patterns.next() else { return path.is_empty() };
    let (rest, mut others) = (patterns.as_str(), path.chars());
    match (first, others.next()) {
        ('*', next) => is_like(rest, path) || next.is_some_and(|c| c != '/' && is_like(pattern, others.as_str())),
        ('?', Some(c)) => c != '/' && is_like(rest, others.as_str()),
        (c, Some(other)) => c == other && is_like(rest, others.as_str()),
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(files: &Files, file: &str) -> Vec<String> {
        let said = |directive: Directive| format!("{} {}", directive.place, directive.text());
        files.directives(Language::Chrony, file).into_iter().map(said).collect()
    }

    #[test]
    fn files_that_are_named_count_where_they_are_named() {
        let printed = "/c:1:server a\n/c:2:confdir /d\n/c:3:include /e/*.x\n/c:4:rtcsync\n\
            /d/2.conf:1:allow 10.0.0.0/8\n/d/1.conf:1:# none\n/d/1.conf:2:keyfile /k\n/d/1.other:1:nothing\n\
            /e/a:b.x:1:log tracking\n/e/a:b.x:1:log tracking\n";
        let files = Files::parse(printed);
        assert_eq!(
            texts(&files, "/c"),
            [
                "/c:1 server a",
                "/c:2 confdir /d",
                "/d/1.conf:2 keyfile /k",
                "/d/2.conf:1 allow 10.0.0.0/8",
                "/c:3 include /e/*.x",
                "/e/a:b.x:1 log tracking",
                "/c:4 rtcsync"
            ]
        );
    }

    #[test]
    fn a_file_that_names_itself_ends() {
        assert_eq!(texts(&Files::one("/c", "include /c\n"), "/c").len(), DEEPEST);
    }

    #[test]
    fn the_shell_reads_what_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        std::fs::create_dir(at("d")).unwrap();
        std::fs::write(at("c"), format!("server a\nConfDir {}\ninclude {}\n", at("d"), at("i*"))).unwrap();
        std::fs::write(at("d/1.conf"), "  # x\nallow 10.0.0.0/8").unwrap();
        std::fs::write(at("i1"), "rtcsync\n").unwrap();
        let script = format!("{READ}\nfc_config chrony '{}' 0", at("c"));
        for shell in ["sh", "bash"] {
            #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
            let output = std::process::Command::new(shell).arg("-c").arg(&script).output().unwrap();
            let files = Files::parse(&String::from_utf8_lossy(&output.stdout));
            let names: Vec<String> =
                files.directives(Language::Chrony, &at("c")).into_iter().map(|directive| directive.name).collect();
            assert_eq!(names, ["server", "confdir", "allow", "include", "rtcsync"], "{shell}");
        }
    }
}
