//! The Windows Time service, asked through `w32tm`. Its words are in the language of the system,
//! so values are taken by their line and by the number that they begin with.

use anyhow::Result;
use serde::Serialize;

use super::{DaemonStatus, Peer, Provider};
use crate::facts::windows::WindowsFacts;
use crate::inventory::HostSpec;
use crate::inventory::spec::{ProviderChoice, StepPolicy};
use crate::report::DaemonReport;
use crate::resource::Slice;

/// The Windows Time service.
pub struct W32Time;

/// Separates the two answers of [`Provider::status`].
const DIVIDER: &str = "--fleetclock--";

/// Reference id of a server on its own clock, `LOCL` (RFC 5905 figure 12).
const LOCAL_CLOCK: u32 = 0x4C4F_434C;

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
    /// `AnnounceFlags`: 5 is "a reliable time server, always", 10 is the default.
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
        announce: if spec.role == crate::inventory::spec::Role::Master { 5 } else { 10 },
    }
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

/// Why a host is left alone, if it is: a domain has its own hierarchy of time.
pub fn refusal(spec: &HostSpec, facts: &WindowsFacts) -> Option<String> {
    use crate::facts::windows::Kind;
    use crate::inventory::spec::DomainTime;
    if spec.domain_time == DomainTime::Replace {
        return None;
    }
    if facts.kind == Kind::DomainController {
        return Some("it is a domain controller, and the domain's clocks follow it".to_owned());
    }
    let follows_domain = matches!(facts.sync_type.to_ascii_uppercase().as_str(), "NT5DS" | "ALLSYNC");
    (facts.domain_member && follows_domain)
        .then(|| format!("it is a member of a domain and takes its time from there (Type {})", facts.sync_type))
}

impl Provider for W32Time {
    fn name(&self) -> &'static str {
        "w32time"
    }

    fn choice(&self) -> ProviderChoice {
        ProviderChoice::W32time
    }

    fn asks_from_123(&self) -> bool {
        true
    }

    fn playbook(&self) -> &'static str {
        "windows-w32time.yml"
    }

    fn status(&self) -> &'static str {
        "w32tm /query /source 2>&1&echo --fleetclock--&w32tm /query /status /verbose 2>&1"
    }

    fn parse_status(&self, seen: &Slice) -> Result<DaemonStatus> {
        let (source, status) = seen.stdout.split_once(DIVIDER).unwrap_or(("", &seen.stdout));
        let source = source.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        Ok(read(source, status))
    }
}

fn read(source: &str, status: &str) -> DaemonStatus {
    let lines: Vec<&str> = status.lines().filter(|line| !line.trim().is_empty()).collect();
    let value = |at: usize| lines.get(at).and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim());
    let leap = leading(value(0));
    let stratum = leading(value(1)).and_then(|n| u8::try_from(n).ok());
    let own_clock = reference(value(5)) == Some(LOCAL_CLOCK);
    let stratum_good = stratum.is_some_and(|stratum| (1..=15).contains(&stratum));
    let failed = leading(value(14)).is_some_and(|code| code != 0);
    let synchronised = leap.is_some_and(|leap| leap < 3) && stratum_good && (own_clock || !failed);
    // `name,0x8`: the flags are ours.
    let name = source.split(',').next().unwrap_or_default().trim();
    let follows = synchronised && !own_clock && !name.is_empty();
    DaemonStatus {
        report: DaemonReport {
            provider: "w32time".to_owned(),
            synchronised,
            source: follows.then(|| name.to_owned()),
            stratum: stratum.filter(|_| synchronised),
            offset_s: seconds(value(9)),
            root_dispersion_s: seconds(value(4)).filter(|_| synchronised),
            detail: if synchronised { String::new() } else { why_not(source, &lines) },
        },
        peers: if follows { vec![Peer { address: name.to_owned(), selected: true, reach: None }] } else { Vec::new() },
    }
}

