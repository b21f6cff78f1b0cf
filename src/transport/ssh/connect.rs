//! From an address to a session that is logged in, directly or through bastions.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use ssh2::{MethodType, Session};

use super::hostkey::Known;
use super::target::{Target, config, config_error, resolve};
use super::{Permit, auth};
use crate::inventory::spec::{HostKeyPolicy, SshSettings};
use crate::transport::{Connections, TransportError};

/// A session, and what it stands on.
pub(super) struct Connected {
    pub(super) session: Session,
    /// For waiting only.
    pub(super) socket: OwnedFd,
    pub(super) target: Target,
    /// Dropped last: the bastions' sessions and their permits.
    _bastions: Vec<Permit>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        free(&self.session, &self.socket);
    }
}

/// Makes sure that a session is freed when it is dropped: libssh2 frees none that must not block, and
/// one that may block would wait for the host, unless the socket has an end.
pub(super) fn free(session: &Session, socket: &OwnedFd) {
    session.set_blocking(true);
    let _ = SockRef::from(socket).shutdown(Shutdown::Both);
}

/// A session of a bastion, and its socket.
type Hop = (Session, OwnedFd);

/// Connects and logs in.
pub(super) fn connect(address: &str, s: &SshSettings, shared: &Connections) -> Result<Connected, TransportError> {
    let (target, permits, previous) = way(address, s, shared)?;
    let (session, socket) = open(&target, s, previous.as_ref())?;
    Ok(Connected { session, socket, target, _bastions: permits })
}

/// Finds the way to a host, through its bastions.
pub(super) fn way(
    address: &str,
    s: &SshSettings,
    shared: &Connections,
) -> Result<(Target, Vec<Permit>, Option<Hop>), TransportError> {
    let config = config(s.config.as_deref()).map_err(|cause| config_error(address, &cause))?;
    let target = resolve(address, s.user.as_deref(), s.port, s, &config);
    let hops: Vec<Target> = target
        .jump
        .iter()
        .map(|jump| resolve(&jump.address, jump.user.as_deref().or(s.user.as_deref()), jump.port, s, &config))
        .collect();
    let mut permits = Vec::new();
    let mut previous: Option<Hop> = None;
    for hop in &hops {
        permits.push(shared.permit(&hop.label(), s.jump_limit)?);
        previous = Some(open(hop, s, previous.as_ref()).map_err(|error| through(error, hop))?);
    }
    Ok((target, permits, previous))
}

/// Says at which hop it failed.
fn through(error: TransportError, hop: &Target) -> TransportError {
    match error {
        TransportError::Unreachable { to, cause, hint } => {
            TransportError::Unreachable { to: format!("bastion {to}"), cause, hint }
        }
        TransportError::HostKey { to, cause, hint } => {
            TransportError::HostKey { to: format!("bastion {to}"), cause, hint }
        }
        TransportError::Login { to, user, cause, hint } => {
            TransportError::Login { to: format!("bastion {to}"), user, cause, hint }
        }
        other => {
            let cause = other.to_string();
            TransportError::Unreachable { to: format!("bastion {}", hop.label()), cause, hint: None }
        }
    }
}

/// One hop: stream, handshake, host key, login.
fn open(
    target: &Target,
    s: &SshSettings,
    through: Option<&(Session, OwnedFd)>,
) -> Result<(Session, OwnedFd), TransportError> {
    let known = Known::read(s, target);
    let (session, socket) = shake(target, s, &known, through)?;
    check_key(&session, &known, s.host_key, target)?;
    auth::login(&session, &socket, target, s)?;
    Ok((session, socket))
}

/// Shakes hands. A busy sshd drops connections at random before it says its name (`MaxStartups`);
/// nothing has been tried by then, so it is safe to come again.
pub(super) fn shake(
    target: &Target,
    s: &SshSettings,
    known: &Known,
    through: Option<&(Session, OwnedFd)>,
) -> Result<(Session, OwnedFd), TransportError> {
    let mut pauses = [200, 500, 1000, 2000].into_iter();
    loop {
        let (mut session, socket) = session(target, s, known, through)?;
        let Err(error) = session.handshake() else { return Ok((session, socket)) };
        match pauses.next().filter(|_| DROPPED.contains(&error.code())) {
            Some(milliseconds) => pause(Duration::from_millis(milliseconds)),
            None => return Err(unreachable(target, &format!("SSH handshake: {}", error.message()))),
        }
    }
}

