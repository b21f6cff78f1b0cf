//! A process whose three streams never make us wait.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A process that was started for one channel of a connection.
pub(in crate::transport::ssh) struct Piped {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(in crate::transport::ssh) stdout: Source<ChildStdout>,
    pub(in crate::transport::ssh) stderr: Source<ChildStderr>,
}

/// One output of a process.
pub(in crate::transport::ssh) struct Source<R> {
    pipe: Option<R>,
}

impl<R: Read + AsFd> Source<R> {
    fn new(pipe: Option<R>) -> std::io::Result<Self> {
        pipe.iter().try_for_each(|pipe| unblock(pipe.as_fd()))?;
        Ok(Source { pipe })
    }

    /// What is there; `None` is nothing yet, or the end.
    pub(in crate::transport::ssh) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match self.pipe.as_mut()?.read(buffer) {
            Ok(count) if count > 0 => return Some(count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            _ => self.pipe = None,
        }
        None
    }

    pub(in crate::transport::ssh) fn ended(&self) -> bool {
        self.pipe.is_none()
    }

    pub(in crate::transport::ssh) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }
}

fn unblock(fd: BorrowedFd<'_>) -> std::io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

impl Piped {
    pub(in crate::transport::ssh) fn start(command: &mut Command) -> std::io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take();
        stdin.iter().try_for_each(|pipe| unblock(pipe.as_fd()))?;
        let (stdout, stderr) = (Source::new(child.stdout.take())?, Source::new(child.stderr.take())?);
        Ok(Piped { child, stdin, stdout, stderr })
    }

    /// Writes what it takes now; a process that takes nothing any more ends its outputs, which is what counts.
    pub(in crate::transport::ssh) fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        match self.stdin.as_mut()?.write(bytes) {
            Ok(count) if count > 0 => return Some(count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            _ => self.stdin = None,
        }
        None
    }

    /// What to wait for.
    pub(in crate::transport::ssh) fn events(&self, writes: bool) -> Vec<PollFd<'_>> {
        let input = [self.stdout.fd(), self.stderr.fd()];
        let mut events: Vec<_> = input.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        if let Some(stdin) = self.stdin.as_ref().filter(|_| writes) {
            events.push(PollFd::new(stdin.as_fd(), PollFlags::POLLOUT));
        }
        events
    }

    /// Waits until an output has something to be read, at most so long; not at all where both have ended.
    pub(in crate::transport::ssh) fn listen(&self, longest: Duration) {
        let mut outputs = self.events(false);
        if !outputs.is_empty() {
            wait(&mut outputs, longest);
        }
    }

    /// How it ended, if it has.
    pub(in crate::transport::ssh) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for its end, which is near: its outputs are closed.
    pub(in crate::transport::ssh) fn wait(&mut self, deadline: Instant) -> Option<ExitStatus> {
        loop {
            match self.status() {
                None if Instant::now() < deadline => nap(Duration::from_millis(5)),
                ended => return ended,
            }
        }
    }

    /// Asks it to end, and sees to it.
    pub(in crate::transport::ssh) fn end(&mut self) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGTERM);
        }
        if self.wait(Instant::now() + Duration::from_millis(500)).is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        if self.status().is_none() {
            self.end();
        }
    }
}

/// Waits for one of these, at most so long.
pub(in crate::transport::ssh) fn wait(events: &mut [PollFd<'_>], longest: Duration) {
    let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::ZERO);
    let _ = poll(events, timeout);
}

fn nap(time: Duration) {
    wait(&mut [], time);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Piped {
        #[expect(clippy::disallowed_methods, reason = "the subject of the test is a process")]
        let mut command = Command::new("/bin/sh");
        Piped::start(command.arg("-c").arg(text)).unwrap()
    }

    #[test]
    fn a_process_is_written_to_and_read_without_waiting() {
        let mut cat = shell("cat; exit 3");
        let mut buffer = [0; 16];
        assert_eq!(cat.stdout.read(&mut buffer), None);
        assert!(!cat.stdout.ended());
        assert_eq!(cat.write(b"hello"), Some(5));
        wait(&mut cat.events(false), Duration::from_secs(5));
        assert_eq!(cat.stdout.read(&mut buffer), Some(5));
        cat.stdin = None;
        while !(cat.stdout.ended() && cat.stderr.ended()) {
            cat.listen(Duration::from_secs(5));
            cat.stdout.read(&mut buffer);
            cat.stderr.read(&mut buffer);
        }
        let began = Instant::now();
        cat.listen(Duration::from_secs(60));
        assert!(began.elapsed() < Duration::from_secs(5), "nothing more will come");
        assert_eq!(cat.wait(Instant::now() + Duration::from_secs(5)).unwrap().code(), Some(3));
        assert_eq!(shell("exec <&-; sleep 60").wait(Instant::now()), None);
    }
}
