//! Questions to one server, and what they come to. The socket is somebody else's.

use super::error::{Moment, Sample, compute};
use super::packet::{LENGTH, Reply, request};
use super::timestamp::Timestamp;

/// Time between two questions to one address, nanoseconds. Servers drop what comes faster: ntpd's
/// `discard minimum` is two seconds.
pub const HEADWAY: i64 = 2_050_000_000;

/// Steps of our clock that are looked at, and how often it is looked at for each.
const STEPS: u32 = 4;
const LOOKS: u32 = 1_000_000;

/// The step of the coarsest clock in use, that of Windows, nanoseconds.
pub const COARSE: i64 = 15_625_000;

/// Answers without time after which no better one is expected.
const UNUSABLE: u32 = 2;

/// Why nothing could be sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The host answered that nobody listens on the port.
    Refused,
    /// No route to the host or network.
    Unreachable,
    /// A packet filter of our own machine has stopped the question.
    Filtered,
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
            Trouble::Filtered => Outcome::Filtered,
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

    /// Does nothing for so many nanoseconds.
    fn rest(&mut self, nanoseconds: i64);

    /// Returns the least step in which the system clock is seen to go on, nanoseconds.
    fn grain(&mut self) -> i64;
}

/// How a server is asked.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Answers with good time that are wanted.
    pub samples: u32,
    /// Questions at most; those that are lost are asked again.
    pub tries: u32,
    /// How long the last answer may take, nanoseconds; the others have until the next question.
    pub timeout: i64,
    /// The error bound above which a better answer is looked for, nanoseconds.
    pub limit: i64,
    /// Time between two questions, nanoseconds.
    pub headway: i64,
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
    /// The question never left: a packet filter of the machine that asks has stopped it.
    Filtered,
    /// It refuses to serve us: DENY, RSTR, RATE or a code of its own that begins with X (RFC 5905
    /// section 7.4).
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
            Outcome::Filtered => "filtered",
            Outcome::Kiss(_) => "kiss",
            Outcome::Unsynchronised => "unsynchronised",
            Outcome::Invalid => "invalid",
            Outcome::Held => "held",
            Outcome::Forbidden => "no_permission",
        }
    }
}

/// What several questions to one server came to; the answer with the least error counts.
#[derive(Debug, Clone, Copy)]
pub struct Measurement {
    /// How the server was found. An answer with good time is not undone by a kiss that follows.
    pub outcome: Outcome,
    /// Requests sent.
    pub sent: u32,
    /// Answers to them.
    pub received: u32,
    /// Packets that were no answer to our request: late, repeated or forged.
    pub ignored: u32,
    /// The code of a kiss, also of one that came after a good answer.
    pub kiss: Option<[u8; 4]>,
    /// What the last answer said of its server.
    pub reply: Option<Reply>,
    /// The best answer; a good one, if there is one. None of a stratum 0, whose times mean nothing.
    pub best: Option<Sample>,
    /// Greatest minus least offset, nanoseconds.
    pub spread: i64,
    good: u32,
    least: i64,
    greatest: i64,
}

impl Measurement {
    /// Nothing was asked, or nothing could be.
    pub fn without(outcome: Outcome) -> Self {
        Measurement {
            outcome,
            sent: 0,
            received: 0,
            ignored: 0,
            kiss: None,
            reply: None,
            best: None,
            spread: 0,
            good: 0,
            least: i64::MAX,
            greatest: i64::MIN,
        }
    }

    /// Returns the greatest possible error of our clock, if there is an answer with good time.
    pub fn error_bound(&self) -> Option<i64> {
        self.best.filter(|_| self.outcome == Outcome::Ok).map(|best| best.error_bound())
    }

    fn take(&mut self, sample: Sample) {
        self.received += 1;
        let found = judge(&sample.reply);
        match found {
            Outcome::Kiss(code) => self.kiss = Some(code),
            // The good ones count from the first of them on.
            Outcome::Ok if self.good == 0 => (self.best, self.least, self.greatest) = (None, i64::MAX, i64::MIN),
            _ => {}
        }
        if found == Outcome::Ok || self.good == 0 {
            (self.outcome, self.reply) = (found, Some(sample.reply));
            self.keep(sample);
        }
        self.good += u32::from(found == Outcome::Ok);
    }

