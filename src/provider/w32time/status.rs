//! What `w32tm /query /status /verbose` says, read by the shape of its values. Its words are in the
//! language of the system, and long values are wrapped at column 80.
//!
//! A state is not judged by the last error alone: between two polls, and with a long
//! `SpecialPollInterval`, healthy services keep `2` (stale data) there for hours.

use crate::facts::registry::value;
use crate::model::{self, DaemonReport};
use crate::provider::{DaemonStatus, PATIENCE, Peer, PeerKind};

/// Reference id of the hypervisor's clock, `VMTP`.
const HYPERVISOR: &str = "564d5450";

/// Takes the hypervisor's clock for one that is attached to the host: where the inventory leaves it in charge.
pub fn attach_hypervisor(daemon: &mut DaemonStatus) {
    if daemon.report.refid.as_deref() == Some(HYPERVISOR) {
        daemon.peers.iter_mut().for_each(|peer| peer.kind = PeerKind::Clock);
    }
}

fn is_own_clock(reference: u32) -> bool {
    model::own_clock(reference).is_some()
}

/// A source that is asked at times that are not known is lost when it has not been heard for a day, seconds.
const LONGEST_SILENCE: f64 = 86_400.0;

/// The last error of a service whose filter has passed over the newest samples; healthy ones have it for hours.
const STALE: u32 = 2;

/// How many samples that filter holds: so many polls may pass until one of them is taken again.
const FILTER: f64 = 8.0;

/// Flag of a source that is asked every `SpecialPollInterval` instead.
const SPECIAL_INTERVAL: u32 = 1;

/// The values of a status; what could not be found is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
struct Status {
    leap: Option<u32>,
    stratum: Option<u8>,
    root_delay: Option<f64>,
    root_dispersion: Option<f64>,
    reference: Option<u32>,
    source: String,
    poll: Option<f64>,
    phase: Option<f64>,
    last_error: Option<(u32, String)>,
    /// Seconds since the last good synchronisation.
    since: Option<f64>,
}

/// Reads the three answers of the status command: the source, the status, and the registry's
/// `SpecialPollInterval` (the policy's value is printed first).
pub(super) fn read(source: &str, printed: &str, intervals: &str) -> DaemonStatus {
    let status = Status::parse(printed);
    // The status wraps a long name, the shorter answer does not; the flags are with either.
    let name = if source.is_empty() { status.source.as_str() } else { source };
    let flags = flags(&status.source).or_else(|| flags(name)).unwrap_or(0);
    let special = intervals.lines().filter_map(value).find_map(|(_, value)| value.to_string().parse::<f64>().ok());
    let interval = if flags & SPECIAL_INTERVAL == 0 { status.poll } else { special };
    let fault = status.fault(printed, name, interval);
    let synchronised = fault.is_none();
    let own_clock = status.reference.is_some_and(is_own_clock);
    let name = name.split(',').next().unwrap_or_default().trim().trim_matches(['[', ']']);
    let follows = synchronised && !own_clock && !name.is_empty();
    DaemonStatus {
        report: DaemonReport {
            provider: "w32time".to_owned(),
            synchronised,
            source: follows.then(|| name.to_owned()),
            stratum: status.stratum.filter(|_| synchronised),
            offset_s: status.phase,
            root_dispersion_s: status.root_dispersion.filter(|_| synchronised),
            root_delay_s: status.root_delay.filter(|_| synchronised),
            since_s: status.since.filter(|_| follows),
            refid: status.reference.filter(|_| synchronised).map(|reference| format!("{reference:08x}")),
            own_clock: synchronised && own_clock,
            detail: fault.or_else(|| status.note(own_clock)).unwrap_or_default(),
        },
        peers: if follows {
            vec![Peer { address: name.to_owned(), selected: true, mark: '*', ..Peer::default() }]
        } else {
            Vec::new()
        },
    }
}

impl Status {
    fn parse(printed: &str) -> Self {
        let values = values(printed);
        let of = |at: usize| values.get(at).map_or("", String::as_str);
        let reference = values.iter().position(|value| reference(value).is_some());
        // `6 (64s)` is the last of the first block; the source stands before it.
        let poll = values.iter().position(|value| interval(value).is_some());
        let mut before = values.iter().take(reference.unwrap_or(0)).filter_map(|value| seconds(value));
        let tail = poll.map_or(&[][..], |at| values.get(at + 1..).unwrap_or_default());
        let error = tail.iter().rev().nth(1).filter(|_| tail.len() >= 6);
        Status {
            leap: leading(of(0)),
            stratum: leading(of(1)).and_then(|n| u8::try_from(n).ok()),
            root_dispersion: before.next_back(),
            root_delay: before.next_back(),
            reference: reference.and_then(|at| self::reference(of(at))),
            source: poll.and_then(|at| at.checked_sub(1)).map_or("", of).to_owned(),
            poll: poll.and_then(|at| interval(of(at))),
            phase: tail.first().and_then(|value| seconds(value)),
            last_error: error.and_then(|value| Some((leading(value)?, value.clone()))),
            since: tail.last().and_then(|value| seconds(value)),
        }
    }

