//! The other carrier: the system's own `ssh`, for what libssh2 cannot do. One connection for a host: a
//! process that logs in and listens on a socket in a private folder (`ControlMaster`), and one for each
//! channel, which goes over it. It runs in a worker, as libssh2 does, and ends with it.

mod askpass;
mod look;
pub(super) mod pipes;
mod words;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use askpass::Answers;
pub use askpass::answer_ssh;
pub(super) use look::SEEN;
use pipes::Piped;

use super::pauses;
use super::scripts::{Account, Carrier, SILENCES, Scripts, Stop};
use crate::inventory::spec::Become;
use crate::transport::driver::{Driver, LARGEST_GREETING};
use crate::transport::terminal::{BEGUN, READY};
use crate::transport::{Transport, TransportError};

/// What a worker is told for a connection by `ssh`. Secrets stand here in clear, so there is no `Debug`.
#[derive(Default, Serialize, Deserialize)]
pub(in crate::transport) struct SystemJob {
    /// Address and port, for messages.
    pub(super) label: String,
    /// Login name, for messages.
    pub(super) user: String,
    /// A folder of this connection alone, which the program makes and removes.
    pub(super) folder: PathBuf,
    /// The arguments that lead to the host, the host last.
    pub(super) arguments: Vec<String>,
    /// Time limit for connecting and for each silence.
    pub(super) timeout: Duration,
    /// Time limit for the whole login.
    pub(super) patience: Duration,
    pub(super) elevate: Become,
    pub(super) become_password: Option<String>,
    pub(super) password: Option<String>,
    pub(super) passphrase: Option<String>,
}

/// Longest words of an `ssh` that fails, bytes.
const WORDS: usize = 64 << 10;

/// What `ssh` says of a host that gives no terminal.
const NO_TERMINAL: &str = "PTY allocation request failed";

/// How often the socket of a login is looked for.
const BEAT: Duration = Duration::from_millis(10);

/// A connection of `ssh` to one host.
pub(in crate::transport) struct System {
    folder: PathBuf,
    /// The process that has the connection.
    master: Piped,
}

/// A shell, and the terminal that it hangs on, if it needed one.
pub(in crate::transport) struct Shell {
    channel: Piped,
    terminal: Option<Piped>,
}

#[expect(clippy::disallowed_methods, reason = "the system's ssh, which carries a connection")]
fn ssh() -> Command {
    let mut ssh = Command::new("ssh");
    ssh.env("TERM", "dumb");
    ssh
}

impl System {
    /// Connects and logs in.
    pub(in crate::transport) fn connect(job: SystemJob) -> Result<impl Transport + use<>, TransportError> {
        let answers = Arc::new(Mutex::new(Answers::new(job.password.as_deref(), job.passphrase.as_deref())));
        let program = askpass::serve(&job.folder, Arc::clone(&answers))
            .map_err(|error| TransportError::own("make ready to answer ssh", &error))?;
        let connected = log_in(&job, &program, &answers);
        drop(answers);
        askpass::shut(&job.folder);
        let carrier = System { folder: job.folder, master: connected? };
        let account = Account::new(job.label, job.user, job.elevate, job.become_password.as_deref(), job.timeout);
        Ok(Scripts::over(carrier, account))
    }

    /// One more channel. It goes over the connection that is there, or nowhere.
    fn open(&self, options: &[&str], command: &str) -> Result<Piped, TransportError> {
        let mut channel = ssh();
        channel.args(["-F", "none", "-o", "ProxyCommand=false", "-o", "ControlMaster=no", "-S"]);
        channel.arg(self.folder.join("c")).args(options).args(["--", "host", command]);
        Piped::start(&mut channel).map_err(|error| TransportError::own("start ssh", &error))
    }

