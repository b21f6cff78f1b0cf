//! From an address to a session that is logged in, directly or through bastions.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::SockRef;
use ssh2::{MethodType, Session};

use super::auth;
use super::job::{Hop, SshJob};
use super::offer::{self, Disagreement, List};
use super::stranger;
use crate::transport::TransportError;

/// A session, and what it stands on.
pub(super) struct Connected {
    pub(super) session: Session,
    /// For waiting only.
    pub(super) socket: OwnedFd,
    /// Address and port.
    pub(super) label: String,
    pub(super) user: String,
}

/// Tells whether the key that the host at this place of the way shows is trusted.
pub(super) type Judge<'a> = dyn FnMut(usize, &[u8]) -> bool + 'a;

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

/// Why there is no connection.
pub(in crate::transport) struct Failure {
    pub(in crate::transport) error: Box<TransportError>,
    /// Why OpenSSH's own client may succeed where this one did not.
    pub(in crate::transport) openssh: Option<String>,
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        Failure { error: Box::new(error), openssh: None }
    }
}

/// A session of a bastion, and its socket.
type Link = (Session, OwnedFd);

/// Connects and logs in.
pub(super) fn connect(job: &SshJob, judge: &mut Judge<'_>) -> Result<Connected, Failure> {
    let (target, previous) = approach(job, judge)?;
    let (session, socket) = open(target, job.hops.len() - 1, job.timeout, previous.as_ref(), judge)?;
    Ok(Connected { session, socket, label: target.label(), user: target.user.clone() })
}

/// Goes as far as the host shows its key.
pub(super) fn look(job: &SshJob, judge: &mut Judge<'_>) -> Result<(), Failure> {
    let (target, previous) = approach(job, judge)?;
    let (session, socket) = shake(target, job.timeout, previous.as_ref())?;
    let key = shown(&session, target)?;
    judge(job.hops.len() - 1, &key);
    free(&session, &socket);
    Ok(())
}

/// Opens the bastions on the way to the last hop.
fn approach<'a>(job: &'a SshJob, judge: &mut Judge<'_>) -> Result<(&'a Hop, Option<Link>), Failure> {
    let nowhere = || TransportError::Lost { to: String::new(), cause: "a job without a host".to_owned() };
    let (target, bastions) = job.hops.split_last().ok_or_else(nowhere)?;
    let mut previous: Option<Link> = None;
    for (place, hop) in bastions.iter().enumerate() {
        let opened = open(hop, place, job.timeout, previous.as_ref(), judge);
        previous = Some(
            opened.map_err(|failure| Failure { error: Box::new(through(*failure.error, &hop.label())), ..failure })?,
        );
    }
    Ok((target, previous))
}

/// Says at which hop it failed.
pub(super) fn through(error: TransportError, hop: &str) -> TransportError {
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
        own @ TransportError::Own { .. } => own,
        other => {
            let cause = other.to_string();
            TransportError::Unreachable { to: format!("bastion {hop}"), cause, hint: None }
        }
    }
}

/// One hop: stream, handshake, host key, login.
fn open(
    hop: &Hop,
    place: usize,
    timeout: Duration,
    previous: Option<&Link>,
    judge: &mut Judge<'_>,
) -> Result<Link, Failure> {
    let (session, socket) = shake(hop, timeout, previous)?;
    let key = shown(&session, hop)?;
    let login = if judge(place, &key) {
        auth::login(&session, &socket, hop)
    } else {
        // The program knows why, and says it.
        Err(unreachable(hop, "its key is not trusted").into())
    };
    match login {
        Ok(()) => Ok((session, socket)),
        Err(error) => {
            free(&session, &socket);
            Err(error)
        }
    }
}

fn shown(session: &Session, hop: &Hop) -> Result<Vec<u8>, TransportError> {
    let key = session.host_key().map(|(key, _)| key.to_vec());
    key.ok_or_else(|| unreachable(hop, "the server showed no host key"))
}

