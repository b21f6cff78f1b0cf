//! Why root rights were refused, in the words of a user.

use super::TransportError;
use super::driver::{Driver, Refusal};
use crate::inventory::spec::{Become, ElevateSettings};

fn word(method: Become) -> &'static str {
    match method {
        Become::None => "nothing",
        Become::Sudo => "sudo",
        Become::Doas => "doas",
    }
}

/// The program asked for something that we do not have, or refused what we sent.
pub(super) fn refused(settings: &ElevateSettings, to: &str, user: &str, refusal: &Refusal) -> TransportError {
    let (cause, hint) = match refusal {
        Refusal::WrongPassword => ("the password was refused", "correct `become_password`; it was tried once"),
        Refusal::NoPassword => (
            "a password is asked for and none is configured",
            "set `become_password`, or allow the user to become root without one",
        ),
        Refusal::TooMuchOutput(words) => {
            return TransportError::Lost { to: to.to_owned(), cause: (*words).to_owned() };
        }
    };
    error(settings, user, cause, hint)
}

/// The program ended before the shell was there; its last words say why.
pub(super) fn ended_early(
    settings: &ElevateSettings,
    to: &str,
    user: &str,
    driver: Driver,
    status: i32,
) -> TransportError {
    let prompted = driver.prompted();
    let output = driver.finish(status);
    let words = output.stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned();
    if settings.method == Become::None {
        let cause = format!("the shell did not start (exit status {status}): {words}");
        return TransportError::Lost { to: to.to_owned(), cause };
    }
    if settings.method == Become::Doas && words.contains("required") {
        return error(settings, user, &words, unasked(settings));
    }
    let cause = if words.is_empty() { format!("exit status {status}") } else { words };
    let hint = if prompted {
        "see `become_password`, and that the user may become root"
    } else {
        "see that the program is installed and that the user may become root"
    };
    error(settings, user, &cause, hint)
}

/// doas was told not to ask.
fn unasked(settings: &ElevateSettings) -> &'static str {
    match settings.password {
        None => "set `become_password`, or use `permit nopass` for this user",
        Some(_) => "on this machine itself doas is given no password; use `permit nopass` for this user",
    }
}

/// The host lets nobody have a terminal.
pub(super) fn no_terminal(settings: &ElevateSettings, user: &str, cause: &str) -> TransportError {
    let cause = format!("no terminal for its question ({cause})");
    error(settings, user, &cause, "set `PermitTTY yes` in the host's sshd_config, or use `permit nopass` for this user")
}

fn error(settings: &ElevateSettings, user: &str, cause: &str, hint: &str) -> TransportError {
    TransportError::Elevate {
        method: word(settings.method),
        user: user.to_owned(),
        cause: cause.to_owned(),
        hint: hint.to_owned(),
    }
}
