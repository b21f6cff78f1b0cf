//! Which machine W32Time follows. It names its source as it was configured, and looked the name up when it
//! started; the reference that it tells is the address of the machine (RFC 5905, figure 12).

use std::net::{IpAddr, Ipv4Addr};

use crate::model::Prober;
use crate::ntp::report::SourceReport as Measured;
use crate::provider::{DaemonStatus, PeerKind};

/// The machine that is followed by a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Followed {
    /// Its address.
    pub(crate) address: Ipv4Addr,
    /// Whether the name leads there now, so that it was measured.
    pub(crate) known: bool,
}

/// Returns the machine behind the name that the service follows, where its reference says it. That of a source
/// of IPv6 is a hash, so nothing is said of a name that leads to such addresses, unless one of IPv4 fits.
pub(crate) fn followed(daemon: &DaemonStatus, measured: &[Measured]) -> Option<Followed> {
    let peer = daemon.peers.iter().find(|peer| peer.selected && peer.kind == PeerKind::Server)?;
    let mut rows = measured.iter().filter(|row| row.source == peer.address).peekable();
    // What the service's own tool measures has no address, and an address in the inventory needs no looking up.
    rows.peek().filter(|row| row.probe == Prober::Powershell && row.source.parse::<IpAddr>().is_err())?;
    let leads: Vec<IpAddr> = rows.filter_map(|row| row.address.as_deref()?.parse().ok()).collect();
    let address = reference(daemon)?;
    let known = leads.contains(&IpAddr::V4(address));
    (known || leads.iter().all(IpAddr::is_ipv4)).then_some(Followed { address, known })
}

/// The reference of a service that follows another machine.
fn reference(daemon: &DaemonStatus) -> Option<Ipv4Addr> {
    let report = &daemon.report;
    let number = u32::from_str_radix(report.refid.as_deref()?, 16).ok()?;
    let address = Ipv4Addr::from(number);
    let is_host = !address.is_loopback() && !address.is_unspecified() && !address.is_multicast() && number >> 28 != 15;
    (report.stratum? >= 2 && !report.own_clock && is_host).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Outcome, Slice};
    use crate::provider::Provider;
    use crate::provider::w32time::W32Time;

    /// A service that follows ptb.example.de, and says that it is 192.0.2.53.
    fn german() -> DaemonStatus {
        let stdout = std::fs::read_to_string("tests/w32tm/de-stale.txt").unwrap();
        W32Time.parse_status(&Slice { stdout, ..Slice::default() }).unwrap()
    }

    fn rows(source: &str, leads: &[&str]) -> Vec<Measured> {
        let row = |address: &&str| Measured {
            address: Some((*address).to_owned()),
            probe: Prober::Powershell,
            ..Measured::without(source, Outcome::Ok)
        };
        leads.iter().map(row).collect()
    }

    #[test]
    fn the_reference_says_which_machine_is_followed() {
        let found = |leads: &[&str]| {
            let followed = followed(&german(), &rows("ptb.example.de", leads))?;
            Some((followed.address.to_string(), followed.known))
        };
        let at = |known| Some(("192.0.2.53".to_owned(), known));
        assert_eq!((found(&["192.0.2.53"]), found(&["192.0.2.1", "192.0.2.53"])), (at(true), at(true)));
        assert_eq!(found(&["192.0.2.1", "192.0.2.2"]), at(false));
        assert_eq!((found(&["fd00::1"]), found(&["192.0.2.1", "fd00::1"])), (None, None));
        assert_eq!(found(&["192.0.2.53", "fd00::1"]), at(true));
    }

    #[test]
    fn nothing_is_said_where_the_reference_is_no_address_or_no_name_was_looked_up() {
        assert_eq!(followed(&german(), &rows("ntp.other", &["192.0.2.1"])), None);
        let mut charts = rows("ptb.example.de", &["192.0.2.1"]);
        charts[0].probe = Prober::W32tm;
        assert_eq!(followed(&german(), &charts), None);
        let mut clock = german();
        clock.report.refid = Some("564d5450".to_owned());
        clock.report.stratum = Some(1);
        assert_eq!(followed(&clock, &rows("ptb.example.de", &["192.0.2.1"])), None);
        for refid in ["4c4f434c", "7f7f0101", "00000000", "e0000101", "ffffffff"] {
            let mut own = german();
            own.report.refid = Some(refid.to_owned());
            own.report.own_clock = refid == "4c4f434c";
            assert_eq!(followed(&own, &rows("ptb.example.de", &["192.0.2.1"])), None, "{refid}");
        }
    }
}
