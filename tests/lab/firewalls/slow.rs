use super::*;

/// What is made of firewalld on a master (`on` the one of this age, where only that can), and how it ends:
/// `opens` by an apply, `open` already, `refused`, `sometimes` open and by an apply always, or `doubt`: it opens,
/// with a word of what could not be told.
struct Case {
    on: &'static str,
    ends: &'static str,
    state: &'static str,
}

const fn all(ends: &'static str, state: &'static str) -> Case {
    Case { on: "", ends, state }
}

/// `p`: firewall-cmd --permanent; `MAC`: the hardware address of the follower.
const CASES: &[Case] = &[
    all("opens", "p --zone=work --add-source=10.10.10.2; reload"),
    all("opens", "p --zone=work --add-source=MAC; reload"),
    // firewalld 0.9 of Debian 11 ignores sets where the program `ipset` is not there.
    Case {
        on: "bookworm",
        ends: "opens",
        state: "p --new-ipset=lan --type=hash:ip; p --ipset=lan --add-entry=10.10.10.2; p --zone=work --add-source=ipset:lan; reload",
    },
    Case {
        on: "trixie",
        ends: "opens",
        state: "p --new-ipset=macs --type=hash:mac; p --ipset=macs --add-entry=MAC; p --zone=work --add-source=ipset:macs; reload",
    },
    all("opens", "p --zone=drop --add-source=10.10.10.2; p --zone=drop --add-icmp-block=echo-request; reload"),
    all("opens", "p --set-target=DROP; p --add-icmp-block=echo-request; reload"),
    // Running and permanent differ in where packets arrive.
    all("opens", "firewall-cmd -q --zone=work --add-source=10.10.10.2; p --add-service=ntp"),
    all("opens", "p --zone=work --add-source=10.10.10.2; firewall-cmd -q --add-service=ntp"),
    all("opens", "firewall-cmd -q --add-service=ntp"),
    all("opens", "p --add-service=ntp"),
    Case {
        on: "trixie",
        ends: "opens",
        state: "p --zone=work --add-source=10.10.10.2; p --zone=work --add-service=ntp; p --zone=dmz --add-interface=host0; p --zone=dmz --set-ingress-priority=-10; reload",
    },
    // Policies come before the zone, or behind it.
    all(
        "refused",
        "p --add-service=ntp; p --new-policy=noise; p --policy=noise --add-ingress-zone=ANY; p --policy=noise --add-egress-zone=HOST; p --policy=noise --add-rich-rule='rule family=ipv4 port port=123 protocol=udp drop'; reload",
    ),
    all(
        "refused",
        "p --add-service=ntp; firewall-cmd -q --add-service=ntp; p --new-policy=noise; p --policy=noise --add-ingress-zone=public; p --policy=noise --add-egress-zone=HOST; p --policy=noise --set-target=REJECT",
    ),
    all(
        "open",
        "p --new-policy=calm; p --policy=calm --add-ingress-zone=ANY; p --policy=calm --add-egress-zone=HOST; p --policy=calm --add-service=ntp; reload",
    ),
    all(
        "opens",
        "p --new-policy=late; p --policy=late --add-ingress-zone=ANY; p --policy=late --add-egress-zone=HOST; p --policy=late --set-priority=10; p --policy=late --set-target=REJECT; reload",
    ),
    // Rich rules: what refuses comes first, priorities before all.
    all(
        "refused",
        "p --add-service=ntp; p --add-rich-rule='rule family=ipv4 source address=10.10.10.2 service name=ntp drop'; reload",
    ),
    all("refused", "p --add-service=ntp; p --add-rich-rule='rule source mac=MAC reject'; reload"),
    Case {
        on: "bookworm",
        ends: "refused",
        state: "p --add-service=ntp; p --new-ipset=bad --type=hash:ip; p --ipset=bad --add-entry=10.10.10.2; firewall-cmd --reload >/dev/null; p --add-rich-rule='rule family=ipv4 source ipset=bad drop'; reload",
    },
    all(
        "open",
        "p --add-rich-rule='rule priority=-5 family=ipv4 service name=ntp accept'; p --add-rich-rule='rule family=ipv4 source address=10.10.10.0/24 service name=ntp drop'; reload",
    ),
    all("opens", "p --add-rich-rule='rule priority=32767 family=ipv4 port port=1-1000 protocol=udp drop'; reload"),
    all("sometimes", "p --add-rich-rule='rule family=ipv4 service name=ntp accept limit value=1/m'; reload"),
    // Services are what their definitions say.
    all(
        "open",
        "p --new-service=clocks; p --service=clocks --add-port=123/udp; firewall-cmd -q --reload; p --add-service=clocks; reload",
    ),
    all(
        "opens",
        "sed s/123/124/ /usr/lib/firewalld/services/ntp.xml >/etc/firewalld/services/ntp.xml; p --add-service=ntp; reload",
    ),
    // One that only a rich rule names, and one that nothing names yet: ours would.
    all(
        "opens",
        "sed s/123/124/ /usr/lib/firewalld/services/ntp.xml >/etc/firewalld/services/ntp.xml; firewall-cmd --reload >/dev/null; p --add-rich-rule='rule family=ipv4 service name=ntp accept'; reload",
    ),
    all("opens", "sed s/123/124/ /usr/lib/firewalld/services/ntp.xml >/etc/firewalld/services/ntp.xml; reload"),
    all(
        "refused",
        "p --add-service=ntp; p --new-service=clocks; p --service=clocks --add-port=123/udp; firewall-cmd --reload >/dev/null; p --add-rich-rule='rule family=ipv4 service name=clocks drop'; reload",
    ),
    // Rules in the words of iptables, which one tree has.
    Case {
        on: "bookworm",
        ends: "refused",
        state: "p --add-service=ntp; p --direct --add-rule ipv4 filter INPUT 0 -s 10.10.10.2 -p udp --dport 123 -j DROP; reload",
    },
    Case {
        on: "bookworm",
        ends: "doubt",
        state: "p --direct --add-rule ipv4 filter INPUT 0 -s 10.99.0.0/16 -p udp --dport 123 -j DROP",
    },
    Case {
        on: "bookworm",
        ends: "opens",
        state: "sed -i s/^FirewallBackend=.*/FirewallBackend=iptables/ /etc/firewalld/firewalld.conf; systemctl restart firewalld; firewall-cmd --state >/dev/null",
    },
    Case {
        on: "bookworm",
        ends: "refused",
        state: "sed -i s/^FirewallBackend=.*/FirewallBackend=iptables/ /etc/firewalld/firewalld.conf; systemctl restart firewalld; p --add-service=ntp; p --add-rich-rule='rule family=ipv4 source address=10.10.10.2 drop'; reload",
    },
];

