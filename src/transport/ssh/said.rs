//! What the ssh_config says of a host, in the words of `ssh -G`. It is asked once for all hosts that
//! match the same lines; where there are no lines, or no `ssh`, it is not asked at all.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lines::{Kind, Lines, kind};
use super::system::pipes::Piped;
use crate::transport::TransportError;

/// How long `ssh -G` may take: the commands of `Match exec` run in it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest answer, bytes; a usual one has 4,000.
const LONGEST: usize = 1 << 20;

/// What one call of `ssh -G` said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The host that was asked for; OpenSSH before 9.2 does not print it.
    host: String,
    /// Settings by their name, each with its values.
    settings: HashMap<String, Vec<String>>,
}

impl Said {
    fn parse(host: &str, text: &str) -> Self {
        let mut settings = HashMap::<String, Vec<String>>::new();
        for line in text.lines() {
            let (name, value) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            settings.entry(name.to_lowercase()).or_default().push(value.to_owned());
        }
        Said { host: host.to_owned(), settings }
    }

    fn all(&self, name: &str) -> &[String] {
        self.settings.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).first().map(String::as_str)
    }
}

/// What is said of a host, beside what is said without any file.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    said: Arc<Said>,
    default: Arc<Said>,
}

impl Answer {
    /// The values of a setting that the files set.
    pub(super) fn set(&self, name: &str) -> Option<&[String]> {
        let values = self.said.all(name);
        (!values.is_empty() && values != self.default.all(name)).then_some(values)
    }

    /// The first of them.
    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.set(name)?.first().map(String::as_str)
    }

    /// The name to connect to, if the files set it: one that is not the host's that was asked for. The
    /// answer may be that of another host, which matches the same lines.
    pub(super) fn host_name(&self) -> Option<&str> {
        self.said.one("hostname").filter(|name| !name.eq_ignore_ascii_case(&self.said.host))
    }

    /// Settings that only OpenSSH's own client can follow.
    pub(super) fn beyond(&self) -> Vec<String> {
        let names: BTreeSet<&String> = self.said.settings.keys().collect();
        let mut beyond: Vec<String> = Vec::new();
        for name in names {
            let values = self.set(name).unwrap_or_default();
            let none = values.iter().all(|value| value.eq_ignore_ascii_case("none"));
            // What is put in for a sign in these, `ssh` knows.
            let signs = matches!(
                name.as_str(),
                "identityfile" | "userknownhostsfile" | "globalknownhostsfile" | "hostkeyalias"
            ) && values.iter().any(|value| value.contains(['%', '$']));
            if !none && (signs || kind(name) == Kind::Beyond) {
                beyond.push(name.clone());
            }
        }
        beyond
    }
}

/// The questions that were asked, each with the answer, once it is there.
type Answers = HashMap<(Option<PathBuf>, Question), Arc<Mutex<Option<Arc<Said>>>>>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Question {
    /// Without any file.
    Default,
    /// For all hosts that match these lines.
    Matching(Vec<bool>),
    /// For one host, user and port.
    Single(String, Option<String>, Option<u16>),
}

/// The answers of a run.
#[derive(Default)]
pub(super) struct Calls(Mutex<Answers>);

impl Calls {
    /// How many calls there were.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Asks `ssh` of a host, unless the answer is known.
    ///
    /// # Errors
    /// The files are not as `ssh` wants them, or it does not come to its end.
    pub(super) fn of(
        &self,
        host: &str,
        user: Option<&str>,
        port: Option<u16>,
        file: Option<&Path>,
        lines: &Lines,
    ) -> Result<Answer, TransportError> {
        let single = lines.single || lines.names(host);
        let question = if single {
            Question::Single(host.to_owned(), user.map(str::to_owned), port)
        } else {
            Question::Matching(lines.signature(host))
        };
        let default = self.ask(Path::new("none").into(), Question::Default, "host", &[])?;
        let login = [user.map(|user| format!("-l{user}")), port.map(|port| format!("-p{port}"))];
        let login: Vec<String> = login.into_iter().flatten().filter(|_| single).collect();
        let said = self.ask(file, question, host, &login)?;
        Ok(Answer { said, default })
    }

    fn ask(
        &self,
        file: Option<&Path>,
        question: Question,
        host: &str,
        login: &[String],
    ) -> Result<Arc<Said>, TransportError> {
        let name = (file.map(Path::to_owned), question);
        let answer = Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default());
        // Whoever has the same question waits for its answer; all other hosts are asked for meanwhile.
        let mut known = answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(said) = known.as_ref() {
            return Ok(Arc::clone(said));
        }
        let said = Arc::new(ask_ssh(file, host, login)?);
        *known = Some(Arc::clone(&said));
        Ok(said)
    }
}

