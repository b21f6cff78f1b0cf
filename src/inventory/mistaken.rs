//! What people write where a host name or an address belongs, and what they have to write instead: an error that
//! only says "no" costs a look into a manual.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::name::{LONGEST_LABEL, LONGEST_NAME, is_numeric, not_an_address, short};

/// A way to look for one mistake.
type Look = fn(&str) -> Option<String>;

/// The mistakes that are looked for, in this order: what stands around an address comes before the address.
const LOOKS: &[Look] =
    &[long, url, blank, several, account, wide, other_letters, length, card, port, brackets, zone, six, four, label];

/// What is wrong with a text that is neither a host name nor an address, as the rest of a sentence.
pub(super) fn for_an_address(text: &str) -> String {
    LOOKS.iter().find_map(|look| look(text)).map_or_else(String::new, |why| format!("; {why}"))
}

/// What to write, or what is wrong with that in turn.
fn write(text: &str) -> String {
    match not_an_address(text) {
        None => format!("write `{}`", short(text)),
        Some(_) => format!("`{}` is none either{}", short(text), for_an_address(text)),
    }
}

/// `ntp://time.bora.net/`.
fn url(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    Some(format!("a URL does not belong here: {}", write(host)))
}

/// A blank at an end, which only quotes keep.
fn blank(text: &str) -> Option<String> {
    let trimmed = text.trim();
    (trimmed != text && !trimmed.is_empty()).then(|| format!("there is a blank at an end of it: {}", write(trimmed)))
}

/// `a, b` or `a b` in one text.
fn several(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split([',', ';', ' ', '\t']).filter(|part| !part.is_empty()).collect();
    let all = parts.len() > 1 && parts.iter().all(|part| not_an_address(part).is_none());
    all.then(|| format!("these are {} in one text: write a list, `[{}]`", parts.len(), short(&parts.join(", "))))
}

/// `ops@10.0.0.1`.
fn account(text: &str) -> Option<String> {
    let (_, host) = text.rsplit_once('@').filter(|(user, host)| !user.is_empty() && !host.is_empty())?;
    Some(format!("the user belongs to `ssh: {{ user: NAME }}`: {}", write(host)))
}

/// Digits, letters and dots as an Asian keyboard writes them.
fn wide(text: &str) -> Option<String> {
    let narrow = |c: char| match c {
        '\u{3002}' | '\u{ff61}' => '.',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    let plain: String = text.chars().map(narrow).collect();
    (plain != text).then(|| format!("it has full-width characters: {}", write(&plain)))
}

/// DNS has only ASCII; a name of this file may have any letters, and then needs an address.
fn other_letters(text: &str) -> Option<String> {
    let odd = text.chars().find(|c| !c.is_ascii())?;
    Some(if odd.is_numeric() {
        format!("`{odd}` is no digit from 0 to 9")
    } else {
        format!("`{odd}` is in no name of DNS (one in other letters begins with `xn--` there)")
    })
}

/// `10.0.0.1/24`.
fn length(text: &str) -> Option<String> {
    let (address, _) = text.split_once('/')?;
    Some(format!("a `/` makes a network, and one machine is meant: {}", write(address)))
}

/// `52:54:00:12:34:56`.
fn card(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(':').collect();
    let pair = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    (parts.len() == 6 && parts.iter().all(pair))
        .then(|| "this is the address of a network card: write the IP address".to_owned())
}

/// `host:123` or `[fd00::1]:123`.
fn port(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let is_port = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let host = bare(host).or_else(|| (!host.contains(':') && !host.is_empty()).then_some(host))?;
    let why = "a port does not belong here (`ssh: { port: N }`, `winrm: { port: N }`; NTP has only 123)";
    is_port.then(|| format!("{why}: {}", write(host)))
}

/// `[fd00::1]`, as in a URL.
fn brackets(text: &str) -> Option<String> {
    let inner = bare(text)?;
    let what = if inner.parse::<Ipv6Addr>().is_ok() { "an IPv6 address" } else { "an address" };
    Some(format!("{what} has no brackets here: {}", write(inner)))
}

fn bare(text: &str) -> Option<&str> {
    text.strip_prefix('[')?.strip_suffix(']')
}

/// `10.0.0.1%eth0`: only an address of one link has a zone.
fn zone(text: &str) -> Option<String> {
    let (address, _) = text.split_once('%')?;
    let why = "only an IPv6 address of one link (`fe80::1%eth0`) has a zone";
    address.parse::<IpAddr>().is_ok().then(|| format!("{why}: {}", write(address)))
}

/// Something with the colons of an IPv6 address.
fn six(text: &str) -> Option<String> {
    let fine = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let colons = text.matches(':').count();
    (colons > 1 && text.bytes().all(fine)).then(|| {
        "an IPv6 address has eight groups of one to four hexadecimal digits, and `::` once in place of some".to_owned()
    })
}

fn long(text: &str) -> Option<String> {
    let long = text.len() > LONGEST_NAME;
    long.then(|| format!("it has {} characters, and a name has {LONGEST_NAME} at most", text.len()))
}

/// What programs read as an IPv4 address, and not as it looks; and names that end as one.
fn four(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if !is_numeric(name) {
        return None;
    }
    if name.parse::<Ipv4Addr>().is_ok() {
        return Some(format!("an IPv4 address has no dot at its end: write `{name}`"));
    }
    let parts: Vec<&str> = name.split('.').collect();
    if !parts.iter().all(|part| is_numeric(part)) {
        let why =
            "a name whose last part is a number is taken for an IPv4 address: write an address (`address: 10.0.0.1`)";
        return Some(why.to_owned());
    }
    let too_large = parts.iter().find(|part| part.parse::<u64>().is_ok_and(|number| number > 255));
    let why = match too_large {
        Some(part) if parts.len() == 4 => format!("`{part}` is above 255"),
        _ => "an IPv4 address has four numbers from 0 to 255, without leading zeros".to_owned(),
    };
    Some(meant(&why, name))
}

/// The same with what a text that is nearly an IPv4 address was probably meant to be, and what programs make of it.
fn meant(why: &str, name: &str) -> String {
    let decimal = |part: &str| part.parse::<u8>().ok();
    let plain = name.split('.').map(decimal).collect::<Option<Vec<u8>>>();
    let plain = plain.and_then(|parts| <[u8; 4]>::try_from(parts).ok()).map(Ipv4Addr::from);
    match (plain, as_libc_reads(name)) {
        (Some(plain), Some(read)) if read != plain => {
            format!("{why}; some programs read it as {read}: write `{plain}` if that is meant")
        }
        (Some(plain), _) => format!("{why}: write `{plain}`"),
        (None, Some(read)) => format!("{why}; some programs read it as {read}: write that if it is meant"),
        (None, None) => why.to_owned(),
    }
}

/// What `inet_aton` makes of one to four numbers, octal and hexadecimal ones too: the last one fills what is left.
fn as_libc_reads(name: &str) -> Option<Ipv4Addr> {
    let parts = name.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, first) = parts.split_last().filter(|(_, first)| first.len() < 4)?;
    let left = 32 - 8 * u32::try_from(first.len()).ok()?;
    let fits = first.iter().all(|part| *part <= 255) && (left == 32 || *last < 1 << left);
    let high = |(part, shift): (&u32, u32)| part << shift;
    fits.then(|| Ipv4Addr::from(first.iter().zip([24_u32, 16, 8]).map(high).sum::<u32>() | last))
}

