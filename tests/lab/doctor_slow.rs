//! Many breaks at once, each on a host of its own; each fix is done as `doctor` prints it, and has to
//! mend. In a path with `slow::`, so that only the slow tier runs them.

/// Breaks of the service, its unit, its command line and its ways.
mod slow {
    use serde_json::Value;

    use crate::doctor::{fixes, found, inventory, obey, seen, shell_in};
    use crate::doctor_slow_cases::{Break, LINES, Round, UNITS, WAYS};
    use crate::fixture::{Lab, tell};
    use crate::report::host;

    const HOSTS: &[&str] = &[
        "server1=bookworm@10.10.10.1",
        "server2=bookworm@10.10.10.2",
        "server3=bookworm@10.10.10.3",
        "server4=rhel@10.10.10.4",
    ];

    /// The words in capitals, for the service of the host that it runs on.
    const WORDS: &str = r#"conf=; for f in /etc/chrony/chrony.conf /etc/chrony.conf /etc/ntpsec/ntp.conf /etc/ntp.conf; do [ -e $f ] && { conf=$f; break; }; done
unit=; for u in chrony chronyd ntpsec ntpd; do [ -e /etc/systemd/system/multi-user.target.wants/$u.service ] && { unit=$u; break; }; done
line() { echo "$1" >>$conf; restart; }
option() { sed -i "s/^server.*/& $1/" $conf; restart; }
restart() { systemctl restart $unit; }
drop() { mkdir -p /etc/systemd/system/$unit.service.d; printf "[$1]\n$2\n" >/etc/systemd/system/$unit.service.d/zz.conf; systemctl daemon-reload; restart; }
take() { setsid python3 -c 'import socket, sys, os
taker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
taker.bind((sys.argv[1], 123))
open("/run/taker.pid", "w").write(str(os.getpid()))
while True: taker.recv(100)' $1 </dev/null >/dev/null 2>&1 & sleep 1; }
no_rules() { for pref in 100 99 90 89; do while ip rule del pref $pref; do :; done; done 2>/dev/null; true; }
no_tables() { nft delete table inet lab 2>/dev/null; nft delete table netdev lab 2>/dev/null; true; }
double() { ip addr add $1/32 dev host0; cat >/run/double.py <<'END'
import socket, subprocess, sys, time
mac = lambda text: bytes.fromhex(text.replace(":", ""))
own = subprocess.run(["ip", "-o", "link", "show", "host0"], capture_output=True, text=True).stdout.split("link/ether ")[1].split()[0]
entry = subprocess.run("ping -c1 -W1 10.10.10.1 >/dev/null; ip neigh show 10.10.10.1", shell=True, capture_output=True, text=True)
to = mac(entry.stdout.split("lladdr ")[1].split()[0])
packet = to + mac(own) + b"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x02"
packet += mac(own) + socket.inet_aton(sys.argv[1]) + to + socket.inet_aton("10.10.10.1")
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("host0", 0))
# The other machine answers, too: whose word counts changes by itself, so ours comes again.
while sys.argv[1] + "/32" in subprocess.run(["ip", "addr", "show", "host0"], capture_output=True, text=True).stdout:
    raw.send(packet)
    time.sleep(0.2)
END
setsid python3 /run/double.py $1 </dev/null >/dev/null 2>&1 & sleep 1; }
"#;

    fn script(lab: &str, text: &str) -> String {
        let words = ["LINE", "OPTION", "RESTART", "DROP", "DOUBLE", "NO_RULES", "NO_TABLES", "TAKE"];
        let text = words.iter().fold(text.to_owned(), |text, word| text.replace(word, &word.to_lowercase()));
        format!("{WORDS}{}", shell_in(lab, &text.replace("CONF", "$conf")))
    }

    /// Puts one break right, and says what went wrong with that.
    fn mend(lab: &Lab, name: &str, case: &Break, report: &Value) -> String {
        if case.found.is_empty() {
            return String::new();
        }
        if !case.by_hand.is_empty() {
            return lab.attempt(case.host, &script(name, case.by_hand));
        }
        fixes(report, case.found).into_iter().map(|fix| obey(lab, fix)).collect()
    }

    fn expected(round: &Round) -> Vec<String> {
        let mut all: Vec<String> =
            round.breaks.iter().map(|case| case.found.to_owned()).filter(|line| !line.is_empty()).collect();
        all.sort();
        all
    }