    fn keep(&mut self, sample: Sample) {
        if sample.reply.stratum == 0 {
            return;
        }
        self.least = self.least.min(sample.offset);
        self.greatest = self.greatest.max(sample.offset);
        self.spread = self.greatest.saturating_sub(self.least);
        if self.best.is_none_or(|old| sample.distance() < old.distance()) {
            self.best = Some(sample);
        }
    }

    /// Whether asking on would be of no use, or wrong: a kiss-o'-death says to stop.
    fn is_enough(&self, manner: &Manner) -> bool {
        let fine = self.good >= manner.samples.max(1) && self.error_bound().is_some_and(|bound| bound <= manner.limit);
        self.kiss.is_some() || fine || (self.good == 0 && self.received >= UNUSABLE)
    }
}

/// Asks a server until there are enough good answers, or the tries are used up.
pub fn measure(wire: &mut dyn Wire, manner: &Manner) -> Measurement {
    let mut m = Measurement::without(Outcome::Timeout);
    let grain = wire.grain();
    while m.sent < manner.tries.max(1) {
        let start = wire.steady();
        m.sent += 1;
        let patience = if m.sent < manner.tries { manner.timeout.max(manner.headway) } else { manner.timeout };
        match ask(wire, patience, grain, &mut m.ignored) {
            Ok(None) => {}
            Ok(Some(sample)) => m.take(sample),
            Err(trouble) => {
                if m.received == 0 {
                    m.outcome = trouble.outcome();
                }
                break;
            }
        }
        if m.is_enough(manner) {
            break;
        }
        if m.sent < manner.tries {
            let passed = wire.steady() - start;
            wire.rest(manner.headway - passed);
        }
    }
    let now = moment(wire);
    m.best = m.best.map(|best| best.aged(now));
    m
}

fn moment(wire: &mut dyn Wire) -> Moment {
    Moment { wall: wire.now(), steady: wire.steady() }
}

fn judge(reply: &Reply) -> Outcome {
    if reply.stratum == 0 {
        // All other codes (INIT, STEP, none) say that the server has no time yet, and are no refusal.
        match &reply.reference {
            b"DENY" | b"RSTR" | b"RATE" | [b'X', ..] => Outcome::Kiss(reply.reference),
            _ => Outcome::Unsynchronised,
        }
    } else if reply.is_unsynchronised() {
        Outcome::Unsynchronised
    } else if reply.transmit == Timestamp::ZERO || reply.receive == Timestamp::ZERO {
        Outcome::Invalid
    } else {
        Outcome::Ok
    }
}

/// One question; packets that are no answer to it do not prolong the wait.
fn ask(wire: &mut dyn Wire, timeout: i64, grain: i64, ignored: &mut u32) -> Result<Option<Sample>, Trouble> {
    let token = wire.token();
    let packet = request(token);
    let start = moment(wire);
    wire.send(&packet)?;
    let mut buffer = [0; 128];
    loop {
        let left = timeout - (wire.steady() - start.steady);
        if left <= 0 {
            return Ok(None);
        }
        let Some((length, arrived)) = wire.receive(&mut buffer, left)? else {
            return Ok(None);
        };
        match Reply::read(buffer.get(..length).unwrap_or_default()) {
            Some(reply) if reply.answers(token) => {
                let seen = moment(wire);
                let ours = grain.saturating_add(seen.jumped(&start));
                return Ok(Some(compute(start.wall, &reply, arrived, ours, seen)));
            }
            _ => *ignored += 1,
        }
    }
}

/// Returns the least step that a clock makes, nanoseconds: some go on with every instruction, some
/// 64 times a second.
pub fn least_step(clock: &mut dyn FnMut() -> Timestamp) -> i64 {
    let mut least = i64::MAX;
    for _ in 0..STEPS {
        let first = clock();
        let step = (0..LOOKS).map(|_| clock().since(first)).find(|step| *step > 0);
        least = least.min(step.unwrap_or(i64::MAX));
    }
    // A clock that stands still is no clock; one step of Windows' is 15.625 ms.
    if least == i64::MAX { COARSE } else { least }
}
