//! How `ssh` gets a password: it starts the program that `SSH_ASKPASS` names, which is this one under
//! another name. That asks the worker over a socket in the connection's private folder. So a secret
//! stands in no argument, in no environment and in no file.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
    (!secret.is_empty()).then_some(secret)
}

/// Lets an `ssh` ask this program.
pub(super) fn answers(ssh: &mut std::process::Command, program: &Path) {
    ssh.env("SSH_ASKPASS", program).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
}

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
}

impl Answers {
    pub(super) fn new(password: Option<&str>, passphrase: Option<&str>) -> Self {
        let own = |secret: Option<&str>| secret.map(str::to_owned);
        Answers { password: own(password), passphrase: own(passphrase), ..Answers::default() }
    }

    /// The answer to a question. Each account and each key gets one: a password that was refused is not
    /// tried again, by whatever method, for that may lock the account.
    fn to(&mut self, question: &str) -> Option<String> {
        let secret = match kind(question) {
            Kind::Passphrase => &self.passphrase,
            Kind::Password => &self.password,
            Kind::Other => &None,
        };
        let subject = subject(question);
        let known = secret.is_some() && self.given.contains(&subject);
        self.again |= known;
        if known || secret.is_none() {
            self.unanswered.get_or_insert_with(|| question.trim().chars().take(120).collect());
            return None;
        }
        self.given.push(subject);
        secret.clone()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Password,
    Passphrase,
    Other,
}

/// What is asked for. PAM asks for a password in the language of the server, so a question is one for
/// the password if it is not known to be something else.
fn kind(question: &str) -> Kind {
    let words = question.to_lowercase();
    let asks = |names: &[&str]| names.iter().any(|name| words.contains(name));
    if words.starts_with("enter passphrase for") {
        Kind::Passphrase
    } else if asks(&["confirm user presence", "(yes/no", "code", "token", "otp", " pin ", "one-time", "new password"]) {
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
    std::thread::spawn(move || {
        // Ends with `shut`, or with this process.
        while let Ok((client, _)) = listener.accept() {
            if Arc::strong_count(&answers) == 1 {
                break;
            }
            // A question that came to nothing is no reason to stop.
            let _ = reply(client, &answers);
        }
    });
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
    let secret = answers.lock().unwrap_or_else(PoisonError::into_inner).to(&question)?;
    client.write_all(format!("{secret}\n").as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_question_is_answered_once_and_by_its_own_secret() {
        let dir = tempfile::tempdir().unwrap();
        let answers = Arc::new(Mutex::new(Answers::new(Some("pw"), Some("pp"))));
        serve(dir.path(), Arc::clone(&answers)).unwrap();
        for (question, answer) in [
            ("ops@10.0.0.9's password: ", Some(&b"pw\n"[..])),
            ("(ops@10.0.0.1) Password: ", Some(b"pw\n")),
            ("(eve@10.0.0.1) 암호: ", Some(b"pw\n")),
            ("Enter passphrase for key '/home/ops/id': ", Some(b"pp\n")),
            ("(ops@10.0.0.1) Verification code: ", None),
            ("Enter PIN for ED25519-SK key /k: ", None),
            ("Are you sure you want to continue connecting (yes/no/[fingerprint])? ", None),
        ] {
            assert_eq!(ask(dir.path(), question).as_deref(), answer, "{question}");
        }
        assert!(!answers.lock().unwrap().again);
        assert_eq!(ask(dir.path(), "ops@10.0.0.1's password: "), None);
        let asked = answers.lock().unwrap();
        assert!(asked.again && asked.unanswered.as_deref() == Some("(ops@10.0.0.1) Verification code:"));
    }

    #[test]
    fn without_a_worker_there_is_no_answer() {
        assert_eq!(ask(Path::new("/nonexistent"), "Password: "), None);
        assert!(answer_ssh().is_none());
    }
}
