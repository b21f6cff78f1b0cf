//! What was measured: verify.

use fleetclock::model::{DaemonReport, Outcome, Port123, Prober, SourceReport, Status, Verb};

use crate::build::{daemon, error, failed, fleet, host, source};
use crate::shows;

#[test]
fn good_and_bad_clocks() {
    let mut server1 = host("server1", Status::Unchanged);
    server1.sources = vec![SourceReport { host: None, stratum: Some(2), ..source("time.example") }];
    server1.daemon =
        Some(DaemonReport { detail: "last error 2 (only stale time data was available.)".to_owned(), ..daemon(true) });
    let mut server2 = host("server2", Status::OutOfLimits);
    let far = SourceReport {
        offset_s: Some(1.25),
        error_bound_s: Some(1.253),
        within: Some(false),
        probe: Some(Prober::Bash),
        from_123: Some(Port123::Service),
        ..source("10.10.10.1")
    };
    let silent = SourceReport {
        address: "10.10.10.9".to_owned(),
        outcome: Outcome::Timeout,
        reach: Some(0),
        within: Some(false),
        from_123: Some(Port123::Asked(Outcome::Held)),
        ..SourceReport::default()
    };
    server2.sources = vec![far, silent];
    server2.daemon = Some(daemon(true));
    server2.error = Some(error("error bound 1253.0 ms to `10.10.10.1` is above the limit of 100.0 ms", None));
    let lost = failed("server3", Status::Unreachable, "connect 10.10.10.3:22: timed out after 10 s", None);
    shows(
        &fleet(Verb::Verify, vec![server1, server2, lost]),
        "\
host       source                reach  stratum    offset    delay  root disp  error bound   limit  verdict
server1  * time.example            377        2  -0.42 ms  0.80 ms    1.00 ms      2.82 ms  100 ms  ok
server2  * server1 (10.10.10.1)    377        3   +1.25 s  0.80 ms    1.00 ms       1.25 s  100 ms  FAIL
server2    10.10.10.9                0        -         -        -          -            -  100 ms  FAIL: timeout
measured with the bash probe on server2
from source port 123: our probe got 1 answer, services that ask from there got 1 answer
not asked from source port 123, which another program holds: server2
server1: last error 2 (only stale time data was available.)

of 2 clocks, those of server1 and server2 differ most: by 1.25 s, give or take 1.00 ms

server2 | out of limits: error bound 1253.0 ms to `10.10.10.1` is above the limit of 100.0 ms
server3 | unreachable: connect 10.10.10.3:22: timed out after 10 s

3 hosts: 1 ok, 1 out of limits, 1 unreachable (2.1 s)
",
    );
}

#[test]
fn an_isolated_master_follows_its_own_clock() {
    let mut server1 = host("server1", Status::Unchanged);
    server1.daemon = Some(daemon(true));
    shows(
        &fleet(Verb::Verify, vec![server1]),
        "\
host       source         reach  stratum  offset  delay  root disp  error bound  limit  verdict
server1  * its own clock      -       10       -      -    10.0 ms            -      -  ok

1 host: 1 ok (2.1 s)
",
    );
}