const MASTERS: [(&str, &str); 3] = [("server1", "bookworm"), ("server3", "trixie"), ("server4", "bullseye")];
const FRESH: &str = "rm -rf /etc/firewalld/zones/* /etc/firewalld/policies/* /etc/firewalld/ipsets/* /etc/firewalld/services/* /etc/firewalld/direct.xml /var/lib/fleetclock/firewalld; sed -i s/^FirewallBackend=.*/FirewallBackend=nftables/ /etc/firewalld/firewalld.conf; systemctl restart firewalld; firewall-cmd --state >/dev/null";
const WORDS: &str =
    "set -e\np() { firewall-cmd --permanent \"$@\" >/dev/null; }\nreload() { firewall-cmd --reload >/dev/null; }";
const PING: &str = "ping -c 1 -W 1 10.10.10.2 >/dev/null || true";
const ASK: &str = "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(0.7)\nfor i in range(2):\n  try:\n    s.sendto(b'\\x23'+bytes(47),(sys.argv[1],123)); s.recv(100); print('answered'); break\n  except OSError: pass\nelse: print('silent')";

/// Whether the packets of the follower get an answer: the truth.
fn is_answered(lab: &Lab, name: &str) -> bool {
    let address = format!("10.10.10.{}", name.trim_start_matches("server"));
    lab.sh("server2", &format!("python3 -c \"{ASK}\" {address}")) == "answered"
}

