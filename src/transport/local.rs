//! This machine itself, through `/bin/sh`.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::driver::{Driver, QUIET, Refusal};
use super::elevate::Elevation;
use super::method::Method;
use super::{Output, Script, Transport, TransportError};
use crate::inventory::spec::ElevateSettings;

/// The local machine.
pub(super) struct Local {
    pub(super) elevate: ElevateSettings,
}

enum Piece {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    End,
}

impl Transport for Local {
    fn run(&mut self, script: &Script, on_lines: &mut dyn FnMut(&str)) -> Result<Output, TransportError> {
        let (user, settings) = (user(), &self.elevate);
        let elevation = Elevation { settings, to: "this machine", user: &user };
        if Method::of(settings.method).is_some_and(|method| method.needs_terminal(false)) {
            return Err(elevation.terminal_not_built());
        }
        let mut driver = Driver::new(script, settings.method, settings.password.clone(), false);
        let own = |error: std::io::Error| TransportError::own("start a shell", &error);
        let deadline = Instant::now() + script.deadline;
        let mut child = spawn(driver.command()).map_err(own)?;
        let mut result = drive(&mut child, &mut driver, deadline, on_lines);
        let mut status = None;
        if result.is_ok() && !driver.ended() {
            status = end(&mut child, deadline);
            result = if status.is_none() { Err(Stop::Deadline) } else { result };
        }
        if result.is_err() {
            kill(&mut child);
        }
        reap(child);
        let status = status.map_or(-1, code);
        match result {
            Ok(()) if driver.started() => Ok(driver.finish(status)),
            Ok(()) => Err(elevation.ended_early(driver, status)),
            Err(Stop::Own(error)) => Err(own(error)),
            Err(Stop::Refused(refusal)) => Err(elevation.refused(&refusal)),
            Err(Stop::Deadline) => Err(elevation
                .late(&driver, script.deadline)
                .unwrap_or_else(|| TransportError::late("this machine".to_owned(), script.deadline))),
        }
    }
}

enum Stop {
    Refused(Refusal),
    Deadline,
    /// This machine is short of something.
    Own(std::io::Error),
}

fn spawn(command: &str) -> std::io::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "this is the local transport")]
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that a deadline ends everything that the script started.
    shell.process_group(0).spawn()
}

/// Goes on until the script has come to its end, or both outputs have. What the script has left in the
/// background may hold them open.
fn drive(
    child: &mut Child,
    driver: &mut Driver,
    deadline: Instant,
    on_lines: &mut dyn FnMut(&str),
) -> Result<(), Stop> {
    let (sender, pieces) = channel();
    let mut open = 0;
    if let Some(stdout) = child.stdout.take() {
        open += 1;
        pump(stdout, sender.clone(), Piece::Stdout).map_err(Stop::Own)?;
    }
    if let Some(stderr) = child.stderr.take() {
        open += 1;
        pump(stderr, sender, Piece::Stderr).map_err(Stop::Own)?;
    }
    let mut stdin = child.stdin.take();
    while open > 0 && !driver.ended() {
        if let Some(pipe) = stdin.as_mut() {
            // A child that has gone makes this fail; its outputs then end, which is what counts.
            let count = driver.pending().len();
            let _ = pipe.write_all(driver.pending());
            driver.wrote(count);
        }
        if driver.is_sent() {
            stdin = None;
        }
        let quiet = if driver.started() { deadline } else { deadline.min(Instant::now() + QUIET) };
        let piece = match next(&pieces, quiet) {
            Err(_) if quiet < deadline => {
                driver.quiet().map_err(Stop::Refused)?;
                continue;
            }
            piece => piece?,
        };
        match piece {
            Piece::Stdout(bytes) => driver.stdout(&bytes, on_lines).map_err(Stop::Refused)?,
            Piece::Stderr(bytes) => driver.stderr(&bytes).map_err(Stop::Refused)?,
            Piece::End => open -= 1,
        }
    }
    Ok(())
}

fn next(pieces: &Receiver<Piece>, deadline: Instant) -> Result<Piece, Stop> {
    match pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(piece) => Ok(piece),
        Err(RecvTimeoutError::Timeout) => Err(Stop::Deadline),
        Err(RecvTimeoutError::Disconnected) => Ok(Piece::End),
    }
}

/// Reads a pipe on a thread of its own, so that neither output can block the other.
fn pump(
    mut pipe: impl Read + Send + 'static,
    sender: Sender<Piece>,
    wrap: fn(Vec<u8>) -> Piece,
) -> std::io::Result<()> {
    let read = move || {
        let mut buffer = vec![0; 65536];
        while let Ok(count) = pipe.read(&mut buffer) {
            let piece = buffer.get(..count).unwrap_or_default().to_vec();
            if count == 0 || sender.send(wrap(piece)).is_err() {
                break;
            }
        }
        let _ = sender.send(Piece::End);
    };
    Builder::new().spawn(read).map(drop)
}

/// How a process ended, if it does so in time.
fn end(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => pause(Duration::from_millis(2)),
            ended => return ended.ok().flatten(),
        }
    }
}

/// Takes an ended process off the list of this machine. One that was not ended, because all of it is root's,
/// keeps nobody waiting.
fn reap(mut child: Child) {
    const MOMENT: Duration = Duration::from_millis(500);
    if end(&mut child, Instant::now() + MOMENT).is_none() {
        let _ = Builder::new().spawn(move || child.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "a process is given a moment to end")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Ends everything that the script started, but what has root rights where this user has none.
fn kill(child: &mut Child) {
    if let Ok(id) = i32::try_from(child.id()) {
        let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(id), nix::sys::signal::Signal::SIGKILL);
    }
}

fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}

fn user() -> String {
    nix::unistd::User::from_uid(nix::unistd::Uid::current())
        .ok()
        .flatten()
        .map_or_else(|| "the present user".to_owned(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, seconds: u64) -> Result<Output, TransportError> {
        let script = Script { text: text.to_owned(), deadline: Duration::from_secs(seconds) };
        Local { elevate: ElevateSettings::default() }.run(&script, &mut |_| ())
    }

    #[test]
    fn both_outputs_and_the_status_come_back() {
        let output = run("echo out; echo err >&2; exit 3", 5).unwrap();
        assert_eq!(output, Output { stdout: "out\n".into(), stderr: "err\n".into(), status: 3 });
    }

    #[test]
    fn megabytes_in_both_directions_do_not_block() {
        let long = "x".repeat(3 << 20);
        let output = run(&format!(": {long}\nhead -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2"), 20).unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (5_000_000, 5_000_000));
    }

    #[test]
    fn a_script_cannot_eat_itself() {
        assert_eq!(run("cat; echo after", 5).unwrap().stdout, "after\n");
    }

    #[test]
    fn what_a_script_leaves_in_the_background_keeps_nobody_waiting() {
        let started = Instant::now();
        let output = run("sleep 7 & echo done; exit 3", 20).unwrap();
        assert_eq!((output.stdout.as_str(), output.status), ("done\n", 3));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_process_that_cannot_be_ended_is_not_waited_for() {
        let mut child = spawn("sleep 7").unwrap();
        let started = Instant::now();
        assert!(end(&mut child, started + Duration::from_millis(50)).is_none());
        reap(child);
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_deadline_ends_the_script_and_its_children() {
        let started = Instant::now();
        assert!(matches!(run("sleep 60 & sleep 60", 1), Err(TransportError::Timeout { .. })));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
