//! Over SSH: one connection, one shell with root rights in it, which runs one script after the other.
//! `way`, `target`, `carrier`, `hostkey`, `keys` and `trust` are the program's side, which has the files and
//! the secrets; the rest runs in a worker, and knows no more than its job. Two carriers: libssh2, and
//! in `system` the system's own `ssh`.

mod asked;
mod auth;
mod carrier;
mod connect;
mod hostkey;
mod job;
mod keys;
mod known;
mod lines;
mod offer;
mod stranger;
pub(super) mod system;
mod target;
pub(super) mod trust;
mod way;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::{BlockDirections, Channel};

use super::driver::{Driver, QUIET, Refusal};
use super::elevate::{Elevation, wants_terminal};
use super::method::Method;
use super::terminal::{BEGUN, READY};
use super::{Output, Script, Transport, TransportError};
use crate::inventory::Secret;
use crate::inventory::spec::ElevateSettings;
pub(super) use carrier::Reasons;
pub(super) use connect::Failure;
use connect::{Connected, Judge};
pub(super) use job::SshJob;
pub(super) use way::{Counts, Files, connect};

/// An SSH connection to one host.
pub(super) struct Ssh {
    connected: Connected,
    elevate: ElevateSettings,
    /// Whether root rights take a terminal on this host.
    on_terminal: bool,
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
    pub(super) fn connect(job: &SshJob, judge: &mut Judge<'_>) -> Result<Self, Failure> {
        let password = job.become_password.as_deref().map(Secret::new);
        let elevate = ElevateSettings { method: job.elevate, password };
        let has_password = elevate.password.is_some();
        let on_terminal = Method::of(elevate.method).is_some_and(|method| method.needs_terminal(has_password));
        Ok(Ssh { connected: connect::connect(job, judge)?, elevate, on_terminal, timeout: job.timeout, shell: None })
    }

    /// Lets the host show its key, and does not log in to it.
    pub(super) fn look(job: &SshJob, judge: &mut Judge<'_>) -> Result<(), Failure> {
        connect::look(job, judge)
    }

