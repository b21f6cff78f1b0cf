//! Command lines, run by Wine's cmd.exe in the host's own prefix.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command as Process, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use encoding_rs::{Decoder, EUC_KR};

use crate::journal::Journal;

const WINE: &str = "/usr/lib/wine/wine64";
const WINESERVER: &str = "/usr/lib/wine/wineserver64";
const SERVER_DEADLINE: Duration = Duration::from_secs(60);

/// Where and in which language the programs of a host run.
pub(crate) struct Wine {
    prefix: PathBuf,
    /// The folder that is drive Y:, for what the runner is told and tells.
    exchange: PathBuf,
    locale: String,
    journal: Arc<Journal>,
}

/// What a command runs with.
#[derive(Clone, Default)]
pub(crate) struct Setting {
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) directory: Option<String>,
    /// The code page the client asked for.
    pub(crate) code_page: Option<u32>,
}

impl Wine {
    /// A host whose files are in `home`.
    pub(crate) fn new(home: &Path, locale: &str, journal: Arc<Journal>) -> Self {
        Self { prefix: home.join("prefix"), exchange: home.join("exchange"), locale: locale.to_owned(), journal }
    }

    fn process(&self, program: &str) -> Process {
        let mut process = Process::new(program);
        process.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/root").env("WINEDEBUG", "-all");
        process.env("WINEPREFIX", &self.prefix).env("LC_ALL", &self.locale).current_dir(&self.exchange);
        process
    }

