//! One side of an entry: text with placeholders in braces. `{host}` stands for anything in a line (between backticks, up
//! to the next one), `{n:number}` for digits, `{path:word}` for what has no blank; `{why:message}` is a text of ours that needs an entry of its own, and
//! `{why:words}` one that is translated where it has one, as it may be another program's. `{{` is a brace.

use std::collections::BTreeSet;

/// Steps that a search may take; a text that needs more is none of ours.
const MOST_STEPS: usize = 4_000;

/// With fewer letters of its own, a pattern says nothing of what stands around them.
const LEAST: usize = 4;

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Anything in a line.
    Any,
    /// Anything between two backticks.
    Quoted,
    /// What has no blank.
    Word,
    /// Digits.
    Number,
    /// A text that has to have an entry.
    Message,
    /// A text that may have an entry.
    Words,
}

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Hole(String, Kind),
}

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) parts: Vec<Part>,
}

/// What a placeholder has been found to stand for.
pub(super) type Found<'p, 't> = Vec<(&'p str, Kind, &'t str)>;

impl Pattern {
    /// Reads a text.
    pub(super) fn read(text: &str) -> Result<Pattern, String> {
        let mut parts: Vec<Part> = Vec::new();
        let (mut plain, mut rest) = (String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            plain.push_str(before);
            if let Some(after) = ["{{", "}}"].iter().find_map(|two| brace.strip_prefix(two)) {
                plain.push_str(brace.get(..1).unwrap_or_default());
                rest = after;
                continue;
            }
            let hole = brace.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let (hole, after) = hole.ok_or_else(|| format!("a brace stands alone in `{text}`"))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(placeholder(hole).ok_or_else(|| format!("`{{{hole}}}` is no placeholder in `{text}`"))?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        quoted(&mut parts);
        Ok(Pattern { parts })
    }

    /// Returns the names of its placeholders.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        let name = |part: &'_ Part| matches!(part, Part::Hole(..));
        self.parts.iter().filter(|part| name(part)).map(Part::text).collect()
    }

    /// Returns why no text can be told from it, if so: where one value ends, or that it is meant at all.
    pub(super) fn doubt(&self) -> Option<&'static str> {
        let is_hole = |part: &Part| matches!(part, Part::Hole(..));
        let takes_all = self.parts.iter().any(|part| matches!(part, Part::Hole(_, Kind::Any)));
        let letters = self.texts().flat_map(str::chars).filter(|c| c.is_alphabetic()).count();
        match self.parts.windows(2).any(|pair| pair.iter().all(is_hole)) {
            true => Some("two placeholders touch each other"),
            false if letters < LEAST && takes_all => Some("it fits too much; say `:word` or `:number`"),
            false => None,
        }
    }

    /// Returns its text, if it has no placeholder.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Returns how many letters are its own: of two patterns that fit, the one that says more is meant.
    pub(super) fn weight(&self) -> usize {
        self.texts().map(str::len).sum()
    }

    /// Returns the longest text of it.
    pub(super) fn longest(&self) -> &str {
        self.texts().max_by_key(|text| text.len()).unwrap_or_default()
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter(|part| matches!(part, Part::Text(_))).map(Part::text)
    }

    /// Returns what its placeholders stand for in a text, if it fits and all of them are accepted.
    pub(super) fn fits<'p, 't>(&'p self, text: &'t str, accepts: &dyn Fn(Kind, &str) -> bool) -> Option<Found<'p, 't>> {
        let mut search = Search { accepts, found: Vec::new(), steps: 0 };
        search.go(&self.parts, text).then_some(search.found)
    }
}

impl Part {
    fn text(&self) -> &str {
        match self {
            Part::Text(text) | Part::Hole(text, _) => text,
        }
    }
}

/// What stands between backticks holds none.
fn quoted(parts: &mut [Part]) {
    for at in 1..parts.len().max(2) - 1 {
        if let [Part::Text(before), Part::Hole(_, kind @ Kind::Any), Part::Text(after), ..] =
            parts.get_mut(at - 1..).unwrap_or_default()
            && before.ends_with('`')
            && after.starts_with('`')
        {
            *kind = Kind::Quoted;
        }
    }
}

