//! A window that comes again: `Sat 22:00-02:00 Asia/Seoul`. Where a change of the clocks leaves out or repeats
//! the hour in which one begins or ends, it is the shorter one: nothing is ever open that was not allowed.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{Disambiguation, TimeZone};
use jiff::{Timestamp, ToSpan as _};

use super::moment::{at, clock, zone};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// How far ahead the next opening is looked for, days: over a week in which a change of clocks takes it away.
const AHEAD: i64 = 22;

/// A part of certain days in which hosts may be changed.
#[derive(Debug, Clone)]
pub struct Window {
    /// As it was written.
    text: String,
    /// The days on which it begins, from Monday on.
    days: [bool; 7],
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
        let index = usize::try_from(day.weekday().to_monday_zero_offset()).ok()?;
        if !self.days.get(index).copied().unwrap_or(false) {
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

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times, name) = match words.as_slice() {
            [days, times, zone] => (self::days(days)?, times, zone),
            [times, zone] if times.contains(':') => ([true; 7], times, zone),
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
fn days(text: &str) -> Result<[bool; 7], String> {
    let mut days = [false; 7];
    if text.eq_ignore_ascii_case("daily") {
        return Ok([true; 7]);
    }
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // Over the end of the week: Fri-Mon.
        let length = (last + 7 - first) % 7;
        (0..=length).for_each(|step| days.iter_mut().skip((first + step) % 7).take(1).for_each(|day| *day = true));
    }
    Ok(days)
}

fn day(text: &str) -> Result<usize, String> {
    let lower = text.to_ascii_lowercase();
    let full = [
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
        Weekday::Sunday,
    ];
    let names = DAYS.iter().zip(full);
    let found =
        names.enumerate().find(|(_, (short, day))| lower == **short || lower == format!("{day:?}").to_lowercase());
    found
        .map(|(index, _)| index)
        .ok_or_else(|| format!("`{text}` is no day; write Mon, Tue, Wed, Thu, Fri, Sat or Sun"))
}
