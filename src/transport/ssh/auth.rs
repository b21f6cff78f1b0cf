//! Logging in: agent, key files, password. Each way is tried at most once, and the error says
//! which ones were; a refused password is never tried again, for it may lock an account.

use std::net::Shutdown;
use std::os::fd::OwnedFd;

use socket2::SockRef;
use ssh2::{KeyboardInteractivePrompt, Prompt, Session};

use super::connect::Failure;
use super::job::{Hop, Key};
use crate::transport::TransportError;
use crate::transport::question::wants_other;

/// How a login went that has several ways to go.
enum Step {
    In,
    Refused,
    /// The server took it, and wants one of these as well.
    Partly(String),
}

/// Logs in.
pub(super) fn login(session: &Session, socket: &OwnedFd, hop: &Hop) -> Result<(), Failure> {
    let mut tried = Vec::new();
    // The question for the methods also is the attempt `none`, which a few appliances accept.
    let mut methods = methods(session, hop, &tried)?;
    if session.authenticated() {
        return Ok(());
    }
    if offers(&methods, "publickey") {
        match by_key(session, hop, &methods, &mut tried)? {
            Step::In => return Ok(()),
            Step::Partly(next) => methods = next,
            Step::Refused => {}
        }
    }
    let mut sent = false;
    if let Some(password) = &hop.password {
        sent = offers(&methods, "password") || offers(&methods, "keyboard-interactive");
        if by_password(session, socket, hop, &methods, password, &mut tried)? {
            return Ok(());
        }
    }
    // A password that was refused is not sent a second time, by whatever client.
    let openssh = if sent { None } else { better_by_openssh(session, hop, &methods, &tried) };
    Err(Failure { error: Box::new(refused(hop, &methods, &tried)), openssh })
}

/// What the server offers now.
fn methods(session: &Session, hop: &Hop, tried: &[String]) -> Result<String, Failure> {
    match session.auth_methods(&hop.user) {
        Ok(methods) => Ok(methods.to_owned()),
        Err(error) if session.authenticated() || is_answer(&error) => Ok(String::new()),
        Err(error) => Err(lost(hop, &error, tried).into()),
    }
}

fn offers(methods: &str, name: &str) -> bool {
    methods.split(',').any(|method| method == name)
}

fn takes_password(methods: &str) -> bool {
    offers(methods, "password") || offers(methods, "keyboard-interactive")
}

fn by_password(
    session: &Session,
    socket: &OwnedFd,
    hop: &Hop,
    methods: &str,
    password: &str,
    tried: &mut Vec<String>,
) -> Result<bool, Failure> {
    if offers(methods, "password") {
        match session.userauth_password(&hop.user, password) {
            Ok(()) => return Ok(true),
            Err(error) if is_answer(&error) => tried.push("password".to_owned()),
            Err(error) => return Err(lost(hop, &error, tried).into()),
        }
    } else if offers(methods, "keyboard-interactive") {
        let mut answer = Answer::new(password, socket);
        match session.userauth_keyboard_interactive(&hop.user, &mut answer) {
            Ok(()) if session.authenticated() => return Ok(true),
            Err(error) if answer.asked.is_none() && !is_answer(&error) => return Err(lost(hop, &error, tried).into()),
            _ => tried.push(answer.words()),
        }
    }
    Ok(false)
}

/// Tries the keys of the agent, and then the files.
fn by_key(session: &Session, hop: &Hop, methods: &str, tried: &mut Vec<String>) -> Result<Step, Failure> {
    match agent(session, hop, methods, tried)? {
        Step::Refused => keys(session, hop, methods, tried),
        done => Ok(done),
    }
}

