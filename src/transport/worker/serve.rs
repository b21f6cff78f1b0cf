//! The worker itself: this program, started again, which talks to one host at a time. What a host
//! sends is parsed here and nowhere else, so that a host can end, fill or hold up no more than this.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::Pid;

use super::message::{self, Answer, Request};
use crate::transport::ssh::system::{System, SystemJob};
use crate::transport::ssh::{Failure, Ssh, SshJob};
use crate::transport::winrm::{Winrm, WinrmJob};
use crate::transport::{Script, Transport, TransportError};

/// Memory until the login is done, bytes; what a key exchange needs is a small part of it.
const CONNECTING: u64 = 96 << 20;

/// Memory for a script, bytes: the largest output, twice while it grows, and what decodes it.
pub(super) const RUNNING: u64 = 256 << 20;

/// Files that a worker may have open; a connection needs some.
const FILES: u64 = 256;

/// Serves the program on standard input, if that is a socket: nobody starts a worker by hand.
/// Returns whether it did.
pub fn serve_stdin() -> bool {
    let Ok(stdin) = std::io::stdin().as_fd().try_clone_to_owned() else { return false };
    let socket = fstat(&stdin).is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode).contains(SFlag::S_IFSOCK));
    if socket {
        confine();
        watch(&stdin);
        serve(UnixStream::from(stdin), true);
    }
    socket
}

/// A crash writes no memory to a disk, for it holds passwords.
fn confine() {
    let _ = nix::sys::prctl::set_dumpable(false);
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = setrlimit(Resource::RLIMIT_NOFILE, FILES, FILES);
    allow(CONNECTING);
}

/// Sets the memory that is given until the next stage. Only what is written counts, so that what
/// threads and libraries only reserve is free.
fn allow(memory: u64) {
    let _ = setrlimit(Resource::RLIMIT_DATA, memory, RUNNING);
}

/// Ends this process when the program is gone, even if a host keeps it busy.
fn watch(link: &OwnedFd) {
    let Ok(link) = link.try_clone() else { return };
    let watcher = move || {
        // No event is asked for: only the end of the other side wakes.
        while poll(&mut [PollFd::new(link.as_fd(), PollFlags::empty())], PollTimeout::NONE).is_err() {}
        // And all that it has started: the system's `ssh`, and what that has.
        let own = nix::unistd::getpid();
        let group = if nix::unistd::getpgrp() == own { Pid::from_raw(0) } else { own };
        let _ = kill(group, Signal::SIGKILL);
    };
    let _ = std::thread::Builder::new().stack_size(64 << 10).spawn(watcher);
}

/// Serves until the program is gone.
pub(super) fn serve(link: UnixStream, confined: bool) {
    let mut worker = Worker { link, confined, connection: None };
    while worker.turn().is_ok() {}
}

struct Worker {
    link: UnixStream,
    confined: bool,
    connection: Option<Box<dyn Transport>>,
}

impl Worker {
    fn turn(&mut self) -> std::io::Result<()> {
        let (request, bytes) = message::receive::<Request>(&mut self.link)?;
        match request {
            Request::Ssh(job) => self.ssh(&job),
            Request::System(job) => self.system(*job),
            Request::Key(job) => self.key(&job),
            Request::SystemKey(job) => self.system_key(&job),
            Request::Winrm(job) => self.winrm(*job),
            Request::Run { deadline } => {
                self.allow(RUNNING);
                self.run(&Script { text: String::from_utf8_lossy(&bytes).into_owned(), deadline })
            }
            Request::Close => {
                self.connection = None;
                self.allow(CONNECTING);
                self.say(&Answer::Closed)
            }
            Request::Judged(_) => Ok(()),
        }
    }

    fn allow(&self, memory: u64) {
        if self.confined {
            allow(memory);
        }
    }

    fn say(&mut self, answer: &Answer) -> std::io::Result<()> {
        message::send(&mut self.link, answer, &[])
    }

    fn fail(&mut self, error: TransportError, wrong_password: bool) -> std::io::Result<()> {
        self.say(&Answer::Failed { error, wrong_password, openssh: None })
    }

    fn fail_ssh(&mut self, Failure { error, openssh }: Failure) -> std::io::Result<()> {
        self.say(&Answer::Failed { error: *error, wrong_password: false, openssh })
    }

    fn ssh(&mut self, job: &SshJob) -> std::io::Result<()> {
        let connected = Ssh::connect(job, &mut |hop, key| judged(&mut self.link, hop, key));
        match connected {
            Ok(ssh) => {
                self.connection = Some(Box::new(ssh));
                self.say(&Answer::Connected)
            }
            Err(failure) => self.fail_ssh(failure),
        }
    }

    fn system(&mut self, job: SystemJob) -> std::io::Result<()> {
        match System::connect(job) {
            Ok(system) => {
                self.connection = Some(Box::new(system));
                self.say(&Answer::Connected)
            }
            Err(error) => self.fail(error, false),
        }
    }

    fn key(&mut self, job: &SshJob) -> std::io::Result<()> {
        match Ssh::look(job, &mut |hop, key| judged(&mut self.link, hop, key)) {
            Ok(()) => self.say(&Answer::Closed),
            Err(failure) => self.fail_ssh(failure),
        }
    }

    fn system_key(&mut self, job: &SystemJob) -> std::io::Result<()> {
        match System::look(job) {
            Ok(key) => {
                judged(&mut self.link, 0, &key);
                self.say(&Answer::Closed)
            }
            Err(error) => self.fail(error, false),
        }
    }

    fn winrm(&mut self, job: WinrmJob) -> std::io::Result<()> {
        match Winrm::connect(job) {
            Ok(winrm) => {
                self.connection = Some(Box::new(winrm));
                self.say(&Answer::Connected)
            }
            Err((error, wrong_password)) => self.fail(error, wrong_password),
        }
    }

    fn run(&mut self, script: &Script) -> std::io::Result<()> {
        let Some(connection) = self.connection.as_mut() else {
            return Err(std::io::Error::other("there is no connection"));
        };
        let link = &mut self.link;
        let mut said = Ok(());
        let result = connection.run(script, &mut |lines| {
            if said.is_ok() {
                said = message::send(link, &Answer::Lines, &[lines.as_bytes()]);
            }
        });
        said?;
        match result {
            Ok(output) => {
                let answer = Answer::Output { stdout: output.stdout.len(), status: output.status };
                message::send(&mut self.link, &answer, &[output.stdout.as_bytes(), output.stderr.as_bytes()])
            }
            Err(TransportError::Lost { to, .. }) if self.confined && is_full() => {
                let cause = format!("what it sent did not fit into {} MiB", RUNNING >> 20);
                let (doing, hint) = ("run a script on".to_owned(), super::UNUSUAL.to_owned());
                self.fail(TransportError::Broke { doing, to, cause, hint }, false)
            }
            Err(error) => self.fail(error, false),
        }
    }
}

/// Whether the memory of a script is nearly used up: the library says no more than that it cannot go on.
fn is_full() -> bool {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(5).and_then(|word| word.parse::<u64>().ok());
    pages.is_some_and(|pages| pages * 4096 > RUNNING / 10 * 8)
}

/// Asks the program whether a host key is trusted: it has the files, and they are written there.
fn judged(link: &mut UnixStream, hop: usize, key: &[u8]) -> bool {
    let asked = message::send(link, &Answer::HostKey { hop }, &[key]);
    asked.is_ok() && matches!(message::receive(link), Ok((Request::Judged(true), _)))
}
