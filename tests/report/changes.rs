//! What differs: plan and check.

use fleetclock::model::{HostReport, Status, Verb};

use crate::build::{content, delta, failed, fleet, host};
use crate::{shows, text};

fn bare(name: &str) -> HostReport {
    let mut host = host(name, Status::Drifted);
    host.deltas = vec![
        delta("package chrony", "installed", None, Some("4.3-2")),
        delta("package systemd-timesyncd", "installed", Some("252.39"), None),
        content(
            "/etc/chrony/chrony.conf",
            None,
            &format!("@@ -0,0 +1,2 @@\n+# {name}, slave. Made by fleetclock\n+server 10.10.10.1 iburst\n"),
        ),
        delta("service chrony", "running", None, Some("yes")),
    ];
    host
}

#[test]
fn plan_of_a_bare_host() {
    let mut server2 = bare("server2");
    server2.clock = Some("would step +23.200 s (measured against `10.10.10.1`)".to_owned());
    server2.warnings = vec!["two sources cannot outvote each other".to_owned()];
    shows(
        &fleet(Verb::Plan, vec![host("server1", Status::Unchanged), server2]),
        "\
server2 (10.10.10.2, slave, Debian GNU/Linux 12, chrony)
  + package chrony                installed  absent -> 4.3-2
  - package systemd-timesyncd     installed  252.39 -> absent
  + file /etc/chrony/chrony.conf  content    absent -> 2 lines
      +# server2, slave. Made by fleetclock
      +server 10.10.10.1 iburst
  + service chrony                running    absent -> yes
    clock: would step +23.200 s (measured against `10.10.10.1`)
  ! two sources cannot outvote each other

1 host in sync: server1

Plan: 1 host to change, 1 unchanged (2.1 s)
",
    );
}

#[test]
fn hosts_that_need_the_same_are_shown_once() {
    let mut hosts: Vec<HostReport> = (2..=300).map(|number| bare(&format!("web{number:03}"))).collect();
    for (number, host) in hosts.iter_mut().enumerate().take(2) {
        host.clock = Some(format!("would slew +0.{number}00 s"));
    }
    shows(
        &fleet(Verb::Plan, hosts),
        "\
web[002:300] (299 hosts, slave, Debian GNU/Linux 12, chrony)
  + package chrony                installed  absent -> 4.3-2
  - package systemd-timesyncd     installed  252.39 -> absent
  + file /etc/chrony/chrony.conf  content    absent -> 2 lines
      +# web002, slave. Made by fleetclock
      +server 10.10.10.1 iburst
  + service chrony                running    absent -> yes
    shown for web002; the others differ in their own name or address only
    clock of web002: would slew +0.000 s
    clock of web003: would slew +0.100 s

Plan: 299 hosts to change, 0 unchanged (2.1 s)
",
    );
}

#[test]
fn a_host_with_one_line_more_is_shown_for_itself() {
    let mut other = bare("web3");
    other.deltas[2].diff.as_mut().unwrap().push_str("+allow 10.0.0.0/8\n");
    let text = text(&fleet(Verb::Plan, vec![bare("web2"), other]));
    assert!(text.contains("web2 (10.10.10.2, ") && text.contains("web3 (10.10.10.3, "), "{text}");
}

#[test]
fn a_source_is_not_mistaken_for_the_own_name() {
    let with = |name: &str, server: &str| {
        let mut host = host(name, Status::Drifted);
        host.deltas = vec![content("/f", Some("sha256:0"), &format!("@@ -1 +1 @@\n+server {server}\n"))];
        host
    };
    let text = text(&fleet(Verb::Plan, vec![with("web2", "web3"), with("web3", "web2"), with("web4", "web2")]));
    assert_eq!(text.matches("+server web2").count(), 1, "{text}");
    assert_eq!(text.matches("+server web3").count(), 1, "{text}");
}

#[test]
fn check_speaks_of_drift() {
    let mut server3 = host("server3", Status::Drifted);
    server3.deltas = vec![
        content("/etc/ntp.conf", Some("sha256:aa"), "@@ -1,2 +1,2 @@\n \n-tos orphan 5\n+tos orphan 10\n"),
        delta("file /etc/ntp.conf", "mode", Some("0600"), Some("0644")),
    ];
    let lost = failed("server4", Status::Unreachable, "connect 10.10.10.4:22: no route to host", None);
    shows(
        &fleet(Verb::Check, vec![host("server1", Status::Unchanged), server3, lost]),
        "\
server3 (10.10.10.3, slave, Debian GNU/Linux 12, chrony): drifted
  ~ file /etc/ntp.conf  content  +1 -1 lines
      @@ -1,2 +1,2 @@

      -tos orphan 5
      +tos orphan 10
  ~ file /etc/ntp.conf  mode     0600 -> 0644

1 host in sync: server1

server4 | unreachable: connect 10.10.10.4:22: no route to host

3 hosts: 1 drifted, 1 in sync, 1 unreachable (2.1 s)
",
    );
}

#[test]
fn nothing_to_do_is_two_lines() {
    let hosts = vec![host("server1", Status::Unchanged), host("server2", Status::Unchanged)];
    shows(
        &fleet(Verb::Plan, hosts),
        "2 hosts in sync: server1, server2\n\nPlan: 0 hosts to change, 2 unchanged (2.1 s)\n",
    );
}
