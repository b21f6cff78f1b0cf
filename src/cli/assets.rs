//! `assets`: the embedded playbooks and templates.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::{Format, Global};
use crate::assets::{self, Assets, Origin};
use crate::exit::Exit;
use crate::report::console;
use crate::report::json::document;

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
    /// Print the JSON Schema of a playbook, for an editor
    Schema,
}

/// One playbook or template, for programs.
#[derive(Serialize)]
struct Listed {
    name: String,
    /// The file that it comes from; `None` of one inside the program.
    file: Option<PathBuf>,
}

impl Listed {
    fn of((name, origin): &(String, Origin)) -> Self {
        let file = match origin {
            Origin::Embedded => None,
            Origin::File(path) => Some(path.clone()),
        };
        Listed { name: name.clone(), file }
    }
}

/// Runs the verb.
pub(super) fn run(verb: &Verb, global: &Global) -> Result<Exit> {
    let assets = Assets::new(global.assets.clone())?;
    match verb {
        Verb::List => {
            let all = assets.list();
            console::print(&match global.format {
                Format::Json => document(&all.iter().map(Listed::of).collect::<Vec<_>>()),
                Format::Human => all.iter().map(|(name, origin)| format!("{name} ({origin})\n")).collect(),
            })?;
        }
        Verb::Show { name } => console::print(&assets.read(name)?.text)?,
        Verb::Export { dir } => {
            let lines: String = assets::export(dir)?.iter().map(|path| format!("{}\n", path.display())).collect();
            console::print(&lines)?;
        }
        Verb::Schema => console::print(assets::SCHEMA)?,
    }
    Ok(Exit::Ok)
}
