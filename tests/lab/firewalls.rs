//! Firewalls of all owners: followers are let in where their packets arrive, a master that keeps them out
//! is not in sync, and what `doctor` says to do is done as it stands and mends it.

use crate::fixture::{Lab, tell};
use crate::report::host;

const HOSTS: &[&str] = &["server1=bookworm@10.10.10.1", "server2=bookworm@10.10.10.2"];

fn inventory(settings: &str) -> String {
    format!(
        "defaults: {{ ssh: {{ user: ops, become: sudo, timeout: 60s, SSH }}, limits: {{ deadline: 5m }} }}\ngroups:\n  m: {{ role: master, isolated: true, {settings}, hosts: {{ server1: 10.10.10.1 }} }}\n  s: {{ role: slave, follows: [m], hosts: {{ server2: 10.10.10.2 }} }}\n"
    )
}

const ZONES: &str = "for z in work public; do firewall-cmd --zone=$z --list-rich-rules; firewall-cmd --permanent --zone=$z --list-rich-rules; done";

fn rules(networks: &[&str]) -> String {
    let rule = |network: &&str| format!(r#"rule family="ipv4" source address="{network}" service name="ntp" accept"#);
    networks.iter().map(rule).collect::<Vec<_>>().join("\n")
}

/// What `check` says of the master: its exit code, the status, the error with its hint.
fn checked(lab: &Lab) -> (i32, String, String) {
    let (code, report) = lab.json(&["check", "-l", "server1"]);
    let found = host(&report, "server1");
    let error = format!("{} | {}", found["error"]["message"], found["error"]["hint"]);
    (code, found["status"].as_str().unwrap_or_default().to_owned(), error)
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn followers_are_let_in_where_their_packets_arrive() {
    let lab = Lab::up("zones", HOSTS, &inventory("serve: [10.10.10.0/24]"));
    // A source comes before an interface.
    lab.sh("server1", "firewall-cmd -q --permanent --zone=work --add-source=10.10.10.0/28; firewall-cmd -q --permanent --zone=work --add-service=ssh; firewall-cmd -q --reload");
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    let (part, all) = (rules(&["10.10.10.0/28"]), rules(&["10.10.10.0/24"]));
    assert_eq!(lab.sh("server1", ZONES), format!("{part}\n{part}\n{all}\n{all}"));
    assert_eq!(checked(&lab).0, 0);

    // What is open more widely is in sync, and a rule of somebody else stays.
    let wide = rules(&["10.10.0.0/16"]);
    let swap = |verb: &str, rule: &str| {
        format!("for p in '' --permanent; do firewall-cmd -q $p --{verb}-rich-rule='{rule}'; done")
    };
    lab.sh("server1", &format!("{}; {}", swap("add", &wide), swap("remove", &all)));
    assert_eq!(checked(&lab).0, 0);

    // Ours that the inventory no longer wants go, and come back with the undo.
    lab.inventory(&inventory("serve: [10.10.10.2]"));
    let (code, report) = lab.json(&["apply", "--yes", "-l", "server1"]);
    assert_eq!(code, 0, "{report:#}");
    let one = rules(&["10.10.10.2/32"]);
    assert_eq!(lab.sh("server1", ZONES), format!("{one}\n{one}\n{wide}\n{wide}"));
    let (code, report) = lab.json(&["undo", "--yes", "server1"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(lab.sh("server1", ZONES), format!("{part}\n{part}\n{wide}\n{wide}"));

    // Whoever owns the rule that keeps the followers out: the master is not in sync.
    lab.sh("server1", "nft 'add table inet f; add chain inet f in { type filter hook input priority 0; }; add rule inet f in udp dport 123 drop'");
    let (code, status, error) = checked(&lab);
    assert_eq!((code, status.as_str()), (1, "failed"), "{error}");
    assert!(error.contains("nft insert rule inet f in ip saddr 10.10.10.2"), "{error}");
    lab.sh("server1", "nft delete table inet f");
    a_question_that_does_not_leave_is_no_unreachable_master(&lab);
}

/// The kernel says EPERM, and the rule may be one that nobody understands.
fn a_question_that_does_not_leave_is_no_unreachable_master(lab: &Lab) {
    let own = "no source serves time to this host (`server1`: stopped by a packet filter of this host itself)";
    lab.inventory(
        &inventory("serve: [10.10.10.0/24]").replace("follows: [m]", "follows: [m], step: { over: 3s, first: 3 }"),
    );
    lab.sh("server2", "nft 'add table inet o; add chain inet o out { type filter hook output priority 0; }; add rule inet o out udp dport 123 meta mark 0 drop'");
    let (code, report) = lab.json(&["apply", "--yes", "-l", "server2"]);
    let error = host(&report, "server2")["error"].to_string();
    assert!(code == 1 && error.contains(own) && error.contains("nft list ruleset"), "{report:#}");
    let (_, report) = lab.json(&["doctor"]);
    let findings = host(&report, "server2")["findings"].as_array().unwrap();
    let seen = (findings[0]["code"].as_str(), findings.len(), findings[0]["fix"].as_str().unwrap_or_default());
    assert!(seen.0 == Some("FC044") && seen.1 == 1 && seen.2.contains("see whether the rule"), "{report:#}");
}

#[path = "firewalls/slow.rs"]
mod slow;
