//! Values of INI files: Ansible reads them as literals of Python where they are such, else as text.

use crate::yaml::tree::{At, Key, Kind, Node};

/// Reads a literal: text in quotation marks, a number, `True`, `False`, `None`, a list, a tuple or a dictionary. A
/// comment may follow.
pub(super) fn literal(text: &str, at: At) -> Option<Node> {
    let mut reader = Reader { rest: text, at, depth: 0 };
    let value = reader.value()?;
    let rest = reader.rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(value)
}

/// How deep lists may be in each other.
const DEEPEST: usize = 32;

struct Reader<'a> {
    rest: &'a str,
    at: At,
    depth: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Option<Node> {
        self.rest = self.rest.trim_start();
        let kind = match self.rest.chars().next()? {
            '\'' | '"' => Kind::Text(self.quoted()?),
            '[' => Kind::List(self.list(']')?),
            '(' => Kind::List(self.list(')')?),
            '{' => Kind::Map(self.map()?),
            _ => self.word()?,
        };
        Some(Node { at: self.at, kind })
    }

    fn takes(&mut self, c: char) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(c) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn quoted(&mut self) -> Option<String> {
        let quote = self.rest.chars().next()?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next()?.1 {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    c @ ('\\' | '\'' | '"') => text.push(c),
                    c => text.extend(['\\', c]),
                },
                c if c == quote => {
                    self.rest = self.rest.get(at + 1..)?;
                    return Some(text);
                }
                c => text.push(c),
            }
        }
        None
    }

    fn list(&mut self, end: char) -> Option<Vec<Node>> {
        let mut list = Vec::new();
        self.inside()?;
        while !self.takes(end) {
            list.push(self.value()?);
            if !self.takes(',') && !self.rest.trim_start().starts_with(end) {
                return None;
            }
        }
        self.depth -= 1;
        Some(list)
    }

    fn map(&mut self) -> Option<Vec<(Key, Node)>> {
        let mut map = Vec::new();
        self.inside()?;
        while !self.takes('}') {
            let text = self.value()?.scalar()?;
            let value = self.takes(':').then(|| self.value())??;
            map.push((Key { at: self.at, text }, value));
            if !self.takes(',') && !self.rest.trim_start().starts_with('}') {
                return None;
            }
        }
        self.depth -= 1;
        Some(map)
    }

    /// Steps over the bracket that opens.
    fn inside(&mut self) -> Option<()> {
        self.depth += 1;
        self.rest = self.rest.get(1..)?;
        (self.depth <= DEEPEST).then_some(())
    }

    fn word(&mut self) -> Option<Kind> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "+-._".contains(c))).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let digits = word.trim_start_matches(['-', '+']);
        // `0644` and `010` are no numbers of Python.
        let octal = digits.len() > 1 && digits.starts_with('0') && !digits.contains('.');
        match word {
            "True" => Some(Kind::Bool(true)),
            "False" => Some(Kind::Bool(false)),
            "None" => Some(Kind::Null),
            _ if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || octal => None,
            _ => match word.parse() {
                Ok(whole) => Some(Kind::Whole(whole)),
                Err(_) => word.parse().ok().map(Kind::Number),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_of_python_and_what_is_none() {
        let read = |text| literal(text, At::default()).map(|node| format!("{:?}", node.kind));
        for (text, kind) in [
            ("22", "Whole(22)"),
            ("-1", "Whole(-1)"),
            ("1.5 # comment", "Number(1.5)"),
            ("True", "Bool(true)"),
            ("'a\\'b'", "Text(\"a'b\")"),
            ("\"x\" # no", "Text(\"x\")"),
            ("None", "Null"),
        ] {
            assert_eq!(read(text).as_deref(), Some(kind), "{text}");
        }
        for text in ["true", "web1", "10.0.0.1", "0644", "'a", "[1, x]", "a # b", "{{ x }}", "1 2", ""] {
            assert_eq!(read(text), None, "{text}");
        }
        let list = literal("['a', (1, 2), {'k': True}]", At::default()).unwrap();
        assert!(matches!(list.kind, Kind::List(list) if list.len() == 3));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[\\[\\](){}'\"\\\\a-z0-9:,. #-]{0,30}") {
            let _ = literal(&text, At::default());
        }
    }
}
