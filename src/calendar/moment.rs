//! Moments as people write them, with the zone that they mean, and as they are shown.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{Disambiguation, TimeZone};

/// Reads a moment: `2026-12-20 18:00 Asia/Seoul`, or RFC 3339.
///
/// # Errors
/// It is neither; says how it is written.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        [one] => one.parse().map_err(|_| wrong(text)),
        [date, time, zone] => {
            let (date, time) = (date.parse::<Date>().map_err(|_| wrong(text))?, clock(time)?);
            at(date, time, &self::zone(zone)?, Disambiguation::Compatible).ok_or_else(|| wrong(text))
        }
        _ => Err(wrong(text)),
    }
}

fn wrong(text: &str) -> String {
    format!("`{text}` is no moment; write `2026-12-20 18:00 Asia/Seoul` or `2026-12-20T09:00:00Z`")
}

/// Reads the time of a day.
pub(super) fn clock(text: &str) -> Result<Time, String> {
    Time::strptime("%H:%M", text).map_err(|_| format!("`{text}` is no time of a day; write 22:00"))
}

/// Finds a time zone by its name.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("utc") || name == "Z" {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| format!("`{name}` is no time zone; write one as Asia/Seoul, Europe/Berlin or UTC"))
}

/// The moment at which the clocks of a zone show this, if there is one.
pub(super) fn at(date: Date, time: Time, zone: &TimeZone, if_unclear: Disambiguation) -> Option<Timestamp> {
    let zoned = zone.to_ambiguous_zoned_datetime(date.to_datetime(time)).disambiguate(if_unclear).ok()?;
    Some(zoned.timestamp())
}

/// Shows a moment in a zone, and in UTC where that is another: `Sat 2026-11-28 22:00 Asia/Seoul (13:00 UTC)`.
pub(super) fn in_zone(moment: Timestamp, zone: &TimeZone) -> String {
    let there = moment.to_zoned_datetime(zone.clone());
    let name = zone.iana_name().unwrap_or("UTC");
    let local = there.strftime("%a %Y-%m-%d %H:%M");
    if matches!(name, "UTC" | "Etc/UTC") {
        return format!("{local} UTC");
    }
    let utc = moment.to_zoned_datetime(TimeZone::UTC);
    let day = if utc.date() == there.date() { "%H:%M" } else { "%a %H:%M" };
    format!("{local} {name} ({} UTC)", utc.strftime(day))
}

/// Shows a moment in UTC.
pub fn shown(moment: Timestamp) -> String {
    in_zone(moment, &TimeZone::UTC)
}
