//! A connection through a bastion.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::Session;

use super::connect::{Link, acknowledge, free, unreachable};
use super::job::Hop;
use super::offer;
use crate::transport::TransportError;

/// What a server behind a bastion said first: what is known need not be asked a second time.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    fn listen(&self, bytes: &[u8]) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = offer::LONGEST.saturating_sub(heard.len());
        heard.extend(bytes.iter().take(room));
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A way through a bastion, on which a thread moves the bytes.
pub(super) struct Tunnel {
    pub(super) stream: UnixStream,
    pub(super) heard: Heard,
    whose: Arc<Whose>,
}

/// Whose the session of the bastion is, and the signal that this has changed.
#[derive(Default)]
struct Whose(Mutex<Owner>, Condvar);

/// Until the host behind it has shaken hands, the session may be needed for another way.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// It lends the session to the way; who connects has to end it.
    #[default]
    Lent,
    /// The way is its last: it ends with that.
    Given,
    /// The way is gone, and the session is free for another.
    Back,
}

impl Tunnel {
    /// The host has shaken hands: the session of the bastion goes with its way.
    pub(super) fn keep(&self, (session, socket): &Link) {
        let mut owner = self.whose.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *owner == Owner::Back {
            free(session, socket);
        } else {
            *owner = Owner::Given;
        }
    }

    /// Waits until the session of the bastion is free for another way; returns whether it is.
    pub(super) fn is_back(&self, time: Duration) -> bool {
        let owner = self.whose.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.whose.1.wait_timeout_while(owner, time, |owner| *owner != Owner::Back);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == Owner::Back
    }
}

impl Whose {
    /// The way is gone. A session that was given away goes with it.
    fn end(&self, mut pump: Pump, session: &Session) {
        let mut owner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = pump.socket.shutdown(Shutdown::Both);
        if *owner == Owner::Given {
            free(session, &pump.bastion);
        } else {
            // The bastion forgets the channel before there is another.
            session.set_blocking(true);
            let _ = pump.channel.close();
            *owner = Owner::Back;
        }
        drop(pump);
        self.1.notify_all();
    }
}

/// Opens one. libssh2 wants a real socket: a thread moves the bytes
/// between the bastion's channel and a pair of sockets.
pub(super) fn tunnel((bastion, wake): &Link, target: &Hop) -> Result<Tunnel, TransportError> {
    let failed = |cause: String| unreachable(target, &format!("through the bastion: {cause}"));
    let channel = bastion
        .channel_direct_tcpip(&target.host, target.port, None)
        .map_err(|error| failed(error.message().to_owned()))?;
    let own = |error: std::io::Error| TransportError::own("open a way through the bastion", &error);
    let (ours, theirs) = UnixStream::pair().map_err(own)?;
    theirs.set_nonblocking(true).map_err(own)?;
    let wake = wake.try_clone().map_err(own)?;
    bastion.set_blocking(false);
    let session = bastion.clone();
    let heard = Heard::default();
    let listener = heard.clone();
    let whose = Arc::<Whose>::default();
    let told = Arc::clone(&whose);
    let pump = move || {
        let mut pump = Pump { channel, socket: theirs, bastion: wake, heard: listener };
        pump.run();
        told.end(pump, &session);
    };
    std::thread::Builder::new().spawn(pump).map_err(own)?;
    Ok(Tunnel { stream: ours, heard, whose })
}

struct Pump {
    channel: ssh2::Channel,
    socket: UnixStream,
    /// The bastion's own socket, for waiting only.
    bastion: OwnedFd,
    heard: Heard,
}

impl Pump {
    fn run(&mut self) {
        let (mut out, mut back) = (Pipe::default(), Pipe::default());
        while !(back.ended && back.is_empty()) {
            let came = back.fill(&mut self.channel);
            if came {
                self.heard.listen(&back.bytes);
            }
            let moved = out.fill(&mut self.socket) | out.drain(&mut self.channel) | came | back.drain(&mut self.socket);
            if out.ended && out.is_empty() {
                let _ = self.channel.close();
                return;
            }
            if !moved {
                self.wait(&out, &back);
            }
        }
    }

    /// Sleeps until one of the two sides may have something.
    fn wait(&self, out: &Pipe, back: &Pipe) {
        // A side of which nothing can be taken is not waited for: it would be ready all the time. But the bastion
        // says there, too, that it takes more.
        let interest = |reads: bool, writes: bool| {
            let flag = |wanted: bool, flag| if wanted { flag } else { PollFlags::empty() };
            flag(reads, PollFlags::POLLIN) | flag(writes, PollFlags::POLLOUT)
        };
        let socket = interest(out.is_empty(), !back.is_empty());
        let bastion = interest(back.is_empty() || !out.is_empty(), !out.is_empty());
        let mut sides = [PollFd::new(self.socket.as_fd(), socket), PollFd::new(self.bastion.as_fd(), bastion)];
        acknowledge(&self.bastion);
        // Bytes may already be inside the session, where poll does not see them: wake up in any case.
        let _ = poll(&mut sides, PollTimeout::from(100u8));
    }
}

/// Bytes on their way in one direction.
#[derive(Default)]
struct Pipe {
    bytes: Vec<u8>,
    ended: bool,
}

impl Pipe {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn fill(&mut self, from: &mut impl Read) -> bool {
        if self.ended || !self.bytes.is_empty() {
            return false;
        }
        let mut buffer = vec![0; 32768];
        match from.read(&mut buffer) {
            Ok(0) => self.ended = true,
            Ok(count) => {
                buffer.truncate(count);
                self.bytes = buffer;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
            Err(_) => self.ended = true,
        }
        true
    }

    fn drain(&mut self, to: &mut impl Write) -> bool {
        if self.bytes.is_empty() {
            return false;
        }
        match to.write(&self.bytes) {
            Ok(count) => {
                self.bytes.drain(..count);
                count > 0
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => false,
            Err(_) => {
                self.bytes.clear();
                self.ended = true;
                true
            }
        }
    }
}
