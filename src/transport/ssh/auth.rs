//! Logging in: agent, key files, password. Each way is tried at most once, and the error says
//! which ones were; a refused password is never tried again, for it may lock an account.

use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::path::Path;

use socket2::SockRef;
use ssh2::{KeyboardInteractivePrompt, Prompt, Session};

use super::target::Target;
use crate::inventory::spec::SshSettings;
use crate::transport::TransportError;

/// Logs in.
pub(super) fn login(
    session: &Session,
    socket: &OwnedFd,
    target: &Target,
    settings: &SshSettings,
) -> Result<(), TransportError> {
    let mut tried = Vec::new();
    // The question for the methods also is the attempt `none`, which a few appliances accept.
    let methods = session.auth_methods(&target.user).unwrap_or_default().to_owned();
    if session.authenticated() {
        return Ok(());
    }
    let offers = |name: &str| methods.split(',').any(|method| method == name);
    if offers("publickey") && (agent(session, target, &mut tried) || keys(session, target, settings, &mut tried)) {
        return Ok(());
    }
    if let Some(password) = &settings.password {
        if offers("password") {
            if session.userauth_password(&target.user, password.reveal()).is_ok() {
                return Ok(());
            }
            tried.push("password".to_owned());
        } else if offers("keyboard-interactive") {
            let mut answer = Answer::new(password.reveal(), socket);
            if session.userauth_keyboard_interactive(&target.user, &mut answer).is_ok() && session.authenticated() {
                return Ok(());
            }
            tried.push(answer.words());
        }
    }
    Err(refused(target, &methods, &tried))
}

fn agent(session: &Session, target: &Target, tried: &mut Vec<String>) -> bool {
    let Ok(mut agent) = session.agent() else { return false };
    if agent.connect().is_err() || agent.list_identities().is_err() {
        return false;
    }
    let identities = agent.identities().unwrap_or_default();
    if identities.is_empty() {
        return false;
    }
    tried.push(format!("agent ({} keys)", identities.len()));
    identities.iter().any(|identity| agent.userauth(&target.user, identity).is_ok())
}

fn keys(session: &Session, target: &Target, settings: &SshSettings, tried: &mut Vec<String>) -> bool {
    let passphrase = settings.passphrase.as_ref().map(|secret| secret.reveal());
    for key in &target.keys {
        match key_file(session, &target.user, key, passphrase) {
            Ok(()) => return true,
            Err(why) => tried.push(format!("key {} ({why})", key.display())),
        }
    }
    false
}

fn key_file(session: &Session, user: &str, key: &Path, passphrase: Option<&str>) -> Result<(), String> {
    let text = std::fs::read_to_string(key).map_err(|error| error.to_string())?;
    session.userauth_pubkey_memory(user, None, &text, passphrase).map_err(|error| match error.code() {
        // LIBSSH2_ERROR_AUTHENTICATION_FAILED and _PUBLICKEY_UNVERIFIED: the server said no.
        ssh2::ErrorCode::Session(-18 | -19) => "refused".to_owned(),
        _ if passphrase.is_none() => "cannot be used; if it is encrypted, set `passphrase`".to_owned(),
        _ => "cannot be used; wrong `passphrase`?".to_owned(),
    })
}

/// Answers the first hidden question of a login with the password, and no other with anything.
struct Answer<'a> {
    password: &'a str,
    /// Where the conversation is ended.
    socket: &'a OwnedFd,
    given: bool,
    rounds: u32,
    /// What was asked that we do not answer.
    asked: Option<String>,
}

/// A server may say something in a round without a question; this many are enough.
const ROUNDS: u32 = 16;

impl<'a> Answer<'a> {
    fn new(password: &'a str, socket: &'a OwnedFd) -> Self {
        Answer { password, socket, given: false, rounds: 0, asked: None }
    }

