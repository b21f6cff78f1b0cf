//! The Windows Time service, asked through `w32tm`.

pub mod clock;
mod domain;
mod status;

use anyhow::Result;
use serde::Serialize;

use super::{DaemonStatus, Diagnosis, Provider};
use crate::facts::services::{Service, W32TIME};
use crate::inventory::HostSpec;
use crate::inventory::spec::StepPolicy;
use crate::model::Slice;

/// The Windows Time service.
pub struct W32Time;

/// Separates the three answers of [`Provider::status`].
const DIVIDER: &str = "--fleetclock--";

pub use domain::{admit, refusal};
pub use status::attach_hypervisor;

/// What W32Time takes for "no limit" (Microsoft, "Windows Time service tools and settings").
const NO_LIMIT: u32 = u32::MAX;

/// The largest correction of a stand-alone system by default: 15 hours.
pub const LARGEST_CORRECTION_S: u32 = 54_000;

/// Poll intervals where the inventory says nothing, log2 seconds.
const POLL: (i8, i8) = (6, 10);

/// The values of the playbook that follow from the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// The service.
    pub service: &'static str,
    /// `NtpServer`: each source with its flags.
    pub peers: String,
    /// `Type`: `NTP`, or `NoSync` for a master on its own clock.
    pub sync_type: &'static str,
    /// Least poll interval, log2 seconds.
    pub min_poll: i8,
    /// Greatest poll interval, log2 seconds.
    pub max_poll: i8,
    /// Above this the clock is set, below it is slewed, seconds.
    pub max_phase_offset: u32,
    /// Above this nothing is corrected, seconds.
    pub max_correction: u32,
    /// `AnnounceFlags`: 5 is "a reliable time server, always", 10 is the default: while it has a source.
    pub announce: u32,
}

/// Works out the values for a host.
pub fn layout(spec: &HostSpec) -> Layout {
    let (min_poll, max_poll) = polls(spec);
    let (max_phase_offset, max_correction) = corrections(spec.time.step);
    Layout {
        service: "w32time",
        peers: peers(spec),
        sync_type: if spec.time.sources.is_empty() { "NoSync" } else { "NTP" },
        min_poll,
        max_poll,
        max_phase_offset,
        max_correction,
        announce: if vouches(spec) { 5 } else { 10 },
    }
}

/// A master without a source, or one that shall go on without it, vouches for its own clock. Any other
/// is as good as its source: when that is lost it has to say so (Microsoft, KB 816042).
fn vouches(spec: &HostSpec) -> bool {
    spec.role == crate::inventory::spec::Role::Master && (spec.time.sources.is_empty() || spec.time.isolated.is_some())
}

/// 0x8 asks as a client; 0x2 keeps the second of two for when the first is silent, because W32Time
/// follows one at a time (Microsoft recommends it for exactly two).
fn peers(spec: &HostSpec) -> String {
    let sources = &spec.time.sources;
    let flags = |index: usize| if index == 1 && sources.len() == 2 { "0xa" } else { "0x8" };
    let all: Vec<String> =
        sources.iter().enumerate().map(|(index, source)| format!("{},{}", source.address, flags(index))).collect();
    all.join(" ")
}

/// W32Time has one pair for all sources: the most eager that is asked for. It takes 4 to 17.
fn polls(spec: &HostSpec) -> (i8, i8) {
    let least = spec.time.sources.iter().filter_map(|source| source.minpoll).min().unwrap_or(POLL.0);
    let greatest = spec.time.sources.iter().filter_map(|source| source.maxpoll).min().unwrap_or(POLL.1);
    let least = least.clamp(4, 17);
    (least, greatest.clamp(least, 17))
}

