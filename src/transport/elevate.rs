//! Why root rights were refused, in the words of a user.

use super::driver::{Driver, Refusal};
use super::{Output, TransportError};
use crate::inventory::spec::{Become, ElevateSettings};
use crate::report::decisive::decisive;

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
    let words = decisive(&output.stdout, &output.stderr);
    if !words.is_empty() && !prompted && !has_begun(settings.method, &output) {
        return by_login_shell(settings, to, user, &words);
    }
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

/// Whether the program that gives root rights, or without one the script, has said a word. What else
/// is printed comes from the login shell: nologin, a forced command, a restricted shell.
fn has_begun(method: Become, output: &Output) -> bool {
    let lines = || output.stderr.lines().chain(output.stdout.lines()).map(str::trim);
    let restricted = lines().any(|line| line.starts_with("rbash:"));
    match method {
        Become::None => lines().any(|line| line.starts_with("fc-")),
        _ if restricted => false,
        Become::Sudo => SUDO.iter().any(|sign| lines().any(|line| line.contains(sign))),
        Become::Doas => lines().any(|line| line.contains("doas")),
    }
}

/// Words of sudo, and of a shell that does not find it.
const SUDO: &[&str] = &["sudo", "Sorry, user", "Sorry, try again"];

fn by_login_shell(settings: &ElevateSettings, to: &str, user: &str, words: &str) -> TransportError {
    let before = match settings.method {
        Become::None => String::new(),
        method => format!(", and {} was not reached", word(method)),
    };
    TransportError::Login {
        to: to.to_owned(),
        user: user.to_owned(),
        cause: format!("its login shell did not run the command{before}: {words}"),
        hint: "give the account a login shell as /bin/sh, and no ForceCommand in sshd_config or authorized_keys"
            .to_owned(),
    }
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
        method: word(settings.method).to_owned(),
        user: user.to_owned(),
        cause: cause.to_owned(),
        hint: hint.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_shell_is_told_from_sudo() {
        for (method, stdout, stderr, begun) in [
            (Become::Sudo, "This account is currently not available.\n", "", false),
            (Become::Sudo, "backups only\n", "stty: 'standard input': Inappropriate ioctl\n", false),
            (Become::Sudo, "", "rbash: line 1: sudo: command not found\n", false),
            (Become::Sudo, "", "sudo: a password is required\n", true),
            (Become::Sudo, "", "ops is not in the sudoers file.\n", true),
            (Become::Sudo, "", "Sorry, user ops is not allowed to execute '/bin/sh' as root on h.\n", true),
            (Become::Sudo, "", "bash: line 1: exec: sudo: not found\n", true),
            (Become::Doas, "", "doas: Operation not permitted\n", true),
            (Become::Doas, "no logins today\n", "", false),
            (Become::None, "This account is currently not available.\n", "", false),
            (Become::None, "fc-0123 begin 0\n", "killed\n", true),
        ] {
            let output = Output { stdout: stdout.into(), stderr: stderr.into(), status: 1 };
            assert_eq!(has_begun(method, &output), begun, "{stdout}{stderr}");
        }
    }
}
