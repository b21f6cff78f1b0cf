//! Which clocks are compared, and that what comes of it holds.

use proptest::prelude::*;

use super::*;
use crate::model::sample::host;
use crate::model::{DaemonReport, Outcome, SourceReport, Status};

/// A host with the address 10.0.0.`own` that measured sources: the last byte of their address,
/// offset and delay in milliseconds.
fn measured(own: u8, sources: &[(u8, f64, f64)]) -> HostReport {
    let mut report = host(&format!("h{own}"), Status::Unchanged);
    report.addresses = vec![format!("10.0.0.{own}"), "127.0.0.1".to_owned(), "fe80::1".to_owned()];
    report.sources = sources
        .iter()
        .map(|(source, offset, delay)| SourceReport {
            address: "ntp.example".to_owned(),
            ip: Some(format!("10.0.0.{source}")),
            outcome: Outcome::Ok,
            offset_s: Some(offset / 1e3),
            delay_s: Some(delay / 1e3),
            root_delay_s: Some(0.004),
            root_dispersion_s: Some(0.003),
            error_bound_s: Some((offset.abs() + delay / 2.0) / 1e3 + 0.005),
            ..SourceReport::default()
        })
        .collect();
    report
}

/// The same sources, whose clocks and ours show so many milliseconds less than they say.
fn coarse(mut report: HostReport, grain: f64) -> HostReport {
    let bounds = report.sources.iter_mut().filter_map(|source| source.error_bound_s.as_mut());
    bounds.for_each(|bound| *bound += grain / 1e3);
    report
}

fn tells(report: &mut HostReport, refid: &str) {
    report.daemon = Some(DaemonReport {
        provider: "chrony".to_owned(),
        synchronised: true,
        source: None,
        stratum: Some(3),
        offset_s: None,
        root_dispersion_s: None,
        root_delay_s: None,
        since_s: None,
        refid: Some(refid.to_owned()),
        own_clock: false,
        detail: String::new(),
    });
}

#[test]
fn clocks_are_compared_through_the_machines_that_they_share() {
    let hosts = [
        measured(1, &[(200, 1.0, 4.0)]),
        measured(2, &[(1, 2.0, 1.0)]),
        measured(3, &[(1, -3.0, 1.0), (200, 9.0, 100.0)]),
    ];
    let most = spread(&hosts).unwrap();
    assert_eq!((most.between.clone(), most.hosts), (["h2".to_owned(), "h3".to_owned()], 3));
    assert!((most.difference_s - 0.005).abs() < 1e-9 && (most.uncertainty_s - 0.001).abs() < 1e-9);
}

#[test]
fn the_grain_of_clocks_is_part_of_the_doubt_and_what_their_source_says_is_not() {
    // Equal clocks that look 8 ms apart, because the source shows steps of 10 ms.
    let hosts = [coarse(measured(1, &[(200, 1.0, 0.006)]), 10.0), coarse(measured(2, &[(200, -7.0, 0.006)]), 10.0)];
    let most = spread(&hosts).unwrap();
    assert!((most.difference_s - 0.008).abs() < 1e-9 && (most.uncertainty_s - 0.020_006).abs() < 1e-9, "{most:?}");
    // Without a bound nobody can say how wrong it is.
    let mut hosts = hosts;
    hosts[0].sources[0].error_bound_s = None;
    assert_eq!(spread(&hosts), None);
}

#[test]
fn one_name_that_leads_to_two_machines_compares_nothing() {
    assert_eq!(spread(&[measured(1, &[(201, 1.0, 1.0)]), measured(2, &[(202, 500.0, 1.0)])]), None);
    assert_eq!(spread(&[measured(1, &[(201, 1.0, 1.0)])]), None);
    assert_eq!(spread(&[]), None);
}

#[test]
fn one_address_with_two_references_is_two_machines() {
    let mut hosts = [measured(1, &[(201, 1.0, 1.0)]), measured(2, &[(201, 500.0, 1.0)])];
    hosts[0].sources[0].refid = Some("0a000001".to_owned());
    hosts[1].sources[0].refid = Some("0a000001".to_owned());
    assert_eq!(spread(&hosts).unwrap().hosts, 2);
    hosts[1].sources[0].refid = Some("47505300".to_owned());
    assert_eq!(spread(&hosts), None);
}