    /// Starts the prefix's own server, which then stays, and the services that start by themselves.
    ///
    /// A program that does not find the server starts one of its own. Debian's Wine notes a server's
    /// folder in the prefix, so the later of two takes the earlier one's place: programs would talk
    /// to one or the other, each with its own registry.
    pub(crate) fn boot(&self) -> io::Result<Child> {
        let server = silent(self.process(WINESERVER).args(["-p", "-f"])).spawn()?;
        let begun = Instant::now();
        while !self.serves() {
            if begun.elapsed() > SERVER_DEADLINE {
                return Err(io::Error::other("the wineserver makes no socket"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        let booted = silent(self.process(WINE).arg("C:\\fc\\boot.exe")).status()?;
        booted.success().then_some(server).ok_or_else(|| io::Error::other("boot.exe fails"))
    }

    /// Whether the prefix's server has its socket: `/tmp/NAME/server-.../socket`, NAME in `wineserver`.
    fn serves(&self) -> bool {
        let Ok(name) = std::fs::read_to_string(self.prefix.join("wineserver")) else { return false };
        let mut folders = std::fs::read_dir(Path::new("/tmp").join(name.trim())).into_iter().flatten().flatten();
        !name.trim().is_empty() && folders.any(|folder| folder.path().join("socket").exists())
    }

    /// Starts a command line. `id` must be new.
    pub(crate) fn start(&self, id: &str, line: &str, setting: &Setting) -> io::Result<Arc<Command>> {
        let directory = setting.directory.as_deref().unwrap_or_default();
        let files =
            Files { line: self.exchange.join(format!("{id}.line")), code: self.exchange.join(format!("{id}.code")) };
        std::fs::write(&files.line, format!("{directory}\n{line}"))?;
        let mut process = self.process(WINE);
        process.args(["C:\\fc\\runner.exe", id]).envs(setting.environment.iter().map(|(name, value)| (name, value)));
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn()?;
        let command = Arc::new(Command {
            output: Mutex::default(),
            changed: Condvar::new(),
            stdin: Mutex::new(child.stdin.take()),
            process: child.id(),
        });
        let (this, decode, journal) = (command.clone(), self.transcodes(setting), self.journal.clone());
        thread::spawn(move || {
            let status = this.pump_all(child, decode);
            this.end(&files, status, &journal);
        });
        Ok(command)
    }

    /// Whether output is turned into UTF-8: a Korean host that was asked for code page 65001.
    fn transcodes(&self, setting: &Setting) -> bool {
        self.locale.starts_with("ko") && setting.code_page == Some(65001)
    }
}

fn silent(process: &mut Process) -> &mut Process {
    process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// A command: what it wrote and was not fetched yet, and how it ended.
pub(crate) struct Command {
    output: Mutex<Output>,
    changed: Condvar,
    stdin: Mutex<Option<ChildStdin>>,
    process: u32,
}

/// What the runner is told, and tells.
struct Files {
    line: PathBuf,
    code: PathBuf,
}

#[derive(Default)]
struct Output {
    pieces: VecDeque<(&'static str, Vec<u8>)>,
    code: Option<u32>,
}

/// What a client gets at once: pieces of output, and the exit code if there is no more.
pub(crate) struct Fetched {
    pub(crate) pieces: Vec<(&'static str, Vec<u8>)>,
    pub(crate) code: Option<u32>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Command {
    /// A command that ended before it began, as cmd.exe does with a line that is too long.
    pub(crate) fn refused(text: &str) -> Arc<Self> {
        let pieces = VecDeque::from([("stderr", text.as_bytes().to_vec())]);
        let output = Mutex::new(Output { pieces, code: Some(1) });
        Arc::new(Self { output, changed: Condvar::new(), stdin: Mutex::new(None), process: 0 })
    }

    /// Takes what a process writes until it ends.
    fn pump_all(self: &Arc<Self>, mut child: Child, decode: bool) -> Option<i32> {
        let (first, stdout) = (self.clone(), child.stdout.take());
        let pump = thread::spawn(move || first.pump("stdout", stdout, decode));
        self.pump("stderr", child.stderr.take(), decode);
        let _ = pump.join();
        child.wait().ok().and_then(|status| status.code())
    }

    fn end(&self, files: &Files, status: Option<i32>, journal: &Journal) {
        let told = std::fs::read_to_string(&files.code).ok().and_then(|text| text.trim().parse().ok());
        let _ = std::fs::remove_file(&files.code);
        let _ = std::fs::remove_file(&files.line);
        let code = told.unwrap_or_else(|| status.unwrap_or(-1) as u32);
        journal.note(&format!("ended with {code}"));
        lock(&self.output).code = Some(code);
        self.changed.notify_all();
    }

    fn pump(&self, name: &'static str, pipe: Option<impl Read>, decode: bool) {
        let Some(mut pipe) = pipe else { return };
        let mut decoder = decode.then(|| EUC_KR.new_decoder_without_bom_handling());
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let bytes = to_utf8(decoder.as_mut(), &buffer[..count]);
            lock(&self.output).pieces.push_back((name, bytes));
            self.changed.notify_all();
        }
    }

    /// Waits for output or the end, and takes at most `limit` bytes. None if there is neither within `wait`.
    pub(crate) fn fetch(&self, limit: usize, wait: Duration) -> Option<Fetched> {
        let end = Instant::now() + wait;
        let mut output = lock(&self.output);
        while output.pieces.is_empty() && output.code.is_none() {
            let left = end.checked_duration_since(Instant::now())?;
            output = self.changed.wait_timeout(output, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let pieces = output.take(limit);
        let code = if output.pieces.is_empty() { output.code } else { None };
        Some(Fetched { pieces, code })
    }

    /// Gives the program input; with `end`, its input ends.
    pub(crate) fn send(&self, bytes: &[u8], end: bool) {
        let mut stdin = lock(&self.stdin);
        if let Some(pipe) = stdin.as_mut() {
            // A program that ended does not read; Windows says nothing then either.
            let _ = pipe.write_all(bytes).and_then(|()| pipe.flush());
        }
        if end {
            *stdin = None;
        }
    }

    /// Ends the runner, and with it all that it started.
    pub(crate) fn stop(&self) {
        if lock(&self.output).code.is_none() {
            let _ = Process::new("/bin/kill").args(["-KILL", &self.process.to_string()]).status();
        }
    }
}

impl Output {
    fn take(&mut self, limit: usize) -> Vec<(&'static str, Vec<u8>)> {
        let (mut taken, mut left) = (Vec::new(), limit);
        while let Some((name, mut bytes)) = self.pieces.pop_front() {
            if bytes.len() > left {
                self.pieces.push_front((name, bytes.split_off(left)));
            }
            left -= bytes.len();
            taken.push((name, bytes));
            if left == 0 {
                break;
            }
        }
        taken
    }
}

fn to_utf8(decoder: Option<&mut Decoder>, bytes: &[u8]) -> Vec<u8> {
    let Some(decoder) = decoder else { return bytes.to_vec() };
    let mut text = String::with_capacity(bytes.len() * 3 + 3);
    let _ = decoder.decode_to_string(bytes, &mut text, false);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_split_at_the_limit_and_the_code_comes_last() {
        let command = Command::refused("abcdef");
        let first = command.fetch(4, Duration::ZERO).unwrap();
        assert_eq!((first.pieces, first.code), (vec![("stderr", b"abcd".to_vec())], None));
        let second = command.fetch(4, Duration::ZERO).unwrap();
        assert_eq!((second.pieces, second.code), (vec![("stderr", b"ef".to_vec())], Some(1)));
    }

    #[test]
    fn a_character_cut_in_two_is_put_together() {
        let mut decoder = EUC_KR.new_decoder_without_bom_handling();
        let halves = [&[0xc7][..], &[0xd1, b'!'][..]].map(|half| to_utf8(Some(&mut decoder), half));
        assert_eq!(String::from_utf8(halves.concat()).unwrap(), "한!");
    }
}
