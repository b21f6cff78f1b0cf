//! What a clock may do, and who has to consent.

use std::fs::File;
use std::net::UdpSocket;
use std::time::Duration;

use crate::fixture::{Lab, named};
use crate::report::{error, host, statuses};
use crate::server::{Manner, RIGHT, Server};

/// An outside source that is wrong by so much: not by a round number, as a busy machine measures a
/// little beside it. The hosts share the machine's clock, so it is always the source that is off,
/// and never a clock.
fn upstream(lab: &str, offset: Duration, behind: bool) -> Server {
    let namespace = File::open(format!("/run/netns/fc-{}", named(lab))).unwrap();
    // A thread of its own: a namespace belongs to a thread, and a socket stays where it was made.
    let bind = move || {
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        UdpSocket::bind("10.10.10.254:123").unwrap()
    };
    let socket = std::thread::spawn(bind).join().unwrap();
    let offset = i64::try_from(offset.as_nanos()).unwrap();
    Server::on(socket, Manner { offset: if behind { -offset } else { offset }, ..RIGHT })
}

/// One host that follows the outside source.
fn outside(more: &str) -> String {
    format!(
        "defaults: {{ ssh: {{ user: ops, become: sudo, SSH }}, limits: {{ deadline: 15s }} }}\n\
         hosts: {{ h1: {{ address: 10.10.10.1, role: slave, upstream: [10.10.10.254]{more} }} }}\n"
    )
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn no_clock_steps_without_consent() {
    let lab = Lab::up("rolloutstep", &["h1=bookworm@10.10.10.1"], &outside(""));
    let _upstream = upstream("rolloutstep", Duration::from_millis(23_250), true);
    let state = "systemctl is-active systemd-timesyncd; ls -d /etc/chrony /var/lib/fleetclock 2>/dev/null || true";
    let before = lab.sh("h1", state);
    let plan = lab.fleetclock(&["plan"]).stdout;
    assert!(plan.contains("would step -23.2") && plan.contains("BACKWARDS"), "{plan}");
    assert!(plan.contains("`apply` refuses more than 1s"), "{plan}");

    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!((code, statuses(&report)), (1, vec!["h1 failed".to_owned()]), "{report:#}");
    let message = error(&report, "h1");
    assert!(message.contains("nothing was changed: the clock would step -23.2"), "{message}");
    assert!(message.contains("BACKWARDS") && message.contains("`--allow-step h1`"), "{message}");
    // Not even to a host whose sources nobody wants to hear.
    let (code, report) = lab.json(&["apply", "--yes", "--no-verify"]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(lab.sh("h1", state), before, "something was touched");

    // Consent: chronyd cannot set the machine's clock, so the host ends configured and out of its limits.
    let (code, report) = lab.json(&["apply", "--yes", "--allow-step", "h1"]);
    assert_eq!((code, statuses(&report)), (5, vec!["h1 out_of_limits".to_owned()]), "{report:#}");
    let warning = host(&report, "h1")["warnings"][0].as_str().unwrap_or_default();
    assert!(
        warning.starts_with("the clock was let step -23.2") && warning.contains("times of day come twice"),
        "{report:#}"
    );
    assert_eq!(
        lab.sh("h1", "systemctl is-active chrony; grep makestep /etc/chrony/chrony.conf"),
        "active\nmakestep 1 3"
    );
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn the_policy_of_the_inventory_says_how_a_clock_is_corrected() {
    let lab = Lab::up("rolloutpol", &["h1=bookworm@10.10.10.1"], &outside(", step: never"));
    let _upstream = upstream("rolloutpol", Duration::from_millis(72_000_500), false);
    let plan = |inventory: &str| {
        lab.inventory(inventory);
        lab.fleetclock(&["plan"]).stdout
    };
    let never = plan(&outside(", step: never"));
    assert!(never.contains("would slew +72000.") && never.contains(" in about 10days"), "{never}");
    let always = plan(&outside(", step: always"));
    assert!(always.contains("would step +72000.") && !always.contains("refuses"), "{always}");
    let bounded = plan(&outside(", step: always, limits: { max_step: 15h }"));
    assert!(bounded.contains("`apply` refuses more than 15h"), "{bounded}");

    // A clock that is slewed needs no consent.
    lab.inventory(&outside(", step: never"));
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!((code, statuses(&report)), (5, vec!["h1 out_of_limits".to_owned()]), "{report:#}");
    assert!(host(&report, "h1")["warnings"].as_array().unwrap().is_empty(), "{report:#}");
    assert_eq!(lab.sh("h1", "grep -c makestep /etc/chrony/chrony.conf || true"), "0");
}
