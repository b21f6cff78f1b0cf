//! What is wrong with a YAML file, in words for people: the parser's own speak of its tokens and of the
//! functions of its library.

pub(crate) mod out;
pub(crate) mod tree;

use encoding_rs::{EUC_KR, SHIFT_JIS, WINDOWS_1252};

use crate::visible;

/// The place and the words of a parser's error. Line and column are from 1; 0 if it has none.
pub(crate) fn explain(error: &serde_yaml::Error) -> (u64, u64, String) {
    let (line, column) = error.location().map_or((0, 0), |place| (place.line(), place.column()));
    (line, column, plain(&error.to_string()))
}

/// Words of the parser, and ours.
const WORDS: &[(&str, &str)] = &[
    ("alias replay", "the file expands too far (aliases of aliases)"),
    ("budget breached", "the file has too many parts, or is nested too deeply"),
    ("multiple yaml documents", "a second document begins with `---`; one file is one document: take that line out"),
    (
        "expected <document start>",
        "what stands before this line is complete, and this line belongs to nothing; see its indentation",
    ),
    ("tabs disallowed", "a tab stands in the indentation; YAML takes blanks only"),
    ("expected ',' or '}'", "a `{` is not closed: a `,` or a `}` is missing"),
    ("expected ',' or ']'", "a `[` is not closed: a `,` or a `]` is missing"),
    ("unclosed bracket '['", "a `[` is not closed: a `,` or a `]` is missing"),
    ("unclosed bracket '{'", "a `{` is not closed: a `,` or a `}` is missing"),
    ("recursion limit", "the file is nested too deeply"),
    ("multiline quoted scalar", "a quotation mark is not closed"),
    ("unexpected end of stream", "the file ends within a quotation, a `{` or a `[`"),
    ("unknown anchor", "`*NAME` stands for what `&NAME` has marked before; there is no such mark"),
    (
        "mapping values are not allowed",
        "no `key: value` can stand here; see the indentation, or put text that holds `: ` into quotation marks",
    ),
    ("simple key expected", "a `:` is missing after this key"),
    ("unexpected character", "text that begins with this character needs quotation marks"),
];

/// The parser ends its messages with the place, which we say ourselves, and begins them with what they are.
fn plain(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let small = message.to_lowercase();
    if let Some((_, words)) = WORDS.iter().find(|(sign, _)| small.contains(sign)) {
        return (*words).to_owned();
    }
    let message = message.split(", set DuplicateKeyPolicy").next().unwrap_or_default();
    let cut = message.rfind(" at line ").or_else(|| message.rfind(" (line "));
    let message = message.get(..cut.unwrap_or(message.len())).unwrap_or(message).trim_end_matches([',', ':']);
    let message = match message.strip_prefix("error: line ").and_then(|rest| rest.split_once(": ")) {
        Some((_, rest)) => rest,
        None => message,
    };
    match message.strip_prefix("duplicate mapping key: ") {
        Some(key) => format!("the key `{key}` stands twice in one map"),
        None => message.replace("unknown field", "unknown key").replace("missing field", "missing key"),
    }
}

/// Returns the line of a mistake with a mark under its place, each beginning a new line; nothing where there is none.
pub(crate) fn marked(text: &str, line: u64, column: u64) -> String {
    let index = usize::try_from(line).unwrap_or(0);
    let Some(shown) = index.checked_sub(1).and_then(|index| text.lines().nth(index)).filter(|line| !line.is_empty())
    else {
        return String::new();
    };
    let before = usize::try_from(column).unwrap_or(0).saturating_sub(1);
    // What comes long before the place is not needed to find it.
    let skipped = before.saturating_sub(WIDEST / 2);
    let part: String = shown
        .chars()
        .skip(skipped)
        .take(WIDEST)
        .map(|c| match c {
            '\t' => ' ',
            c if visible::is_hidden(c) => '\u{fffd}',
            c => c,
        })
        .collect();
    let lead: String = part.chars().take(before - skipped).collect();
    let blanks = " ".repeat(unicode_width::UnicodeWidthStr::width(lead.as_str()));
    format!("\n{line} | {}\n{} | {blanks}^", part.trim_end(), " ".repeat(line.to_string().len()))
}

/// The widest part of a line that is shown, characters.
const WIDEST: usize = 70;

/// What a file that is no UTF-8 is likely to be, and how it becomes UTF-8. `None` for one that is.
pub(crate) fn encoding(bytes: &[u8]) -> Option<String> {
    let even = |zero: usize| bytes.chunks_exact(2).take(64).filter(|pair| pair.get(zero) == Some(&0)).count();
    let halves = bytes.chunks_exact(2).take(64).count();
    let name = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => "UTF-32",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        _ if halves > 1 && even(1) * 2 > halves => "UTF-16LE",
        _ if halves > 1 && even(0) * 2 > halves => "UTF-16BE",
        _ if std::str::from_utf8(bytes).is_ok() => return None,
        _ => return Some(guessed(bytes)),
    };
    Some(format!("the file is {name} and not UTF-8; {}", converted(name)))
}

