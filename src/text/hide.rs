//! Hides secrets in texts, wherever they come from: what a host says, what a program quotes, what
//! is kept in a file.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::clean;
use crate::model::HostReport;

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";

/// Values shorter than this are hidden as whole words only, or nothing would be readable.
const SHORT: usize = 4;

/// Words that tell that a secret follows them.
const TELLING: &[&str] = &["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "api-key", "pw"];

/// Knows values, and hides them in every form in which this program may write them.
///
/// What a host adds to the secrets of the whole run is a layer above theirs, which all hosts share.
#[derive(Debug, Clone, Default)]
pub struct Hider {
    layers: Vec<Arc<Layer>>,
}

/// Values that became known at the same time.
#[derive(Debug)]
struct Layer {
    forms: BTreeSet<String>,
    search: AhoCorasick,
}

impl Hider {
    /// Knows these values; empty ones are none.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self::default().with(values)
    }

    /// Knows more values; what is known already costs nothing anew.
    #[must_use]
    pub fn with<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Self {
        let mut forms = BTreeSet::new();
        values.into_iter().for_each(|value| add_forms(value, &mut forms));
        forms.retain(|form| !self.layers.iter().any(|layer| layer.forms.contains(form)));
        let mut layers = self.layers.clone();
        if !forms.is_empty() {
            // More patterns than the search can number are not possible: they come from one inventory.
            let search = AhoCorasick::new(&forms).ok();
            layers.extend(search.map(|search| Arc::new(Layer { forms, search })));
        }
        Hider { layers }
    }

    /// Returns the text with `***` in the place of each value. Values that overlap are one.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut ranges = self.ranges(text);
        if ranges.is_empty() {
            return Cow::Borrowed(text);
        }
        ranges.sort_by_key(|range| range.start);
        let mut shown = String::with_capacity(text.len());
        let mut at = 0;
        for range in ranges {
            if range.start > at || at == 0 {
                shown.push_str(text.get(at..range.start).unwrap_or_default());
                shown.push_str(HIDDEN);
            }
            at = at.max(range.end);
        }
        shown.push_str(text.get(at..).unwrap_or_default());
        Cow::Owned(shown)
    }

    /// Hides in everything that is said of a host.
    pub fn report(&self, report: &mut HostReport) {
        if !self.layers.is_empty() {
            clean::each_text(report, &mut |field| self.field(field));
        }
    }

    /// Hides in one field.
    pub fn field(&self, field: &mut String) {
        if let Cow::Owned(shown) = self.text(field) {
            *field = shown;
        }
    }

    fn ranges(&self, text: &str) -> Vec<Range<usize>> {
        self.layers
            .iter()
            .flat_map(|layer| layer.search.find_overlapping_iter(text))
            .map(|found| found.range())
            .filter(|range| range.len() >= SHORT || is_word(text, range))
            .collect()
    }
}

fn is_word(text: &str, range: &Range<usize>) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let before = text.get(..range.start).and_then(|text| text.chars().next_back());
    let after = text.get(range.end..).and_then(|text| text.chars().next());
    !before.is_some_and(part) && !after.is_some_and(part)
}

/// The value, its lines, and how this program quotes, escapes and encodes it.
fn add_forms(value: &str, forms: &mut BTreeSet<String>) {
    let lines = value.lines().map(str::trim).filter(|line| line.len() >= SHORT);
    for text in std::iter::once(value).chain(lines) {
        let json = serde_json::to_string(text).unwrap_or_default();
        let debug = format!("{text:?}");
        let bare = |quoted: &str| quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned();
        let encoded = [STANDARD.encode(text), URL_SAFE.encode(text)];
        let encoded = encoded.iter().map(|code| code.trim_end_matches('=').to_owned()).filter(|code| code.len() > 5);
        let own = [text.to_owned(), text.replace('\'', r"'\''"), bare(&json), bare(&debug)];
        forms.extend(own.into_iter().chain(encoded).filter(|form| !form.trim().is_empty()));
    }
}

/// Hides what follows a word that tells of a secret: `password = x`, `# token: x`, `ASCII:x`.
/// For lines of which nothing else is known.
pub fn telling(line: &str) -> Cow<'_, str> {
    match tells(line) {
        Some(at) => Cow::Owned(format!("{}{HIDDEN}", line.get(..at).unwrap_or_default())),
        None => Cow::Borrowed(line),
    }
}

/// The same for every line of a text.
pub fn telling_lines(text: &str) -> String {
    let shown = |line: &str| {
        let body = line.trim_end_matches(['\r', '\n']);
        telling(body).into_owned() + line.get(body.len()..).unwrap_or_default()
    };
    text.split_inclusive('\n').map(shown).collect()
}

