//! The fault matrix: the tool is killed, connections are cut, hosts reboot, at random moments of
//! an apply over three hosts. Each time: what the hosts look like then, and after the next apply.
//!
//! `FLEETCLOCK_FAULTS` is the number of trials of each kind; `docs/reliability.md` has the counts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::fixture::{Lab, tell};
use crate::report::{error, host, statuses};

/// Trials of each kind.
pub(crate) fn trials() -> u64 {
    std::env::var_os("FLEETCLOCK_FAULTS").and_then(|text| text.to_str()?.parse().ok()).unwrap_or(3)
}

fn fleet(turn: u64) -> String {
    format!(
        "defaults: {{ ssh: {{ user: ops, become: sudo, SSH }}, extra: ['logchange {turn}'] }}\n\
         groups:\n\
         \x20 masters: {{ role: master, isolated: true, serve: [10.10.10.0/24], hosts: {{ m1: 10.10.10.1 }} }}\n\
         \x20 slaves: {{ role: slave, follows: [masters], hosts: {{ s1: 10.10.10.2, s2: 10.10.10.3 }} }}\n"
    )
}

const HOSTS: [&str; 3] = ["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2", "s2=bookworm@10.10.10.3"];
const NAMES: [&str; 3] = ["m1", "s1", "s2"];

/// Shell functions. `rest`: waits until the host has ended what it was doing. `loaded`: a service that
/// runs was started with what its file says now, or its restart is marked. `clean`: nothing
/// half-written lies about. `settled`: nothing is left of a run that is over; a proof whose tool was
/// killed notices when it next says something, and takes its probe away then.
pub(crate) const LOOK: &str = r#"
rest() {
  for n in $(seq 300); do
    p=$(sed -n 's/^script=\([0-9]*\).*/\1/p' /run/fleetclock/lock 2>/dev/null)
    [ -z "$p" ] || [ ! -e /proc/$p ] && break
    sleep 0.2
  done
}
loaded() {
  started=$(date -d "$(systemctl show -p ExecMainStartTimestamp --value chrony)" +%s)
  [ $started -ge $(stat -c %Y /etc/chrony/chrony.conf) ] || [ -e /run/fleetclock/owed/chrony ] || { echo 'runs with neither'; false; }
}
clean() {
  left=$(find /etc/chrony -name '*fleetclock*')
  [ -z "$left" ] || { echo "left behind: $left"; exit 1; }
}
settled() {
  clean
  [ ! -e /run/fleetclock/lock ] || { echo 'still locked'; cat /run/fleetclock/lock; exit 1; }
  [ -z "$(ls -A /run/fleetclock/owed 2>/dev/null)" ] || { echo 'a restart is owed'; exit 1; }
  for n in $(seq 350); do ls -A /dev/shm | grep -q fleetclock || break; sleep 0.2; done
  ! ls -A /dev/shm | grep fleetclock || { echo 'a probe is left'; exit 1; }
  [ ! -e /etc/systemd/system/fleetclock-undo-boot.timer ] || { echo 'the timer for the next boot is set'; exit 1; }
  ! systemctl is-active -q fleetclock-undo.timer || { echo 'the timer is set'; exit 1; }
}
"#;

/// What is there while a run may be over or not.
const BETWEEN: &str = "rest
systemctl is-active -q chrony || { echo 'chrony does not run'; exit 1; }
loaded || exit 1
cat /etc/chrony/chrony.conf";

/// What is there when all is done.
const SETTLED: &str = "settled; cat /etc/chrony/chrony.conf";

#[track_caller]
fn look(lab: &Lab, host: &str, at: &str) -> String {
    lab.sh(host, &format!("{LOOK}{at}"))
}