/// LIBSSH2_ERROR_BANNER_RECV, _SOCKET_DISCONNECT, _SOCKET_RECV: closed or reset before the handshake was done.
const DROPPED: [ssh2::ErrorCode; 3] =
    [ssh2::ErrorCode::Session(-2), ssh2::ErrorCode::Session(-13), ssh2::ErrorCode::Session(-43)];

#[expect(clippy::disallowed_methods, reason = "the host is busy and is given a moment")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A session on its stream, before the handshake.
fn session(
    target: &Target,
    s: &SshSettings,
    known: &Known,
    through: Option<&(Session, OwnedFd)>,
) -> Result<(Session, OwnedFd), TransportError> {
    let mut session = Session::new().map_err(|error| unreachable(target, error.message()))?;
    session.set_timeout(u32::try_from(s.timeout.as_millis()).unwrap_or(u32::MAX));
    if let Some(algorithms) = known.algorithms() {
        // A type that this libssh2 does not know is left out by it; a preference is no demand.
        let _ = session.method_pref(MethodType::HostKey, &algorithms);
    }
    let socket: OwnedFd = match through {
        None => tcp(target, s.timeout)?.into(),
        Some(bastion) => tunnel(bastion, target)?.into(),
    };
    session.set_tcp_stream(socket.try_clone().map_err(|error| unreachable(target, &error.to_string()))?);
    Ok((session, socket))
}

fn check_key(session: &Session, known: &Known, policy: HostKeyPolicy, target: &Target) -> Result<(), TransportError> {
    match session.host_key() {
        Some((key, _)) => known.check(key, policy, &target.label()),
        None => Err(unreachable(target, "the server showed no host key")),
    }
}

/// Tries each address of the host within the time limit.
fn tcp(target: &Target, timeout: Duration) -> Result<TcpStream, TransportError> {
    let addresses: Vec<_> = (target.host.as_str(), target.port)
        .to_socket_addrs()
        .map_err(|error| unreachable(target, &format!("resolve the name: {error}")))?
        .collect();
    let deadline = Instant::now() + timeout;
    let mut last = "the name has no address".to_owned();
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                last = format!("timed out after {}", humantime::format_duration(timeout));
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(unreachable(target, &last))
}

/// Acknowledges at once what has arrived. sshd keeps its next small packet back until then (Nagle,
/// RFC 9293 section 3.7.4), and the kernel would wait up to 40 ms for something to send it with.
pub(super) fn acknowledge(socket: &OwnedFd) {
    // The socket of a tunnel is none of TCP, and needs none of this.
    let _ = SockRef::from(socket).set_tcp_quickack(true);
}

fn unreachable(target: &Target, cause: &str) -> TransportError {
    TransportError::Unreachable { to: target.label(), cause: cause.to_owned(), hint: None }
}

/// A connection through a bastion. libssh2 wants a real socket: a thread moves the bytes
/// between the bastion's channel and a pair of sockets.
fn tunnel((bastion, wake): &(Session, OwnedFd), target: &Target) -> Result<UnixStream, TransportError> {
    let failed = |cause: String| unreachable(target, &format!("through the bastion: {cause}"));
    let channel = bastion
        .channel_direct_tcpip(&target.host, target.port, None)
        .map_err(|error| failed(error.message().to_owned()))?;
    let (ours, theirs) = UnixStream::pair().map_err(|error| failed(error.to_string()))?;
    theirs.set_nonblocking(true).map_err(|error| failed(error.to_string()))?;
    let wake = wake.try_clone().map_err(|error| failed(error.to_string()))?;
    bastion.set_blocking(false);
    let session = bastion.clone();
    std::thread::spawn(move || {
        let mut pump = Pump { channel, socket: theirs, bastion: wake };
        pump.run();
        let _ = pump.socket.shutdown(Shutdown::Both);
        free(&session, &pump.bastion);
    });
    Ok(ours)
}

struct Pump {
    channel: ssh2::Channel,
    socket: UnixStream,
    /// The bastion's own socket, for waiting only.
    bastion: OwnedFd,
}

impl Pump {
    fn run(&mut self) {
        let (mut out, mut back) = (Pipe::default(), Pipe::default());
        while !(back.ended && back.is_empty()) {
            let moved = out.fill(&mut self.socket)
                | out.drain(&mut self.channel)
                | back.fill(&mut self.channel)
                | back.drain(&mut self.socket);
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
        let interest = |waiting: &Pipe| {
            if waiting.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT }
        };
        let mut sides =
            [PollFd::new(self.socket.as_fd(), interest(back)), PollFd::new(self.bastion.as_fd(), interest(out))];
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
