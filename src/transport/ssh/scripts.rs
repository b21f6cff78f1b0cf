//! How one script after the other is run over a connection, whichever carrier has it: a shell with root
//! rights is started once, on a terminal if the program that gives them wants one, and serves all of them.

use std::time::{Duration, Instant};

use super::{Become, ElevateSettings};
use crate::inventory::Secret;
use crate::transport::driver::{Driver, LARGEST_GREETING, NOISY, QUIET, Refusal};
use crate::transport::elevate::{Elevation, wants_terminal};
use crate::transport::method::Method;
use crate::transport::{Output, Script, Transport, TransportError};

/// How many time limits a login shell may be silent for before it runs our command.
pub(super) const SILENCES: u32 = 3;

/// Whose connection it is.
pub(super) struct Account {
    /// Address and port, for messages.
    pub(super) label: String,
    /// Login name.
    pub(super) user: String,
    pub(super) elevate: ElevateSettings,
    /// Time limit for each silence.
    pub(super) timeout: Duration,
}

impl Account {
    pub(super) fn new(label: String, user: String, method: Become, password: Option<&str>, timeout: Duration) -> Self {
        let elevate = ElevateSettings { method, password: password.map(Secret::new) };
        Account { label, user, elevate, timeout }
    }

    pub(super) fn elevation(&self) -> Elevation<'_> {
        Elevation { settings: &self.elevate, to: &self.label, user: &self.user }
    }

    /// The login shell does not come to our command: it prints, or waits.
    pub(super) fn no_greeting(&self, length: usize) -> TransportError {
        if length > LARGEST_GREETING {
            return self.elevation().refused(&Refusal::TooMuchOutput(NOISY));
        }
        let after = humantime::format_duration(self.timeout * SILENCES).to_string();
        self.elevation().waits(&after, "")
    }

    pub(super) fn lost(&self, cause: &dyn std::fmt::Display) -> TransportError {
        TransportError::Lost { to: self.label.clone(), cause: cause.to_string() }
    }

    fn needs_terminal(&self) -> bool {
        let has_password = self.elevate.password.is_some();
        Method::of(self.elevate.method).is_some_and(|method| method.needs_terminal(has_password))
    }

    /// The login shell is one of Windows.
    fn windows(&self) -> TransportError {
        TransportError::Login {
            to: self.label.clone(),
            user: self.user.clone(),
            cause: "the login shell is one of Windows, and SSH to Windows is not supported".to_owned(),
            hint: "reach this host over WinRM: `winrm: { user: ..., password: ... }` in place of `ssh`".to_owned(),
        }
    }
}

/// Why a script did not come to its end.
pub(super) enum Stop {
    Refused(Refusal),
    Deadline,
    Lost(String),
    /// The shell was ended by this.
    Killed(String),
}

/// What has a connection: it opens channels and moves bytes, and decides nothing.
pub(super) trait Carrier {
    /// A shell, and the terminal that it hangs on, if it needed one.
    type Shell;

    /// Starts the driver's command, with its terminal if it has one.
    fn start(&self, account: &Account, driver: &Driver) -> Result<Self::Shell, TransportError>;

    /// Gives the driver what has come, without waiting, and not beyond the deadline; says whether something had.
    fn read(
        &self,
        shell: &mut Self::Shell,
        driver: &mut Driver,
        buffer: &mut [u8],
        deadline: Instant,
        on_lines: &mut dyn FnMut(&str),
    ) -> Result<bool, Stop>;

    /// Whether the shell will say no more.
    fn is_closed(&self, shell: &Self::Shell) -> bool;

    /// Sends what the driver has to say, without waiting; says whether something went.
    fn write(&self, shell: &mut Self::Shell, driver: &mut Driver) -> Result<bool, Stop>;

    /// Waits until something may be read or written, at most half a second.
    fn wait(&self, shell: &Self::Shell, driver: &Driver, deadline: Instant);

    /// How a shell ended whose outputs are closed.
    fn status(&mut self, shell: &mut Self::Shell, deadline: Instant) -> Result<i32, Stop>;
}

