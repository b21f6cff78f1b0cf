//! NTP timestamps: 32 bits of seconds since 1900, 32 bits of fraction (RFC 5905 section 6).

/// Seconds from 1900-01-01 to 1970-01-01.
const UNIX_EPOCH: u64 = 2_208_988_800;

const NANOS: i128 = 1_000_000_000;

/// A moment within its era; eras are 2^32 seconds long and the present one ends in 2036.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The value that stands for "unknown".
    pub const ZERO: Timestamp = Timestamp(0);

    /// Takes the bits as they are on the wire.
    pub const fn from_bits(bits: u64) -> Self {
        Timestamp(bits)
    }

    /// Returns the bits as they go on the wire.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// Converts from a Unix time; the era is dropped.
    pub const fn from_unix(seconds: i64, nanos: u32) -> Self {
        let seconds = (seconds as u64).wrapping_add(UNIX_EPOCH) << 32;
        let fraction = ((nanos as u64) << 32) / 1_000_000_000;
        Timestamp(seconds.wrapping_add(fraction))
    }

    /// Returns `self - earlier` in nanoseconds.
    ///
    /// The difference wraps, so it is right across the change of an era, and for clocks of any
    /// two eras that are less than 68 years apart (RFC 5905 section 6).
    pub const fn since(self, earlier: Timestamp) -> i64 {
        let units = self.0.wrapping_sub(earlier.0) as i64;
        ((units as i128 * NANOS) >> 32) as i64
    }
}

/// Converts a 16.16 fixed point number of seconds to nanoseconds (RFC 5905 section 6, short format).
pub const fn short_to_nanos(bits: u32) -> i64 {
    ((bits as i128 * NANOS) >> 16) as i64
}
