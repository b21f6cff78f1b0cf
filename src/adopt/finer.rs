//! What a host is told besides, in the words of the inventory: the finer keys of a source, and lines that are left
//! for `extra` but have a key. A line whose key would not say all of it stays where it is, and so do those about the
//! same thing, which would contradict the key.

use std::net::IpAddr;
use std::time::Duration;

use super::Said;
use super::draft::Draft;
use crate::config::{Directive, Language};
use crate::inventory::said::scalar;

/// A key, its value as YAML, and the lines that it stands for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finer {
    pub(super) key: &'static str,
    pub(super) value: String,
    lines: Vec<Directive>,
}

/// How a value is written as YAML, if the inventory can say it.
type Value = fn(&str) -> Option<String>;

/// Options of a source that are called as the key is, and whether ntpd has them as well.
const OF_SOURCE: &[(&str, Value, bool)] = &[
    ("burst", yes, true),
    ("version", |value| number(value, 1, 4), true),
    ("xleave", yes, false),
    ("noselect", yes, true),
    ("trust", yes, false),
    ("require", yes, false),
    ("offset", offset, false),
    ("maxsources", |value| number(value, 1, 16), false),
    ("maxdelay", length, false),
    ("filter", |value| number(value, 1, 64), false),
    ("presend", |value| number(value, 1, 24), false),
    ("extfield", |value| (value == "F323").then(|| value.to_owned()), false),
];

/// An option of a source as a key with its value.
pub(super) fn of_source(language: Language, option: &str, value: &str) -> Option<(&'static str, String)> {
    let known = |row: &&(&str, Value, bool)| row.0 == option && (row.2 || language == Language::Chrony);
    let (key, written, _) = OF_SOURCE.iter().find(known)?;
    Some((key, written(value)?))
}

fn yes(_: &str) -> Option<String> {
    Some("true".to_owned())
}

fn number(text: &str, least: i64, most: i64) -> Option<String> {
    let value = text.parse::<i64>().ok().filter(|value| (least..=most).contains(value))?;
    Some(value.to_string())
}

/// Seconds as a duration, if none of their digits is lost.
fn offset(text: &str) -> Option<String> {
    let (sign, positive) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let seconds = positive.parse::<f64>().ok()?;
    let duration = Duration::try_from_secs_f64(seconds).ok().filter(|exact| exact.as_secs_f64() == seconds)?;
    Some(format!("{sign}{}", humantime::format_duration(duration)))
}

fn length(text: &str) -> Option<String> {
    offset(text).filter(|length| !length.starts_with('-') && length != "0s")
}

/// Takes the lines of chrony that have a key out of `extra`.
pub(super) fn of_chrony(said: &mut Said) {
    take(said, "min_sources", |line| line.name == "minsources", |lines| last(lines, 0, |value| number(value, 1, 64)));
    take(said, "max_distance", |line| line.name == "maxdistance", |lines| last(lines, 0, length));
    take(said, "bind", |line| line.name == "bindaddress", bind);
    take(
        said,
        "client_port",
        |line| line.name == "acquisitionport",
        |lines| last(lines, 0, |value| number(value, 1, 65_535)),
    );
    take(said, "rate_limit", |line| line.name == "ratelimit", rate_limit);
    let slewed = said.extra.iter().any(|line| line.text() == SMEARED[0]);
    take(said, "leap", |line| LEAP.contains(&line.name.as_str()) || slewed && line.name == "maxslewrate", leap);
    take(said, "dscp", |line| line.name == "dscp", |lines| last(lines, 0, |value| number(value, 0, 63)));
    take(said, "log", |line| line.name == "log", log);
}

/// The same for ntpd, whose logs stand in this folder.
pub(super) fn of_ntpd(said: &mut Said, logdir: &str) {
    let tos = |word: &'static str| {
        move |line: &Directive| line.name == "tos" && line.words.first().is_some_and(|w| w == word)
    };
    take(said, "min_sources", tos("minsane"), |lines| last(lines, 1, |value| number(value, 1, 64)));
    take(said, "max_distance", tos("maxdist"), |lines| last(lines, 1, length));
    take(said, "leap", |line| matches!(line.name.as_str(), "leapfile" | "leapsmearinterval"), leap);
    take(said, "dscp", |line| line.name == "dscp", |lines| last(lines, 0, |value| number(value, 0, 63)));
    let of_logs = |line: &Directive| matches!(line.name.as_str(), "statistics" | "filegen" | "statsdir");
    take(said, "log", of_logs, |lines| statistics(lines, logdir));
}

fn take(
    said: &mut Said,
    key: &'static str,
    is: impl Fn(&Directive) -> bool,
    value: impl Fn(&[Directive]) -> Option<String>,
) {
    let lines: Vec<Directive> = said.extra.iter().filter(|line| is(line)).cloned().collect();
    if let Some(value) = value(&lines).filter(|_| !lines.is_empty()) {
        said.extra.retain(|line| !is(line));
        said.finer.push(Finer { key, value, lines });
    }
}

/// The value of directives of which the last one counts: behind so many words, and nothing else.
fn last(lines: &[Directive], behind: usize, written: Value) -> Option<String> {
    match lines.last()?.words.get(behind..)? {
        [value] => written(value),
        _ => None,
    }
}

