//! Several questions to one server, and what they come to. The socket is somebody else's.

use super::packet::{LENGTH, Reply, request};
use super::timestamp::Timestamp;

/// Silent samples after which a server is given up: waiting for the rest would only cost time.
const PATIENCE: u32 = 2;

/// Why nothing could be sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The host answered that nobody listens on the port.
    Refused,
    /// No route to the host or network.
    Unreachable,
    /// Another program holds the port to ask from.
    Held,
    /// This user may not ask from that port.
    Forbidden,
}

impl Trouble {
    /// Returns what it makes of a measurement.
    pub fn outcome(self) -> Outcome {
        match self {
            Trouble::Refused => Outcome::Refused,
            Trouble::Unreachable => Outcome::Unreachable,
            Trouble::Held => Outcome::Held,
            Trouble::Forbidden => Outcome::Forbidden,
        }
    }
}

/// The socket to one server.
pub trait Wire {
    /// Returns the system clock.
    fn now(&mut self) -> Timestamp;

    /// Returns a clock that does not jump, nanoseconds.
    fn steady(&mut self) -> i64;

    /// Returns a random number.
    fn token(&mut self) -> u64;

    /// Sends a request.
    ///
    /// # Errors
    /// The network refused it.
    fn send(&mut self, packet: &[u8; LENGTH]) -> Result<(), Trouble>;

    /// Waits up to `timeout` nanoseconds for a packet, and returns its length and when it
    /// arrived; `None` when nothing came.
    ///
    /// # Errors
    /// The network said that nothing will come.
    fn receive(&mut self, buffer: &mut [u8; 128], timeout: i64) -> Result<Option<(usize, Timestamp)>, Trouble>;
}

/// How a server was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with synchronised time.
    Ok,
    /// It never answered.
    Timeout,
    /// Nobody listens there.
    Refused,
    /// There is no way to it.
    Unreachable,
    /// It refuses to serve us; the code says why (RFC 5905 section 7.4).
    Kiss([u8; 4]),
    /// It answered that its own clock is not set.
    Unsynchronised,
    /// It answered with something that cannot be used.
    Invalid,
    /// It could not be asked: another program holds the port to ask from.
    Held,
    /// It could not be asked: this user may not ask from that port.
    Forbidden,
}

impl Outcome {
    /// Returns the word of the report.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Timeout => "timeout",
            Outcome::Refused => "refused",
            Outcome::Unreachable => "unreachable",
            Outcome::Kiss(_) => "kiss",
            Outcome::Unsynchronised => "unsynchronised",
            Outcome::Invalid => "invalid",
            Outcome::Held => "held",
            Outcome::Forbidden => "no_permission",
        }
    }
}

/// What several samples of one server came to; the one with the least delay counts.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    /// How the server was found.
    pub outcome: Outcome,
    /// Requests sent.
    pub sent: u32,
    /// Answers to them.
    pub received: u32,
    /// Packets that were no answer to our request: late, repeated or forged.
    pub ignored: u32,
    /// The best answer.
    pub best: Option<Best>,
    /// Greatest minus least offset, nanoseconds.
    pub spread: i64,
}

/// The sample with the least delay.
#[derive(Debug, Clone, Copy)]
pub struct Best {
    /// Server minus us, nanoseconds.
    pub offset: i64,
    /// Round trip without the time in the server, nanoseconds.
    pub delay: i64,
    /// The packet.
    pub reply: Reply,
}

impl Best {
    /// Returns the greatest possible error of our clock against true time, nanoseconds:
    /// |offset| + delay/2 + root delay/2 + root dispersion (RFC 5905 section 11.2).
    pub fn error_bound(&self) -> i64 {
        self.offset
            .saturating_abs()
            .saturating_add(self.delay / 2)
            .saturating_add(self.reply.root_delay / 2)
            .saturating_add(self.reply.root_dispersion)
    }
}

/// Asks a server `samples` times; `timeout` is for each, nanoseconds.
pub fn measure(wire: &mut dyn Wire, samples: u32, timeout: i64) -> Measurement {
    let mut m = Measurement { outcome: Outcome::Timeout, sent: 0, received: 0, ignored: 0, best: None, spread: 0 };
    let (mut least, mut greatest) = (i64::MAX, i64::MIN);
    while m.sent < samples.max(1) && m.sent - m.received < PATIENCE {
        m.sent += 1;
        match ask(wire, timeout, &mut m.ignored) {
            Ok(None) => {}
            Ok(Some(best)) => {
                m.received += 1;
                least = least.min(best.offset);
                greatest = greatest.max(best.offset);
                m.spread = greatest.saturating_sub(least);
                if keep(&mut m, best) {
                    break;
                }
            }
            Err(trouble) => {
                if m.received == 0 {
                    m.outcome = trouble.outcome();
                }
                break;
            }
        }
    }
    m
}

