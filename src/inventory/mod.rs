//! The inventory: what the file means. A file is read into a tree that knows its places, the
//! tree into settings, the settings into complete hosts; all mistakes are said in one go.

mod check;
mod connection;
mod family;
mod kinds;
mod links;
mod load;
pub mod manual;
mod name;
mod node;
mod places;
mod policy;
mod read;
mod resolve;
pub mod rollout;
pub mod said;
mod schema;
pub mod secret;
pub mod select;
mod settings;
mod source;
pub mod spec;
mod ssh;
mod table;
pub mod topology;
mod winrm;

use std::path::Path;

use crate::model::MistakeCode;
pub use crate::text::range;
pub use node::{At, Mistake, Mistakes};
pub use places::Places;
pub use secret::Secret;
pub use spec::{Fleet, HostSpec};

/// Reads an inventory. No host is contacted, no secret fetched.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Fleet, Mistakes> {
    let root = node::read(path)?;
    resolve(path, &root)
}

/// As [`load()`], from text; `path` is for messages and relative paths.
///
/// # Errors
/// As for [`load()`].
pub fn parse(path: &Path, text: &str) -> Result<Fleet, Mistakes> {
    let root = node::parse(text).map_err(|(at, text)| Mistakes::one(path, at, MistakeCode::Syntax, text))?;
    resolve(path, &root)
}

/// Returns the JSON Schema of an inventory, for editors and for programs that write one.
pub fn schema() -> String {
    format!("{:#}", schema::inventory())
}

fn resolve(path: &Path, root: &node::Node) -> Result<Fleet, Mistakes> {
    let mut reader = read::Reader::new(load::folder(path));
    let drafts = load::load(root, &mut reader);
    if reader.is_full() {
        return Err(Mistakes { files: vec![path.display().to_string()], list: reader.mistakes });
    }
    let fleet = resolve::resolve(drafts, &mut reader);
    if reader.mistakes.is_empty() {
        return Ok(fleet);
    }
    reader.mistakes.sort_by_key(|mistake| mistake.at);
    reader.mistakes.dedup();
    Err(Mistakes { files: vec![path.display().to_string()], list: reader.mistakes })
}
