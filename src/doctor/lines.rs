//! The lines that systemctl, ss and ip print on a host, one reader for each.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::evidence::{Listener, Process, Route, Unit};
use crate::facts::units;

/// The program behind a socket, where `ss` does not say it.
pub(super) const UNKNOWN_PROGRAM: &str = "an unknown program";

pub(super) fn owned((left, right): (&str, &str)) -> (String, String) {
    (left.to_owned(), right.to_owned())
}

/// Lines that begin with an address.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (IpAddr, &str)> {
    text.lines().filter_map(|line| {
        let (address, rest) = line.split_once(' ')?;
        Some((address.parse().ok()?, rest))
    })
}

/// Reads what `systemctl show` printed; an alias shows its unit's own name, and both are kept.
pub(super) fn units(text: &str) -> BTreeMap<String, Unit> {
    let unit = |shown: units::Shown<'_>| {
        let value = |key: &str| shown.text(key).to_owned();
        let unit = Unit {
            load: value("LoadState"),
            active: value("ActiveState"),
            sub: value("SubState"),
            file: value("UnitFileState"),
            result: value("Result"),
            status: value("ExecMainStatus"),
        };
        (shown.name().to_owned(), unit)
    };
    units::shown(text).filter(|shown| shown.exists()).map(unit).collect()
}

pub(super) fn process(line: &str) -> Option<Process> {
    let mut words = line.split(' ').map(str::to_owned);
    Some(Process { id: words.next()?, name: words.next()?, group: words.next().unwrap_or_default() })
}

/// Reads a line of `ss -Hnlup`: state, queues, local address and port, peer, program.
pub(super) fn listener(line: &str) -> Option<Listener> {
    let local = line.split_whitespace().nth(3)?.strip_suffix(":123")?;
    let plain = local.trim_start_matches('[').split(['%', ']']).next()?;
    // A link-local address has its interface with it, too: it is there once for each.
    let device = local.split_once('%').map(|(_, device)| device.trim_end_matches(']').to_owned());
    let program = line.split('"').nth(1).unwrap_or(UNKNOWN_PROGRAM).to_owned();
    let any = matches!(plain, "*" | "0.0.0.0" | "::");
    let address = if any { None } else { Some(plain.parse().ok()?) };
    // `ss -e` leaves root's number out.
    let user = line.split(" uid:").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    let user = user.or_else(|| line.contains(" ino:").then_some(0));
    // An `ss` that is new says it of a socket for both families; one as old as that of CentOS 7 of IPv4's alone, and
    // then IPv6's is `:::123`.
    let six = (plain != "*").then(|| local.contains(['[', ':']));
    Some(Listener { address, device, six, user, program })
}

pub(super) fn device(line: &str) -> Option<(String, IpAddr)> {
    let (device, address) = line.split_once(' ')?;
    Some((device.to_owned(), address.parse().ok()?))
}

pub(super) fn route(line: &str) -> Route {
    let after = |word: &str| line.split(' ').skip_while(|other| *other != word).nth(1);
    let refused = ["unreachable", "prohibit", "blackhole", "throw"].iter().any(|word| line.starts_with(word));
    match after("dev") {
        Some(device) if !refused => {
            let address = |word: &str| after(word).and_then(|text| text.parse().ok());
            let via = address("via").or_else(|| address("inet6"));
            Route::By { device: device.to_owned(), from: address("src"), via }
        }
        _ => Route::None(line.trim().to_owned()),
    }
}

pub(super) fn names(text: &str) -> BTreeMap<String, Vec<IpAddr>> {
    let mut names: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for (name, address) in text.lines().filter_map(|line| line.split_once(' ')) {
        names.entry(name.to_owned()).or_default().extend(address.parse::<IpAddr>().ok());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_is_bound_to_an_interface_is_not_open_for_all() {
        let read =
            |local: &str| listener(&format!("UNCONN 0 0 {local}:123 0.0.0.0:* users:((\"chronyd\",pid=7,fd=6))"));
        let bound = |local: &str| read(local).map(|found| (found.address, found.device));
        assert_eq!(bound("0.0.0.0"), Some((None, None)));
        assert_eq!(bound("0.0.0.0%lo"), Some((None, Some("lo".to_owned()))));
        assert_eq!(bound("[::]%eth0"), Some((None, Some("eth0".to_owned()))));
        let six = |local: &str| read(local).map(|found| (found.address, found.six));
        assert_eq!(six("*"), Some((None, None)));
        assert_eq!([six("0.0.0.0"), six("::"), six("[::]")], [false, true, true].map(|six| Some((None, Some(six)))));
        let line = |end: &str| format!("UNCONN 0 0 0.0.0.0:123 0.0.0.0:* users:((\"chronyd\",pid=7,fd=6)){end}");
        let user = |end: &str| listener(&line(end)).and_then(|found| found.user);
        assert_eq!([user(" uid:102 ino:7 sk:1"), user(" ino:7 sk:1"), user("")], [Some(102), Some(0), None]);
        assert_eq!(bound("[fe80::1%eth0]"), Some(("fe80::1".parse().ok(), Some("eth0".to_owned()))));
    }

    #[test]
    fn a_way_by_a_router_names_it() {
        let by = |via: Option<&str>| Route::By {
            device: "eth0".to_owned(),
            from: "10.0.0.2".parse().ok(),
            via: via.and_then(|text| text.parse().ok()),
        };
        assert_eq!(route("10.0.0.1 dev eth0 src 10.0.0.2 uid 0 \\    cache"), by(None));
        assert_eq!(route("10.9.9.9 via 10.0.0.254 dev eth0 src 10.0.0.2 uid 0"), by(Some("10.0.0.254")));
        // A router of the other family: `via inet6 fe80::1`.
        assert_eq!(route("10.9.9.9 via inet6 fe80::1 dev eth0 src 10.0.0.2"), by(Some("fe80::1")));
        assert!(matches!(route("RTNETLINK answers: Network is unreachable"), Route::None(_)));
    }
}
