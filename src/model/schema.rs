//! The JSON Schemas of what is printed, made from the types: `schemas/`.

use std::borrow::Cow;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::outcome::{SERVICE, UNSURE};
use super::{FleetReport, Outcome, Port123, Refusal};

/// A text that is one of these words, or a kiss with its code.
fn one_of(words: impl Iterator<Item = &'static str>, description: &str) -> Schema {
    let words: Vec<&str> = words.collect();
    let pattern = format!("^({}|kiss [A-Za-z0-9?]{{4}})$", words.join("|"));
    json_schema!({ "description": description, "type": "string", "pattern": pattern })
}

impl JsonSchema for Outcome {
    fn schema_name() -> Cow<'static, str> {
        "Outcome".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(Outcome::words(), "How questions to a source ended.")
    }
}

impl JsonSchema for Port123 {
    fn schema_name() -> Cow<'static, str> {
        "Port123".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        one_of(Outcome::words().chain([SERVICE, UNSURE]), "How a source answers questions from source port 123.")
    }
}

/// What is always there is required, as the manual promises.
fn schema<T: JsonSchema>() -> String {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    serde_json::to_string_pretty(&generator.into_root_schema_for::<T>()).unwrap() + "\n"
}

#[test]
fn the_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    for (name, text) in [("report.json", schema::<FleetReport>()), ("refusal.json", schema::<Refusal>())] {
        let path = folder.join(name);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == text, "schemas/{name} is not that of the types: UPDATE=1 cargo test --lib model::schema");
    }
}
