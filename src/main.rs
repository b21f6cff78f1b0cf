//! The command `fleetclock`.

use std::process::ExitCode;

use clap::Parser;
use fleetclock::cli::{self, Cli};
use fleetclock::exit::Exit;
use fleetclock::report::console;

fn main() -> ExitCode {
    let exit = cli::run(Cli::parse()).unwrap_or_else(|error| {
        console::error(&error);
        Exit::Usage
    });
    ExitCode::from(exit.code())
}
