//! Logging in: agent, key files, password. Each way is tried at most once, and the error says
//! which ones were; a refused password is never tried again, for it may lock an account.

use std::net::Shutdown;
use std::os::fd::OwnedFd;

use socket2::SockRef;
use ssh2::{KeyboardInteractivePrompt, Prompt, Session};

use super::job::{Hop, Key};
use crate::transport::TransportError;

/// Logs in.
pub(super) fn login(session: &Session, socket: &OwnedFd, hop: &Hop) -> Result<(), TransportError> {
    let mut tried = Vec::new();
    // The question for the methods also is the attempt `none`, which a few appliances accept.
    let methods = match session.auth_methods(&hop.user) {
        Ok(methods) => methods.to_owned(),
        Err(error) if session.authenticated() || is_answer(&error) => String::new(),
        Err(error) => return Err(lost(hop, &error, &tried)),
    };
    if session.authenticated() {
        return Ok(());
    }
    let offers = |name: &str| methods.split(',').any(|method| method == name);
    if offers("publickey") && (agent(session, hop, &mut tried) || keys(session, hop, &mut tried)?) {
        return Ok(());
    }
    if let Some(password) = &hop.password {
        if offers("password") {
            match session.userauth_password(&hop.user, password) {
                Ok(()) => return Ok(()),
                Err(error) if is_answer(&error) => tried.push("password".to_owned()),
                Err(error) => return Err(lost(hop, &error, &tried)),
            }
        } else if offers("keyboard-interactive") {
            let mut answer = Answer::new(password, socket);
            match session.userauth_keyboard_interactive(&hop.user, &mut answer) {
                Ok(()) if session.authenticated() => return Ok(()),
                Err(error) if answer.asked.is_none() && !is_answer(&error) => return Err(lost(hop, &error, &tried)),
                _ => tried.push(answer.words()),
            }
        }
    }
    Err(refused(hop, &methods, &tried))
}

/// Whether the server answered, and said no: LIBSSH2_ERROR_AUTHENTICATION_FAILED and _PUBLICKEY_UNVERIFIED.
fn is_answer(error: &ssh2::Error) -> bool {
    matches!(error.code(), ssh2::ErrorCode::Session(-18 | -19))
}

/// The connection broke, or was too slow; that is no refusal, and says nothing of a password.
fn lost(hop: &Hop, error: &ssh2::Error, tried: &[String]) -> TransportError {
    let before = if tried.is_empty() { String::new() } else { format!("; tried {}", tried.join(", ")) };
    let cause = format!("the login as `{}` did not come to its end: {}{before}", hop.user, error.message());
    TransportError::Unreachable { to: hop.label(), cause, hint: None }
}

fn agent(session: &Session, target: &Hop, tried: &mut Vec<String>) -> bool {
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

fn keys(session: &Session, hop: &Hop, tried: &mut Vec<String>) -> Result<bool, TransportError> {
    for key in &hop.keys {
        let Key { name, content } = key;
        let content = match content {
            Ok(content) => content,
            Err(why) => {
                tried.push(format!("key {name} ({why})"));
                continue;
            }
        };
        let passphrase = content.passphrase.as_deref();
        match session.userauth_pubkey_memory(&hop.user, content.public.as_deref(), &content.private, passphrase) {
            Ok(()) => return Ok(true),
            Err(error) if is_answer(&error) => tried.push(format!("key {name} (refused)")),
            Err(error) => match unusable(&error, passphrase) {
                Some(why) => tried.push(format!("key {name} ({why})")),
                None => return Err(lost(hop, &error, tried)),
            },
        }
    }
    Ok(false)
}

/// Why a key cannot be used, if it is the key; else the connection is at fault.
fn unusable(error: &ssh2::Error, passphrase: Option<&str>) -> Option<String> {
    match error.code() {
        // LIBSSH2_ERROR_TIMEOUT, _SOCKET_DISCONNECT, _SOCKET_RECV, _SOCKET_SEND, _PROTO, _ALLOC, _EAGAIN, _OUT_OF_BOUNDARY.
        ssh2::ErrorCode::Session(-9 | -13 | -43 | -7 | -14 | -6 | -37 | -41) => None,
        // LIBSSH2_ERROR_FILE, _KEYFILE_AUTH_FAILED: an old format, which libssh2 opens itself.
        ssh2::ErrorCode::Session(-16 | -48) if passphrase.is_some() => {
            Some("cannot be opened; wrong `passphrase`?".to_owned())
        }
        ssh2::ErrorCode::Session(-16 | -48) => Some("cannot be used; if it is encrypted, set `passphrase`".to_owned()),
        _ => Some(format!("cannot be used: {}", error.message())),
    }
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

fn refused(target: &Hop, methods: &str, tried: &[String]) -> TransportError {
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
