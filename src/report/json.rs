//! Results for programs: one pretty document. `docs/report.md` says what may be relied on.

use serde::Serialize;

/// Returns a value as one document with a line break at its end.
pub fn document<T: Serialize>(value: &T) -> String {
    // The types hold nothing that JSON has no word for; should that ever change, say so in JSON.
    let text = serde_json::to_string_pretty(value);
    text.unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string()) + "\n"
}

/// Returns a value as one line.
pub fn line<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string(value);
    text.unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string()) + "\n"
}
