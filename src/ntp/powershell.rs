//! The probe on a Windows host: PowerShell asks and prints the packets, and the same arithmetic
//! as everywhere else is done on them here. Where PowerShell is missing, forbidden, restricted or
//! does not come to its end, `w32tm /stripchart`.

use std::collections::VecDeque;

use super::exchange::{COARSE, Manner, Trouble, Wire, measure};
use super::packet::LENGTH;
use super::report::SourceReport;
use super::timestamp::Timestamp;
use crate::model::{Outcome, Prober};

/// What the command line of the probe begins with.
pub const PROGRAM: &str = "powershell ";

const SCRIPT: &str = include_str!("probe.ps1");

/// From 1601 to 1970 in units of 100 ns.
pub(super) const FILE_TIME_EPOCH: i64 = 116_444_736_000_000_000;

/// Windows Sockets errors (winsock2.h).
const NETWORK_UNREACHABLE: &[i32] = &[10051, 10065];
const CONNECTION_RESET: i32 = 10054;
/// `WSAEACCES`: the Windows filtering platform does not let the question out.
const ACCESS_DENIED: i32 = 10013;
/// `WSAHOST_NOT_FOUND`, `WSATRY_AGAIN`, `WSANO_RECOVERY`, `WSANO_DATA`.
const NOT_RESOLVED: std::ops::RangeInclusive<i32> = 11001..=11004;

/// The only mode in which a script may do all that ours does.
const FULL: &str = "FullLanguage";

/// Returns the command line that asks each source until it has so many good answers; names and
/// addresses only.
pub fn command(sources: &[&str], samples: u32, tries: u32, timeout_ms: u32) -> String {
    let servers: Vec<String> = sources.iter().map(|source| format!("'{source}'")).collect();
    let script: Vec<&str> =
        SCRIPT.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let script = script
        .join(" ")
        .replace("@SERVERS@", &servers.join(","))
        .replace("@SAMPLES@", &samples.to_string())
        .replace("@TRIES@", &tries.to_string())
        .replace("@TIMEOUT@", &timeout_ms.to_string());
    // Without an input: PowerShell may wait for the end of one that has none.
    format!("{PROGRAM}-NoProfile -NonInteractive -InputFormat None -Command \"{script}\" <nul")
}

/// Whether the script could do what it does, and came to its end. Evidence that was saved by an earlier
/// version has neither word.
fn is_whole(printed: &str) -> bool {
    let of = |start: &str| printed.lines().find_map(|line| Some(line.strip_prefix(start)?.trim()));
    match (of("ntp mode"), of("ntp end")) {
        // PowerShell 2.0 need not know the word, and has no restricted language to speak of.
        (Some(mode), Some(_)) => mode.is_empty() || mode == FULL,
        (None, None) => true,
        _ => false,
    }
}

/// `ntp clock N`: how exactly the script has found the edge of a step of the system clock, in units
/// of 100 ns, of which the clock itself shows whole ones.
fn grain(line: &str) -> Option<i64> {
    let units = line.strip_prefix("ntp clock ")?.trim().parse::<i64>().ok()?;
    Some(units.checked_add(1)?.checked_mul(100)?.clamp(100, COARSE))
}

/// One line of the script: a question and what came of it.
#[derive(Debug, Clone)]
struct Sample {
    token: u64,
    sent: Timestamp,
    /// The packet and its arrival, or the number of the socket error.
    answer: Result<(Vec<u8>, Timestamp), i32>,
}

/// Reads what the script printed; other lines are not ours. Empty when it did not run, was not let do
/// its work, or did not end: what it says then says nothing of the sources.
pub fn parse(printed: &str) -> Vec<SourceReport> {
    if !is_whole(printed) {
        return Vec::new();
    }
    let grain = printed.lines().find_map(grain).unwrap_or(COARSE);
    let mut samples: Vec<(String, String, VecDeque<Sample>)> = Vec::new();
    for (source, address, sample) in printed.lines().filter_map(line) {
        match samples.iter_mut().find(|(s, a, _)| *s == source && *a == address) {
            Some((_, _, all)) => all.push_back(sample),
            None => samples.push((source.to_owned(), address.to_owned(), VecDeque::from([sample]))),
        }
    }
    samples.into_iter().map(|(source, address, samples)| report(&source, &address, samples, grain)).collect()
}

