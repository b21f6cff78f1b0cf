//! What a host has measured of its sources, and what its time service says of itself.

use serde::Serialize;

/// The outcome of a question that a packet filter of the asking host has stopped.
pub const FILTERED: &str = "filtered";

/// What one host measured of one source.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SourceReport {
    /// Address or name as in the inventory.
    pub address: String,
    /// The address that was asked: where the name led on the host, or what its time service follows.
    pub ip: Option<String>,
    /// The host of the inventory behind it.
    pub host: Option<String>,
    /// Whether it answered.
    pub reachable: bool,
    /// `ok`, `timeout`, `refused`, `unreachable`, `filtered` (by the host itself), `kiss RATE`, `unsynchronised`, `unresolved`, `invalid`.
    pub outcome: String,
    /// Stratum of the source.
    pub stratum: Option<u8>,
    /// Leap indicator, 0 to 3.
    pub leap: Option<u8>,
    /// What the source itself follows: its reference identifier, hexadecimal.
    pub refid: Option<String>,
    /// Source minus host, seconds.
    pub offset_s: Option<f64>,
    /// Round trip, seconds.
    pub delay_s: Option<f64>,
    /// Root delay that the source claims, seconds.
    pub root_delay_s: Option<f64>,
    /// Root dispersion that the source claims, seconds.
    pub root_dispersion_s: Option<f64>,
    /// |offset| + delay/2 + root delay/2 + root dispersion, seconds.
    pub error_bound_s: Option<f64>,
    /// Whether the time service follows this source.
    pub selected: bool,
    /// Reachability register of the time service, eight bits; 255 = the last eight polls answered.
    pub reach: Option<u8>,
    /// How old the last answer is that the time service got of it, seconds.
    pub last_answer_s: Option<u64>,
    /// Whether it is within the limits of the host.
    pub within: Option<bool>,
    /// `static`, `bash`, `powershell`, `w32tm`, `local`: the probe that measured.
    pub probe: Option<String>,
    /// How it answers questions from source port 123: in the words of `outcome`; `service`: the time
    /// service asks from there, and is answered; `held` by another program that does not share it;
    /// `unsure`: one time so, the next time otherwise. `None`: not asked from there.
    pub from_123: Option<String>,
    /// About how many polls of the source it takes until the bound is within the limit, where it is
    /// above it only because the source has just started.
    pub polls_left: Option<u32>,
}

/// Returns whether the word of `from_123` means that questions from port 123 are answered; `None`
/// where it is not known.
pub fn answers_123(word: &str) -> Option<bool> {
    match word {
        "held" | "unsure" | "no_permission" => None,
        "timeout" | "refused" | "unreachable" | FILTERED => Some(false),
        _ => Some(true),
    }
}

impl SourceReport {
    /// Returns whether it answers questions from source port 123, where that is known.
    pub fn answers_123(&self) -> Option<bool> {
        answers_123(self.from_123.as_deref()?)
    }

    /// Returns whether the host itself keeps its questions from leaving.
    pub fn is_filtered(&self) -> bool {
        self.outcome == FILTERED
    }

    /// Returns the outcome in words for people.
    pub fn words(&self) -> &str {
        if self.is_filtered() { "stopped by a packet filter of this host itself" } else { &self.outcome }
    }
}

/// What the time service of a host says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DaemonReport {
    /// `chrony`, `ntpd`.
    pub provider: String,
    /// Whether it follows a source (or, isolated, its own clock on purpose).
    pub synchronised: bool,
    /// The source it follows.
    pub source: Option<String>,
    /// Its stratum.
    pub stratum: Option<u8>,
    /// Its own idea of how far the clock is off, seconds.
    pub offset_s: Option<f64>,
    /// Root dispersion, seconds.
    pub root_dispersion_s: Option<f64>,
    /// Root delay, seconds, where the service says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_delay_s: Option<f64>,
    /// How long ago it heard of its source with success, seconds, where the service says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_s: Option<f64>,
    /// Its reference identifier, hexadecimal: what it tells those who ask it.
    pub refid: Option<String>,
    /// Whether it goes by its own clock.
    pub own_clock: bool,
    /// Why it is not synchronised, in its own words; if it is, what else it says (mostly nothing).
    pub detail: String,
}