#[test]
#[ignore = "needs the lab: ./test --slow runs it"]
fn firewalld_is_judged_as_it_decides() {
    let hosts = [
        "server1=bookworm@10.10.10.1",
        "server2=bookworm@10.10.10.2",
        "server3=trixie@10.10.10.3",
        "server4=bullseye@10.10.10.4",
    ];
    let masters = inventory("serve: [10.10.10.0/24]")
        .replace("server1: 10.10.10.1 }", "server1: 10.10.10.1, server3: 10.10.10.3, server4: 10.10.10.4 }");
    let lab = Lab::up("judged", &hosts, &masters);
    lab.sh(
        "server1",
        "DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends iptables >/dev/null 2>&1",
    );
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    let mac = lab.sh("server2", "ip -o link show host0 | sed -n 's/.*link.ether \\([^ ]*\\).*/\\1/p'");
    let only = std::env::var_os("CASES").unwrap_or_default();
    // `CASES=3,17`: these alone.
    let chosen =
        |at: &usize| only.is_empty() || only.to_string_lossy().split(',').any(|number| number == at.to_string());
    let mut cases: Vec<&Case> = CASES.iter().enumerate().filter(|(at, _)| chosen(at)).map(|(_, case)| case).collect();
    let mut wrong = Vec::new();
    assert!(!cases.is_empty(), "CASES={} names none", only.display());
    // One case on each master at a time; another day, another master. `DAY=` is one of before.
    let today = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400;
    let day = std::env::var_os("DAY").map_or_else(today, |day| day.to_string_lossy().parse().unwrap());
    tell(&format!("DAY={day}"));
    let mut masters = MASTERS;
    masters.rotate_left(usize::try_from(day).unwrap() % MASTERS.len());
    while !cases.is_empty() {
        let mut round = Vec::new();
        for (name, kind) in masters {
            let next = cases.iter().position(|case| case.on.is_empty() || case.on == kind);
            round.extend(next.map(|at| (name, cases.remove(at))));
        }
        for (name, case) in &round {
            let state = format!("{FRESH}\n{WORDS}\n{}\n{PING}", case.state.replace("MAC", &mac));
            wrong.extend(Some(lab.attempt(name, &state)).filter(|failed| !failed.is_empty()));
        }
        let found = judged(&lab, &round);
        found.iter().for_each(|line| tell(line));
        wrong.extend(found);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `check`, `doctor` and `apply` against what the packets say: before, after, and after the next start.
fn judged(lab: &Lab, round: &[(&str, &Case)]) -> Vec<String> {
    let masters: Vec<&str> = round.iter().map(|(name, _)| *name).collect();
    let limit = masters.join(",");
    let before: Vec<bool> = masters.iter().map(|name| is_answered(lab, name)).collect();
    let (_, checked) = lab.json(&["check", "-l", &limit]);
    let (_, told) = lab.json(&["doctor", "-l", &format!("{limit},server2")]);
    // Each alone, and without the proof: such masters hear each other, and one that keeps its followers out keeps out
    // the other masters as well.
    let apply = |name: &&str| lab.json(&["apply", "--yes", "--no-verify", "-l", name]).1;
    let applied = masters.iter().map(apply).collect::<Vec<_>>();
    let after: Vec<bool> = masters.iter().map(|name| is_answered(lab, name)).collect();
    for name in &masters {
        // It has its name on the bus before its rules are there; an answer comes after them.
        lab.sh(name, "systemctl restart firewalld; firewall-cmd --state >/dev/null");
    }
    let mut wrong = Vec::new();
    for (at, (name, Case { ends, state, .. })) in round.iter().enumerate() {
        let status =
            |report: &crate::report::Report| host(report, name)["status"].as_str().unwrap_or_default().to_owned();
        let (was, done) = (status(&checked), status(&applied[at]));
        let warnings = host(&checked, name)["warnings"].to_string();
        let keeps_out = |code: &str| {
            ("FC034".."FC035").contains(&code)
                || ("FC040".."FC050").contains(&code) && !["FC041", "FC049"].contains(&code)
        };
        let findings = host(&told, name)["findings"].as_array().cloned().unwrap_or_default();
        let blamed = findings.iter().any(|finding| keeps_out(finding["code"].as_str().unwrap_or_default()));
        let fits = match *ends {
            "open" => was == "unchanged" && before[at] && after[at],
            "refused" => was == "failed" && done == "failed" && before[at] == after[at],
            "doubt" => was == "drifted" && done == "changed" && after[at] && warnings.contains("was not judged"),
            _ => was == "drifted" && done == "changed" && after[at],
        };
        let stays = is_answered(lab, name);
        // What is refused is so after the next start at the latest; what is let in stays so.
        let promised = stays != (*ends == "refused");
        if !fits || !promised || *ends != "sometimes" && blamed == before[at] {
            let codes: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
            let errors = format!("{} {}", host(&checked, name)["error"], host(&applied[at], name)["error"]);
            wrong.push(format!("{state}: {name}: expected {ends}: answered {} {} {stays}, check {was}, apply {done}, doctor {codes:?}, {warnings} {errors}", before[at], after[at]));
        }
    }
    wrong
}

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
    // Answers are stopped, and no question.
    ("server1", "FC046", "iptables -A OUTPUT -p udp --sport 123 -j DROP", "iptables -F OUTPUT"),
    (
        "server1",
        "FC046",
        "nft 'add table inet f; add chain inet f out { type filter hook output priority 0; policy drop; }; add rule inet f out oif lo accept; add rule inet f out tcp sport 22 accept'",
        "nft delete table inet f",
    ),
    (
        "server1",
        "FC046",
        "nft 'add table netdev lost; add chain netdev lost e { type filter hook egress device host0 priority 0; }; add rule netdev lost e udp sport 123 drop'",
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

#[path = "owned.rs"]
mod owned;
#[path = "shapes.rs"]
mod shapes;
