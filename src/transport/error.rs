//! Why a host could not be talked to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a host could not be talked to. `Display` says what was tried and the cause; [`TransportError::hint`] the way out.
#[derive(Debug, thiserror::Error, Serialize, Deserialize)]
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
        method: String,
        /// Login name.
        user: String,
        /// The cause.
        cause: String,
        /// The way out.
        hint: String,
    },
    /// The script did not end in time.
    #[error("{doing} {to}: the host did not come to the end of it within {}", humantime::format_duration(*after))]
    Timeout {
        /// What was being done, a verb.
        doing: String,
        /// Address and port.
        to: String,
        /// The time limit.
        after: Duration,
        /// The way out.
        hint: String,
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
    /// What the host sent was too much for the process that talks to it.
    #[error("{doing} {to}: {cause}")]
    Broke {
        /// What was being done, a verb.
        doing: String,
        /// Address and port.
        to: String,
        /// The cause.
        cause: String,
        /// The way out.
        hint: String,
    },
    /// This machine itself is in the way; the host has no part in it.
    #[error("on this machine: {what}: {cause}")]
    Own {
        /// What was tried.
        what: String,
        /// The cause.
        cause: String,
        /// The way out.
        hint: String,
    },
}

impl TransportError {
    /// Returns whether the host was simply not to be reached (as opposed to: it refused us).
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. } | Self::Lost { .. } | Self::Broke { .. })
    }

    /// Returns whether this machine is at fault, and the host was not even asked.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }

    /// Returns the way out, if there is one to offer.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unreachable { hint, .. } => hint.as_deref(),
            Self::HostKey { hint, .. }
            | Self::Certificate { hint, .. }
            | Self::Login { hint, .. }
            | Self::Elevate { hint, .. }
            | Self::Timeout { hint, .. }
            | Self::Broke { hint, .. }
            | Self::Own { hint, .. } => Some(hint),
            Self::Lost { .. } => None,
        }
    }

    /// A login that has to set a new password first.
    pub(super) fn expired(to: String, user: String) -> Self {
        let cause = "the password has expired".to_owned();
        let hint =
            "log in once by hand and set a new one; for an account of a program, `chage -M -1 USER` on the host \
                    takes the limit away"
                .to_owned();
        Self::Login { to, user, cause, hint }
    }

    /// A script that did not end; who has sent it knows what it was for, and says so.
    pub(crate) fn late(to: String, after: Duration) -> Self {
        let hint = "log in to the host and see what keeps a script there".to_owned();
        Self::Timeout { doing: "run a script on".to_owned(), to, after, hint }
    }

    /// Whether this machine is short of something: files, processes, memory, ports, room.
    pub(super) fn is_shortage(error: &std::io::Error) -> bool {
        use nix::errno::Errno as E;
        let number = error.raw_os_error().map(E::from_raw);
        matches!(
            number,
            Some(E::EMFILE | E::ENFILE | E::EAGAIN | E::ENOMEM | E::ENOBUFS | E::EADDRNOTAVAIL | E::ENOSPC | E::EDQUOT)
        )
    }

    /// An operation on this machine that failed; what to do depends on what is used up.
    pub(super) fn own(what: &str, error: &std::io::Error) -> Self {
        let hint = match error.raw_os_error().map(nix::errno::Errno::from_raw) {
            Some(nix::errno::Errno::EMFILE) => {
                "too many files are open in this program: lower `--forks`, or raise `ulimit -n`"
            }
            Some(nix::errno::Errno::ENFILE) => {
                "too many files are open on this machine: lower `--forks`, or raise `fs.file-max`"
            }
            Some(nix::errno::Errno::EAGAIN) => "too many processes: lower `--forks`, or raise `ulimit -u`",
            Some(nix::errno::Errno::ENOMEM) => "this machine is out of memory: lower `--forks`",
            Some(nix::errno::Errno::ENOSPC | nix::errno::Errno::EDQUOT) => "free some space on this machine's disk",
            Some(nix::errno::Errno::EACCES | nix::errno::Errno::EPERM) => {
                "give the user of this program the right to it"
            }
            _ => "mend it on this machine and run again; the host was not contacted",
        };
        Self::Own { what: what.to_owned(), cause: error.to_string(), hint: hint.to_owned() }
    }
}
