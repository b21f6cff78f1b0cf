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
    let text = String::from_utf8_lossy(&text);
    console::print(&if args.shell == Shell::Zsh { at_the_first_tab(&text) } else { text.into_owned() })?;
    Ok(Exit::Ok)
}

/// zsh reads the file of a package when Tab is pressed for the first time, and takes it for the body of
/// `_fleetclock`: it has to answer then, and not only to say who answers from now on.
fn at_the_first_tab(text: &str) -> String {
    let first = "if [[ $funcstack[1] == _fleetclock ]]; then\n    _clap_dynamic_completer_fleetclock \"$@\"\nelse\n    compdef ";
    match text.trim_end().rsplit_once("\ncompdef ") {
        Some((function, names)) => format!("{function}\n{first}{names}\nfi\n"),
        None => text.to_owned(),
    }
}
