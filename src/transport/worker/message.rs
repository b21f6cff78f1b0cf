//! What the program and a worker say to each other, and how: a frame is two lengths, a message in
//! JSON, and bytes that are not worth encoding (a script, a key, an output).

use std::io::{Read, Write};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::transport::TransportError;
use crate::transport::ssh::SshJob;
use crate::transport::ssh::system::SystemJob;
use crate::transport::winrm::WinrmJob;

/// Longest message, bytes: a job with its keys and passwords.
const LONGEST_MESSAGE: usize = 1 << 20;

/// Longest bytes behind a message: the largest output, every byte of which became a replacement character.
const LONGEST_BYTES: usize = 3 * (64 << 20) + (1 << 20);

/// What the program wants of its worker.
#[derive(Serialize, Deserialize)]
pub(in crate::transport) enum Request {
    /// Connect and log in.
    Ssh(Box<SshJob>),
    /// The same, by the system's own `ssh`.
    System(Box<SystemJob>),
    /// Connect, and only look at the key that the host shows.
    Key(Box<SshJob>),
    /// The same, by the system's own `ssh`.
    SystemKey(Box<SystemJob>),
    /// Log in to a Windows host.
    Winrm(Box<WinrmJob>),
    /// Whether the host key that was shown is trusted.
    Judged(bool),
    /// Run the script that follows.
    Run {
        /// Its time limit.
        deadline: Duration,
    },
    /// Close the connection; the next host follows.
    Close,
}

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::transport) enum Answer {
    /// The host at this place of the way shows the key that follows.
    HostKey {
        /// Zero is the outermost bastion.
        hop: usize,
    },
    /// The login is done.
    Connected,
    /// Complete lines of the script's output follow.
    Lines,
    /// The script has come to its end; both outputs follow.
    Output {
        /// The length of the first output.
        stdout: usize,
        /// The exit status.
        status: i32,
    },
    /// It did not work.
    Failed {
        /// In words.
        error: TransportError,
        /// Whether an account was refused its password.
        wrong_password: bool,
        /// Why OpenSSH's own client may succeed.
        openssh: Option<String>,
    },
    /// The connection is closed.
    Closed,
}

/// The two lengths that begin a frame.
pub(super) const HEAD: usize = 8;

/// Writes one frame; the bytes come in pieces, so that none is copied.
///
/// # Errors
/// The other side is gone, or the message is too long.
pub(super) fn send(to: &mut impl Write, message: &impl Serialize, pieces: &[&[u8]]) -> std::io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let bytes: usize = pieces.iter().map(|piece| piece.len()).sum();
    let too_long = || std::io::Error::other("the message is too long");
    if text.len() > LONGEST_MESSAGE || bytes > LONGEST_BYTES {
        return Err(too_long());
    }
    let length = |count: usize| u32::try_from(count).map(u32::to_be_bytes).map_err(|_| too_long());
    let mut head = Vec::with_capacity(HEAD + text.len());
    head.extend(length(text.len())?);
    head.extend(length(bytes)?);
    head.extend(text);
    // A small frame is one write.
    if bytes <= 1 << 16 {
        pieces.iter().for_each(|piece| head.extend_from_slice(piece));
        return to.write_all(&head);
    }
    to.write_all(&head)?;
    pieces.iter().try_for_each(|piece| to.write_all(piece))
}

/// The lengths of the message and of the bytes behind it; `None` is more than anybody may send.
pub(super) fn lengths(head: [u8; HEAD]) -> Option<(usize, usize)> {
    let number = |at: usize| Some(u32::from_be_bytes(*head.get(at..)?.first_chunk::<4>()?) as usize);
    let (text, bytes) = (number(0)?, number(4)?);
    (text <= LONGEST_MESSAGE && bytes <= LONGEST_BYTES).then_some((text, bytes))
}

/// Reads one frame, however long it takes.
///
/// # Errors
/// The other side is gone, or speaks another language.
pub(super) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> std::io::Result<(T, Vec<u8>)> {
    let mut head = [0; HEAD];
    from.read_exact(&mut head)?;
    let (text, bytes) = lengths(head).ok_or_else(|| std::io::Error::other("the message is too long"))?;
    let mut message = vec![0; text];
    from.read_exact(&mut message)?;
    let mut behind = vec![0; bytes];
    from.read_exact(&mut behind)?;
    Ok((serde_json::from_slice(&message)?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_frame_comes_back_as_it_was_sent() {
        for length in [0, 5, 1 << 17] {
            let mut wire = Vec::new();
            let text = vec![b'x'; length];
            send(&mut wire, &Answer::Output { stdout: length, status: 3 }, &[&text, b"err"]).unwrap();
            let (answer, bytes) = receive::<Answer>(&mut wire.as_slice()).unwrap();
            assert!(matches!(answer, Answer::Output { status: 3, stdout } if stdout == length));
            assert_eq!(bytes.len(), length + 3);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_or_take_memory(wire: Vec<u8>) {
            let _ = receive::<Answer>(&mut wire.as_slice());
            let _ = receive::<Request>(&mut wire.as_slice());
        }
    }
}
