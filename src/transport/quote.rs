//! The only place that quotes for a shell.

/// Quotes a word for a POSIX shell, whatever it contains but NUL.
pub fn sh(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
