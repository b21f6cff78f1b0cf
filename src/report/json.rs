//! Results for programs: one pretty document. `docs/report.md` says what may be relied on.

use serde::Serialize;

/// Returns a value as one document with a line break at its end.
pub fn document<T: Serialize>(value: &T) -> String {
    // The types hold nothing that JSON has no word for; should that ever change, say so in JSON.
    let text = serde_json::to_string_pretty(value);
    unread_by_runners(text.unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string())) + "\n"
}

/// Returns a value as one line.
pub fn line<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string(value);
    unread_by_runners(text.unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string())) + "\n"
}

/// What the runner of GitHub Actions would take for a command, wherever it stands in its log, can only be part of a
/// string, which another notation leaves as it is.
pub fn unread_by_runners(text: String) -> String {
    if text.contains("##[") { text.replace("##[", "#\\u0023[") } else { text }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_command_for_a_runner_is_a_string_like_any_other() {
        for text in [super::document(&["a ###[x]"]), super::line(&["a ###[x]"])] {
            let back: Vec<String> = serde_json::from_str(&text).unwrap();
            assert!(!text.contains("##[") && back == ["a ###[x]"], "{text}");
        }
    }
}
