//! The on-wire arithmetic (RFC 5905 section 8), and how wrong its result can be (section 11.2).

use super::packet::Reply;
use super::timestamp::Timestamp;

/// How fast a clock may drift that is not disciplined: 15 ppm (PHI of RFC 5905), as a divisor.
const DRIFT: i64 = 66_667;

/// Half an era, nanoseconds. Beyond it an offset cannot be told from one of the other sign.
const HALF_ERA: i128 = (1 << 31) * 1_000_000_000;

/// The system clock, and one that does not jump, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The system clock.
    pub wall: Timestamp,
    /// The other, nanoseconds.
    pub steady: i64,
}

impl Moment {
    /// Returns how far the system clock was set or slewed since, nanoseconds.
    pub(crate) fn jumped(&self, since: &Moment) -> i64 {
        let wall = self.wall.since(since.wall);
        wall.saturating_sub(self.steady.saturating_sub(since.steady)).saturating_abs()
    }
}

/// One answer and its arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Server minus us, nanoseconds.
    pub offset: i64,
    /// Round trip without the time in the server, nanoseconds.
    pub delay: i64,
    /// What the clocks add: the grain of both, what ours may have drifted or jumped since the
    /// question, nanoseconds.
    pub dispersion: i64,
    /// The packet.
    pub reply: Reply,
    came: Moment,
}

impl Sample {
    /// Returns how far the measured offset can be from the true one, and the server's time from
    /// true time, nanoseconds: delay/2 + root delay/2 + root dispersion + dispersion, the root
    /// distance of RFC 5905 section 11.2. Its jitter is an expected error and no part of a bound,
    /// and MINDISP keeps a client from hopping between servers.
    pub fn distance(&self) -> i64 {
        (self.delay / 2)
            .saturating_add(self.reply.root_delay / 2)
            .saturating_add(self.reply.root_dispersion)
            .saturating_add(self.dispersion)
    }

    /// Returns the greatest possible error of our clock against true time, nanoseconds.
    pub fn error_bound(&self) -> i64 {
        self.offset.saturating_abs().saturating_add(self.distance())
    }

    /// As it is later: our clock has drifted on since, and may have been set.
    pub(crate) fn aged(self, now: Moment) -> Self {
        let since = drift(now.steady.saturating_sub(self.came.steady)).saturating_add(now.jumped(&self.came));
        Sample { dispersion: self.dispersion.saturating_add(since), came: now, ..self }
    }
}

/// Calculates what an answer says. `ours` is the error of our own clock: its grain, and how far it
/// has jumped between `t1` and `t4`; `came` is when the answer was seen.
pub(crate) fn compute(t1: Timestamp, reply: &Reply, t4: Timestamp, ours: i64, came: Moment) -> Sample {
    let (out, back) = halves(reply.receive.since(t1), reply.transmit.since(t4));
    // A shift: to divide numbers of this width takes a library.
    let offset = (out + back) >> 1;
    // Clocks have grains: a delay below zero is a delay of nothing.
    let delay = (out - back).max(0);
    let taken = t4.since(t1).saturating_abs();
    let grains = grain_of(reply.precision).saturating_add(ours.max(0));
    let dispersion = grains.saturating_add(drift(taken));
    Sample { offset: nanos(offset), delay: nanos(delay), dispersion, reply: *reply, came }
}

/// The way out and the way back differ by the delay, never by an era. Where one of them has wrapped
/// the clocks are 68 years apart, and both are put on the same side.
fn halves(out: i64, back: i64) -> (i128, i128) {
    let (out, back) = (i128::from(out), i128::from(back));
    if out - back > HALF_ERA {
        (out, back + 2 * HALF_ERA)
    } else if back - out > HALF_ERA {
        (out + 2 * HALF_ERA, back)
    } else {
        (out, back)
    }
}

/// The step of a clock with this precision. It is announced as the nearest power of two, so the
/// true one may be half as much again.
fn grain_of(precision: i8) -> i64 {
    let step = match precision {
        // 2^30 s is more than any limit.
        30.. => 1_000_000_000 << 30,
        0..30 => 1_000_000_000 << precision,
        // 2^-30 s is one nanosecond.
        -29..0 => (1_000_000_000 >> -precision) + 1,
        _ => 1,
    };
    step + step / 2
}

fn drift(time: i64) -> i64 {
    // Rounded up: a bound may be too great and never too small.
    time.max(0) / DRIFT + 1
}