/// Shakes hands. A busy sshd drops connections at random before it says its name (`MaxStartups`);
/// nothing has been tried by then, so it is safe to come again, while there is time.
fn shake(hop: &Hop, timeout: Duration, previous: Option<&Link>) -> Result<Link, Failure> {
    let deadline = Instant::now() + timeout;
    let mut pauses = [200, 500, 1000, 2000].into_iter().map(Duration::from_millis);
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let (mut session, socket) = session(hop, left, timeout, previous)?;
        let Err(error) = session.handshake() else { return Ok((session, socket)) };
        free(&session, &socket);
        if DISAGREED.contains(&error.code()) {
            return Err(disagreed(&session, hop, timeout, previous, error.message()));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match pauses.next().filter(|time| DROPPED.contains(&error.code()) && *time < left) {
            Some(time) => pause(time),
            None => return Err(stranger::no_handshake(hop, &error, left, previous.is_none()).into()),
        }
    }
}

/// LIBSSH2_ERROR_BANNER_RECV, _SOCKET_DISCONNECT, _SOCKET_RECV: closed or reset before the handshake was done.
pub(super) const DROPPED: [ssh2::ErrorCode; 3] =
    [ssh2::ErrorCode::Session(-2), ssh2::ErrorCode::Session(-13), ssh2::ErrorCode::Session(-43)];

/// LIBSSH2_ERROR_KEX_FAILURE, _METHOD_NONE, _METHOD_NOT_SUPPORTED: nothing in common, but it is not said of what.
const DISAGREED: [ssh2::ErrorCode; 3] =
    [ssh2::ErrorCode::Session(-5), ssh2::ErrorCode::Session(-17), ssh2::ErrorCode::Session(-33)];

/// Asks the server what it offers, and says what has no common member.
fn disagreed(session: &Session, hop: &Hop, timeout: Duration, previous: Option<&Link>, words: &str) -> Failure {
    // A bastion opens one way; what is behind it is not asked a second time.
    let asked = previous.is_none().then(|| offers(hop, timeout)).flatten();
    match asked.and_then(|offers| offers.disagreement(|list| ours(session, hop, list))) {
        Some(found) if found.list == List::HostKey && hop.algorithms.is_some() => other_types(hop, &found).into(),
        Some(found) => {
            let openssh = Some(format!(
                "libssh2 knows no {} that {} offers ({})",
                found.list.words(),
                hop.label(),
                found.theirs.join(", ")
            ));
            Failure { error: Box::new(nothing_common(hop, &found)), openssh }
        }
        None => {
            let error = TransportError::Unreachable {
                to: hop.label(),
                cause: format!("SSH handshake: {words}"),
                hint: Some("`ssh -v` to the host shows what each side offers".to_owned()),
            };
            Failure {
                error: Box::new(error),
                openssh: Some(format!("libssh2 and {} did not agree on a key exchange", hop.label())),
            }
        }
    }
}

fn offers(hop: &Hop, timeout: Duration) -> Option<offer::Offers> {
    let mut stream = tcp(hop, timeout, timeout).ok()?;
    stream.set_read_timeout(Some(timeout)).ok()?;
    offer::ask(&mut stream, Instant::now() + timeout)
}

/// What this side offers to a host.
fn ours(session: &Session, hop: &Hop, list: List) -> Vec<String> {
    let allowed = match list {
        List::Kex => &hop.kex,
        List::Cipher => &hop.ciphers,
        List::Mac => &hop.macs,
        List::HostKey => &None,
    };
    if let Some(allowed) = allowed {
        return allowed.split(',').map(str::to_owned).collect();
    }
    let kind = match list {
        List::Kex => MethodType::Kex,
        List::HostKey => return host_key_types(session, hop).split(',').map(str::to_owned).collect(),
        List::Cipher => MethodType::CryptCs,
        List::Mac => MethodType::MacCs,
    };
    let known = session.supported_algs(kind).unwrap_or_default().into_iter();
    known.filter(|name| !offer::is_sign(name)).map(str::to_owned).collect()
}

