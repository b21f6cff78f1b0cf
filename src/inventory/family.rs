//! At which of its addresses a master is asked, and by which of theirs its followers are let in: both need
//! a family (IPv4, IPv6) that both hosts have. A name may lead to either.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::load::Draft;
use super::name::not_for_others;

/// The addresses of a host that mean something to others.
fn known_to_others(host: &Draft) -> impl Iterator<Item = (&str, Option<IpAddr>)> {
    let addresses = host.time_addresses.iter().filter(|text| not_for_others(text).is_none());
    addresses.map(|text| (text.as_str(), number(text)))
}

fn number(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The addresses of a host that the inventory has as numbers, wherever others may ask it.
pub(super) fn numbers(host: &Draft) -> Vec<IpAddr> {
    known_to_others(host).filter_map(|(_, address)| address).collect()
}

fn share(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}

/// How many of the first bits two addresses have in common; a few are chance.
fn nearness(one: IpAddr, other: IpAddr) -> u32 {
    let bits = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u32::from(one) ^ u32::from(other)).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (u128::from(one) ^ u128::from(other)).leading_zeros(),
        _ => 0,
    };
    if bits < 8 { 0 } else { bits }
}

/// Where a follower asks a master: one address, for the same clock asked twice would have two votes. The first
/// one whose family the follower has; of several of that family the one nearest to the follower's own.
pub(super) fn asked_at<'a>(master: &'a Draft, follower: &Draft) -> Option<&'a str> {
    let own: Vec<(&str, Option<IpAddr>)> = known_to_others(follower).collect();
    let has_name = own.iter().any(|(_, address)| address.is_none());
    let numbers: Vec<IpAddr> = own.into_iter().filter_map(|(_, address)| address).collect();
    // Of a host that only a name of its own machine is known of, anything may be true.
    let anything = has_name || numbers.is_empty();
    let fits = |address: IpAddr| anything || numbers.iter().any(|own| share(*own, address));
    let mut fitting = known_to_others(master).filter(|(_, address)| address.is_none_or(fits));
    let (first, address) = fitting.next()?;
    let Some(address) = address else { return Some(first) };
    let near = |other: IpAddr| numbers.iter().map(|own| nearness(*own, other)).max().unwrap_or(0);
    let mut best = (near(address), first);
    for (text, other) in fitting.filter_map(|(text, other)| Some((text, other?))) {
        if share(address, other) && near(other) > best.0 {
            best = (near(other), text);
        }
    }
    Some(best.1)
}

/// From where a master hears a follower: all its addresses of the families that the master has.
pub(super) fn heard_from(master: &Draft, follower: &Draft) -> Vec<IpAddr> {
    let own: Vec<(&str, Option<IpAddr>)> = known_to_others(master).collect();
    let fits = |address: &IpAddr| own.iter().any(|(_, own)| own.is_none_or(|own| share(own, *address)));
    numbers(follower).into_iter().filter(fits).collect()
}

/// Why two hosts cannot speak with each other.
pub(super) fn apart(master: &Draft, follower: &Draft) -> String {
    let (name, other) = (&follower.name, &master.name);
    let Some(_) = known_to_others(master).next() else {
        let why = master.time_addresses.iter().find_map(|text| Some((text, not_for_others(text)?)));
        let (address, why) = why.map_or(("", ""), |(text, why)| (text.as_str(), why));
        return format!(
            "`{name}` cannot ask `{other}` for time at {address}: it {why}; give `{other}` a `time_address`"
        );
    };
    format!(
        "`{name}` and `{other}` have no address family in common: `{name}` has {}, `{other}` has {}; \
         a `time_address: [IPv4, IPv6]` names both of a host that has both",
        listed(follower),
        listed(master)
    )
}

fn listed(host: &Draft) -> String {
    let texts: BTreeSet<&str> = known_to_others(host).map(|(text, _)| text).collect();
    texts.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::node::At;
    use super::super::settings::Settings;
    use super::*;

    fn host(addresses: &str) -> Draft {
        Draft {
            name: "h".into(),
            at: At::default(),
            address: String::new(),
            time_addresses: addresses.split(' ').map(str::to_owned).collect(),
            groups: Vec::new(),
            settings: Settings::default(),
        }
    }

    #[test]
    fn a_master_is_asked_in_a_family_that_both_have_and_at_the_nearest_address() {
        for (master, follower, asked) in [
            ("10.0.0.1", "10.0.0.2", Some("10.0.0.1")),
            ("10.0.0.1 fd00::1", "10.0.0.2", Some("10.0.0.1")),
            ("10.0.0.1 fd00::1", "fd00::2", Some("fd00::1")),
            ("fd00::1 10.0.0.1", "10.0.0.2 fd00::2", Some("fd00::1")),
            ("10.0.0.1 192.168.5.1", "192.168.5.9", Some("192.168.5.1")),
            ("10.0.0.1 192.168.5.1", "172.16.0.1", Some("10.0.0.1")),
            ("10.0.0.1", "fd00::2", None),
            ("fd00::1", "10.0.0.2", None),
            ("ntp.lab", "fd00::2", Some("ntp.lab")),
            ("10.0.0.1 ntp.lab", "fd00::2", Some("ntp.lab")),
            ("fd00::1", "web.lab", Some("fd00::1")),
            ("10.0.0.1", "127.0.0.1", Some("10.0.0.1")),
            ("127.0.0.1", "10.0.0.2", None),
            ("fe80::1%eth0 fd00::1", "fd00::2", Some("fd00::1")),
            ("::ffff:10.0.0.1", "10.0.0.2", Some("::ffff:10.0.0.1")),
        ] {
            assert_eq!(asked_at(&host(master), &host(follower)), asked, "{master} / {follower}");
        }
    }

    #[test]
    fn a_follower_is_let_in_from_each_of_its_addresses_that_can_reach_the_master() {
        for (master, follower, heard) in [
            ("10.0.0.1", "10.0.0.2 fd00::2", "10.0.0.2"),
            ("10.0.0.1 fd00::1", "10.0.0.2 fd00::2", "10.0.0.2 fd00::2"),
            ("ntp.lab", "10.0.0.2 fd00::2", "10.0.0.2 fd00::2"),
            ("10.0.0.1", "web.lab", ""),
            ("10.0.0.1", "127.0.0.1", ""),
        ] {
            let found: Vec<String> =
                heard_from(&host(master), &host(follower)).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), heard, "{master} / {follower}");
        }
    }
}
