//! Unified diffs of file contents, with secrets hidden on both sides.

use similar::TextDiff;

use super::shape::{Sides, Wanted};

/// Returns the unified diff of what is on the host and what is wanted, with three lines of context.
/// Lines are compared as they are and shown with their secrets hidden: one that changes shows that
/// it does.
pub fn unified(path: &str, from: &str, to: &str, wanted: &Wanted) -> String {
    let shown = wanted.sides(from, to);
    let diff = TextDiff::from_lines(from, to);
    let mut text = format!("--- {path} (on the host)\n+++ {path} (wanted)\n");
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        text.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            let line = line(&shown, change.old_index(), change.new_index());
            text.push_str(&format!("{}{line}\n", change.tag()));
            if change.missing_newline() {
                text.push_str("\\ No newline at end of file\n");
            }
        }
    }
    text
}

/// What is wanted is known best, so a line of both sides is shown as such.
fn line(shown: &Sides, old: Option<usize>, new: Option<usize>) -> &str {
    let side = match (old, new) {
        (_, Some(index)) => shown.wanted.get(index),
        (Some(index), None) => shown.host.get(index),
        (None, None) => None,
    };
    side.map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::hide::Hider;
    use proptest::prelude::*;

    fn body(from: &str, to: &str, wanted: &Wanted) -> String {
        unified("/f", from, to, wanted).split_inclusive('\n').skip(3).collect()
    }

    fn secret(masked: &str, secrets: &[&str]) -> Wanted {
        Wanted::new(Some(masked.to_owned()), Hider::new(secrets.iter().copied()))
    }

    #[test]
    fn a_plain_file_is_shown_as_it_is() {
        let diff = unified("/f", "a\nb\n", "a\nc", &Wanted::default());
        assert_eq!(
            diff,
            "--- /f (on the host)\n+++ /f (wanted)\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n"
        );
        assert_eq!(body("crypto pw hunter2\n", "x\n", &Wanted::default()), "-crypto pw ***\n+x\n");
    }

    #[test]
    fn a_rotated_secret_is_hidden_on_both_sides_and_seen_to_change() {
        let wanted = secret("a\n# tok ***\n", &["NEW"]);
        assert_eq!(body("a\n# tok OLD\n", "a\n# tok NEW\n", &wanted), " a\n-# tok ***\n+# tok ***\n");
    }

    #[test]
    fn lines_of_the_host_alone_are_not_shown_beside_a_secret() {
        let wanted = secret("1 SHA256 HEX:***\n", &["beef"]);
        let host = "1 SHA256 HEX:beef\n7 SHA256 HEX:cafe\n\nfoo bar\n";
        let shown = body(host, "1 SHA256 HEX:beef\n", &wanted);
        let line = crate::text::shape::NOT_SHOWN;
        assert_eq!(shown, format!(" 1 SHA256 HEX:***\n-{line}\n-\n-{line}\n"));
    }

    proptest! {
        #[test]
        fn no_secret_of_either_side_appears(
            before in "[a-z ]{0,8}", old in "[A-Z]{5,9}", new in "[A-Z]{5,9}", after in "[a-z ]{0,8}", more in "[A-Z]{5,9}",
        ) {
            let line = |value: &str| format!("x\n{before}{value}{after}\ny\n");
            let shown = unified("/f", &(line(&old) + &more + "\n"), &line(&new), &secret(&line("***"), &[&new]));
            for value in [&old, &new, &more] {
                prop_assert!(!shown.contains(value.as_str()), "{shown}");
            }
        }
    }
}