fn report(source: &str, address: &str, samples: VecDeque<Sample>, grain: i64) -> SourceReport {
    let probe = Prober::Powershell;
    if matches!(samples.front(), Some(Sample { answer: Err(code), .. }) if NOT_RESOLVED.contains(code)) {
        return SourceReport { probe, ..SourceReport::without(source, Outcome::Unresolved) };
    }
    let count = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    let ends = samples.back().map_or(Timestamp::ZERO, Sample::ends);
    let manner = Manner { samples: count, tries: count, timeout: i64::MAX, limit: i64::MAX, headway: 0 };
    let began = samples.front().map_or(Timestamp::ZERO, |sample| sample.sent);
    let measured = measure(&mut Recorded { samples, now: began, began, ends, grain }, &manner);
    SourceReport { probe, ..SourceReport::local(source, address, &measured) }
}

/// Those sources of which the script has said nothing: it did not run, was not let do all, or met an error
/// that has no number. `w32tm` is asked about them.
pub fn unmeasured<'a>(sources: impl Iterator<Item = &'a str>, reports: &[SourceReport]) -> Vec<String> {
    let said = |address: &&str| reports.iter().any(|report| report.source == **address);
    sources.filter(|address| !said(address)).map(str::to_owned).collect()
}

/// `ntp SOURCE ADDRESS TOKEN SENT PACKET ARRIVED`, or `ntp SOURCE ADDRESS - SENT error CODE`.
fn line(line: &str) -> Option<(&str, &str, Sample)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let ["ntp", source, address, token, sent, packet, last] = fields[..] else { return None };
    let sent = moment(sent)?;
    if packet == "error" {
        let answer = Err(last.parse().ok()?);
        return Some((source, address, Sample { token: 0, sent, answer }));
    }
    let token = u64::from_be_bytes(bytes(token)?.try_into().ok()?);
    Some((source, address, Sample { token, sent, answer: Ok((bytes(packet)?, moment(last)?)) }))
}

/// `1C-02-...`, as BitConverter prints bytes.
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.split('-').map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

fn moment(text: &str) -> Option<Timestamp> {
    let unix = text.parse::<i64>().ok()?.checked_sub(FILE_TIME_EPOCH)?;
    let nanos = u32::try_from(unix.rem_euclid(10_000_000)).ok()? * 100;
    Some(Timestamp::from_unix(unix.div_euclid(10_000_000), nanos))
}

impl Sample {
    fn ends(&self) -> Timestamp {
        self.answer.as_ref().map_or(self.sent, |(_, arrived)| *arrived)
    }
}

/// Plays a recorded exchange to the arithmetic. The script has but one clock, which does not jump.
struct Recorded {
    samples: VecDeque<Sample>,
    now: Timestamp,
    began: Timestamp,
    ends: Timestamp,
    grain: i64,
}

impl Wire for Recorded {
    fn now(&mut self) -> Timestamp {
        self.now
    }

    fn steady(&mut self) -> i64 {
        self.now.since(self.began)
    }

    /// Called once at the start of each question.
    fn token(&mut self) -> u64 {
        let next = self.samples.front();
        self.now = next.map_or(self.ends, |sample| sample.sent);
        next.map_or(0, |sample| sample.token)
    }

    fn send(&mut self, _packet: &[u8; LENGTH]) -> Result<(), Trouble> {
        match self.samples.front().map(|sample| &sample.answer) {
            Some(Err(CONNECTION_RESET)) => Err(Trouble::Refused),
            Some(Err(ACCESS_DENIED)) => Err(Trouble::Filtered),
            Some(Err(code)) if NETWORK_UNREACHABLE.contains(code) => Err(Trouble::Unreachable),
            _ => Ok(()),
        }
    }

    fn receive(&mut self, buffer: &mut [u8; 128], _timeout: i64) -> Result<Option<(usize, Timestamp)>, Trouble> {
        let Some(Sample { answer: Ok((packet, arrived)), .. }) = self.samples.pop_front() else { return Ok(None) };
        let length = packet.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(&packet) {
            *to = *from;
        }
        self.now = arrived;
        Ok(Some((length, arrived)))
    }

    /// After the last answer the script has gone on with other servers.
    fn rest(&mut self, _nanoseconds: i64) {}

