//! A negotiation without a common member, in words: what each side offers, and the way out.

use std::time::{Duration, Instant};

use ssh2::{MethodType, Session};

use super::connect::{Failure, tcp};
use super::job::Hop;
use super::offer::{self, Disagreement, List};
use super::tunnel::Heard;
use crate::transport::TransportError;

/// LIBSSH2_ERROR_KEX_FAILURE, _METHOD_NONE, _METHOD_NOT_SUPPORTED: nothing in common, but it is not said of what.
pub(super) const DISAGREED: [ssh2::ErrorCode; 3] =
    [ssh2::ErrorCode::Session(-5), ssh2::ErrorCode::Session(-17), ssh2::ErrorCode::Session(-33)];

/// Says what has no common member. A server is asked once more what it offers; one behind a bastion has been heard.
pub(super) fn disagreed(
    session: &Session,
    hop: &Hop,
    timeout: Duration,
    heard: Option<&Heard>,
    words: &str,
) -> Failure {
    let offers = heard.map_or_else(|| offers(hop, timeout), |heard| offer::heard(&heard.bytes()));
    match offers.and_then(|offers| offers.disagreement(|list| ours(session, hop, list))) {
        Some(found) if found.list == List::HostKey && hop.algorithms.is_some() => other_types(hop, &found).into(),
        Some(found) => {
            let openssh = Some(format!(
                "libssh2 knows no {} that {} offers ({})",
                found.list.words(),
                hop.label(),
                found.theirs.join(", ")
            ));
            Failure { error: Box::new(nothing_common(hop, &found)), openssh }
        }
        None => {
            let error = TransportError::Unreachable {
                to: hop.label(),
                cause: format!("SSH handshake: {words}"),
                hint: Some("`ssh -v` to the host shows what each side offers".to_owned()),
            };
            Failure {
                error: Box::new(error),
                openssh: Some(format!("libssh2 and {} did not agree on a key exchange", hop.label())),
            }
        }
    }
}

fn offers(hop: &Hop, timeout: Duration) -> Option<offer::Offers> {
    let mut stream = tcp(hop, timeout, timeout).ok()?;
    stream.set_read_timeout(Some(timeout)).ok()?;
    offer::ask(&mut stream, Instant::now() + timeout)
}

/// What this side offers to a host.
fn ours(session: &Session, hop: &Hop, list: List) -> Vec<String> {
    let allowed = match list {
        List::Kex => &hop.kex,
        List::Cipher => &hop.ciphers,
        List::Mac => &hop.macs,
        List::HostKey => &None,
    };
    if let Some(allowed) = allowed {
        return allowed.split(',').map(str::to_owned).collect();
    }
    let kind = match list {
        List::Kex => MethodType::Kex,
        List::HostKey => return host_key_types(session, hop).split(',').map(str::to_owned).collect(),
        List::Cipher => MethodType::CryptCs,
        List::Mac => MethodType::MacCs,
    };
    let known = session.supported_algs(kind).unwrap_or_default().into_iter();
    known.filter(|name| !offer::is_sign(name)).map(str::to_owned).collect()
}

/// The types of host key that a host is asked for: those that it is known by, else all plain ones. A
/// certificate is no key that could be remembered: it ends some day, and `ssh` would call it a changed key.
pub(super) fn host_key_types(session: &Session, hop: &Hop) -> String {
    hop.algorithms.clone().unwrap_or_else(|| {
        let known = session.supported_algs(MethodType::HostKey).unwrap_or_default();
        known.into_iter().filter(|name| !name.contains("-cert-v0")).collect::<Vec<_>>().join(",")
    })
}

/// The host has no key any more of the types that it is known by.
fn other_types(hop: &Hop, found: &Disagreement) -> TransportError {
    TransportError::HostKey {
        to: hop.label(),
        cause: format!(
            "it has no key of a type that it is known by: known_hosts has {}, the server offers {}",
            found.ours.join(", "),
            found.theirs.join(", ")
        ),
        hint:
            "a server in FIPS mode has no ed25519 key any more, and policies take types away: compare the fingerprint \
               of its present key at its console, then `fleetclock trust HOST`"
                .to_owned(),
    }
}

fn nothing_common(hop: &Hop, found: &Disagreement) -> TransportError {
    let list = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    TransportError::Unreachable {
        to: hop.label(),
        cause: format!(
            "SSH handshake: no {} in common: the server offers {}; libssh2 knows {}",
            found.list.words(),
            list(&found.theirs),
            list(&found.ours)
        ),
        hint: Some(format!(
            "let the server offer one of ours, too (`{}` in its sshd_config), or use `ssh: {{ client: openssh }}`, if the \
             system's `ssh` knows one of its",
            found.list.setting()
        )),
    }
}