/// One address of each family, the last one that is said.
fn bind(lines: &[Directive]) -> Option<String> {
    let mut all: Vec<IpAddr> = Vec::new();
    for line in lines {
        let [word] = line.words.as_slice() else { return None };
        let address = word.parse::<IpAddr>().ok().filter(|ip| !ip.is_unspecified() && !ip.is_multicast())?;
        all.retain(|known| known.is_ipv4() != address.is_ipv4());
        all.push(address);
    }
    Some(listed(all.iter().map(|address| scalar(&address.to_string()))))
}

fn listed(words: impl Iterator<Item = String>) -> String {
    format!("[{}]", words.collect::<Vec<_>>().join(", "))
}

fn rate_limit(lines: &[Directive]) -> Option<String> {
    let [line] = lines else { return None };
    let mut parts: Vec<String> = Vec::new();
    for pair in line.words.chunks(2) {
        let [key, value] = pair else { return None };
        let value = match key.as_str() {
            "interval" => number(value, 0, 12),
            "burst" => number(value, 1, 255),
            "leak" => number(value, 1, 4),
            _ => None,
        };
        parts.push(format!("{key}: {}", value?));
    }
    Some(if parts.is_empty() { "true".to_owned() } else { format!("{{ {} }}", parts.join(", ")) })
}

/// What chrony is told of leap seconds.
const LEAP: &[&str] = &["leapsecmode", "leapseclist", "leapsectz", "smoothtime"];

/// The lines that `smear` stands for.
const SMEARED: [&str; 3] = ["leapsecmode slew", "maxslewrate 1000", "smoothtime 400 0.001 leaponly"];

fn leap(lines: &[Directive]) -> Option<String> {
    let is_source = |line: &&Directive| matches!(line.name.as_str(), "leapsectz" | "leapseclist" | "leapfile");
    let (sources, others): (Vec<&Directive>, Vec<&Directive>) = lines.iter().partition(is_source);
    let mut others: Vec<String> = others.iter().map(|line| line.text()).collect();
    others.sort();
    let mut parts = Vec::new();
    match sources.as_slice() {
        [] => {}
        [line] => parts.push(format!("source: {}", leap_source(line)?)),
        _ => return None,
    }
    match others.is_empty() {
        true => {}
        false if others == SMEARED => parts.push("smear: true".to_owned()),
        false => return None,
    }
    Some(format!("{{ {} }}", parts.join(", ")))
}

/// A zone, or what begins with a slash: a file.
fn leap_source(line: &Directive) -> Option<String> {
    let [word] = line.words.as_slice() else { return None };
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c)) && !word.starts_with('-');
    (plain && word.starts_with('/') == (line.name != "leapsectz")).then(|| scalar(word))
}

/// The inventory's words for logs, those of chrony, and those of ntpd.
const LOGS: &[(&str, &str, &str)] = &[
    ("measurements", "measurements", "peerstats"),
    ("raw", "rawmeasurements", "rawstats"),
    ("statistics", "statistics", ""),
    ("tracking", "tracking", "loopstats"),
    ("selection", "selection", ""),
    ("refclocks", "refclocks", "clockstats"),
    ("rtc", "rtc", ""),
];

fn log(lines: &[Directive]) -> Option<String> {
    let words = lines.iter().flat_map(|line| &line.words);
    let known = |word: &String| LOGS.iter().find(|(_, chrony, _)| chrony == word).map(|(key, ..)| *key);
    words_of_log(words.map(known))
}

fn words_of_log(words: impl Iterator<Item = Option<&'static str>>) -> Option<String> {
    let mut all: Vec<&str> = Vec::new();
    for word in words {
        let word = word?;
        if !all.contains(&word) {
            all.push(word);
        }
    }
    (!all.is_empty()).then(|| listed(all.into_iter().map(str::to_owned)))
}

/// Without a folder ntpd writes nothing; each log has its file, a new one every day.
fn statistics(lines: &[Directive], logdir: &str) -> Option<String> {
    let of = |name: &'static str| lines.iter().filter(move |line| line.name == name);
    let folder = of("statsdir").next_back()?.words.first()?;
    let files: Vec<&String> = of("statistics").flat_map(|line| &line.words).collect();
    let usual = |line: &Directive| {
        let name = line.words.first().map_or("", String::as_str);
        files.iter().any(|file| *file == name) && line.words.join(" ") == format!("{name} file {name} type day enable")
    };
    if folder.trim_end_matches('/') != logdir || of("filegen").count() != files.len() || !of("filegen").all(usual) {
        return None;
    }
    let known = |word: &&String| LOGS.iter().find(|(.., ntpd)| ntpd == *word).map(|(key, ..)| *key);
    words_of_log(files.iter().map(known))
}

/// Puts lines back whose key would be refused for the host, or say nothing there: who is no master serves nobody, and
/// where others ask a host it has to answer.
pub(super) fn put_back(draft: &mut Draft, is_followed: bool) {
    let serves = is_followed || !draft.said.serve.is_empty();
    let asked = draft.time_address.as_ref().unwrap_or(&draft.address).parse::<IpAddr>();
    let fits = |finer: &Finer| match finer.key {
        "rate_limit" => serves,
        "leap" => draft.master || !finer.value.contains("smear"),
        "bind" => {
            let bound = |address: &IpAddr| finer.lines.iter().any(|line| line.words == [address.to_string()]);
            !draft.master || asked.as_ref().map_or(true, bound)
        }
        _ => true,
    };
    let (stay, go): (Vec<Finer>, Vec<Finer>) = std::mem::take(&mut draft.said.finer).into_iter().partition(fits);
    draft.said.finer = stay;
    draft.said.extra.extend(go.into_iter().flat_map(|finer| finer.lines));
}
