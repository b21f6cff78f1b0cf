//! A window that comes again: `Sat 22:00-02:00 Asia/Seoul`. Where a change of the clocks leaves out or repeats
//! the hour in which one begins or ends, it is the shorter one: nothing is ever open that was not allowed.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use jiff::fmt::strtime;
use jiff::tz::{Disambiguation, TimeZone};
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::moment::{at, clock, zone};

/// How far ahead the next opening is looked for, days: over a week in which a change of clocks takes it away.
const AHEAD: i64 = 22;

/// A part of certain days in which hosts may be changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Window {
    /// As it was written.
    text: String,
    /// The days on which it begins.
    days: Vec<Weekday>,
    from: Time,
    until: Time,
    /// Whether it ends on the day after.
    overnight: bool,
    zone: TimeZone,
}

impl Window {
    /// The zone in which it is written.
    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Returns when it closes, if it is open.
    pub(super) fn closes(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned_datetime(self.zone.clone()).date();
        let yesterday = today.yesterday().ok();
        let open = yesterday.into_iter().chain([today]).filter_map(|day| self.on(day));
        open.filter(|(from, until)| *from <= now && now < *until).map(|(_, until)| until).max()
    }

    /// Returns when it opens next.
    pub(super) fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned_datetime(self.zone.clone()).date();
        let days = (0..AHEAD).filter_map(|days| today.checked_add(days.days()).ok());
        days.filter_map(|day| self.on(day)).map(|(from, _)| from).find(|from| *from > now)
    }

    /// Where it begins and ends, if it begins on this day.
    fn on(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        if !self.days.contains(&day.weekday()) {
            return None;
        }
        let last = if self.overnight { day.tomorrow().ok()? } else { day };
        let from = at(day, self.from, &self.zone, Disambiguation::Later)?;
        let until = at(last, self.until, &self.zone, Disambiguation::Earlier)?;
        (from < until).then_some((from, until))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Window> for String {
    fn from(window: Window) -> String {
        window.text
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times, name) = match words.as_slice() {
            [days, times, zone] => (self::days(days)?, times, zone),
            [times, zone] if times.contains(':') => (every(), times, zone),
            [.., times] if times.contains(':') => {
                return Err(format!("`{text}` names no time zone; write `{text} Asia/Seoul`, or UTC"));
            }
            _ => return Err(format!("`{text}` is no window; write `Sat 22:00-02:00 Asia/Seoul`")),
        };
        let (from, until) = times.split_once('-').ok_or_else(|| format!("`{times}` is no time; write 22:00-02:00"))?;
        let midnight = until == "24:00";
        let (from, until) = (clock(from)?, if midnight { Time::midnight() } else { clock(until)? });
        if from == until && !midnight {
            return Err(format!("`{times}` ends when it begins; the whole day is 00:00-24:00"));
        }
        let overnight = midnight || until < from;
        Ok(Window { text: words.join(" "), days, from, until, overnight, zone: zone(name)? })
    }
}

/// `Sat`, `Mon-Fri`, `Sat,Sun`, `daily`.
fn days(text: &str) -> Result<Vec<Weekday>, String> {
    if text.eq_ignore_ascii_case("daily") {
        return Ok(every());
    }
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // Over the end of the week: Fri-Mon.
        days.extend(first.cycle_forward().take_while(|day| *day != last).chain([last]));
    }
    Ok(days)
}

fn every() -> Vec<Weekday> {
    Weekday::Monday.cycle_forward().take(7).collect()
}

/// `Sat` or `Saturday`.
fn day(text: &str) -> Result<Weekday, String> {
    let read = strtime::parse("%a", text).or_else(|_| strtime::parse("%A", text));
    let day = read.ok().and_then(|read| read.weekday());
    day.ok_or_else(|| format!("`{text}` is no day; write Mon, Tue, Wed, Thu, Fri, Sat or Sun"))
}
