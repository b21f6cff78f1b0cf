//! Firewalls that are opened on real hosts, and what becomes of real packets: ufw, nftables, iptables with its files.

use super::{HOSTS, checked, host, inventory};
use crate::fixture::{Lab, tell};

/// A firewall that an administrator has closed.
struct Case {
    word: &'static str,
    /// Installs it and closes it.
    close: &'static str,
    /// Prints all that it has, now and in its files.
    state: &'static str,
    /// Somebody takes our rule away as it works, and in the file.
    now: &'static str,
    file: &'static str,
    /// What a boot does.
    boot: &'static str,
    /// What a plan shows.
    shown: &'static [&'static str],
}

/// Counters are no state.
const SAVED: &str = "for p in iptables ip6tables; do $p-save | sed '/^#/d; s/ \\[.*//'; done";

const UFW: Case = Case {
    word: "ufw",
    close: "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends ufw iptables >/dev/null 2>&1; ufw allow 22/tcp; ufw deny 123/udp; ufw --force enable; ip6tables -S >/dev/null",
    state: "cat /etc/ufw/*.rules",
    now: "iptables -D ufw-user-input -p udp --dport 123 -s 10.10.10.0/24 -j ACCEPT",
    file: "sed -i '/fleetclock\\|666c656574636c6f636b/,+2d' /etc/ufw/user.rules",
    boot: "systemctl restart ufw",
    shown: &[
        "+### tuple ### allow udp 123 0.0.0.0/0 any 10.10.10.0/24 in comment=666c656574636c6f636b",
        "+-A ufw-user-input -p udp --dport 123 -s 10.10.10.0/24 -j ACCEPT",
    ],
};

const NFTABLES: Case = Case {
    word: "nftables",
    close: "printf 'flush ruleset\\ntable inet filter {\\n chain input {\\n type filter hook input priority 0; policy drop;\\n ct state established,related accept\\n iif \"lo\" accept\\n iifname \"host0\" tcp dport 22 accept\\n udp dport 123 counter drop\\n }\\n}\\n' >/etc/nftables.conf; systemctl enable -q nftables; systemctl restart nftables",
    state: "cat /etc/nftables.conf; nft -s list ruleset; ls -R /etc/fleetclock /etc/systemd/system/nftables.service.d 2>/dev/null; cat /etc/fleetclock/* /etc/systemd/system/nftables.service.d/* 2>/dev/null; true",
    now: "nft -f /etc/nftables.conf",
    file: "rm /etc/fleetclock/nftables.nft",
    boot: "systemctl restart nftables",
    shown: &[
        "+insert rule inet filter input index 3 ip saddr 10.10.10.0/24 udp dport 123 accept comment \"fleetclock 123/udp from 10.10.10.0/24\"",
    ],
};

const IPTABLES: Case = Case {
    word: "iptables",
    close: "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends iptables-persistent >/dev/null 2>&1; iptables -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited; netfilter-persistent save 2>/dev/null; iptables -I INPUT -s 10.99.0.1 -j DROP",
    state: "cat /etc/iptables/rules.v4 /etc/iptables/rules.v6",
    now: "iptables -D INPUT -s 10.10.10.0/24 -p udp -m udp --dport 123 -m comment --comment 'fleetclock 123/udp from 10.10.10.0/24' -j ACCEPT",
    file: "sed -i /fleetclock/d /etc/iptables/rules.v4",
    boot: "systemctl restart netfilter-persistent",
    shown: &[
        "+-A INPUT -s 10.10.10.0/24 -p udp -m udp --dport 123 -m comment --comment \"fleetclock 123/udp from 10.10.10.0/24\" -j ACCEPT",
    ],
};

const ASK: &str = "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(0.7); s.bind((sys.argv[1],0))\nfor i in range(2):\n  try:\n    s.sendto(b'\\x23'+bytes(47),(sys.argv[2],123)); s.recv(100); print('answered'); break\n  except OSError: pass\nelse: print('silent')";

/// Whether the master answers who asks from an address; it allows everybody, so only its firewall can keep silent.
fn answered(lab: &Lab, from: &str, to: &str) -> bool {
    lab.sh("server1", "chronyc -n allow all >/dev/null");
    let said = lab.sh("server2", &format!("python3 -c \"{ASK}\" {from} {to}"));
    lab.sh("server1", "systemctl restart chrony; sleep 0.5");
    said == "answered"
}

