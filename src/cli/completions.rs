//! `completions`: for the shell.

use anyhow::{Context as _, Result};
use clap_complete::Shell;
use clap_complete::env::Shells;

use super::suggest::ASKED;
use crate::exit::Exit;
use crate::report::console;

/// Options of `completions`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the function with which a shell asks this program.
pub(super) fn run(args: &Args) -> Result<Exit> {
    let shells = Shells::builtins();
    let shell =
        shells.completer(&args.shell.to_string()).with_context(|| format!("no completions for {}", args.shell))?;
    let mut text = Vec::new();
    shell.write_registration(ASKED, "fleetclock", "fleetclock", "fleetclock", &mut text)?;
    console::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Ok)
}
