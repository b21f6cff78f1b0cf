//! The only place that quotes for a shell.

/// Quotes a word for a POSIX shell, whatever it contains but NUL.
pub fn sh(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Quotes an argument for cmd.exe and the programs that it starts.
///
/// # Errors
/// The word holds a character that cmd.exe or a program's own reading of the line would act on;
/// there is no way to quote those that holds for every program.
pub fn cmd(word: &str) -> anyhow::Result<String> {
    let fine = |c: char| c.is_ascii_alphanumeric() || " .,:;_-/\\{}[]=@+|".contains(c);
    if !word.chars().all(fine) || word.ends_with('\\') {
        anyhow::bail!(
            "`{word}` contains characters that cannot be passed to cmd.exe; letters, digits and . , : ; _ - / \\ [ ] = @ + can"
        );
    }
    Ok(format!("\"{word}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cmd_refuses_what_it_cannot_quote() {
        assert_eq!(cmd(r"HKLM\SYSTEM\X").unwrap(), r#""HKLM\SYSTEM\X""#);
        for bad in ["%PATH%", "a\"b", "a&b\"", "a^b", "a!b", "a>b", "a\nb", "C:\\"] {
            assert!(cmd(bad).is_err(), "{bad}");
        }
    }
}
