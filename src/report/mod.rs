//! The result of a run as data: what the console prints and what `--format json` promises.

mod changes;
pub(crate) mod clean;
pub mod console;
pub mod decisive;
pub mod diff;
pub mod facts;
mod failures;
mod findings;
pub mod hide;
pub mod json;
mod live;
pub(crate) mod names;
pub mod number;
pub mod probe;
mod proof;
pub mod room;
pub mod rounds;
#[cfg(test)]
pub(crate) mod sample;
pub mod shape;
pub mod spread;
mod strip;
mod style;
pub(crate) mod table;
pub mod text;
pub mod watch;
mod waves;
mod words;

pub use spread::Spread;

use serde::{Deserialize, Serialize};

use crate::exit::Condition;

/// The version of the JSON report; raised when a field changes its meaning or goes away.
pub const SCHEMA: u32 = 1;

/// What a whole run did.
#[derive(Debug, Clone, Serialize)]
pub struct FleetReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The verb: `plan`, `apply`, `check`, `verify`, ...
    pub command: String,
    /// When the run started, RFC 3339, UTC.
    pub started: String,
    /// How long it took.
    pub seconds: f64,
    /// The exit code of the program.
    pub exit_code: u8,
    /// All that is wrong, also what the exit code does not tell.
    pub conditions: Vec<Condition>,
    /// Counts of hosts.
    pub summary: Summary,
    /// The order in which hosts are changed; `plan` and `apply` only.
    pub waves: Vec<Wave>,
    /// The two clocks that are furthest apart, as far as the hosts have measured common sources.
    pub spread: Option<Spread>,
    /// One entry for each host, in the order of the inventory.
    pub hosts: Vec<HostReport>,
}

/// Hosts that are changed at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// Why they are together, and at this place.
    pub why: String,
    /// Their names.
    pub hosts: Vec<String>,
}

/// Counts of hosts by how they ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// All hosts.
    pub hosts: usize,
    /// As wanted before and after.
    pub unchanged: usize,
    /// Changed and proven.
    pub changed: usize,
    /// Failed, undone or not.
    pub failed: usize,
    /// Not to be reached.
    pub unreachable: usize,
    /// Changes are pending.
    pub drifted: usize,
    /// Configured as wanted, but the clock is outside its limits.
    pub out_of_limits: usize,
    /// Never started, because the run was interrupted or a master failed.
    pub not_started: usize,
}

impl Summary {
    /// Counts.
    pub fn of(hosts: &[HostReport]) -> Self {
        let mut summary = Summary { hosts: hosts.len(), ..Summary::default() };
        for host in hosts {
            *match host.status {
                Status::Unchanged => &mut summary.unchanged,
                Status::Changed => &mut summary.changed,
                Status::Drifted => &mut summary.drifted,
                Status::OutOfLimits => &mut summary.out_of_limits,
                Status::Failed | Status::FailedUndone | Status::FailedNotUndone => &mut summary.failed,
                Status::Unreachable => &mut summary.unreachable,
                Status::NotStarted => &mut summary.not_started,
            } += 1;
        }
        summary
    }
}

/// How one host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As wanted, nothing changed.
    Unchanged,
    /// Changed, and the same probes agree afterwards.
    Changed,
    /// Changes are pending.
    Drifted,
    /// Configured as wanted, clock outside its limits.
    OutOfLimits,
    /// Failed before anything was changed.
    Failed,
    /// Failed; what had been changed was put back.
    FailedUndone,
    /// Failed; what had been changed could not be put back, `error` says why.
    FailedNotUndone,
    /// Not to be reached.
    Unreachable,
    /// Never started.
    NotStarted,
}

/// What happened on one host.
#[derive(Debug, Clone, Serialize)]
pub struct HostReport {
    /// The name in the inventory.
    pub name: String,
    /// The address that was contacted.
    pub address: String,
    /// The addresses that the host itself has, as far as they were read.
    pub addresses: Vec<String>,
    /// The operating system's own name for itself, once known.
    pub os: Option<String>,
    /// `master` or `slave`.
    pub role: &'static str,
    /// The chosen time service (`chrony`, `ntpd`), once known.
    pub provider: Option<String>,
    /// How it ended.
    pub status: Status,
    /// The limit of the error bound, seconds.
    pub limit_s: Option<f64>,
    /// What is (or was) not as wanted, in the order in which it is changed.
    pub deltas: Vec<Delta>,
    /// What the change does to the clock, in one sentence.
    pub clock: Option<String>,
    /// What the host measured of each of its sources.
    pub sources: Vec<SourceReport>,
    /// What the time service says of itself.
    pub daemon: Option<DaemonReport>,
    /// Reasons found; filled by `doctor`.
    pub findings: Vec<Finding>,
    /// Things worth a second look that are no failure.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<ErrorReport>,
    /// Scripts run on the host.
    pub executions: usize,
    /// How long the host took.
    pub seconds: f64,
}

/// One property that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// The thing: `file /etc/chrony/chrony.conf`, `service chrony`.
    pub resource: String,
    /// The property: `content`, `running`.
    pub property: String,
    /// What it is; `None` is absent.
    pub from: Option<String>,
    /// What it shall be; `None` is absent.
    pub to: Option<String>,
    /// Unified diff of contents, secrets hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

impl Delta {
    /// A property that differs, without a diff of contents.
    pub fn new(resource: String, property: &str, from: Option<String>, to: Option<String>) -> Self {
        Delta { resource, property: property.to_owned(), from, to, diff: None }
    }

    /// Whether a service that has loaded the thing must load it anew. Rights of a file do not matter to it.
    pub fn is_loaded(&self) -> bool {
        !matches!(self.property.as_str(), "mode" | "owner")
    }
}

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

impl SourceReport {
    /// Returns whether it answers questions from source port 123, where that is known.
    pub fn answers_123(&self) -> Option<bool> {
        crate::ntp::report::answers_123(self.from_123.as_deref()?)
    }

    /// Returns whether the host itself keeps its questions from leaving.
    pub fn is_filtered(&self) -> bool {
        self.outcome == crate::ntp::report::FILTERED
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

/// One reason found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable code.
    pub code: String,
    /// `error`, `warning`, `note`.
    pub severity: String,
    /// `certain`, when the evidence leaves no other cause; else `perhaps`.
    pub certainty: String,
    /// What it is called in `docs/findings.md`.
    pub title: String,
    /// What was seen.
    pub evidence: String,
    /// The command that showed it.
    pub command: String,
    /// The host on which it was seen.
    pub on: String,
    /// The cause in one sentence.
    pub cause: String,
    /// The exact fix.
    pub fix: String,
    /// Whether `apply` on the host of the finding puts it right, and so `doctor --fix`.
    pub configuration: bool,
    /// What it is not, and how that is known.
    pub excluded: Vec<String>,
    /// Other hosts that get no time because of it.
    pub affects: Vec<String>,
}

/// The certainty of a finding that the evidence allows and does not prove.
pub const PERHAPS: &str = "perhaps";

/// Why a host failed: what was tried and the cause, then the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorReport {
    /// What was tried, and the cause.
    pub message: String,
    /// The way out, if there is one to offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
