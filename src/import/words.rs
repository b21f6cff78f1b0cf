//! Words of a command line, and what may be a name or an address.

use std::net::IpAddr;

/// Takes a line apart as a shell does, without expanding anything; with `comments`, a `#` ends it.
pub(super) fn split(line: &str, comments: bool) -> Option<Vec<String>> {
    let (mut words, mut word, mut inside) = (Vec::new(), String::new(), false);
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(end), c) if c == end => quote = None,
            (Some('"'), '\\') => match chars.next() {
                Some(next @ ('"' | '\\')) => word.push(next),
                next => word.extend(std::iter::once('\\').chain(next)),
            },
            (None, '\\') => word.extend(chars.next()),
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => (quote, inside) = (Some(c), true),
            (None, '#') if comments => break,
            (None, c) if c.is_whitespace() => {
                if inside || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                inside = false;
            }
            (None, c) => word.push(c),
        }
    }
    if inside || !word.is_empty() {
        words.push(word);
    }
    quote.is_none().then_some(words)
}

/// Whether a host may be called so in our file.
pub(super) fn is_name(text: &str) -> bool {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '#');
    (1..=253).contains(&text.len()) && !text.starts_with('-') && text.chars().all(fine)
}

/// Whether others can be told to connect to it: an address, or a name of DNS.
pub(super) fn is_address(text: &str) -> bool {
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && !part.starts_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse::<IpAddr>().is_ok() || (name.len() <= 253 && !numeric && name.split('.').all(label))
}

/// Whether a text says yes in one of the ways that YAML and Ansible know; `None` if it says neither.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" | "1.0" => Some(true),
        "false" | "no" | "off" | "n" | "f" | "0" | "0.0" => Some(false),
        _ => None,
    }
}

/// Seconds as a length of time, which may be negative: `-1200us`.
pub(super) fn span(seconds: f64) -> Option<String> {
    let nanos = (seconds * 1e9).round();
    let nanos = (nanos.abs() < 1e18).then_some(nanos as i64)?;
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
    units.iter().find(|(unit, _)| nanos % unit == 0).map(|(unit, name)| format!("{}{name}", nanos / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell() {
        let words = |line| split(line, true).unwrap_or_default();
        assert_eq!(words("a 'b c' d\"e f\"g \"\" h\\ i # no"), ["a", "b c", "de fg", "", "h i"]);
        assert_eq!(words("-o ProxyCommand=\"ssh -W %h:%p 'x'\""), ["-o", "ProxyCommand=ssh -W %h:%p 'x'"]);
        assert_eq!(words("a#b"), ["a"]);
        assert_eq!(words("u=\"CORP\\ops\""), ["u=CORP\\ops"]);
        assert_eq!(split("it's", false), None);
    }

    #[test]
    fn seconds_are_lengths_of_time() {
        for (seconds, text) in [(3.0, "3s"), (0.25, "250ms"), (-0.0012, "-1200us"), (1e-9, "1ns"), (0.0, "0s")] {
            assert_eq!(span(seconds).as_deref(), Some(text));
        }
        assert!([f64::NAN, f64::INFINITY, 1e12].into_iter().all(|odd| span(odd).is_none()));
    }

    #[test]
    fn names_and_addresses() {
        for fine in ["10.0.0.1", "fd00::1", "web1", "a_b.example.com."] {
            assert!(is_address(fine), "{fine}");
        }
        for odd in ["10.0.0.300", "web 1", "", "-x", "{{ x }}", "a..b", "10.0.0.1:22"] {
            assert!(!is_address(odd), "{odd}");
        }
        assert!(is_name("시계1") && is_name("fd00::1") && !is_name("a/b") && !is_name(""));
    }
}
