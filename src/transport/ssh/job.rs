//! What a worker is told about a host: all that it needs to go there, and nothing else. Secrets
//! stand here in clear, so there is no `Debug`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::inventory::spec::Become;

/// One connection.
#[derive(Serialize, Deserialize)]
pub(in crate::transport) struct SshJob {
    /// The bastions, outermost first, and then the host.
    pub(super) hops: Vec<Hop>,
    /// Time limit for connecting and for each silence.
    pub(super) timeout: Duration,
    pub(super) elevate: Become,
    pub(super) become_password: Option<String>,
}

/// One machine on the way.
#[derive(Serialize, Deserialize)]
pub(super) struct Hop {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// The types of key that it is known by.
    pub(super) algorithms: Option<String>,
    pub(super) keys: Vec<Key>,
    pub(super) password: Option<String>,
    /// Whether the agent is asked for the configured keys only.
    pub(super) own_keys: bool,
    /// Algorithms that the ssh_config allows.
    pub(super) kex: Option<String>,
    pub(super) ciphers: Option<String>,
    pub(super) macs: Option<String>,
}

/// A private key, or why it cannot be used.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Key {
    /// Its file, for messages.
    pub(super) name: String,
    pub(super) content: Result<Content, String>,
    /// The public half on one line, as far as it is known: an agent may have the key.
    pub(super) public: Option<String>,
    /// Whether the secret half is in a security token.
    pub(super) in_token: bool,
    /// Why OpenSSH's own client has to use it.
    pub(super) openssh: Option<String>,
}

/// What is in a key file.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) private: String,
    /// The public half on one line, where it is known: so libssh2 need not derive it.
    pub(super) public: Option<String>,
}

impl Hop {
    /// Address and port.
    pub(super) fn label(&self) -> String {
        super::target::label(&self.host, self.port)
    }
}
