//! The commands that documents show: fenced blocks of `sh` and `console`, and inline code that begins with the
//! program's name. The word after the language says where a block is run: none here, `lab` with hosts, `shown` nowhere.

use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag};

/// Where the commands of a block are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Here,
    Lab,
    Nowhere,
}

/// A block of commands.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// `docs/ci.md`.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) place: Place,
    /// As a shell reads them.
    pub(crate) commands: String,
}

/// What a document shows.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) blocks: Vec<Block>,
    /// Inline code, and lines of blocks that say no language: they are to be read and not to be run.
    pub(crate) inline: Vec<(String, usize, String)>,
    /// Blocks of YAML, each with its line.
    pub(crate) yaml: Vec<(usize, String)>,
    /// Commands in blocks without a language, and words after a language that are none.
    pub(crate) unmarked: Vec<String>,
}

/// The README and all of docs/, in the order of their names.
pub(crate) fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    all.push(root.join("README.md"));
    all.sort();
    all
}

/// What one document shows.
pub(crate) fn shown(path: &Path) -> Shown {
    let text = std::fs::read_to_string(path).unwrap();
    let file = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
    let mut found = Shown::default();
    let mut inside: Option<(Option<String>, String)> = None;
    for (event, range) in Parser::new_ext(&text, pulldown_cmark::Options::ENABLE_TABLES).into_offset_iter() {
        let line = text[..range.start].matches('\n').count() + 1;
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                inside = Some((Some(info.to_string()), String::new()));
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)) => inside = Some((None, String::new())),
            Event::Text(part) => {
                if let Some((_, body)) = &mut inside {
                    body.push_str(&part);
                }
            }
            Event::End(pulldown_cmark::TagEnd::CodeBlock) => {
                if let Some((info, body)) = inside.take() {
                    found.add(&file, line, info.as_deref(), &body);
                }
            }
            Event::Code(code) if code.starts_with("fleetclock ") => {
                found.inline.push((file.clone(), line, code.to_string()));
            }
            _ => {}
        }
    }
    found
}

impl Shown {
    fn add(&mut self, file: &str, line: usize, info: Option<&str>, body: &str) {
        let words: Vec<&str> = info.unwrap_or_default().split_whitespace().collect();
        let (language, place) = match words[..] {
            [language @ ("sh" | "console")] => (language, Place::Here),
            [language @ ("sh" | "console"), "lab"] => (language, Place::Lab),
            [language @ ("sh" | "console"), "shown"] => (language, Place::Nowhere),
            ["yaml"] => {
                self.yaml.push((line, body.to_owned()));
                return;
            }
            _ => {
                let command = |line: &&str| {
                    let line = line.trim_start_matches("$ ");
                    line.starts_with("fleetclock ") || line.starts_with("./") || line.starts_with("cargo ")
                };
                self.unmarked.extend(body.lines().filter(command).map(|text| format!("{file}:{line}: {text}")));
                return;
            }
        };
        let commands = if language == "console" { typed(body) } else { body.to_owned() };
        self.blocks.push(Block { file: file.to_owned(), line, place, commands });
    }
}

/// The lines of a session that somebody typed.
fn typed(body: &str) -> String {
    body.lines().filter_map(|line| line.strip_prefix("$ ")).map(|line| format!("{line}\n")).collect()
}

/// The calls of the program in shell text, each as its arguments.
pub(crate) fn calls(text: &str) -> Vec<Vec<String>> {
    commands(text)
        .into_iter()
        .filter_map(|words| {
            let at = words.iter().position(|word| word == "fleetclock" || word.ends_with("/fleetclock"))?;
            // What stands before it is a variable, or a program that runs another one.
            let before = words[..at]
                .iter()
                .all(|word| word.contains('=') || ["time", "sudo", "!", "exec"].contains(&word.as_str()));
            before.then(|| words[at + 1..].to_vec())
        })
        .collect()
}

/// The simple commands of shell text; of here-documents and quotes it knows what documents need.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    let mut lines = text.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>().into_iter();
    while let Some(line) = lines.next() {
        all.extend(line_commands(&line));
        if let Some((_, mark)) = line.split_once("<<") {
            let mark = mark.trim_start_matches('-').split_whitespace().next().unwrap_or_default();
            let mark = mark.trim_matches(['\'', '"']);
            for inner in lines.by_ref() {
                if inner.trim() == mark {
                    break;
                }
            }
        }
    }
    all
}

fn line_commands(line: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), None::<String>);
    let (mut quote, mut skip) = (None, false);
    let end = |word: &mut Option<String>, words: &mut Vec<String>, skip: &mut bool| {
        if let Some(word) = word.take() {
            // The file of a redirection is no argument.
            if std::mem::take(skip) {
                return;
            }
            words.push(word);
        }
    };
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '|' | ';' | '&' | '(' | ')') => {
                end(&mut word, &mut words, &mut skip);
                all.push(std::mem::take(&mut words));
            }
            (None, '>' | '<') => {
                end(&mut word, &mut words, &mut skip);
                skip = true;
            }
            (None, c) if c.is_whitespace() => end(&mut word, &mut words, &mut skip),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    end(&mut word, &mut words, &mut skip);
    all.push(words);
    all
}
