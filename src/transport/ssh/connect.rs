//! From an address to a session that is logged in, directly or through bastions.

use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use socket2::SockRef;
use ssh2::{MethodType, Session};

use super::disagree::{DISAGREED, disagreed, host_key_types};
use super::job::{Hop, SshJob};
use super::tunnel::{Tunnel, tunnel};
use super::{auth, stranger};
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
pub(super) type Link = (Session, OwnedFd);

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

/// Shakes hands. A bastion whose way leads nowhere is let go.
fn shake(hop: &Hop, timeout: Duration, previous: Option<&Link>) -> Result<Link, Failure> {
    let shaken = again_and_again(hop, timeout, previous);
    if let (Err(_), Some((session, socket))) = (&shaken, previous) {
        free(session, socket);
    }
    shaken
}

/// A busy sshd drops connections at random before it says its name (`MaxStartups`); nothing has been tried by then, so
/// it is safe to come again, while there is time. Behind a bastion the next way goes over the same login.
fn again_and_again(hop: &Hop, timeout: Duration, previous: Option<&Link>) -> Result<Link, Failure> {
    let deadline = Instant::now() + timeout;
    let mut pauses = super::pauses();
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let Fresh { mut session, socket, tunnel } = session(hop, left, timeout, previous)?;
        let Err(error) = session.handshake() else {
            if let (Some(tunnel), Some(bastion)) = (tunnel, previous) {
                tunnel.keep(bastion);
            }
            return Ok((session, socket));
        };
        free(&session, &socket);
        let heard = tunnel.as_ref().map(|tunnel| tunnel.heard.clone());
        if DISAGREED.contains(&error.code()) {
            return Err(disagreed(&session, hop, timeout, heard.as_ref(), error.message()));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let may_be_busy = DROPPED.contains(&error.code()) && heard.as_ref().is_none_or(stranger::may_be_busy);
        let again = may_be_busy && tunnel.is_none_or(|tunnel| tunnel.is_back(left));
        match pauses.next().filter(|time| again && *time < left) {
            Some(time) => pause(time),
            None => return Err(stranger::no_handshake(hop, &error, left, heard.as_ref()).into()),
        }
    }
}

/// LIBSSH2_ERROR_BANNER_RECV, _SOCKET_DISCONNECT, _SOCKET_RECV: closed or reset before the handshake was done.
pub(super) const DROPPED: [ssh2::ErrorCode; 3] =
    [ssh2::ErrorCode::Session(-2), ssh2::ErrorCode::Session(-13), ssh2::ErrorCode::Session(-43)];

#[expect(clippy::disallowed_methods, reason = "the host is busy and is given a moment")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A session before its handshake.
struct Fresh {
    session: Session,
    socket: OwnedFd,
    /// The way through the bastion, if the server is behind one.
    tunnel: Option<Tunnel>,
}

/// A session on its stream, before the handshake, within the time that is left of its limit.
fn session(hop: &Hop, left: Duration, timeout: Duration, previous: Option<&Link>) -> Result<Fresh, Failure> {
    let mut session = Session::new().map_err(|error| unreachable(hop, error.message()))?;
    session.set_timeout(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
    // A type that this libssh2 does not know is left out by it; a preference is no demand.
    let _ = session.method_pref(MethodType::HostKey, &host_key_types(&session, hop));
    restrict(&session, hop)?;
    let own = |error: std::io::Error| TransportError::own("open a connection", &error);
    let tunnel = previous.map(|bastion| tunnel(bastion, hop)).transpose()?;
    let socket: OwnedFd = match &tunnel {
        None => tcp(hop, left, timeout)?.into(),
        Some(tunnel) => tunnel.stream.try_clone().map_err(own)?.into(),
    };
    session.set_tcp_stream(socket.try_clone().map_err(own)?);
    Ok(Fresh { session, socket, tunnel })
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
    let failed = |error: std::io::Error, cause: String| match TransportError::is_shortage(&error) {
        true => TransportError::own("open a connection", &error),
        false => unreachable(target, &cause),
    };
    let addresses: Vec<_> = (target.host.as_str(), target.port)
        .to_socket_addrs()
        .map_err(|error| {
            let cause = format!("resolve the name: {error}");
            failed(error, cause)
        })?
        .collect();
    let stream = first_of(&addresses, left).map_err(|error| {
        let cause = match error.kind() {
            std::io::ErrorKind::TimedOut => format!("timed out after {}", humantime::format_duration(timeout)),
            _ => error.to_string(),
        };
        failed(error, cause)
    })?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// The first address that answers, or why the last did not. One that is silent, as those of a family without a
/// route often are, leaves the others their share of the time.
fn first_of(addresses: &[SocketAddr], left: Duration) -> std::io::Result<TcpStream> {
    let deadline = Instant::now() + left;
    let mut last = std::io::Error::other("the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let share = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let left = deadline.saturating_duration_since(Instant::now()) / share;
        match TcpStream::connect_timeout(address, left.max(Duration::from_millis(1))) {
            Err(error) if !TransportError::is_shortage(&error) => last = error,
            done => return done,
        }
    }
    Err(last)
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

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};

    #[test]
    fn an_address_that_is_silent_leaves_time_for_the_next() {
        let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        silent.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        silent.listen(0).unwrap();
        let address = silent.local_addr().unwrap().as_socket().unwrap();
        // As many as its queue holds; the kernel drops what comes then.
        let moment = Duration::from_millis(200);
        let held: Vec<_> = std::iter::from_fn(|| TcpStream::connect_timeout(&address, moment).ok()).take(64).collect();
        assert!(held.len() < 64, "the address answers");
        let good = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [address, good.local_addr().unwrap()];
        let stream = first_of(&addresses, Duration::from_secs(2)).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        let error = first_of(&addresses[..1], moment).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(first_of(&[], moment).unwrap_err().to_string(), "the name has no address");
    }
}
