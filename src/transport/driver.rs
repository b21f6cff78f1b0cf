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

use super::quote::sh;
use super::terminal::{Terminal, Wants};
use super::{Output, Script};
use crate::inventory::Secret;
use crate::inventory::spec::Become;

/// Largest output that is kept, bytes.
const LARGEST: usize = 64 << 20;

/// Largest output of a login shell before ours is there, bytes: greetings, lectures and questions.
const LARGEST_GREETING: usize = 1 << 20;

/// The longest line that may follow the mark, bytes: it holds an exit status.
const LONGEST_STATUS: usize = 32;

/// Why the elevated shell did not come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The password was refused.
    WrongPassword,
    /// A password was asked for and none is configured.
    NoPassword,
    /// The host printed more than we keep; says how much that is.
    TooMuchOutput(&'static str),
}

/// One script on its way.
pub(super) struct Driver {
    command: String,
    terminal: Option<Terminal>,
    prompt: Option<String>,
    mark: Option<String>,
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

/// One output, up to the mark that ends it.
#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    /// Where the mark may begin.
    from: usize,
    /// What stood behind the mark.
    ended: Option<String>,
}

impl Stream {
    /// Takes bytes in; the mark and what follows it are no output.
    fn push(&mut self, bytes: &[u8], mark: &str) {
        self.bytes.extend_from_slice(bytes);
        let rest = self.bytes.get(self.from..).unwrap_or_default();
        let Some(at) = find(rest, mark.as_bytes()) else {
            self.from = self.bytes.len().saturating_sub(mark.len());
            return;
        };
        let behind = rest.get(at + mark.len()..).unwrap_or_default();
        if let Some(end) = behind.iter().position(|byte| *byte == b'\n') {
            self.ended = Some(String::from_utf8_lossy(behind.get(..end).unwrap_or_default()).trim().to_owned());
            self.bytes.truncate(self.from + at);
        } else if behind.len() > LONGEST_STATUS {
            self.from += at + mark.len();
        } else {
            self.from += at;
        }
    }

    /// Takes away what came before the script.
    fn drop_head(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
        self.from = 0;
    }

    /// Where a text ends that may have begun in the bytes before the last `fresh` ones.
    fn end_of(&self, text: &[u8], fresh: usize) -> Option<usize> {
        let from = self.bytes.len().saturating_sub(fresh + text.len());
        find(self.bytes.get(from..)?, text).map(|at| from + at + text.len())
    }
}

impl Driver {
    /// A script for a shell that is still to be started.
    pub(super) fn new(script: &Script, method: Become, password: Option<Secret>) -> Self {
        let token = token();
        let prompt = format!("fc-prompt-{token}");
        let mark = format!("fc-mark-{token}");
        let inner = format!("/bin/sh -c 'echo {mark}; exec /bin/sh -s'");
        let (command, prompt, mark) = match method {
            Become::None => ("exec /bin/sh -s".to_owned(), None, None),
            Become::Sudo => (format!("exec sudo -S -p {prompt} -- {inner}"), Some(prompt), Some(mark)),
            // Without a terminal doas cannot ask; -n makes it say so instead of hanging.
            Become::Doas => (format!("exec doas -n {inner}"), None, Some(mark)),
        };
        let mut driver = Driver { command, prompt, mark, password, ..Self::held(script) };
        if driver.mark.is_none() {
            driver.release();
        }
        driver
    }

