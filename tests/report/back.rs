//! A report that is read back is the one that was written.

use fleetclock::model::{
    Certainty, Condition, FleetReport, Followed, HostReport, Kiss, Outcome, Port123, Prober, Severity, SourceReport,
    Spread, Status, Verb, Wave,
};
use fleetclock::report::json;
use proptest::prelude::*;

use crate::build;

/// A report in which every field of every kind is filled.
pub(crate) fn full() -> FleetReport {
    let mut server1 = build::host("server1", Status::Unchanged);
    server1.addresses = vec!["10.10.10.1".to_owned(), "fe80::1".to_owned()];
    server1.daemon = Some(build::daemon(false));
    server1.follows = vec![Followed { address: "ntp.example".to_owned(), host: None }];
    let mut server2 = build::failed("server2", Status::FailedUndone, "step 2: exit 1\nmore", Some("look at `b`"));
    server2.deltas = vec![
        build::delta("package chrony", "installed", None, Some("4.3-2")),
        build::content("/etc/chrony/chrony.conf", None, "@@ -0,0 +1 @@\n+server 10.10.10.1 iburst\n"),
    ];
    (server2.tier, server2.follows) = (1, vec![build::followed("server1")]);
    server2.clock = Some("would step +23.200 s".to_owned());
    server2.sources = vec![build::source("10.10.10.1"), SourceReport { polls_left: Some(7), ..kissed() }];
    let mut daemon = build::daemon(true);
    (daemon.root_delay_s, daemon.since_s, daemon.refid) = (Some(1e-6), Some(64.0), Some("0a0a0a01".to_owned()));
    server2.daemon = Some(daemon);
    server2.findings = vec![build::finding()];
    server2.findings[0].certainty = Certainty::Perhaps;
    server2.findings[0].severity = Severity::Warning;
    server2.warnings = vec!["시계 \u{1b} \"quoted\"".to_owned()];
    let mut report = build::fleet(Verb::Apply, vec![server1, server2]);
    report.conditions = vec![Condition::Failed];
    report.notes = vec!["the window closes at 02:00".to_owned()];
    report.waves = vec![Wave { why: "masters".to_owned(), hosts: vec!["server1".to_owned()] }];
    let between = ["server1".to_owned(), "server2".to_owned()];
    report.spread = Some(Spread { between, difference_s: 0.1 + 0.2, uncertainty_s: 1e-9, hosts: 2 });
    report
}

fn kissed() -> SourceReport {
    let outcome = Outcome::Kiss(Some(Kiss::Rate));
    SourceReport { address: "ntp.example".to_owned(), outcome, probe: Some(Prober::Bash), ..SourceReport::default() }
}

#[test]
fn every_field_comes_back() {
    let report = full();
    let read = FleetReport::read(&json::document(&report)).unwrap();
    assert_eq!(read, report);
    assert_eq!(json::document(&read), json::document(&report));
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Ok),
        Just(Outcome::Timeout),
        Just(Outcome::Filtered),
        Just(Outcome::NoProbe),
        "[A-Z]{4}".prop_map(|code| Outcome::Kiss(Some(Kiss::of(&code)))),
    ]
}

fn ports() -> impl Strategy<Value = Option<Port123>> {
    let known = prop_oneof![Just(Port123::Service), Just(Port123::Unsure), outcomes().prop_map(Port123::Asked)];
    prop::option::of(known)
}

prop_compose! {
    fn sources()(
        (outcome, from_123, selected) in (outcomes(), ports(), any::<bool>()),
        (offset_s, delay_s) in (prop::option::of(-1e9..1e9f64), prop::option::of(0.0..1e-3f64)),
        (reach, stratum, text) in (any::<Option<u8>>(), any::<Option<u8>>(), ".{0,12}"),
    ) -> SourceReport {
        SourceReport { address: text.clone(), host: Some(text), outcome, from_123, selected, offset_s, delay_s, reach, stratum, ..kissed() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_was_measured_comes_back_to_the_last_bit(
        sources in prop::collection::vec(sources(), 0..4), seconds in 0.0..1e6f64, name in ".{0,12}",
    ) {
        let host = HostReport { name, sources, seconds, ..build::host("server2", Status::OutOfLimits) };
        let report = build::fleet(Verb::Verify, vec![host]);
        prop_assert_eq!(FleetReport::read(&json::document(&report)).unwrap(), report);
    }
}