#[test]
fn a_stranger_at_the_address_of_a_host_is_not_that_host() {
    let mut hosts = [measured(1, &[]), measured(2, &[(1, 300.0, 1.0)])];
    tells(&mut hosts[0], "7f7f0101");
    hosts[1].sources[0].refid = Some("7f7f0101".to_owned());
    assert_eq!(spread(&hosts).unwrap().between, ["h1", "h2"]);
    hosts[1].sources[0].refid = Some("0a000009".to_owned());
    assert_eq!(spread(&hosts), None);
    // A name is no proof either.
    hosts[1].sources[0] = SourceReport {
        host: Some("h1".to_owned()),
        ip: Some("10.0.0.77".to_owned()),
        refid: None,
        ..hosts[1].sources[0].clone()
    };
    assert_eq!(spread(&hosts), None);
}

#[test]
fn a_host_whose_addresses_were_not_read_is_known_by_the_inventory() {
    let mut hosts = [measured(1, &[]), measured(2, &[(9, 3.0, 1.0)])];
    hosts[0].addresses.clear();
    hosts[1].sources[0].host = Some("h1".to_owned());
    assert_eq!(spread(&hosts), None, "a name");
    hosts[1].sources[0].address = "10.0.0.9".to_owned();
    assert_eq!(spread(&hosts).unwrap().between, ["h1", "h2"]);
}

#[test]
fn an_address_that_each_host_has_is_no_machine() {
    let mut hosts = [measured(1, &[(1, 1.0, 1.0)]), measured(2, &[(1, 500.0, 1.0)])];
    for address in ["127.0.0.1", "::1", "169.254.169.123", "fe80::1"] {
        hosts.iter_mut().for_each(|host| host.sources[0].ip = Some(address.to_owned()));
        assert_eq!(spread(&hosts), None, "{address}");
    }
}

#[test]
fn ten_thousand_hosts_take_no_time() {
    let started = std::time::Instant::now();
    let mut hosts = vec![measured(1, &[])];
    for index in 0..10_000u32 {
        let mut slave = measured(2, &[(1, f64::from(index % 1000), 1.0)]);
        slave.addresses = vec![std::net::Ipv4Addr::from(0x0B00_0000 + index).to_string()];
        slave.name = format!("s{index}");
        hosts.push(slave);
    }
    let most = spread(&hosts).unwrap();
    assert!((most.hosts, most.difference_s > 0.9989) == (10_001, true), "{most:?}");
    // All pairs would take a minute here.
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

/// From, to, delay, grain of the clocks and error of a measurement.
type Measurement = (usize, usize, f64, f64, f64);

/// Clocks with true offsets (milliseconds), and who measured whom with which delay, grain and error of both.
fn fleets() -> impl Strategy<Value = (Vec<f64>, Vec<Measurement>)> {
    (2usize..9).prop_flat_map(|count| {
        let clocks = prop::collection::vec(-500.0..500.0f64, count);
        let measurement = (0..count, 0..count, 0.1..20.0f64, 0.0..30.0f64, -1.0..1.0f64);
        (clocks, prop::collection::vec(measurement, 1..16))
    })
}

proptest! {
    /// What is reported is true within its own doubt, and no pair that can be compared is further apart
    /// than that by more than the doubts on the way.
    #[test]
    fn the_difference_holds_within_its_doubt((clocks, measurements) in fleets()) {
        let mut hosts: Vec<HostReport> = (0..clocks.len()).map(|at| measured(at as u8, &[])).collect();
        let mut doubts = 0.0;
        let mut joined: Vec<usize> = (0..clocks.len()).collect();
        for (from, to, delay, grain, error) in measurements.into_iter().filter(|(from, to, ..)| from != to) {
            let offset = clocks[to] - clocks[from] + error * (delay / 2.0 + grain);
            let more = coarse(measured(from as u8, &[(to as u8, offset, delay)]), grain).sources;
            hosts[from].sources.extend(more);
            doubts += delay / 2.0 + grain;
            let (one, other) = (joined[from], joined[to]);
            joined.iter_mut().filter(|group| **group == one).for_each(|group| *group = other);
        }
        let pairs = (0..clocks.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        let apart: Vec<f64> = pairs.filter(|(one, other)| joined[*one] == joined[*other])
            .map(|(one, other)| (clocks[one] - clocks[other]).abs()).collect();
        let Some(most) = spread(&hosts) else {
            prop_assert!(apart.is_empty());
            return Ok(());
        };
        let place = |name: &str| hosts.iter().position(|host| host.name == name).unwrap();
        let truth = (clocks[place(&most.between[0])] - clocks[place(&most.between[1])]).abs();
        let (difference, doubt) = (most.difference_s * 1e3, most.uncertainty_s * 1e3);
        prop_assert!((difference - truth).abs() <= doubt + 1e-6, "{most:?}, truly {truth}");
        let greatest = apart.iter().copied().fold(0.0, f64::max);
        prop_assert!(difference >= greatest - 4.0 * doubts - 1e-6, "{most:?}, another pair differs by {greatest}");
    }
}
