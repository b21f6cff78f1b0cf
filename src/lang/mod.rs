//! The language in which people are spoken to. The rooms below speak English, in typed values and finished sentences;
//! what is printed for people goes through [`say`] once, which looks for the sentence in the catalogue of the chosen
//! language (`po/`, one file for each, in the format of gettext) and leaves it in English where there is none.
//!
//! A catalogue speaks in patterns: names, addresses, numbers, paths and commands stand in braces and go through as
//! they are. So whoever says something need not know that there are other languages, and a report that was written
//! yesterday can be read in any of them. What programs read is not translated.

mod catalogue;
mod environment;
mod particle;
mod pattern;

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::OnceLock;

use catalogue::Catalogue;

pub use environment::from_environment;

/// The languages beside English, by the names of their files in `po/`.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// Each catalogue, once it is needed.
static READ: [OnceLock<Catalogue>; FILES.len()] = [const { OnceLock::new() }; FILES.len()];

/// The language of this run.
static CHOSEN: OnceLock<Lang> = OnceLock::new();

thread_local! {
    /// That of a part of the program alone.
    static HERE: Cell<Option<Lang>> = const { Cell::new(None) };
}

/// The code of the language that the program itself speaks.
const ENGLISH: &str = "en";

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lang(Option<usize>);

impl Lang {
    /// The language in which everything is said first.
    pub const ENGLISH: Lang = Lang(None);

    /// Returns the language of a code: `en`, `ko`.
    pub fn of(code: &str) -> Option<Lang> {
        match FILES.iter().position(|(known, _)| *known == code) {
            None => (code == ENGLISH).then_some(Lang::ENGLISH),
            found => Some(Lang(found)),
        }
    }

    /// Returns its code.
    pub fn code(self) -> &'static str {
        self.0.and_then(|at| FILES.get(at)).map_or(ENGLISH, |(code, _)| code)
    }

    fn catalogue(self) -> Option<&'static Catalogue> {
        let (at, (_, text)) = self.0.and_then(|at| Some((at, FILES.get(at)?)))?;
        READ.get(at).map(|read| read.get_or_init(|| Catalogue::read(text).0))
    }
}

/// Returns the codes of all languages.
pub fn codes() -> impl Iterator<Item = &'static str> {
    std::iter::once(ENGLISH).chain(FILES.iter().map(|(code, _)| *code))
}

/// From now on people are spoken to in this language; the first choice stands.
pub fn choose(lang: Lang) {
    let _ = CHOSEN.set(lang);
}

/// Returns the language in which people are spoken to.
pub fn chosen() -> Lang {
    HERE.get().unwrap_or_else(|| CHOSEN.get().copied().unwrap_or(Lang::ENGLISH))
}

/// Speaks another language while something is done, on this thread alone.
pub fn speaking<T>(lang: Lang, something: impl FnOnce() -> T) -> T {
    let before = HERE.replace(Some(lang));
    let result = something();
    HERE.set(before);
    result
}

/// Returns a text in the language of its reader, each of its lines for itself; a line that has no entry as it is.
pub fn say(text: &str) -> Cow<'_, str> {
    let Some(catalogue) = chosen().catalogue() else { return Cow::Borrowed(text) };
    let line = |line| catalogue.find(line).map_or(Cow::Borrowed(line), Cow::Owned);
    // No entry has several lines.
    if text.contains('\n') {
        return Cow::Owned(text.split('\n').map(line).collect::<Vec<_>>().join("\n"));
    }
    line(text)
}

/// Returns a word of a closed set in the language of its reader: what the same word means elsewhere does not matter.
pub fn word(set: &str, word: &'static str) -> Cow<'static, str> {
    chosen().catalogue().and_then(|catalogue| catalogue.word(set, word)).map_or(Cow::Borrowed(word), Cow::Owned)
}

/// Returns whether a text has its entry in a language, so that no line of it would be left in English.
pub fn knows(lang: Lang, text: &str) -> bool {
    lang.catalogue().is_none_or(|catalogue| catalogue.find(text).is_some())
}

/// Returns what is wrong with a catalogue: entries that cannot be read, or whose two sides do not fit together.
pub fn mistakes(lang: Lang) -> Vec<String> {
    lang.0.and_then(|at| FILES.get(at)).map_or_else(Vec::new, |(_, text)| Catalogue::read(text).1)
}

/// Returns the English side of every entry of a language, its placeholders in braces with what they stand for.
pub fn entries(lang: Lang) -> Vec<String> {
    lang.catalogue().map_or_else(Vec::new, Catalogue::entries)
}

#[cfg(test)]
mod tests;
