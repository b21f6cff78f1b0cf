//! What goes wrong says so, the others go on, and nothing is left half done.

use crate::doctor::{found, inventory};
use crate::fixture::Lab;
use crate::report::{error, host, statuses};
use crate::rollout::{HOSTS, THREE};

fn one(extra: &str) -> String {
    format!(
        "defaults: {{ ssh: {{ user: ops, become: sudo, SSH }} }}\nhosts: {{ h1: {{ address: 10.10.10.1, role: master, isolated: true, serve: [10.10.10.0/24]{extra} }} }}\n"
    )
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn one_bad_host_does_not_stop_the_others() {
    let lab = Lab::up("others", HOSTS, THREE);
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    lab.lab("stop", "server2");
    lab.sh("server3", "systemctl stop ssh.socket ssh 2>/dev/null || systemctl stop ssh");
    let (code, report) = lab.json(&["check"]);
    assert_eq!(code, 4, "{report:#}");
    assert_eq!(statuses(&report), ["server1 unchanged", "server2 unreachable", "server3 unreachable"]);
    assert!(error(&report, "server3").contains("Connection refused"), "{}", error(&report, "server3"));
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn what_fails_before_and_in_the_change_leaves_the_old_state() {
    let lab = Lab::up("faults", &["h1=bookworm@10.10.10.1"], &one(""));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    let state = "cat /etc/chrony/chrony.conf | sha256sum; systemctl is-active chrony; systemctl is-enabled chrony; ls -A /etc/chrony";
    let before = lab.sh("h1", state);
    let fails = |inventory: &str, words: &str, status: &str| {
        lab.inventory(inventory);
        let (code, report) = lab.json(&["apply", "--yes"]);
        assert_eq!((code, host(&report, "h1")["status"].as_str()), (1, Some(status)), "{words}: {report:#}");
        assert!(error(&report, "h1").contains(words), "no `{words}` in {}", error(&report, "h1"));
        assert_eq!(lab.sh("h1", state), before, "{words}");
        // The run has ended: nothing is owed, and the host is as it was before.
        lab.inventory(&one(""));
        let (code, report) = lab.json(&["check"]);
        assert_eq!(code, 0, "{words}: {report:#}");
    };
    // chronyd itself refuses the file.
    fails(&one(", extra: ['nonsense 1 2']"), "Invalid directive at line", "failed_undone");
    // The file is fine and the daemon does not start with it.
    fails(
        &one(", extra: ['bindaddress 203.0.113.7', 'port 123', 'pidfile /proc/nowhere/pid']"),
        "does not run with this configuration",
        "failed_undone",
    );
    // The disk is full.
    lab.sh("h1", "mkdir /mnt/keep; cp -a /etc/chrony/. /mnt/keep; mount -t tmpfs -o size=16k tmpfs /etc/chrony; cp -a /mnt/keep/. /etc/chrony; head -c 100000 /dev/zero >/etc/chrony/fill 2>/dev/null || true");
    let before_full = lab.sh("h1", state);
    lab.inventory(&one(", extra: ['logchange 0.7']"));
    let (_, report) = lab.json(&["apply", "--yes"]);
    assert!(error(&report, "h1").contains("is the disk full?"), "{}", error(&report, "h1"));
    assert_eq!(lab.sh("h1", state), before_full);
    // Read-only: the plan knows.
    lab.sh("h1", "umount /etc/chrony; mount --bind /etc/chrony /etc/chrony; mount -o remount,ro,bind /etc/chrony");
    fails(
        &one(", extra: ['logchange 0.7']"),
        "has to be written, and /etc/chrony cannot be: nothing was changed",
        "failed",
    );
    lab.sh("h1", "umount /etc/chrony");
    // And then it works.
    lab.inventory(&one(", extra: ['logchange 0.7']"));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    crate::own::playbooks_are_done_and_undone(&lab);
    crate::secrets::are_hidden_everywhere(&lab);
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn package_trouble_is_named() {
    let lab = Lab::up("package", &["h1=bookworm@10.10.10.1", "h2=bookworm@10.10.10.2"], &one(""));
    // Nothing to install from: found in the plan already.
    lab.sh("h1", "mkdir /root/lists; mv /var/lib/apt/lists/* /root/lists/");
    let (code, report) = lab.json(&["plan"]);
    assert!(
        code == 1 && error(&report, "h1").contains("package `chrony` cannot be installed with apt-get"),
        "{report:#}"
    );
    lab.sh("h1", "mv /root/lists/* /var/lib/apt/lists/");
    // Another run holds the lock for a while: it is waited for.
    lab.sh(
        "h1",
        "setsid flock -x /var/lib/dpkg/lock-frontend sleep 0 </dev/null >/dev/null 2>&1; python3 -c \"
import fcntl,os,time
if os.fork(): os._exit(0)
os.setsid()
for n in (0, 1, 2): os.close(n)
f = open('/var/lib/dpkg/lock-frontend', 'w')
fcntl.lockf(f, fcntl.LOCK_EX)
time.sleep(8)\"",
    );
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    assert!(host(&report, "h1")["seconds"].as_f64().unwrap() > 5.0);
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_slave_is_not_touched_while_its_master_gives_no_time() {
    let inventory = inventory("chain.yml").replace("deadline: 5m", "deadline: 5s");
    let lab = Lab::up("silent", &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2"], &inventory);
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!((code, statuses(&report)), (1, vec!["m1 failed".to_owned(), "s1 not_started".into()]), "{report:#}");
    assert!(
        error(&report, "m1").contains("nothing was changed: no source serves time to this host"),
        "{}",
        error(&report, "m1")
    );
    assert_eq!(
        lab.sh("s1", "systemctl is-active systemd-timesyncd; ls /var/lib/fleetclock 2>/dev/null | wc -l"),
        "active\n0"
    );
    // A source that answers and is not synchronised is no source either.
    let (code, report) = lab.json(&["apply", "--yes", "--no-verify", "-l", "m1"]);
    assert_eq!(code, 0, "{report:#}");
    let (code, report) = lab.json(&["apply", "--yes", "-l", "s1"]);
    assert_eq!(code, 1);
    assert!(error(&report, "s1").contains("`m1`: unsynchronised"), "{}", error(&report, "s1"));
    let (code, report) = lab.json(&["verify", "-l", "m1"]);
    assert_eq!((code, host(&report, "m1")["status"].as_str()), (5, Some("out_of_limits")), "{report:#}");
    a_master_that_serves_its_own_clock_instead_is_no_source(&lab);
}

/// By a hand edit: its followers get good answers, of a clock that nobody corrects.
fn a_master_that_serves_its_own_clock_instead_is_no_source(lab: &Lab) {
    lab.sh("m1", "echo 'local stratum 10' >>/etc/chrony/chrony.conf; systemctl restart chrony; sleep 2");
    assert_eq!(lab.json(&["apply", "--yes", "--no-verify", "-l", "s1"]).0, 0);
    lab.sh("s1", "for n in $(seq 100); do chronyc -n -c sources | grep -q '^.,[*]' && break; sleep 0.2; done");
    let (code, report) = lab.json(&["verify", "-l", "s1"]);
    let message = error(&report, "s1");
    assert!(code == 5 && message.contains("`10.10.10.1` serves its own clock"), "{code} {message}");
    let report = found(lab, "own-reference", "chain.yml");
    let findings = host(&report, "m1")["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["code"] == "FC106").unwrap_or_else(|| panic!("{report:#}"));
    assert!(finding["affects"].to_string().contains("s1"), "{finding:#}");
}

/// What the service reaches of it counts, and neither an old star nor what our own probe reaches.
pub(crate) fn a_pool_counts_while_it_is_heard(lab: &Lab, text: &str) {
    let pool = "follows: [{ name: masters, prefer: true, minpoll: 4, maxpoll: 4 }]";
    let text = text.replace(pool, "upstream: [{ address: pool.lab, pool: true, minpoll: 10, maxpoll: 10 }]");
    lab.inventory(&text.replace("defaults: {", "defaults: { limits: { deadline: 10s },"));
    lab.sh("ntp1", "firewall-cmd -q --add-service=ntp; chronyc allow");
    lab.sh("app1", "echo 'fd00:10::1 pool.lab' >>/etc/hosts");
    let (code, report) = lab.json(&["apply", "--yes", "-l", "app1"]);
    let source = &host(&report, "app1")["sources"][0];
    assert_eq!(
        (code, source["address"].as_str(), source["selected"].as_bool()),
        (0, Some("pool.lab"), Some(true)),
        "{report:#}"
    );
    // As if it had been closed for hours: polls are 17 minutes apart, and those of a burst are lost.
    lab.sh("app1", "nft 'add table inet o; add chain inet o out { type filter hook output priority 0; }; add rule inet o out meta skuid _chrony udp dport 123 drop'; chronyc burst 5/5; sleep 11; for n in $(seq 100); do chronyc -n -c sources | cut -d, -f6 | grep -q '0$' && break; sleep 0.2; done; nft delete table inet o; chronyc -n -c sources | cut -d, -f6 | grep '0$'");
    lab.inventory(&text.replace("defaults: {", "defaults: { limits: { deadline: 2s },"));
    let (code, report) = lab.json(&["verify", "-l", "app1"]);
    let message = error(&report, "app1");
    let again = "our probe from the same host is answered, and chrony asks again within 17m 4s";
    assert!(code == 5 && message.contains("`pool.lab` (reach ") && message.contains(again), "{code} {message}");
    // Who changes hosts may let it ask now.
    lab.inventory(&text);
    let (code, report) = lab.json(&["apply", "--yes", "-l", "app1"]);
    assert_eq!((code, host(&report, "app1")["status"].as_str()), (0, Some("unchanged")), "{report:#}");
}
