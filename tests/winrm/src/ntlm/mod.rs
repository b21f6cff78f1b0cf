//! The server's side of NTLMv2 with message sealing (MS-NLMP 3.2.5 and 3.4).

mod digest;
mod message;

use digest::{Rc4, hmac_md5, md4, md5};
use message::{Authenticate, challenge, flag, from_utf16, kind, utf16, without_mic};

/// An account of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) password: String,
    /// The domain that knows it, as NetBIOS and DNS call it (`CORP corp.example`); empty: the host itself.
    pub(crate) domain: String,
    /// Whether it belongs to Administrators; all others are refused a shell.
    pub(crate) administrator: bool,
}

impl Account {
    /// Whether a log-on means this account. A workgroup host knows itself only; without a domain its own accounts
    /// come first. `user@realm` is an account of that realm.
    pub(crate) fn is_meant(&self, domain: &str, user: &str, host: &str) -> bool {
        let (name, realm) = match user.split_once('@') {
            Some((name, realm)) if domain.is_empty() => (name, realm),
            _ => (user, domain),
        };
        let same = |other: &str| other.eq_ignore_ascii_case(realm);
        let theirs = self.domain.split_whitespace().any(same);
        let own = self.domain.is_empty() && same(host);
        self.name.to_lowercase() == name.to_lowercase() && (theirs || own || realm.is_empty())
    }
}

/// The steps of a log-on on one connection.
pub(crate) enum Step {
    /// The second message, for the client.
    Challenge(Box<Acceptor>, Vec<u8>),
    /// The client has proven the password.
    Accepted(Box<Session>),
}

/// A log-on that waits for the client's third message.
pub(crate) struct Acceptor {
    negotiate: Vec<u8>,
    sent: Vec<u8>,
    challenge: [u8; 8],
}

/// Takes the client's next `token`. The error says why it is refused, for the log only: the client learns nothing.
pub(crate) fn accept(
    pending: Option<&Acceptor>,
    token: &[u8],
    host: &str,
    accounts: &[Account],
    sealing: bool,
) -> Result<Step, String> {
    match (kind(token), pending) {
        (Some(1), _) => {
            let acceptor = Acceptor::new(token, host, random(), sealing);
            let answer = acceptor.sent.clone();
            Ok(Step::Challenge(Box::new(acceptor), answer))
        }
        (Some(3), Some(acceptor)) => acceptor.authenticate(token, host, accounts).map(|s| Step::Accepted(Box::new(s))),
        (Some(3), None) => Err("third NTLM message without the first on this connection".into()),
        _ => Err("not an NTLM message".into()),
    }
}

fn random() -> [u8; 8] {
    let mut bytes = [0; 8];
    // Without randomness the challenge repeats, which no test of this program relies on.
    let _ = getrandom::fill(&mut bytes);
    bytes
}

/// The time as Windows counts it: 100 ns since 1601.
fn file_time() -> u64 {
    const UNIX_EPOCH: u64 = 116_444_736_000_000_000;
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    UNIX_EPOCH + (since.as_nanos() / 100) as u64
}

/// NTOWFv2 (MS-NLMP 3.3.2): the key made of password, user and the domain as the client sent it.
fn owf_v2(password: &str, user: &str, domain: &[u8]) -> [u8; 16] {
    hmac_md5(&md4(&utf16(password)), &[&utf16(&user.to_uppercase()), domain])
}

impl Acceptor {
    fn new(negotiate: &[u8], host: &str, server_challenge: [u8; 8], sealing: bool) -> Self {
        let mut flags = flag::UNICODE
            | flag::REQUEST_TARGET
            | flag::NTLM
            | flag::ALWAYS_SIGN
            | flag::TARGET_TYPE_SERVER
            | flag::EXTENDED_SESSION_SECURITY
            | flag::TARGET_INFO
            | flag::VERSION;
        if sealing {
            flags |= flag::SIGN | flag::SEAL | flag::STRENGTH_128 | flag::KEY_EXCHANGE | flag::STRENGTH_56;
        }
        let sent = challenge(&host.to_uppercase(), server_challenge, file_time(), flags);
        Self { negotiate: negotiate.to_vec(), sent, challenge: server_challenge }
    }

