//! YAML as a tree that knows where each part stands, and the list of mistakes.
//!
//! The tree is read by hand and not by derived types, for a derived type stops at the first
//! mistake and an administrator wants all of them in one go.

use std::fmt;
use std::path::Path;

use serde_yaml::DuplicateKeyPolicy;

use crate::model::{MistakeCode, MistakeReport};
use crate::visible;
pub use crate::yaml::tree::At;
pub(super) use crate::yaml::tree::{Key, Kind, Node};

/// Largest inventory file, bytes. Ten thousand hosts are about one megabyte.
const LARGEST: u64 = 8 << 20;

/// One thing that is wrong with an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub(super) at: At,
    pub(super) code: MistakeCode,
    pub(super) text: String,
}

/// All that is wrong with an inventory, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes {
    /// The files that were read; a place says which of them is meant.
    pub(super) files: Vec<String>,
    pub(super) list: Vec<Mistake>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Mistake { at, text, .. }) in self.list.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            match at.line {
                0 => write!(f, "{newline}{}: {text}", self.file(*at))?,
                line => write!(f, "{newline}{}:{line}:{}: {text}", self.file(*at), at.column)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl Mistakes {
    /// A file of which nothing is known but one mistake.
    pub(super) fn one(file: &Path, at: At, code: MistakeCode, text: String) -> Self {
        Mistakes { files: vec![file.display().to_string()], list: vec![Mistake { at, code, text }] }
    }

    /// Returns each mistake for programs, in the order of the file.
    pub fn reports(&self) -> Vec<MistakeReport> {
        self.list.iter().map(|mistake| mistake.report(self.file(mistake.at))).collect()
    }

    fn file(&self, at: At) -> &str {
        self.files.get(at.file as usize).map_or("", String::as_str)
    }
}

impl Mistake {
    fn report(&self, file: &str) -> MistakeReport {
        // What follows is the line of the file, which has its own place in the report.
        let (message, hint) = way_out(self.text.lines().next().unwrap_or_default());
        let place = |number: u64| (number > 0).then_some(number);
        MistakeReport {
            file: file.to_owned(),
            line: place(self.at.line),
            column: place(self.at.column),
            code: self.code,
            message: message.to_owned(),
            hint: hint.map(str::to_owned),
        }
    }
}

/// Takes a message apart: what is wrong, and the way out, which stands after a `; ` or in brackets at the end. What
/// a user has written stands between backticks, and is left whole.
fn way_out(text: &str) -> (&str, Option<&str>) {
    let open = [" (did you mean ", " (known: "].into_iter().find_map(|start| text.rfind(start));
    if let (Some(at), Some(rest)) = (open, text.strip_suffix(')')) {
        return (text.get(..at).unwrap_or(text), rest.get(at + 2..));
    }
    let outside = |(at, _): &(usize, &str)| text.get(..*at).is_some_and(|lead| lead.matches('`').count() % 2 == 0);
    match text.match_indices("; ").find(outside) {
        Some((at, separator)) => (text.get(..at).unwrap_or(text), text.get(at + separator.len()..)),
        None => (text, None),
    }
}

/// Reads a file into a tree. Size, depth and the growth of aliases are limited.
pub(super) fn read(path: &Path) -> Result<Node, Mistakes> {
    let unreadable = |at: At, text: String| Mistakes::one(path, at, MistakeCode::Unreadable, text);
    let bytes = crate::input::read(path, LARGEST)
        .map_err(|error| unreadable(At::default(), format!("read the inventory: {error}")))?;
    if let Some(words) = crate::yaml::encoding(&bytes) {
        return Err(unreadable(At::new(valid_lines(&bytes), 1), words));
    }
    let text = String::from_utf8_lossy(&bytes);
    parse(&text).map_err(|(at, words)| {
        let marked = crate::yaml::marked(text.strip_prefix('\u{feff}').unwrap_or(&text), at.line, at.column);
        Mistakes::one(path, at, MistakeCode::Syntax, words + &marked)
    })
}

/// The line at which a text stops to be UTF-8.
fn valid_lines(bytes: &[u8]) -> u64 {
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    1 + bytes.iter().take(valid).filter(|byte| **byte == b'\n').count() as u64
}

/// Parses text into a tree.
pub(super) fn parse(text: &str) -> Result<Node, (At, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some((at, c)) = hidden(text) {
        return Err((at, unseen(c)));
    }
    let options = serde_yaml::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
        strict_booleans: true,
        // As many parts as a file of 150,000 hosts has that are written out; what stands for more than is written
        // has a limit of its own.
        budget: serde_yaml::budget! { max_depth: 64, max_aliases: 1_000, max_nodes: 2_000_000, max_events: 3_000_000 },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: 200_000 },
    };
    let tree = serde_yaml::from_str_with_options(text, options).map_err(|error| {
        let (line, column, words) = crate::yaml::explain(&error);
        (At::new(line, column), crate::yaml::foreign(text).map_or(words, str::to_owned))
    })?;
    if let Some((line, column, name)) = crate::yaml::tag(text) {
        let words = match name.as_str() {
            "vault" => {
                "`!vault` is Ansible's; a secret is named here as { env: NAME }, { file: PATH } or { command: [..] }, \
                        e.g. { command: [ansible-vault, view, secret.yml] }"
                    .to_owned()
            }
            name => format!("the tag `!{name}` is not known; an inventory has none"),
        };
        return Err((At::new(line, column), words));
    }
    Ok(tree)
}

/// Why a character that cannot be seen is refused.
pub(super) fn unseen(c: char) -> String {
    let why = "it cannot be seen, or changes how the text around it is seen; take it out";
    format!("the character {} is not allowed: {why}", visible::code(c))
}

/// The first character of the file that cannot be seen, wherever it stands: also a comment is read by people.
fn hidden(text: &str) -> Option<(At, char)> {
    let in_line = |(number, line): (usize, &str)| {
        let (column, c) = line.chars().enumerate().find(|(_, c)| *c != '\t' && visible::is_hidden(*c))?;
        Some((At::new(number as u64 + 1, column as u64 + 1), c))
    };
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate().find_map(in_line)
}

/// Finds the known word that was probably meant.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .filter(|known| known.len().abs_diff(word.len()) <= 1 + known.len().min(word.len()) / 4)
        .map(|known| (strsim::damerau_levenshtein(word, known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len().min(word.len()) / 4)
        .min()
        .map_or(String::new(), |(_, known)| format!(" (did you mean `{known}`?)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out_is_told_from_what_is_wrong() {
        for (text, message, hint) in [
            ("no `roel` (did you mean `role`?)", "no `roel`", Some("did you mean `role`?")),
            ("no setting `x` (known: a, b)", "no setting `x`", Some("known: a, b")),
            ("`a; b` is no duration; write 2s", "`a; b` is no duration", Some("write 2s")),
            ("`x` is no port", "`x` is no port", None),
            ("`", "`", None),
        ] {
            assert_eq!(way_out(text), (message, hint));
        }
    }

    #[test]
    fn a_large_file_that_stands_for_no_more_than_it_says_is_read() {
        // As many parts as 50,000 hosts with two addresses each have.
        let Node { kind: Kind::List(parts), .. } = parse(&format!("[{}]", "1,".repeat(410_000))).unwrap() else {
            panic!("no list")
        };
        assert_eq!(parts.len(), 410_000);
    }
}