/// After a key that was no login: libssh2 does not say whether it was refused or was only the first of
/// several factors. The server says it, by what it offers next; and is asked where a second one is at hand.
fn after_refusal(session: &Session, hop: &Hop, methods_before: &str, tried: &[String]) -> Result<Step, Failure> {
    if hop.password.is_none() || takes_password(methods_before) {
        return Ok(Step::Refused);
    }
    let next = methods(session, hop, tried)?;
    Ok(if takes_password(&next) { Step::Partly(next) } else { Step::Refused })
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

fn agent(session: &Session, hop: &Hop, methods: &str, tried: &mut Vec<String>) -> Result<Step, Failure> {
    let Some(mut agent) = session.agent().ok().filter(|_| !hop.no_agent) else { return Ok(Step::Refused) };
    if agent.connect().is_err() || agent.list_identities().is_err() {
        return Ok(Step::Refused);
    }
    let identities = agent.identities().unwrap_or_default();
    if identities.is_empty() {
        return Ok(Step::Refused);
    }
    tried.push(format!("agent ({} keys)", identities.len()));
    for identity in &identities {
        if agent.userauth(&hop.user, identity).is_ok() {
            return Ok(Step::In);
        }
        match after_refusal(session, hop, methods, tried)? {
            Step::Refused => {}
            done => return Ok(done),
        }
    }
    Ok(Step::Refused)
}

fn keys(session: &Session, hop: &Hop, methods: &str, tried: &mut Vec<String>) -> Result<Step, Failure> {
    for key in &hop.keys {
        let Key { name, content, .. } = key;
        let content = match content {
            Ok(content) => content,
            Err(why) => {
                tried.push(format!("key {name} ({why})"));
                continue;
            }
        };
        match session.userauth_pubkey_memory(&hop.user, content.public.as_deref(), &content.private, None) {
            Ok(()) => return Ok(Step::In),
            Err(error) if is_answer(&error) => match after_refusal(session, hop, methods, tried)? {
                Step::Refused => tried.push(format!("key {name} (refused)")),
                done => {
                    tried.push(format!("key {name} (accepted)"));
                    return Ok(done);
                }
            },
            Err(error) => match unusable(&error) {
                Some(why) => tried.push(format!("key {name} ({why})")),
                None => return Err(lost(hop, &error, tried).into()),
            },
        }
    }
    Ok(Step::Refused)
}

/// Why a key cannot be used, if it is the key; else the connection is at fault.
fn unusable(error: &ssh2::Error) -> Option<String> {
    match error.code() {
        // LIBSSH2_ERROR_TIMEOUT, _SOCKET_DISCONNECT, _SOCKET_RECV, _SOCKET_SEND, _PROTO, _ALLOC, _EAGAIN, _OUT_OF_BOUNDARY.
        ssh2::ErrorCode::Session(-9 | -13 | -43 | -7 | -14 | -6 | -37 | -41) => None,
        _ => Some(format!("{UNUSABLE}: {}", error.message())),
    }
}

const UNUSABLE: &str = "cannot be used by libssh2";

/// Why OpenSSH's client may log in where this one was refused.
fn better_by_openssh(session: &Session, hop: &Hop, methods: &str, tried: &[String]) -> Option<String> {
    if offers(methods, "publickey")
        && let Some(kind) = special_identity(session)
    {
        return Some(format!("the agent holds a {kind}"));
    }
    if let Some(key) = tried.iter().find(|tried| tried.contains(UNUSABLE)) {
        return Some(key.clone());
    }
    (has_tickets() && offers(methods, "gssapi-with-mic")).then(|| format!("{} offers gssapi-with-mic", hop.label()))
}

/// Whether this user may have tickets of Kerberos.
pub(super) fn has_tickets() -> bool {
    std::env::var_os("KRB5CCNAME").is_some()
        || std::path::Path::new(&format!("/tmp/krb5cc_{}", nix::unistd::Uid::current())).exists()
}

/// What the agent holds that libssh2 cannot use.
fn special_identity(session: &Session) -> Option<&'static str> {
    let mut agent = session.agent().ok()?;
    agent.connect().ok()?;
    agent.list_identities().ok()?;
    let identities = agent.identities().ok()?;
    identities.iter().find_map(|identity| special(&super::hostkey::kind(identity.blob())))
}

/// What a type of key is called that libssh2 cannot use; `None` for those that it can.
pub(super) fn special(kind: &str) -> Option<&'static str> {
    match kind {
        kind if kind.contains("-cert-v0") => Some("certificate"),
        kind if kind.starts_with("sk-") => Some("key in a security token"),
        _ => None,
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
            question.echo || hidden > 1 || wants_other(&question.text)
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

/// The ways in which this program logs in, as SSH calls them.
const OURS: [&str; 3] = ["publickey", "password", "keyboard-interactive"];

fn refused(target: &Hop, methods: &str, tried: &[String]) -> TransportError {
    let offered = if methods.is_empty() { "no way to log in" } else { methods };
    let usable = OURS.iter().any(|way| offers(methods, way));
    let (rest, hint) = match tried {
        [] if !usable => (
            format!(", and fleetclock logs in with {}", OURS.join(", ")),
            "allow one of these for this user (`sshd -T -C user=NAME` on the host shows what it allows)",
        ),
        [] => (
            "; there is no key and no password to try for it".to_owned(),
            "give `key` or `password` to the host, or load a key into the agent (`ssh-add`)",
        ),
        tried => (
            format!("; tried {}", tried.join(", ")),
            "see `user`, `key`, `password`, `passphrase` of the host, or the keys of the agent (`ssh-add -l`)",
        ),
    };
    let cause = format!("refused; the server offers {offered}{rest}");
    TransportError::Login { to: target.label(), user: target.user.clone(), cause, hint: hint.to_owned() }
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
    fn a_second_factor_does_not_get_the_password() {
        for text in ["Verification code: ", "(ops@h) YubiKey for `ops': ", "Password & verification code: "] {
            let (answers, words, ended) = talk(&[&[(text, false)]]);
            assert_eq!((answers, ended), (Vec::<String>::new(), true), "{text}");
            assert!(words.contains("and the password was not given"), "{words}");
        }
        for text in ["Password: ", "Password for ops@pincode.example: ", "Passwort: "] {
            assert_eq!(talk(&[&[(text, false)]]).0, ["pw"], "{text}");
        }
    }

    #[test]
    fn a_server_that_asks_nothing_for_ever_is_left() {
        let rounds = [&[][..]; 20];
        let (answers, words, ended) = talk(&rounds);
        assert!(answers.is_empty() && ended && words.contains("again and again"), "{words}");
    }
}