fn guessed(bytes: &[u8]) -> String {
    let reads = |encoding: &'static encoding_rs::Encoding, sign: fn(char) -> bool| {
        let (text, _, broken) = encoding.decode(bytes);
        !broken && text.chars().any(sign)
    };
    let kana = |c: char| ('\u{3040}'..='\u{30ff}').contains(&c);
    let hangul = |c: char| ('\u{ac00}'..='\u{d7a3}').contains(&c);
    let name = match () {
        () if reads(SHIFT_JIS, kana) && !reads(EUC_KR, hangul) => "CP932",
        () if reads(EUC_KR, hangul) => "CP949",
        () if reads(WINDOWS_1252, char::is_alphabetic) => "CP1252",
        () => return "the file is not UTF-8 text; save it as UTF-8".to_owned(),
    };
    format!("the file is not UTF-8 text (perhaps {name}); {}", converted(name))
}

fn converted(from: &str) -> String {
    format!("convert it with `iconv -f {from} -t UTF-8 OLD >NEW`, or save it as UTF-8")
}

/// What a text is that is no YAML, where that can be told.
pub(crate) fn foreign(text: &str) -> Option<&'static str> {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']))?;
    let is_section = first.starts_with('[') && first.ends_with(']') && !first.contains([',', '"', '\'']);
    let rest = || text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';', '[']));
    if is_section && rest().any(|line| !line.ends_with(',') && !line.contains(": ")) {
        return Some("this is an INI file, as Ansible has them; write the hosts in YAML (`fleetclock init` shows how)");
    }
    first.starts_with('<').then_some("this is XML or HTML, and no YAML")
}

/// The first tag (`!vault`, `!include`): its line, its column and its name. YAML's own begin with `!!`.
pub(crate) fn tag(text: &str) -> Option<(u64, u64, String)> {
    text.lines().enumerate().find_map(|(number, line)| {
        let at = [": !", "- !", "[!", "{!"].iter().filter_map(|lead| Some(line.find(lead)? + lead.len() - 1)).min()?;
        let before = line.get(..at)?;
        let quoted = before.contains(['#', '"', '\'']);
        let word: String =
            line.get(at + 1..)?.chars().take_while(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        let column = before.chars().count() as u64 + 1;
        (!quoted && !word.is_empty()).then(|| (number as u64 + 1, column, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_under_the_place_also_after_wide_characters() {
        assert_eq!(marked("a:\n  시계: @b\n", 2, 7), "\n2 |   시계: @b\n  |         ^");
        assert_eq!(marked("a\n", 9, 1), "");
        let long = format!("{}@", "x".repeat(500));
        assert!(marked(&long, 1, 501).lines().all(|line| line.len() < 90));
    }

    #[test]
    fn encodings_are_named() {
        let utf16 = |text: &str, big: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let text = "hosts:\n  # 시계\n  a: 1\n";
        for (bytes, name) in [
            ([vec![0xff, 0xfe], utf16(text, false)].concat(), Some("UTF-16 ")),
            (utf16(text, false), Some("UTF-16LE")),
            (utf16(text, true), Some("UTF-16BE")),
            (EUC_KR.encode(text).0.into_owned(), Some("CP949")),
            (b"hosts: # Z\xfcrich\n".to_vec(), Some("CP1252")),
            (SHIFT_JIS.encode("# サーバ\n").0.into_owned(), Some("iconv")),
            (text.as_bytes().to_vec(), None),
            (b"a".to_vec(), None),
            (Vec::new(), None),
        ] {
            let said = encoding(&bytes);
            assert_eq!(said.is_some(), name.is_some(), "{said:?}");
            assert!(name.is_none_or(|name| said.clone().unwrap_or_default().contains(name)), "{name:?}: {said:?}");
        }
    }

    #[test]
    fn a_tag_is_found_and_an_exclamation_mark_is_none() {
        assert_eq!(tag("a: 1\nb: !vault |\n  x\n"), Some((2, 4, "vault".into())));
        assert_eq!(tag("a: [!include b]\n"), Some((1, 5, "include".into())));
        for text in ["a: '!vault'\n", "# a: !vault\n", "a: b!\n", "a: !!str 1\n", "a: \"x: !y\"\n"] {
            assert_eq!(tag(text), None, "{text}");
        }
    }
}
