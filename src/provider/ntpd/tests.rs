use super::*;
use crate::inventory::parse;
use std::path::Path;

#[test]
fn an_old_ntpd_says_what_it_cannot_do() {
    let time = |source: &str| {
        let text = format!("hosts: {{ h: {{ address: 10.0.0.9, role: master, upstream: ['{source}'] }} }}");
        parse(Path::new("t.yml"), &text).unwrap().hosts.remove(0).time
    };
    let new = crate::facts::linux::tests_facts("");
    let old = Facts { lacks: vec!["restrict_source", "pool_renewed", "wide"], ..new.clone() };
    for (source, refused, open) in [
        ("10.0.0.1", false, false),
        ("fd00::1", false, false),
        ("2001:db8:10:20::15", true, false),
        ("ntp.example", false, true),
    ] {
        let time = time(source);
        assert_eq!(Ntpd.refusal(&time, &old).is_some(), refused, "{source}");
        assert_eq!(!Ntpd.shortcomings(&time, &old).is_empty(), open, "{source}");
        assert!(Ntpd.refusal(&time, &new).is_none() && Ntpd.shortcomings(&time, &new).is_empty(), "{source}");
    }
    let text = "hosts: { h: { address: 10.0.0.9, role: master, upstream: [{ address: ntp.example, pool: true }] } }";
    let pool = parse(Path::new("t.yml"), text).unwrap().hosts.remove(0).time;
    assert_eq!(Ntpd.shortcomings(&pool, &old), [OPEN, FIXED]);
    assert!(Ntpd.shortcomings(&pool, &new).is_empty());
}

const SYNCED: &str = "leap=00, stratum=11, refid=10.10.10.1, offset=-0.012, rootdisp=1.5\n     remote           refid      st t when poll reach   delay   offset  jitter\n==============================================================================\n*10.10.10.1      127.127.1.1     10 u    3   64  377    0.214   -0.012   0.021\n 0.pool.ntp.org  .POOL.          16 p    -   64    0    0.000    0.000   0.000\n+192.0.2.7       10.10.10.9       2 u   2m   64  376    0.214   -0.012   0.021\n\nind assid status  conf reach auth condition  last_event cnt\n===========================================================\n  1 17767  b61a   yes   yes  none  sys.peer    sys_peer  1\n  2 17768  8811   yes  none  none    reject    mobilize  1\n  3 17769  361a    no   yes  none candidate             1\n";

#[test]
fn the_star_is_the_source() {
    let seen = Slice { stdout: SYNCED.to_owned(), ..Slice::default() };
    let status = Ntpd.parse_status(&seen).unwrap();
    assert!(status.report.synchronised);
    assert_eq!(status.report.source.as_deref(), Some("10.10.10.1"));
    assert_eq!(status.report.offset_s, Some(-0.000_012));
    let [first, second] = &status.peers[..] else { panic!("{:?}", status.peers) };
    assert_eq!((first.address.as_str(), first.selected, first.reach), ("10.10.10.1", true, Some(255)));
    assert_eq!((second.address.as_str(), second.kind), ("192.0.2.7", PeerKind::PoolMember));
    assert_eq!((first.last_s, first.every_s, second.last_s, age("-")), (Some(3), Some(64), Some(120), None));
    assert_eq!((status.report.refid.as_deref(), status.report.own_clock), (Some("0a0a0a01"), false));
}

#[test]
fn a_long_address_stays_whole() {
    let stdout = SYNCED.replace("*10.10.10.1      ", "*fd00:10:10:10::1\n                 ");
    let status = Ntpd.parse_status(&Slice { stdout, ..Slice::default() }).unwrap();
    assert_eq!((status.peers[0].address.as_str(), status.peers.len()), ("fd00:10:10:10::1", 2));
    assert!(status.peers[0].selected);
}

#[test]
fn an_orphan_and_the_driver_of_the_local_clock_are_its_own_clock() {
    for text in [
        "leap=00, stratum=10, rootdisp=0.000, refid=127.0.0.1, offset=+0.000000\n\nNo association ID's returned\n",
        "leap=00, stratum=6, refid=LOCAL(0), offset=0.0, rootdisp=1.0\n remote refid\n=====\n*127.127.1.0     .LOCL.           5 l    3   64  377    0.000    0.000   0.000\n",
    ] {
        let status = Ntpd.parse_status(&Slice { stdout: text.to_owned(), ..Slice::default() }).unwrap();
        assert!(status.report.synchronised && status.report.own_clock, "{text}");
    }
    assert_eq!(reference(".GPS.").as_deref(), Some("47505300"));
    assert_eq!(reference("127.0.0.1").as_deref(), Some("7f000001"));
    // As an orphan of stratum 1.
    assert!(own_clock("LOOP", &[]) && !own_clock("10.0.0.1", &[]));
}

#[test]
fn leap_eleven_is_not_synchronised() {
    let stdout = SYNCED.replace("leap=00", "leap=11").replace("*10", " 10");
    let status = Ntpd.parse_status(&Slice { stdout, ..Slice::default() }).unwrap();
    assert!(!status.report.synchronised);
    assert_eq!(status.report.detail, "2 of 2 sources have answered, none is selected");
}

#[test]
fn a_refused_connection_is_a_status() {
    let seen = Slice { stderr: "ntpq: read: Connection refused\n".to_owned(), status: 1, ..Slice::default() };
    assert_eq!(
        Ntpd.parse_status(&seen).unwrap().report.detail,
        "it cannot be asked what it follows (ntpq: read: Connection refused)"
    );
    let hung = Slice { status: 124, ..Slice::default() };
    assert_eq!(Ntpd.parse_status(&hung).unwrap().report.detail, "it cannot be asked what it follows (ntpq: no answer)");
}

#[test]
fn the_ntpd_of_a_system_is_the_one_that_it_has_or_brings() {
    let of = |family: &str, id: &str, version: &str, installed: &[&str]| {
        let packages = installed.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect();
        let assumed = crate::facts::assumed::linux(family);
        let facts = Facts { os_id: id.to_owned(), os_version: version.to_owned(), packages, ..assumed };
        let layout = Ntpd.layout(&facts);
        (layout.package, layout.service, layout.config)
    };
    let (debian, classic) = (("ntpsec", "ntpsec", "/etc/ntpsec/ntp.conf"), ("ntp", "ntpd", "/etc/ntp.conf"));
    let sec = ("ntpsec", "ntpd", "/etc/ntp.conf");
    for (family, id, version, installed, wanted) in [
        ("debian", "debian", "12", &[][..], debian),
        ("debian", "debian", "11", &[], ("ntp", "ntp", "/etc/ntp.conf")),
        ("debian", "debian", "12", &["ntp"], ("ntp", "ntp", "/etc/ntp.conf")),
        ("debian", "debian", "11", &["ntpsec"], debian),
        ("debian", "ubuntu", "22.04", &[], ("ntp", "ntp", "/etc/ntp.conf")),
        // EPEL, and Fedora, which has no other since 34.
        ("redhat", "rocky", "9.4", &["ntpsec"], sec),
        ("redhat", "rocky", "9.4", &["chrony"], classic),
        ("redhat", "centos", "7", &["ntp"], classic),
        ("redhat", "fedora", "42", &[], sec),
        ("redhat", "fedora", "33", &[], classic),
        ("suse", "opensuse-tumbleweed", "20260101", &["ntpsec"], sec),
        ("suse", "sles", "15.6", &[], classic),
    ] {
        assert_eq!(of(family, id, version, installed), wanted, "{id} {version} {installed:?}");
    }
}
