//! A domain locks an account after a few wrong passwords, and all hosts of the domain ask the
//! same account. So the first login with it decides for all, and a refused one is not repeated.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};

use super::error::Peer;
use crate::transport::TransportError;

/// What is known of the domain accounts of one run.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    known: Mutex<BTreeMap<String, State>>,
    changed: Condvar,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Some host is asking.
    Asked,
    /// Some host has let it in.
    Good,
    /// This host refused its password.
    Refused(String),
}

/// The right to try an account once.
pub(super) struct Permit<'a> {
    accounts: &'a Accounts,
    account: Option<String>,
}

impl Accounts {
    /// Waits until the account may be tried. Accounts of a single host are always free.
    ///
    /// # Errors
    /// Another host has refused its password.
    pub(super) fn ask(&self, user: &str, peer: &Peer) -> Result<Permit<'_>, TransportError> {
        if !user.contains(['\\', '@']) {
            return Ok(Permit { accounts: self, account: None });
        }
        let account = user.to_lowercase();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match known.get(&account) {
                None => {
                    known.insert(account.clone(), State::Asked);
                    return Ok(Permit { accounts: self, account: Some(account) });
                }
                Some(State::Good) => return Ok(Permit { accounts: self, account: None }),
                Some(State::Refused(host)) => return Err(peer.refused_elsewhere(host)),
                Some(State::Asked) => {
                    known = self.changed.wait(known).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn settle(&self, account: &str, state: Option<State>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match state {
            Some(state) => known.insert(account.to_owned(), state),
            None => known.remove(account),
        };
        self.changed.notify_all();
    }
}

impl Permit<'_> {
    /// Remembers how the login went; a host that could not be asked says nothing of the account.
    pub(super) fn settle(mut self, outcome: &Outcome, peer: &Peer) {
        let Some(account) = self.account.take() else { return };
        let state = match outcome {
            Outcome::Good => Some(State::Good),
            Outcome::WrongPassword => Some(State::Refused(peer.host.clone())),
            Outcome::Unknown => None,
        };
        self.accounts.settle(&account, state);
    }
}

/// How a login went.
pub(super) enum Outcome {
    Good,
    WrongPassword,
    Unknown,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(account) = self.account.take() {
            self.accounts.settle(&account, None);
        }
    }
}
