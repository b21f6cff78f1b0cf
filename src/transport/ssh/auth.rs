//! Logging in: key files, agent, password. Each way is tried at most once, and the error says
//! which ones were; a refused password is never tried again, for it may lock an account.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use humantime::format_duration;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};
use ssh2::Session;

use super::answer::{NO, UNUSABLE, is_answer, is_silence, unusable};
use super::connect::Failure;
use super::interactive::Answer;
use super::job::{Content, Hop, Key};
use crate::transport::TransportError;

/// How a login went that has several ways to go.
enum Step {
    In,
    Refused,
    /// The server took it, and wants one of these as well.
    Partly(String),
}

/// A login on its way.
struct Login<'a> {
    session: &'a Session,
    socket: &'a OwnedFd,
    hop: &'a Hop,
    /// What the server offers.
    methods: String,
    /// What was tried, in words.
    tried: Vec<String>,
    /// The keys that were shown to the server, in base64: it takes so many and no more (`MaxAuthTries`).
    shown: Vec<String>,
    /// Whether the password was sent, or may have been: no other client sends it a second time.
    sent: bool,
}

/// Logs in.
pub(super) fn login(session: &Session, socket: &OwnedFd, hop: &Hop) -> Result<(), Failure> {
    let mut login =
        Login { session, socket, hop, methods: String::new(), tried: Vec::new(), shown: Vec::new(), sent: false };
    // The question for the methods also is the attempt `none`, which a few appliances accept.
    login.methods = login.offered()?;
    if session.authenticated() {
        return Ok(());
    }
    if offers(&login.methods, "publickey") {
        match login.by_key()? {
            Step::In => return Ok(()),
            Step::Partly(next) => login.methods = next,
            Step::Refused => {}
        }
    }
    if let Some(password) = &hop.password
        && login.by_password(password)?
    {
        return Ok(());
    }
    Err(Failure { error: Box::new(refused(hop, &login.methods, &login.tried)), openssh: login.better_by_openssh() })
}

fn offers(methods: &str, name: &str) -> bool {
    methods.split(',').any(|method| method == name)
}

fn takes_password(methods: &str) -> bool {
    offers(methods, "password") || offers(methods, "keyboard-interactive")
}

/// LIBSSH2_ERROR_PASSWORD_EXPIRED.
const EXPIRED: ssh2::ErrorCode = ssh2::ErrorCode::Session(-15);