/// Where the secret of a line begins.
fn tells(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let indent = lower.len() - lower.trim_start_matches(|c: char| c.is_whitespace() || "#;!".contains(c)).len();
    // ntpd's `crypto host NAME pw PASSWORD`: its options stand in any order.
    let of_crypto = lower.get(indent..).is_some_and(|rest| rest.split_whitespace().next() == Some("crypto"));
    let words = TELLING.iter().flat_map(|word| lower.match_indices(word).map(move |(at, _)| (at, *word)));
    let told = words.filter_map(|(start, word)| {
        let end = start + word.len();
        let rest = lower.get(end..)?.trim_start_matches(['"', '\'']);
        let value = rest.trim_start_matches([' ', '\t', '=', ':']);
        let gap = rest.get(..rest.len() - value.len())?;
        let assigned = gap.contains(['=', ':']) || (!gap.is_empty() && (start == indent || of_crypto && word == "pw"));
        let whole = !lower.get(..start)?.ends_with(|c: char| c.is_alphanumeric());
        (assigned && whole && !value.trim().is_empty()).then(|| lower.len() - value.len())
    });
    let marks = ["hex:", "ascii:"].iter().filter_map(|mark| Some(lower.find(mark)? + mark.len()));
    told.chain(marks).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_that_overlap_leave_no_tail() {
        let hider = Hider::new(["abcd", "abcd-long-tail", "long", "tail-more", ""]);
        assert_eq!(hider.text("x abcd-long-tail y abcd z"), "x *** y *** z");
        assert_eq!(hider.text("abcd-long-tail-more!"), "***!");
        assert_eq!(hider.text("abcdabcd"), "***");
        assert!(matches!(hider.text("nothing"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_a_host_adds_is_hidden_beside_the_rest_and_the_rest_is_kept_once() {
        let run = Hider::new(["of-the-run", "shared"]);
        let host = run.with(["shared", "run-and-host"]);
        assert_eq!(host.text("of-the-run-and-host, shared, other"), "***, ***, other");
        assert_eq!(run.text("run-and-host"), "run-and-host");
        assert!(Arc::ptr_eq(&run.layers[0], &host.layers[0]) && host.layers.len() == 2);
        assert!(!host.layers[1].forms.contains("shared"));
        assert_eq!(host.with(["of-the-run", "run-and-host", ""]).layers.len(), 2);
    }

    #[test]
    fn every_form_that_we_write_is_hidden() {
        let hider = Hider::new(["it's \"so\" \\ secret"]);
        for text in [r#"'it'\''s "so" \ secret'"#, "\"it's \\\"so\\\" \\\\ secret\"", "aXQncyAic28iIFwgc2VjcmV0"] {
            assert!(!hider.text(text).contains("so"), "{text}: {}", hider.text(text));
        }
        let hider = Hider::new(["-----BEGIN KEY-----\nMIIB1234\n-----END KEY-----\n"]);
        assert_eq!(hider.text("line 3: MIIB1234 is bad"), "line 3: *** is bad");
    }

    #[test]
    fn a_short_value_is_hidden_as_a_word() {
        assert_eq!(Hider::new(["7"]).text("pin 7, 17 hosts, 7.5"), "pin ***, 17 hosts, ***.5");
    }

    #[test]
    fn what_follows_a_telling_word_is_hidden() {
        for (line, shown) in [
            ("crypto pw hunter2", "crypto pw ***"),
            ("crypto host h pw letmein randfile r", "crypto host h pw ***"),
            ("includefile /etc/ntp/crypto/pw x", "includefile /etc/ntp/crypto/pw x"),
            ("# token: abc", "# token: ***"),
            ("  Password=abc def", "  Password=***"),
            ("7 SHA256 HEX:00ff", "7 SHA256 HEX:***"),
            ("curl -d api_key=1 x", "curl -d api_key=***"),
            ("the password file of ntpd", "the password file of ntpd"),
            ("server 10.0.0.1 iburst", "server 10.0.0.1 iburst"),
            ("tokens 3", "tokens 3"),
        ] {
            assert_eq!(telling(line), shown);
        }
    }

    proptest! {
        #[test]
        fn a_value_never_appears(before in "\\PC*", secret in "[a-z0-9'\"\\\\ ]{6,20}", after in "\\PC*") {
            let shown = Hider::new([secret.as_str()]).text(&format!("{before}{secret}{after}")).into_owned();
            prop_assert!(!shown.contains(&secret) || secret.trim().is_empty());
        }

        #[test]
        fn telling_never_panics(line in "\\PC*") {
            let _ = telling(&line);
        }
    }
}
