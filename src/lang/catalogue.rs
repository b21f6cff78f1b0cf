//! All entries of a language, and the search for the one that a text was made from.

use std::collections::HashMap;

use aho_corasick::AhoCorasick;
use polib::message::MessageView;

use super::particle::fitted;
use super::pattern::{Found, Kind, Part, Pattern};

/// How deep texts may stand within texts.
const DEEPEST: usize = 6;

/// Longer lines are no sentences of ours.
const LONGEST: usize = 4_000;

/// What stands between what was tried and why it failed.
const BECAUSE: &str = ": ";

/// By what the words of the system for an error are known.
const OF_SYSTEM: &str = "(os error ";

/// An entry with placeholders: the English side and the other.
#[derive(Debug)]
struct Entry {
    from: Pattern,
    to: Pattern,
}

/// All entries of a language.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    plain: HashMap<String, String>,
    words: HashMap<(String, String), String>,
    /// The one that says most first.
    entries: Vec<Entry>,
    /// Finds the longest text of each entry, in their order.
    finder: Option<AhoCorasick>,
}

impl Catalogue {
    /// Reads a file, and tells what is wrong with it; entries that are wrong are left out.
    pub(super) fn read(text: &str) -> (Catalogue, Vec<String>) {
        let mut read = Catalogue::default();
        let mut wrong = Vec::new();
        match polib::po_file::parse_from_reader(text.as_bytes()) {
            Ok(file) => {
                for message in file.messages().filter(|message| message.is_translated() && !message.is_fuzzy()) {
                    wrong.extend(read.take(message).err());
                }
            }
            Err(error) => wrong.push(error.to_string()),
        }
        read.entries.sort_by_key(|entry| std::cmp::Reverse((entry.from.weight(), std::cmp::Reverse(holes(entry)))));
        read.finder = AhoCorasick::new(read.entries.iter().map(|entry| entry.from.longest())).ok();
        (read, wrong)
    }

    /// Both forms of a thing that is counted are entries of their own; the other side may have one form only.
    fn take(&mut self, message: &dyn MessageView) -> Result<(), String> {
        let (one, other) = (message.msgid(), message.msgid_plural().ok());
        let to = match (message.msgstr(), message.msgstr_plural()) {
            (Ok(text), _) => text.to_owned(),
            (_, Ok(forms)) => forms.first().cloned().unwrap_or_default(),
            _ => String::new(),
        };
        if let Some(set) = message.msgctxt().filter(|set| !set.is_empty()) {
            self.words.insert((set.to_owned(), one.to_owned()), to);
            return Ok(());
        }
        [Some(one), other].into_iter().flatten().try_for_each(|from| self.add(from, &to))
    }

    fn add(&mut self, from: &str, to: &str) -> Result<(), String> {
        let entry = Entry { from: Pattern::read(from)?, to: Pattern::read(to)? };
        if entry.from.names() != entry.to.names() {
            return Err(format!("`{from}`: the placeholders differ: `{to}`"));
        }
        match (entry.from.plain(), entry.to.plain(), entry.from.doubt()) {
            (Some(from), Some(to), _) => drop(self.plain.insert(from.to_owned(), to.to_owned())),
            (_, _, Some(doubt)) => return Err(format!("`{from}`: {doubt}")),
            _ => self.entries.push(entry),
        }
        Ok(())
    }

    /// Returns a word of a set.
    pub(super) fn word(&self, set: &str, word: &str) -> Option<String> {
        self.words.get(&(set.to_owned(), word.to_owned())).cloned()
    }

    /// Returns a line in this language.
    pub(super) fn find(&self, text: &str) -> Option<String> {
        (text.len() <= LONGEST).then(|| self.line(text, 0)).flatten()
    }

    /// Returns the English sides.
    pub(super) fn entries(&self) -> Vec<String> {
        let text = |pattern: &Pattern| pattern.parts.iter().map(shown).collect::<String>();
        self.plain.keys().cloned().chain(self.entries.iter().map(|entry| text(&entry.from))).collect()
    }

    fn line(&self, text: &str, depth: usize) -> Option<String> {
        if depth > DEEPEST {
            return None;
        }
        let known = self.plain.get(text).cloned();
        known.or_else(|| self.by_pattern(text, depth)).or_else(|| self.chained(text, depth))
    }

    fn by_pattern(&self, text: &str, depth: usize) -> Option<String> {
        let mut fit: Vec<usize> =
            self.finder.as_ref()?.find_overlapping_iter(text).map(|found| found.pattern().as_usize()).collect();
        fit.sort_unstable();
        fit.dedup();
        let accepts = |kind: Kind, value: &str| kind != Kind::Message || self.line(value, depth + 1).is_some();
        let mut entries = fit.into_iter().filter_map(|at| self.entries.get(at));
        entries.find_map(|entry| Some(self.filled(entry, &entry.from.fits(text, &accepts)?, depth)))
    }

    fn filled(&self, entry: &Entry, found: &Found<'_, '_>, depth: usize) -> String {
        let mut said = String::new();
        for part in &entry.to.parts {
            match part {
                Part::Text(text) if said.is_empty() => said.push_str(text),
                Part::Text(text) => said = fitted(said, text),
                Part::Hole(name, _) => {
                    let value = found.iter().find(|(known, ..)| known == name);
                    said.push_str(&value.map_or_else(String::new, |(_, kind, value)| self.value(*kind, value, depth)));
                }
            }
        }
        said
    }

