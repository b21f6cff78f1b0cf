//! What goes over the wire for one script, as a state machine without any I/O: bytes in, bytes
//! out. SSH and the local transport both turn its crank.
//!
//! sudo may ask for a password or not. So the script is held back until the elevated shell has
//! said that it is there, and the password is sent once, only when the prompt is seen: it can
//! never become the first line of the script, and a refused one is never tried again.
//!
//! The end of a script is a mark on both outputs, and not the end of the shell: so the shell, and
//! the root rights that were given once, serve the next script as well.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::method::Method;
use super::question::{Questions, Wants};
use super::stream::Stream;
use super::terminal::{BEGUN, ENGLISH, Terminal, started};
use super::{Output, Script};
use crate::inventory::Secret;
use crate::inventory::spec::Become;

/// Largest output that is kept, bytes.
const LARGEST: usize = 64 << 20;

/// Largest output of a login shell before ours is there, bytes: greetings, lectures and questions.
pub(super) const LARGEST_GREETING: usize = 1 << 20;

/// What is said of one that prints more.
pub(super) const NOISY: &str = "the login shell printed more than 1 MiB before it ran anything";

/// How long nothing is said until half a line is taken for a question.
pub(super) const QUIET: Duration = Duration::from_millis(400);

/// Why the elevated shell did not come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The password was refused; whose it is, if the program says so.
    WrongPassword {
        /// The user.
        of: Option<String>,
    },
    /// A password was asked for and none is configured.
    NoPassword {
        /// The user.
        of: Option<String>,
    },
    /// Something else was asked for, after the password.
    AsksMore(String),
    /// The host printed more than we keep; says how much that is.
    TooMuchOutput(&'static str),
}

/// One script on its way.
pub(super) struct Driver {
    command: String,
    /// The command line on a terminal.
    terminal: Option<String>,
    /// Said by each output when the login shell has run our command: what stands before is not ours.
    begin: String,
    begun: Begun,
    /// How the question begins that we give to the program that gives root rights.
    ours: String,
    questions: Questions,
    /// What was said on the terminal.
    heard: Stream,
    mark: Option<String>,
    /// The same on the other output, which may come later.
    stderr_mark: Option<String>,
    password: Option<Secret>,
    script: Vec<u8>,
    /// Begins the last line of both outputs.
    end: String,
    outgoing: Vec<u8>,
    sent: usize,
    prompted: bool,
    stdout: Stream,
    stderr: Stream,
    /// The start of the first line that was not handed out.
    line_start: usize,
    /// How far line ends were looked for.
    seen: usize,
}

/// Which outputs have said that the login shell ran our command.
#[derive(Default)]
struct Begun {
    stdout: bool,
    stderr: bool,
    terminal: bool,
}

impl Driver {
    /// A script for a shell that is still to be started; on a terminal where the program needs one.
    pub(super) fn new(script: &Script, setting: Become, password: Option<Secret>, on_terminal: bool) -> Self {
        let token = token();
        let (begin, mark) = (format!("{BEGUN}{token}"), format!("fc-mark-{token}"));
        let ours = format!("fc-prompt-{token} for");
        let shell = format!("echo {mark}; echo {mark} >&2; exec /bin/sh -s");
        let (command, terminal) = match Method::of(setting) {
            None => (started(&format!("echo {begin}; echo {begin} >&2; {shell}")), None),
            Some(method) if on_terminal => {
                let terminal = Terminal::new(method, &token, &format!("{ours} %p: "), &begin, &shell, script.deadline);
                (terminal.pipes, Some(terminal.command))
            }
            Some(method) => {
                let run = method.command(&format!("{ours} %p: "), &shell, false);
                (started(&format!("{ENGLISH}echo {begin}; echo {begin} >&2; exec {run}")), None)
            }
        };
        Driver {
            command,
            terminal,
            begin,
            ours,
            stderr_mark: Some(format!("{mark}\n")),
            mark: Some(mark),
            password,
            ..Self::held(script)
        }
    }

