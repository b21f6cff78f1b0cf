//! How a host is reached, complete and valid by construction.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// How the tool reaches a host.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Connection {
    /// Over SSH.
    Ssh(Box<SshSettings>),
    /// This machine itself.
    Local(ElevateSettings),
    /// Over WinRM: a Windows host.
    Winrm(Box<WinrmSettings>),
}

/// How to log in over WinRM.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WinrmSettings {
    /// Account: `Administrator`, `DOMAIN\\user` or `user@domain`.
    pub user: String,
    /// Its password.
    pub password: Option<Secret>,
    /// TLS; without it the messages are encrypted by NTLM.
    pub https: bool,
    /// TCP port.
    pub port: u16,
    /// How the account proves itself.
    pub auth: WinrmAuth,
    /// Whose certificate is believed.
    pub trust: Trust,
    /// Client certificate, PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
    /// Time limit for connecting.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// How an account proves itself to Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WinrmAuth {
    /// NTLMv2, the default of every Windows.
    Ntlm,
    /// Name and password; over https only.
    Basic,
    /// A ticket of the domain.
    Kerberos,
    /// A client certificate.
    Certificate,
}

/// Whose TLS certificate is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The authorities of this machine.
    System,
    /// The authorities of a PEM file.
    Ca(PathBuf),
    /// The one certificate with this SHA-256, hexadecimal.
    Pin(String),
    /// Any: no protection against somebody in between.
    Anybody,
}

/// How to log in over SSH. `None` leaves the choice to `~/.ssh/config` and its defaults.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SshSettings {
    /// Login name.
    pub user: Option<String>,
    /// TCP port.
    pub port: Option<u16>,
    /// Private key files, tried in order.
    pub keys: Vec<PathBuf>,
    /// Opens the key files.
    pub passphrase: Option<Secret>,
    /// For password and keyboard-interactive login.
    pub password: Option<Secret>,
    /// How to become root.
    pub elevate: ElevateSettings,
    /// Bastions, outermost first.
    pub jump: Vec<Jump>,
    /// Connections through one bastion at a time.
    pub jump_limit: usize,
    /// What an unknown host key means; `None` leaves it to the ssh_config, and its default is strict.
    pub host_key: Option<HostKeyPolicy>,
    /// The file of known host keys; `None` is `~/.ssh/known_hosts` and the system's file.
    pub known_hosts: Option<PathBuf>,
    /// The ssh_config file; `None` is `~/.ssh/config`.
    pub config: Option<PathBuf>,
    /// Time limit for connecting and for each silence.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Which client speaks to it.
    pub client: Client,
}

/// Which client of SSH speaks to a host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Client {
    /// libssh2, and the system's `ssh` where something demands it.
    #[default]
    Auto,
    /// libssh2, which is built in.
    Ssh2,
    /// The system's own `ssh`.
    OpenSsh,
}

/// How to become root on a host.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ElevateSettings {
    /// The program.
    pub method: Become,
    /// The password it may ask for.
    pub password: Option<Secret>,
}

/// The program that gives root rights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Become {
    /// The login already is root.
    #[default]
    None,
    /// sudo.
    Sudo,
    /// doas.
    Doas,
    /// su, with the password of root.
    Su,
    /// run0 of systemd.
    Run0,
    /// dzdo of Centrify.
    Dzdo,
    /// pbrun of `PowerBroker`.
    Pbrun,
    /// pmrun of Privilege Manager.
    Pmrun,
}

/// One bastion on the way to a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Jump {
    /// Login name on the bastion.
    pub user: Option<String>,
    /// Address or ssh_config alias of the bastion.
    pub address: String,
    /// TCP port.
    pub port: Option<u16>,
}

/// What to do about a host key that is in no known_hosts file. A changed key is always refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKeyPolicy {
    /// Refuse.
    Strict,
    /// Remember it.
    AcceptNew,
}
