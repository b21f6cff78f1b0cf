//! How `ssh` gets a password: it starts the program that `SSH_ASKPASS` names, which is this one under
//! another name. That asks the worker over a socket in the connection's private folder. So a secret
//! stands in no argument, in no environment and in no file.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::transport::factor::wants_other;

/// The name under which this program answers `ssh`.
const NAME: &str = "fleetclock-askpass";

/// The socket next to it.
const SOCKET: &str = "a";

/// Longest question, bytes.
const LONGEST: u64 = 4 << 10;

/// How long one side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// Answers `ssh`, if this program was started for that; returns whether there was an answer.
pub fn answer_ssh() -> Option<bool> {
    let mut arguments = std::env::args_os();
    let own = PathBuf::from(arguments.next()?);
    if own.file_name()? != NAME {
        return None;
    }
    let question = arguments.next().unwrap_or_default().to_string_lossy().into_owned();
    Some(ask(own.parent()?, &question).is_some_and(|secret| {
        let mut out = std::io::stdout();
        out.write_all(&secret).and_then(|()| out.flush()).is_ok()
    }))
}

/// What the worker answers to a question.
fn ask(folder: &Path, question: &str) -> Option<Vec<u8>> {
    let mut worker = UnixStream::connect(folder.join(SOCKET)).ok()?;
    worker.set_read_timeout(Some(PATIENCE)).ok()?;
    worker.write_all(question.as_bytes()).ok()?;
    worker.shutdown(std::net::Shutdown::Write).ok()?;
    let mut secret = Vec::new();
    worker.take(LONGEST).read_to_end(&mut secret).ok()?;
    if secret == END {
        end_the_asking();
    }
    (!secret.is_empty() && secret != END).then_some(secret)
}

/// Lets an `ssh` ask this program.
pub(super) fn answers(ssh: &mut std::process::Command, program: &Path) {
    ssh.env("SSH_ASKPASS", program).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
}

/// An `ssh` without an answer sends an empty one, which counts as a wrong password. So it is ended first, the
/// one that asks, which may be that of a bastion.
fn end_the_asking() {
    let parent = nix::unistd::getppid();
    if parent.as_raw() > 1 {
        let _ = nix::sys::signal::kill(parent, nix::sys::signal::Signal::SIGKILL);
    }
}

/// Said in the place of a secret where whoever asks must not go on; no secret begins with it.
const END: &[u8] = b"\0";

/// What may be answered, each once.
#[derive(Default)]
pub(super) struct Answers {
    password: Option<String>,
    passphrase: Option<String>,
    /// The accounts and keys that were answered for.
    given: Vec<String>,
    /// Whether the password was asked for again, so that it had been refused.
    pub(super) again: bool,
    /// The first question that has no answer here.
    pub(super) unanswered: Option<String>,
    /// The first key that is encrypted and was not opened.
    pub(super) locked: Option<String>,
}

/// What is replied to a question.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Secret(String),
    /// `ssh` goes on without: the server does not hear of it.
    Nothing,
    /// `ssh` must not go on.
    End,
}

impl Answers {
    pub(super) fn new(password: Option<&str>, passphrase: Option<&str>) -> Self {
        let own = |secret: Option<&str>| secret.map(str::to_owned);
        Answers { password: own(password), passphrase: own(passphrase), ..Answers::default() }
    }

    /// The answer to a question. Each account and each key gets one: a password that was refused is not
    /// tried again, by whatever method, for that may lock the account.
    fn to(&mut self, question: &str) -> Reply {
        let kind = kind(question);
        let secret = match kind {
            Kind::Passphrase => &self.passphrase,
            Kind::Password => &self.password,
            Kind::Own | Kind::Other => &None,
        };
        let subject = subject(question);
        let known = secret.is_some() && self.given.contains(&subject);
        if let Some(secret) = secret.as_ref().filter(|_| !known) {
            self.given.push(subject);
            return Reply::Secret(secret.clone());
        }
        let words = || question.trim().chars().take(120).collect();
        match kind {
            Kind::Passphrase => {
                self.locked.get_or_insert_with(|| key(question).chars().take(120).collect());
            }
            Kind::Own => {
                self.unanswered.get_or_insert_with(words);
            }
            Kind::Password | Kind::Other => {
                self.again |= known;
                self.unanswered.get_or_insert_with(words);
                return Reply::End;
            }
        }
        Reply::Nothing
    }

    /// Whether a server asks what is not answered: coming again would ask it again.
    pub(super) fn is_over(&self) -> bool {
        self.unanswered.is_some()
    }

    /// A server that did not even say its name is gone to again: what was answered on the way, is asked again.
    pub(super) fn afresh(&mut self) {
        self.given.clear();
    }
}

/// The key in `Enter passphrase for key '/home/ops/.ssh/id_rsa': `.
fn key(question: &str) -> &str {
    question.split('\'').nth(1).unwrap_or(question.trim())
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Password,
    Passphrase,
    /// Something else that `ssh` itself wants to know.
    Own,
    /// Something else that a server wants to know.
    Other,
}

