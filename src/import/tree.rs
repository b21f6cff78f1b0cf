//! Files of other tools as trees that know their places.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use serde_yaml::DuplicateKeyPolicy;

use crate::yaml::tree::{At, Key, Kind, Node};

/// Largest file that is read, bytes.
const LARGEST: u64 = 64 << 20;

/// Reads a file as text.
pub(super) fn text(path: &Path) -> Result<String> {
    let text = crate::input::text(path, LARGEST).with_context(|| format!("read `{}`", path.display()))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Parses YAML or JSON; `file` is its number. Of keys that stand twice the last one counts, as elsewhere.
pub(super) fn parse(text: &str, file: u32, name: &str) -> Result<Node> {
    let options = serde_yaml::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        with_snippet: false,
        strict_booleans: true,
        budget: serde_yaml::budget! { max_depth: 64, max_aliases: 10_000, max_nodes: 5_000_000, max_events: 8_000_000 },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: 1_000_000 },
    };
    if text.trim().is_empty() {
        return Ok(Node { at: At { file, line: 0, column: 0 }, kind: Kind::Null });
    }
    // JSON may be indented with tabs, which YAML may not.
    let tabs =
        text.trim_start().starts_with('{').then(|| serde_json::from_str::<serde_json::Value>(text).ok()).flatten();
    let mut node = match (serde_yaml::from_str_with_options::<Node>(text, options), tabs) {
        (Ok(node), _) => node,
        (Err(_), Some(json)) => from_json(json),
        (Err(error), None) => {
            let (line, column, words) = crate::yaml::explain(&error);
            return Err(anyhow!("{name}:{line}:{column}: {words}{}", crate::yaml::marked(text, line, column)));
        }
    };
    node.stands_in(file);
    Ok(node)
}

fn from_json(value: serde_json::Value) -> Node {
    use serde_json::Value;
    let kind = match value {
        Value::Null => Kind::Null,
        Value::Bool(value) => Kind::Bool(value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Kind::Whole(whole.into()),
            None => Kind::Number(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Kind::Text(text),
        Value::Array(list) => Kind::List(list.into_iter().map(from_json).collect()),
        Value::Object(map) => Kind::Map(
            map.into_iter().map(|(text, value)| (Key { at: At::default(), text }, from_json(value))).collect(),
        ),
    };
    Node { at: At::default(), kind }
}