    fn elevation(&self) -> Elevation<'_> {
        Elevation { settings: &self.elevate, to: &self.connected.label, user: &self.connected.user }
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
        self.ask("open a channel for it", || self.connected.session.channel_session())
    }

    fn exec(&self, command: &str) -> Result<Channel, TransportError> {
        let mut channel = self.channel()?;
        self.ask("start a shell", || channel.exec(command))?;
        Ok(channel)
    }

    /// Asks until there is an answer, within the time limit of the connection.
    fn ask<T>(&self, what: &str, mut question: impl FnMut() -> Result<T, ssh2::Error>) -> Result<T, TransportError> {
        let deadline = Instant::now() + self.timeout;
        loop {
            match question() {
                Err(error) if error.code() != AGAIN => return Err(self.lost(&format!("{what}: {}", error.message()))),
                Err(_) if Instant::now() >= deadline => {
                    return Err(self.lost(&format!("{what}: no answer within `timeout`")));
                }
                Err(_) => self.wait(deadline),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// Nobody may wait at the pipes for a terminal that is refused, and the pipes must be there when it opens them.
    fn start_on_terminal(&self, command: &str, on_terminal: &str) -> Result<Shell, TransportError> {
        let mut terminal = self.channel()?;
        let refused = |error: ssh2::Error| self.elevation().no_terminal(error.message());
        terminal.request_pty("dumb", None, None).map_err(refused)?;
        let mut channel = self.exec(command)?;
        self.pipes(&mut channel)?;
        terminal.exec(on_terminal).map_err(|error| self.lost(&error.message()))?;
        Ok(Shell { channel, terminal: Some(terminal) })
    }

    /// Waits until the pipes are there.
    fn pipes(&self, channel: &mut Channel) -> Result<(), TransportError> {
        let (mut said, mut byte) = (Vec::new(), [0]);
        while !said.ends_with(READY.as_bytes()) {
            let read = channel.read(&mut byte);
            if matches!(&read, Err(error) if error.kind() == ErrorKind::TimedOut) || said.len() > LONGEST_GREETING {
                return Err(self.elevation().login_shell("it waits for something, and did not come to it in time"));
            }
            if read.map_err(|error| self.lost(&error))? > 0 {
                said.extend_from_slice(&byte);
                continue;
            }
            // Its other output has ended as well, or ends with the connection.
            let _ = channel.stderr().take(LONGEST_GREETING as u64).read_to_end(&mut said);
            let words = String::from_utf8_lossy(&said).into_owned();
            let status = channel.wait_close().and_then(|()| channel.exit_status()).unwrap_or(-1);
            return Err(self.elevation().no_pipes(words.contains(BEGUN), &words, status));
        }
        Ok(())
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
        let mut heard = Instant::now();
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
            if moved {
                heard = Instant::now();
            } else if !driver.begun() && heard.elapsed() >= self.timeout * SILENCES {
                return Err(Stop::Deadline);
            } else if !driver.started() && heard.elapsed() >= QUIET {
                driver.quiet().map_err(Stop::Refused)?;
                self.wait(deadline);
            } else {
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

/// How many time limits a login shell may be silent for before it runs our command.
const SILENCES: u32 = 3;

/// The most that a login shell says before the pipes are there, bytes.
const LONGEST_GREETING: usize = 64 << 10;

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

/// The login shell is one of Windows.
fn windows(to: &str, user: &str) -> TransportError {
    TransportError::Login {
        to: to.to_owned(),
        user: user.to_owned(),
        cause: "the login shell is one of Windows, and SSH to Windows is not supported".to_owned(),
        hint: "reach this host over WinRM: `winrm: { user: ..., password: ... }` in place of `ssh`".to_owned(),
    }
}

impl Transport for Ssh {
    fn run(&mut self, script: &Script, on_lines: &mut dyn FnMut(&str)) -> Result<Output, TransportError> {
        let started = Instant::now();
        let deadline = started + script.deadline;
        let (mut driver, mut shell) = match self.shell.take() {
            Some(shell) => (Driver::next(script), shell),
            None => self.first(script)?,
        };
        let mut end = self.to_end(&mut shell, &mut driver, deadline, on_lines);
        if matches!(end, Ok(Some(_))) && !self.on_terminal && wants_terminal(&driver) {
            // Known for this connection: the next shell gets its terminal at once.
            self.on_terminal = true;
            (driver, shell) = self.first(script)?;
            end = self.to_end(&mut shell, &mut driver, deadline, on_lines);
        }
        let elevation = self.elevation();
        match end {
            Ok(None) => {
                self.shell = Some(shell);
                Ok(driver.finish(0))
            }
            Ok(Some(_)) | Err(Stop::Lost(_)) if driver.met_windows() => {
                Err(windows(&self.connected.label, &self.connected.user))
            }
            Ok(Some(status)) if driver.started() => Ok(driver.finish(status)),
            Ok(Some(status)) => Err(elevation.ended_early(driver, status)),
            Err(Stop::Refused(refusal)) => Err(elevation.refused(&refusal)),
            Err(Stop::Deadline) => Err(elevation
                .late(&driver, started.elapsed())
                .unwrap_or_else(|| TransportError::late(self.label(), script.deadline))),
            Err(Stop::Lost(cause)) => Err(self.lost(&cause)),
        }
    }
}

impl Ssh {
    /// The script that brings its shell with it.
    fn first(&self, script: &Script) -> Result<(Driver, Shell), TransportError> {
        let driver = Driver::new(script, self.elevate.method, self.elevate.password.clone(), self.on_terminal);
        let shell = self.start(&driver)?;
        Ok((driver, shell))
    }

    /// Returns the status of a shell that has ended, and nothing where it is ready for the next script.
    fn to_end(
        &self,
        shell: &mut Shell,
        driver: &mut Driver,
        deadline: Instant,
        on_lines: &mut dyn FnMut(&str),
    ) -> Result<Option<i32>, Stop> {
        self.drive(shell, driver, deadline, on_lines)?;
        if driver.ended() {
            return Ok(None);
        }
        self.status(&mut shell.channel, deadline).map(Some)
    }
}
