//! The command `fleetclock`.

use std::process::ExitCode;

use fleetclock::{cli, transport};

fn main() -> ExitCode {
    // Started by `ssh`, which wants a password for a connection of ours; no verb for people either.
    if let Some(answered) = transport::answer_ssh() {
        return if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    // Started by this program itself, for one connection after the other; no verb for people.
    if std::env::args_os().nth(1).is_some_and(|word| word == "worker") && transport::serve_stdin() {
        return ExitCode::SUCCESS;
    }
    // Started by a shell in which somebody has pressed Tab.
    cli::answer_shell();
    ExitCode::from(cli::start().code())
}
