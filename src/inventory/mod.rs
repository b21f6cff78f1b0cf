//! The inventory: what the file means. A file is read into a tree that knows its places, the
//! tree into settings, the settings into complete hosts; all mistakes are said in one go.

mod check;
mod combine;
mod connection;
mod family;
mod files;
mod kinds;
mod links;
mod load;
pub mod manual;
mod mistaken;
mod name;
mod node;
mod places;
mod policy;
mod program;
mod read;
mod resolve;
pub mod rollout;
pub mod said;
mod schema;
pub mod secret;
pub mod select;
mod settings;
mod shard;
mod source;
pub mod spec;
mod ssh;
mod table;
pub mod topology;
mod tuned;
pub mod tuning;
mod winrm;

use std::path::Path;
use std::sync::Arc;

use crate::model::MistakeCode;
pub use crate::text::range;
use files::Files;
pub use name::not_an_address;
pub use node::{At, Mistake, Mistakes};
pub use places::Places;
pub use secret::Secret;
pub use shard::Shard;
pub use spec::{Fleet, HostSpec};
pub use ssh::become_words;

/// Reads an inventory: a file, a folder of files, or what a program prints, and the files of hosts and groups beside
/// it. No host is contacted, no secret fetched.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Fleet, Mistakes> {
    resolve(files::read(path)?)
}

/// Whether an inventory is printed by a program.
pub fn is_program(path: &Path) -> bool {
    program::is_one(path)
}

/// As [`load()`], from text; `path` is for messages and relative paths.
///
/// # Errors
/// As for [`load()`].
pub fn parse(path: &Path, text: &str) -> Result<Fleet, Mistakes> {
    let root = node::parse(text).map_err(|(at, text)| Mistakes::one(path, at, MistakeCode::Syntax, text))?;
    resolve(Files {
        root,
        names: vec![path.display().to_string()],
        folder: load::folder(path).to_owned(),
        mistakes: Vec::new(),
        warnings: Vec::new(),
    })
}

/// Returns the JSON Schema of an inventory, for editors and for programs that write one.
pub fn schema() -> String {
    format!("{:#}", schema::inventory())
}

fn resolve(files: Files) -> Result<Fleet, Mistakes> {
    let mut reader = read::Reader::new(&files.folder);
    reader.mistakes = files.mistakes;
    let drafts = load::load(&files.root, &mut reader);
    if reader.is_full() {
        return Err(Mistakes { files: files.names, list: reader.mistakes });
    }
    let mut fleet = resolve::resolve(drafts, &mut reader);
    if reader.mistakes.is_empty() {
        let names: Arc<[String]> = files.names.into();
        fleet.hosts.iter_mut().for_each(|host| host.places.files = Arc::clone(&names));
        fleet.warnings.splice(0..0, files.warnings);
        return Ok(fleet);
    }
    reader.mistakes.sort_by_key(|mistake| mistake.at);
    reader.mistakes.dedup();
    Err(Mistakes { files: files.names, list: reader.mistakes })
}