    /// Why the service is not synchronised, in its own words where it has some; `None` if it is.
    fn fault(&self, printed: &str, source: &str, interval: Option<f64>) -> Option<String> {
        let (Some(leap), Some(reference)) = (self.leap, self.reference) else {
            return Some(first_line(printed, source));
        };
        let stratum_good = self.stratum.is_some_and(|stratum| (1..=15).contains(&stratum));
        if leap >= 3 || !stratum_good || reference == 0 {
            let last = self.last_error.as_ref().map_or("", |(_, text)| text.as_str());
            return Some(format!("its source is `{source}` ({last})"));
        }
        let since = self.since.filter(|_| !is_own_clock(reference))?;
        let stale = self.last_error.as_ref().is_some_and(|(code, _)| *code == STALE);
        let polls = if stale { FILTER } else { f64::from(PATIENCE) };
        let lost = interval.map_or(LONGEST_SILENCE, |interval| interval * polls);
        let every = || {
            let known = interval.map(|interval| format!("asks it every {interval:.0} s"));
            known.unwrap_or_else(|| "does not say how often it asks".to_owned())
        };
        (since > lost).then(|| format!("it has not heard from its source `{source}` for {since:.0} s, and {}", every()))
    }

    /// What is worth knowing of a service that is synchronised.
    fn note(&self, own_clock: bool) -> Option<String> {
        let (_, text) = self.last_error.as_ref().filter(|(code, _)| *code != 0 && !own_clock)?;
        let since = self.since.map_or(String::new(), |since| format!("; last good synchronisation {since:.0} s ago"));
        Some(format!("last error {text}{since}"))
    }
}

fn first_line(printed: &str, source: &str) -> String {
    printed
        .lines()
        .chain([source])
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map_or_else(|| "w32tm printed nothing".to_owned(), str::to_owned)
}

/// The values behind the labels, in their order. What stands on the next line belongs to its value.
fn values(printed: &str) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for line in printed.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (labelled(line), values.last_mut()) {
            (None, Some(last)) => *last = format!("{last} {line}").trim().to_owned(),
            (Some(_), Some(last)) if is_open(last) && line.ends_with(')') && !is_open(line) && !is_plain(line) => {
                *last = format!("{last} {line}");
            }
            (value, _) => values.push(value.unwrap_or(line).to_owned()),
        }
    }
    values
}

/// `LABEL: VALUE`; a colon inside of an address is none.
fn labelled(line: &str) -> Option<&str> {
    let (at, colon) = line.char_indices().find(|(at, c)| {
        let rest = line.get(at + c.len_utf8()..).unwrap_or_default();
        *c == '：' || (*c == ':' && (rest.is_empty() || rest.starts_with(char::is_whitespace)))
    })?;
    Some(line.get(at + colon.len_utf8()..)?.trim()).filter(|_| !line.starts_with('('))
}

/// Whether a bracket is still open: `2 (The computer did not`.
fn is_open(text: &str) -> bool {
    text.matches('(').count() > text.matches(')').count()
}

/// Whether the value begins as those of the status do: with a number.
fn is_plain(line: &str) -> bool {
    labelled(line).is_some_and(|value| value.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
}

/// `name,0x8`.
fn flags(source: &str) -> Option<u32> {
    u32::from_str_radix(source.trim().rsplit_once(",0x")?.1, 16).ok()
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

/// What `w32tm` prints in place of the seconds of an exponent that it takes for too large.
const TOO_SELDOM: u8 = 17;

/// `6 (64s)`: log2 of the interval, and the interval. `17 (out of valid range)` has no seconds.
fn interval(value: &str) -> Option<f64> {
    let (exponent, rest) = value.split_once('(')?;
    let exponent = exponent.trim().parse::<u8>().ok()?;
    let seconds = leading(rest.trim()).map(f64::from);
    seconds.or_else(|| (exponent == TOO_SELDOM).then(|| f64::from(exponent).exp2()))
}

/// `-0.0001991s`, with a comma in some languages, and the letter of the language.
fn seconds(value: &str) -> Option<f64> {
    let number = value.trim().trim_end_matches(|c: char| !c.is_ascii_digit()).replace(',', ".");
    let digits = number.trim_start_matches(['-', '+']);
    let plain = digits.contains('.') && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    if plain { number.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_hypervisor_is_a_clock_of_the_host_where_it_may_set_the_clock() {
        let kind = |name: &str| {
            let printed = std::fs::read_to_string(format!("tests/w32tm/{name}.txt")).unwrap();
            let (source, rest) = printed.split_once("--fleetclock--").unwrap();
            let mut daemon = read(source.trim(), rest.split("--fleetclock--").next().unwrap(), "");
            attach_hypervisor(&mut daemon);
            daemon.peers[0].kind
        };
        assert_eq!((kind("en-hypervisor"), kind("de-stale")), (PeerKind::Clock, PeerKind::Server));
    }

    #[test]
    fn values_go_on_until_the_next_label() {
        let printed = "Source:\nfd00::1,0x8\nPoll Interval: 6 (64s)\n\nLast Sync Error: 2 (The computer did not\nresync: stale.)\nTime since : 7,5s\n";
        assert_eq!(values(printed), ["fd00::1,0x8", "6 (64s)", "2 (The computer did not resync: stale.)", "7,5s"]);
    }

    #[test]
    fn numbers_are_read_whatever_the_language_puts_behind_them() {
        assert_eq!((seconds("-0,0003717s"), seconds("7.5 с"), seconds("64s")), (Some(-0.000_371_7), Some(7.5), None));
        assert_eq!((seconds("11/21/2026 3:00:00.5 PM"), seconds("nan")), (None, None));
        assert_eq!(
            (interval("13 (8192s)"), interval("10 (1024 s)"), interval("2 (Sync)")),
            (Some(8192.0), Some(1024.0), None)
        );
        assert_eq!(flags("time.windows.com,0x9"), Some(9));
    }

    proptest! {
        #[test]
        fn no_output_breaks_it(source in ".{0,40}", printed in "(.{0,60}\n){0,20}", intervals in ".{0,80}") {
            let status = read(&source, &printed, &intervals);
            prop_assert!(status.report.synchronised || !status.report.detail.is_empty());
        }
    }
}
