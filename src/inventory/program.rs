//! An inventory that a program prints. It is started once in a run, has a limit of time and of what it may print, and
//! goes with everything that it has started.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::text::clean;

/// How long it may take: those of clouds ask many questions.
const LIMIT: Duration = Duration::from_secs(60);

/// How long what it has started may hold its outputs when it has ended.
const AFTERWARDS: Duration = Duration::from_secs(1);

/// Most bytes of its output, and of its errors.
const MOST: u64 = 8 << 20;
const MOST_ERRORS: u64 = 64 << 10;

/// What it has printed, and its errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Printed {
    pub(super) text: String,
    pub(super) errors: String,
}

/// Whether a file is a program: it may be run, and says by its first bytes that it is meant to be. A file of YAML on a
/// disk of Windows may be run as well, and is none.
pub(super) fn is_one(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(about) = path.metadata() else { return false };
    if !about.is_file() || about.permissions().mode() & 0o111 == 0 {
        return false;
    }
    let mut first = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut first)).unwrap_or(0);
    first.get(..read).is_some_and(|first| first.starts_with(b"#!") || first == b"\x7fELF")
}

/// Runs it, if this run has not yet.
pub(super) fn printed(path: &Path) -> Result<Printed, String> {
    static KNOWN: Mutex<Option<HashMap<PathBuf, Result<Printed, String>>>> = Mutex::new(None);
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_default().entry(path).or_insert_with_key(|path| run(path, LIMIT)).clone()
}

/// What comes from it.
enum Said {
    Output(Vec<u8>),
    Errors(Vec<u8>),
    Ended(std::io::Result<ExitStatus>),
}

#[expect(clippy::disallowed_methods, reason = "an inventory may be a program")]
fn run(path: &Path, limit: Duration) -> Result<Printed, String> {
    use std::os::unix::process::CommandExt as _;
    let mut program = std::process::Command::new(path);
    program.arg("--list").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = program.spawn().map_err(|error| not_run(&error))?;
    let group = i32::try_from(child.id()).map(Pid::from_raw).map_err(|_| "run it: it has no number".to_owned())?;
    let (send, said) = channel();
    if let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) {
        listen(output, MOST, send.clone(), Said::Output);
        listen(errors, MOST_ERRORS, send.clone(), Said::Errors);
    }
    std::thread::spawn(move || send.send(Said::Ended(child.wait())));
    let result = gather(&said, limit);
    // Whoever still holds an output is of its group, which therefore is still its own.
    if !matches!(result, Ok((_, true))) {
        let _ = killpg(group, Signal::SIGKILL);
    }
    result.map(|(printed, _)| printed)
}

/// A program that was there a moment ago, and is not found, names an interpreter that is not there.
fn not_run(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "the program that its first line names (`#!...`) is not there".to_owned(),
        _ => format!("run it: {error}"),
    }
}

/// One byte more than is allowed says that it was too much.
fn listen(pipe: impl Read + Send + 'static, most: u64, send: Sender<Said>, said: fn(Vec<u8>) -> Said) {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.take(most + 1).read_to_end(&mut bytes);
        send.send(said(bytes))
    });
}

/// Waits for all that comes; whether its outputs were closed, so that nobody holds them any more.
fn gather(said: &Receiver<Said>, limit: Duration) -> Result<(Printed, bool), String> {
    let mut until = Instant::now() + limit;
    let (mut output, mut errors, mut status) = (None, None, None);
    while output.is_none() || errors.is_none() || status.is_none() {
        match said.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Said::Output(bytes)) if bytes.len() as u64 > MOST => {
                return Err(format!("it has printed more than {} MiB, and was stopped", MOST >> 20));
            }
            Ok(Said::Output(bytes)) => output = Some(bytes),
            Ok(Said::Errors(bytes)) => errors = Some(bytes),
            Ok(Said::Ended(ended)) => {
                status = Some(ended.map_err(|error| format!("wait for it: {error}"))?);
                until = until.min(Instant::now() + AFTERWARDS);
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) if status.is_some() => {
                let why = "it has ended, and what it has started still holds its output: that was stopped";
                return Err(format!("{why}{}", behind(errors.as_deref())));
            }
            Err(_) => {
                let limit = humantime::format_duration(limit);
                return Err(format!("it has not ended within {limit}, and was stopped{}", behind(errors.as_deref())));
            }
        }
    }
    let (Some(output), Some(status)) = (output, status) else { return Err("it has said nothing".to_owned()) };
    if !status.success() {
        return Err(format!("it failed ({status}){}", behind(errors.as_deref())));
    }
    let text = String::from_utf8(output).map_err(|_| "what it printed is no UTF-8".to_owned())?;
    let errors = last(&errors.unwrap_or_default());
    Ok((Printed { text, errors }, true))
}

fn behind(errors: Option<&[u8]>) -> String {
    let errors = last(errors.unwrap_or_default());
    if errors.is_empty() { String::new() } else { format!(": {errors}") }
}

/// The last lines of what it said on its error output, in one line.
fn last(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let lines = lines.get(lines.len().saturating_sub(3)..).unwrap_or_default().join(" / ");
    let start: String = lines.chars().take(400).collect();
    clean::text(&start).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(script: &str) -> (tempfile::TempDir, PathBuf) {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inventory");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        (dir, path)
    }

    #[test]
    fn what_a_program_prints_is_bounded_in_time_and_size() {
        let said = |script: &str| {
            let (_dir, path) = program(script);
            run(&path, Duration::from_millis(700)).map(|printed| (printed.text, printed.errors))
        };
        assert_eq!(said("echo \"$1\"; echo careful >&2"), Ok(("--list\n".into(), "careful".into())));
        assert_eq!(
            said("echo one >&2; echo 'no token' >&2; exit 3").unwrap_err(),
            "it failed (exit status: 3): one / no token"
        );
        assert_eq!(said("sleep 60").unwrap_err(), "it has not ended within 700ms, and was stopped");
        assert!(said("yes").unwrap_err().contains("more than 8 MiB"));
        assert!(said("printf '\\377'").unwrap_err().contains("no UTF-8"));
        assert!(said("kill -9 $$").unwrap_err().contains("signal: 9"));
        let (_dir, path) = program("");
        std::fs::write(&path, "#!/nonexistent/python\n").unwrap();
        assert!(run(&path, LIMIT).unwrap_err().contains("its first line names"));
        let before = Instant::now();
        assert!(said("sleep 60 & echo hosts").unwrap_err().contains("still holds its output"));
        assert!(before.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn its_children_end_with_it() {
        let (dir, path) = program("(sleep 2; touch \"$(dirname \"$0\")/late\") & sleep 60");
        run(&path, Duration::from_millis(300)).unwrap_err();
        let (_send, wait) = channel::<()>();
        let _ = wait.recv_timeout(Duration::from_millis(2_500));
        assert!(!dir.path().join("late").exists());
    }

    #[test]
    fn a_file_that_may_be_run_is_a_program_only_if_it_says_so() {
        let (dir, path) = program("echo");
        assert!(is_one(&path) && !is_one(dir.path()) && !is_one(&dir.path().join("none")));
        std::fs::write(&path, "hosts:\n").unwrap();
        assert!(!is_one(&path));
    }

    #[test]
    fn it_runs_once() {
        let (dir, path) = program("echo x >>\"$(dirname \"$0\")/count\"; echo hosts:");
        for _ in 0..3 {
            printed(&path).unwrap();
        }
        assert_eq!(std::fs::read_to_string(dir.path().join("count")).unwrap(), "x\n");
    }
}
