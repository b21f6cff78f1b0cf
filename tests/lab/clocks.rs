//! Clocks that really move: virtual machines with a clock of their own, which follow a master in
//! a container, whose clock is the machine's.

use crate::fixture::Lab;
use crate::report::{error, host, statuses};

/// A master and two slaves; a slave is emulated, and takes its time for everything.
const FLEET: &str = "
defaults: { ssh: { user: ops, become: sudo, SSH }, limits: { deadline: 6m } }
groups:
  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { m1: 10.10.10.1 } }
  slaves: { role: slave, follows: [masters]STEP, hosts: { SLAVES } }
";

/// Starts the master, and proves it; the slaves are as they came.
#[track_caller]
fn lab(name: &str, slaves: &[&str], fleet: &str) -> Lab {
    let lab = Lab::up(name, &[&["m1=bookworm@10.10.10.1"], slaves].concat(), fleet);
    assert_eq!(lab.json(&["apply", "--yes", "-l", "m1"]).0, 0);
    lab
}

/// Notes, four times a second: a clock that nobody corrects, how far the host's clock is from it,
/// and how far from one that is slewed with it, nanoseconds. The last moves only by a step.
const WATCH: &str = "
import time
now = time.clock_gettime_ns
def apart(other):
    seen = []
    for _ in range(9):
        a = now(other); real = now(time.CLOCK_REALTIME); b = now(other)
        seen.append((b - a, real - (a + b) // 2))
    return min(seen)[1]
while True:
    print(now(time.CLOCK_MONOTONIC_RAW), apart(time.CLOCK_MONOTONIC_RAW), apart(time.CLOCK_MONOTONIC), flush=True)
    time.sleep(0.25)
";

/// What a host's clock did: the corrections of every kind and the steps, seconds, from sample to
/// sample, and the time between the two.
struct Moved {
    all: f64,
    step: f64,
    within: f64,
}

#[track_caller]
fn watch(lab: &Lab, host: &str) {
    let save = format!("cat >/var/tmp/watch.py <<'END'{WATCH}END");
    lab.sh(host, &format!("{save}\nsystemd-run -q --unit=watch sh -c 'exec python3 /var/tmp/watch.py >/run/watch'"));
}

#[track_caller]
fn watched(lab: &Lab, host: &str) -> Vec<Moved> {
    // The last line may be half-written.
    let text = lab.sh(host, "systemctl is-active -q watch && sed '$d' /run/watch");
    let samples: Vec<Vec<i64>> =
        text.lines().map(|line| line.split(' ').map(|n| n.parse().unwrap()).collect()).collect();
    assert!(samples.len() > 10, "{host}: {text}");
    let moved = |pair: &[Vec<i64>]| {
        let seconds = |column: usize| (pair[1][column] - pair[0][column]) as f64 / 1e9;
        Moved { all: seconds(1), step: seconds(2), within: seconds(0) }
    };
    samples.windows(2).map(moved).collect()
}

/// The steps of a millisecond or more.
fn steps(moved: &[Moved]) -> Vec<f64> {
    moved.iter().map(|m| m.step).filter(|step| step.abs() > 0.001).collect()
}

/// What the clock is foretold to do: the number after `would step` or `would slew`.
#[track_caller]
fn foretold(text: &str, verb: &str) -> f64 {
    let rest = text.split(&format!("would {verb} ")).nth(1).unwrap_or_else(|| panic!("no `{verb}` in {text}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// The offset of a slave as the host itself measured it against its master, seconds.
#[track_caller]
fn offset(report: &serde_json::Value, name: &str) -> f64 {
    host(report, name)["sources"][0]["offset_s"].as_f64().unwrap_or_else(|| panic!("{report:#}"))
}

/// What a refused slave must not have.
const TOUCHED: &str = "ls -d /etc/chrony /var/lib/fleetclock 2>/dev/null || echo untouched";

#[test]
#[ignore = "slow: ./test --slow runs it"]
fn a_clock_that_is_far_off_is_stepped_with_consent_and_only_then() {
    let fleet = FLEET.replace("STEP", "").replace("SLAVES", "s1: 10.10.10.2, s2: 10.10.10.3");
    let lab = lab("vmstep", &["s1=vm+23s@10.10.10.2", "s2=vm-20h@10.10.10.3"], &fleet);
    for slave in ["s1", "s2"] {
        watch(&lab, slave);
    }
    let (code, report) = lab.json(&["plan"]);
    assert_eq!(code, 0, "{report:#}");
    let clock = |name: &str| host(&report, name)["clock"].as_str().unwrap_or_default().to_owned();
    let (back, forth) = (foretold(&clock("s1"), "step"), foretold(&clock("s2"), "step"));
    // The hardware clock has whole seconds, and starting takes one or two.
    assert!((-24.0..-19.0).contains(&back) && (71_999.0..72_004.0).contains(&forth), "{back} {forth}");
    assert!(clock("s1").contains(" s BACKWARDS (measured against `10.10.10.1`); `apply` refuses more than 1s"));
    assert!(clock("s2").contains("`apply` refuses more than 1s") && !clock("s2").contains("BACKWARDS"));

    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!((code, statuses(&report)), (1, ["m1 unchanged", "s1 failed", "s2 failed"].map(str::to_owned).into()));
    for slave in ["s1", "s2"] {
        assert!(error(&report, slave).contains("nothing was changed: the clock would step"), "{report:#}");
        assert_eq!(lab.sh(slave, TOUCHED), "untouched");
        assert_eq!(steps(&watched(&lab, slave)), [0.0; 0], "{slave}");
    }
    assert!(error(&report, "s1").contains("BACKWARDS"), "{report:#}");

    // Consent to one host is not consent to the other.
    let (code, report) = lab.json(&["apply", "--yes", "--allow-step", "s1"]);
    assert_eq!((code, statuses(&report)), (1, ["m1 unchanged", "s1 changed", "s2 failed"].map(str::to_owned).into()));
    let warning = host(&report, "s1")["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.contains("let step -2") && warning.ends_with("BACKWARDS: times of day come twice"), "{warning}");
    assert_eq!(steps(&watched(&lab, "s2")), [0.0; 0]);
    let (code, report) = lab.json(&["apply", "--yes", "--allow-step", "s2"]);
    assert_eq!(
        (code, statuses(&report)),
        (0, ["m1 unchanged", "s1 unchanged", "s2 changed"].map(str::to_owned).into())
    );

    // One step each, by what was foretold; the clock that is watched drifts a little meanwhile.
    for (slave, foretold) in [("s1", back), ("s2", forth)] {
        let steps = steps(&watched(&lab, slave));
        assert!(steps.len() == 1 && (steps[0] - foretold).abs() < 0.1, "{slave}: {foretold} {steps:?}");
    }
    right_after_a_reboot(&lab, &["s1", "s2"]);
}

/// The reset button; then the time service is there by itself, and the clocks are right.
#[track_caller]
fn right_after_a_reboot(lab: &Lab, slaves: &[&str]) {
    for slave in slaves {
        lab.lab("reboot", slave);
    }
    let (code, report) = lab.json(&["verify"]);
    assert_eq!(code, 0, "{report:#}");
    for slave in slaves {
        assert!(offset(&report, slave).abs() < 0.1, "{report:#}");
        assert_eq!(lab.sh(slave, "systemctl is-active chrony; systemctl is-enabled chrony"), "active\nenabled");
    }
    assert_eq!(lab.json(&["check"]).0, 0);
}

#[test]
#[ignore = "slow: ./test --slow runs it"]
fn a_clock_that_must_not_step_is_slewed_into_place() {
    let fleet = FLEET.replace("STEP", ", step: never").replace("SLAVES", "s1: 10.10.10.2");
    let lab = lab("vmslew", &["s1=vm+6s@10.10.10.2"], &fleet);
    watch(&lab, "s1");
    let (code, report) = lab.json(&["plan"]);
    let clock = host(&report, "s1")["clock"].as_str().unwrap_or_default();
    let slew = foretold(clock, "slew");
    assert!(code == 0 && (-7.0..-3.0).contains(&slew) && !clock.contains("refuses"), "{clock}");

    // Nobody has to consent, and the proof waits until it is there.
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!((code, statuses(&report)), (0, ["m1 unchanged", "s1 changed"].map(str::to_owned).into()), "{report:#}");
    assert!(host(&report, "s1")["warnings"].as_array().unwrap().is_empty(), "{report:#}");
    assert!(offset(&report, "s1").abs() < 0.1, "{report:#}");
    let moved = watched(&lab, "s1");
    assert_eq!(steps(&moved), [0.0; 0], "it was stepped");
    let whole: f64 = moved.iter().map(|m| m.all).sum();
    assert!((whole - slew).abs() < 0.5, "{whole} s instead of {slew} s");
    // Little by little: chronyd's own limit is a twelfth of the time. Five seconds are looked at
    // together, as a busy machine may stop the guest between two readings.
    let rate = |part: &[Moved]| part.iter().map(|m| m.all).sum::<f64>() / part.iter().map(|m| m.within).sum::<f64>();
    let fastest = moved.windows(20).map(|part| rate(part).abs()).fold(0.0, f64::max);
    assert!((0.05..0.095).contains(&fastest), "{fastest} s in a second");
    right_after_a_reboot(&lab, &["s1"]);
}

/// Returns `HOST CODE` for each finding.
#[track_caller]
fn found(lab: &Lab) -> Vec<String> {
    let (_, report) = lab.json(&["doctor"]);
    let hosts = report["hosts"].as_array().unwrap().iter();
    let all = hosts.flat_map(|host| host["findings"].as_array().unwrap().iter().map(move |finding| (host, finding)));
    all.map(|(host, finding)| format!("{} {}", host["name"], finding["code"]).replace('"', "")).collect()
}

/// The command that `doctor` offers for the one thing that it found on a host.
fn offered(lab: &Lab, name: &str) -> String {
    let (_, report) = lab.json(&["doctor"]);
    let fix = host(&report, name)["findings"][0]["fix"].as_str().unwrap_or_default();
    fix.trim_start_matches(&format!("on {name}: ")).split(" (").next().unwrap_or_default().to_owned()
}

/// VMware's own tool asks the port of the hypervisor, which qemu has, too, and opens to none but the
/// privileged.
const VMWARE_TOOLS: &str = "apt-get install -y -qq --no-install-recommends open-vm-tools >/dev/null 2>&1
printf '%s\n' '#!/usr/bin/python3' 'import ctypes, os, sys' 'ctypes.CDLL(None).iopl(3)' \
  'os.execv(\"/usr/bin/vmware-toolbox-cmd\", sys.argv)' >/usr/local/bin/vmware-toolbox-cmd
chmod +x /usr/local/bin/vmware-toolbox-cmd";

/// AppArmor enforces in a kernel of its own only, and only such a machine can be paused.
#[test]
#[ignore = "slow: ./test --slow runs it"]
fn what_only_a_machine_of_its_own_shows_is_found() {
    // Its configuration never steps: whoever has to must do so by hand.
    let fleet = FLEET.replace("STEP", ", step: never").replace("SLAVES", "s1: 10.10.10.2");
    let lab = lab("vmjump", &["s1=vm@10.10.10.2"], &fleet);
    lab.sh("s1", "apt-get install -y -qq --no-install-recommends apparmor >/dev/null 2>&1");
    assert_eq!(lab.json(&["apply", "--yes", "--allow-step", "s1"]).0, 0);
    assert_eq!(lab.sh("s1", "cat /proc/$(pgrep -o chronyd)/attr/current"), "/usr/sbin/chronyd (enforce)");
    assert_eq!(found(&lab), [""; 0]);

    // A file at a place that the profile does not know.
    lab.sh("s1", "mkdir /srv/time; echo 'makestep 1 3' >/srv/time/more.conf; cp -p /etc/chrony/chrony.conf /root/keep");
    lab.sh("s1", "echo 'include /srv/time/more.conf' >>/etc/chrony/chrony.conf; systemctl restart chrony || :");
    assert_eq!(found(&lab), ["s1 FC015"]);
    lab.sh("s1", "cp -p /root/keep /etc/chrony/chrony.conf; systemctl reset-failed chrony; systemctl restart chrony");
    assert_eq!(lab.json(&["verify"]).0, 0);

    lab.sh("s1", VMWARE_TOOLS);
    assert_eq!(found(&lab), ["s1 FC017"]);
    lab.sh("s1", "rm /usr/local/bin/vmware-toolbox-cmd");

    // Paused, it does not see the time go by, and nothing jumps: it is behind when it goes on, and
    // with its next poll chronyd no longer knows what to believe.
    lab.lab("pause", "s1");
    lab.here("sleep 40");
    lab.lab("resume", "s1");
    lab.sh("s1", "for n in $(seq 200); do chronyc -c sources | grep -q '^.,~' && exit; sleep 1; done; exit 1");
    assert_eq!(found(&lab), ["s1 FC078"]);
    lab.sh("s1", &offered(&lab, "s1"));
    let (code, report) = lab.json(&["verify"]);
    assert_eq!(code, 0, "{report:#}");

    lab.sh("s1", "date -s '+40 seconds'");
    let noted =
        "for i in $(seq 120); do journalctl -u chrony | grep 'Forward time jump detected' && exit; sleep 1; done";
    assert!(!lab.sh("s1", noted).is_empty(), "chronyd has not noticed");
    assert_eq!(found(&lab), ["s1 FC076"]);
}
