//! Where to connect and how, from the inventory's settings and `~/.ssh/config`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ssh2_config::{ParseRule, SshConfig};

use crate::inventory::spec::{HostKeyPolicy, Jump, SshSettings};
use crate::transport::TransportError;

/// One hop, with every choice made.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The name that known_hosts has it under.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) keys: Vec<PathBuf>,
    pub(super) jump: Vec<Jump>,
    /// What an unknown host key means, where the inventory does not say it.
    pub(super) host_key: HostKeyPolicy,
    /// Settings of the ssh_config that only OpenSSH's own client can follow.
    pub(super) beyond: Vec<String>,
}

impl Target {
    pub(super) fn label(&self) -> String {
        label(&self.host, self.port)
    }
}

/// Address and port, as people write them.
pub(super) fn label(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The ssh_config files of a run, each parsed once.
#[derive(Default)]
pub(super) struct Configs(Mutex<HashMap<Option<PathBuf>, Arc<SshConfig>>>);

impl Configs {
    /// The parsed file; `None` is the user's own.
    ///
    /// # Errors
    /// It is there and cannot be read as an ssh_config: the user's mistake, and no host's.
    pub(super) fn get(&self, path: Option<&Path>) -> Result<Arc<SshConfig>, TransportError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = known.get(&path.map(Path::to_owned)) {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(config(path)?);
        known.insert(path.map(Path::to_owned), Arc::clone(&config));
        Ok(config)
    }
}

/// Largest ssh_config that is read.
const LARGEST: u64 = 16 << 20;

/// Parses the ssh_config file; a file that is not there is an empty one.
fn config(path: Option<&Path>) -> Result<SshConfig, TransportError> {
    let path = match (path, home()) {
        (Some(path), _) => path.to_owned(),
        (None, Some(home)) => home.join(".ssh/config"),
        (None, None) => return Ok(SshConfig::default()),
    };
    let what = format!("read the ssh_config {}", path.display());
    // `config: /dev/null` is how one says that there is none.
    if path == Path::new("/dev/null") {
        return Ok(SshConfig::default());
    }
    let text = match crate::input::read(&path, LARGEST) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(SshConfig::default()),
        Err(error) => return Err(TransportError::own(&what, &error)),
    };
    let rule = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
    SshConfig::default().parse(&mut text.as_slice(), rule).map_err(|error| TransportError::Own {
        what,
        cause: error.to_string(),
        hint: "correct it, or name another one with `ssh: { config: ... }`; no host was contacted".to_owned(),
    })
}

/// Chooses: the inventory, else the ssh_config, else the defaults of OpenSSH.
pub(super) fn resolve(
    address: &str,
    user: Option<&str>,
    port: Option<u16>,
    settings: &SshSettings,
    config: &SshConfig,
) -> Target {
    let params = config.query(address);
    let user = user.map(str::to_owned).or(params.user).or_else(login_name).unwrap_or_else(|| "root".to_owned());
    Target {
        host: params.host_name.unwrap_or_else(|| address.to_owned()),
        port: port.or(params.port).unwrap_or(22),
        user,
        keys: keys(settings, params.identity_file),
        jump: if settings.jump.is_empty() { jumps(params.proxy_jump) } else { settings.jump.clone() },
        host_key: HostKeyPolicy::Strict,
        beyond: Vec::new(),
    }
}

fn keys(settings: &SshSettings, configured: Option<Vec<PathBuf>>) -> Vec<PathBuf> {
    if !settings.keys.is_empty() {
        return settings.keys.clone();
    }
    if let Some(configured) = configured {
        return configured.iter().map(|path| expand(path)).collect();
    }
    let Some(home) = home() else { return Vec::new() };
    ["id_ed25519", "id_ecdsa", "id_rsa"]
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

/// Reads `[user@]host[:port]` of a ProxyJump line.
fn jumps(lines: Option<Vec<String>>) -> Vec<Jump> {
    let words = lines.unwrap_or_default();
    words.iter().filter(|word| word.as_str() != "none").map(|word| jump(word)).collect()
}

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
}
