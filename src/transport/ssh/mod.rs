//! Over SSH: one connection, one shell with root rights in it, which runs one script after the other.
//! `way`, `target`, `hostkey`, `keys` and `trust` are the program's side, which has the files and the
//! secrets; the rest runs in a worker, and knows no more than its job.

mod auth;
mod connect;
mod hostkey;
mod job;
mod keys;
mod known;
mod target;
pub(super) mod trust;
mod way;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::{BlockDirections, Channel};

use super::driver::{Driver, Refusal};
use super::elevate::{ended_early, no_terminal, refused};
use super::terminal::READY;
use super::{Output, Script, Transport, TransportError};
use crate::inventory::Secret;
use crate::inventory::spec::{Become, ElevateSettings};
use connect::{Connected, Judge};
pub(super) use job::SshJob;
pub(super) use way::{Counts, Files, connect};

/// An SSH connection to one host.
pub(super) struct Ssh {
    connected: Connected,
    elevate: ElevateSettings,
    timeout: Duration,
    /// The shell of the last script, ready for the next.
    shell: Option<Shell>,
}

/// A shell, and the terminal that it hangs on, if it needed one.
struct Shell {
    channel: Channel,
    terminal: Option<Channel>,
}

impl Ssh {
    /// Connects and logs in, through the bastions on the way.
    pub(super) fn connect(job: &SshJob, judge: &mut Judge<'_>) -> Result<Self, TransportError> {
        let password = job.become_password.as_deref().map(Secret::new);
        let elevate = ElevateSettings { method: job.elevate, password };
        Ok(Ssh { connected: connect::connect(job, judge)?, elevate, timeout: job.timeout, shell: None })
    }

    /// Lets the host show its key, and does not log in to it.
    pub(super) fn look(job: &SshJob, judge: &mut Judge<'_>) -> Result<(), TransportError> {
        connect::look(job, judge)
    }

    fn label(&self) -> String {
        self.connected.label.clone()
    }

    fn lost(&self, cause: &dyn std::fmt::Display) -> TransportError {
        TransportError::Lost { to: self.label(), cause: cause.to_string() }
    }

    fn start(&self, driver: &Driver) -> Result<Shell, TransportError> {
        self.connected.session.set_blocking(driver.terminal_command().is_some());
        let shell = match driver.terminal_command() {
            None => self.exec(driver.command()).map(|channel| Shell { channel, terminal: None }),
            Some(terminal) => self.start_on_terminal(driver.command(), terminal),
        };
        self.connected.session.set_blocking(false);
        shell
    }

    fn channel(&self) -> Result<Channel, TransportError> {
        self.ask(|| self.connected.session.channel_session())
    }

    fn exec(&self, command: &str) -> Result<Channel, TransportError> {
        let mut channel = self.channel()?;
        self.ask(|| channel.exec(command))?;
        Ok(channel)
    }

    /// Asks until there is an answer, within the time limit of the connection.
    fn ask<T>(&self, mut question: impl FnMut() -> Result<T, ssh2::Error>) -> Result<T, TransportError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match question() {
                Err(error) if error.code() != AGAIN => return Err(self.lost(&error.message())),
                Err(_) if Instant::now() >= deadline => return Err(self.lost(&"no answer within `timeout`")),
                Err(_) => self.wait(deadline),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// Nobody may wait at the pipes for a terminal that is refused, and the pipes must be there when it opens them.
    fn start_on_terminal(&self, command: &str, on_terminal: &str) -> Result<Shell, TransportError> {
        let mut terminal = self.channel()?;
        let user = &self.connected.user;
        let refused = |error: ssh2::Error| no_terminal(&self.elevate, user, error.message());
        terminal.request_pty("dumb", None, None).map_err(refused)?;
        let mut channel = self.exec(command)?;
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !said.ends_with(READY.as_bytes()) {
            match channel.read(&mut byte).map_err(|error| self.lost(&error))? {
                0 => return Err(self.lost(&"no pipes could be made in /tmp, through which doas is spoken to")),
                _ => said.extend_from_slice(&byte),
            }
        }
        terminal.exec(on_terminal).map_err(|error| self.lost(&error.message()))?;
        Ok(Shell { channel, terminal: Some(terminal) })
    }

    /// Waits for the socket, at most until the deadline.
    fn wait(&self, deadline: Instant) {
        let mut flags = PollFlags::empty();
        match self.connected.session.block_directions() {
            BlockDirections::Inbound => flags |= PollFlags::POLLIN,
            BlockDirections::Outbound => flags |= PollFlags::POLLOUT,
            BlockDirections::Both => flags |= PollFlags::POLLIN | PollFlags::POLLOUT,
            BlockDirections::None => flags |= PollFlags::POLLIN,
        }
        let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(500));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        connect::acknowledge(&self.connected.socket);
        let _ = poll(&mut [PollFd::new(self.connected.socket.as_fd(), flags)], timeout);
    }

