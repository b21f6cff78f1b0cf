//! Whether a document is what `schemas/` promises.

use boon::{Compiler, Schemas};
use serde_json::Value;

/// Compares a document with `schemas/NAME.json`.
pub(crate) fn check(name: &str, document: &Value) -> Result<(), String> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let schema = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
    let place = format!("https://fleetclock.invalid/{name}.json");
    compiler.add_resource(&place, schema).map_err(|error| error.to_string())?;
    let index = compiler.compile(&place, &mut schemas).map_err(|error| error.to_string())?;
    schemas.validate(document, index).map_err(|error| format!("{error:#}"))
}
