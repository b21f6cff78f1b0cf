//! Why there is no shell with root rights, in the words of a user. Three stages can fail: the login
//! shell, the program that gives root rights, and the shell that it starts.

use std::time::Duration;

use super::driver::{Driver, Refusal};
use super::method::{Method, NEEDS_TERMINAL};
use super::{Output, TransportError};
use crate::inventory::spec::ElevateSettings;
use crate::text::decisive::decisive;

/// Whom and what a refusal is about.
pub(super) struct Elevation<'a> {
    pub(super) settings: &'a ElevateSettings,
    /// Address and port.
    pub(super) to: &'a str,
    /// Login name.
    pub(super) user: &'a str,
}

/// What sshd says in the place of a shell to a login that has to set a new password.
const EXPIRED: &str = "Password change required but no TTY available";

/// Whether a program has refused for want of a terminal, which it can have.
pub(super) fn wants_terminal(driver: &Driver) -> bool {
    driver.terminal_command().is_none() && driver.begun() && driver.words().contains(NEEDS_TERMINAL)
}

impl Elevation<'_> {
    fn method(&self) -> Option<&'static Method> {
        Method::of(self.settings.method)
    }

    fn program(&self) -> &'static str {
        self.method().map_or("the login shell", |method| method.name)
    }

    /// The program asked for something that we do not have, or refused what we sent.
    pub(super) fn refused(&self, refusal: &Refusal) -> TransportError {
        match refusal {
            Refusal::WrongPassword { of } => {
                let (whose, hint) = self.password(of.as_deref(), "correct `become_password`; it was tried once");
                self.error(&format!("the password{whose} was refused"), &hint)
            }
            Refusal::NoPassword { of } => {
                let hint = "set `become_password`, or let the user run `/bin/sh` as root without one \
                            (a rule for other commands does not help)";
                let (whose, hint) = self.password(of.as_deref(), hint);
                let cause = match whose.as_str() {
                    "" => "a password is asked for and none is configured".to_owned(),
                    whose => format!("the password{whose} is asked for and none is configured"),
                };
                self.error(&cause, &hint)
            }
            Refusal::AsksMore(words) => self.error(
                &format!("it asks for more than the password: {words}"),
                "nobody is there to answer; let this user become root with a password alone, or without one",
            ),
            Refusal::TooMuchOutput(words) => {
                TransportError::Lost { to: self.to.to_owned(), cause: (*words).to_owned() }
            }
        }
    }

    /// Whose password is meant, where it is not the login's own; and the way out.
    fn password(&self, said: Option<&str>, hint: &str) -> (String, String) {
        let of = said.or_else(|| self.method().and_then(|method| method.of));
        let Some(of) = of.filter(|of| *of != self.user) else { return (String::new(), hint.to_owned()) };
        let why = match said {
            Some(_) => {
                format!("{} wants the password of `{of}` (rootpw, targetpw or runaspw in sudoers)", self.program())
            }
            None => format!("{} wants the password of `{of}`", self.program()),
        };
        (format!(" of `{of}`"), format!("{hint}; {why}, and not that of `{}`", self.user))
    }

    /// The program ended before the shell was there; its last words say why.
    pub(super) fn ended_early(&self, driver: Driver, status: i32) -> TransportError {
        let (prompted, begun) = (driver.prompted(), driver.begun());
        let Output { stdout, stderr, .. } = driver.finish(status);
        if !begun {
            return self.by_login_shell(&stdout, &stderr, status);
        }
        let words = decisive(&stdout, &stderr);
        let Some(method) = self.method() else {
            let cause = format!("/bin/sh did not start (exit status {status}): {words}");
            return TransportError::Lost { to: self.to.to_owned(), cause };
        };
        if method.name == "doas" && words.contains("required") {
            return self.error(&words, self.unasked());
        }
        let cause = if words.is_empty() { format!("exit status {status}") } else { words };
        let hint = match prompted && cause.starts_with("exit status") {
            true => "see `become_password`, and that the user may become root",
            false => method.hint(&format!("{stdout}\n{stderr}")),
        };
        self.error(&cause, hint)
    }

    /// What else is printed comes from the login shell: nologin, a forced command, a restricted shell.
    fn by_login_shell(&self, stdout: &str, stderr: &str, status: i32) -> TransportError {
        if [stdout, stderr].iter().any(|said| said.contains(EXPIRED)) {
            return TransportError::expired(self.to.to_owned(), self.user.to_owned());
        }
        let words = &*decisive(stdout, stderr);
        if words.is_empty() && status == 0 && self.method().is_none() {
            let cause = "the login shell ended without a word and did not run the command".to_owned();
            return TransportError::Lost { to: self.to.to_owned(), cause };
        }
        let why = match words {
            "" => format!("it ended at once, with exit status {status} and without a word, as /bin/false does"),
            words => words.to_owned(),
        };
        self.login_shell(&why)
    }

    pub(super) fn login_shell(&self, why: &str) -> TransportError {
        let before = self.method().map(|method| format!(", and {} was not reached", method.name)).unwrap_or_default();
        TransportError::Login {
            to: self.to.to_owned(),
            user: self.user.to_owned(),
            cause: format!("its login shell did not run the command{before}: {why}"),
            hint: "give the account a login shell as /bin/sh whose start files neither ask, exit nor start another \
                   program, and no ForceCommand in sshd_config or authorized_keys"
                .to_owned(),
        }
    }

    /// Nothing came within the time limit of the script. `None`: the script itself takes that long.
    pub(super) fn late(&self, driver: &Driver, after: Duration) -> Option<TransportError> {
        if driver.started() {
            return None;
        }
        let after = format!("{} s", after.as_secs().max(1));
        let words = driver.words();
        let last = words.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let said = if last.is_empty() { String::new() } else { format!("; the last that it said is `{last}`") };
        if !driver.begun() {
            return Some(self.waits(&after, &said));
        }
        let answered = if driver.prompted() { " after its question was answered" } else { "" };
        let cause = format!("no shell came within {after}{answered}{said}");
        Some(self.error(&cause, "log in to the host, become root with it by hand, and see what it waits for"))
    }

    /// The login shell does not come to our command.
    pub(super) fn waits(&self, after: &str, said: &str) -> TransportError {
        self.login_shell(&format!("it waits for something, and did not come to it within {after}{said}"))
    }

    /// What was to become the shell was ended from outside.
    pub(super) fn killed(&self, driver: &Driver, by: &str) -> TransportError {
        match (driver.started(), driver.begun()) {
            (true, _) => {
                TransportError::Lost { to: self.to.to_owned(), cause: format!("the script was ended by {by}") }
            }
            (false, false) => self.login_shell(&format!("it was ended by {by}")),
            (false, true) => {
                let hint = "log in to the host, become root with it by hand, and see what ends it";
                self.error(&format!("it was ended by {by} before a shell came"), hint)
            }
        }
    }

    /// doas was told not to ask.
    fn unasked(&self) -> &'static str {
        match self.settings.password {
            None => "set `become_password`, or use `permit nopass` for this user",
            Some(_) => "on this machine itself doas is given no password; use `permit nopass` for this user",
        }
    }

    /// The host lets nobody have a terminal.
    pub(super) fn no_terminal(&self, cause: &str) -> TransportError {
        let cause = format!("no terminal for its question ({cause})");
        let hint = match self.program() {
            "doas" => "set `PermitTTY yes` in the host's sshd_config, or use `permit nopass` for this user",
            "sudo" => {
                "set `PermitTTY yes` in the host's sshd_config, or write `Defaults:USER !requiretty` into sudoers"
            }
            _ => "set `PermitTTY yes` in the host's sshd_config",
        };
        self.error(&cause, hint)
    }

    /// The carrier has none to give.
    pub(super) fn terminal_not_built(&self) -> TransportError {
        let cause = "it asks on a terminal, and a program on this machine itself gets none from us";
        self.error(cause, "start fleetclock as root, or use `become: sudo`")
    }

    /// The pipes for a shell behind a terminal were not made; `begun`: the login shell has run our command.
    pub(super) fn no_pipes(&self, begun: bool, words: &str, status: i32) -> TransportError {
        if begun {
            let cause = format!("no pipes could be made in /tmp, through which it is spoken to: {words}");
            return self.error(&cause, "let the user write into /tmp of the host");
        }
        self.by_login_shell("", words, status)
    }

    fn error(&self, cause: &str, hint: &str) -> TransportError {
        TransportError::Elevate {
            method: self.program().to_owned(),
            user: self.user.to_owned(),
            cause: cause.to_owned(),
            hint: hint.to_owned(),
        }
    }
}