/// W32Time cannot tell the start from later: a threshold for the start is a threshold for ever.
fn corrections(step: StepPolicy) -> (u32, u32) {
    let seconds =
        |over: std::time::Duration| u32::try_from(over.as_secs_f64().ceil() as u64).unwrap_or(NO_LIMIT).max(1);
    match step {
        StepPolicy::Never => (NO_LIMIT, LARGEST_CORRECTION_S),
        StepPolicy::AtStart { over, .. } => (seconds(over), LARGEST_CORRECTION_S),
        StepPolicy::Always { over } => (seconds(over), NO_LIMIT),
    }
}

/// It is asked by fixed commands, and its rules are those of Windows.
impl Diagnosis for W32Time {}

impl Provider for W32Time {
    fn service(&self) -> &'static Service {
        &W32TIME
    }

    fn asks_from_123(&self) -> bool {
        true
    }

    fn playbook(&self) -> &'static str {
        "windows-w32time.yml"
    }

    fn status(&self) -> &'static str {
        r"w32tm /query /source 2>&1&echo --fleetclock--&w32tm /query /status /verbose 2>&1&echo --fleetclock--&reg query HKLM\SOFTWARE\Policies\Microsoft\W32Time\TimeProviders\NtpClient /v SpecialPollInterval 2>&1&reg query HKLM\SYSTEM\CurrentControlSet\Services\W32Time\TimeProviders\NtpClient /v SpecialPollInterval 2>&1"
    }

    fn parse_status(&self, seen: &Slice) -> Result<DaemonStatus> {
        let mut answers = seen.stdout.split(DIVIDER);
        let source = answers.next().unwrap_or_default();
        let (source, printed) = answers.next().map_or(("", source), |printed| (source, printed));
        let source = source.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        Ok(status::read(source, printed, answers.next().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A master vouches for its clock where nobody else does, and where the inventory wants that.
    #[test]
    fn who_has_a_source_does_not_vouch_without_it() {
        use crate::inventory::spec::Role;
        let announced = |role: Role, fed: bool, isolated: bool| {
            let mut spec = crate::engine::sample::host("win1");
            spec.role = role;
            if !fed {
                spec.time.sources.clear();
            }
            spec.time.isolated = isolated.then_some(8);
            layout(&spec).announce
        };
        assert_eq!((announced(Role::Master, true, false), announced(Role::Master, true, true)), (10, 5));
        assert_eq!((announced(Role::Master, false, false), announced(Role::Slave, true, false)), (5, 10));
    }

    #[test]
    fn only_a_yes_leaves_the_clock_to_the_hypervisor() {
        use crate::inventory::spec::Var;
        let left = |var: Option<Var>| {
            let text = "hosts: { w: { address: 10.0.0.1, role: master, isolated: true, serve: [10.0.0.0/24], winrm: { user: a, password: { env: P } } } }";
            let mut spec = crate::engine::sample::fleet(text).remove(0);
            spec.vars.extend(var.map(|var| ("hypervisor_time".to_owned(), var)));
            spec.by_hypervisor()
        };
        assert_eq!([left(None), left(Some(Var::Bool(false))), left(Some(Var::Bool(true)))], [false, false, true]);
    }

    /// Every `tests/w32tm/NAME.txt` is what a host printed, in the shapes of real ones; beside it,
    /// as JSON, what has to be made of it. `UPDATE=1` rewrites that.
    #[test]
    fn every_state_in_every_language_is_judged() {
        let update = std::env::var_os("UPDATE").is_some();
        let files = std::fs::read_dir("tests/w32tm").unwrap().map(|entry| entry.unwrap().path());
        let cases: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
        assert!(cases.len() >= 25, "{cases:?}");
        for case in cases {
            let stdout = std::fs::read_to_string(&case).unwrap();
            let report = W32Time.parse_status(&Slice { stdout, ..Slice::default() }).unwrap().report;
            let found = serde_json::to_string_pretty(&report).unwrap() + "\n";
            let expected = case.with_extension("json");
            if update {
                std::fs::write(&expected, &found).unwrap();
            }
            assert_eq!(std::fs::read_to_string(&expected).unwrap_or_default(), found, "{}", case.display());
        }
    }
}