    fn authenticate(&self, token: &[u8], host: &str, accounts: &[Account]) -> Result<Session, String> {
        let message = Authenticate::read(token).ok_or("the third NTLM message is malformed")?;
        let account = accounts
            .iter()
            .find(|account| account.is_meant(&from_utf16(message.domain), &message.user, host))
            .ok_or_else(|| format!("unknown user {} of `{}`", message.user, from_utf16(message.domain)))?;
        if message.response.len() < 44 {
            return Err("not NTLMv2".into());
        }
        let (proof, blob) = message.response.split_at(16);
        let key = owf_v2(&account.password, &message.user, message.domain);
        if hmac_md5(&key, &[&self.challenge, blob]) != proof {
            return Err(format!("wrong password for {}", account.name));
        }
        let base = hmac_md5(&key, &[proof]);
        let exported = match message.flags & flag::KEY_EXCHANGE {
            0 => base,
            _ => Rc4::new(&base).apply(message.session_key).try_into().map_err(|_| "session key is not 16 bytes")?,
        };
        self.check_mic(&message, token, &exported)?;
        Ok(Session::new(&exported, account.clone(), message.flags & flag::SEAL != 0))
    }

    fn check_mic(&self, message: &Authenticate, token: &[u8], key: &[u8; 16]) -> Result<(), String> {
        let Some(mic) = message.mic else { return Ok(()) };
        match hmac_md5(key, &[&self.negotiate, &self.sent, &without_mic(token)]) == mic {
            true => Ok(()),
            false => Err("the integrity code of the log-on is wrong".into()),
        }
    }
}

/// A direction of a sealed connection: key stream, signing key, next sequence number.
struct Direction {
    stream: Rc4,
    signing: [u8; 16],
    sequence: u32,
}

impl Direction {
    /// `way` as in MS-NLMP 3.4.5: `client-to-server` or `server-to-client`.
    fn new(key: &[u8], way: &str) -> Self {
        let derive = |what: &str| md5(&[key, format!("session key to {way} {what} key magic constant\0").as_bytes()]);
        Self { stream: Rc4::new(&derive("sealing")), signing: derive("signing"), sequence: 0 }
    }

    /// The signature of `plain`, which takes 8 bytes of the key stream and a sequence number.
    fn sign(&mut self, plain: &[u8]) -> Vec<u8> {
        let mac = hmac_md5(&self.signing, &[&self.sequence.to_le_bytes(), plain]);
        let mut signature = vec![1, 0, 0, 0];
        signature.extend(self.stream.apply(&mac[..8]));
        signature.extend(self.sequence.to_le_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        signature
    }
}

/// A proven log-on: who it is, and the keys of both directions.
pub(crate) struct Session {
    pub(crate) account: Account,
    /// Whether both sides agreed to encrypt.
    pub(crate) sealed: bool,
    from_client: Direction,
    to_client: Direction,
}

impl Session {
    fn new(key: &[u8; 16], account: Account, sealed: bool) -> Self {
        let from_client = Direction::new(key, "client-to-server");
        Self { account, sealed, from_client, to_client: Direction::new(key, "server-to-client") }
    }

    /// Decrypts a body of the client. An error if the signature or its sequence number is wrong.
    pub(crate) fn unseal(&mut self, signature: &[u8], sealed: &[u8]) -> Result<Vec<u8>, String> {
        let plain = self.from_client.stream.apply(sealed);
        let expected = self.from_client.sign(&plain);
        if signature == expected { Ok(plain) } else { Err("the signature of the body is wrong".into()) }
    }

    /// Encrypts a body for the client: its signature and the bytes.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let sealed = self.to_client.stream.apply(plain);
        (self.to_client.sign(plain), sealed)
    }
}

#[cfg(test)]
mod tests;
