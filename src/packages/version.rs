//! Which of two versions is newer, as dpkg and rpm see it.

use std::cmp::Ordering;

use super::Format;

/// Compares two versions; an epoch that is not said is 0, and of rpm a release that is not said is any.
pub(super) fn compare(format: Format, one: &str, other: &str) -> Ordering {
    let ((epoch, one), (other_epoch, other)) = (epoch(one), epoch(other));
    let parts = |text: &str| text.rsplit_once('-').map(|(version, release)| (version.to_owned(), release.to_owned()));
    let by = match format {
        Format::Deb => deb,
        Format::Rpm => rpm,
    };
    let ((version, release), (other_version, other_release)) = (
        parts(one).unwrap_or((one.to_owned(), String::new())),
        parts(other).unwrap_or((other.to_owned(), String::new())),
    );
    let released = match format {
        Format::Rpm if release.is_empty() || other_release.is_empty() => Ordering::Equal,
        _ => by(&release, &other_release),
    };
    epoch.cmp(&other_epoch).then_with(|| by(&version, &other_version)).then(released)
}

fn epoch(version: &str) -> (u64, &str) {
    let split = version.split_once(':').and_then(|(epoch, rest)| Some((epoch.parse().ok()?, rest)));
    split.unwrap_or((0, version))
}

/// Text and numbers in turn. `~` comes before the end, and letters before all else.
fn deb(mut one: &str, mut other: &str) -> Ordering {
    let weight = |c: Option<char>| match c {
        Some('~') => -1,
        None => 0,
        Some(c) if c.is_ascii_digit() => 0,
        Some(c) if c.is_ascii_alphabetic() => i64::from(u32::from(c)),
        Some(c) => i64::from(u32::from(c)) + 256,
    };
    while !one.is_empty() || !other.is_empty() {
        let ((text, rest), (other_text, other_rest)) =
            (cut(one, |c| !c.is_ascii_digit()), cut(other, |c| !c.is_ascii_digit()));
        let (mut ours, mut theirs) = (text.chars(), other_text.chars());
        loop {
            let (a, b) = (ours.next(), theirs.next());
            if a.is_none() && b.is_none() {
                break;
            }
            match weight(a).cmp(&weight(b)) {
                Ordering::Equal => {}
                decided => return decided,
            }
        }
        let ((digits, rest), (other_digits, other_rest)) =
            (cut(rest, |c| c.is_ascii_digit()), cut(other_rest, |c| c.is_ascii_digit()));
        match number(digits, other_digits) {
            Ordering::Equal => (one, other) = (rest, other_rest),
            decided => return decided,
        }
    }
    Ordering::Equal
}

/// Segments of letters or digits; what stands between them does not count. `~` comes before the end and `^` behind it,
/// but before any segment.
fn rpm(mut one: &str, mut other: &str) -> Ordering {
    let odd = |c: char| !c.is_ascii_alphanumeric() && c != '~' && c != '^';
    loop {
        (one, other) = (one.trim_start_matches(odd), other.trim_start_matches(odd));
        for (sign, alone) in [('~', Ordering::Less), ('^', Ordering::Greater)] {
            match (one.strip_prefix(sign), other.strip_prefix(sign)) {
                (Some(rest), Some(other_rest)) => return rpm(rest, other_rest),
                (Some(_), None) => return if sign == '^' && !other.is_empty() { Ordering::Less } else { alone },
                (None, Some(_)) => {
                    return if sign == '^' && !one.is_empty() { Ordering::Greater } else { alone.reverse() };
                }
                (None, None) => {}
            }
        }
        match (one.is_empty(), other.is_empty()) {
            (true, true) => return Ordering::Equal,
            (true, false) => return Ordering::Less,
            (false, true) => return Ordering::Greater,
            (false, false) => {}
        }
        let is_number = one.starts_with(|c: char| c.is_ascii_digit());
        let kind = |c: char| if is_number { c.is_ascii_digit() } else { c.is_ascii_alphabetic() };
        let ((segment, rest), (other_segment, other_rest)) = (cut(one, kind), cut(other, kind));
        // A number is newer than letters.
        if other_segment.is_empty() {
            return if is_number { Ordering::Greater } else { Ordering::Less };
        }
        let order = if is_number { number(segment, other_segment) } else { segment.cmp(other_segment) };
        if order != Ordering::Equal {
            return order;
        }
        (one, other) = (rest, other_rest);
    }
}

/// Cuts off what is alike at the start.
fn cut(text: &str, alike: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !alike(c)).unwrap_or(text.len()))
}

/// Numbers of any length.
fn number(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_dpkg_and_rpm_do() {
        for (format, older, newer) in [
            (Format::Deb, "4.3-2", "4.3-2+deb12u1"),
            (Format::Deb, "4.3-2~bpo11+1", "4.3-2"),
            (Format::Deb, "4.9", "4.10"),
            (Format::Deb, "9:1.0", "10:0.1"),
            (Format::Deb, "1.0", "1:0.5"),
            (Format::Deb, "2.11-20080614-0", "3.1-20221030-2"),
            (Format::Deb, "1.0a", "1.0+"),
            (Format::Deb, "1.0~rc1", "1.0"),
            (Format::Deb, "1.0", "1.0a"),
            (Format::Rpm, "4.3-1.el9", "4.5-1.el9"),
            (Format::Rpm, "4.5-1.el9", "4.5-1.el9_4"),
            (Format::Rpm, "1.0~rc1", "1.0"),
            (Format::Rpm, "1.0", "1.0^git1"),
            (Format::Rpm, "1.0^git1", "1.0.1"),
            (Format::Rpm, "1.a", "1.1"),
            (Format::Rpm, "2.34", "2.100"),
            (Format::Rpm, "1.0", "1:0.1"),
        ] {
            assert_eq!(compare(format, older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(format, newer, older), Ordering::Greater, "{newer} {older}");
        }
        for (format, one, other) in [
            (Format::Deb, "0:1.0", "1.0"),
            (Format::Deb, "1.02", "1.2"),
            (Format::Rpm, "4.5", "4.5-1.el9"),
            (Format::Rpm, "1.0.", "1.0"),
        ] {
            assert_eq!(compare(format, one, other), Ordering::Equal, "{one} {other}");
        }
    }
}
