//! `init`: an inventory to start from.

use anyhow::{Context as _, Result, bail};

use super::Global;
use crate::exit::Exit;
use crate::report::console;

/// Options of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For a network without any outside time
    #[arg(long)]
    airgap: bool,
}

/// Writes the file, and replaces none.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let path = &global.inventory;
    if path.exists() {
        bail!("init: {} is there already; it was left as it is", path.display());
    }
    let text = if args.airgap {
        include_str!("../../examples/airgap.yml")
    } else {
        include_str!("../../examples/minimal.yml")
    };
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    console::print(&format!("{} is written; edit it, then `fleetclock plan`\n", path.display()));
    Ok(Exit::Ok)
}
