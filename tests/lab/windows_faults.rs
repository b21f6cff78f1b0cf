//! The fault matrix on Windows hosts: the tool is killed, or the connection to a host is cut, at
//! random moments of an apply over three hosts. Each time: what the hosts look like when they have
//! ended what they were told; in a part of the trials, after the timer of the host; and after the
//! next apply.
//!
//! `FLEETCLOCK_FAULTS` is the number of trials of each kind; `docs/reliability.md` has the counts.

use crate::faults::{Dice, rest, trials};
use crate::fixture::{Lab, tell};
use crate::windows::{inventory, json, start};
use crate::windows_safety::{comes, difference, lock, settings, timer};

const HOSTS: [&str; 3] = ["dmz1=2022@10.10.10.1", "win1=2008r2,ko@10.10.10.2", "win2=2016@10.10.10.3"];
const NAMES: [&str; 3] = ["dmz1", "win1", "win2"];

/// The lease of a lock, seconds: 300 and the deadline of the proof.
const LEASE: u32 = 340;

/// Two registry values of each host, the firewall rule of the master, and a restart.
fn fleet(turn: u64) -> String {
    let (seconds, network) = (10 + turn, turn % 200);
    inventory(&format!(
        "
groups:
  masters:
    role: master
    isolated: true
    serve: [10.10.10.0/24, 10.11.{network}.0/24]
    step: {{ over: {seconds}s, first: 3 }}
    hosts: {{ dmz1: 10.10.10.1 }}
    WINRM
  windows:
    role: slave
    follows: [masters]
    step: {{ over: {seconds}s, first: 3 }}
    vars: {{ hypervisor_time: {} }}
    hosts: {{ win1: 10.10.10.2, win2: 10.10.10.3 }}
    WINRM
",
        turn.is_multiple_of(2)
    ))
}

/// Waits until a host has ended what it was told, and tells what is there: the settings, and
/// whether a restart is owed. The service runs in any case.
#[track_caller]
fn look(lab: &Lab, host: &str) -> (String, bool) {
    // A command that was sent may not have begun.
    let rests = || lab.at_rest(host) && !lock(lab, host).contains("; busy=1; ");
    assert!(comes(rests), "{host}: {}", lock(lab, host));
    let all = settings(lab, host);
    assert!(all.contains("4  RUNNING"), "{host}: {all}");
    let is_note = |line: &&str| line.trim_start().starts_with("w32time ") || line.trim_start().starts_with("Lock ");
    let owed = owes(lab, host);
    let wanted = |line: &&str| !is_note(line) && !line.contains(r"SOFTWARE\fleetclock");
    (all.lines().filter(wanted).filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n"), owed)
}

/// Whether the host has a note of a restart that is owed.
fn owes(lab: &Lab, host: &str) -> bool {
    let said = lab.cmd(host, r"reg query HKLM\SOFTWARE\fleetclock /v w32time");
    said.lines().any(|line| line.trim_start().starts_with("w32time "))
}

/// Nobody comes back: the host takes back what was begun, by itself.
#[track_caller]
fn alone(lab: &Lab, host: &str) {
    lab.pass(host, LEASE + 1);
    assert!(comes(|| !timer(lab, host)), "{host}: the timer did not run");
}

struct Trial {
    kind: &'static str,
    turn: u64,
    moment: u64,
}

impl Trial {
    /// What every host has to be before anything else is done to it.
    #[track_caller]
    fn between(&self, host: &str, old: &str, new: &str, (now, owed): &(String, bool)) {
        let strange: Vec<&str> = now.lines().filter(|line| !old.contains(line) && !new.contains(line)).collect();
        assert!(strange.is_empty(), "{self}, {host}: neither old nor new: {strange:#?}");
        let whole = now == old || now == new;
        assert!(whole || *owed, "{self}, {host}: half a change, and no restart is owed: {now}");
    }

    /// What every host has to be when all is done.
    #[track_caller]
    fn settled(&self, lab: &Lab, host: &str) -> String {
        let (now, owed) = look(lab, host);
        assert!(!owed && lock(lab, host).is_empty() && !timer(lab, host), "{self}, {host}: {}", lock(lab, host));
        now
    }
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}, after {} ms", self.kind, self.turn, self.moment)
    }
}

