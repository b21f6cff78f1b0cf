//! What chrony and ntpd can be told of a source and of a host besides who gives time to whom: one row for each, and
//! the field that it fills. What is not said is left to the time service.

mod rows;

use std::net::IpAddr;

use serde::{Serialize, Serializer};

pub(super) use rows::{LEAP, OF_HOST, OF_POOL, OF_SOURCE, RATE_LIMIT};

/// A length of time in nanoseconds, which templates see as seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(i64);

impl Seconds {
    /// Returns it as a number of seconds.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

/// What a time service is told of one source besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SourceTuning {
    /// Several questions at each poll.
    #[serde(skip_serializing_if = "is_off")]
    pub burst: Option<bool>,
    /// The version of NTP in the questions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u8>,
    /// Interleaved mode.
    #[serde(skip_serializing_if = "is_off")]
    pub xleave: Option<bool>,
    /// Measured and never followed.
    #[serde(skip_serializing_if = "is_off")]
    pub noselect: Option<bool>,
    /// Taken for right, whatever the others say.
    #[serde(skip_serializing_if = "is_off")]
    pub trust: Option<bool>,
    /// Nothing is followed unless this one can be.
    #[serde(skip_serializing_if = "is_off")]
    pub require: Option<bool>,
    /// Added to what is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<Seconds>,
    /// How many servers of a pool are used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxsources: Option<u8>,
    /// Answers that took longer are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maxdelay: Option<Seconds>,
    /// So many polls make one measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<u8>,
    /// From this poll interval on a question goes before, log2 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presend: Option<i8>,
    /// An extension field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extfield: Option<ExtensionField>,
}

/// An extension field of NTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ExtensionField {
    /// The experimental one of chrony.
    F323,
}

/// What a time service is told of its host besides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HostTuning {
    /// Least number of sources that agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_sources: Option<u8>,
    /// Greatest root distance of a source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_distance: Option<Seconds>,
    /// The addresses at which it serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind: Option<Vec<IpAddr>>,
    /// The port from which it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_port: Option<u16>,
    /// How often one client may ask; `Some(None)` is an explicit `false`.
    #[serde(skip_serializing_if = "is_nothing")]
    pub rate_limit: Option<Option<RateLimit>>,
    /// Leap seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leap: Option<Leap>,
    /// The class of its packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dscp: Option<u8>,
    /// What it writes down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Vec<Log>>,
}

/// What is not asked for is not shown.
fn is_off(value: &Option<bool>) -> bool {
    *value != Some(true)
}

fn is_nothing<T>(value: &Option<Option<T>>) -> bool {
    value.as_ref().is_none_or(Option::is_none)
}

/// How often one client may ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RateLimit {
    /// Mean time between two questions, log2 seconds.
    pub interval: Option<i8>,
    /// So many may come at once.
    pub burst: Option<u8>,
    /// One of 2^leak answers is given all the same.
    pub leak: Option<u8>,
}

/// Where leap seconds are read, and whether followers see them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Leap {
    /// The zone or the file.
    pub source: Option<LeapSource>,
    /// Whether they are spread over hours for those who ask.
    pub smear: Option<bool>,
}

/// Where leap seconds are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LeapSource {
    /// A zone of the system: `right/UTC`.
    Zone(String),
    /// A file as IERS and NIST publish it.
    File(String),
}

/// What a time service may write down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// Each answer that counts.
    Measurements,
    /// Each answer.
    Raw,
    /// What was made of the answers of a source.
    Statistics,
    /// How the clock was moved.
    Tracking,
    /// Which source was chosen.
    Selection,
    /// Clocks at the host.
    Refclocks,
    /// The clock of the hardware.
    Rtc,
}

/// Returns the keys of [`SourceTuning`].
pub fn source_keys() -> Vec<&'static str> {
    OF_SOURCE.iter().chain(OF_POOL).map(|row| row.key).collect()
}

/// Returns the keys of [`HostTuning`].
pub fn host_keys() -> Vec<&'static str> {
    OF_HOST.iter().map(|row| row.key).collect()
}
