//! Reaching the first machine of a way: the program does it before it takes a worker, and reads nothing of
//! what that says. A host that is waited for holds up nobody else.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollFlags;
use socket2::{Domain, Socket, Type};

use super::job::Hop;
use crate::transport::{TransportError, places};

/// How long the server's first word is waited for; one that waits for the client's gets it from the worker then.
const FIRST_WORD: Duration = Duration::from_secs(3);

/// Connects, and waits for the first word, which a server of SSH says by itself (RFC 4253, 4.2). Returns the
/// time that is left for the handshake.
pub(super) fn reach(hop: &Hop, timeout: Duration) -> Result<(OwnedFd, Duration), TransportError> {
    let deadline = Instant::now() + timeout;
    let stream = tcp(hop, timeout, timeout)?;
    let left = || deadline.saturating_duration_since(Instant::now());
    places::wait(stream.as_fd(), PollFlags::POLLIN, left().saturating_sub(timeout / 4).min(FIRST_WORD));
    Ok((stream.into(), left()))
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
        match connect(*address, left.max(Duration::from_millis(1))) {
            Err(error) if !TransportError::is_shortage(&error) => last = error,
            done => return done,
        }
    }
    Err(last)
}

/// As `TcpStream::connect_timeout`, but for the place that is given away meanwhile.
fn connect(address: SocketAddr, left: Duration) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    if let Err(error) = socket.connect(&address.into()) {
        if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) {
            return Err(error);
        }
        if !places::wait(socket.as_fd(), PollFlags::POLLOUT, left) {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        socket.take_error()?.map_or(Ok(()), Err)?;
    }
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

pub(super) fn unreachable(target: &Hop, cause: &str) -> TransportError {
    TransportError::Unreachable { to: target.label(), cause: cause.to_owned(), hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;

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
