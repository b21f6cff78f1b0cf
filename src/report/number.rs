//! Numbers for people: three digits and a unit.

/// A time with a sign: `-0.42 ms`, `+23.2 s`.
pub fn signed(seconds: f64) -> String {
    let sign = if seconds < 0.0 { '-' } else { '+' };
    format!("{sign}{}", span(seconds.abs()))
}

/// A length of time: `12 µs`, `0.42 ms`, `1.20 s`.
pub fn span(seconds: f64) -> String {
    match seconds {
        s if s >= 1000.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 0.0001 => format!("{:.2} ms", s * 1e3),
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
        assert_eq!(span(0.000_012), "12 µs");
        assert_eq!(span(72_000.0), "72000 s");
        assert_eq!((count(1, "host"), count(0, "host")), ("1 host".into(), "0 hosts".into()));
    }
}
