//! `init`: an inventory to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use anyhow::{Context as _, Result, anyhow};

use super::Global;
use crate::exit::{Exit, Hint};
use crate::lang::say;
use crate::report::console;

/// The two examples.
const MINIMAL: &str = include_str!("../../examples/minimal.yml");
const AIRGAP: &str = include_str!("../../examples/airgap.yml");

/// Options of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the example of a network without any outside time
    #[arg(long)]
    airgap: bool,
}

/// Writes the file, and replaces none.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let path = &global.inventory;
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(
                anyhow!("`{}` is there already; it was left as it is", path.display()).hint("`-i FILE` writes another")
            );
        }
        opened => opened.with_context(|| format!("write `{}`", path.display()))?,
    };
    let text = if args.airgap { AIRGAP } else { MINIMAL };
    file.write_all(text.as_bytes()).with_context(|| format!("write `{}`", path.display()))?;
    console::print(&say(&format!("`{}` is written; edit it, then see `fleetclock plan`\n", path.display())))?;
    Ok(Exit::Ok)
}