/// Takes an answer into the measurement; true when asking on would be wrong.
fn keep(m: &mut Measurement, best: Best) -> bool {
    m.outcome = judge(&best.reply);
    if m.best.is_none_or(|old| best.delay < old.delay) {
        m.best = Some(best);
    }
    // A kiss-o'-death says: stop asking.
    matches!(m.outcome, Outcome::Kiss(_))
}

fn judge(reply: &Reply) -> Outcome {
    // chronyd without a source answers with stratum 0 and no code: that is no kiss.
    if reply.stratum == 0 && reply.reference.iter().all(u8::is_ascii_graphic) {
        Outcome::Kiss(reply.reference)
    } else if reply.stratum == 0 || reply.is_unsynchronised() {
        Outcome::Unsynchronised
    } else if reply.transmit == Timestamp::ZERO || reply.receive == Timestamp::ZERO {
        Outcome::Invalid
    } else {
        Outcome::Ok
    }
}

/// One question; packets that are no answer to it do not prolong the wait.
fn ask(wire: &mut dyn Wire, timeout: i64, ignored: &mut u32) -> Result<Option<Best>, Trouble> {
    let token = wire.token();
    let packet = request(token);
    let start = wire.steady();
    let sent = wire.now();
    wire.send(&packet)?;
    let mut buffer = [0; 128];
    loop {
        let left = timeout - (wire.steady() - start);
        if left <= 0 {
            return Ok(None);
        }
        let Some((length, arrived)) = wire.receive(&mut buffer, left)? else {
            return Ok(None);
        };
        match Reply::read(buffer.get(..length).unwrap_or_default()) {
            Some(reply) if reply.answers(token) => return Ok(Some(compute(sent, &reply, arrived))),
            _ => *ignored += 1,
        }
    }
}

/// The on-wire arithmetic (RFC 5905 section 8), in a form that overflows in no era.
fn compute(t1: Timestamp, reply: &Reply, t4: Timestamp) -> Best {
    let (out, back) = (reply.receive.since(t1), reply.transmit.since(t4));
    // The half of a sum of two values of up to 68 years each.
    let offset = ((i128::from(out) + i128::from(back)) / 2) as i64;
    let inside = reply.transmit.since(reply.receive);
    // Clocks have grains: a delay below zero is a delay of nothing.
    let delay = t4.since(t1).saturating_sub(inside).max(0);
    Best { offset, delay, reply: *reply }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanos: u32) -> Timestamp {
        Timestamp::from_unix(seconds, nanos)
    }

    fn reply(receive: Timestamp, transmit: Timestamp) -> Reply {
        Reply {
            leap: 0,
            version: 4,
            mode: 4,
            stratum: 2,
            precision: -20,
            root_delay: 0,
            root_dispersion: 0,
            reference: [0; 4],
            origin: Timestamp::ZERO,
            receive,
            transmit,
        }
    }

    /// Off by the grain of 2^-32 s at most.
    fn close(value: i64, wanted: i64) {
        assert!((value - wanted).abs() <= 2, "{value} is not {wanted}");
    }

    #[test]
    fn offset_and_delay_are_those_of_the_rfc() {
        // We are 1 s behind, 10 ms there, 5 ms inside, 20 ms back.
        let best = compute(at(100, 0), &reply(at(101, 10_000_000), at(101, 15_000_000)), at(100, 35_000_000));
        close(best.offset, 995_000_000);
        close(best.delay, 30_000_000);
    }

    #[test]
    fn the_change_of_the_era_in_2036_is_nothing_special() {
        let era = 2_085_978_496;
        let best = compute(at(era - 1, 0), &reply(at(era + 1, 0), at(era + 1, 0)), at(era - 1, 0));
        close(best.offset, 2_000_000_000);
        close(best.delay, 0);
    }

    #[test]
    fn a_clock_that_is_fifty_years_off_is_measured() {
        let years = 50 * 365 * 86_400;
        let best = compute(at(0, 0), &reply(at(years, 0), at(years, 0)), at(0, 0));
        close(best.offset, years * 1_000_000_000);
    }

    #[test]
    fn differences_are_antisymmetric() {
        let (a, b) = (at(1_795_150_000, 123_456_789), at(2_500_000_000, 987_654_321));
        close(a.since(b), -b.since(a));
    }

    #[test]
    fn a_request_is_48_bytes_of_mode_3_that_tell_nothing_of_our_clock() {
        let packet = request(0x0102_0304_0506_0708);
        assert_eq!(packet[0], 0x23);
        assert_eq!(packet[1..40], [0; 39]);
        assert_eq!(packet[40..], [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
