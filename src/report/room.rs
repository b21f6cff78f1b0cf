//! How a text gets into the columns of a terminal: a line is broken between words, so that nothing is cut in
//! the middle of one, and what follows stands below what it belongs to.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr as _;

/// What separates a host from what is said of it.
const BAR: &str = " | ";

/// What stands for the rest of a line.
const CUT: &str = "...";

/// Returns how many columns a text takes: what is Korean, Chinese or Japanese takes two, a colour none.
pub(super) fn width(text: &str) -> usize {
    plain(text).width()
}

fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\u{1b}') {
        Cow::Owned(anstream::adapter::strip_str(text).to_string())
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns blanks that fill a text up to so many columns.
pub(super) fn padding(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(width(text)))
}

/// Returns the words of a text without colours that fit into so many columns.
pub(super) fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let mut end = 0;
    for (at, _) in text.match_indices(' ') {
        if text.get(..at).is_some_and(|head| width(head) + 1 + CUT.len() <= columns) {
            end = at;
        }
    }
    Cow::Owned(
        format!("{} {CUT}", text.get(..end).unwrap_or_default().trim_end_matches([' ', ',', ':']))
            .trim_start()
            .to_owned(),
    )
}

/// Breaks every line that has more columns between its words. What is in backticks is one word: it can be
/// copied as it stands.
pub fn wrap(text: &str, columns: usize) -> String {
    let mut all = String::with_capacity(text.len() + text.len() / 8);
    for line in text.split_inclusive('\n') {
        let body = line.trim_end_matches('\n');
        if body.len() <= columns || width(body) <= columns {
            all.push_str(body);
        } else {
            broken(&mut all, body, columns);
        }
        all.push_str(line.get(body.len()..).unwrap_or_default());
    }
    all
}

fn broken(all: &mut String, line: &str, columns: usize) {
    let hang = hang(&plain(line), columns);
    let mut used = 0;
    for (blanks, word) in words(line) {
        let wide = width(word);
        if used > 0 && used + blanks.len() + wide > columns && used > width(&hang) {
            all.push('\n');
            all.push_str(&hang);
            used = width(&hang);
        } else {
            all.push_str(blanks);
            used += blanks.len();
        }
        all.push_str(word);
        used += wide;
    }
}

/// What the further lines begin with: they stand below the last column that begins in the left half.
fn hang(line: &str, columns: usize) -> String {
    let half = columns / 2;
    if let Some(at) = line.find(BAR).map(|at| width(line.get(..at).unwrap_or_default())).filter(|at| *at <= half) {
        return format!("{}{BAR}  ", " ".repeat(at));
    }
    let indent = line.len() - line.trim_start().len();
    let mut column = indent + 2;
    for (at, _) in line.match_indices("  ") {
        let (before, after) = line.split_at(at);
        let begins = before.len() + after.len() - after.trim_start().len();
        let at = width(line.get(..begins).unwrap_or_default());
        if !before.trim().is_empty() && at <= half {
            column = at;
        }
    }
    " ".repeat(column.min(half))
}

/// The words of a line, each with the blanks before it.
fn words(line: &str) -> Vec<(&str, &str)> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let start = rest.len() - rest.trim_start_matches(' ').len();
        let (blanks, after) = rest.split_at(start);
        let end = end_of_word(after);
        let (word, tail) = after.split_at(end);
        words.push((blanks, word));
        rest = tail;
    }
    words
}

/// Where a word ends: at a blank that is not between backticks, or at the end.
fn end_of_word(text: &str) -> usize {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '`' => quoted = !quoted && text.get(at + 1..).is_some_and(|rest| rest.contains('`')),
            ' ' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_broken_between_words_and_goes_on_below_its_last_column() {
        let text = "  cause    the firewall of the master drops the questions of its followers\n";
        assert_eq!(
            wrap(text, 40),
            "  cause    the firewall of the master\n           drops the questions of its\n           followers\n"
        );
        assert_eq!(
            wrap("web1 | unreachable: connect 10.0.0.1:22: timed out", 34),
            "web1 | unreachable: connect\n     |   10.0.0.1:22: timed out"
        );
        assert_eq!(wrap("3 hosts: 1 drifted, 2 in sync", 20), "3 hosts: 1 drifted,\n  2 in sync");
        assert_eq!(wrap("short\n\nlines\n", 20), "short\n\nlines\n");
    }

    #[test]
    fn what_is_korean_takes_two_columns_and_a_colour_none() {
        assert_eq!((width("서버1"), width("\u{1b}[1mweb\u{1b}[0m"), padding("서버", 6)), (5, 3, "  ".to_owned()));
        assert_eq!(wrap("서버 서버 서버", 10), "서버 서버\n  서버");
        let coloured = "\u{1b}[31mone two\u{1b}[0m three";
        assert_eq!(wrap(coloured, 13), coloured);
        assert_eq!(wrap(coloured, 8), "\u{1b}[31mone two\u{1b}[0m\n  three");
    }

    #[test]
    fn a_command_is_not_broken() {
        let fix = "fix  `firewall-cmd --permanent --add-service=ntp` on m1";
        assert_eq!(wrap(fix, 30), "fix  `firewall-cmd --permanent --add-service=ntp`\n     on m1");
        assert_eq!(wrap("an apostrophe ` alone is none at all", 20), "an apostrophe `\n  alone is none at\n  all");
    }

    #[test]
    fn what_does_not_fit_is_left_out_by_the_word() {
        assert_eq!(fit("ok, error bound 3 ms", 20), "ok, error bound 3 ms");
        assert_eq!(fit("ok, error bound 3 ms", 19), "ok, error bound ...");
        assert_eq!(fit("ok, error bound 3 ms", 8), "ok ...");
        assert_eq!(fit("unbreakable", 5), "...");
    }

    proptest! {
        #[test]
        fn no_word_is_lost_or_cut(text in "[a-z서`|\u{1b} ]{0,80}", columns in 4_usize..40) {
            let before: Vec<&str> = text.split(' ').filter(|word| !word.is_empty() && *word != "|").collect();
            let after = wrap(&text, columns);
            let after: Vec<&str> = after.split([' ', '\n']).filter(|word| !word.is_empty() && *word != "|").collect();
            prop_assert_eq!(before, after);
        }
    }
}