fn placeholder(hole: &str) -> Option<Part> {
    let (name, kind) = hole.split_once(':').unwrap_or((hole, ""));
    let kind = match kind {
        "" => Kind::Any,
        "word" => Kind::Word,
        "number" => Kind::Number,
        "message" => Kind::Message,
        "words" => Kind::Words,
        _ => return None,
    };
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    is_name.then(|| Part::Hole(name.to_owned(), kind))
}

struct Search<'p, 't, 'a> {
    accepts: &'a dyn Fn(Kind, &str) -> bool,
    found: Found<'p, 't>,
    steps: usize,
}

impl<'p, 't> Search<'p, 't, '_> {
    fn go(&mut self, parts: &'p [Part], text: &'t str) -> bool {
        self.steps += 1;
        match parts {
            _ if self.steps > MOST_STEPS => false,
            [] => text.is_empty(),
            [Part::Text(own), rest @ ..] => text.strip_prefix(own.as_str()).is_some_and(|after| self.go(rest, after)),
            [Part::Hole(name, kind), rest @ ..] => self.hole(name, *kind, rest, text),
        }
    }

    /// Tries the shortest value first.
    fn hole(&mut self, name: &'p str, kind: Kind, rest: &'p [Part], text: &'t str) -> bool {
        let ends: Vec<usize> = match rest.first() {
            Some(Part::Text(next)) => text.match_indices(next.as_str()).map(|(at, _)| at).collect(),
            _ => vec![text.len()],
        };
        for end in ends {
            let (value, after) = text.split_at(end);
            if !self.may_be(name, kind, value) {
                continue;
            }
            self.found.push((name, kind, value));
            if self.go(rest, after) {
                return true;
            }
            self.found.pop();
        }
        false
    }

    fn may_be(&self, name: &str, kind: Kind, value: &str) -> bool {
        let same = self.found.iter().all(|(known, _, before)| *known != name || *before == value);
        let fits = match kind {
            Kind::Any | Kind::Words => true,
            Kind::Quoted => !value.contains('`'),
            Kind::Word => !value.contains(char::is_whitespace),
            Kind::Number => value.chars().all(|c| c.is_ascii_digit()),
            Kind::Message => (self.accepts)(kind, value),
        };
        same && fits && !value.is_empty() && !value.contains('\n')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> Option<Vec<String>> {
        let pattern = Pattern::read(pattern).unwrap();
        let found = pattern.fits(text, &|_, value| value == "known")?;
        Some(found.into_iter().map(|(_, _, value)| value.to_owned()).collect())
    }

    #[test]
    fn placeholders_stand_for_what_they_are_said_to() {
        assert_eq!(found("connect {to:word}: {why}", "connect a:22: b: c").unwrap(), ["a:22", "b: c"]);
        assert_eq!(found("{n:number} hosts", "12 hosts").unwrap(), ["12"]);
        assert_eq!(found("{n:number} hosts", "no hosts"), None);
        assert_eq!(found("{a} of {a}", "x of x").unwrap(), ["x", "x"]);
        assert_eq!(found("{a} of {a}", "x of y"), None);
        assert_eq!(found("because {why:message}", "because known").unwrap(), ["known"]);
        assert_eq!(found("because {why:message}", "because of you"), None);
        assert_eq!(found("write {{ env: {name} }}", "write { env: X }").unwrap(), ["X"]);
        assert_eq!(found("host `{name}`", "host `a`: not `b`"), None);
        assert_eq!(found("a{x}b", "ab"), None);
        assert_eq!(found("{x}b", "abab").unwrap(), ["aba"]);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for (text, why) in [("a { b", "alone"), ("a } b", "alone"), ("{A}", "no placeholder")] {
            assert!(Pattern::read(text).unwrap_err().contains(why), "{text}");
        }
        for (text, why) in
            [("these {a}{b}", Some("touch")), ("{a} or {b}", Some("fits")), ("{a:word} or {b:word}", None)]
        {
            let doubt = Pattern::read(text).unwrap().doubt();
            assert!(why.map_or(doubt.is_none(), |why| doubt.unwrap().contains(why)), "{text}: {doubt:?}");
        }
        assert!(Pattern::read("{a:thing}").is_err());
    }

    #[test]
    fn a_text_made_to_be_searched_without_an_end_is_given_up() {
        let pattern = "{a}-{b}-{c}-{d}-{e}-{f}-{g}!";
        assert_eq!(found(pattern, &"-".repeat(4_000)), None);
    }
}
