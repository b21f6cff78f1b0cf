//! A domain locks an account after a few wrong passwords, and all hosts of the domain ask the
//! same account. So the first login with it decides for all. A refusal may be that of one host alone
//! (a policy, or a host that somebody has taken over): one other host is asked, and if that refuses
//! too, none is any more. A host that does not say does not hold the others for long: a few more
//! may try meanwhile.

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
    /// Hosts are being asked, and one of those that were may have refused.
    Asked { open: usize, since: Instant, refused_by: Option<String> },
    /// Some host has let it in.
    Good,
    /// These two hosts refused its password.
    Refused(String, String),
}

impl State {
    /// Whether this host may try now.
    fn is_free(&self) -> bool {
        match self {
            State::Asked { open, refused_by: Some(_), .. } => *open == 0,
            State::Asked { open, since, refused_by: None } => *open < MOST && since.elapsed() >= PATIENCE,
            State::Good | State::Refused(..) => false,
        }
    }

    /// How long to wait before looking again; an answer wakes before.
    fn rest(&self) -> Duration {
        let left = match self {
            State::Asked { since, .. } => PATIENCE.saturating_sub(since.elapsed()),
            State::Good | State::Refused(..) => Duration::ZERO,
        };
        left.max(Duration::from_millis(300))
    }

    /// One more host is asked.
    fn asked(self) -> Self {
        match self {
            State::Asked { open, refused_by, .. } => State::Asked { open: open + 1, since: Instant::now(), refused_by },
            other => other,
        }
    }

    /// The answer of a host, or that it gave none. What was good on one host is good.
    fn answered(self, outcome: &Outcome, host: &str) -> Self {
        match (self, outcome) {
            (State::Asked { .. }, Outcome::Good) => State::Good,
            (State::Asked { refused_by: Some(first), .. }, Outcome::WrongPassword) if first != host => {
                State::Refused(first, host.to_owned())
            }
            (State::Asked { open, since, .. }, Outcome::WrongPassword) => {
                State::Asked { open: open.saturating_sub(1), since, refused_by: Some(host.to_owned()) }
            }
            (State::Asked { open, since, refused_by }, Outcome::Unknown) => {
                State::Asked { open: open.saturating_sub(1), since, refused_by }
            }
            // Two refused while a third was still asked: it is a host's policy after all.
            (State::Refused(..), Outcome::Good) => State::Good,
            (state, _) => state,
        }
    }
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
    /// This host, or two others, have refused its password.
    pub(super) fn ask(&self, user: &str, peer: &Peer) -> Result<Permit<'_>, TransportError> {
        // `.\user` is an account of each host.
        if !user.contains(['\\', '@']) || user.starts_with(".\\") {
            return Ok(Permit { accounts: self, account: None });
        }
        let account = user.to_lowercase();
        let mut known = self.known();
        loop {
            match known.get(&account) {
                None => {
                    let first = State::Asked { open: 1, since: Instant::now(), refused_by: None };
                    known.insert(account.clone(), first);
                    return Ok(Permit { accounts: self, account: Some(account) });
                }
                Some(State::Good) => return Ok(Permit { accounts: self, account: None }),
                Some(State::Refused(first, second)) => return Err(peer.refused_elsewhere(&[first, second])),
                Some(State::Asked { refused_by: Some(host), .. }) if *host == peer.host => {
                    return Err(peer.refused_elsewhere(&[host]));
                }
                Some(state) if state.is_free() => {
                    let asked = state.clone().asked();
                    known.insert(account.clone(), asked);
                    return Ok(Permit { accounts: self, account: Some(account) });
                }
                Some(state) => {
                    let rest = state.rest();
                    let waited = self.changed.wait_timeout(known, rest);
                    known = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, account: &str, outcome: &Outcome, host: &str) {
        let mut known = self.known();
        if let Some(state) = known.remove(account) {
            let state = state.answered(outcome, host);
            // Nobody is asked and nothing is known: the next one is the first again.
            if !matches!(state, State::Asked { open: 0, refused_by: None, .. }) {
                known.insert(account.to_owned(), state);
            }
        }
        self.changed.notify_all();
    }
}

impl Permit<'_> {
    /// Remembers how the login went; a host that could not be asked says nothing of the account.
    pub(super) fn settle(mut self, outcome: &Outcome, peer: &Peer) {
        let Some(account) = self.account.take() else { return };
        self.accounts.settle(&account, outcome, &peer.host);
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
            self.accounts.settle(&account, &Outcome::Unknown, "");
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

    /// As if so many hosts had been asked, the last this long ago.
    fn ago(accounts: &Accounts, open: usize, ago: Duration) {
        let since = Instant::now().checked_sub(ago).unwrap();
        accounts.known().insert(USER.to_lowercase(), State::Asked { open, since, refused_by: None });
    }

    fn open(accounts: &Accounts) -> usize {
        match accounts.known().get(&USER.to_lowercase()) {
            Some(State::Asked { open, .. }) => *open,
            _ => 0,
        }
    }

    #[test]
    fn a_host_that_does_not_say_does_not_hold_the_others() {
        let (accounts, peer) = (Accounts::default(), peer("192.0.2.1"));
        ago(&accounts, 1, PATIENCE);
        let second = accounts.ask(USER, &peer).ok().unwrap();
        assert_eq!(open(&accounts), 2);
        drop(second);
        assert_eq!(open(&accounts), 1);
    }

    #[test]
    fn no_more_than_a_few_try_at_a_time_and_what_is_good_is_good_for_all() {
        let (accounts, peer) = (Accounts::default(), peer("192.0.2.1"));
        ago(&accounts, MOST - 1, PATIENCE);
        let last = accounts.ask(USER, &peer).ok().unwrap();
        ago(&accounts, MOST, PATIENCE * 2);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| accounts.ask(USER, &peer).map(|permit| permit.account.is_none()));
            assert!(!waiting.is_finished());
            last.settle(&Outcome::Good, &peer);
            assert!(waiting.join().unwrap().unwrap());
        });
    }

    #[test]
    fn one_host_that_refuses_harms_only_itself() {
        let (accounts, first, second) = (Accounts::default(), peer("192.0.2.1"), peer("192.0.2.2"));
        accounts.ask(USER, &first).ok().unwrap().settle(&Outcome::WrongPassword, &first);
        let again = accounts.ask(USER, &first).err().unwrap().to_string();
        assert!(again.contains("192.0.2.1 has refused the password"), "{again}");
        accounts.ask(USER, &second).ok().unwrap().settle(&Outcome::Good, &second);
        assert!(accounts.ask(USER, &peer("192.0.2.3")).is_ok());
    }

    #[test]
    fn a_password_that_two_hosts_refuse_is_tried_on_no_third() {
        let (accounts, first, second) = (Accounts::default(), peer("192.0.2.1"), peer("192.0.2.2"));
        accounts.ask(USER, &first).ok().unwrap().settle(&Outcome::WrongPassword, &first);
        // While the second one is asked, no other is.
        let permit = accounts.ask(USER, &second).ok().unwrap();
        let third = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| accounts.ask(USER, &peer("192.0.2.3")).err());
            assert!(!waiting.is_finished());
            permit.settle(&Outcome::WrongPassword, &second);
            waiting.join().unwrap().unwrap().to_string()
        });
        assert!(third.contains("192.0.2.1 and 192.0.2.2 have refused the password"), "{third}");
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
