//! Change windows: no host is left worse than it was.

use nix::sys::signal::Signal;

use crate::fixture::{Lab, words};
use crate::report::{error, host, statuses};

/// Two hosts: a master that goes on by itself, and one that follows it.
const TWO: &str = "
defaults: { ssh: { user: ops, become: sudo, SSH } }
groups:
  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { m1: 10.10.10.1 } }
  slaves: { role: slave, follows: [masters], hosts: { s1: 10.10.10.2 } }
";

/// What a change of time service touches, in words.
const STATE: &str = "
for f in /etc/chrony/chrony.conf /etc/ntp.conf; do [ -e $f ] && stat -c '%n %a %U' $f && sha256sum <$f; done
for u in chrony systemd-timesyncd; do echo $u $(systemctl is-active $u) $(systemctl is-enabled $u 2>/dev/null); done
firewall-cmd --list-rich-rules; firewall-cmd --permanent --list-rich-rules
ls /etc/chrony 2>/dev/null; ls -A /run/fleetclock/owed 2>/dev/null; true";

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn undo_puts_back_the_last_run_and_then_the_one_before() {
    let lab = Lab::up("rolloutundo", &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2"], TWO);
    // The package is there already, so that a run changes files, services and the firewall only.
    lab.sh("m1", "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chrony >/dev/null 2>&1; chmod 600 /etc/chrony/chrony.conf; systemctl disable -q chrony");
    let bare = lab.sh("m1", STATE);
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    let first = lab.sh("m1", STATE);
    assert_ne!(first, bare);
    lab.inventory(&TWO.replace("10.10.10.0/24", "10.10.10.0/24, 10.20.0.0/16"));
    assert_eq!(lab.json(&["apply", "--yes", "-l", "m1", "--journal"]).0, 0);
    assert_ne!(lab.sh("m1", STATE), first);
    let told = lab.sh("m1", "journalctl -q -o cat -t fleetclock");
    assert!(told.contains(" changed: file /etc/chrony/chrony.conf: content; ") && told.lines().count() == 1, "{told}");
    assert_eq!(
        lab.sh(
            "m1",
            "ls -A /run/fleetclock | grep -v -e owed -e mutex; systemctl is-active fleetclock-undo.timer || true"
        ),
        "inactive"
    );
    let rights = lab.sh(
        "m1",
        "cd /var/lib/fleetclock/runs; stat -c %a *; find . -name old -path '*1/*' -exec stat -c '%a %U' {} + | sort -u",
    );
    assert!(rights.lines().all(|line| line != "755" && line != "644"), "{rights}");

    let run = lab.fleetclock(&["undo"]);
    assert_eq!(run.code, 2, "it does not ask: {}", run.stderr);
    // One that was not chosen has the newest run: an older one is not taken for it.
    let run = lab.fleetclock(&["undo", "--yes", "-l", "s1"]);
    assert!(run.code == 1 && run.stderr.contains("its host `m1` is not among the hosts"), "{}", run.stderr);
    // The newest run of the fleet, and nothing older: the other host is listed and left.
    let follower = lab.sh("s1", STATE);
    let (code, report) = lab.json(&["undo", "--yes"]);
    assert_eq!((code, statuses(&report)), (0, words_of(&["m1 changed", "s1 unchanged"])), "{report:#}");
    assert!(host(&report, "s1")["warnings"][0].as_str().unwrap().contains("`fleetclock undo s1`"), "{report:#}");
    assert_eq!((lab.sh("m1", STATE), lab.sh("s1", STATE)), (first.clone(), follower));
    // Then the one before it, on all hosts that it changed.
    let (code, report) = lab.json(&["undo", "--yes"]);
    assert_eq!((code, statuses(&report)), (0, words_of(&["m1 changed", "s1 changed"])), "{report:#}");
    assert_eq!(lab.sh("m1", STATE), bare);
    let (code, report) = lab.json(&["undo", "m1", "--yes"]);
    assert_eq!((code, statuses(&report)), (0, vec!["m1 unchanged".to_owned()]), "{report:#}");
    // What was taken back is a difference like any other.
    lab.inventory(TWO);
    assert_eq!((lab.json(&["check"]).0, lab.json(&["apply", "--yes"]).0), (3, 0));
    assert_eq!(lab.sh("m1", STATE), first);
    // A run by its name, and a host by its own.
    let named = lab.sh("s1", "cd /var/lib/fleetclock/runs; sed -n s/^fleet=//p $(ls -1r | head -n 1)/about");
    lab.sh("m1", "echo logchange 5 >>/etc/chrony/chrony.conf");
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    let (code, report) = lab.json(&["undo", &named, "--yes"]);
    assert_eq!((code, statuses(&report)), (1, words_of(&["m1 failed", "s1 changed"])), "{report:#}");
    assert!(error(&report, "m1").contains("has changed this host after it"), "{report:#}");
    let (code, report) = lab.json(&["undo", "m1", "--yes"]);
    assert_eq!((code, statuses(&report)), (0, words_of(&["m1 changed"])), "{report:#}");
}

fn words_of(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn of_two_runs_at_once_the_second_is_told_who_the_first_is() {
    let lab = Lab::up("rolloutlock", &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2"], TWO);
    // A package manager that takes its time: the change of m1 lasts.
    lab.sh("m1", "echo 'DPkg::Pre-Invoke {\"sleep 6\";};' >/etc/apt/apt.conf.d/99slow");
    let reports = std::thread::scope(|scope| {
        let runs = [(); 2].map(|()| scope.spawn(|| lab.json(&["apply", "--yes", "-l", "m1"])));
        runs.map(|run| run.join().unwrap())
    });
    let mut ended: Vec<_> = reports.iter().map(|(_, report)| statuses(report).remove(0)).collect();
    ended.sort();
    assert_eq!(ended, ["m1 changed", "m1 failed"], "{reports:#?}");
    let message = reports.iter().map(|(_, report)| error(report, "m1")).find(|text| text.len() > 1).unwrap();
    assert!(
        message.contains("nothing was changed: the host is locked by ") && message.contains("(process "),
        "{message}"
    );
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    let owner = message.split("locked by ").nth(1).and_then(|rest| rest.split(" (process").next()).unwrap();
    // A lock that nobody holds any more: another boot, a process that is gone.
    let stale = |line: &str| {
        lab.sh("m1", &format!("printf 'run=old\nwho=x@y (process 1)\nwhen=2026\n{line}\n' >/run/fleetclock/lock; echo logchange 5 >>/etc/chrony/chrony.conf"));
        assert_eq!(lab.json(&["apply", "--yes", "-l", "m1"]).0, 0, "{line}");
        assert_eq!(lab.sh("m1", "ls /run/fleetclock/lock 2>/dev/null || echo free"), "free");
    };
    stale("boot=another\nscript=1 1\nline=\nuntil=99999999");
    stale("boot=$(cat /proc/sys/kernel/random/boot_id)\nscript=99999 1\nline=1 1\nuntil=99999999");
    stale("boot=$(cat /proc/sys/kernel/random/boot_id)\nscript=\nline=\nuntil=1");
    // This machine lost its power in the middle: the host still waits for a word of that connection.
    let waiting = |who: &str| {
        let line = "$(echo $PPID $(cut -d' ' -f22 /proc/1/stat) | sed 's/^[0-9]*/1/')";
        lab.sh("m1", &format!("printf 'run=old\\nwho={who}\\nwhen=2026\\nboot=%s\\nscript=\\nline=%s\\nuntil=99999999\\n' $(cat /proc/sys/kernel/random/boot_id) \"{line}\" >/run/fleetclock/lock; echo logchange 5 >>/etc/chrony/chrony.conf"));
        lab.json(&["apply", "--yes", "-l", "m1"]).0
    };
    assert_eq!(waiting(&format!("{owner} (process 4194305)")), 0);
    assert_eq!(waiting("ops@elsewhere (process 4194305)"), 1);
}

/// Starts an apply and kills the tool while the host is being changed.
fn die_in_the_middle(lab: &Lab) {
    let mut tool = lab.start(&["apply", "--yes", "-l", "m1"]);
    lab.sh("m1", "for n in $(seq 1500); do [ -e /run/fleetclock/lock ] && grep -qs . /var/lib/fleetclock/runs/*/reached && exit; sleep 0.1; done; exit 1");
    lab.kill(&mut tool);
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_run_that_is_never_heard_of_again_is_taken_back_by_the_host() {
    let lab = Lab::up("rolloutdead", &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2"], TWO);
    lab.sh("m1", "DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chrony >/dev/null 2>&1;");
    let bare = lab.sh("m1", STATE);
    lab.sh("m1", "mkdir -p /etc/systemd/system/chrony.service.d; printf '[Service]\nExecStartPre=/bin/sleep 3\n' >/etc/systemd/system/chrony.service.d/slow.conf; systemctl daemon-reload");
    die_in_the_middle(&lab);
    // The script goes on without us; the timer is set, and the host is held for us.
    lab.sh("m1", "for n in $(seq 1500); do systemctl is-active -q chrony && grep -q '^script=$' /run/fleetclock/lock && exit; sleep 0.2; done; exit 1");
    assert_eq!(lab.sh("m1", "systemctl is-active fleetclock-undo.timer"), "active");
    assert_eq!(lab.sh("m1", BOOT), "2");
    assert!(lab.sh("m1", "cat /etc/chrony/chrony.conf").contains("fleetclock"));
    // Whoever comes back in time keeps it, at once, and changes nothing more.
    let (code, report) = lab.json(&["apply", "--yes", "-l", "m1"]);
    assert_eq!((code, statuses(&report)), (0, vec!["m1 unchanged".to_owned()]), "{report:#}");
    assert_eq!(
        lab.sh("m1", "systemctl is-active fleetclock-undo.timer || true; ls /run/fleetclock"),
        "inactive\nlock.mutex\nowed"
    );
    assert_eq!(
        lab.sh("m1", "stat -c '%a %n' /run/fleetclock /run/fleetclock/lock.mutex"),
        "700 /run/fleetclock\n600 /run/fleetclock/lock.mutex"
    );
    assert_eq!(lab.sh("m1", BOOT), "0");
    assert_eq!(lab.json(&["undo", "--yes", "m1"]).0, 0);
    assert_eq!(lab.sh("m1", STATE), bare);

    // And if nobody comes, the host does what the timer says; here its time is up at once.
    die_in_the_middle(&lab);
    lab.sh("m1", "for n in $(seq 1500); do grep -q '^script=$' /run/fleetclock/lock && exit; sleep 0.2; done; exit 1");
    lab.sh("m1", "systemctl start --wait fleetclock-undo.service");
    assert_eq!(lab.sh("m1", STATE), bare);
    let told = lab.sh("m1", "journalctl -q -o cat -u fleetclock-undo.service");
    assert!(told.contains("lost its connection and nobody came to keep it: it is taken back"), "{told}");
    assert_eq!(lab.sh("m1", "ls /run/fleetclock/lock 2>/dev/null || echo free"), "free");

    // A boot does not lose the timer: it begins anew, and keeps the promise.
    die_in_the_middle(&lab);
    lab.sh("m1", "for n in $(seq 1500); do grep -q '^script=$' /run/fleetclock/lock && exit; sleep 0.2; done; exit 1");
    lab.lab("reboot", "m1");
    assert_eq!(lab.sh("m1", "systemctl is-active fleetclock-undo-boot.timer; systemctl show -p LastTriggerUSec fleetclock-undo-boot.timer"), "active\nLastTriggerUSec=");
    assert!(lab.sh("m1", "cat /etc/chrony/chrony.conf").contains("fleetclock"));
    lab.sh("m1", "systemctl start --wait fleetclock-undo-boot.service");
    assert_eq!((lab.sh("m1", STATE), lab.sh("m1", BOOT)), (bare, "0".to_owned()));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
}

/// How many files of the timer for the next boot are there, besides its link.
const BOOT: &str = "ls /etc/systemd/system/fleetclock-undo-boot.* 2>/dev/null | wc -l";

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_saved_plan_is_done_as_reviewed_or_refused_host_by_host() {
    let lab = Lab::up("rolloutplan", &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2"], TWO);
    let file = lab.path("night.plan").display().to_string();
    let plan = || assert_eq!(lab.fleetclock(&["plan", "--out", &file]).code, 0);
    let refused = |name: &str, words: &str| {
        let (code, report) = lab.json(&["apply", &file]);
        assert_eq!((code, host(&report, name)["status"].as_str()), (1, Some("failed")), "{report:#}");
        assert!(error(&report, name).contains(words), "no `{words}` in {}", error(&report, name));
        report
    };
    plan();
    let shown = lab.fleetclock(&["plan", "show", &file]);
    assert!(shown.code == 0 && words(&shown.stdout).contains("+ file /etc/chrony/chrony.conf"), "{}", shown.stdout);
    assert!(shown.stdout.contains("Made ") && shown.stdout.contains("Plan: 2 hosts to change"), "{}", shown.stdout);
    // Somebody changes the slave after the review; the master goes on.
    lab.sh("s1", "mkdir -p /etc/chrony && echo 'server 192.0.2.1' >/etc/chrony/chrony.conf");
    let report = refused("s1", "file /etc/chrony/chrony.conf has changed since the plan was made");
    assert_eq!(statuses(&report), ["m1 changed", "s1 failed"]);
    assert_eq!(
        lab.sh("s1", "cat /etc/chrony/chrony.conf; ls /var/lib/fleetclock 2>/dev/null | wc -l"),
        "server 192.0.2.1\n0"
    );
    // What was reviewed for the master was done; once.
    refused("m1", "has changed since the plan was made");

    plan();
    lab.inventory(&TWO.replace("hosts: { s1: 10.10.10.2 }", "limits: { max_error: 50ms }, hosts: { s1: 10.10.10.2 }"));
    let report = refused("s1", "the inventory's limits.max_error is \"50ms\" and was \"100ms\"");
    assert_eq!(statuses(&report), ["m1 unchanged", "s1 failed"]);
    lab.inventory(TWO);
    let assets = lab.path("assets");
    lab.here(&format!(
        "rm -rf {0} && {1} assets export {0} >/dev/null && echo '# more' >>{0}/templates/chrony.conf.j2",
        assets.display(),
        env!("CARGO_BIN_EXE_fleetclock")
    ));
    let (_, report) = lab.json(&["apply", &file, "--assets", &assets.display().to_string()]);
    assert!(error(&report, "s1").contains("templates/chrony.conf.j2 was edited"), "{report:#}");
    // Nothing has moved: exactly that is done, without a question.
    let (code, report) = lab.json(&["apply", &file]);
    assert_eq!((code, statuses(&report)), (0, vec!["m1 unchanged".to_owned(), "s1 changed".into()]), "{report:#}");
    lab.here(&format!("sed -i s/10.10.10.2/10.10.10.3/ {file}"));
    let run = lab.fleetclock(&["apply", &file]);
    assert!(run.code == 2 && run.stderr.contains("is not what was written"), "{}", run.stderr);
}

/// Two masters of the same slaves, and three of these.
const FIVE: &str = "
defaults: { ssh: { user: ops, become: sudo, SSH } }
groups:
  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { m1: 10.10.10.1, m2: 10.10.10.2 } }
  slaves: { role: slave, follows: [masters], hosts: { s1: 10.10.10.3, s2: 10.10.10.4, s3: 10.10.10.5 } }
rollout: { canary: s2, batch: 1 }
";

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_canary_that_fails_stops_the_rest_and_masters_never_restart_together() {
    let hosts: Vec<String> =
        ["m1", "m2", "s1", "s2", "s3"].iter().zip(1..).map(|(n, i)| format!("{n}=bookworm@10.10.10.{i}")).collect();
    let lab = Lab::up("rolloutwave", &hosts.iter().map(String::as_str).collect::<Vec<_>>(), FIVE);
    let plan = words(&lab.fleetclock(&["plan"]).stdout);
    let order = "1. m1 masters first\n2. m2 masters that serve the same hosts as those above\n3. s2 canary\n4. s1 batch 1 of 2\n5. s3 batch 2 of 2\n";
    assert!(plan.contains(order), "{plan}");
    // Who has two masters is not to lose both, even if nobody has spoken of waves.
    lab.inventory(FIVE.split("rollout:").next().unwrap());
    lab.sh("m1", "mkdir -p /etc/chrony; mount -t tmpfs -o nr_inodes=1 tmpfs /etc/chrony");
    let (_, report) = lab.json(&["apply", "--yes", "-l", "masters"]);
    assert_eq!(statuses(&report), ["m1 failed_undone", "m2 not_started"], "{report:#}");
    assert!(error(&report, "m2").contains("`m1` serves the same hosts, and its change failed"), "{report:#}");
    lab.sh("m1", "umount /etc/chrony");
    lab.inventory(FIVE);
    // The canary's disk has no room for another file, which no plan can see.
    lab.sh("s2", "mkdir -p /etc/chrony; mount -t tmpfs -o nr_inodes=1 tmpfs /etc/chrony");
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 1, "{report:#}");
    let ended = statuses(&report);
    assert_eq!(ended[..2], ["m1 changed", "m2 changed"], "{report:#}");
    assert_eq!(ended[2..], ["s1 not_started", "s2 failed_undone", "s3 not_started"], "{report:#}");
    assert!(
        error(&report, "s1").contains("the wave before (canary) was not proven on s2; `max_fail` is 0"),
        "{report:#}"
    );
    assert_eq!(lab.sh("s1", "ls -d /var/lib/fleetclock 2>/dev/null || echo untouched"), "untouched");
    let started = |host: &str| {
        lab.sh(host, "systemctl show -p ActiveEnterTimestampMonotonic --value chrony").parse::<u64>().unwrap()
    };
    // The second master was restarted after the first was proven, which takes longer than a moment.
    assert!(started("m2") > started("m1") + 1_000_000, "{} {}", started("m1"), started("m2"));
    // With one that may fail, the others go on.
    let (code, report) = lab.json(&["apply", "--yes", "--max-fail", "1", "--batch", "2", "--pause", "1s"]);
    let ended = statuses(&report);
    assert_eq!(
        (code, &ended[2..]),
        (1, &["s1 changed".to_owned(), "s2 failed_undone".into(), "s3 changed".into()][..]),
        "{report:#}"
    );
    lab.sh("s2", "umount /etc/chrony");
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn ctrl_c_stops_at_the_next_safe_point_and_again_leaves_at_once() {
    let lab = Lab::up("rolloutint", &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2"], TWO);
    lab.sh("m1", "echo 'DPkg::Pre-Invoke {\"sleep 8\";};' >/etc/apt/apt.conf.d/99slow");
    let begun =
        "for n in $(seq 1500); do grep -qs . /var/lib/fleetclock/runs/*/reached && exit; sleep 0.1; done; exit 1";
    let tool = lab.start(&["apply", "--yes", "--format", "json"]);
    lab.sh("m1", begun);
    lab.signal(&tool, Signal::SIGINT);
    let output = tool.wait_with_output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert_eq!(statuses(&report), ["m1 changed", "s1 not_started"], "{report:#}");
    assert!(told.contains("stopping: m1 is finished first"), "{told}");
    assert!(error(&report, "s1").contains("interrupted before this host was started"), "{report:#}");

    lab.lab("reset", "m1");
    lab.lab("trust", "m1");
    lab.sh("m1", "echo 'DPkg::Pre-Invoke {\"sleep 8\";};' >/etc/apt/apt.conf.d/99slow");
    let tool = lab.start(&["apply", "--yes"]);
    lab.sh("m1", begun);
    lab.signal(&tool, Signal::SIGINT);
    lab.here("sleep 0.5");
    lab.signal(&tool, Signal::SIGINT);
    let output = tool.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.contains("stopped at once; m1 is inside a change"), "{told}");
    // The next run waits for what the host still does, and goes on.
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(
        lab.sh("m1", "systemctl is-active chrony; ls /run/fleetclock/lock 2>/dev/null || echo free"),
        "active\nfree"
    );
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_run_leaves_a_record_and_what_failed_is_taken_again_alone() {
    let lab = Lab::up("rollouthist", &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2"], TWO);
    let none = lab.fleetclock(&["apply", "--yes", "--failed"]);
    assert!(none.code == 2 && none.stderr.contains("is known of"), "{}", none.stderr);
    // What was typed before the question is no answer, and an end of the input is none that says yes.
    for answer in ["no\n", "\u{4}"] {
        let declined = lab.asked(&["apply"], "yes\nyes\n", answer);
        assert!(declined.code == 3 && declined.stderr.ends_with("nothing was changed\n"), "{}", declined.stderr);
    }
    assert_eq!(lab.json(&["check", "-l", "s1"]).0, 3);
    assert_eq!(statuses(&lab.json(&["check", "-l", "@last-drifted"]).1), ["s1 drifted"]);
    lab.sh("s1", "mkdir -p /etc/chrony; mount -t tmpfs -o nr_inodes=1 tmpfs /etc/chrony");
    assert_eq!(lab.json(&["apply", "--yes"]).0, 1);
    assert_eq!(lab.json(&["check", "-l", "@last-failed"]).1["hosts"].as_array().unwrap().len(), 1);
    lab.sh("s1", "umount /etc/chrony");
    let (code, report) = lab.json(&["apply", "--yes", "--failed"]);
    assert_eq!((code, statuses(&report)), (0, vec!["s1 changed".to_owned()]), "{report:#}");
    let last = lab.fleetclock(&["apply", "--yes", "--failed"]);
    assert!(last.code == 0 && last.stderr.contains("nothing to do"), "{}", last.stderr);
    let list = words(&lab.fleetclock(&["history"]).stdout);
    assert!(list.contains("1 changed, 1 failed") && list.lines().count() == 3, "{list}");
    // Runs are those of one inventory.
    let other = lab.fleetclock(&["history", "-i", "/other.yml"]);
    assert!(
        !other.stdout.contains("changed") && other.stderr.contains("2 runs of other inventories"),
        "{}",
        other.stderr
    );
    assert!(lab.fleetclock(&["history", "--all", "-i", "/other.yml"]).stdout.contains("fleet.yml"));
    let newest = list.lines().nth(1).and_then(|line| line.get(..17)).unwrap();
    assert!(lab.fleetclock(&["history", "show", newest]).stdout.starts_with(&format!("Run {newest}")));
    let show = words(&lab.fleetclock(&["history", "show"]).stdout);
    assert!(show.contains("s1 changed") && show.contains("exit code 0"), "{show}");
    // Nobody else may read them.
    let runs = lab.path("fleetclock/runs");
    lab.here(&format!("[ $(stat -c %a {0}) = 700 ] && [ -z \"$(find {0} -type f -perm /077)\" ]", runs.display()));
    // Of a run that was killed, the record says so, and all of its hosts are in doubt.
    lab.sh("m1", "echo logchange 5 >>/etc/chrony/chrony.conf; mkdir -p /etc/systemd/system/chrony.service.d; printf '[Service]\nExecStartPre=/bin/sleep 2\n' >/etc/systemd/system/chrony.service.d/slow.conf; systemctl daemon-reload");
    let mut tool = lab.start(&["apply", "--yes"]);
    lab.sh("m1", "for n in $(seq 1500); do [ -e /run/fleetclock/lock ] && exit; sleep 0.1; done; exit 1");
    lab.kill(&mut tool);
    assert!(lab.fleetclock(&["history"]).stdout.contains("never ended"));
    let (code, report) = lab.json(&["apply", "--yes", "--failed"]);
    assert_eq!((code, report["hosts"].as_array().unwrap().len()), (0, 2), "{report:#}");
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_server_that_was_installed_anew_is_trusted_again_and_brought_back() {
    let lab = Lab::up("rolltrust", &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2"], TWO);
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    lab.lab("reset", "s1");
    let (_, report) = lab.json(&["check", "-l", "s1"]);
    assert!(
        error(&report, "s1").contains("it has changed") && error(&report, "s1").contains("`fleetclock trust HOST`"),
        "{report:#}"
    );
    let known = lab.path("known_hosts");
    let before = std::fs::read_to_string(&known).unwrap();
    let others = |text: &str| {
        text.lines().filter(|line| !line.starts_with("10.10.10.2 ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let wrong = lab.fleetclock(&["trust", "s1", "--fingerprint", "SHA256:nonsense"]);
    assert!(wrong.code == 1 && wrong.stderr.contains("nothing was changed"), "{}", wrong.stderr);
    assert_eq!(std::fs::read_to_string(&known).unwrap(), before);
    // What the server itself says of its key.
    let own = lab.sh("s1", "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d' ' -f2");
    let run = lab.fleetclock(&["trust", "s1", "--fingerprint", &own]);
    assert!(
        run.code == 0 && run.stdout.contains(&own) && run.stderr.contains("known  ssh-ed25519 SHA256:"),
        "{}{}",
        run.stdout,
        run.stderr
    );
    let after = std::fs::read_to_string(&known).unwrap();
    assert_eq!(others(&after), others(&before));
    assert_eq!(after.matches("10.10.10.2 ").count(), 1, "{after}");
    assert!(lab.fleetclock(&["trust", "s1"]).stdout.contains("is trusted already"));
    let (code, report) = lab.json(&["apply", "--yes", "-l", "s1"]);
    assert_eq!((code, statuses(&report)), (0, vec!["s1 changed".to_owned()]), "{report:#}");
}