    /// The question among these that has no answer here.
    fn unanswered(&self, questions: &[Prompt<'_>]) -> Option<String> {
        let mut hidden = usize::from(self.given);
        let unanswered = questions.iter().find(|question| {
            hidden += usize::from(!question.echo);
            question.echo || hidden > 1
        });
        match unanswered {
            Some(question) => Some(question.text.trim().chars().take(80).collect()),
            None => (self.rounds > ROUNDS).then(|| "nothing, again and again".to_owned()),
        }
    }

    /// How it went, for the list of what was tried.
    fn words(&self) -> String {
        match (&self.asked, self.given) {
            (None, _) => "keyboard-interactive".to_owned(),
            (Some(asked), true) => {
                format!("keyboard-interactive (the password was given once; then the server asked `{asked}`)")
            }
            (Some(asked), false) => {
                format!("keyboard-interactive (the server asked `{asked}`, and the password was not given)")
            }
        }
    }
}

impl KeyboardInteractivePrompt for Answer<'_> {
    fn prompt<'b>(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'b>]) -> Vec<String> {
        self.rounds += 1;
        self.asked = self.asked.take().or_else(|| self.unanswered(prompts));
        if self.asked.is_some() {
            // There is no other way to end the conversation; nothing is sent any more.
            let _ = SockRef::from(self.socket).shutdown(Shutdown::Both);
            return Vec::new();
        }
        self.given |= !prompts.is_empty();
        prompts.iter().map(|_| self.password.to_owned()).collect()
    }
}

fn refused(target: &Target, methods: &str, tried: &[String]) -> TransportError {
    let tried =
        if tried.is_empty() { "nothing that we have fits".to_owned() } else { format!("tried {}", tried.join(", ")) };
    TransportError::Login {
        to: target.label(),
        user: target.user.clone(),
        cause: format!("refused; the server offers {}; {tried}", if methods.is_empty() { "nothing" } else { methods }),
        hint: "see `user`, `key`, `password` of the host, or the keys of the agent (`ssh-add -l`)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    fn question(text: &str, echo: bool) -> Prompt<'_> {
        Prompt { text: text.into(), echo }
    }

    /// The answers to each round, and what is said of it.
    fn talk(rounds: &[&[(&str, bool)]]) -> (Vec<String>, String, bool) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let ours = OwnedFd::from(ours);
        let mut answer = Answer::new("pw", &ours);
        let mut answers = Vec::new();
        for round in rounds {
            let questions: Vec<_> = round.iter().map(|(text, echo)| question(text, *echo)).collect();
            answers.extend(answer.prompt("u", "", &questions));
        }
        theirs.set_nonblocking(true).unwrap();
        let ended = theirs.read(&mut [0]).is_ok();
        (answers, answer.words(), ended)
    }

    #[test]
    fn the_password_answers_the_first_hidden_question_and_no_other() {
        let (answers, words, ended) = talk(&[&[("Password: ", false)], &[]]);
        assert_eq!((answers, words.as_str(), ended), (vec!["pw".to_owned()], "keyboard-interactive", false));
        let (answers, words, ended) = talk(&[&[("Password: ", false)], &[("One-time code: ", false)]]);
        assert_eq!((answers, ended), (vec!["pw".to_owned()], true));
        assert!(words.ends_with("given once; then the server asked `One-time code:`)"), "{words}");
        for round in [&[("Password: ", false), ("Code: ", false)], &[("Code: ", true), ("Password: ", false)]] {
            let (answers, words, ended) = talk(&[round]);
            assert_eq!((answers, ended), (Vec::<String>::new(), true));
            assert!(words.contains("asked `Code:`, and the password was not given"), "{words}");
        }
    }

    #[test]
    fn a_server_that_asks_nothing_for_ever_is_left() {
        let rounds = [&[][..]; 20];
        let (answers, words, ended) = talk(&rounds);
        assert!(answers.is_empty() && ended && words.contains("again and again"), "{words}");
    }
}
