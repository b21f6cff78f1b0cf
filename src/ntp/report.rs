//! A measurement as it goes over the wire and into reports.

use serde::{Deserialize, Serialize};

use super::exchange::{self, Measurement};
use crate::model::{Kiss, Outcome, Port123, Prober};

/// What one probe measured of one address of a source. Times are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Which implementation measured.
    pub probe: Prober,
    /// The source as it was asked for.
    pub source: String,
    /// The address that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// How the questions ended; the code of a kiss stands beside it.
    pub outcome: Outcome,
    /// Requests sent.
    #[serde(default)]
    pub sent: Option<u32>,
    /// Answers.
    #[serde(default)]
    pub received: Option<u32>,
    /// Packets that were no answer to our request.
    #[serde(default)]
    pub ignored: Option<u32>,
    /// Stratum of the server.
    #[serde(default)]
    pub stratum: Option<u8>,
    /// Leap indicator.
    #[serde(default)]
    pub leap: Option<u8>,
    /// Reference id, hexadecimal.
    #[serde(default)]
    pub refid: Option<String>,
    /// Server minus us.
    #[serde(default)]
    pub offset_ns: Option<i64>,
    /// Round trip.
    #[serde(default)]
    pub delay_ns: Option<i64>,
    /// Greatest minus least offset of the samples.
    #[serde(default)]
    pub spread_ns: Option<i64>,
    /// Root delay of the server.
    #[serde(default)]
    pub root_delay_ns: Option<i64>,
    /// Root dispersion of the server.
    #[serde(default)]
    pub root_dispersion_ns: Option<i64>,
    /// What the grain of both clocks and the drift of ours add.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispersion_ns: Option<i64>,
    /// |offset| + delay/2 + root delay/2 + root dispersion + dispersion.
    #[serde(default)]
    pub error_bound_ns: Option<i64>,
    /// Kiss code; beside the outcome `ok`, a kiss came after a good answer.
    #[serde(default)]
    pub kiss: Option<Kiss>,
    /// How questions from source port 123 ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_123: Option<Port123>,
}

impl SourceReport {
    /// Returns whether the source limits the rate of questions, and has let us feel it.
    pub fn limits_rate(&self) -> bool {
        self.kiss == Some(Kiss::Rate)
    }

    /// Returns whether the source serves synchronised time.
    pub fn usable(&self) -> bool {
        self.outcome == Outcome::Ok
    }

    /// A source without a measurement.
    pub fn without(source: &str, outcome: Outcome) -> Self {
        SourceReport { source: source.to_owned(), outcome, ..SourceReport::default() }
    }

    /// A measurement of this machine.
    pub fn local(source: &str, address: &str, m: &Measurement) -> Self {
        let (best, reply) = (m.best.as_ref(), m.reply.as_ref());
        SourceReport {
            probe: Prober::Local,
            source: source.to_owned(),
            address: Some(address.to_owned()),
            outcome: m.outcome.into(),
            sent: Some(m.sent),
            received: Some(m.received),
            ignored: Some(m.ignored),
            stratum: reply.map(|reply| reply.stratum),
            leap: reply.map(|reply| reply.leap),
            refid: reply.map(|reply| reply.reference.iter().map(|byte| format!("{byte:02x}")).collect()),
            offset_ns: best.map(|best| best.offset),
            delay_ns: best.map(|best| best.delay),
            spread_ns: best.map(|_| m.spread),
            root_delay_ns: best.map(|best| best.reply.root_delay),
            root_dispersion_ns: best.map(|best| best.reply.root_dispersion),
            dispersion_ns: best.map(|best| best.dispersion),
            error_bound_ns: m.error_bound(),
            kiss: m.kiss.map(|code| Kiss::of(&code.map(char::from).iter().collect::<String>())),
            from_123: None,
        }
    }
}

/// The program that travels has no words but those of `exchange`.
impl From<exchange::Outcome> for Outcome {
    fn from(outcome: exchange::Outcome) -> Outcome {
        match outcome {
            exchange::Outcome::Ok => Outcome::Ok,
            exchange::Outcome::Timeout => Outcome::Timeout,
            exchange::Outcome::Refused => Outcome::Refused,
            exchange::Outcome::Unreachable => Outcome::Unreachable,
            exchange::Outcome::Filtered => Outcome::Filtered,
            exchange::Outcome::Kiss(_) => Outcome::Kiss(None),
            exchange::Outcome::Unsynchronised => Outcome::Unsynchronised,
            exchange::Outcome::Invalid => Outcome::Invalid,
            exchange::Outcome::Held => Outcome::Held,
            exchange::Outcome::Forbidden => Outcome::NoPermission,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_program_that_travels_are_those_of_the_report() {
        use exchange::Outcome as Sent;
        let all = [Sent::Ok, Sent::Timeout, Sent::Refused, Sent::Unreachable, Sent::Filtered, Sent::Kiss(*b"RATE")];
        let more = [Sent::Unsynchronised, Sent::Invalid, Sent::Held, Sent::Forbidden];
        for sent in all.into_iter().chain(more) {
            assert_eq!(Outcome::from(sent).to_string(), sent.word());
        }
    }
}
