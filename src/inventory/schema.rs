//! The JSON Schema of an inventory, made from the rows of its tables: editors complete and check by it.

use serde_json::{Map, Value, json};

use super::rollout::ROLLOUT;
use super::settings::{HOST, LEVEL};
use super::table::{Row, Table, rows};

/// Returns the schema of a map with these rows.
pub(super) fn map<S: 'static>(table: Table<S>) -> Value {
    object(&rows(table).map(property).collect())
}

fn property<S: 'static>(row: &Row<S>) -> (String, Value) {
    let mut schema = row.field.schema();
    if let Some(schema) = schema.as_object_mut() {
        let text = format!("{} Default: {}.", row.doc, row.default);
        schema.insert("description".to_owned(), text.into());
    }
    (row.key.to_owned(), schema)
}

fn object(properties: &Map<String, Value>) -> Value {
    json!({ "type": ["object", "null"], "properties": properties, "additionalProperties": false })
}

/// The schema of the whole file.
pub(super) fn inventory() -> Value {
    let hosts = json!({ "$ref": "#/$defs/hosts" });
    let mut group = map(LEVEL);
    if let Some(properties) = group.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("hosts".to_owned(), hosts.clone());
    }
    let of = |schema: &Value| json!({ "type": ["object", "null"], "additionalProperties": schema });
    let parts = [("defaults", map(LEVEL)), ("groups", of(&group)), ("hosts", hosts), ("rollout", map(ROLLOUT))];
    let mut schema = object(&parts.into_iter().map(|(key, schema)| (key.to_owned(), schema)).collect());
    let more = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An inventory of fleetclock",
        "$defs": { "hosts": all_hosts(), "secret": secret() },
    });
    if let (Some(schema), Some(more)) = (schema.as_object_mut(), more.as_object()) {
        schema.extend(more.clone());
    }
    schema
}

/// Names, with their address or their settings.
fn all_hosts() -> Value {
    let names = json!({ "type": ["string", "number"] });
    let host = json!({ "anyOf": [names, map(HOST)] });
    json!({ "anyOf": [
        { "type": ["object", "null"], "additionalProperties": host },
        { "type": "array", "items": names },
    ] })
}

/// Where a secret comes from.
fn secret() -> Value {
    let text = json!({ "type": ["string", "number"] });
    let words = json!({ "anyOf": [text, { "type": "array", "items": text }] });
    json!({ "anyOf": [{ "const": "ask" }, {
        "type": "object",
        "properties": { "env": text, "file": text, "command": words },
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    }] })
}