fn nanos(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::packet::request;
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(seconds: i64, nanos: u32) -> Timestamp {
        Timestamp::from_unix(seconds, nanos)
    }

    const THEN: Moment = Moment { wall: Timestamp::ZERO, steady: 0 };

    /// So many nanoseconds later, by both clocks.
    fn after(nanos: i64) -> Moment {
        Moment { wall: Timestamp::from_bits(((i128::from(nanos) << 32) / 1_000_000_000) as u64), steady: nanos }
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

    fn sample(t1: Timestamp, receive: Timestamp, transmit: Timestamp, t4: Timestamp) -> Sample {
        compute(t1, &reply(receive, transmit), t4, 0, THEN)
    }

    /// Off by the grain of 2^-32 s at most.
    fn close(value: i64, wanted: i64) {
        assert!((value - wanted).abs() <= 2, "{value} is not {wanted}");
    }

    #[test]
    fn offset_and_delay_are_those_of_the_rfc() {
        // We are 1 s behind, 10 ms there, 5 ms inside, 20 ms back.
        let seen = sample(at(100, 0), at(101, 10_000_000), at(101, 15_000_000), at(100, 35_000_000));
        close(seen.offset, 995_000_000);
        close(seen.delay, 30_000_000);
    }

    #[test]
    fn the_change_of_the_era_in_2036_is_nothing_special() {
        let era = 2_085_978_496;
        let seen = sample(at(era - 1, 0), at(era + 1, 0), at(era + 1, 0), at(era - 1, 0));
        close(seen.offset, 2 * SECOND);
        close(seen.delay, 0);
    }

    #[test]
    fn a_clock_that_is_fifty_years_off_is_measured() {
        let years = 50 * 365 * 86_400;
        close(sample(at(0, 0), at(years, 0), at(years, 0), at(0, 0)).offset, years * SECOND);
    }

    /// Half an era: one half of the sum wraps and the other does not.
    #[test]
    fn a_clock_that_is_68_years_off_is_never_right() {
        for nanos in [-30_000_000, -10_000_000, -1, 0, 1, 10_000_000, 30_000_000] {
            for sign in [-1, 1] {
                let far = i128::from(sign) * HALF_ERA + i128::from(nanos);
                let server = |ours: i128| {
                    let time = ours + far;
                    at((time.div_euclid(1_000_000_000)) as i64, time.rem_euclid(1_000_000_000) as u32)
                };
                let (t1, t4) = (1_800_000_000_000_000_000, 1_800_000_000_020_000_000);
                let seen = sample(
                    at(1_800_000_000, 0),
                    server(t1 + 10_000_000),
                    server(t4 - 10_000_000),
                    at(1_800_000_000, 20_000_000),
                );
                assert!(seen.error_bound() > 68 * 365 * 86_400 * SECOND, "{nanos} {sign}: {seen:?}");
                close(seen.delay, 20_000_000);
            }
        }
    }

    #[test]
    fn what_a_server_announces_as_its_precision_counts() {
        let coarse = Reply { precision: -7, ..reply(at(100, 0), at(100, 0)) };
        let seen = compute(at(100, 0), &coarse, at(100, 0), 0, THEN);
        assert!(seen.error_bound() > 10_000_000, "a clock of 10 ms announces 2^-7 s: {seen:?}");
        assert!([-128, -30, -1, 0, 30, 127].map(grain_of).is_sorted());
        assert_eq!(grain_of(0), SECOND * 3 / 2);
    }

    #[test]
    fn our_own_grain_and_age_count() {
        let seen = compute(at(100, 0), &reply(at(100, 0), at(100, 0)), at(100, 0), 15_625_000, THEN);
        assert!(seen.error_bound() >= 15_625_000);
        let later = seen.aged(after(100 * SECOND));
        close(later.error_bound() - seen.error_bound(), 1_500_000 - 7);
        close(later.aged(after(100 * SECOND)).error_bound(), later.error_bound());
    }

    #[test]
    fn a_clock_that_is_set_while_we_measure_is_no_surprise() {
        let seen = sample(at(100, 0), at(100, 0), at(100, 0), at(100, 0));
        let set = Moment { wall: after(3 * SECOND).wall, steady: 2 * SECOND };
        assert!(seen.aged(set).error_bound() >= SECOND && set.jumped(&THEN) >= SECOND - 1);
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

    /// A clock that goes in steps shows the last step.
    fn shown(time: i128, grain: i64) -> Timestamp {
        let time = time.div_euclid(i128::from(grain)) * i128::from(grain);
        at(time.div_euclid(1_000_000_000) as i64, time.rem_euclid(1_000_000_000) as u32)
    }

    fn announced(grain: i64) -> i8 {
        (grain as f64 / 1e9).log2().round() as i8
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Any offset, any way there and back, clocks of any grain that drift: the truth is inside.
        #[test]
        fn the_bound_holds(
            offset in prop_oneof![-SECOND..SECOND, -60 * 365 * 86_400 * SECOND..60 * 365 * 86_400 * SECOND],
            there in 0..2 * SECOND, inside in 0..SECOND, back in 0..2 * SECOND,
            theirs in 1i64..40_000_000, ours in 1i64..40_000_000,
            ppb in -15_000i64..15_000,
        ) {
            let start = 1_795_000_000_123_456_789_i128;
            let took = i128::from(there + inside + back);
            // Our clock is right at the end, and drifts by so much on the way there.
            let drifted = took * i128::from(ppb) / 1_000_000_000;
            let server = |time: i128| shown(time + i128::from(offset), theirs);
            let arrived = start + i128::from(there);
            let answer = Reply { precision: announced(theirs), ..reply(server(arrived), server(arrived + i128::from(inside))) };
            let seen = compute(shown(start - drifted, ours), &answer, shown(start + took, ours), ours, THEN);
            let wrong = (seen.offset - offset).abs();
            prop_assert!(wrong <= seen.distance() + 2, "{wrong} {seen:?}");
        }

        #[test]
        fn no_packet_makes_it_panic(bits in any::<[u64; 5]>(), precision in any::<i8>(), ours in any::<i64>(), delay in any::<u32>(), dispersion in any::<u32>()) {
            let [t1, receive, transmit, t4, came] = bits;
            let of = Timestamp::from_bits;
            let root = super::super::timestamp::short_to_nanos;
            let (root_delay, root_dispersion) = (root(delay), root(dispersion));
            let packet = Reply { precision, root_delay, root_dispersion, ..reply(of(receive), of(transmit)) };
            let seen = compute(of(t1), &packet, of(t4), ours, Moment { wall: of(came), steady: ours });
            prop_assert!(seen.aged(THEN).error_bound() >= 0);
        }
    }
}