/// A generator that needs no quality but must not repeat itself from run to run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        Dice(u64::from(now) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// One trial after the other: a change begins, something happens, the hosts are looked at, the
/// change is made again, the hosts are looked at again.
fn matrix(kind: &str, fault: impl Fn(&Lab, &mut Dice, u64)) {
    let lab = Lab::up(&format!("rollout{kind}"), &HOSTS, &fleet(0));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    let begun = std::time::Instant::now();
    lab.inventory(&fleet(1));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    // From before the first connection to after the last word.
    let span = u64::try_from(begun.elapsed().as_millis()).unwrap() * 11 / 10;
    let mut dice = Dice::new();
    let mut midway = 0;
    for turn in 2..2 + trials() {
        let old = NAMES.map(|host| look(&lab, host, SETTLED));
        lab.inventory(&fleet(turn));
        // Every second time while hosts are being changed, and not while they wait for their clocks.
        let moment = dice.below(if turn % 2 == 0 { span } else { span / 2 });
        fault(&lab, &mut dice, moment);
        let between = NAMES.map(|host| look(&lab, host, &format!("{BETWEEN}; clean")));
        let (code, report) = lab.json(&["apply", "--yes"]);
        assert_eq!(code, 0, "turn {turn}, {moment} ms: {report:#}");
        let new = NAMES.map(|host| look(&lab, host, SETTLED));
        for (index, host) in NAMES.iter().enumerate() {
            assert!(
                new[index].contains(&format!("logchange {turn}")),
                "turn {turn}, {moment} ms, {host}: {}",
                new[index]
            );
            let whole = between[index] == old[index] || between[index] == new[index];
            assert!(whole, "turn {turn}, {moment} ms, {host}: {}", between[index]);
        }
        let changed = between.iter().zip(&old).filter(|(between, old)| between != old).count();
        midway += u64::from((1..3).contains(&changed));
        tell(&format!("{kind} {turn}: after {moment} ms, {changed} of 3 hosts were changed"));
    }
    tell(&format!("{kind}: {} trials, {midway} of them between two hosts", trials()));
}

pub(crate) fn rest(milliseconds: u64) {
    crate::server::rest(Duration::from_millis(milliseconds));
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn the_tool_is_killed_at_any_moment() {
    matrix("kill", |lab, _, moment| {
        let mut tool = lab.start(&["apply", "--yes"]);
        rest(moment);
        lab.kill(&mut tool);
    });
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn the_connection_to_a_host_is_cut_at_any_moment() {
    matrix("cut", |lab, dice, moment| {
        let tool = lab.start(&["apply", "--yes"]);
        rest(moment);
        let host = NAMES[usize::try_from(dice.below(3)).unwrap()];
        lab.sh(host, "pkill -KILL -f '^sshd: ops' || true");
        let output = tool.wait_with_output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1 | 4)), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_host_reboots_in_the_middle_of_its_change() {
    let lab = Lab::up("rolloutboot", &HOSTS, &fleet(0));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    lab.sh("m1", "mkdir -p /etc/systemd/system/chrony.service.d; printf '[Service]\\nExecStartPre=/bin/sleep 3\\n' >/etc/systemd/system/chrony.service.d/slow.conf; systemctl daemon-reload");
    lab.inventory(&fleet(1));
    let tool = lab.start(&["apply", "--yes", "--format", "json"]);
    lab.sh(
        "m1",
        "for n in $(seq 1500); do grep -q 'logchange 1' /etc/chrony/chrony.conf && exit; sleep 0.1; done; exit 1",
    );
    lab.lab("reboot", "m1");
    let output = tool.wait_with_output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    // The slaves have no other master, and are left alone.
    assert_eq!(statuses(&report)[1..], ["s1 not_started", "s2 not_started"], "{report:#}");
    assert!(error(&report, "m1").contains("the change had begun"), "{report:#}");
    // A host that goes down may leave the copy that it was making; the next change sweeps it away.
    look(&lab, "m1", BETWEEN);
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    assert!(look(&lab, "m1", SETTLED).contains("logchange 1"));
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_host_that_loses_its_source_with_the_change_is_taken_back() {
    let lab = Lab::up("rolloutloss", &HOSTS, &fleet(0));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    let old = look(&lab, "s1", SETTLED);
    // The guard finds the source; the restart cuts the way to it, once.
    lab.sh("s1", "mkdir -p /etc/systemd/system/chrony.service.d; printf '[Service]\\nExecStartPre=+/bin/sh -c \"ip route add unreachable 10.10.10.1/32; true\"\\n' >/etc/systemd/system/chrony.service.d/cut.conf; systemctl daemon-reload");
    lab.inventory(&fleet(1).replace("SSH }", "SSH }, limits: { deadline: 8s }"));
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!((code, host(&report, "s1")["status"].as_str()), (1, Some("failed_undone")), "{report:#}");
    assert!(error(&report, "s1").contains("verify: "), "{report:#}");
    assert_eq!(look(&lab, "s1", SETTLED), old);
    lab.sh(
        "s1",
        "rm /etc/systemd/system/chrony.service.d/cut.conf; systemctl daemon-reload; ip route del unreachable 10.10.10.1/32",
    );
    lab.inventory(&fleet(1));
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
}