/// The types of host key that a host is asked for: those that it is known by, else all plain ones. A
/// certificate is no key that could be remembered: it ends some day, and `ssh` would call it a changed key.
fn host_key_types(session: &Session, hop: &Hop) -> String {
    hop.algorithms.clone().unwrap_or_else(|| {
        let known = session.supported_algs(MethodType::HostKey).unwrap_or_default();
        known.into_iter().filter(|name| !name.contains("-cert-v0")).collect::<Vec<_>>().join(",")
    })
}

/// The host has no key any more of the types that it is known by.
fn other_types(hop: &Hop, found: &Disagreement) -> TransportError {
    TransportError::HostKey {
        to: hop.label(),
        cause: format!(
            "it has no key of a type that it is known by: known_hosts has {}, the server offers {}",
            found.ours.join(", "),
            found.theirs.join(", ")
        ),
        hint:
            "a server in FIPS mode has no ed25519 key any more, and policies take types away: compare the fingerprint \
               of its present key at its console, then `fleetclock trust HOST`"
                .to_owned(),
    }
}

fn nothing_common(hop: &Hop, found: &Disagreement) -> TransportError {
    let list = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    TransportError::Unreachable {
        to: hop.label(),
        cause: format!(
            "SSH handshake: no {} in common: the server offers {}; libssh2 knows {}",
            found.list.words(),
            list(&found.theirs),
            list(&found.ours)
        ),
        hint: Some(format!(
            "let the server offer one of ours, too (`{}` in its sshd_config), or use `ssh: {{ client: openssh }}`, if the \
             system's `ssh` knows one of its",
            found.list.setting()
        )),
    }
}

#[expect(clippy::disallowed_methods, reason = "the host is busy and is given a moment")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A session on its stream, before the handshake, within the time that is left of its limit.
fn session(hop: &Hop, left: Duration, timeout: Duration, previous: Option<&Link>) -> Result<Link, Failure> {
    let mut session = Session::new().map_err(|error| unreachable(hop, error.message()))?;
    session.set_timeout(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
    // A type that this libssh2 does not know is left out by it; a preference is no demand.
    let _ = session.method_pref(MethodType::HostKey, &host_key_types(&session, hop));
    restrict(&session, hop)?;
    let socket: OwnedFd = match previous {
        None => tcp(hop, left, timeout)?.into(),
        Some(bastion) => tunnel(bastion, hop)?.into(),
    };
    session.set_tcp_stream(socket.try_clone().map_err(|error| unreachable(hop, &error.to_string()))?);
    Ok((session, socket))
}

/// Keeps to the algorithms that the ssh_config allows, of those that libssh2 knows.
fn restrict(session: &Session, hop: &Hop) -> Result<(), Failure> {
    use MethodType::{CryptCs, CryptSc, Kex, MacCs, MacSc};
    let lists = [(&hop.kex, &[Kex][..]), (&hop.ciphers, &[CryptCs, CryptSc]), (&hop.macs, &[MacCs, MacSc])];
    for (list, kinds) in lists {
        let Some(list) = list else { continue };
        if kinds.iter().any(|kind| session.method_pref(*kind, list).is_err()) {
            let why = format!("libssh2 knows nothing of what the ssh_config allows ({list})");
            return Err(Failure { error: Box::new(unreachable(hop, &why)), openssh: Some(why) });
        }
    }
    Ok(())
}

/// Tries each address of the host within the time limit.
pub(super) fn tcp(target: &Hop, left: Duration, timeout: Duration) -> Result<TcpStream, TransportError> {
    let addresses: Vec<_> = (target.host.as_str(), target.port)
        .to_socket_addrs()
        .map_err(|error| unreachable(target, &format!("resolve the name: {error}")))?
        .collect();
    let deadline = Instant::now() + left;
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
            Err(error) if TransportError::is_shortage(&error) => {
                return Err(TransportError::own("open a connection", &error));
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

pub(super) fn unreachable(target: &Hop, cause: &str) -> TransportError {
    TransportError::Unreachable { to: target.label(), cause: cause.to_owned(), hint: None }
}

/// A connection through a bastion. libssh2 wants a real socket: a thread moves the bytes
/// between the bastion's channel and a pair of sockets.
fn tunnel((bastion, wake): &Link, target: &Hop) -> Result<UnixStream, TransportError> {
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
