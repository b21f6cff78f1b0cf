//! Over SSH: one connection, one shell with root rights in it, which runs one script after the other.
//! `way`, `target`, `carrier`, `hostkey`, `keys` and `trust` are the program's side, which has the files and
//! the secrets; the rest runs in a worker, and knows no more than its job. Two carriers: libssh2, and
//! in `system` the system's own `ssh`.

mod answer;
mod auth;
mod carrier;
mod connect;
mod disagree;
mod hostkey;
mod interactive;
mod job;
mod keys;
mod known;
mod lines;
mod offer;
mod said;
mod scripts;
mod stranger;
pub(super) mod system;
mod target;
pub(super) mod trust;
mod tunnel;
mod way;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::{BlockDirections, Channel};

use super::driver::{Driver, LARGEST_GREETING};
use super::terminal::{BEGUN, READY};
use super::{Transport, TransportError};
use crate::inventory::spec::{Become, ElevateSettings};
pub(super) use carrier::Reasons;
pub(super) use connect::Failure;
use connect::{Connected, Judge};
pub(super) use job::SshJob;
use scripts::{Account, Carrier, SILENCES, Scripts, Stop};
pub(super) use way::{Counts, Files, connect};

/// An SSH connection to one host, by libssh2.
pub(super) struct Ssh {
    connected: Connected,
    timeout: Duration,
}

/// A shell, and the terminal that it hangs on, if it needed one.
pub(super) struct Shell {
    channel: Channel,
    terminal: Option<Channel>,
}

impl Ssh {
    /// Connects and logs in, through the bastions on the way.
    pub(super) fn connect(job: &SshJob, judge: &mut Judge<'_>) -> Result<impl Transport + use<>, Failure> {
        let connected = connect::connect(job, judge)?;
        let (label, user, password) = (connected.label.clone(), connected.user.clone(), job.become_password.as_deref());
        let account = Account::new(label, user, job.elevate, password, job.timeout);
        Ok(Scripts::over(Ssh { connected, timeout: job.timeout }, account))
    }

    /// Lets the host show its key, and does not log in to it.
    pub(super) fn look(job: &SshJob, judge: &mut Judge<'_>) -> Result<(), Failure> {
        connect::look(job, judge)
    }

    fn lost(&self, cause: &dyn std::fmt::Display) -> TransportError {
        TransportError::Lost { to: self.connected.label.clone(), cause: cause.to_string() }
    }

