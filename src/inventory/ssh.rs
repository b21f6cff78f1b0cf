//! The keys of `ssh`, and the secrets that they may name.

use std::path::PathBuf;
use std::time::Duration;

use super::name::{is_given_name, not_an_address, short};
use super::node::{Kind, Node};
use super::read::Reader;
use super::secret::{Origin, Secret};
use super::spec::{Become, Client, HostKeyPolicy, Jump};

/// The keys of `ssh`.
#[derive(Debug, Clone, Default)]
pub(super) struct SshLines {
    pub(super) user: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) keys: Option<Vec<PathBuf>>,
    pub(super) passphrase: Option<Secret>,
    pub(super) password: Option<Secret>,
    pub(super) method: Option<Become>,
    pub(super) become_password: Option<Secret>,
    pub(super) jump: Option<Vec<Jump>>,
    pub(super) jump_limit: Option<usize>,
    pub(super) host_key: Option<HostKeyPolicy>,
    pub(super) known_hosts: Option<PathBuf>,
    pub(super) config: Option<PathBuf>,
    pub(super) timeout: Option<Duration>,
    pub(super) client: Option<Client>,
}

impl Reader<'_> {
    /// `{ env: NAME }`, `{ file: PATH }`, `{ command: [..] }` or `ask`; never the secret itself.
    pub(super) fn secret(&mut self, node: &Node, what: &str) -> Option<Secret> {
        let origin = match &node.kind {
            Kind::Text(word) if word == "ask" => Origin::Ask(what.to_owned()),
            Kind::Map(_) => self.origin(node, what)?,
            _ => {
                let ways = "{ env: NAME }, { file: PATH }, { command: [..] } or ask";
                self.wrong(node.at, format!("{what}: a secret does not belong into this file; write {ways}"));
                return None;
            }
        };
        Some(self.secrets.entry(origin.clone()).or_insert_with(|| Secret::from(origin)).clone())
    }

    fn origin(&mut self, node: &Node, what: &str) -> Option<Origin> {
        let pairs = self.map(node, what, &["env", "file", "command"]);
        let [(key, value)] = pairs.as_slice() else {
            self.missing(node.at, format!("{what}: exactly one of env, file, command is needed"));
            return None;
        };
        match key.text.as_str() {
            "env" => self.text(value, what).map(Origin::Env),
            "file" => self.path(value, what).map(Origin::File),
            "command" => Some(Origin::Command(self.texts(value, what))),
            _ => None,
        }
    }

    /// `~` is the home folder; a relative path is relative to the inventory.
    pub(super) fn path(&mut self, node: &Node, what: &str) -> Option<PathBuf> {
        let text = self.text(node, what)?;
        Some(match (text.strip_prefix("~/"), std::env::home_dir()) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => self.folder.join(text),
        })
    }

    pub(super) fn ssh(&mut self, node: &Node, what: &str) -> SshLines {
        let mut ssh = SshLines::default();
        for (key, value) in &self.map(node, what, SSH) {
            let what = &format!("{what}.{}", key.text);
            match key.text.as_str() {
                "user" => ssh.user = self.account(value, what),
                "port" => ssh.port = self.number(value, what, 1, 65_535).and_then(|n| u16::try_from(n).ok()),
                "key" => ssh.keys = Some(self.list(value).into_iter().filter_map(|n| self.path(n, what)).collect()),
                "passphrase" => ssh.passphrase = self.secret(value, what),
                "password" => ssh.password = self.secret(value, what),
                "become" => ssh.method = self.choice(value, what, BECOME),
                "become_password" => ssh.become_password = self.secret(value, what),
                "jump" => ssh.jump = Some(self.list(value).into_iter().filter_map(|n| self.jump(n, what)).collect()),
                "jump_limit" => {
                    ssh.jump_limit = self.number(value, what, 1, 1000).and_then(|n| usize::try_from(n).ok());
                }
                "host_key" => ssh.host_key = self.choice(value, what, HOST_KEY),
                "known_hosts" => ssh.known_hosts = self.path(value, what),
                "config" => ssh.config = self.path(value, what),
                "client" => ssh.client = self.choice(value, what, CLIENT),
                "timeout" => ssh.timeout = self.duration(value, what),
                _ => {}
            }
        }
        ssh
    }

    /// `[user@]host[:port]`.
    fn jump(&mut self, node: &Node, what: &str) -> Option<Jump> {
        let text = self.text(node, what)?;
        let (user, rest) =
            text.rsplit_once('@').map_or((None, text.as_str()), |(user, rest)| (Some(user.to_owned()), rest));
        let port = rest.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let (address, port) = match port {
            Some((host, port)) => match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => {
                    self.wrong(node.at, format!("{what}: `{port}` is no port"));
                    return None;
                }
            },
            None => (rest, None),
        };
        let address = address.trim_matches(['[', ']']).to_owned();
        let odd = not_an_address(&address).filter(|_| !is_given_name(&address));
        if let Some(why) = odd.or_else(|| user.as_deref().and_then(not_a_user)) {
            self.wrong(node.at, format!("{what}: `{}` {why}", short(&text)));
            return None;
        }
        Some(Jump { user, address, port })
    }
}

fn not_a_user(name: &str) -> Option<String> {
    let odd = name.is_empty() || name.starts_with('-') || name.contains(char::is_whitespace);
    odd.then(|| "names no user before its `@`".to_owned())
}

const BECOME: &[(&str, Become)] = &[
    ("sudo", Become::Sudo),
    ("doas", Become::Doas),
    ("su", Become::Su),
    ("run0", Become::Run0),
    ("dzdo", Become::Dzdo),
    ("pbrun", Become::Pbrun),
    ("pmrun", Become::Pmrun),
    ("none", Become::None),
];

const HOST_KEY: &[(&str, HostKeyPolicy)] =
    &[("strict", HostKeyPolicy::Strict), ("accept-new", HostKeyPolicy::AcceptNew)];

const CLIENT: &[(&str, Client)] = &[("auto", Client::Auto), ("ssh2", Client::Ssh2), ("openssh", Client::OpenSsh)];

const SSH: &[&str] = &[
    "user",
    "port",
    "key",
    "passphrase",
    "password",
    "become",
    "become_password",
    "jump",
    "jump_limit",
    "host_key",
    "known_hosts",
    "config",
    "timeout",
    "client",
];
