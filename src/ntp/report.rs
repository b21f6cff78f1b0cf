//! A measurement as it goes over the wire and into reports.

use serde::{Deserialize, Serialize};

use super::exchange::Measurement;

/// What one probe measured of one address of a source. Times are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// `static`, `bash`, `powershell`, `w32tm` or `local`: which implementation measured.
    pub probe: String,
    /// The source as it was asked for.
    pub source: String,
    /// The address that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `ok`, `timeout`, `refused`, `unreachable`, `filtered` (by the host that asks), `kiss`, `unsynchronised`, `invalid`, `unresolved`, `no_probe`.
    pub outcome: String,
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
    pub kiss: Option<String>,
    /// How questions from source port 123 ended, in the words of `outcome`; `held` by another
    /// program, `unsure` when they are answered one time and not the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_123: Option<String>,
}

impl SourceReport {
    /// Returns whether the source limits the rate of questions, and has let us feel it.
    pub fn limits_rate(&self) -> bool {
        self.kiss.as_deref() == Some("RATE")
    }

    /// Returns whether the source serves synchronised time.
    pub fn usable(&self) -> bool {
        self.outcome == "ok"
    }

    /// A source without a measurement.
    pub fn without(source: &str, outcome: &str) -> Self {
        SourceReport { source: source.to_owned(), outcome: outcome.to_owned(), ..SourceReport::default() }
    }

    /// A measurement of this machine.
    pub fn local(source: &str, address: &str, m: &Measurement) -> Self {
        let (best, reply) = (m.best.as_ref(), m.reply.as_ref());
        SourceReport {
            probe: "local".to_owned(),
            source: source.to_owned(),
            address: Some(address.to_owned()),
            outcome: m.outcome.word().to_owned(),
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
            kiss: m.kiss.map(code),
            from_123: None,
        }
    }
}

/// What a server wrote, as far as it is letters and digits.
fn code(bytes: [u8; 4]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte) } else { '?' }).collect()
}