    fn grain(&mut self) -> i64 {
        self.grain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Kiss;

    /// A server 1.5 s ahead, asked at 2026-11-21T00:00:00Z, 2 ms away in each direction.
    fn printed(stratum: &str) -> String {
        let at = FILE_TIME_EPOCH + 1_795_219_200 * 10_000_000;
        let (receive, transmit) = (ntp(1_795_219_200, 1_502_000_000), ntp(1_795_219_200, 1_502_000_000));
        let zeros = |n: usize| vec!["00"; n].join("-");
        format!(
            "ntp mode FullLanguage\nwarning text\nntp 10.0.0.1 10.0.0.1 01-02-03-04-05-06-07-08 {at} 24-{stratum}-06-E9-{}-01-02-03-04-05-06-07-08-{receive}-{transmit} {}\nntp end\n",
            zeros(20),
            at + 40_000
        )
    }

    fn ntp(seconds: i64, nanos: u64) -> String {
        let stamp = Timestamp::from_unix(seconds + (nanos / 1_000_000_000) as i64, (nanos % 1_000_000_000) as u32);
        stamp.to_bits().to_be_bytes().map(|byte| format!("{byte:02X}")).join("-")
    }

    #[test]
    fn packets_are_measured_by_the_common_arithmetic() {
        let reports = parse(&printed("02"));
        let [report] = reports.as_slice() else { panic!("{reports:?}") };
        assert_eq!((report.outcome, report.stratum, report.probe), (Outcome::Ok, Some(2), Prober::Powershell));
        assert!((report.offset_ns.unwrap() - 1_500_000_000).abs() < 200, "{report:?}");
        assert!((report.delay_ns.unwrap() - 4_000_000).abs() < 200);
    }

    /// What the script says of its clock; one that says nothing has that of Windows.
    #[test]
    fn the_grain_of_the_clock_is_part_of_the_bound() {
        let bound = |text: &str| parse(text)[0].error_bound_ns.unwrap() - 1_500_000_000;
        let (fine, coarse) = (format!("ntp clock 40\n{}", printed("02")), printed("02"));
        assert!((4_000..6_000).contains(&(bound(&fine) - 2_000_000)), "{}", bound(&fine));
        assert!(bound(&coarse) > 15_625_000 + 2_000_000);
        assert!(
            bound(&format!("ntp clock -5\n{coarse}")) >= 1_999_800 && bound(&format!("ntp clock x\n{coarse}")) > COARSE
        );
    }

    /// As the script prints them with several questions: lost, not set, good, too often.
    #[test]
    fn the_answers_of_one_source_are_taken_together() {
        let lost = "ntp 10.0.0.1 10.0.0.1 - 134396928000000000 error 10060\n";
        let not_set = printed("00").replace("24-00", "E4-00");
        let seen = |text: String| {
            let report = parse(&text).remove(0);
            (report.outcome, report.sent, report.received, report.kiss, report.offset_ns.is_some())
        };
        let ok = Outcome::Ok;
        assert_eq!(seen(format!("{lost}{}", printed("02"))), (ok, Some(2), Some(1), None, true));
        assert_eq!(seen(format!("{not_set}{}", printed("02"))), (ok, Some(2), Some(2), None, true));
        assert_eq!(seen(not_set), (Outcome::Unsynchronised, Some(1), Some(1), None, false));
        let rate = format!("{}{}", printed("02"), kiss("52-41-54-45"));
        assert_eq!(seen(rate), (ok, Some(2), Some(2), Some(Kiss::Rate), true));
        assert_eq!(seen(kiss("44-45-4E-59")).0, Outcome::Kiss(None));
        assert_eq!(seen(kiss("49-4E-49-54")).0, Outcome::Unsynchronised);
    }

    /// An answer of stratum 0 with this code.
    fn kiss(code: &str) -> String {
        let text = printed("00");
        let at = text.find("24-00").unwrap() + 12 * 3;
        format!("{}{code}{}", &text[..at], &text[at + code.len()..])
    }

    #[test]
    fn a_reply_to_another_question_does_not_count() {
        let forged = printed("02").replace("ntp 10.0.0.1 10.0.0.1 01-02", "ntp 10.0.0.1 10.0.0.1 FF-02");
        assert_eq!(parse(&forged)[0].outcome, Outcome::Timeout);
    }

    #[test]
    fn errors_have_the_words_of_the_other_probes() {
        let outcome = |line: &str| parse(&format!("ntp mode FullLanguage\n{line}\nntp end"))[0].outcome;
        assert_eq!(outcome("ntp a 10.0.0.1 - 1 error 10060"), Outcome::Timeout);
        assert_eq!(outcome("ntp a 10.0.0.1 - 1 error 10054"), Outcome::Refused);
        assert_eq!(outcome("ntp a 10.0.0.1 - 1 error 10065"), Outcome::Unreachable);
        assert_eq!(outcome("ntp a 10.0.0.1 - 1 error 10013"), Outcome::Filtered);
        for code in NOT_RESOLVED {
            assert_eq!(outcome(&format!("ntp nowhere - - 0 error {code}")), Outcome::Unresolved);
        }
        assert!(parse("'powershell' is not recognized").is_empty());
    }

    /// A script that was not let do its work says nothing of the sources: `w32tm` is asked then.
    #[test]
    fn what_the_script_could_not_do_is_not_what_a_source_did() {
        let whole = printed("02");
        assert_eq!(parse(&whole).len(), 1);
        let refused = "Cannot invoke method. Method invocation is supported only on core types in this language mode.";
        for (text, why) in [
            (whole.replace("FullLanguage", "ConstrainedLanguage"), "only core types"),
            (whole.replace("FullLanguage", "RestrictedLanguage"), "no methods at all"),
            (whole.replace("FullLanguage", "NoLanguage"), "no script at all"),
            (whole.replace("ntp end\n", ""), "it was cut short"),
            (whole.replace("ntp mode FullLanguage\n", ""), "its beginning is lost"),
            (format!("ntp mode ConstrainedLanguage\n{refused}\nntp clock 0\nntp end\n"), "as it looks there"),
        ] {
            assert!(parse(&text).is_empty(), "{why}");
        }
        assert_eq!(parse(&whole.replace("FullLanguage", "")).len(), 1, "PowerShell 2.0");
        // A name that .NET could not look up for another reason: nothing is said of that source.
        let other = "ntp mode FullLanguage\nntp a - - 0 error \nntp b - - 0 error 11001\nntp end\n";
        assert_eq!(parse(other).iter().map(|report| report.source.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn the_command_fits_and_holds_nothing_that_cmd_would_read() {
        let sources: Vec<String> = (0..8).map(|n| format!("ntp{n}.a-rather-long-name.example.com")).collect();
        let line = command(&sources.iter().map(String::as_str).collect::<Vec<_>>(), 1, 4, 1000);
        assert!(line.len() < 3000, "{}", line.len());
        let script = line.strip_prefix("powershell -NoProfile -NonInteractive -InputFormat None -Command \"").unwrap();
        assert!(!script.trim_end_matches("\" <nul").contains(['"', '%', '\n']));
    }

    /// As PowerShell's own grammar reads it; a mistake would show on a real host only.
    #[test]
    fn the_script_is_powershell() {
        let mut parser = tree_sitter::Parser::new();
        parser.set_language(&tree_sitter_powershell::LANGUAGE.into()).unwrap();
        let mut mistaken = |text: &str| parser.parse(text, None).unwrap().root_node().has_error();
        let line = command(&["ntp1.example.com", "10.0.0.1"], 1, 4, 1000);
        let script = line.split_once('"').unwrap().1.trim_end_matches("\" <nul").to_owned();
        let broken = script.replacen("foreach ($s in $servers) {", "foreach ($s in $servers {", 1);
        assert_eq!([&script, &broken].map(|text| text.contains("foreach ($s in")), [true, true]);
        assert_eq!([script, broken].map(|text| mistaken(&text)), [false, true]);
    }

    /// Windows 2008 R2 comes with PowerShell 2.0.
    #[test]
    fn the_script_keeps_to_powershell_2() {
        let later = [
            "::new(",
            "-shl",
            "-shr",
            "convertto-json",
            "[ordered]",
            "-in ",
            "-notin ",
            "[pscustomobject]",
            "$using:",
            "get-ciminstance",
            "&&",
            "??",
        ];
        let script: String =
            SCRIPT.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n").to_lowercase();
        let found: Vec<&str> = later.into_iter().filter(|word| script.contains(word)).collect();
        assert!(found.is_empty(), "{found:?} is not in PowerShell 2.0");
    }
}
