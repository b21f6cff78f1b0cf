//! Text that may stand in XML 1.0, whatever it holds.

use std::fmt::Write as _;

use crate::text::clean;

/// Returns a text for the inside of an element.
pub(super) fn text(text: &str) -> String {
    escaped(text, |_| false)
}

/// Returns a text for the inside of an attribute, between double quotes. Line breaks stay line breaks.
pub(super) fn attribute(text: &str) -> String {
    escaped(text, |c| matches!(c, '"' | '\'' | '\n' | '\t'))
}

fn escaped(text: &str, more: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len() + 16);
    for c in clean::text(text).chars() {
        match c {
            '<' => shown.push_str("&lt;"),
            '&' => shown.push_str("&amp;"),
            // `]]>` must not stand in an element.
            '>' => shown.push_str("&gt;"),
            c if more(c) => drop(write!(shown, "&#{};", u32::from(c))),
            // No characters of XML at all, not even as references.
            '\u{fffe}' | '\u{ffff}' => shown.extend(c.escape_unicode()),
            c if c.is_control() && c != '\n' && c != '\t' => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As a reader of XML takes it.
    fn read(text: &str) -> String {
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", "\"").replace("&#39;", "'");
        text.replace("&#10;", "\n").replace("&#9;", "\t").replace("&amp;", "&")
    }

    fn is_of_xml(c: char) -> bool {
        matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
    }

    #[test]
    fn what_would_end_its_place_is_escaped() {
        assert_eq!(text("a ]]> <b> & \u{0}\u{1b}[2J\u{ffff}"), "a ]]&gt; &lt;b&gt; &amp; \\u{0}\\u{1b}[2J\\u{ffff}");
        assert_eq!(attribute("say \"it's\"\n"), "say &#34;it&#39;s&#34;&#10;");
    }

    proptest! {
        #[test]
        fn any_text_is_text_of_xml_and_says_the_same(raw in "(?s).{0,60}|[\\x00-\\x7f\u{85}\u{2028}\u{fffe}\u{feff}]{0,30}") {
            let (inside, quoted) = (text(&raw), attribute(&raw));
            prop_assert!(inside.chars().all(is_of_xml) && !inside.contains(['<', '>']));
            prop_assert!(quoted.chars().all(is_of_xml) && !quoted.contains(['<', '>', '"', '\n', '\t']));
            prop_assert_eq!(read(&inside), read(&quoted));
            let shown = clean::text(&raw).replace('\u{ffff}', "\\u{ffff}").replace('\u{fffe}', "\\u{fffe}");
            prop_assert_eq!(read(&inside), shown);
        }
    }
}
