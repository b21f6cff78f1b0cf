//! Where to connect and how, from the inventory's settings and the user's ssh_config. What that says is
//! asked of `ssh` itself where it is installed; else a crate reads it, and what that cannot is refused.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ssh2_config::{HostParams, ParseRule, SshConfig};

use super::carrier::is_installed;
use super::lines::Lines;
use super::said::{Answer, Calls};
use crate::inventory::spec::{HostKeyPolicy, Jump, SshSettings};
use crate::transport::TransportError;

/// One hop, with every choice made.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Where to connect.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) keys: Vec<PathBuf>,
    pub(super) jump: Vec<Jump>,
    /// What the ssh_config says beside.
    pub(super) more: More,
}

/// What an ssh_config says of a host; nothing is `None` and empty.
#[derive(Debug, Clone, Default)]
pub(super) struct More {
    /// The name that known_hosts has it under, in the place of its own.
    pub(super) alias: Option<String>,
    /// The files of known host keys: the user's own, and those of the machine.
    pub(super) known_hosts: Option<Vec<PathBuf>>,
    pub(super) global_known_hosts: Option<Vec<PathBuf>>,
    /// What an unknown host key means, where the inventory does not say it.
    pub(super) host_key: Option<HostKeyPolicy>,
    /// Whether names are hashed in what is added to known_hosts.
    pub(super) hash: bool,
    /// Whether the agent is asked for the configured keys only.
    pub(super) own_keys: bool,
    /// Algorithms that are allowed: key exchange, ciphers, MACs.
    pub(super) kex: Option<String>,
    pub(super) ciphers: Option<String>,
    pub(super) macs: Option<String>,
    /// Settings that only OpenSSH's own client can follow.
    pub(super) beyond: Vec<String>,
}

impl Target {
    pub(super) fn label(&self) -> String {
        label(&self.host, self.port)
    }

    /// What an unknown host key means: the inventory says it, else the ssh_config, and else it is refused.
    pub(super) fn host_key(&self, settings: &SshSettings) -> HostKeyPolicy {
        settings.host_key.or(self.more.host_key).unwrap_or(HostKeyPolicy::Strict)
    }
}

/// Address and port, as people write them.
pub(super) fn label(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The ssh_config files of a run, each read once.
#[derive(Default)]
pub(super) struct Configs {
    known: Mutex<HashMap<Option<PathBuf>, Arc<Config>>>,
    calls: Calls,
}

/// One file, or the user's own and that of the system.
struct Config {
    lines: Lines,
    /// For a machine without `ssh`.
    parsed: Option<SshConfig>,
}

impl Configs {
    /// Chooses: the inventory, else the ssh_config, else the defaults of OpenSSH.
    ///
    /// # Errors
    /// The ssh_config is there and cannot be read as one: the user's mistake, and no host's.
    pub(super) fn target(
        &self,
        address: &str,
        user: Option<&str>,
        port: Option<u16>,
        settings: &SshSettings,
    ) -> Result<Target, TransportError> {
        let file = settings.config.as_deref();
        let config = self.get(file)?;
        let found = match &config.parsed {
            Some(parsed) => Found::by_crate(parsed.query(address)),
            None if config.lines.any => Found::of(&self.calls.of(address, user, port, file, &config.lines)?),
            None => Found::default(),
        };
        Ok(found.target(address, user, port, settings))
    }

    /// The file; `None` is the user's own with that of the system.
    fn get(&self, path: Option<&Path>) -> Result<Arc<Config>, TransportError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = known.get(&path.map(Path::to_owned)) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(read(path)?);
        known.insert(path.map(Path::to_owned), Arc::clone(&config));
        Ok(config)
    }
}

fn read(path: Option<&Path>) -> Result<Config, TransportError> {
    let own = path.map(Path::to_owned).or_else(|| home().map(|home| home.join(".ssh/config")));
    let failed = |(file, error): (PathBuf, std::io::Error)| {
        TransportError::own(&format!("read the ssh_config {}", file.display()), &error)
    };
    let mut lines = Lines::default();
    if let Some(own) = &own {
        lines.read(own, &home().unwrap_or_default().join(".ssh")).map_err(failed)?;
    }
    if path.is_none() {
        lines.read(Path::new(OF_THE_SYSTEM), Path::new("/etc/ssh")).map_err(failed)?;
    }
    if is_installed() {
        return Ok(Config { lines, parsed: None });
    }
    if let Some((name, place)) = lines.beyond.first().or_else(|| lines.asked.first()) {
        return Err(TransportError::Own {
            what: "read the ssh_config".to_owned(),
            cause: format!("{place} has `{name}`, which takes OpenSSH's client, and that is not installed"),
            hint: "install it, or name another file with `ssh: { config: ... }`; no host was contacted".to_owned(),
        });
    }
    let system = path.is_none().then(|| PathBuf::from(OF_THE_SYSTEM));
    let parsed = config(&own.into_iter().chain(system).collect::<Vec<_>>())?;
    Ok(Config { lines, parsed: Some(parsed) })
}

