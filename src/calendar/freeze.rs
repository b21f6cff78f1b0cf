//! Days on which nothing is changed, each with its reason: `2026-12-20..2027-01-02 Asia/Seoul end of the year`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{Disambiguation, TimeZone};

use super::moment::{at, in_zone, zone};

/// A time in which nothing is changed.
#[derive(Debug, Clone)]
pub struct Freeze {
    text: String,
    /// Its first moment, and the first one after it.
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// Why.
    pub(super) reason: String,
    zone: TimeZone,
}

impl PartialEq for Freeze {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Freeze {}

impl Freeze {
    /// Whether a moment is in it.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Its end in words.
    pub(super) fn end(&self) -> String {
        in_zone(self.until, &self.zone)
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Freeze {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let (days, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let reason = words.collect::<Vec<_>>().join(" ");
        if reason.is_empty() {
            return Err(format!("`{text}`: write days, a time zone and a reason: `{EXAMPLE}`"));
        }
        let (first, last) = days.split_once("..").unwrap_or((days, days));
        let (first, last) = (date(first)?, date(last)?);
        if last < first {
            return Err(format!("`{days}` ends before it begins"));
        }
        let zone = zone(name)?;
        // From the first to the last moment that a clock there may call these days.
        let begin = |day: Date, if_unclear| at(day, Time::midnight(), &zone, if_unclear);
        let from = begin(first, Disambiguation::Earlier);
        let until = last.tomorrow().ok().and_then(|day| begin(day, Disambiguation::Later));
        let (from, until) = from.zip(until).ok_or_else(|| format!("`{days}` is beyond what a clock can show"))?;
        Ok(Freeze { text: text.trim().to_owned(), from, until, reason, zone })
    }
}

const EXAMPLE: &str = "2026-12-20..2027-01-02 Asia/Seoul end of the year";

fn date(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| format!("`{text}` is no day; write 2026-12-20"))
}

/// Reads a list with one on each line; `#` begins a comment.
///
/// # Errors
/// A line is none; says which.
pub fn freezes(text: &str) -> Result<Vec<Freeze>, String> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.split('#').next().unwrap_or("").trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty());
    lines.map(|(number, line)| line.parse().map_err(|why| format!("line {number}: {why}"))).collect()
}
