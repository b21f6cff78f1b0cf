//! Unified diffs of file contents, with secrets hidden one by one.

use similar::TextDiff;

use crate::inventory::Secret;

/// What stands in the place of a secret.
const HIDDEN: &str = "***";

/// Words after which the rest of a line is a secret, in the files of time services.
const SECRET_WORDS: &[&str] = &["crypto pw", "password"];

/// Returns the unified diff of two texts with three lines of context, secrets hidden.
pub fn unified(path: &str, from: &str, to: &str, secrets: &[Secret]) -> String {
    let (from, to) = (hide(from, secrets), hide(to, secrets));
    TextDiff::from_lines(&from, &to)
        .unified_diff()
        .context_radius(3)
        .header(&format!("{path} (on the host)"), &format!("{path} (wanted)"))
        .to_string()
}

/// Replaces each secret, and leaves everything else readable.
fn hide(text: &str, secrets: &[Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().map(Secret::reveal).filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, HIDDEN);
    }
    text.split_inclusive('\n').map(hide_line).collect()
}

fn hide_line(line: &str) -> String {
    let trimmed = line.trim_start();
    for word in SECRET_WORDS {
        if let Some(rest) = trimmed.strip_prefix(word)
            && rest.starts_with([' ', '\t', '='])
        {
            let end = if line.ends_with('\n') { "\n" } else { "" };
            let indent = line.get(..line.len() - trimmed.len()).unwrap_or_default();
            return format!("{indent}{word} {HIDDEN}{end}");
        }
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_secret_is_hidden() {
        let diff = unified("/f", "a\ncrypto pw hunter2\n", "a\nkey 1 s3cret SHA1\n", &[Secret::new("s3cret")]);
        assert_eq!(
            diff,
            "--- /f (on the host)\n+++ /f (wanted)\n@@ -1,2 +1,2 @@\n a\n-crypto pw ***\n+key 1 *** SHA1\n"
        );
    }

    proptest! {
        #[test]
        fn a_secret_never_appears(before in "\\PC*", secret in "[a-z0-9]{6,20}", after in "\\PC*") {
            let text = format!("{before}{secret}{after}\n");
            let shown = unified("/f", &text, "", &[Secret::new(&secret)]);
            prop_assert!(!shown.contains(&secret) || "/f (on the host) (wanted)".contains(&secret));
        }
    }
}
