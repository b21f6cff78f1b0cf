//! What may be a name or an address. Both end in configuration files and command lines of hosts,
//! and an address that is none is found out there only after everybody was contacted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest name that DNS has (RFC 1035 section 2.3.4); those of this file are no longer.
pub(super) const LONGEST_NAME: usize = 253;

/// The longest part of a name between two dots.
const LONGEST_LABEL: usize = 63;

/// Whether a host or a group may be called so: plain letters of any language, for it is printed, compared and
/// put into commands.
pub(super) fn is_given_name(text: &str) -> bool {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '#');
    (1..=LONGEST_NAME).contains(&text.len()) && !text.starts_with('-') && text.chars().all(fine)
}

/// Why a text is neither a host name nor an address; `None` if it is one.
pub(super) fn not_an_address(text: &str) -> Option<String> {
    if text.parse::<IpAddr>().is_ok() || is_with_zone(text) {
        return None;
    }
    let wrong = |why: &str| Some(format!("is neither a host name nor an address{why}"));
    let name = text.strip_suffix('.').unwrap_or(text);
    let port = text.rsplit_once(':').filter(|(host, port)| !host.contains(':') && port.parse::<u16>().is_ok());
    if port.is_some() {
        return wrong("; a port does not belong here (`ssh: { port: N }`, `winrm: { port: N }`; NTP has only 123)");
    }
    if name.len() > LONGEST_NAME {
        return wrong(&format!(": it has {} characters, and a name has {LONGEST_NAME} at most", name.len()));
    }
    if name.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())) {
        let why = "; an IPv4 address has four numbers from 0 to 255, without leading zeros";
        return wrong(if name.parse::<Ipv4Addr>().is_ok() { "" } else { why });
    }
    let label = |part: &str| {
        (1..=LONGEST_LABEL).contains(&part.len())
            && !part.starts_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    if name.split('.').all(label) { None } else { wrong("") }
}

/// `fe80::1%eth0`.
fn is_with_zone(text: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    text.split_once('%').is_some_and(|(address, zone)| {
        address.parse::<Ipv6Addr>().is_ok() && (1..=15).contains(&zone.len()) && zone.bytes().all(fine)
    })
}

/// The start of a text that may be long, for a message.
pub(super) fn short(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(60).collect();
    if chars.next().is_some() { format!("{start}...") } else { start }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_and_addresses() {
        let long = "a".repeat(63);
        for fine in
            ["10.0.0.1", "::1", "fe80::1%eth0", "web1", "time.bora.net", "time.bora.net.", "a_b.c-d", "3com.com", &long]
        {
            assert_eq!(not_an_address(fine), None, "{fine}");
        }
    }

    #[test]
    fn what_is_none_is_told_why() {
        for (text, why) in [
            ("%PATH%", "nor an address"),
            ("%", "nor an address"),
            ("%eth0", "nor an address"),
            ("10.0.0.1%eth0", "nor an address"),
            ("fe80::1%", "nor an address"),
            ("", "nor an address"),
            (".", "nor an address"),
            ("a..b", "nor an address"),
            ("-oProxy", "nor an address"),
            ("a b", "nor an address"),
            ("마스터", "nor an address"),
            ("10.10.10.300", "from 0 to 255"),
            ("10.10.010.1", "leading zeros"),
            ("10.10.10", "four numbers"),
            ("1", "four numbers"),
            ("10.10.10.1:2222", "a port"),
            ("time.bora.net:123", "a port"),
            (&"x.".repeat(1500), "2999 characters"),
            (&"x".repeat(64), "nor an address"),
        ] {
            let said = not_an_address(text).unwrap_or_default();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_one_plain_word(text in "\\PC{0,40}") {
            if not_an_address(&text).is_none() {
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte)));
                prop_assert!(!text.starts_with('-') && !text.is_empty());
            }
        }
    }
}
