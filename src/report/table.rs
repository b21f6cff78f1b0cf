//! Columns: as wide as they need to be, numbers to the right.

use anstyle::Style;

use super::room::width;
use super::style::{FAINT, NAME, PLAIN, paint};
use crate::lang::say;

/// Where the text of a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// One cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell with a colour.
    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Cell { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell::styled(text, PLAIN)
    }
}

/// Returns the text of a number that may be missing.
pub(super) fn optional<T>(value: Option<T>, show: impl Fn(T) -> String) -> Cell {
    value.map_or_else(|| "-".to_owned(), show).into()
}

/// Returns the lines of a table, its head in bold.
pub(super) fn table<const N: usize>(head: [(&str, Side); N], rows: Vec<[Cell; N]>) -> String {
    let sides = head.map(|(_, side)| side);
    // What stands before the name of a column is its place below a mark.
    let named = |text: &str| format!("{}{}", " ".repeat(text.len() - text.trim_start().len()), say(text.trim_start()));
    let mut all = vec![head.map(|(text, _)| Cell::styled(named(text), NAME))];
    all.extend(rows);
    let widths = widths(&all);
    all.iter().map(|row| line(row, &sides, &widths)).collect()
}

/// As [`table`], in so many columns: what does not fit is left out in the order of `spare`, and said so.
pub(super) fn fitted<const N: usize>(
    head: [(&str, Side); N],
    mut rows: Vec<[Cell; N]>,
    spare: &[usize],
    columns: Option<usize>,
) -> String {
    let mut all = vec![head.map(|(text, _)| Cell::from(text))];
    all.extend(rows.iter().cloned());
    let widths = widths(&all);
    let mut wide = widths.iter().sum::<usize>() + 2 * N.saturating_sub(1);
    let mut left_out: Vec<usize> = Vec::new();
    for index in spare {
        if columns.is_some_and(|columns| wide > columns) {
            wide -= widths.get(*index).map_or(0, |width| width + 2);
            left_out.push(*index);
        }
    }
    if left_out.is_empty() {
        return table(head, rows);
    }
    left_out.sort_unstable();
    let mut shown = head;
    for index in &left_out {
        shown.iter_mut().skip(*index).take(1).for_each(|head| head.0 = "");
        rows.iter_mut().flat_map(|row| row.iter_mut().skip(*index).take(1)).for_each(|cell| cell.text.clear());
    }
    let names: Vec<_> = left_out.iter().filter_map(|index| head.get(*index)).map(|(name, _)| say(name)).collect();
    let note = format!("without {}, for which the terminal has no room", names.join(", "));
    let note = paint(FAINT, &say(&note));
    table(shown, rows) + &note + "\n"
}

/// Returns the lines of a table of plain words.
pub(crate) fn columns<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    table(head.map(|text| (text, Side::Left)), rows.into_iter().map(|row| row.map(Cell::from)).collect())
}

/// Returns how wide each column has to be.
pub(super) fn widths<const N: usize>(rows: &[[Cell; N]]) -> [usize; N] {
    std::array::from_fn(|column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| width(&cell.text)).max().unwrap_or(0)
    })
}

/// Returns one line, without blanks at its end.
pub(super) fn line<const N: usize>(row: &[Cell; N], sides: &[Side; N], widths: &[usize; N]) -> String {
    let mut text = String::new();
    let mut blanks = 0;
    for ((cell, side), room) in row.iter().zip(sides).zip(widths) {
        // A column without any text is none.
        if *room == 0 {
            continue;
        }
        let free = room.saturating_sub(width(&cell.text));
        let (before, after) = if *side == Side::Left { (0, free) } else { (free, 0) };
        if !cell.text.is_empty() {
            text.push_str(&" ".repeat(blanks + before));
            text.push_str(&paint(cell.style, &cell.text));
            blanks = after + 2;
        } else {
            blanks += free + 2;
        }
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::console::plain;

    #[test]
    fn wide_characters_count_two_columns() {
        let text = columns(["host", "state"], vec![["서버".into(), "ok".into()], ["server".into(), "ok".into()]]);
        assert_eq!(plain(&text), "host    state\n서버    ok\nserver  ok\n");
    }

    #[test]
    fn what_a_narrow_terminal_has_no_room_for_is_named() {
        let head = [("host", Side::Left), ("delay", Side::Right), ("verdict", Side::Left)];
        let rows = || vec![[Cell::from("web1"), "12 µs".into(), "ok".into()]];
        let of = |columns| plain(&fitted(head, rows(), &[1], columns));
        assert_eq!(of(None), "host  delay  verdict\nweb1  12 µs  ok\n");
        assert_eq!(of(Some(20)), of(None));
        assert_eq!(of(Some(19)), "host  verdict\nweb1  ok\nwithout delay, for which the terminal has no room\n");
    }

    #[test]
    fn columns_are_aligned_and_end_without_blanks() {
        let text = table(
            [("host", Side::Left), ("offset", Side::Right), ("", Side::Left)],
            vec![["a".into(), "12 µs".into(), "".into()], ["server2".into(), "-0.42 ms".into(), "ok".into()]],
        );
        assert_eq!(plain(&text), "host       offset\na           12 µs\nserver2  -0.42 ms  ok\n");
        assert!(text.starts_with("\u{1b}[1mhost"));
    }
}