impl Login<'_> {
    /// What the server offers now.
    fn offered(&self) -> Result<String, Failure> {
        match self.session.auth_methods(&self.hop.user) {
            Ok(methods) => Ok(methods.to_owned()),
            Err(error) if self.session.authenticated() || is_answer(&error) => Ok(String::new()),
            Err(error) => Err(self.lost(&error)),
        }
    }

    fn by_password(&mut self, password: &str) -> Result<bool, Failure> {
        let (session, user) = (self.session, &self.hop.user);
        self.sent = takes_password(&self.methods);
        if offers(&self.methods, "password") {
            match session.userauth_password(user, password) {
                Ok(()) => return Ok(true),
                Err(error) if is_answer(&error) => self.tried.push("password".to_owned()),
                Err(error) if error.code() == EXPIRED => {
                    return Err(TransportError::expired(self.hop.label(), user.clone()).into());
                }
                Err(error) => return Err(self.lost(&error)),
            }
        } else if offers(&self.methods, "keyboard-interactive") {
            let mut answer = Answer::new(password, self.socket);
            match session.userauth_keyboard_interactive(user, &mut answer) {
                Ok(()) if session.authenticated() => return Ok(true),
                Err(error) if answer.asked.is_none() && !is_answer(&error) => {
                    self.sent = answer.given;
                    return Err(self.lost(&error));
                }
                _ => self.tried.push(answer.words()),
            }
        }
        Ok(false)
    }

    /// Tries the key files, and then the agent: a server takes some keys only, and these are the host's own.
    fn by_key(&mut self) -> Result<Step, Failure> {
        for key in &self.hop.keys {
            let Key { name, content, public, .. } = key;
            let content = match content {
                Ok(content) => content,
                Err(why) => {
                    self.tried.push(format!("key {name} ({why})"));
                    continue;
                }
            };
            self.shown.extend(public.as_deref().and_then(blob).map(str::to_owned));
            match self.by_file(name, content)? {
                Step::Refused => {}
                done => return Ok(done),
            }
        }
        self.by_agent()
    }

    fn by_file(&mut self, name: &str, content: &Content) -> Result<Step, Failure> {
        let (user, public) = (&self.hop.user, content.public.as_deref());
        match self.session.userauth_pubkey_memory(user, public, &content.private, None) {
            Ok(()) => Ok(Step::In),
            Err(error) if is_answer(&error) => {
                let step = self.after_refusal(&error)?;
                let word = if matches!(step, Step::Refused) { "refused" } else { "accepted" };
                self.tried.push(format!("key {name} ({word})"));
                Ok(step)
            }
            Err(error) => match unusable(&error) {
                Some(why) => {
                    self.tried.push(format!("key {name} ({why})"));
                    Ok(Step::Refused)
                }
                None => Err(self.lost(&error)),
            },
        }
    }

    /// The keys that are configured come first here, too; they are the only ones with `IdentitiesOnly`.
    fn by_agent(&mut self) -> Result<Step, Failure> {
        let Ok(mut agent) = self.session.agent() else { return Ok(Step::Refused) };
        if agent.connect().is_err() || agent.list_identities().is_err() {
            return Ok(Step::Refused);
        }
        let own: Vec<&str> = self.hop.keys.iter().filter_map(|key| blob(key.public.as_deref()?)).collect();
        let known = agent.identities().unwrap_or_default().into_iter();
        let mut identities: Vec<_> = known.map(|identity| (STANDARD.encode(identity.blob()), identity)).collect();
        identities.retain(|(blob, _)| !self.shown.contains(blob) && (!self.hop.own_keys || own.contains(&&**blob)));
        identities.sort_by_key(|(blob, _)| !own.contains(&&**blob));
        if identities.is_empty() {
            return Ok(Step::Refused);
        }
        self.tried.push(format!("agent ({} keys)", identities.len()));
        for (blob, identity) in identities {
            self.shown.push(blob);
            let step = match agent.userauth(&self.hop.user, &identity) {
                Ok(()) => return Ok(Step::In),
                Err(error) if is_answer(&error) => self.after_refusal(&error)?,
                Err(error) if unusable(&error).is_none() => return Err(self.lost(&error)),
                // Of a kind that libssh2 does not know.
                Err(_) => Step::Refused,
            };
            if !matches!(step, Step::Refused) {
                return Ok(step);
            }
        }
        Ok(Step::Refused)
    }

    /// After a key that was no login: libssh2 does not say whether it was refused or was only the first of several
    /// factors. The server says it, by what it offers next. It is asked only where a second one is at hand and the key
    /// was known, because the question counts as a try.
    fn after_refusal(&self, error: &ssh2::Error) -> Result<Step, Failure> {
        if error.code() == NO || self.hop.password.is_none() || takes_password(&self.methods) {
            return Ok(Step::Refused);
        }
        let next = self.offered()?;
        Ok(if takes_password(&next) { Step::Partly(next) } else { Step::Refused })
    }

    /// The connection broke, or was too slow; that is no refusal, and says nothing of a password. One that the
    /// server has closed after a key or the password is: libssh2 then says that it waited.
    fn lost(&self, error: &ssh2::Error) -> Failure {
        let Hop { user, .. } = self.hop;
        if self.sent && is_closed(self.socket) {
            let error = closed_after_password(self.hop, self.shown.len(), &self.tried);
            return Failure { error: Box::new(error), openssh: None };
        }
        if !self.shown.is_empty() && is_closed(self.socket) {
            let error = too_many_keys(self.hop, self.shown.len(), &self.tried);
            return Failure { error: Box::new(error), openssh: self.better_by_openssh() };
        }
        let tried = if self.tried.is_empty() { String::new() } else { format!("; tried {}", self.tried.join(", ")) };
        let why = match is_silence(error) && !is_closed(self.socket) {
            true => {
                format!("no answer within {}", format_duration(Duration::from_millis(self.session.timeout().into())))
            }
            false => error.message().to_owned(),
        };
        let cause = format!("the login as `{user}` did not come to its end: {why}{tried}");
        TransportError::Unreachable { to: self.hop.label(), cause, hint: None }.into()
    }

    /// Why OpenSSH's client may log in where this one was refused. It would send the password as well: one that
    /// was refused is not sent a second time, by whatever client, for that may lock the account.
    fn better_by_openssh(&self) -> Option<String> {
        if self.sent {
            return None;
        }
        if offers(&self.methods, "publickey")
            && let Some(kind) = special_identity(self.session)
        {
            return Some(format!("the agent holds a {kind}"));
        }
        if let Some(reason) = self.hop.keys.iter().find_map(|key| key.openssh.clone()) {
            return Some(reason);
        }
        if let Some(key) = self.tried.iter().find(|tried| tried.contains(UNUSABLE)) {
            return Some(key.clone());
        }
        let gssapi = has_tickets() && offers(&self.methods, "gssapi-with-mic");
        gssapi.then(|| format!("{} offers gssapi-with-mic", self.hop.label()))
    }
}

