//! The command `fleetclock`.

use std::process::ExitCode;

use clap::Parser;
use fleetclock::cli::{self, Cli};
use fleetclock::exit::{self, Exit};
use fleetclock::report::console;

fn main() -> ExitCode {
    let exit = cli::run(Cli::parse()).unwrap_or_else(|error| {
        console::error_line(&format!("error: {error:#}"));
        if let Some(hint) = exit::hint(&error) {
            console::error_line(&format!("hint:  {hint}"));
        }
        Exit::Usage
    });
    ExitCode::from(exit.code())
}