/// Its own words, for people.
fn why_not(source: &str, lines: &[&str]) -> String {
    if lines.len() < 9 {
        return lines
            .iter()
            .chain([&source])
            .find(|line| !line.is_empty())
            .map_or_else(|| "w32tm printed nothing".to_owned(), |line| line.trim().to_owned());
    }
    let last = lines.get(14).and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim());
    format!("its source is `{source}` ({last})")
}

/// The number that a value begins with: `0(no warning)`, `4 (secondary reference ...)`.
fn leading(value: &str) -> Option<u32> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

/// `0x0A0A0A01 (source IP:  10.10.10.1)`.
fn reference(value: &str) -> Option<u32> {
    u32::from_str_radix(value.strip_prefix("0x")?.get(..8)?, 16).ok()
}

/// `-0.0001991s`, with a comma in some languages.
fn seconds(value: &str) -> Option<f64> {
    value.strip_suffix('s')?.replace(',', ".").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: &str = "10.10.10.1,0x8 \r\n--fleetclock--\r\nLeap Indicator: 0(no warning)\nStratum: 3 (secondary reference - syncd by (S)NTP)\nPrecision: -23 (119.209ns per tick)\nRoot Delay: 0.0031091s\nRoot Dispersion: 0.0405613s\nReferenceId: 0x0A0A0A01 (source IP:  10.10.10.1)\nLast Successful Sync Time: 11/21/2026 3:00:00 PM\nSource: 10.10.10.1,0x8 \nPoll Interval: 6 (64s)\n\nPhase Offset: -0.0001991s\nClockRate: 0.0156250s\nState Machine: 2 (Sync)\nTime Source Flags: 0 (None)\nServer Role: 0 (None)\nLast Sync Error: 0 (The command completed successfully.)\nTime since Last Good Sync Time: 7.4556861s\n";

    fn status(text: &str) -> DaemonStatus {
        W32Time.parse_status(&Slice { stdout: text.replace("\r\n", "\n"), ..Slice::default() }).unwrap()
    }

    #[test]
    fn a_synchronised_service_names_its_source() {
        let status = status(ENGLISH);
        assert!(status.report.synchronised);
        assert_eq!(status.report.source.as_deref(), Some("10.10.10.1"));
        assert_eq!((status.report.stratum, status.report.offset_s), (Some(3), Some(-0.000_199_1)));
        assert_eq!(status.peers[0].address, "10.10.10.1");
    }

    #[test]
    fn words_and_commas_of_another_language_change_nothing() {
        let french = ENGLISH.replace("Leap Indicator", "Indicateur de dérive ").replace("0.0405613s", "0,0405613s");
        assert_eq!(status(&french), status(ENGLISH));
    }

    #[test]
    fn its_own_clock_is_no_source() {
        let own = ENGLISH
            .replace("10.10.10.1,0x8", "Local CMOS Clock")
            .replace("0x0A0A0A01", "0x4C4F434C")
            .replace("Stratum: 3", "Stratum: 1");
        let status = status(&own);
        assert!(status.report.synchronised && status.report.source.is_none() && status.peers.is_empty());
    }

    #[test]
    fn a_service_without_time_says_why_in_its_own_words() {
        let unsynchronised = ENGLISH
            .replace("10.10.10.1,0x8", "Local CMOS Clock")
            .replace("Indicator: 0(no warning)", "Indicator: 3(not synchronized)")
            .replace(
                "0 (The command completed successfully.)",
                "1 (The computer did not resync because no time data was available.)",
            );
        let report = status(&unsynchronised).report;
        assert!(!report.synchronised);
        assert!(
            report.detail.contains("Local CMOS Clock") && report.detail.contains("no time data"),
            "{}",
            report.detail
        );
        let stopped =
            status("\n--fleetclock--\nThe following error occurred: The service has not been started. (0x80070426)\n");
        assert_eq!(
            stopped.report.detail,
            "The following error occurred: The service has not been started. (0x80070426)"
        );
    }
}