    fn channel(&self) -> Result<Channel, TransportError> {
        self.ask("open a channel", || self.connected.session.channel_session())
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
                // The same code stands for answers that break the protocol; the words do not.
                Err(error) if error.code() == REFUSED && error.message().starts_with("Channel open failure") => {
                    let cause =
                        format!("the server refused a channel, as sshd does beyond `MaxSessions`: {}", error.message());
                    return Err(self.lost(&cause));
                }
                Err(error) if error.code() != AGAIN => return Err(self.lost(&format!("{what}: {}", error.message()))),
                Err(_) if Instant::now() >= deadline => {
                    return Err(self.lost(&format!("{what}: no answer within `timeout`")));
                }
                Err(_) => self.wait_for_socket(deadline),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// Nobody may wait at the pipes for a terminal that is refused, and the pipes must be there when it opens them.
    fn start_on_terminal(&self, account: &Account, command: &str, on_terminal: &str) -> Result<Shell, TransportError> {
        let mut terminal = self.channel()?;
        let refused = |error: ssh2::Error| match error.code() {
            DENIED => account.elevation().no_terminal(error.message()),
            _ => self.lost(&format!("ask for a terminal: {}", error.message())),
        };
        terminal.request_pty("dumb", None, None).map_err(refused)?;
        let mut channel = self.exec(command)?;
        self.pipes(account, &mut channel)?;
        terminal.exec(on_terminal).map_err(|error| self.lost(&error.message()))?;
        Ok(Shell { channel, terminal: Some(terminal) })
    }

    /// Waits until the pipes are there.
    fn pipes(&self, account: &Account, channel: &mut Channel) -> Result<(), TransportError> {
        let (mut said, mut buffer, mut heard) = (Vec::new(), [0; 4096], Instant::now());
        while !said.trim_ascii_end().ends_with(READY.as_bytes()) {
            let read = channel.read(&mut buffer);
            let silent = matches!(&read, Err(error) if error.kind() == ErrorKind::TimedOut);
            if said.len() > LARGEST_GREETING || (silent && heard.elapsed() >= self.timeout * SILENCES) {
                return Err(account.no_greeting(said.len()));
            }
            if silent {
                continue;
            }
            let count = read.map_err(|error| self.lost(&error))?;
            if count > 0 {
                said.extend_from_slice(buffer.get(..count).unwrap_or_default());
                heard = Instant::now();
                continue;
            }
            // Its other output has ended as well, or ends with the connection.
            let _ = channel.stderr().take(LARGEST_GREETING as u64).read_to_end(&mut said);
            let words = String::from_utf8_lossy(&said).into_owned();
            let status = channel.wait_close().and_then(|()| channel.exit_status()).unwrap_or(-1);
            return Err(account.elevation().no_pipes(words.contains(BEGUN), &words, status));
        }
        Ok(())
    }

    /// Waits for the socket, at most until the deadline.
    fn wait_for_socket(&self, deadline: Instant) {
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
}

impl Carrier for Ssh {
    type Shell = Shell;

    fn start(&self, account: &Account, driver: &Driver) -> Result<Shell, TransportError> {
        self.connected.session.set_blocking(driver.terminal_command().is_some());
        let shell = match driver.terminal_command() {
            None => self.exec(driver.command()).map(|channel| Shell { channel, terminal: None }),
            Some(terminal) => self.start_on_terminal(account, driver.command(), terminal),
        };
        self.connected.session.set_blocking(false);
        shell
    }

    fn read(
        &self,
        Shell { channel, terminal }: &mut Shell,
        driver: &mut Driver,
        buffer: &mut [u8],
        deadline: Instant,
        on_lines: &mut dyn FnMut(&str),
    ) -> Result<bool, Stop> {
        let mut moved = false;
        // A host that never stops talking must not keep us from looking at the clock.
        let in_time = || Instant::now() < deadline;
        while in_time()
            && let Some(count) = ready(channel.read(buffer))?
        {
            moved = true;
            driver.stdout(buffer.get(..count).unwrap_or_default(), on_lines).map_err(Stop::Refused)?;
        }
        while in_time()
            && let Some(count) = ready(channel.stderr().read(buffer))?
        {
            moved = true;
            driver.stderr(buffer.get(..count).unwrap_or_default()).map_err(Stop::Refused)?;
        }
        while in_time()
            && let Some(terminal) = terminal.as_mut()
            && let Some(count) = ready(terminal.read(buffer))?
        {
            moved = true;
            driver.terminal(buffer.get(..count).unwrap_or_default()).map_err(Stop::Refused)?;
        }
        Ok(moved)
    }

    fn is_closed(&self, shell: &Shell) -> bool {
        shell.channel.eof()
    }

    fn write(&self, Shell { channel, terminal }: &mut Shell, driver: &mut Driver) -> Result<bool, Stop> {
        // What is written before the shell is there answers a question, where it was asked.
        let to = terminal.as_mut().filter(|_| !driver.started()).unwrap_or(channel);
        let sent = ready(to.write(driver.pending()))?;
        driver.wrote(sent.unwrap_or(0));
        Ok(sent.is_some())
    }

    fn wait(&self, _: &Shell, _: &Driver, deadline: Instant) {
        self.wait_for_socket(deadline);
    }

    fn status(&mut self, shell: &mut Shell, deadline: Instant) -> Result<i32, Stop> {
        let channel = &mut shell.channel;
        while let Err(error) = channel.wait_close() {
            if std::io::Error::from(error).kind() != ErrorKind::WouldBlock || Instant::now() >= deadline {
                break;
            }
            self.wait_for_socket(deadline);
        }
        let signal = channel.exit_signal().ok().and_then(|signal| signal.exit_signal);
        match (signal, channel.exit_status()) {
            (Some(signal), _) => Err(Stop::Killed(format!("signal {signal}"))),
            (None, Ok(status)) => Ok(status),
            (None, Err(error)) => Err(Stop::Lost(error.message().to_owned())),
        }
    }
}

/// LIBSSH2_ERROR_CHANNEL_FAILURE: the server opens no channel.
const REFUSED: ssh2::ErrorCode = ssh2::ErrorCode::Session(-21);

/// LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED.
const DENIED: ssh2::ErrorCode = ssh2::ErrorCode::Session(-22);

/// How long a server is left alone that has closed a connection before it said its name.
fn pauses() -> impl Iterator<Item = Duration> {
    [200, 500, 1000, 2000].into_iter().map(Duration::from_millis)
}

/// LIBSSH2_ERROR_EAGAIN: there is no answer yet.
const AGAIN: ssh2::ErrorCode = ssh2::ErrorCode::Session(-37);

/// A read or write that may have to wait; zero bytes are an end that `eof` tells better.
fn ready(result: std::io::Result<usize>) -> Result<Option<usize>, Stop> {
    match result {
        Ok(0) => Ok(None),
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(Stop::Lost(error.to_string())),
    }
}