    fn drive(
        &self,
        Shell { channel, terminal }: &mut Shell,
        driver: &mut Driver,
        deadline: Instant,
        on_lines: &mut dyn FnMut(&str),
    ) -> Result<(), Stop> {
        let mut buffer = vec![0; 65536];
        loop {
            let mut moved = false;
            // A host that never stops talking must not keep us from looking at the clock.
            let in_time = || Instant::now() < deadline;
            while in_time()
                && let Some(count) = ready(channel.read(&mut buffer))?
            {
                moved = true;
                driver.stdout(buffer.get(..count).unwrap_or_default(), on_lines).map_err(Stop::Refused)?;
            }
            while in_time()
                && let Some(count) = ready(channel.stderr().read(&mut buffer))?
            {
                moved = true;
                driver.stderr(buffer.get(..count).unwrap_or_default()).map_err(Stop::Refused)?;
            }
            while in_time()
                && let Some(terminal) = terminal.as_mut()
                && let Some(count) = ready(terminal.read(&mut buffer))?
            {
                moved = true;
                driver.terminal(buffer.get(..count).unwrap_or_default()).map_err(Stop::Refused)?;
            }
            if driver.ended() || channel.eof() {
                return Ok(());
            }
            // What is written before the shell is there answers a question, where it was asked.
            let to = terminal.as_mut().filter(|_| !driver.started()).unwrap_or(&mut *channel);
            if !driver.pending().is_empty()
                && let Some(count) = ready(to.write(driver.pending()))?
            {
                moved = true;
                driver.wrote(count);
            }
            if Instant::now() >= deadline {
                return Err(Stop::Deadline);
            }
            if !moved {
                self.wait(deadline);
            }
        }
    }

    /// The status of a script whose outputs have ended.
    fn status(&self, channel: &mut Channel, deadline: Instant) -> Result<i32, Stop> {
        while let Err(error) = channel.wait_close() {
            if std::io::Error::from(error).kind() != ErrorKind::WouldBlock || Instant::now() >= deadline {
                break;
            }
            self.wait(deadline);
        }
        let signal = channel.exit_signal().ok().and_then(|signal| signal.exit_signal);
        match (signal, channel.exit_status()) {
            (Some(signal), _) => Err(Stop::Lost(format!("the script was ended by signal {signal}"))),
            (None, Ok(status)) => Ok(status),
            (None, Err(error)) => Err(Stop::Lost(error.message().to_owned())),
        }
    }
}

/// The script that brings its shell with it.
fn first(script: &Script, elevate: &ElevateSettings) -> Driver {
    match (elevate.method, &elevate.password) {
        (Become::Doas, Some(password)) => Driver::on_terminal(script, password.clone()),
        _ => Driver::new(script, elevate.method, elevate.password.clone()),
    }
}

/// LIBSSH2_ERROR_EAGAIN: there is no answer yet.
const AGAIN: ssh2::ErrorCode = ssh2::ErrorCode::Session(-37);

/// Why a script did not come to its end.
enum Stop {
    Refused(Refusal),
    Deadline,
    Lost(String),
}

/// A read or write that may have to wait; zero bytes are an end that `eof` tells better.
fn ready(result: std::io::Result<usize>) -> Result<Option<usize>, Stop> {
    match result {
        Ok(0) => Ok(None),
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(Stop::Lost(error.to_string())),
    }
}

impl Ssh {
    fn windows(&self) -> TransportError {
        TransportError::Login {
            to: self.label(),
            user: self.connected.user.clone(),
            cause: "the login shell is one of Windows, and SSH to Windows is not supported".to_owned(),
            hint: "reach this host over WinRM: `winrm: { user: ..., password: ... }` in place of `ssh`".to_owned(),
        }
    }
}

impl Transport for Ssh {
    fn run(&mut self, script: &Script, on_lines: &mut dyn FnMut(&str)) -> Result<Output, TransportError> {
        let deadline = Instant::now() + script.deadline;
        let elevate = &self.elevate;
        let user = self.connected.user.clone();
        let (mut driver, mut shell) = match self.shell.take() {
            Some(shell) => (Driver::next(script), shell),
            None => {
                let driver = first(script, elevate);
                let shell = self.start(&driver)?;
                (driver, shell)
            }
        };
        let driven = self.drive(&mut shell, &mut driver, deadline, on_lines);
        if driven.is_ok() && driver.ended() {
            self.shell = Some(shell);
            return Ok(driver.finish(0));
        }
        let end = driven.and_then(|()| self.status(&mut shell.channel, deadline));
        match end {
            Ok(_) | Err(Stop::Lost(_)) if driver.met_windows() => Err(self.windows()),
            Ok(status) if driver.started() => Ok(driver.finish(status)),
            Ok(status) => Err(ended_early(elevate, &self.label(), &user, driver, status)),
            Err(Stop::Refused(refusal)) => Err(refused(elevate, &self.label(), &user, &refusal)),
            Err(Stop::Deadline) => Err(TransportError::Timeout { to: self.label(), after: script.deadline }),
            Err(Stop::Lost(cause)) => Err(self.lost(&cause)),
        }
    }
}
