//! The keys of `ssh`, and the secrets that they may name.

use std::path::PathBuf;
use std::time::Duration;

use super::kinds::{Account, FilePath, Hidden, List, Span, Words, number, types};
use super::name::{is_given_name, not_an_address, not_one_machine, short};
use super::node::{Kind, Node};
use super::read::Reader;
use super::secret::{Origin, Secret};
use super::spec::{Become, Client, HostKeyPolicy, Jump};
use super::table::{One, Row, Table, Type, one};

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
        let odd = odd.or_else(|| not_one_machine(&address).map(str::to_owned));
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

/// Returns the words for the ways to become root.
pub fn become_words() -> impl Iterator<Item = &'static str> {
    BECOME.iter().map(|(word, _)| *word)
}

const HOST_KEY: &[(&str, HostKeyPolicy)] =
    &[("strict", HostKeyPolicy::Strict), ("accept-new", HostKeyPolicy::AcceptNew)];

const CLIENT: &[(&str, Client)] = &[("auto", Client::Auto), ("ssh2", Client::Ssh2), ("openssh", Client::OpenSsh)];

types! {
    /// A bastion.
    JumpType: Jump, Reader::jump, "`[USER@]HOST[:PORT]`", { "type": "string" };
}

const fn login<T: Type>(slot: fn(&mut SshLines) -> &mut Option<T::Value>, of: T) -> One<SshLines, T> {
    one(slot, of)
}

#[rustfmt::skip]
pub(super) const SSH: Table<SshLines> = &[&[
    Row { key: "user", field: &login(|s| &mut s.user, Account), default: "the ssh_config, else yours",
        doc: "The account; one of a domain too (`ops@corp.example`, `CORP\\ops`)." },
    Row { key: "port", field: &login(|s| &mut s.port, number(1, 65_535, "number")), default: "the ssh_config, else 22",
        doc: "The TCP port." },
    Row { key: "key", field: &login(|s| &mut s.keys, List(FilePath, "path, or a list")), default: "the ssh_config, else the agent and the usual files",
        doc: "Private keys." },
    Row { key: "passphrase", field: &login(|s| &mut s.passphrase, Hidden), default: "none",
        doc: "Of the keys." },
    Row { key: "password", field: &login(|s| &mut s.password, Hidden), default: "none",
        doc: "Of the login." },
    Row { key: "become", field: &login(|s| &mut s.method, Words(BECOME)), default: "`none`",
        doc: "How to become root: [become.md](become.md)." },
    Row { key: "become_password", field: &login(|s| &mut s.become_password, Hidden), default: "none",
        doc: "What that asks for." },
    Row { key: "jump", field: &login(|s| &mut s.jump, List(JumpType, "`[USER@]HOST[:PORT]`, or a list")), default: "the ssh_config",
        doc: "Bastions, the outermost first; hosts of this file too." },
    Row { key: "jump_limit", field: &login(|s| &mut s.jump_limit, number(1, 1000, "number")), default: "`8`",
        doc: "Connections through one bastion at a time." },
    Row { key: "host_key", field: &login(|s| &mut s.host_key, Words(HOST_KEY)), default: "the ssh_config, else `strict`",
        doc: "What an unknown host key means." },
    Row { key: "known_hosts", field: &login(|s| &mut s.known_hosts, FilePath), default: "those of the user and the system",
        doc: "The file of known host keys." },
    Row { key: "config", field: &login(|s| &mut s.config, FilePath), default: "that of the user, `~/.ssh/config`",
        doc: "The ssh_config." },
    Row { key: "timeout", field: &login(|s| &mut s.timeout, Span), default: "`10s`",
        doc: "For connecting, and for each silence." },
    Row { key: "client", field: &login(|s| &mut s.client, Words(CLIENT)), default: "`auto`",
        doc: "Which client speaks: [ssh.md](ssh.md)." },
]];