    fn value(&self, kind: Kind, value: &str, depth: usize) -> String {
        let said = matches!(kind, Kind::Message | Kind::Words).then(|| self.line(value, depth + 1));
        said.flatten().unwrap_or_else(|| value.to_owned())
    }

    /// `what: why`, as a place or what was tried stands before its cause: either is a text, or a name.
    fn chained(&self, text: &str, depth: usize) -> Option<String> {
        text.match_indices(BECAUSE).find_map(|(at, _)| {
            let (what, why) = (text.get(..at)?, text.get(at + BECAUSE.len()..)?);
            let is_name = !what.is_empty() && !what.contains(char::is_whitespace);
            let said = || self.plain.get(what).cloned().or_else(|| self.by_pattern(what, depth + 1));
            let what = if is_name { said().unwrap_or_else(|| what.to_owned()) } else { said()? };
            let why = self.line(why, depth + 1).or_else(|| why.contains(OF_SYSTEM).then(|| why.to_owned()))?;
            Some(format!("{what}{BECAUSE}{why}"))
        })
    }
}

fn holes(entry: &Entry) -> usize {
    entry.from.names().len()
}

fn shown(part: &Part) -> String {
    match part {
        Part::Text(text) => text.clone(),
        Part::Hole(name, kind) => format!("{{{name}:{kind:?}}}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=1; plural=0;\n"

msgctxt "status"
msgid "read"
msgstr "읽음"

msgid "timed out"
msgstr "시간 초과"

msgid "connect {to:word}: {why:words}"
msgstr "{to} 연결 실패: {why}"

msgid "connect {to:word}: {why:words} of all"
msgstr "{to}: {why} 모두"

msgid "{n:number} host"
msgid_plural "{n:number} hosts"
msgstr[0] "호스트 {n}대"

msgid "host `{name}`"
msgstr "호스트 `{name}`"

msgid "{unit:word} on {host:word} {how:message}."
msgstr "{host}의 {unit}은(는) {how}."

msgid "was stopped"
msgstr "멈췄습니다"

msgid "lost {a}"
msgstr "잃음 {b}"
"#;

    fn catalogue() -> Catalogue {
        Catalogue::read(FILE).0
    }

    #[test]
    fn a_sentence_keeps_its_names() {
        let catalogue = catalogue();
        let said = |text: &str| catalogue.find(text);
        assert_eq!(said("3 hosts").as_deref(), Some("호스트 3대"));
        assert_eq!(said("1 host").as_deref(), Some("호스트 1대"));
        assert_eq!(said("connect a:22: timed out").as_deref(), Some("a:22 연결 실패: 시간 초과"));
        assert_eq!(said("connect a:22: what it says").as_deref(), Some("a:22 연결 실패: what it says"));
        assert_eq!(said("connect a:22: b of all").as_deref(), Some("a:22: b 모두"));
        assert_eq!(said("m1 on web1 was stopped.").as_deref(), Some("web1의 m1은 멈췄습니다."));
        assert_eq!(catalogue.word("status", "read").as_deref(), Some("읽음"));
    }

    #[test]
    fn nothing_is_half_translated() {
        let catalogue = catalogue();
        for text in ["m1 on web1 was started.", "host `a`: who knows", "unknown", "who knows: timed out", ""] {
            assert_eq!(catalogue.find(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_tried_stands_before_its_cause() {
        let catalogue = catalogue();
        let said = |text: &str| catalogue.find(text);
        assert_eq!(said("fleet.yml:3:5: host `a`: timed out").as_deref(), Some("fleet.yml:3:5: 호스트 `a`: 시간 초과"));
        let of_system = "host `a`: No such thing (os error 99)";
        assert_eq!(said(of_system).as_deref(), Some("호스트 `a`: No such thing (os error 99)"));
    }

    #[test]
    fn placeholders_that_differ_are_told_and_the_entry_is_left_out() {
        let (catalogue, wrong) = Catalogue::read(FILE);
        assert_eq!(wrong, ["`lost {a}`: the placeholders differ: `잃음 {b}`"]);
        assert_eq!(catalogue.find("lost a"), None);
    }

    /// A value as a placeholder of a kind may stand for; the texts of two differ.
    fn sample(number: usize, kind: Kind) -> String {
        match kind {
            Kind::Number => format!("{number}"),
            Kind::Word => format!("w{number}"),
            Kind::Message => "a map".to_owned(),
            Kind::Any | Kind::Quoted | Kind::Words => format!("Some Thing {number}"),
        }
    }

    /// The text of an entry in English, its placeholders filled in.
    fn said_of(entry: &Entry) -> String {
        let names: Vec<&str> = entry.from.names().into_iter().collect();
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Hole(name, kind) => sample(10 + names.iter().position(|known| known == name).unwrap(), *kind),
        };
        entry.from.parts.iter().map(part).collect()
    }

    /// Whatever an entry was written for, it is the one that is taken for it, and no other one that fits as well.
    #[test]
    fn no_entry_takes_the_text_of_another() {
        for (code, text) in super::super::FILES {
            let (catalogue, _) = Catalogue::read(text);
            let mut wrong = Vec::new();
            for entry in &catalogue.entries {
                let said = said_of(entry);
                let own = entry.from.fits(&said, &|kind, value| kind != Kind::Message || value == "a map");
                let expected = own.map(|found| catalogue.filled(entry, &found, 0));
                let found = catalogue.find(&said);
                if found != expected {
                    wrong.push(format!("{said}\n  is {expected:?}\n  not {found:?}"));
                }
            }
            assert!(wrong.is_empty(), "po/{code}.po:\n{}", wrong.join("\n"));
        }
    }
}