/// One call of `ssh -G`.
fn ask_ssh(file: Option<&Path>, host: &str, login: &[String]) -> Result<Said, TransportError> {
    #[expect(clippy::disallowed_methods, reason = "the system's ssh, which reads its configuration")]
    let mut ssh = Command::new("ssh");
    ssh.arg("-G").args(login);
    if let Some(file) = file {
        ssh.arg("-F").arg(file);
    }
    let mut process =
        Piped::start(ssh.args(["--", host])).map_err(|error| TransportError::own("start ssh -G", &error))?;
    let deadline = Instant::now() + PATIENCE;
    let (mut said, mut words, mut buffer) = (Vec::new(), Vec::new(), [0; 8192]);
    while !(process.stdout.ended() && process.stderr.ended()) {
        let mut moved = false;
        while let Some(count) = process.stdout.read(&mut buffer) {
            (moved, _) = (true, said.extend_from_slice(buffer.get(..count).unwrap_or_default()));
        }
        while let Some(count) = process.stderr.read(&mut buffer) {
            (moved, _) = (true, words.extend_from_slice(buffer.get(..count).unwrap_or_default()));
        }
        if Instant::now() >= deadline || said.len() + words.len() > LONGEST {
            return Err(refused(host, "`ssh -G` did not come to its end"));
        }
        if !moved {
            process.listen(Duration::from_millis(100));
        }
    }
    match process.wait(deadline) {
        Some(status) if status.success() => Ok(Said::parse(host, &String::from_utf8_lossy(&said))),
        _ => {
            let words = String::from_utf8_lossy(&words).into_owned();
            let lines: Vec<&str> = words.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            Err(refused(host, &lines.join("; ")))
        }
    }
}

fn refused(host: &str, cause: &str) -> TransportError {
    TransportError::Own {
        what: format!("read the ssh_config for {host}"),
        cause: cause.to_owned(),
        hint:
            "`ssh -G HOST` shows it; correct the file, or name another one with `ssh: { config: ... }`; the host was \
               not contacted"
                .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(asked: &str, text: &str) -> Answer {
        let default = Said::parse(
            "host",
            "host host\nhostname host\nport 22\nidentityfile ~/.ssh/id_rsa\nproxycommand none\naddressfamily any\n",
        );
        Answer { said: Arc::new(Said::parse(asked, text)), default: Arc::new(default) }
    }

    #[test]
    fn only_what_the_files_set_counts() {
        let text =
            "host web\nhostname web\nport 2222\nidentityfile ~/.ssh/id_rsa\nforwardagent yes\naddressfamily any\n";
        let found = answer("web", text);
        assert_eq!((found.one("port"), found.one("identityfile"), found.host_name()), (Some("2222"), None, None));
        assert_eq!(found.beyond(), Vec::<String>::new());
        assert_eq!(answer("web", "hostname 10.0.0.1\n").host_name(), Some("10.0.0.1"));
    }

    /// What `ssh -G` of OpenSSH 8.9 says, which does not print the host that it was asked for.
    #[test]
    fn an_answer_that_is_shared_does_not_lead_to_the_host_that_was_asked_for() {
        let lines = Lines::default();
        let file = Some(Path::new("/config"));
        for (said, wanted) in [("user ops\nhostname first\nport 22\n", None), ("hostname farm\n", Some("farm"))] {
            let calls = Calls::default();
            let mut known = calls.0.lock().unwrap();
            let default = Arc::new(Said::parse("host", "hostname host\n"));
            known.insert((Some("none".into()), Question::Default), Arc::new(Mutex::new(Some(default))));
            let said = Arc::new(Said::parse("first", said));
            let name = (file.map(Path::to_owned), Question::Matching(Vec::new()));
            known.insert(name, Arc::new(Mutex::new(Some(said))));
            drop(known);
            for host in ["first", "second"] {
                assert_eq!(calls.of(host, None, None, file, &lines).unwrap().host_name(), wanted, "{host}");
            }
        }
    }

    #[test]
    fn what_only_openssh_can_follow_is_named() {
        for (text, wanted) in [
            ("proxycommand nc h 22\naddressfamily inet\n", &["addressfamily", "proxycommand"][..]),
            ("proxycommand none\nproxyjump gate\n", &[]),
            ("certificatefile ~/.ssh/c\n", &["certificatefile"]),
            ("identityfile ~/.ssh/%h\n", &["identityfile"]),
            ("nobodyknowsthis yes\n", &["nobodyknowsthis"]),
        ] {
            assert_eq!(answer("h", text).beyond(), wanted, "{text}");
        }
    }
}
