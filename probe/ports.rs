//! The port that questions come from: W32Time and ntpd ask from 123, and there are firewalls that let
//! pass only that port, or every port but that one.

use core::net::SocketAddr;

use crate::exchange::{HEADWAY, Manner, Measurement, Outcome, Trouble, measure};
use crate::system::{Port, Socket, pause};

/// Repetitions until a difference between the ports is no accident.
const ROUNDS: u32 = 2;

/// The ports to ask from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// `any`: one that the kernel chooses.
    Any,
    /// `first`: 123 if no other program holds it, else any; one answer is enough.
    First,
    /// `both`: any, and then 123, if no other program holds it.
    Both,
    /// `raw`: any, and then 123, even past the program that holds it, which sees the answers too and
    /// has no use for them.
    Raw,
}

impl Ports {
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "any" => Some(Ports::Any),
            "first" => Some(Ports::First),
            "both" => Some(Ports::Both),
            "raw" => Some(Ports::Raw),
            _ => None,
        }
    }
}

/// Asks a server, and says how questions from port 123 ended: the word of an outcome; `held` by
/// another program; `unsure` when the same port is answered one time and not the next.
pub fn ask(address: &SocketAddr, ports: Ports, manner: &Manner) -> (Measurement, Option<&'static str>) {
    match ports {
        Ports::Any => (from(address, Port::Any, manner), None),
        Ports::First => first(address, manner),
        Ports::Both | Ports::Raw => {
            let m = from(address, Port::Any, manner);
            // A kiss says to stop, and how another port would fare is no reason to go on.
            let word = m.kiss.is_none().then(|| from_123(address, ports, m.received > 0, manner));
            (m, word)
        }
    }
}

fn from(address: &SocketAddr, port: Port, manner: &Manner) -> Measurement {
    match Socket::connect(address, port) {
        Ok(mut socket) => measure(&mut socket, manner),
        Err(_) => Measurement::without(Outcome::Unreachable),
    }
}

/// The answer to a question from 123 says that the server serves and that this port gets through.
fn first(address: &SocketAddr, manner: &Manner) -> (Measurement, Option<&'static str>) {
    match Socket::connect(address, Port::Ntp) {
        Ok(mut socket) => {
            let m = measure(&mut socket, manner);
            // One lost packet proves nothing of a port.
            let word = if m.received > 0 { m.outcome.word() } else { "unsure" };
            (m, Some(word))
        }
        Err(trouble) => (from(address, Port::Any, manner), Some(trouble.outcome().word())),
    }
}

fn from_123(address: &SocketAddr, ports: Ports, answered: bool, manner: &Manner) -> &'static str {
    let opened = match Socket::connect(address, Port::Ntp) {
        Err(Trouble::Held) if ports == Ports::Raw => Socket::connect(address, Port::NtpRaw),
        opened => opened,
    };
    match opened {
        Ok(mut socket) => compare(&mut socket, address, answered, &Manner { samples: 1, tries: 1, ..*manner }),
        Err(trouble) => trouble.outcome().word(),
    }
}

fn compare(socket: &mut Socket, address: &SocketAddr, answered: bool, once: &Manner) -> &'static str {
    pause(HEADWAY);
    let first = measure(socket, once);
    if (first.received > 0) == answered || first.kiss.is_some() {
        return first.outcome.word();
    }
    for _ in 0..ROUNDS {
        pause(HEADWAY);
        if (from(address, Port::Any, once).received > 0) != answered {
            return "unsure";
        }
        pause(HEADWAY);
        let again = measure(socket, once);
        if (again.received > 0) == answered {
            // One lost packet is a lost packet; answers that come and go prove nothing.
            return if answered { again.outcome.word() } else { "unsure" };
        }
    }
    first.outcome.word()
}