fn number(part: &str) -> Option<u32> {
    let hexadecimal = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
    match (hexadecimal, part.strip_prefix('0').filter(|rest| !rest.is_empty())) {
        (Some(digits), _) => u32::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) => u32::from_str_radix(digits, 8).ok(),
        (None, None) => part.parse().ok(),
    }
}

/// What is wrong with a text that is no network, as the rest of a sentence.
pub(super) fn for_a_network(text: &str) -> String {
    let as_meant = masked(text).or_else(|| shortened(text));
    match as_meant.filter(|network| network.parse::<IpNet>().is_ok()) {
        Some(network) => format!("is no network; write `{network}`"),
        None => "is no network; write 10.0.0.0/24 or fd00::/64".to_owned(),
    }
}

/// `10.0.0.0/255.255.255.0`.
fn masked(text: &str) -> Option<String> {
    let (address, mask) = text.split_once('/')?;
    let network = IpNet::with_netmask(address.trim().parse().ok()?, mask.trim().parse().ok()?).ok()?;
    Some(network.trunc().to_string())
}

/// `10.0.0/24` and `10.0.*`: what is left out is zero.
fn shortened(text: &str) -> Option<String> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let stars = address.trim_end_matches(".*");
    let parts: Vec<u8> = stars.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let known = u8::try_from(parts.len()).ok().filter(|known| (1..4).contains(known))?;
    let mut octets = [0; 4];
    octets.iter_mut().zip(&parts).for_each(|(octet, part)| *octet = *part);
    let length = match length {
        Some(length) => length.parse().ok()?,
        None if stars != address => known * 8,
        None => return None,
    };
    Some(IpNet::new(Ipv4Addr::from(octets).into(), length).ok()?.trunc().to_string())
}

