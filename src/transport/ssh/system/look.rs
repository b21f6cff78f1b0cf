//! An `ssh` that goes as far as the login, and not further: for the key that a host shows, which it writes down
//! as one of a host that is new, and for what it has to say of the way there.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::askpass::{self, Answers};
use super::pipes::Piped;
use super::{Outcome, System, SystemJob, late, logged_in, ssh, words};
use crate::transport::TransportError;

/// The file in the folder of a connection where `ssh` writes down the key.
pub(in crate::transport::ssh) const SEEN: &str = "seen";

/// Longest file of one key, bytes.
const LONGEST: u64 = 64 << 10;

impl System {
    /// Returns the key that the host shows.
    pub(in crate::transport) fn look(job: &SystemJob) -> Result<Vec<u8>, TransportError> {
        let answers = Arc::new(Mutex::new(Answers::new(job.password.as_deref(), job.passphrase.as_deref())));
        let program = askpass::serve(&job.folder, Arc::clone(&answers))
            .map_err(|error| TransportError::own("make ready to answer ssh", &error))?;
        let said = knock(job, &program);
        askpass::shut(&job.folder);
        let said = said?;
        seen(&job.folder.join(SEEN)).ok_or_else(|| {
            let asked = answers.lock().unwrap_or_else(PoisonError::into_inner);
            words::failure(job, &said, &asked)
        })
    }
}

/// Why a login ended without a word: at its usual level `ssh` does not say that a negotiation failed.
pub(super) fn why(job: &SystemJob, program: &Path) -> String {
    let said = knock(job, program).unwrap_or_default();
    let came_to_login = said.contains("Permission denied");
    if came_to_login { "the server closed the connection during the login".to_owned() } else { said }
}

/// Returns what `ssh` said to its end, which is a login that was refused: it tries no way to log in.
fn knock(job: &SystemJob, program: &Path) -> Result<String, TransportError> {
    let mut command = ssh();
    // A server that lets everybody in is asked for nothing.
    command.args(["-T", "-o", "LogLevel=INFO", "-o", "PreferredAuthentications=none"]).args(&job.arguments).arg("exit");
    askpass::answers(&mut command, program);
    let mut process = Piped::start(&mut command).map_err(|error| TransportError::own("start ssh", &error))?;
    match logged_in(job, &mut process, Instant::now() + job.patience) {
        Outcome::Ended(said) => Ok(said),
        Outcome::In | Outcome::Late => Err(late(job)),
    }
}

/// The key in a file that has one.
fn seen(file: &Path) -> Option<Vec<u8>> {
    let text = crate::input::text(file, LONGEST).ok()?;
    let key = text.lines().find_map(|line| line.split(' ').nth(2))?;
    STANDARD.decode(key).ok()
}