    /// A script for the shell that has run the one before.
    pub(super) fn next(script: &Script) -> Self {
        let mut driver = Self::held(script);
        driver.release();
        driver
    }

    /// A script that is not sent yet.
    fn held(script: &Script) -> Self {
        let end = format!("\nfc-end-{}", token());
        Driver {
            command: String::new(),
            terminal: None,
            begin: String::new(),
            begun: Begun::default(),
            ours: String::new(),
            questions: Questions::default(),
            heard: Stream::default(),
            mark: None,
            stderr_mark: None,
            password: None,
            script: wrap(&script.text, end.trim()).into_bytes(),
            end,
            outgoing: Vec::new(),
            sent: 0,
            prompted: false,
            stdout: Stream::default(),
            stderr: Stream::default(),
            line_start: 0,
            seen: 0,
        }
    }

    /// The command line for the login shell; simple enough for any shell.
    pub(super) fn command(&self) -> &str {
        &self.command
    }

    /// The command line for a terminal, where one is needed.
    pub(super) fn terminal_command(&self) -> Option<&str> {
        self.terminal.as_deref()
    }

    /// What has to be written now.
    pub(super) fn pending(&self) -> &[u8] {
        self.outgoing.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn wrote(&mut self, count: usize) {
        self.sent += count;
    }

    /// Whether everything has been written, so that standard input can be closed.
    pub(super) fn is_sent(&self) -> bool {
        self.started() && self.pending().is_empty()
    }

    /// Whether the shell that runs the script is there.
    pub(super) fn started(&self) -> bool {
        self.mark.is_none()
    }

    fn release(&mut self) {
        self.mark = None;
        self.outgoing.append(&mut self.script);
    }

    /// Takes in standard output, and hands out its complete lines, as many as there are, at once.
    pub(super) fn stdout(&mut self, bytes: &[u8], on_lines: &mut dyn FnMut(&str)) -> Result<(), Refusal> {
        self.stdout.push(bytes, &self.end);
        self.begun.stdout = self.begun.stdout || (!self.started() && self.stdout.begins(&self.begin, bytes.len()));
        if let Some(mark) = self.mark.clone()
            && let Some(end) = self.stdout.end_of(format!("{mark}\n").as_bytes(), bytes.len())
        {
            self.stdout.drop_head(end);
            self.release();
        }
        if self.started() {
            self.lines(on_lines);
        }
        self.check_size()
    }

    /// Each byte is looked at once, however long a line is.
    fn lines(&mut self, on_lines: &mut dyn FnMut(&str)) {
        let fresh = self.stdout.bytes.get(self.seen..).unwrap_or_default();
        if let Some(last) = fresh.iter().rposition(|byte| *byte == b'\n') {
            let end = self.seen + last + 1;
            on_lines(&String::from_utf8_lossy(self.stdout.bytes.get(self.line_start..end).unwrap_or_default()));
            self.line_start = end;
        }
        self.seen = self.stdout.bytes.len();
    }

    pub(super) fn stderr(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.stderr.push(bytes, &self.end);
        if self.stderr_mark.as_ref().is_some_and(|mark| self.stderr.begins(mark, bytes.len())) {
            self.stderr_mark = None;
        }
        if !self.started() {
            self.begun.stderr = self.begun.stderr || self.stderr.begins(&self.begin, bytes.len());
            self.question(false)?;
        }
        self.check_size()
    }

    /// What was said on the terminal.
    pub(super) fn terminal(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.terminal.is_some() && !self.started() {
            self.heard.bytes.extend_from_slice(bytes);
            self.begun.terminal = self.begun.terminal || self.heard.begins(&self.begin, bytes.len());
            self.question(false)?;
        }
        self.check_size()
    }

    /// Nothing was said for [`QUIET`]: a line without an end is a question.
    pub(super) fn quiet(&mut self) -> Result<(), Refusal> {
        if self.started() { Ok(()) } else { self.question(true) }
    }

    /// Whether the login shell has run our command.
    pub(super) fn begun(&self) -> bool {
        self.started() || if self.terminal.is_some() { self.begun.terminal } else { self.begun.stdout }
    }

    fn question(&mut self, quiet: bool) -> Result<(), Refusal> {
        let said = match self.terminal {
            Some(_) if self.begun.terminal => &self.heard.bytes,
            None if self.begun.stderr => &self.stderr.bytes,
            _ => return Ok(()),
        };
        let wants = self.questions.look(said, &self.ours, quiet);
        let of = self.questions.user(&self.ours);
        match wants {
            Wants::Nothing => Ok(()),
            Wants::Again => Err(Refusal::WrongPassword { of }),
            Wants::More(words) => Err(Refusal::AsksMore(words)),
            Wants::Answer => {
                let password = self.password.as_ref().ok_or(Refusal::NoPassword { of })?;
                self.prompted = true;
                self.outgoing.extend_from_slice(password.reveal().as_bytes());
                self.outgoing.push(b'\n');
                Ok(())
            }
        }
    }

    fn check_size(&self) -> Result<(), Refusal> {
        let heard = self.heard.bytes.len();
        let (largest, words) =
            if self.started() { (LARGEST, "the host printed more than 64 MiB") } else { (LARGEST_GREETING, NOISY) };
        if self.stdout.bytes.len() + self.stderr.bytes.len() + heard > largest {
            return Err(Refusal::TooMuchOutput(words));
        }
        Ok(())
    }

    /// What was said before the shell was there.
    pub(super) fn words(&self) -> String {
        let all = [&self.stdout.bytes[..], b"\n", &self.stderr.bytes, b"\n", &self.heard.bytes].concat();
        String::from_utf8_lossy(&all).into_owned()
    }

    pub(super) fn prompted(&self) -> bool {
        self.prompted
    }

    /// Whether the login shell is one of Windows: cmd.exe names what it does not know in quotes, in
    /// any language; PowerShell gives the number of the error its name.
    pub(super) fn met_windows(&self) -> bool {
        let words = String::from_utf8_lossy(&self.stderr.bytes);
        !self.ended() && (words.trim_start().starts_with("'exec'") || words.contains("CommandNotFoundException"))
    }

    /// Whether the script has come to its end; the shell is then ready for the next.
    pub(super) fn ended(&self) -> bool {
        self.stdout.ended.is_some() && self.stderr.ended.is_some()
    }

    /// Returns what the script left; `status` is that of the shell, for a script that ended it.
    pub(super) fn finish(self, status: i32) -> Output {
        let own = self.stdout.ended.as_deref().and_then(|word| word.parse().ok());
        // Not copied where it is good text, which may be long.
        let text = |stream: Stream| {
            String::from_utf8(stream.bytes)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
        };
        let mut stderr = text(self.stderr);
        // A program on a terminal says there why it gives no shell.
        if self.mark.is_some() {
            stderr.push_str(&self.questions.after(&self.heard.bytes));
        }
        Output { stdout: text(self.stdout), stderr, status: own.unwrap_or(status) }
    }
}

/// The whole is parsed before any of it runs, its commands cannot eat what comes after it, and
/// what it sets is gone with its subshell. A profile may have left options and variables that every
/// shell takes on.
fn wrap(text: &str, end: &str) -> String {
    format!(
        "set +eufCvxn\n(\nunset BASH_ENV ENV TMOUT CDPATH\nLC_ALL=C LANG=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         export LC_ALL LANG PATH\numask 022\n{text}\n) </dev/null\n\
         printf '\\n%s %s\\n' {end} $?; printf '\\n%s\\n' {end} >&2\n"
    )
}

fn token() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u8(0);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests;