    /// Reads what a channel says to its end; or until the pipes are there.
    fn greeting(&self, account: &Account, channel: &mut Piped, pipes: bool) -> Result<String, TransportError> {
        let mut heard = Instant::now();
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let ended = channel.stdout.ended() && channel.stderr.ended();
            if ended || (pipes && said.trim_ascii_end().ends_with(READY.as_bytes())) {
                return Ok(String::from_utf8_lossy(said.trim_ascii_end()).into_owned());
            }
            if said.len() > LARGEST_GREETING || heard.elapsed() >= account.timeout * SILENCES {
                return Err(account.no_greeting(said.len()));
            }
            let mut count = channel.stdout.read(&mut buffer);
            if !pipes || channel.stdout.ended() {
                count = count.or_else(|| channel.stderr.read(&mut buffer));
            }
            match count {
                Some(count) => {
                    heard = Instant::now();
                    said.extend_from_slice(buffer.get(..count).unwrap_or_default());
                }
                None => channel.listen(Duration::from_millis(100)),
            }
        }
    }
}

impl Carrier for System {
    type Shell = Shell;

    fn start(&self, account: &Account, driver: &Driver) -> Result<Shell, TransportError> {
        let quiet = ["-T", "-o", "LogLevel=QUIET"];
        let Some(on_terminal) = driver.terminal_command() else {
            return Ok(Shell { channel: self.open(&quiet, driver.command())?, terminal: None });
        };
        // Nobody may wait at the pipes for a terminal that is refused, and they must be there when it opens them.
        let said = self.greeting(account, &mut self.open(&["-tt"], "exit 0")?, false)?;
        if said.contains(NO_TERMINAL) {
            return Err(account.elevation().no_terminal(NO_TERMINAL));
        }
        let mut channel = self.open(&quiet, driver.command())?;
        let said = self.greeting(account, &mut channel, true)?;
        if !said.ends_with(READY) {
            let status = channel.wait(Instant::now() + account.timeout).and_then(|status| status.code());
            return Err(account.elevation().no_pipes(said.contains(BEGUN), &said, status.unwrap_or(-1)));
        }
        let terminal = self.open(&["-tt", "-o", "LogLevel=QUIET"], on_terminal)?;
        Ok(Shell { channel, terminal: Some(terminal) })
    }

    fn read(
        &self,
        shell: &mut Shell,
        driver: &mut Driver,
        buffer: &mut [u8],
        _: Instant,
        on_lines: &mut dyn FnMut(&str),
    ) -> Result<bool, Stop> {
        let mut moved = false;
        if let Some(count) = shell.channel.stdout.read(buffer) {
            moved = true;
            driver.stdout(buffer.get(..count).unwrap_or_default(), on_lines).map_err(Stop::Refused)?;
        }
        if let Some(count) = shell.channel.stderr.read(buffer) {
            moved = true;
            driver.stderr(buffer.get(..count).unwrap_or_default()).map_err(Stop::Refused)?;
        }
        if let Some(count) = shell.terminal.as_mut().and_then(|terminal| terminal.stdout.read(buffer)) {
            moved = true;
            driver.terminal(buffer.get(..count).unwrap_or_default()).map_err(Stop::Refused)?;
        }
        Ok(moved)
    }

    fn is_closed(&self, shell: &Shell) -> bool {
        shell.channel.stdout.ended() && shell.channel.stderr.ended()
    }

    fn write(&self, shell: &mut Shell, driver: &mut Driver) -> Result<bool, Stop> {
        // What is written before the shell is there answers a question, where it was asked.
        let to = shell.terminal.as_mut().filter(|_| !driver.started()).unwrap_or(&mut shell.channel);
        let sent = to.write(driver.pending());
        driver.wrote(sent.unwrap_or(0));
        Ok(sent.is_some())
    }