    /// Breaks, asks, does what is said, asks again; returns what was wrong.
    fn play(lab: &Lab, name: &str, inventory: &str, rounds: &[Round]) -> Vec<String> {
        let only = std::env::var_os("ONLY").unwrap_or_default().to_string_lossy().into_owned();
        let mut wrong = Vec::new();
        for round in rounds.iter().filter(|round| only.is_empty() || only.split(',').any(|name| name == round.name)) {
            for case in round.breaks {
                let failed = lab.attempt(case.host, &script(name, case.wreck));
                if !failed.is_empty() {
                    wrong.push(format!("{}: {}: {failed}", round.name, case.wreck));
                }
            }
            // Long enough for a burst of polls, and for what is said only of a young service to be over.
            lab.here("sleep 34");
            let report = found(lab, round.name, inventory);
            let mut all = seen(&report);
            all.sort();
            if all != expected(round) {
                wrong.push(format!("{}: expected {:?}, found {all:?}", round.name, expected(round)));
            }
            for case in round.breaks {
                let failed = mend(lab, name, case, &report);
                if !failed.is_empty() {
                    wrong.push(format!("{}: {}: {failed}", round.name, case.found));
                }
            }
            let (code, report) = lab.json(&["verify"]);
            let (_, after) = lab.json(&["doctor"]);
            let mut left = seen(&after);
            // Who was stopped for a while finds that its clock has jumped, and says so for a day.
            let stopped = |host: &str| round.breaks.iter().any(|case| case.found == format!("{host} FC013"));
            left.retain(|line| !line.strip_suffix(" FC076").is_some_and(stopped));
            if code != 0 || !left.is_empty() {
                wrong.push(format!("{}: not mended: verify {code}, {left:?}: {report:#}", round.name));
                heal(lab, name);
            }
            tell(&format!("{}: {}", round.name, all.join(", ")));
        }
        wrong
    }

    /// For the next round, whatever became of this one.
    fn heal(lab: &Lab, name: &str) {
        for host in ["server1", "server2", "server3", "server4"] {
            let _ = lab.attempt(host, &script(name, "[ -n \"$unit\" ] || exit 0; systemctl thaw $unit 2>/dev/null; pkill -CONT chronyd; rm -f /etc/systemd/system/$unit.service.d/zz*.conf /run/ntpsec/ntp.conf.dhcp; systemctl daemon-reload; systemctl reset-failed $unit; RESTART; ip neigh flush nud permanent; NO_RULES; NO_TABLES; ip xfrm policy flush; ip route del blackhole 10.10.10.2; ip route del unreachable 10.10.10.1; ip route del 10.10.10.1 via 10.10.10.77; tc qdisc del dev host0 clsact; true"));
        }
        let _ = lab.fleetclock(&["apply", "--yes"]);
    }

    #[track_caller]
    fn three(name: &str, rounds: &[Round]) {
        let lab = Lab::up(name, HOSTS, &inventory("three.yml"));
        assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
        let wrong = play(&lab, name, "three.yml", rounds);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn lines_that_are_not_ours_are_found_and_put_right() {
        three("dslines", LINES);
    }

    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn units_and_command_lines_are_found_and_put_right() {
        three("dsunits", UNITS);
    }

    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn ways_and_running_changes_are_found_and_put_right() {
        three("dsways", WAYS);
    }

    /// As guides have it: the package, its own file with a source that is the host itself, a port in the firewall.
    const BY_THE_BOOK: &str = "printf 'driftfile /var/lib/ntp/drift\\nrestrict default nomodify notrap nopeer noquery\\nrestrict 127.0.0.1\\nrestrict 192.168.1.0 mask 255.255.255.0 nomodify notrap\\nserver %s\\n' SOURCE >/etc/ntp.conf; systemctl restart ntpd";

    /// The commonest failure of ntpd: nobody has a clock, and everybody answers `INIT`.
    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn an_ntpd_that_was_set_up_by_the_book_and_has_no_time_is_known_and_mended() {
        let inventory = "
defaults: { ssh: { user: ops, become: sudo, timeout: 60s, SSH }, provider: ntpd, limits: { deadline: 6s } }
groups:
  masters: { role: master, isolated: true, serve: [192.168.1.0/24], hosts: { t1: 192.168.1.10 } }
  clients: { role: slave, follows: [masters], hosts: { c1: 192.168.1.20 } }
";
        let lab = Lab::up("dsbook", &["t1=rhel@192.168.1.10", "c1=rhel@192.168.1.20"], inventory);
        let patient = inventory.replace("deadline: 6s", "deadline: 5m");
        lab.inventory(&patient);
        assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
        lab.sh("t1", &BY_THE_BOOK.replace("SOURCE", "localhost"));
        lab.sh("c1", &BY_THE_BOOK.replace("SOURCE", "192.168.1.10"));
        lab.sh("t1", "firewall-cmd -q --permanent --add-port=123/udp; firewall-cmd -q --reload");
        lab.here("sleep 8");
        assert_eq!(lab.json(&["check"]).0, 3);
        lab.inventory(inventory);
        let (code, report) = lab.json(&["verify"]);
        let source = &host(&report, "c1")["sources"][0];
        assert_eq!((code, source["outcome"].as_str()), (3, Some("unsynchronised")), "{report:#}");
        let (code, report) = lab.json(&["doctor"]);
        assert_eq!((code, seen(&report)), (5, vec!["t1 FC023 c1".to_owned()]), "{report:#}");
        assert!(fixes(&report, "t1 FC023")[0].contains("fleetclock apply -l t1"), "{report:#}");
        lab.inventory(&patient);
        // The cause first; c1 asks again in a minute, and its file is not ours, which is found then.
        let (_, report) = lab.json(&["doctor", "--fix", "--yes"]);
        assert_eq!(host(&report, "t1")["status"], "changed", "{report:#}");
        let (code, report) = lab.json(&["doctor", "--fix", "--yes"]);
        assert_eq!((code, seen(&report)), (0, Vec::new()), "{report:#}");
        assert_eq!(lab.json(&["verify"]).0, 0);
    }
}
