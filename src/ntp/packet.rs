//! 48 bytes out, 48 bytes in (RFC 5905 section 7.3). No socket here.

use super::timestamp::{Timestamp, short_to_nanos};

/// Length of a packet without extensions, bytes.
pub const LENGTH: usize = 48;

/// Leap indicator of a clock that is not synchronised.
pub const LEAP_UNKNOWN: u8 = 3;

/// First stratum that means "not synchronised".
pub const STRATUM_UNSYNCHRONISED: u8 = 16;

/// What a server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Leap indicator: 0 none, 1 and 2 a leap second today, 3 not synchronised.
    pub leap: u8,
    /// Protocol version.
    pub version: u8,
    /// Association mode; 4 is a server.
    pub mode: u8,
    /// Stratum; 0 is a kiss-o'-death.
    pub stratum: u8,
    /// Precision, log2 seconds.
    pub precision: i8,
    /// Root delay, nanoseconds.
    pub root_delay: i64,
    /// Root dispersion, nanoseconds.
    pub root_dispersion: i64,
    /// Reference id: an address, a name, or a kiss code.
    pub reference: [u8; 4],
    /// The transmit timestamp of our request, returned.
    pub origin: Timestamp,
    /// When the request arrived.
    pub receive: Timestamp,
    /// When the reply left.
    pub transmit: Timestamp,
}

/// Builds a client request. `token` goes where our own time would: the server returns it
/// unread, so a random value proves that the reply is to this request, and tells nobody our clock.
pub fn request(token: u64) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    // Leap 0, version 4, mode 3 (client).
    packet[0] = 0b00_100_011;
    packet[40..48].copy_from_slice(&token.to_be_bytes());
    packet
}

impl Reply {
    /// Reads a packet; `None` if it is too short.
    pub fn read(bytes: &[u8]) -> Option<Reply> {
        let packet: &[u8; LENGTH] = bytes.first_chunk()?;
        let short = |at: usize| {
            short_to_nanos(u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]))
        };
        Some(Reply {
            leap: packet[0] >> 6,
            version: (packet[0] >> 3) & 7,
            mode: packet[0] & 7,
            stratum: packet[1],
            precision: packet[3] as i8,
            root_delay: short(4),
            root_dispersion: short(8),
            reference: [packet[12], packet[13], packet[14], packet[15]],
            origin: stamp(packet, 24),
            receive: stamp(packet, 32),
            transmit: stamp(packet, 40),
        })
    }

    /// Whether it is the answer of a server to the request with this token.
    pub fn answers(&self, token: u64) -> bool {
        self.mode == 4 && (1..=4).contains(&self.version) && self.origin.to_bits() == token
    }

    /// Whether the server says that its own clock is not set.
    pub fn is_unsynchronised(&self) -> bool {
        self.leap == LEAP_UNKNOWN || self.stratum >= STRATUM_UNSYNCHRONISED
    }
}

fn stamp(packet: &[u8; LENGTH], at: usize) -> Timestamp {
    let mut bits = [0; 8];
    bits.copy_from_slice(&packet[at..at + 8]);
    Timestamp::from_bits(u64::from_be_bytes(bits))
}
