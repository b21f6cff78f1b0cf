//! `assets`: the embedded playbooks and templates.

use std::path::PathBuf;

use anyhow::Result;

use super::Global;
use crate::assets::{self, Assets};
use crate::exit::Exit;
use crate::report::console;

/// What to do with the assets.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// List them, and where each comes from
    List,
    /// Print one
    Show {
        /// Its name: playbooks/NAME or templates/NAME
        #[arg(add = crate::cli::suggest::asset())]
        name: String,
    },
    /// Write them into a folder, to be edited and used with --assets
    Export {
        /// The folder
        dir: PathBuf,
    },
}

/// Runs the verb.
pub(super) fn run(verb: &Verb, global: &Global) -> Result<Exit> {
    let assets = Assets::new(global.assets.clone())?;
    match verb {
        Verb::List => {
            let lines: String = assets.list().iter().map(|(name, origin)| format!("{name} ({origin})\n")).collect();
            console::print(&lines)?;
        }
        Verb::Show { name } => console::print(&assets.read(name)?.text)?,
        Verb::Export { dir } => {
            let lines: String = assets::export(dir)?.iter().map(|path| format!("{}\n", path.display())).collect();
            console::print(&lines)?;
        }
    }
    Ok(Exit::Ok)
}
