//! Numbers for people: three digits and a unit.

/// Longest time that is shown in seconds; a zone of a whole hour or day is known by its seconds.
const DAYS_FROM: f64 = 200_000.0;

/// A time with a sign: `-0.42 ms`, `+23.2 s`.
pub fn signed(seconds: f64) -> String {
    let size = span(seconds.abs());
    // What rounds to nothing has no sign.
    match seconds {
        _ if size == "0 µs" => size,
        s if s < 0.0 => format!("-{size}"),
        _ => format!("+{size}"),
    }
}

/// A length of time: `12 µs`, `0.42 ms`, `1.20 s`, `3.5 d`. What rounds up to the next unit is shown in it.
pub fn span(seconds: f64) -> String {
    match seconds {
        s if s >= DAYS_FROM => format!("{:.1} d", s / 86_400.0),
        s if s >= 999.5 => format!("{s:.0} s"),
        s if s >= 99.95 => format!("{s:.1} s"),
        s if s >= 0.999_5 => format!("{s:.2} s"),
        s if s >= 0.099_95 => format!("{:.0} ms", s * 1e3),
        s if s >= 0.009_995 => format!("{:.1} ms", s * 1e3),
        s if s >= 0.000_1 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

/// `1 host`, `2 hosts`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_unit_that_fits() {
        assert_eq!(signed(-0.00042), "-0.42 ms");
        assert_eq!(signed(23.2), "+23.20 s");
        assert_eq!(signed(-3600.04), "-3600 s");
        assert_eq!(signed(9e7), "+1041.7 d");
        let spans = [0.0, 0.000_012, 0.000_42, 0.0123, 0.1, 0.25, 0.999_9, 1.2, 72_000.0].map(span);
        assert_eq!(spans, ["0 µs", "12 µs", "0.42 ms", "12.3 ms", "100 ms", "250 ms", "1.00 s", "1.20 s", "72000 s"]);
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            (count(1, "host"), count(0, "host"), count(2, "host")),
            ("1 host".into(), "0 hosts".into(), "2 hosts".into())
        );
    }
}