    /// A script for a shell that is still to be started by doas, which asks for a password.
    pub(super) fn on_terminal(script: &Script, password: Secret) -> Self {
        let token = token();
        let mark = format!("fc-mark-{token}");
        let terminal = Terminal::new(&token, &format!("/bin/sh -c {}", sh(&format!("echo {mark}; exec /bin/sh -s"))));
        Driver {
            command: terminal.pipes.clone(),
            terminal: Some(terminal),
            mark: Some(mark),
            password: Some(password),
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
            prompt: None,
            mark: None,
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
        self.terminal.as_ref().map(|terminal| terminal.command.as_str())
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
        if let Some(mark) = self.mark.clone()
            && let Some(end) = self.stdout.end_of(format!("{mark}\n").as_bytes(), bytes.len())
        {
            self.stdout.drop_head(end);
            self.stderr.drop_head(usize::MAX);
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
        if let Some(prompt) = self.prompt.as_ref().filter(|_| !self.started())
            && let Some(end) = self.stderr.end_of(prompt.as_bytes(), bytes.len())
        {
            self.stderr.drop_head(end);
            self.answer()?;
        }
        self.check_size()
    }

    /// What was said on the terminal.
    pub(super) fn terminal(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(terminal) = self.terminal.as_mut().filter(|_| self.mark.is_some()) else { return Ok(()) };
        match (terminal.hear(bytes), self.prompted) {
            (Wants::Answer, false) | (Wants::More, _) => self.answer(),
            _ => self.check_size(),
        }
    }

    fn answer(&mut self) -> Result<(), Refusal> {
        if self.prompted {
            return Err(Refusal::WrongPassword);
        }
        let password = self.password.as_ref().ok_or(Refusal::NoPassword)?;
        self.prompted = true;
        self.outgoing.extend_from_slice(password.reveal().as_bytes());
        self.outgoing.push(b'\n');
        Ok(())
    }

    fn check_size(&self) -> Result<(), Refusal> {
        let heard = self.terminal.as_ref().map_or(0, Terminal::len);
        let (largest, words) = if self.started() {
            (LARGEST, "the host printed more than 64 MiB")
        } else {
            (LARGEST_GREETING, "the login shell printed more than 1 MiB before it ran anything")
        };
        if self.stdout.bytes.len() + self.stderr.bytes.len() + heard > largest {
            return Err(Refusal::TooMuchOutput(words));
        }
        Ok(())
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
        Output { stdout: text(self.stdout), stderr: text(self.stderr), status: own.unwrap_or(status) }
    }
}

/// The whole is parsed before any of it runs, its commands cannot eat what comes after it, and
/// what it sets is gone with its subshell.
fn wrap(text: &str, end: &str) -> String {
    format!(
        "(\nLC_ALL=C LANG=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         export LC_ALL LANG PATH\numask 022\n{text}\n) </dev/null\n\
         printf '\\n%s %s\\n' {end} $?; printf '\\n%s\\n' {end} >&2\n"
    )
}

pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn token() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u8(0);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn driver(method: Become, password: Option<&str>) -> Driver {
        let script = Script { text: "echo hi".into(), deadline: Duration::from_secs(1) };
        Driver::new(&script, method, password.map(Secret::new))
    }

    fn pending(driver: &Driver) -> String {
        String::from_utf8(driver.pending().to_vec()).unwrap()
    }

    #[test]
    fn the_shells_of_windows_are_known_in_any_language() {
        for (words, windows) in [
            (&b"'exec' is not recognized as an internal or external command,\r\n"[..], true),
            (b"'exec'\xc0\xba(\xb4\xc2) \xb3\xbb\xba\xce\r\n", true),
            (b"exec : ...\r\n    + FullyQualifiedErrorId : CommandNotFoundException\r\n", true),
            (b"sh: 1: exec: sudo: not found\n", false),
        ] {
            let mut driver = driver(Become::Sudo, None);
            driver.stderr(words).unwrap();
            assert_eq!(driver.met_windows(), windows, "{words:?}");
        }
    }

    #[test]
    fn without_elevation_the_script_goes_at_once() {
        let driver = driver(Become::None, None);
        assert_eq!(driver.command(), "exec /bin/sh -s");
        assert!(pending(&driver).contains("echo hi"));
    }

    #[test]
    fn a_password_is_sent_once_and_only_when_asked_for() {
        let mut driver = driver(Become::Sudo, Some("pw"));
        assert_eq!(pending(&driver), "");
        let prompt = driver.prompt.clone().unwrap();
        driver.stderr(format!("lecture\n{prompt}").as_bytes()).unwrap();
        assert_eq!(pending(&driver), "pw\n");
        assert_eq!(driver.stderr(format!("Sorry\n{prompt}").as_bytes()), Err(Refusal::WrongPassword));
    }

    #[test]
    fn a_sudo_that_does_not_ask_gets_no_password() {
        let mut driver = driver(Become::Sudo, Some("pw"));
        let mark = driver.mark.clone().unwrap();
        driver.stdout(format!("banner\n{mark}\nfirst").as_bytes(), &mut |_| ()).unwrap();
        assert!(pending(&driver).starts_with("(\nLC_ALL=C") && !pending(&driver).contains("pw"));
        assert_eq!(driver.finish(0).stdout, "first");
    }

    #[test]
    fn a_prompt_without_a_password_is_a_refusal() {
        let mut driver = driver(Become::Sudo, None);
        let prompt = driver.prompt.clone().unwrap();
        assert_eq!(driver.stderr(prompt.as_bytes()), Err(Refusal::NoPassword));
    }

    #[test]
    fn on_a_terminal_one_question_is_answered_until_the_shell_is_there() {
        let script = Script { text: "echo hi".into(), deadline: Duration::from_secs(1) };
        let driver = || Driver::on_terminal(&script, Secret::new("pw"));
        let mut asked = driver();
        let ask = asked.mark.clone().unwrap().replace("mark", "ask");
        for piece in [&format!("{ask}\r\n\rdoas"), " password: ", "\r\n"] {
            asked.terminal(piece.as_bytes()).unwrap();
            assert_eq!(pending(&asked), "pw\n", "{piece:?}");
        }
        assert_eq!(asked.terminal(b"Password: "), Err(Refusal::WrongPassword));
        let mut unasked = driver();
        let mark = unasked.mark.clone().unwrap();
        unasked.stdout(format!("{mark}\n").as_bytes(), &mut |_| ()).unwrap();
        unasked.terminal(format!("{ask}\r\nwhatever: ").as_bytes()).unwrap();
        assert!(!pending(&unasked).contains("pw"));
    }

    #[test]
    fn lines_are_handed_out_whole() {
        let mut driver = driver(Become::None, None);
        let mut lines = Vec::new();
        for part in ["on", "e\ntw", "o\nthree\nrest"] {
            driver.stdout(part.as_bytes(), &mut |line| lines.push(line.to_owned())).unwrap();
        }
        assert_eq!(lines, ["one\n", "two\nthree\n"]);
    }

    #[test]
    fn output_without_a_line_break_costs_as_much_as_any_other() {
        let piece = vec![b'x'; 1 << 10];
        for broken in [false, true] {
            let mut driver = driver(Become::None, None);
            if broken {
                let mark = driver.end.clone();
                driver.stdout(mark.as_bytes(), &mut |_| ()).unwrap();
            }
            let started = std::time::Instant::now();
            for _ in 0..32 << 10 {
                driver.stdout(&piece, &mut |_| ()).unwrap();
            }
            // Looked at again for each piece, this is 32 times 16 GiB.
            assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
            assert!(!driver.ended());
        }
    }

    #[test]
    fn a_login_shell_that_never_stops_talking_is_cut_short() {
        let mut driver = driver(Become::Sudo, None);
        let piece = vec![b'x'; 1 << 16];
        let pieces = (0..).find(|_| driver.stdout(&piece, &mut |_| ()).is_err()).unwrap();
        assert_eq!(pieces, 16);
    }

    #[test]
    fn a_script_ends_at_its_mark_wherever_the_network_cuts_it() {
        let mut driver = driver(Become::None, None);
        let end = driver.end.clone();
        for piece in ["out", "\n", &end[..9], &end[9..], " 3", "\n"] {
            assert!(!driver.ended());
            driver.stdout(piece.as_bytes(), &mut |_| ()).unwrap();
        }
        driver.stderr(format!("err{end}\n").as_bytes()).unwrap();
        assert!(driver.ended());
        assert_eq!(driver.finish(-1), Output { stdout: "out\n".into(), stderr: "err".into(), status: 3 });
    }
}
