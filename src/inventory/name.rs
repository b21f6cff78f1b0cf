//! What may be a name or an address. Both end in configuration files and command lines of hosts,
//! and an address that is none is found out there only after everybody was contacted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::mistaken;

/// The longest name that DNS has (RFC 1035 section 2.3.4); those of this file are no longer.
pub(super) const LONGEST_NAME: usize = 253;

/// The longest part of a name between two dots.
pub(super) const LONGEST_LABEL: usize = 63;

/// Whether a host or a group may be called so: plain letters of any language, for it is printed, compared and
/// put into commands.
pub(super) fn is_given_name(text: &str) -> bool {
    let fine = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '#');
    (1..=LONGEST_NAME).contains(&text.len()) && !text.starts_with('-') && text.chars().all(fine)
}

/// Why a text is neither a host name nor an address, and what was probably meant; `None` if it is one.
pub fn not_an_address(text: &str) -> Option<String> {
    let fine = text.parse::<IpAddr>().is_ok() || is_with_zone(text) || is_host_name(text);
    (!fine).then(|| format!("is neither a host name nor an address{}", mistaken::for_an_address(text)))
}

/// Whether DNS may have such a name, and no program takes it for an address.
fn is_host_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let label = |part: &str| {
        (1..=LONGEST_LABEL).contains(&part.len())
            && !part.starts_with('-')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= LONGEST_NAME && !is_numeric(name) && name.split('.').all(label)
}

/// Whether it begins with an IPv6 address in brackets, which is no range (`[1:20]`).
pub(super) fn is_bracketed(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.split_once(']'));
    inner.is_some_and(|(inner, _)| inner.parse::<Ipv6Addr>().is_ok())
}

/// What programs read as an IPv4 address in one of its old forms: the last part is a number (`0x7f.1`, `010.1`).
pub(super) fn is_numeric(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let all = |text: &str, fine: fn(&u8) -> bool| text.bytes().all(|byte| fine(&byte));
    !last.is_empty()
        && (all(last, u8::is_ascii_digit) || hexadecimal.is_some_and(|rest| all(rest, u8::is_ascii_hexdigit)))
}

/// Why no other machine can be asked for time at this name or address, or let in by it; `None` if one can.
pub(super) fn not_for_others(text: &str) -> Option<&'static str> {
    if is_itself(text) {
        return Some("is the host itself, whoever asks");
    }
    let link = "is known on one link only; write an address of a network, or a name";
    match text.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(v6)) if v6.is_unicast_link_local() => Some(link),
        Err(_) if is_with_zone(text) => Some(link),
        _ => not_one_machine(text),
    }
}

/// Why an address is that of no machine: to connect to `0.0.0.0` reaches the machine that asks.
pub(super) fn not_one_machine(text: &str) -> Option<&'static str> {
    match text.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(v4) if v4.is_broadcast() => Some("is the broadcast address, and not that of one machine"),
        IpAddr::V4(v4) if v4.is_multicast() => Some(GROUP),
        // 0.0.0.0/8 is this network, 240.0.0.0/4 is reserved (RFC 6890).
        IpAddr::V4(v4) if v4.octets()[0] == 0 || v4.octets()[0] >= 240 => Some(NOT_ONE),
        IpAddr::V6(v6) if v6.is_multicast() => Some(GROUP),
        IpAddr::V6(v6) if v6.is_unspecified() => Some(NOT_ONE),
        _ => None,
    }
}

const NOT_ONE: &str = "is not the address of one machine";
const GROUP: &str = "is a multicast address, and not that of one machine";

/// Whether a name or an address is the machine itself, on every machine.
pub(super) fn is_itself(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let name = plain(text);
            let known = ["localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"];
            known.contains(&name.as_str()) || name.ends_with(".localhost")
        }
    }
}

/// The kind of a reference clock, as ntpd writes it (`127.127.KIND.UNIT`).
pub(super) fn reference_clock(text: &str) -> Option<u8> {
    match text.parse::<Ipv4Addr>().map(|address| address.octets()) {
        Ok([127, 127, kind, _]) => Some(kind),
        _ => None,
    }
}

/// A name or an address in the one form in which it can be compared.
pub(super) fn plain(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().to_string(),
        Err(_) => text.strip_suffix('.').unwrap_or(text).to_lowercase(),
    }
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
    fn what_others_cannot_use_is_told_from_what_they_can() {
        for (text, why) in [
            ("127.0.0.1", "itself"),
            ("127.127.1.0", "itself"),
            ("::1", "itself"),
            ("::ffff:127.0.0.1", "itself"),
            ("Localhost.", "itself"),
            ("0.0.0.0", "one machine"),
            ("0.1.2.3", "one machine"),
            ("240.0.0.1", "one machine"),
            ("::", "one machine"),
            ("224.0.1.1", "one machine"),
            ("255.255.255.255", "one machine"),
            ("ff02::101", "one machine"),
            ("fe80::1", "one link"),
            ("fe80::1%eth0", "one link"),
        ] {
            assert!(not_for_others(text).is_some_and(|said| said.contains(why)), "{text}");
        }
        for fine in ["10.0.0.1", "fd00::1", "time.bora.net", "localhost.example.net", "169.254.1.1"] {
            assert_eq!(not_for_others(fine), None, "{fine}");
        }
        assert_eq!((reference_clock("127.127.28.0"), reference_clock("127.0.0.1")), (Some(28), None));
        assert_eq!(
            (plain("NTP.Lab."), plain("FD00:0::1"), plain("::ffff:10.0.0.1")),
            ("ntp.lab".into(), "fd00::1".into(), "10.0.0.1".into())
        );
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
