//! Colours, by what they mean. They go into texts as codes; the printer strips them where
//! nobody would see them.

use anstyle::{AnsiColor, Style};

/// Comes, or is right.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Goes, or is wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// Wrong, and somebody has to look at once.
pub(super) const ALARM: Style = AnsiColor::Red.on_default().bold();
/// Changes, or is worth a second look.
pub(super) const CARE: Style = AnsiColor::Yellow.on_default();
/// A place in a diff.
pub(super) const PLACE: Style = AnsiColor::Cyan.on_default();
/// A name that the eye looks for.
pub(super) const NAME: Style = Style::new().bold();
/// Context.
pub(super) const FAINT: Style = Style::new().dimmed();
/// Nothing special.
pub(super) const PLAIN: Style = Style::new();

/// Puts a style around a text.
pub(super) fn paint(style: Style, text: &str) -> String {
    if style == PLAIN { text.to_owned() } else { format!("{style}{text}{style:#}") }
}
