//! The only way this program touches a host: one method, [`Transport::run`].
//!
//! A script goes in, its output comes back. Elevation, quoting, jump hosts and time limits are
//! the transport's own business; nothing outside this folder knows of them.

mod driver;
mod elevate;
mod local;
pub mod quote;
mod ssh;
mod terminal;

pub use ssh::trust::HostKey;
mod winrm;

use std::sync::Arc;
use std::time::Duration;

use crate::inventory::HostSpec;
use crate::inventory::spec::Connection;

/// Text for the POSIX shell of a host.
///
/// The transport sends it over standard input, wrapped so that the shell parses all of it
/// before it runs any of it: a connection that is cut in the middle runs nothing.
#[derive(Debug, Clone)]
pub struct Script {
    /// The shell text. Its commands read an empty standard input.
    pub text: String,
    /// Time limit for the whole run.
    pub deadline: Duration,
}

/// What a script left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// Standard output; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// Exit status; 128 + n for a signal.
    pub status: i32,
}

/// An open way to one host.
pub trait Transport: Send {
    /// Runs a script as root to its end, and hands the complete lines of standard output to
    /// `on_lines` as they arrive, one or more at a time.
    ///
    /// # Errors
    /// A non-zero status is an [`Output`], not an error; an error means that we could not talk
    /// to the host and so do not know what happened.
    fn run(&mut self, script: &Script, on_lines: &mut dyn FnMut(&str)) -> Result<Output, TransportError>;
}

/// What the connections of one run share.
#[derive(Debug, Default)]
pub struct Connections {
    bastions: Arc<ssh::Counts>,
    accounts: winrm::Accounts,
}

/// Opens the way to a host.
///
/// # Errors
/// It cannot be reached, its key is not trusted, or it refuses the login.
pub fn connect(spec: &HostSpec, shared: &Connections) -> Result<Box<dyn Transport>, TransportError> {
    match &spec.connection {
        Connection::Ssh(settings) => Ok(Box::new(ssh::Ssh::connect(&spec.address, settings, shared)?)),
        Connection::Local(elevate) => Ok(Box::new(local::Local { elevate: elevate.clone() })),
        Connection::Winrm(settings) => Ok(Box::new(winrm::Winrm::connect(&spec.address, settings, &shared.accounts)?)),
    }
}

/// Asks a host for the key that it shows.
///
/// # Errors
/// It cannot be reached, or is not reached over SSH.
pub fn host_key(spec: &HostSpec, shared: &Connections) -> Result<HostKey, TransportError> {
    match &spec.connection {
        Connection::Ssh(settings) => ssh::trust::look(&spec.address, settings, shared),
        _ => Err(TransportError::HostKey {
            to: spec.address.clone(),
            cause: "this host is not reached over SSH".to_owned(),
            hint: "only a host that is has a key in known_hosts".to_owned(),
        }),
    }
}

/// Why a host could not be talked to. `Display` says what was tried and the cause; [`TransportError::hint`] the way out.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No TCP connection: name, route, port or time limit.
    #[error("connect {to}: {cause}")]
    Unreachable {
        /// Address and port.
        to: String,
        /// The cause.
        cause: String,
        /// The way out, if there is one to offer.
        hint: Option<String>,
    },
    /// The host key is unknown, changed or not to be checked.
    #[error("host key of {to}: {cause}")]
    HostKey {
        /// Address and port.
        to: String,
        /// The cause.
        cause: String,
        /// The way out.
        hint: String,
    },
    /// The login was refused.
    #[error("log in to {to} as `{user}`: {cause}")]
    Login {
        /// Address and port.
        to: String,
        /// Login name.
        user: String,
        /// The cause.
        cause: String,
        /// The way out.
        hint: String,
    },
    /// Root rights were refused.
    #[error("become root with {method} as `{user}`: {cause}")]
    Elevate {
        /// sudo or doas.
        method: &'static str,
        /// Login name.
        user: String,
        /// The cause.
        cause: String,
        /// The way out.
        hint: String,
    },
    /// The script did not end in time.
    #[error("run a script on {to}: no end after {after:?}")]
    Timeout {
        /// Address and port.
        to: String,
        /// The time limit.
        after: Duration,
    },
    /// The connection broke.
    #[error("talk to {to}: {cause}")]
    Lost {
        /// Address and port.
        to: String,
        /// The cause.
        cause: String,
    },
    /// The TLS certificate of a Windows host is not believed.
    #[error("TLS to {to}: {cause}")]
    Certificate {
        /// Address and port.
        to: String,
        /// The cause.
        cause: String,
        /// The way out.
        hint: String,
    },
}

impl TransportError {
    /// Returns whether the host was simply not to be reached (as opposed to: it refused us).
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Lost { .. })
    }

    /// Returns the way out, if there is one to offer.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unreachable { hint, .. } => hint.as_deref(),
            Self::HostKey { hint, .. }
            | Self::Certificate { hint, .. }
            | Self::Login { hint, .. }
            | Self::Elevate { hint, .. } => Some(hint),
            _ => None,
        }
    }
}
