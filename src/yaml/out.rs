//! Values of an inventory that is written.

use std::fmt;

/// A value, printed in one line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Out {
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Out>),
    Map(Vec<(String, Out)>),
}

impl Out {
    pub(crate) fn text(text: impl Into<String>) -> Out {
        Out::Text(text.into())
    }

    /// `{ env: NAME }`.
    pub(crate) fn env(name: &str) -> Out {
        Out::Map(vec![("env".to_owned(), Out::text(name))])
    }
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Out::Bool(value) => write!(f, "{value}"),
            Out::Number(value) => write!(f, "{value}"),
            Out::Text(text) => f.write_str(&scalar(text)),
            Out::List(list) => {
                let all: Vec<String> = list.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", all.join(", "))
            }
            Out::Map(pairs) => {
                let all: Vec<String> = pairs.iter().map(|(key, value)| format!("{}: {value}", scalar(key))).collect();
                write!(f, "{{ {} }}", all.join(", "))
            }
        }
    }
}

/// Text as YAML reads it back: plain where that is beyond doubt, else in quotation marks.
pub(crate) fn scalar(text: &str) -> String {
    let fine = |c: char| c.is_alphanumeric() || "._/-~@%+$\\".contains(c);
    let begins = text.starts_with(|c: char| c.is_alphanumeric() || "/~".contains(c));
    if begins && text.chars().all(fine) && !means_more(&text.to_lowercase()) {
        return text.to_owned();
    }
    serde_json::Value::from(text).to_string()
}

/// Whether some reader of YAML takes a word for a truth value, a number or nothing: `10.0.0.1` and `web1` are text, `10`,
/// `1.5`, `1e3`, `1_000`, `0x1f` and `inf` are not.
fn means_more(word: &str) -> bool {
    let special = ["true", "false", "yes", "no", "on", "off", "y", "n", "null", "~"].contains(&word);
    let begins = |sign: &&str| word.starts_with(sign);
    special || word.replace('_', "").parse::<f64>().is_ok() || ["0x", "0o", "0b"].iter().any(begins)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_words_stay_plain() {
        for (text, written) in [
            ("web1", "web1"),
            ("10.0.0.1", "10.0.0.1"),
            ("~/.ssh/id", "~/.ssh/id"),
            ("CORP\\ops", "CORP\\ops"),
            ("web[01:05]", "\"web[01:05]\""),
            ("yes", "\"yes\""),
            ("10", "\"10\""),
            ("1.5", "\"1.5\""),
            ("1_000", "\"1_000\""),
            ("0o17", "\"0o17\""),
            ("0b11", "\"0b11\""),
            ("NaN", "\"NaN\""),
            ("inf", "\"inf\""),
            ("fd00::1", "\"fd00::1\""),
            ("a b", "\"a b\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(text), written);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text in "[ -~가-힣]{0,20}") {
            let read: serde_json::Value = serde_yaml::from_str(&format!("k: {}\n", scalar(&text))).unwrap();
            prop_assert_eq!(read.get("k").and_then(|value| value.as_str()), Some(text.as_str()));
        }
    }
}
