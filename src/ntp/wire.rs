//! The socket of this machine.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::IoSliceMut;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

use super::exchange::{HEADWAY, Manner, Trouble, Wire, least_step, measure};
use super::packet::LENGTH;
use super::report::SourceReport;
use super::timestamp::Timestamp;
use crate::model::Outcome;

/// How to ask.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Good answers that are wanted of each server.
    pub samples: u32,
    /// Questions to each server at most.
    pub tries: u32,
    /// Time limit of each.
    pub timeout: Duration,
    /// Time between two questions to one server.
    pub headway: Duration,
    /// UDP port to ask from; 0 leaves it to the system. W32Time asks from 123.
    pub source_port: u16,
}

impl Default for Options {
    /// One good answer, and three more questions if the first ones are lost.
    fn default() -> Self {
        let headway = Duration::from_nanos(HEADWAY.unsigned_abs());
        Options { samples: 1, tries: 4, timeout: Duration::from_secs(1), headway, source_port: 0 }
    }
}

impl Options {
    fn manner(&self) -> Manner {
        Manner {
            samples: self.samples,
            tries: self.tries.max(self.samples),
            timeout: nanos(self.timeout),
            limit: i64::MAX,
            headway: nanos(self.headway),
        }
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Measures a server from this machine: a name, an address, or either with a port. A name with
/// several addresses gives several reports; all are asked at the same time.
pub fn probe(server: &str, options: Options) -> Vec<SourceReport> {
    let with_port = match server.parse::<std::net::IpAddr>() {
        Ok(address) => SocketAddr::new(address, 123).to_string(),
        Err(_) if has_port(server) => server.to_owned(),
        Err(_) => format!("{server}:123"),
    };
    let Ok(addresses) = with_port.to_socket_addrs() else {
        return vec![SourceReport::without(server, Outcome::Unresolved)];
    };
    let mut addresses: Vec<SocketAddr> = addresses.collect();
    addresses.sort();
    addresses.dedup();
    std::thread::scope(|scope| {
        let ask = |address| scope.spawn(move || probe_address(server, address, options));
        let all: Vec<_> = addresses.into_iter().map(ask).collect();
        all.into_iter().filter_map(|one| one.join().ok()).collect()
    })
}

fn has_port(server: &str) -> bool {
    server.rsplit_once(':').is_some_and(|(host, port)| port.parse::<u16>().is_ok() && !host.is_empty())
}

fn probe_address(server: &str, address: SocketAddr, options: Options) -> SourceReport {
    let shown = if address.port() == 123 { address.ip().to_string() } else { address.to_string() };
    match Socket::connect(address, options.source_port) {
        Ok(mut socket) => SourceReport::local(server, &shown, &measure(&mut socket, &options.manner())),
        Err(error) => {
            let outcome = match error.kind() {
                std::io::ErrorKind::PermissionDenied => Outcome::NoPermission,
                _ => Outcome::Unreachable,
            };
            SourceReport { address: Some(shown), ..SourceReport::without(server, outcome) }
        }
    }
}

/// A connected UDP socket with the kernel's receive timestamps.
struct Socket {
    socket: UdpSocket,
    started: Instant,
}

impl Socket {
    fn connect(address: SocketAddr, port: u16) -> std::io::Result<Self> {
        let any = if address.is_ipv4() { "0.0.0.0" } else { "::" };
        let socket = UdpSocket::bind((any, port))?;
        socket.connect(address)?;
        // Without it the moment after the wake-up is taken, which is later and less steady.
        let _ = setsockopt(&socket, sockopt::ReceiveTimestampns, &true);
        Ok(Socket { socket, started: Instant::now() })
    }
}

fn trouble(errno: Errno) -> Trouble {
    match errno {
        Errno::ECONNREFUSED => Trouble::Refused,
        Errno::EPERM => Trouble::Filtered,
        _ => Trouble::Unreachable,
    }
}

fn system_time() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(now.as_secs()).unwrap_or(0), now.subsec_nanos())
}

impl Wire for Socket {
    fn now(&mut self) -> Timestamp {
        system_time()
    }

    #[expect(clippy::disallowed_methods, reason = "servers drop questions that come too soon")]
    fn rest(&mut self, nanoseconds: i64) {
        std::thread::sleep(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0)));
    }

    fn grain(&mut self) -> i64 {
        least_step(&mut system_time)
    }

    fn steady(&mut self) -> i64 {
        i64::try_from(self.started.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    fn token(&mut self) -> u64 {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_i64(self.steady());
        hasher.finish()
    }

    fn send(&mut self, packet: &[u8; LENGTH]) -> Result<(), Trouble> {
        match self.socket.send(packet) {
            Ok(_) => Ok(()),
            Err(error) => Err(trouble(Errno::from_raw(error.raw_os_error().unwrap_or(0)))),
        }
    }

    fn receive(&mut self, buffer: &mut [u8; 128], timeout: i64) -> Result<Option<(usize, Timestamp)>, Trouble> {
        // Rounded up: a wait of zero milliseconds would be no wait.
        let wait = Duration::from_nanos(u64::try_from(timeout).unwrap_or(0)) + Duration::from_millis(1);
        let wait = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], wait) {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
        let mut control = nix::cmsg_space!(TimeSpec);
        let mut parts = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<SockaddrStorage>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags);
        let (length, stamp) = match message {
            Ok(message) => {
                (message.bytes, message.cmsgs().ok().and_then(|mut all| all.find_map(|one| kernel_time(&one))))
            }
            Err(Errno::EAGAIN) => return Ok(None),
            Err(errno) => return Err(trouble(errno)),
        };
        Ok(Some((length, stamp.unwrap_or_else(|| self.now()))))
    }
}

fn kernel_time(message: &ControlMessageOwned) -> Option<Timestamp> {
    match message {
        ControlMessageOwned::ScmTimestampns(time) => {
            Some(Timestamp::from_unix(time.tv_sec(), u32::try_from(time.tv_nsec()).ok()?))
        }
        _ => None,
    }
}