/// The key itself in the line of a public key.
fn blob(public: &str) -> Option<&str> {
    public.split_whitespace().nth(1)
}

/// Whether the other side has closed the connection; it may be about to.
fn is_closed(socket: &OwnedFd) -> bool {
    use std::os::fd::AsRawFd as _;
    let _ = poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLIN)], PollTimeout::from(200u8));
    let peeked = recv(socket.as_raw_fd(), &mut [0], MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT);
    !matches!(peeked, Ok(1..) | Err(nix::errno::Errno::EAGAIN))
}

fn counted(keys: usize) -> String {
    if keys == 1 { "one key".to_owned() } else { format!("{keys} keys") }
}

/// Some servers end the connection instead of refusing the password; sshd does it where keys have used up its tries.
fn closed_after_password(hop: &Hop, keys: usize, tried: &[String]) -> TransportError {
    let why = "the server closed the connection after the password";
    let (cause, hint) = match keys {
        0 => (format!("{why}, as some do when it is wrong"), "see `user` and `password` of the host"),
        keys => (
            format!(
                "{why}, as some do when it is wrong, and sshd after too many tries (`MaxAuthTries`): it was shown {} before; tried {}",
                counted(keys),
                tried.join(", ")
            ),
            "see `user` and `password` of the host; name its `key`, or take foreign keys out of the agent (`ssh-add -d`)",
        ),
    };
    TransportError::Login { to: hop.label(), user: hop.user.clone(), cause, hint: hint.to_owned() }
}

/// sshd ends a connection after `MaxAuthTries` keys and passwords, without a word that libssh2 hands on.
fn too_many_keys(hop: &Hop, keys: usize, tried: &[String]) -> TransportError {
    let keys = counted(keys);
    TransportError::Login {
        to: hop.label(),
        user: hop.user.clone(),
        cause: format!(
            "the server ended the connection after {keys}, as sshd does after too many (`MaxAuthTries`); tried {}",
            tried.join(", ")
        ),
        hint:
            "name the host's `key`, which is tried first; take foreign keys out of the agent (`ssh-add -d`), or write \
               `IdentitiesOnly yes` for the host into the ssh_config"
                .to_owned(),
    }
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
    use std::os::unix::net::UnixStream;

    fn hop() -> Hop {
        let (name, content) = ("/k".to_owned(), Err("cannot be read".to_owned()));
        let openssh = Some("there is a certificate beside /k".to_owned());
        Hop {
            host: "h".to_owned(),
            port: 22,
            user: "ops".to_owned(),
            algorithms: None,
            keys: vec![Key { name, content, public: None, in_token: false, openssh }],
            password: Some("secret".to_owned()),
            own_keys: false,
            kex: None,
            ciphers: None,
            macs: None,
        }
    }

    /// What becomes of a login that breaks off after some keys, and perhaps the password.
    fn broken(shown: usize, sent: bool, closed: bool) -> (TransportError, Option<String>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = Some(theirs).filter(|_| !closed);
        let (session, socket, hop) = (Session::new().unwrap(), OwnedFd::from(ours), hop());
        let (tried, shown) = (vec!["key /k (refused)".to_owned(); shown], vec!["AAAA".to_owned(); shown]);
        let login = Login { session: &session, socket: &socket, hop: &hop, methods: String::new(), tried, shown, sent };
        let waited = "Waiting for keyboard USERAUTH response";
        let failed = login.lost(&ssh2::Error::new(ssh2::ErrorCode::Session(-18), waited));
        drop(theirs);
        (*failed.error, failed.openssh)
    }

    #[test]
    fn a_server_that_hangs_up_after_the_password_has_refused_it_and_no_other_client_sends_it_again() {
        let (error, openssh) = broken(1, false, true);
        let text = error.to_string();
        assert!(matches!(error, TransportError::Login { .. }) && openssh.is_some(), "{text}");
        assert!(text.contains("after one key, as sshd does") && !text.contains("password"), "{text}");
        for (shown, keys) in [(0, None), (1, Some("one key before")), (2, Some("2 keys before"))] {
            let (error, openssh) = broken(shown, true, true);
            let text = error.to_string();
            assert!(matches!(error, TransportError::Login { .. }) && openssh.is_none(), "{text}");
            assert!(text.contains("the server closed the connection after the password"), "{text}");
            assert!(keys.is_none_or(|keys| text.contains(keys)) && !text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_server_that_is_silent_or_gone_before_the_password_has_refused_nothing() {
        for (sent, closed) in [(true, false), (false, true)] {
            let (error, openssh) = broken(0, sent, closed);
            assert!(matches!(error, TransportError::Unreachable { .. }) && openssh.is_none(), "{error}");
        }
    }
}