/// A connection over which scripts are run.
pub(super) struct Scripts<C: Carrier> {
    carrier: C,
    account: Account,
    /// Whether root rights take a terminal on this host.
    on_terminal: bool,
    /// The shell of the last script, ready for the next.
    shell: Option<C::Shell>,
}

impl<C: Carrier> Scripts<C> {
    pub(super) fn over(carrier: C, account: Account) -> Self {
        Scripts { on_terminal: account.needs_terminal(), carrier, account, shell: None }
    }

    /// The script that brings its shell with it.
    fn first(&self, script: &Script) -> Result<(Driver, C::Shell), TransportError> {
        let elevate = &self.account.elevate;
        let driver = Driver::new(script, elevate.method, elevate.password.clone(), self.on_terminal);
        let shell = self.carrier.start(&self.account, &driver)?;
        Ok((driver, shell))
    }

    /// Returns the status of a shell that has ended, and nothing where it is ready for the next script.
    fn finish(
        &mut self,
        shell: &mut C::Shell,
        driver: &mut Driver,
        deadline: Instant,
        on_lines: &mut dyn FnMut(&str),
    ) -> Result<Option<i32>, Stop> {
        self.drive(shell, driver, deadline, on_lines)?;
        if driver.ended() {
            return Ok(None);
        }
        self.carrier.status(shell, deadline).map(Some)
    }

    fn drive(
        &self,
        shell: &mut C::Shell,
        driver: &mut Driver,
        deadline: Instant,
        on_lines: &mut dyn FnMut(&str),
    ) -> Result<(), Stop> {
        let (mut buffer, mut heard) = (vec![0; 65536], Instant::now());
        loop {
            let read = self.carrier.read(shell, driver, &mut buffer, deadline, on_lines)?;
            if driver.ended() || self.carrier.is_closed(shell) {
                return Ok(());
            }
            let moved = (!driver.pending().is_empty() && self.carrier.write(shell, driver)?) || read;
            if Instant::now() >= deadline {
                return Err(Stop::Deadline);
            }
            if moved {
                heard = Instant::now();
                continue;
            }
            if !driver.begun() && heard.elapsed() >= self.account.timeout * SILENCES {
                return Err(Stop::Deadline);
            }
            if !driver.started() && heard.elapsed() >= QUIET {
                driver.quiet().map_err(Stop::Refused)?;
            }
            self.carrier.wait(shell, driver, deadline);
        }
    }
}

impl<C: Carrier + Send> Transport for Scripts<C>
where
    C::Shell: Send,
{
    fn run(&mut self, script: &Script, on_lines: &mut dyn FnMut(&str)) -> Result<Output, TransportError> {
        let started = Instant::now();
        let deadline = started + script.deadline;
        let (mut driver, mut shell) = match self.shell.take() {
            Some(shell) => (Driver::next(script), shell),
            None => self.first(script)?,
        };
        let mut end = self.finish(&mut shell, &mut driver, deadline, on_lines);
        if matches!(end, Ok(Some(_))) && !self.on_terminal && wants_terminal(&driver) {
            // Known for this connection: the next shell gets its terminal at once.
            self.on_terminal = true;
            (driver, shell) = self.first(script)?;
            end = self.finish(&mut shell, &mut driver, deadline, on_lines);
        }
        let elevation = self.account.elevation();
        match end {
            Ok(None) => {
                self.shell = Some(shell);
                Ok(driver.finish(0))
            }
            Ok(Some(_)) | Err(Stop::Lost(_) | Stop::Killed(_)) if driver.met_windows() => Err(self.account.windows()),
            Ok(Some(status)) if driver.started() => Ok(driver.finish(status)),
            Ok(Some(status)) => Err(elevation.ended_early(driver, status)),
            Err(Stop::Refused(refusal)) => Err(elevation.refused(&refusal)),
            Err(Stop::Deadline) => Err(elevation
                .late(&driver, started.elapsed())
                .unwrap_or_else(|| TransportError::late(self.account.label.clone(), script.deadline))),
            Err(Stop::Lost(cause)) => Err(self.account.lost(&cause)),
            Err(Stop::Killed(by)) => Err(elevation.killed(&driver, &by)),
        }
    }
}
