//! What a host has measured of its sources, and what its time service says of itself.

use serde::{Deserialize, Serialize};

use super::{Outcome, Port123, Prober};

/// What one host measured of one source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceReport {
    /// Address or name as in the inventory.
    pub address: String,
    /// The address that was asked: where the name led on the host, or what its time service follows.
    pub ip: Option<String>,
    /// The host of the inventory behind it.
    pub host: Option<String>,
    /// Whether it answered.
    pub reachable: bool,
    /// How the questions ended.
    pub outcome: Outcome,
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
    /// The probe that measured.
    pub probe: Option<Prober>,
    /// How it answers questions from source port 123; `None`: not asked from there.
    pub from_123: Option<Port123>,
    /// About how many polls of the source it takes until the bound is within the limit, where it is
    /// above it only because the source has just started.
    pub polls_left: Option<u32>,
}

impl SourceReport {
    /// Returns whether it answers questions from source port 123, where that is known.
    pub fn answers_123(&self) -> Option<bool> {
        self.from_123?.answers()
    }

    /// Returns whether the host itself keeps its questions from leaving.
    pub fn is_filtered(&self) -> bool {
        self.outcome == Outcome::Filtered
    }

    /// Returns whether it answered with synchronised time.
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }

    /// Returns the outcome in words for people.
    pub fn words(&self) -> String {
        if self.is_filtered() {
            "stopped by a packet filter of this host itself".to_owned()
        } else {
            self.outcome.to_string()
        }
    }
}

/// What the time service of a host says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
