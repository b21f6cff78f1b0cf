//! The only way this program touches a host: one method, [`Transport::run`].
//!
//! A script goes in, its output comes back. Elevation, quoting, jump hosts and time limits are
//! the transport's own business; nothing outside this folder knows of them.

mod driver;
mod elevate;
mod error;
mod factor;
mod local;
mod method;
mod question;
mod ssh;
mod stream;
mod terminal;
mod winrm;
mod worker;

pub use crate::text::quote;
pub use error::TransportError;
pub use ssh::system::answer_ssh;
pub use ssh::trust::HostKey;
pub use worker::serve_stdin;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

    /// What is unusual about this way, if anything is.
    fn note(&self) -> Option<&str> {
        None
    }
}

/// What the connections of one run share; copies share it, too.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    workers: Arc<worker::Pool>,
    bastions: Arc<ssh::Counts>,
    files: ssh::Files,
    accounts: winrm::Accounts,
    reasons: ssh::Reasons,
}

impl Connections {
    /// What is to be said of the connections of this run: which hosts the system's `ssh` had to reach, and why.
    pub fn notes(&self) -> Vec<String> {
        self.0.reasons.sentences()
    }

    /// How many hosts are waited for that have said nothing for longer than that since they were called.
    pub fn silent(&self, longer: Duration) -> usize {
        self.0.workers.silent.count(longer)
    }
}

/// Whether a host was contacted since the program began.
static CONTACTED: AtomicBool = AtomicBool::new(false);

/// Returns whether this program has gone to a host: what is wrong after that is no mistake of a command line.
pub fn has_contacted() -> bool {
    CONTACTED.load(Ordering::Relaxed)
}

/// Opens the way to a host.
///
/// # Errors
/// It cannot be reached, its key is not trusted, or it refuses the login.
pub fn connect(spec: &HostSpec, shared: &Connections) -> Result<Box<dyn Transport>, TransportError> {
    CONTACTED.store(true, Ordering::Relaxed);
    match &spec.connection {
        Connection::Ssh(settings) => ssh::connect(&spec.address, settings, &shared.0),
        Connection::Local(elevate) => Ok(Box::new(local::Local { elevate: elevate.clone() })),
        Connection::Winrm(settings) => winrm::connect(&spec.address, settings, &shared.0),
    }
}

/// Asks a host for the key that it shows.
///
/// # Errors
/// It cannot be reached, or is not reached over SSH.
pub fn host_key(spec: &HostSpec, shared: &Connections) -> Result<HostKey, TransportError> {
    match &spec.connection {
        Connection::Ssh(settings) => {
            CONTACTED.store(true, Ordering::Relaxed);
            ssh::trust::look(&spec.address, settings, &shared.0)
        }
        _ => Err(TransportError::HostKey {
            to: spec.address.clone(),
            cause: "this host is not reached over SSH".to_owned(),
            hint: "only a host that is has a key in known_hosts".to_owned(),
        }),
    }
}
