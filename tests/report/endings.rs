//! How hosts end: apply.

use fleetclock::model::{Status, Verb};
use fleetclock::report::console::plain;
use fleetclock::report::text::{Options, report};

use crate::build::{content, daemon, delta, failed, fleet, host, source};
use crate::shows;

#[test]
fn all_endings_the_worst_last() {
    let mut changed = host("server2", Status::Changed);
    changed.deltas = vec![delta("service chrony", "enabled", Some("no"), Some("yes"))];
    changed.sources = vec![source("10.10.10.1")];
    changed.daemon = Some(daemon(true));
    let not_undone = "step 4 `Run chrony`: exit 1; undo: talk to 10.10.10.3:22: broken pipe";
    let undone =
        "step 2 `Write the chrony configuration`: exit 1\nInvalid directive at line 7\nthe old one is in place\n";
    let hosts = vec![
        failed("server3", Status::FailedNotUndone, not_undone, Some("log in and run `sh /var/lib/fleetclock/r1/undo`")),
        failed("server4", Status::FailedUndone, undone, None),
        changed,
        failed("server5", Status::Unreachable, "connect 10.10.10.5:22: timed out after 10 s", Some("is it up?")),
        failed("server6", Status::Unreachable, "connect 10.10.10.6:22: timed out after 10 s", Some("is it up?")),
        failed("server7", Status::NotStarted, "none of its masters works (server3)", None),
        failed("server8", Status::NotStarted, "none of its masters works (server3)", None),
    ];
    shows(
        &fleet(Verb::Apply, hosts),
        "\
server2 (10.10.10.2, slave, Debian GNU/Linux 12, chrony): changed
  ~ service chrony  enabled  no -> yes

host       source                reach  stratum    offset    delay  root disp  error bound   limit  verdict
server2  * server1 (10.10.10.1)    377        3  -0.42 ms  0.80 ms    1.00 ms      2.82 ms  100 ms  ok
from source port 123: our probe got 1 answer

server7, server8 | not started: none of its masters works (server3)
server5, server6 | unreachable: connect 10.10.10.5:22: timed out after 10 s (and 1 more alike)
                 | hint: is it up?
server4          | failed (rolled back): step 2 `Write the chrony configuration`: exit 1
                 |   Invalid directive at line 7
                 |   the old one is in place
server3          | failed (NOT rolled back): step 4 `Run chrony`: exit 1; undo: talk to 10.10.10.3:22: broken pipe
                 | hint: log in and run `sh /var/lib/fleetclock/r1/undo`

7 hosts: 1 changed, 0 unchanged, 2 failed, 2 unreachable, 2 not started (2.1 s)
",
    );
}

#[test]
fn of_a_failed_host_the_diff_is_not_shown_again() {
    let mut undone = failed("server2", Status::FailedUndone, "step 2: exit 1", None);
    undone.deltas = vec![content("/f", None, "@@ -0,0 +1 @@\n+server 10.10.10.1\n")];
    shows(
        &fleet(Verb::Apply, vec![undone]),
        "\
server2 (10.10.10.2, slave, Debian GNU/Linux 12, chrony): failed (rolled back)
  + file /f  content  absent -> 1 line

server2 | failed (rolled back): step 2: exit 1

1 host: 0 changed, 0 unchanged, 1 failed (2.1 s)
",
    );
}

#[test]
fn diffs_that_were_just_agreed_to_are_left_out() {
    let mut changed = host("server2", Status::Changed);
    changed.deltas = vec![content("/f", Some("sha256:0"), "@@ -1 +1 @@\n-a\n+b\n")];
    let text = plain(&report(&fleet(Verb::Apply, vec![changed]), Options { diffs: false, ended: true, columns: None }));
    assert!(text.contains("  ~ file /f  content  +1 -1 lines\n\n"), "{text}");
}
