//! A configuration of several files: how they are read on a host, and their directives in the order in which the
//! service takes them.

use std::collections::{BTreeMap, BTreeSet};

use wildmatch::WildMatchPattern;

use super::{Directive, Language, read};

/// Text for the host's shell: `fc_config LANGUAGE FILE 0` prints each line as `FILE:NUMBER:TEXT`, with the files
/// that it names. Changes nothing.
pub const READ: &str = include_str!("files.sh");

/// Deeper than any service goes.
const DEEPEST: usize = 8;

/// So much of a file is read, bytes.
const LARGEST: usize = 1 << 20;

/// No further file is read after so many directives: those that name each other would have no end.
const MOST: usize = 10_000;

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
        let Some(text) = self.text(file).filter(|_| depth < DEEPEST && list.len() < MOST) else { return };
        for directive in read(language, file, text) {
            let named = self.named(&directive);
            list.push(directive);
            named.into_iter().for_each(|file| self.walk(language, &file, depth + 1, list));
        }
    }

    /// Returns whether all that a directive names was read, or is not there: what is in no file that is known may be
    /// anything.
    pub fn has_all(&self, directive: &Directive) -> bool {
        let read = |pattern: &String| match pattern.contains(['*', '?']) {
            // The service knows more of such patterns than is known here.
            _ if pattern.contains(['[', '{', '\\', '"']) => false,
            true => true,
            false => self.texts.contains_key(pattern),
        };
        let whole = |file: &String| self.text(file).is_some_and(|text| text.len() < LARGEST);
        patterns(directive).iter().all(read) && self.named(directive).iter().all(whole)
    }

    /// The files that a directive names, by the order of their names.
    fn named(&self, directive: &Directive) -> Vec<String> {
        let patterns = patterns(directive);
        if patterns.is_empty() {
            return Vec::new();
        }
        let fits = |file: &&String| patterns.iter().any(|pattern| is_like(pattern, file));
        self.texts.keys().filter(fits).cloned().collect()
    }
}

/// The names of files, with `*` and `?`, that a directive stands for.
fn patterns(directive: &Directive) -> Vec<String> {
    let words = directive.words.iter();
    match directive.name.as_str() {
        "include" | "includefile" => words.cloned().collect(),
        "confdir" => words.map(|folder| format!("{}/*.conf", folder.trim_end_matches('/'))).collect(),
        "sourcedir" => words.map(|folder| format!("{}/*.sources", folder.trim_end_matches('/'))).collect(),
        _ => Vec::new(),
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
    let fits = |(pattern, part)| WildMatchPattern::<'*', '?'>::new(pattern).matches(part);
    pattern.matches('/').count() == path.matches('/').count() && pattern.split('/').zip(path.split('/')).all(fits)
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
        assert!(texts(&Files::one("/c", &"include /c\n".repeat(100)), "/c").len() < 2 * MOST);
    }

    #[test]
    fn a_pattern_goes_over_no_folder_and_takes_no_time() {
        for (pattern, path, fits) in
            [("/d/*.x", "/d/a.x", true), ("/d/*", "/d/e/a", false), ("/d/?", "/d/a", true), ("/d/?", "/d/", false)]
        {
            assert_eq!(is_like(pattern, path), fits, "{pattern} {path}");
        }
        assert!(!is_like(&"*a".repeat(200), &format!("{}b", "a".repeat(5000))));
    }

    #[test]
    fn what_was_not_read_is_known() {
        let files = Files::one("/there", "");
        for (line, all) in [
            ("include /there", true),
            ("include /gone", false),
            ("include /d/*.conf", true),
            ("include /d/[a-z].conf", false),
            ("includefile \"/there\"", false),
            ("confdir /d /e", true),
            ("rtcsync", true),
        ] {
            let directives = read(Language::Chrony, "/c", line);
            assert_eq!(files.has_all(&directives[0]), all, "{line}");
        }
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