/// Only the followers get an answer.
fn open_for_followers(lab: &Lab, what: &str, wrong: &mut Vec<String>) {
    let (follower, stranger) = (answered(lab, "10.10.10.2", "10.10.10.1"), answered(lab, "10.20.0.2", "10.20.0.1"));
    if !follower || stranger {
        wrong.push(format!("{what}: the follower is answered: {follower}, a stranger: {stranger}"));
    }
}

fn apply(lab: &Lab, what: &str, expected: &str, wrong: &mut Vec<String>) {
    let (code, report) = lab.json(&["apply", "--yes", "-l", "server1"]);
    let found = host(&report, "server1");
    if code != 0 || found["status"] != expected {
        wrong.push(format!("{what}: apply {code}: {found:#}"));
    }
}

/// Opened, seen, put right in each of its two states, kept over a boot, undone to the letter, closed when nobody is served.
fn opened(name: &str, case: &Case) {
    let lab = Lab::up(name, HOSTS, &inventory("firewall: none, serve: [10.10.10.0/24]"));
    lab.sh("server1", "systemctl disable -q --now firewalld; ip addr add 10.20.0.1/24 dev host0");
    lab.sh("server2", "systemctl disable -q --now firewalld; ip addr add 10.20.0.2/24 dev host0");
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    lab.sh("server1", case.close);
    let mut wrong = Vec::new();
    let state = || lab.sh("server1", &format!("{}; {SAVED}", case.state));
    let before = state();
    if answered(&lab, "10.10.10.2", "10.10.10.1") {
        wrong.push("the firewall is not closed".to_owned());
    }
    lab.inventory(&inventory("serve: [10.10.10.0/24]"));
    let (_, told) = lab.json(&["doctor"]);
    let findings = host(&told, "server1")["findings"].to_string();
    if !findings.contains("FC046") || !findings.contains("fleetclock apply -l server1") {
        wrong.push(format!("doctor: {findings}"));
    }
    let (code, plan) = lab.json(&["plan", "-l", "server1"]);
    let diff = host(&plan, "server1")["deltas"].to_string().replace("\\\"", "\"");
    if code != 0 || !case.shown.iter().all(|line| diff.contains(line)) {
        wrong.push(format!("plan: {code}: {diff} {}", host(&plan, "server1")["error"]));
    }
    apply(&lab, "closed", "changed", &mut wrong);
    open_for_followers(&lab, "opened", &mut wrong);
    apply(&lab, "opened already", "unchanged", &mut wrong);
    let (code, report) = lab.json(&["undo", "--yes", "server1"]);
    let after = state();
    if code != 0 || after != before {
        wrong.push(format!("undo {code}: {report:#}\n--- before\n{before}\n--- after\n{after}"));
    }
    apply(&lab, "again", "changed", &mut wrong);
    for (what, change) in [("gone now", case.now), ("gone in the file", case.file)] {
        lab.sh("server1", change);
        let (code, status, error) = checked(&lab);
        if code != 3 || status != "drifted" {
            wrong.push(format!("{what}: check {code} {status} {error}"));
        }
        apply(&lab, what, "changed", &mut wrong);
        open_for_followers(&lab, what, &mut wrong);
    }
    lab.sh("server1", case.boot);
    open_for_followers(&lab, "booted", &mut wrong);
    lab.inventory(&inventory("serve: [10.10.10.2/32]"));
    apply(&lab, "narrower", "changed", &mut wrong);
    let now = state();
    if now.contains("10.10.10.0/24") {
        wrong.push(format!("what is no longer wanted is still there: {now}"));
    }
    open_for_followers(&lab, "narrower", &mut wrong);
    tell(&format!("{}: {}", case.word, wrong.len()));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs the lab: ./test --slow runs it"]
fn ufw_lets_in_those_who_are_served_and_nobody_else() {
    opened("ufw", &UFW);
}

#[test]
#[ignore = "needs the lab: ./test --slow runs it"]
fn nftables_lets_in_those_who_are_served_and_nobody_else() {
    opened("nft", &NFTABLES);
}

#[test]
#[ignore = "needs the lab: ./test --slow runs it"]
fn iptables_lets_in_those_who_are_served_and_nobody_else() {
    opened("ipt", &IPTABLES);
}
