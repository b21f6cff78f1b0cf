//! Text of hosts in Markdown, so that it is shown and means nothing: no table, no link, no HTML, nobody is called.

use std::fmt::Write as _;

use crate::text::clean;

/// Returns a text as code in a line. Backticks cannot do that in a table, where a `|` ends the cell even between them;
/// so it is HTML, and what could mean something is written as a number.
pub(super) fn code(text: &str) -> String {
    let mut shown = String::from("<code>");
    let mut before = [' '; 3];
    for c in clean::text(text).chars() {
        match c {
            '\n' | '\t' => shown.push(' '),
            // `www.` begins a link.
            '.' if before.iter().all(|c| c.eq_ignore_ascii_case(&'w')) => shown.push_str("&#46;"),
            c if c.is_ascii_punctuation() && !"-,./()=+%".contains(c) => drop(write!(shown, "&#{};", u32::from(c))),
            c => shown.push(c),
        }
        before.rotate_left(1);
        before[2] = c;
    }
    shown + "</code>"
}

/// Returns a text as a block of code, between fences that are longer than any in it.
pub(super) fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{fence}{language}\n{text}{end}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    /// All that there are, but for those that make other characters of what is written: no platform has them.
    fn extensions() -> Options {
        Options::all() - Options::ENABLE_SMART_PUNCTUATION - Options::ENABLE_OLD_FOOTNOTES
    }

    /// The text of each cell, as a reader of Markdown with tables sees it, and the HTML between.
    fn cells(table: &str) -> Vec<String> {
        let mut cells = Vec::new();
        for event in Parser::new_ext(table, extensions()) {
            match event {
                Event::Start(Tag::TableCell) => cells.push(String::new()),
                Event::Text(text) => cells.last_mut().unwrap().push_str(&text),
                Event::InlineHtml(html) => assert!(matches!(&*html, "<code>" | "</code>"), "{html}"),
                Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableRow) => {}
                Event::End(TagEnd::Table | TagEnd::TableHead | TagEnd::TableRow | TagEnd::TableCell) => {}
                other => panic!("{other:?} in {table}"),
            }
        }
        cells
    }

    const HOSTILE: &str =
        "(?s).{0,40}|[|`<>&\\\\*_\\[\\]()!#@:/~$w.\n -]{0,30}|https?://a\\.b/|www\\.a\\.b|<!-- .{0,5}";

    proptest! {
        #[test]
        fn a_text_in_a_cell_is_shown_as_it_is(raw in HOSTILE) {
            let table = format!("| a | b |\n| --- | --- |\n| {} | end |\n", code(&raw));
            let shown = clean::text(&raw).replace(['\n', '\t'], " ");
            let seen = cells(&table);
            prop_assert_eq!(seen.len(), 4, "{}", table);
            prop_assert_eq!(seen[2].trim(), shown.trim(), "{}", table);
            prop_assert_eq!(&seen[3], "end");
        }

        #[test]
        fn a_block_holds_all_of_its_text(raw in "(?s).{0,60}|[`~\n <>a-]{0,40}") {
            let text = clean::text(&raw).into_owned();
            let block = fenced("diff", &text);
            let mut events = Parser::new_ext(&block, extensions());
            let is_block = matches!(events.next(), Some(Event::Start(Tag::CodeBlock(_))));
            prop_assert!(is_block, "{}", block);
            let mut held = String::new();
            for event in events.by_ref() {
                match event {
                    Event::Text(part) => held.push_str(&part),
                    Event::End(TagEnd::CodeBlock) => break,
                    other => panic!("{other:?} in {block}"),
                }
            }
            prop_assert!(events.next().is_none(), "{}", block);
            prop_assert_eq!(held.trim_end_matches('\n'), text.trim_end_matches('\n'));
        }
    }
}
