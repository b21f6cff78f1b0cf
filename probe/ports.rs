//! The same questions from source port 123: W32Time and ntpd ask from there, and there are firewalls
//! that let pass only that port, or every port but that one.

use core::net::SocketAddr;

use crate::exchange::{Measurement, Trouble, measure};
use crate::system::{Port, Socket, pause};

/// Time between two questions of which none may be dropped for the rate of all: ntpd wants two
/// seconds (`discard minimum`), nanoseconds.
const HEADWAY: i64 = 2_200_000_000;

/// Repetitions until a difference between the ports is no accident.
const ROUNDS: u32 = 2;

/// The ports to ask from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// `any`: one that the kernel chooses.
    Any,
    /// `both`: then from 123, if no other program holds it.
    Both,
    /// `raw`: then from 123, even past the program that holds it, which sees the answers too and
    /// has no use for them.
    Raw,
}

impl Ports {
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "any" => Some(Ports::Any),
            "both" => Some(Ports::Both),
            "raw" => Some(Ports::Raw),
            _ => None,
        }
    }
}

/// How questions from port 123 end, after those from another port were `answered`, or not: the
/// word of an outcome; `held` by another program; `unsure` when the same port is answered one
/// time and not the next.
pub fn from_123(address: &SocketAddr, ports: Ports, answered: bool, timeout: i64) -> Option<&'static str> {
    if ports == Ports::Any {
        return None;
    }
    let opened = match Socket::connect(address, Port::Ntp) {
        Err(Trouble::Held) if ports == Ports::Raw => Socket::connect(address, Port::NtpRaw),
        opened => opened,
    };
    Some(match opened {
        Ok(mut socket) => compare(&mut socket, address, answered, timeout),
        Err(trouble) => trouble.outcome().word(),
    })
}

fn compare(socket: &mut Socket, address: &SocketAddr, answered: bool, timeout: i64) -> &'static str {
    let first = measure(socket, 1, timeout);
    if (first.received > 0) == answered {
        return first.outcome.word();
    }
    for _ in 0..ROUNDS {
        pause(HEADWAY);
        if other(address, timeout).is_none_or(|again| (again.received > 0) != answered) {
            return "unsure";
        }
        pause(HEADWAY);
        let again = measure(socket, 1, timeout);
        if (again.received > 0) == answered {
            // One lost packet is a lost packet; answers that come and go prove nothing.
            return if answered { again.outcome.word() } else { "unsure" };
        }
    }
    first.outcome.word()
}

fn other(address: &SocketAddr, timeout: i64) -> Option<Measurement> {
    let mut socket = Socket::connect(address, Port::Any).ok()?;
    Some(measure(&mut socket, 1, timeout))
}