/// A part of a name that no name has.
fn label(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let part = name.split('.').find(|part| part.len() > LONGEST_LABEL || part.starts_with('-') || part.is_empty())?;
    Some(match part.len() {
        0 if name.is_empty() => return None,
        0 => "it has a dot too many".to_owned(),
        1..=LONGEST_LABEL => format!("`{}` begins with a `-`", short(part)),
        many => format!("a part of it has {many} characters, and {LONGEST_LABEL} are the most between two dots"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_mistake_is_told_with_what_to_write() {
        for (text, why) in [
            ("%PATH%", "nor an address"),
            ("%", "nor an address"),
            ("%eth0", "nor an address"),
            ("", "nor an address"),
            (".", "nor an address"),
            ("a!b", "nor an address"),
            ("fe80::1%", "has a zone: write `fe80::1`"),
            ("10.0.0.1%eth0", "has a zone: write `10.0.0.1`"),
            ("a..b", "a dot too many"),
            ("time.lab..", "a dot too many"),
            ("-oProxy", "`-oProxy` begins with a `-`"),
            ("a b", "these are 2 in one text: write a list, `[a, b]`"),
            ("10.0.0.1,10.0.0.2", "`[10.0.0.1, 10.0.0.2]`"),
            ("10.0.0.1 ", "a blank at an end of it: write `10.0.0.1`"),
            ("마스터", "`마` is in no name of DNS"),
            ("１０.0.0.1", "full-width characters: write `10.0.0.1`"),
            ("10。0。0。1", "full-width characters: write `10.0.0.1`"),
            ("ｎｔｐ．ｌａｂ", "write `ntp.lab`"),
            ("１０.0.0.300", "`10.0.0.300` is none either; `300` is above 255"),
            ("10.0.0.٣", "`٣` is no digit from 0 to 9"),
            ("ntp://time.bora.net", "a URL does not belong here: write `time.bora.net`"),
            ("https://time.lab:443/x", "`time.lab:443` is none either; a port does not belong here"),
            ("ops@10.0.0.1", "`ssh: { user: NAME }`: write `10.0.0.1`"),
            ("10.0.0.1/24", "; a `/` makes a network, and one machine is meant: write `10.0.0.1`"),
            ("fd00::1/64", "write `fd00::1`"),
            ("52:54:00:12:34:56", "of a network card"),
            ("fd00:::1", "an IPv6 address has eight groups"),
            ("10.10.10.300", "`300` is above 255"),
            ("10.10.010.1", "read it as 10.10.8.1: write `10.10.10.1`"),
            ("010.1", "read it as 8.0.0.1"),
            ("010.1.1.1", "read it as 8.1.1.1: write `10.1.1.1`"),
            ("0x7f.1", "read it as 127.0.0.1"),
            ("0x7f000001", "read it as 127.0.0.1"),
            ("167772161", "read it as 10.0.0.1"),
            ("web.08", "whose last part is a number"),
            ("server.2024", "whose last part is a number"),
            ("10.10.08.1", "write `10.10.8.1`"),
            ("10.0.0.1.", "no dot at its end: write `10.0.0.1`"),
            ("10.1", "read it as 10.0.0.1"),
            ("10.10.10", "read it as 10.10.0.10"),
            ("10.0.0.1.5", "four numbers"),
            ("2.65024.0", "four numbers"),
            ("4294967295.4294967295.4294967295.4294967295", "above 255"),
            ("1", "read it as 0.0.0.1"),
            ("10.10.10.1:2222", "a port"),
            ("time.bora.net:123", "write `time.bora.net`"),
            ("[fd00::1]:123", "write `fd00::1`"),
            ("[::1]:2222", "write `::1`"),
            ("[fd00::1]", "an IPv6 address has no brackets here: write `fd00::1`"),
            ("[10.0.0.1]", "an address has no brackets here: write `10.0.0.1`"),
            ("10.10.10.1:99999", "a port"),
            (&"x.".repeat(1500), "3000 characters"),
            (&"x".repeat(64), "has 64 characters, and 63 are the most"),
        ] {
            let said = not_an_address(text).unwrap_or_default();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn a_network_that_is_none_is_told_with_the_one_that_was_meant() {
        for (text, why) in [
            ("10.0.0.0/255.255.255.0", "write `10.0.0.0/24`"),
            ("10.0.0.7/255.255.0.0", "write `10.0.0.0/16`"),
            ("10.0.0.0/0.0.0.255", "write 10.0.0.0/24"),
            ("10.0.0/24", "write `10.0.0.0/24`"),
            ("10/8", "write `10.0.0.0/8`"),
            ("10.0.*", "write `10.0.0.0/16`"),
            ("10.0.*.*", "write `10.0.0.0/16`"),
            ("10.0.0.0/33", "write 10.0.0.0/24"),
            ("300.0.*", "write 10.0.0.0/24"),
            ("banana", "write 10.0.0.0/24"),
            ("*", "write 10.0.0.0/24"),
            ("", "write 10.0.0.0/24"),
        ] {
            let said = for_a_network(text);
            assert!(said.starts_with("is no network; ") && said.contains(why), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn what_is_to_be_written_is_an_address(text in "(ntp://)?[a1\\[]{0,2}[0-9a-f.:%/@１。-]{0,20}\\]?") {
            let said = not_an_address(&text).unwrap_or_default();
            if let Some((_, meant)) = said.rsplit_once("write `") {
                let meant = meant.split('`').next().unwrap_or_default();
                prop_assert!(meant.starts_with('[') || not_an_address(meant).is_none(), "{}: {}", text, said);
            }
        }
    }
}
