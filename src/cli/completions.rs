//! `completions`: for the shell.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Cli;
use crate::exit::Exit;
use crate::report::console;

/// Options of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the completions.
pub(super) fn run(args: &Args) -> Result<Exit> {
    let mut text = Vec::new();
    generate(args.shell, &mut Cli::command(), "fleetclock", &mut text);
    console::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}
