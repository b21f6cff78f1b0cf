//! Where no SSH server answers: what does. libssh2 passes over all that comes before the name of a server.

use std::io::{Read, Write};
use std::time::Duration;

use super::connect::{DROPPED, tcp, unreachable};
use super::job::Hop;
use super::tunnel::Heard;
use crate::transport::TransportError;

/// LIBSSH2_ERROR_TIMEOUT: nothing came that it waited for.
const TIMED_OUT: ssh2::ErrorCode = ssh2::ErrorCode::Session(-9);

/// Longest first line that is shown, characters.
const LONGEST: usize = 80;

/// Why there was no handshake. Where it may have ended before the server had said its name, what
/// answers there is asked once more what it says; what is behind a bastion has been heard.
pub(super) fn no_handshake(hop: &Hop, error: &ssh2::Error, left: Duration, heard: Option<&Heard>) -> TransportError {
    let nameless = DROPPED.contains(&error.code()) || error.code() == TIMED_OUT;
    let said = || heard.map_or_else(|| first_words(hop, left), |heard| words(&heard.bytes()));
    match nameless.then(said).flatten() {
        Some(said) if is_busy(&said) => TransportError::Unreachable {
            to: hop.label(),
            cause: format!("the SSH server turns connections away: it says `{said}`"),
            hint: Some(BUSY_HINT.to_owned()),
        },
        Some(said) => TransportError::Unreachable {
            to: hop.label(),
            cause: format!("what answers there is no SSH server: it says `{said}`"),
            hint: Some("see the address and the `port` of the host".to_owned()),
        },
        None => unreachable(hop, &format!("SSH handshake: {}", error.message())),
    }
}

const BUSY_HINT: &str = "raise `MaxStartups` in its sshd_config, or let `PerSourcePenalties` leave this machine alone \
                         (`PerSourcePenaltyExemptList`); or lower `--forks`";

/// What sshd says in the place of its name where it takes no more connections: beyond `MaxStartups`, and under
/// `PerSourcePenalties` (OpenSSH 9.8 and later).
fn is_busy(words: &str) -> bool {
    ["Exceeded MaxStartups", "Not allowed at this time"].iter().any(|sign| words.starts_with(sign))
}

/// Whether what a server behind a bastion has said leaves it open that it is an sshd which is busy: an older one says
/// nothing.
pub(super) fn may_be_busy(heard: &Heard) -> bool {
    let bytes = heard.bytes();
    bytes.is_empty() || words(&bytes).is_some_and(|said| is_busy(&said))
}

/// What it answers to the name of an SSH client. There may be no time left but the one that this process
/// has to say how it went.
fn first_words(hop: &Hop, left: Duration) -> Option<String> {
    let time = left.clamp(Duration::from_millis(200), Duration::from_secs(1));
    let mut stream = tcp(hop, time, time).ok()?;
    stream.set_read_timeout(Some(time)).ok()?;
    stream.write_all(b"SSH-2.0-fleetclock\r\n").ok()?;
    let mut bytes = [0; 200];
    let count = stream.read(&mut bytes).ok()?;
    words(bytes.get(..count)?)
}

/// The first line, if it is there as a whole, is text, and not that of an SSH server.
fn words(bytes: &[u8]) -> Option<String> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n')?;
    let text = std::str::from_utf8(bytes.get(..whole)?).ok()?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let ssh = text.lines().any(|line| line.starts_with("SSH-"));
    (!ssh && !line.chars().any(char::is_control)).then(|| line.chars().take(LONGEST).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_busy_is_one_of_ssh() {
        for (words, busy) in [
            ("Exceeded MaxStartups", true),
            ("Not allowed at this time", true),
            ("220 mail.example ESMTP", false),
            ("HTTP/1.1 400 Bad Request", false),
        ] {
            assert_eq!(is_busy(words), busy, "{words}");
        }
    }

    #[test]
    fn only_words_of_something_else_are_shown() {
        for (bytes, shown) in [
            (&b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n"[..], Some("HTTP/1.1 400 Bad Request")),
            (b"\r\n220 mail.example ESMTP\r\n", Some("220 mail.example ESMTP")),
            (b"Exceeded MaxStartups\r\n", Some("Exceeded MaxStartups")),
            (b"SSH-2.0-OpenSSH_9.2\r\n", None),
            (b"Welcome\r\nSSH-2.0-OpenSSH_9.2\r\n", None),
            (b"\x1b[2Jred\r\n", None),
            (b"\0\xff\x13\n", None),
            (b"", None),
            (b"S", None),
            (b"HTTP/1.1 4", None),
        ] {
            assert_eq!(words(bytes).as_deref(), shown);
        }
    }
}
