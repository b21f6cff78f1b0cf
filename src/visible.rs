//! Characters that do not show, or that change how those around them are shown: with them a line
//! can read differently from what it says.

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory as _};

/// Letters without a shape, and marks that only change the letter before them: no general category
/// tells them apart (Unicode 16, `Default_Ignorable_Code_Point`), and a blank that is a symbol.
const SHAPELESS: [std::ops::RangeInclusive<char>; 9] = [
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Whether a character is hidden: a control character (also a line break or a tab), a change of
/// direction, a line separator, something without width, or a blank that is not the ordinary one.
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    use GeneralCategory as G;
    match c.general_category() {
        G::Control | G::Format | G::LineSeparator | G::ParagraphSeparator => true,
        // As wide as a Korean or Chinese letter, and typed by their keyboards: it is seen.
        G::SpaceSeparator => c != '\u{3000}',
        _ => SHAPELESS.iter().any(|range| range.contains(&c)),
    }
}

/// The code point as Unicode writes it: `U+202E`.
pub fn code(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_hidden() {
        for c in
            "\u{202e}\u{2066}\u{200b}\u{2028}\u{feff}\u{ad}\u{61c}\u{3164}\u{a0}\u{e0041}\u{1b}\u{9b}\n\t\u{0}".chars()
        {
            assert!(is_hidden(c), "{}", code(c));
        }
    }

    #[test]
    fn what_people_write_is_seen() {
        for c in "azAZ09 ~µéß마스터時計サーバ\u{3000}Ωя→…“”‘’€✓e\u{301}".chars() {
            assert!(!is_hidden(c), "{}", code(c));
        }
    }
}