const OF_THE_SYSTEM: &str = "/etc/ssh/ssh_config";

/// Parses files as one, of which the first comes first; a file that is not there is an empty one.
fn config(files: &[PathBuf]) -> Result<SshConfig, TransportError> {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let what = format!("read the ssh_config {}", names.join(", "));
    let mut text = Vec::new();
    for file in files {
        match super::lines::text(file) {
            Ok(bytes) => text.extend([bytes, b"\nHost *\n".to_vec()].concat()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(TransportError::own(&what, &error)),
        }
    }
    let rule = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
    SshConfig::default().parse(&mut text.as_slice(), rule).map_err(|error| TransportError::Own {
        what,
        cause: error.to_string(),
        hint: "correct it, or name another one with `ssh: { config: ... }`; no host was contacted".to_owned(),
    })
}

/// What was found in the ssh_config.
#[derive(Default)]
struct Found {
    host: Option<String>,
    user: Option<String>,
    port: Option<u16>,
    keys: Option<Vec<PathBuf>>,
    jump: Vec<Jump>,
    more: More,
}

impl Found {
    fn by_crate(params: HostParams) -> Self {
        let keys = params.identity_file.map(|keys| keys.iter().map(|path| expand(path)).collect());
        let jump = jumps(params.proxy_jump.unwrap_or_default().iter().map(String::as_str));
        Found { host: params.host_name, user: params.user, port: params.port, keys, jump, more: More::default() }
    }

    /// What `ssh -G` said.
    fn of(answer: &Answer) -> Self {
        let paths = |name: &str| {
            let words = answer.set(name)?.iter().flat_map(|value| value.split_whitespace());
            let words = words.filter(|word| !word.eq_ignore_ascii_case("none"));
            Some(words.map(|word| expand(Path::new(word))).collect::<Vec<_>>())
        };
        let text = |name: &str| answer.one(name).map(str::to_owned);
        let more = More {
            alias: text("hostkeyalias"),
            known_hosts: paths("userknownhostsfile"),
            global_known_hosts: paths("globalknownhostsfile"),
            host_key: answer.one("stricthostkeychecking").and_then(policy),
            hash: answer.one("hashknownhosts") == Some("yes"),
            own_keys: answer.one("identitiesonly") == Some("yes"),
            kex: text("kexalgorithms"),
            ciphers: text("ciphers"),
            macs: text("macs"),
            beyond: answer.beyond(),
        };
        Found {
            host: answer.host_name().map(str::to_owned),
            user: text("user"),
            port: answer.one("port").and_then(|port| port.parse().ok()),
            keys: answer.set("identityfile").map(|keys| keys.iter().map(|key| expand(Path::new(key))).collect()),
            jump: jumps(answer.one("proxyjump").unwrap_or_default().split(',')),
            more,
        }
    }

    fn target(self, address: &str, user: Option<&str>, port: Option<u16>, s: &SshSettings) -> Target {
        let mut more = self.more;
        if !s.jump.is_empty() {
            more.beyond.retain(|name| name != "proxycommand");
        }
        let user = user.map(str::to_owned).or(self.user).or_else(login_name).unwrap_or_else(|| "root".to_owned());
        Target {
            host: self.host.unwrap_or_else(|| address.to_owned()),
            port: port.or(self.port).unwrap_or(22),
            user,
            keys: if s.keys.is_empty() { self.keys.unwrap_or_else(usual_keys) } else { s.keys.clone() },
            jump: if s.jump.is_empty() { self.jump } else { s.jump.clone() },
            more,
        }
    }
}

/// In the words of `ssh -G`; `no` takes unknown keys, and of changed ones we take none.
fn policy(word: &str) -> Option<HostKeyPolicy> {
    match word {
        "accept-new" | "no" | "off" | "false" => Some(HostKeyPolicy::AcceptNew),
        "yes" | "true" => Some(HostKeyPolicy::Strict),
        _ => None,
    }
}

fn usual_keys() -> Vec<PathBuf> {
    let Some(home) = home() else { return Vec::new() };
    ["id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk"]
        .iter()
        .map(|name| home.join(".ssh").join(name))
        .filter(|path| path.exists())
        .collect()
}

fn expand(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), home()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

/// Reads the words of a ProxyJump line.
fn jumps<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Jump> {
    words.filter(|word| !word.is_empty() && *word != "none").map(jump).collect()
}

/// `[user@]host[:port]`.
fn jump(word: &str) -> Jump {
    let word = word.strip_prefix("ssh://").unwrap_or(word);
    let (user, rest) = match word.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, word),
    };
    match rest.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => {
            Jump { user, address: host.trim_matches(['[', ']']).to_owned(), port: Some(port) }
        }
        _ => Jump { user, address: rest.trim_matches(['[', ']']).to_owned(), port: None },
    }
}