/// How the questions of `ssh` itself begin that are for no passphrase.
const OWN: &[&str] = &["enter pin for", "confirm user presence", "are you sure", "please type", "the authenticity of"];

/// What is asked for. PAM asks for a password in the language of the server, so a question is one for
/// the password if it is not known to be something else.
fn kind(question: &str) -> Kind {
    let words = question.trim_start().to_lowercase();
    if words.starts_with("enter passphrase for") {
        Kind::Passphrase
    } else if OWN.iter().any(|begin| words.starts_with(begin)) {
        Kind::Own
    } else if wants_other(question) {
        Kind::Other
    } else {
        Kind::Password
    }
}

/// Whose secret is asked for: `ops@host` in `ops@host's password: ` and in `(ops@host) Password: `.
fn subject(question: &str) -> String {
    let account = question.split_whitespace().find(|word| word.contains('@')).map(|word| {
        let word = word.strip_suffix("'s").unwrap_or(word);
        word.trim_matches(['(', ')']).to_owned()
    });
    account.unwrap_or_else(|| question.to_owned())
}

/// Serves the questions of one `ssh`, as long as its folder stands.
pub(super) fn serve(folder: &Path, answers: Arc<Mutex<Answers>>) -> std::io::Result<PathBuf> {
    let program = folder.join(NAME);
    std::os::unix::fs::symlink(std::env::current_exe()?, &program)?;
    let listener = UnixListener::bind(folder.join(SOCKET))?;
    std::thread::Builder::new().spawn(move || {
        // Ends with `shut`, or with this process.
        while let Ok((client, _)) = listener.accept() {
            if Arc::strong_count(&answers) == 1 {
                break;
            }
            // A question that came to nothing is no reason to stop.
            let _ = reply(client, &answers);
        }
    })?;
    Ok(program)
}

/// Ends the thread that serves: its `Answers` have no other owner by now.
pub(super) fn shut(folder: &Path) {
    let _ = UnixStream::connect(folder.join(SOCKET));
}

fn reply(mut client: UnixStream, answers: &Mutex<Answers>) -> Option<()> {
    client.set_read_timeout(Some(PATIENCE)).ok()?;
    client.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut question = Vec::new();
    Read::by_ref(&mut client).take(LONGEST).read_to_end(&mut question).ok()?;
    let question = String::from_utf8_lossy(&question).into_owned();
    let reply = answers.lock().unwrap_or_else(PoisonError::into_inner).to(&question);
    match reply {
        Reply::Secret(secret) => client.write_all(format!("{secret}\n").as_bytes()).ok(),
        Reply::Nothing => None,
        Reply::End => client.write_all(END).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_is_answered_once_and_by_its_own_secret() {
        let mut answers = Answers::new(Some("pw"), Some("pp"));
        let secret = |secret: &str| Reply::Secret(secret.to_owned());
        for (question, reply) in [
            ("ops@10.0.0.9's password: ", secret("pw")),
            ("(ops@10.0.0.1) Password: ", secret("pw")),
            ("(eve@10.0.0.1) 암호: ", secret("pw")),
            ("ops@decoder1's password: ", secret("pw")),
            ("Enter passphrase for key '/home/ops/token': ", secret("pp")),
            ("Enter PIN for ED25519-SK key /k: ", Reply::Nothing),
            ("Confirm user presence for key ED25519-SK SHA256:abc", Reply::Nothing),
            ("Are you sure you want to continue connecting (yes/no/[fingerprint])? ", Reply::Nothing),
            ("Enter passphrase for key '/home/ops/token': ", Reply::Nothing),
            ("(ops@10.0.0.1) Verification code: ", Reply::End),
            ("(ops@10.0.0.5) YubiKey for `ops': ", Reply::End),
        ] {
            assert_eq!(answers.to(question), reply, "{question}");
        }
        assert!(!answers.again);
        assert_eq!(answers.locked.as_deref(), Some("/home/ops/token"));
        assert_eq!(answers.to("ops@10.0.0.1's password: "), Reply::End);
        assert!(answers.again && answers.is_over());
        assert_eq!(Answers::new(None, Some("pp")).to("ops@10.0.0.1's password: "), Reply::End);
        assert_eq!(Answers::new(Some("pw"), None).to("Enter passphrase for key '/k': "), Reply::Nothing);
    }

    #[test]
    fn answers_come_over_the_socket_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let answers = Arc::new(Mutex::new(Answers::new(Some("pw"), None)));
        serve(dir.path(), Arc::clone(&answers)).unwrap();
        assert_eq!(ask(dir.path(), "ops@10.0.0.9's password: ").as_deref(), Some(&b"pw\n"[..]));
        assert_eq!(ask(dir.path(), "Enter passphrase for key '/k': "), None);
        answers.lock().unwrap().afresh();
        assert_eq!(ask(dir.path(), "ops@10.0.0.9's password: ").as_deref(), Some(&b"pw\n"[..]));
    }

    #[test]
    fn without_a_worker_there_is_no_answer() {
        assert_eq!(ask(Path::new("/nonexistent"), "Password: "), None);
        assert!(answer_ssh().is_none());
    }
}
