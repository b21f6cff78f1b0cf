//! Firewalls of all owners: followers are let in where their packets arrive, a master that keeps them out
//! is not in sync, and what `doctor` says to do is done as it stands and mends it.

use crate::fixture::Lab;
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

mod slow {
    use super::*;

    /// Who stops NTP and how, what `doctor` calls it, how it is taken away, and whether it is the master's.
    const STOPS: &[(&str, &str, &str, &str)] = &[
        ("server1", "FC046", "ufw allow 22/tcp; ufw --force enable", "ufw --force reset"),
        ("server1", "FC046", "ufw allow 22/tcp; ufw deny 123/udp; ufw --force enable", "ufw --force reset"),
        (
            "server1",
            "FC046",
            "iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -A INPUT -j REJECT --reject-with icmp-host-prohibited",
            "iptables -F INPUT",
        ),
        ("server1", "FC048", "iptables-legacy -A INPUT -p udp --dport 123 -j DROP", "iptables-legacy -F INPUT"),
        (
            "server1",
            "FC046",
            "nft 'add table inet f; add chain inet f in { type filter hook input priority 0; policy drop; }; add rule inet f in ct state established,related accept; add rule inet f in iif lo accept; add rule inet f in tcp dport 22 accept'",
            "nft delete table inet f",
        ),
        (
            "server1",
            "FC046",
            "nft 'add table netdev lost; add chain netdev lost i { type filter hook ingress device host0 priority 0; }; add rule netdev lost i udp dport 123 drop'",
            "nft delete table netdev lost",
        ),
        (
            "server1",
            "FC035",
            "nft 'add table ip d; add chain ip d pre { type nat hook prerouting priority -100; }; add rule ip d pre udp dport 123 dnat to 10.10.10.77'",
            "nft delete table ip d",
        ),
        (
            "server2",
            "FC044",
            "ufw allow 22/tcp; ufw default deny outgoing; ufw --force enable",
            "ufw --force reset; ufw default allow outgoing",
        ),
        (
            "server2",
            "FC045",
            "nft 'add table inet f; add chain inet f in { type filter hook input priority 0; policy drop; }; add rule inet f in iif lo accept; add rule inet f in tcp dport 22 accept'",
            "nft delete table inet f",
        ),
        (
            "server1",
            "FC034",
            "systemctl start firewalld; firewall-cmd -q --permanent --add-service=ntp; firewall-cmd -q --permanent --new-policy=noise; firewall-cmd -q --permanent --policy=noise --add-ingress-zone=ANY; firewall-cmd -q --permanent --policy=noise --add-egress-zone=HOST; firewall-cmd -q --permanent --policy=noise --add-rich-rule='rule family=ipv4 port port=123 protocol=udp drop'; firewall-cmd -q --reload",
            "firewall-cmd -q --permanent --delete-policy=noise; systemctl stop firewalld",
        ),
        (
            "server1",
            "FC040",
            "firewall-cmd --version; rm -f /etc/firewalld/zones/public.xml; systemctl restart firewalld",
            "systemctl stop firewalld",
        ),
    ];

    /// The command of a fix, without what it says of the next boot.
    fn command(fix: &str) -> &str {
        let fix = fix.split_once("server1: ").or_else(|| fix.split_once("server2: ")).map_or(fix, |(_, rest)| rest);
        let ends = ["; and ", ", and the same", " (`firewall"];
        ends.iter().fold(fix, |fix, end| fix.split_once(end).map_or(fix, |(command, _)| command))
    }

    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn what_doctor_says_is_done_as_it_stands_and_mends_it() {
        let lab = Lab::up("owners", HOSTS, &inventory("firewall: none, serve: [10.10.10.0/24]"));
        for name in ["server1", "server2"] {
            lab.sh(name, "systemctl disable -q --now firewalld; DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends ufw iptables >/dev/null 2>&1; systemctl disable -q --now ufw");
        }
        assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
        let mut wrong = Vec::new();
        for (name, code, stop, mend) in STOPS {
            lab.sh(name, stop);
            if let Err(why) = mended(&lab, name, code) {
                wrong.push(format!("{stop}: {why}"));
            }
            lab.sh(name, mend);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Stopped, seen by `check` where it is the master, named by `doctor`, mended by its words.
    fn mended(lab: &Lab, name: &str, code: &str) -> Result<(), String> {
        let (status, _, error) = checked(lab);
        if name == "server1" && status == 0 {
            return Err(format!("check: in sync: {error}"));
        }
        let (_, report) = lab.json(&["doctor"]);
        let findings = host(&report, name)["findings"].as_array().unwrap();
        let Some(finding) = findings.iter().find(|finding| finding["code"] == code) else {
            return Err(format!("doctor: {report:#}"));
        };
        let fix = command(finding["fix"].as_str().unwrap()).to_owned();
        let failed = lab.attempt(name, &fix);
        // The service asks again at its start.
        lab.sh("server2", "systemctl restart chrony");
        let (status, report) = lab.json(&["verify"]);
        if !failed.is_empty() || status != 0 {
            return Err(format!("`{fix}`{failed}: verify {status}: {:?}", report.errors().collect::<Vec<_>>()));
        }
        Ok(())
    }
}