    fn wait(&self, shell: &Shell, driver: &Driver, deadline: Instant) {
        let on_terminal = shell.terminal.is_some() && !driver.started();
        let writes = !driver.pending().is_empty();
        let mut events = shell.channel.events(writes && !on_terminal);
        events.extend(shell.terminal.iter().flat_map(|terminal| terminal.events(writes && on_terminal)));
        let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(500));
        pipes::wait(&mut events, left.max(Duration::from_millis(1)));
    }

    fn status(&mut self, shell: &mut Shell, deadline: Instant) -> Result<i32, Stop> {
        use std::os::unix::process::ExitStatusExt as _;
        let status = shell.channel.wait(deadline).ok_or(Stop::Deadline)?;
        match status.code() {
            // That of an `ssh` whose connection broke, and of a script that was ended by a signal.
            Some(255) if self.master.status().is_some() => {
                let words = last_words(&mut self.master);
                Err(Stop::Lost(words.unwrap_or_else(|| "the connection is gone".to_owned())))
            }
            Some(255) => Err(Stop::Killed("a signal, or its channel was closed".to_owned())),
            code => Ok(code.or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)),
        }
    }
}

/// Logs in. A busy sshd drops connections at random before it says its name (`MaxStartups`); nothing has
/// been tried by then, so it is safe to come again, while there is time.
fn log_in(job: &SystemJob, program: &Path, answers: &Mutex<Answers>) -> Result<Piped, TransportError> {
    let deadline = Instant::now() + job.patience;
    let mut pauses = pauses();
    loop {
        let mut command = ssh();
        command.args(["-M", "-N", "-T", "-S"]).arg(job.folder.join("c")).args(&job.arguments);
        askpass::answers(&mut command, program);
        let mut master = Piped::start(&mut command).map_err(|error| TransportError::own("start ssh", &error))?;
        let said = match logged_in(job, &mut master, deadline) {
            Outcome::In => return Ok(master),
            Outcome::Ended(said) => said,
            Outcome::Late => return Err(late(job)),
        };
        let answers = || answers.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = answers().is_over();
        let again = words::was_dropped(&said) && !is_over && Instant::now() < deadline;
        let Some(time) = pauses.next().filter(|_| again) else {
            let silent = said.trim().is_empty() && !is_over;
            let said = if silent {
                answers().afresh();
                look::why(job, program)
            } else {
                said
            };
            return Err(words::failure(job, &said, &answers()));
        };
        answers().afresh();
        pipes::wait(&mut [], time);
    }
}

fn late(job: &SystemJob) -> TransportError {
    let cause = format!("ssh did not log in within {}", humantime::format_duration(job.patience));
    let hint = Some("see what answers at this address and port; `timeout` is the limit".to_owned());
    TransportError::Unreachable { to: job.label.clone(), cause, hint }
}

/// How a login went.
enum Outcome {
    In,
    /// With these words.
    Ended(String),
    Late,
}

/// Waits until the login is done: `ssh` then listens on its socket.
fn logged_in(job: &SystemJob, master: &mut Piped, deadline: Instant) -> Outcome {
    let socket = job.folder.join("c");
    let mut said = Vec::new();
    loop {
        // In this order: what it said is there when it has ended.
        let ended = master.status().is_some();
        hear(master, &mut said);
        if socket.exists() {
            return Outcome::In;
        }
        if ended || master.stderr.ended() {
            return Outcome::Ended(String::from_utf8_lossy(&said).into_owned());
        }
        if Instant::now() >= deadline {
            return Outcome::Late;
        }
        pipes::wait(&mut [], BEAT);
    }
}

/// Takes in what it has said.
fn hear(process: &mut Piped, said: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    while let Some(count) = process.stderr.read(&mut buffer).filter(|_| said.len() < WORDS) {
        said.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

/// The last line that `ssh` said.
fn last_words(process: &mut Piped) -> Option<String> {
    let mut buffer = [0; 4096];
    let count = process.stderr.read(&mut buffer)?;
    let text = String::from_utf8_lossy(buffer.get(..count)?).into_owned();
    text.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
}