fn matrix(kind: &'static str, fault: impl Fn(&Lab, &mut Dice, u64)) {
    let lab = Lab::up(&format!("v{kind}"), &[], &fleet(0));
    lab.windows(&HOSTS);
    assert_eq!(json(&lab, &["apply", "--yes"]).0, 0);
    let begun = std::time::Instant::now();
    lab.inventory(&fleet(1));
    assert_eq!(json(&lab, &["apply", "--yes"]).0, 0);
    // From before the first connection to after the last word.
    let span = u64::try_from(begun.elapsed().as_millis()).unwrap() * 11 / 10;
    let begin = Trial { kind, turn: 1, moment: 0 };
    let mut old = NAMES.map(|host| begin.settled(&lab, host));
    let mut dice = Dice::new();
    let (mut half, mut taken_back) = (0, 0);
    for turn in 2..2 + trials() {
        // Every second time while hosts are being changed.
        let moment = if turn.is_multiple_of(2) { dice.below(span) } else { span / 5 + dice.below(span / 2) };
        let trial = Trial { kind, turn, moment };
        lab.inventory(&fleet(turn));
        fault(&lab, &mut dice, trial.moment);
        let between = NAMES.map(|host| look(&lab, host));
        let lost = NAMES.map(|host| timer(&lab, host));
        if dice.below(2) == 0 {
            for (index, host) in NAMES.iter().enumerate().filter(|(index, _)| lost[*index]) {
                alone(&lab, host);
                let back = trial.settled(&lab, host);
                assert!(back == old[index], "{trial}, {host}: {:#?}", difference(&old[index], &back));
                taken_back += 1;
            }
        }
        // The shells of a client that was killed end after some time; here, at once.
        for host in NAMES {
            lab.faults(host, &["lose_shells=1"]);
        }
        let (code, report) = json(&lab, &["apply", "--yes"]);
        assert_eq!(code, 0, "{trial}: {report:#}");
        let new = NAMES.map(|host| trial.settled(&lab, host));
        for (index, host) in NAMES.iter().enumerate() {
            assert_ne!(old[index], new[index], "{trial}, {host}");
            trial.between(host, &old[index], &new[index], &between[index]);
        }
        let changed = (0..3).filter(|index| between[*index].0 != old[*index]).count();
        half += (0..3).filter(|index| between[*index].1).count();
        let timers = lost.iter().filter(|lost| **lost).count();
        old = new;
        tell(&format!("{trial}: {changed} of 3 hosts were changed, {timers} had a timer"));
    }
    let trials = trials();
    tell(&format!("{kind}: {trials} trials, {half} hosts with a restart owed, {taken_back} took it back alone"));
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn the_tool_is_killed_at_any_moment() {
    matrix("kill", |lab, _, moment| {
        let mut tool = start(lab, &["apply", "--yes"]);
        rest(moment);
        lab.kill(&mut tool);
    });
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn the_connection_to_a_host_is_cut_at_any_moment() {
    matrix("cut", |lab, dice, moment| {
        let tool = start(lab, &["apply", "--yes"]);
        rest(moment);
        let host = NAMES[usize::try_from(dice.below(3)).unwrap()];
        // One answer is lost, or the host is not to be reached until the tool has given up.
        let fault = if dice.below(2) == 0 { "drop=1" } else { "drop_all=1" };
        lab.faults(host, &[fault]);
        let output = tool.wait_with_output().unwrap();
        assert!(matches!(output.status.code(), Some(0 | 1 | 4)), "{}", String::from_utf8_lossy(&output.stderr));
        lab.faults(host, &[]);
    });
}
