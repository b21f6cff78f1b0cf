//! A domain locks an account after a few wrong passwords, and all hosts of the domain ask the
//! same account. So the first login with it decides for all, and a refused one is not repeated.
//! A host that does not say does not hold the others for long: a few more may try meanwhile.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::Peer;
use crate::transport::TransportError;

/// How long the others wait for a host that has been asked; a login needs less than a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// Hosts that may try the same account at a time, below the number of wrong passwords that locks it.
const MOST: usize = 3;

/// What is known of the domain accounts of one run.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    known: Mutex<BTreeMap<String, State>>,
    changed: Condvar,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// So many hosts are asking, the last since then.
    Asked(usize, Instant),
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
        // `.\user` is an account of each host.
        if !user.contains(['\\', '@']) || user.starts_with(".\\") {
            return Ok(Permit { accounts: self, account: None });
        }
        let account = user.to_lowercase();
        let mut known = self.known();
        loop {
            match known.get(&account) {
                Some(State::Good) => return Ok(Permit { accounts: self, account: None }),
                Some(State::Refused(host)) => return Err(peer.refused_elsewhere(host)),
                Some(State::Asked(open, since)) if *open >= MOST || since.elapsed() < PATIENCE => {
                    let rest = PATIENCE.saturating_sub(since.elapsed()).max(Duration::from_millis(300));
                    let waited = self.changed.wait_timeout(known, rest);
                    known = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                asked => {
                    let open = if let Some(State::Asked(open, _)) = asked { *open } else { 0 };
                    known.insert(account.clone(), State::Asked(open + 1, Instant::now()));
                    return Ok(Permit { accounts: self, account: Some(account) });
                }
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One who asked has the answer, or none. What was good on one host is good.
    fn settle(&self, account: &str, state: Option<State>) {
        let mut known = self.known();
        match (known.get(account), state) {
            (Some(State::Good), _) | (Some(State::Refused(_)), None) => {}
            (_, Some(state)) => drop(known.insert(account.to_owned(), state)),
            (Some(State::Asked(open, since)), None) if *open > 1 => {
                let left = State::Asked(open - 1, *since);
                known.insert(account.to_owned(), left);
            }
            (_, None) => drop(known.remove(account)),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Secret;
    use crate::inventory::spec::{Trust, WinrmAuth, WinrmSettings};

    const USER: &str = r"CORP\operator";

    fn peer(address: &str) -> Peer {
        let settings = WinrmSettings {
            user: USER.to_owned(),
            password: Some(Secret::new("x")),
            https: true,
            port: 5986,
            auth: WinrmAuth::Ntlm,
            trust: Trust::System,
            certificate: None,
            key: None,
            timeout: PATIENCE,
        };
        Peer::new(address, &settings)
    }

    /// As if it had been asked this long ago.
    fn ago(accounts: &Accounts, open: usize, ago: Duration) {
        let since = Instant::now().checked_sub(ago).unwrap();
        accounts.known().insert(USER.to_lowercase(), State::Asked(open, since));
    }

    #[test]
    fn a_host_that_does_not_say_does_not_hold_the_others() {
        let (accounts, peer) = (Accounts::default(), peer("192.0.2.1"));
        ago(&accounts, 1, PATIENCE);
        let second = accounts.ask(USER, &peer).ok().unwrap();
        assert!(matches!(accounts.known()[r"corp\operator"], State::Asked(2, _)));
        drop(second);
        assert!(matches!(accounts.known()[r"corp\operator"], State::Asked(1, _)));
    }

    #[test]
    fn no_more_than_a_few_try_at_a_time_and_the_first_answer_is_for_all() {
        let (accounts, peer) = (Accounts::default(), peer("192.0.2.1"));
        ago(&accounts, MOST - 1, PATIENCE);
        let last = accounts.ask(USER, &peer).ok().unwrap();
        ago(&accounts, MOST, PATIENCE * 2);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| accounts.ask(USER, &peer).map(|permit| permit.account.is_none()));
            assert!(!waiting.is_finished());
            last.settle(&Outcome::WrongPassword, &peer);
            let error = waiting.join().unwrap().unwrap_err();
            assert!(error.to_string().contains("192.0.2.1 has refused the password"), "{error}");
        });
    }

    #[test]
    fn what_was_good_on_one_host_no_other_host_makes_bad() {
        let (accounts, peer) = (Accounts::default(), peer("192.0.2.1"));
        let first = accounts.ask(USER, &peer).ok().unwrap();
        ago(&accounts, 1, PATIENCE);
        let second = accounts.ask(USER, &peer).ok().unwrap();
        first.settle(&Outcome::Good, &peer);
        second.settle(&Outcome::WrongPassword, &peer);
        assert!(accounts.ask(USER, &peer).is_ok());
    }
}
