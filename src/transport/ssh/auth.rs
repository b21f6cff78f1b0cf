//! Logging in: agent, key files, password. Each way is tried at most once, and the error says
//! which ones were; a refused password is never tried again, for it may lock an account.

use std::path::Path;

use ssh2::{KeyboardInteractivePrompt, Prompt, Session};

use super::target::Target;
use crate::inventory::spec::SshSettings;
use crate::transport::TransportError;

/// Logs in.
pub(super) fn login(session: &Session, target: &Target, settings: &SshSettings) -> Result<(), TransportError> {
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
            let mut answer = Answer { password: password.reveal() };
            if session.userauth_keyboard_interactive(&target.user, &mut answer).is_ok() && session.authenticated() {
                return Ok(());
            }
            tried.push("keyboard-interactive".to_owned());
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

struct Answer<'a> {
    password: &'a str,
}

impl KeyboardInteractivePrompt for Answer<'_> {
    fn prompt<'b>(&mut self, _user: &str, _instructions: &str, prompts: &[Prompt<'b>]) -> Vec<String> {
        // Only what is not echoed is a password; nothing else gets it.
        prompts.iter().map(|prompt| if prompt.echo { String::new() } else { self.password.to_owned() }).collect()
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