pub(super) fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

fn login_name() -> Option<String> {
    nix::unistd::User::from_uid(nix::unistd::Uid::current()).ok().flatten().map(|user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_are_read_as_openssh_writes_them() {
        let parsed = jump("ops@bastion:2222");
        assert_eq!(parsed, Jump { user: Some("ops".into()), address: "bastion".into(), port: Some(2222) });
        assert_eq!(jump("fd00::1").address, "fd00::1");
        assert_eq!(jump("[fd00::1]:22").port, Some(22));
    }

    /// The settings of a host by an ssh_config, with the inventory's own file.
    fn target(text: &str, address: &str) -> Result<Target, TransportError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(&file, text).unwrap();
        let settings = SshSettings { config: Some(file), ..super::super::carrier::tests::settings() };
        let settings = SshSettings { keys: Vec::new(), jump: Vec::new(), ..settings };
        Configs::default().target(address, None, None, &settings)
    }

    #[test]
    fn an_ssh_config_is_read_as_openssh_reads_it() {
        let text = "Match exec \"false\"\n  Port 2222\n  ProxyJump nowhere\nHost web*\n  HostName %h.corp\n  User ops\n  \
                    HostKeyAlias farm\n  IdentityFile ~/k\n  UserKnownHostsFile /a /b\n  StrictHostKeyChecking accept-new\n  \
                    ProxyJump eve@gate:2200,inner\nHost tunnel\n  ProxyCommand nc %h %p\n";
        let web = target(text, "web1").unwrap();
        assert_eq!((web.host.as_str(), web.port, web.user.as_str()), ("web1.corp", 22, "ops"));
        assert_eq!(web.jump.iter().map(|jump| jump.address.as_str()).collect::<Vec<_>>(), ["gate", "inner"]);
        assert_eq!(web.keys, [home().unwrap().join("k")]);
        assert_eq!(web.more.alias.as_deref(), Some("farm"));
        assert_eq!(web.more.known_hosts.unwrap(), ["/a", "/b"].map(PathBuf::from));
        assert_eq!(web.more.global_known_hosts, None);
        let global = target("Host *\n  GlobalKnownHostsFile /g\n", "h").unwrap().more;
        assert_eq!((global.known_hosts, global.global_known_hosts), (None, Some(vec![PathBuf::from("/g")])));
        let none = target("Host *\n  UserKnownHostsFile none\n", "h").unwrap().more;
        assert_eq!(none.known_hosts, Some(Vec::new()));
        assert_eq!((web.more.host_key, web.more.beyond.len()), (Some(HostKeyPolicy::AcceptNew), 0));
        assert_eq!(target(text, "tunnel").unwrap().more.beyond, ["proxycommand"]);
        let usual = target(text, "other").unwrap();
        assert_eq!((usual.host.as_str(), usual.port, usual.more.beyond.len()), ("other", 22, 0));
    }

    #[test]
    fn without_an_ssh_to_ask_the_first_file_comes_first() {
        let dir = tempfile::tempdir().unwrap();
        let (own, system) = (dir.path().join("own"), dir.path().join("system"));
        std::fs::write(&own, "Host web\n  User ops\n").unwrap();
        std::fs::write(&system, "User eve\nPort 2222\n").unwrap();
        let parsed = config(&[own, dir.path().join("none"), system]).unwrap();
        let found = |host: &str| (parsed.query(host).user, parsed.query(host).port);
        assert_eq!(found("web"), (Some("ops".to_owned()), Some(2222)));
        assert_eq!(found("db"), (Some("eve".to_owned()), Some(2222)));
    }

    #[test]
    fn a_file_that_is_no_ssh_config_is_said_with_the_words_of_ssh() {
        let error = target("Host x\n  NoSuchSetting yes\n", "x").unwrap_err();
        assert!(error.is_own() && error.to_string().contains("Bad configuration option: nosuchsetting"), "{error}");
    }

    #[test]
    fn hosts_of_the_same_lines_are_asked_for_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        std::fs::write(&file, "Host h*\n  Port 2222\n").unwrap();
        let settings = SshSettings { config: Some(file), ..super::super::carrier::tests::settings() };
        let configs = Configs::default();
        let started = std::time::Instant::now();
        for number in 0..1000 {
            let address = format!("h{number}");
            let target = configs.target(&address, None, None, &settings).unwrap();
            assert_eq!((target.host, target.port), (address, 2222));
        }
        assert_eq!(configs.calls.len(), 2);
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    }
}
