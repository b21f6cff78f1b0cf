//! `man`: the manual.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::CommandFactory;

use super::Cli;
use crate::exit::Exit;
use crate::report::console;

/// Options of `man`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write a page for each verb into this folder instead of printing the first
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the page of the program, or writes all.
pub(super) fn run(args: &Args) -> Result<Exit> {
    if let Some(dir) = &args.dir {
        let pages = || format!("write the manual into {}", dir.display());
        std::fs::create_dir_all(dir).with_context(pages)?;
        clap_mangen::generate_to(Cli::command(), dir).with_context(pages)?;
        return Ok(Exit::Ok);
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut text).context("make the manual page")?;
    console::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}
