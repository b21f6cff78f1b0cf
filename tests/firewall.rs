//! Rules in, verdicts out. Every `NAME.txt` in `tests/firewall/` is what a real host printed after
//! `NAME.sh` had run on it (`tests/firewall/record`); its first lines say what has to come out:
//! `[asked] [service] question|answer in|out from|to ADDRESS [port 123]: passes|stopped|maybe [words of the rule]`,
//! seen from the host 10.10.10.1 (2001:db8::1) with the interface host0.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "firewall/registry.rs"]
mod registry;

use std::path::PathBuf;

use fleetclock::firewall::firewalld::{FUNCTIONS, Firewalld, Opening, WAY};
use fleetclock::firewall::{ClientPort, Packet, Ruleset, Sender, Verdict, advice, read, walk};
use ipnet::IpNet;

const PUBLIC: advice::Place<'_> = advice::Place { zone: "public", element: "service name=\"ntp\"" };

fn cases() -> Vec<PathBuf> {
    let files = std::fs::read_dir("tests/firewall").unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    cases.sort();
    cases
}

struct Case {
    rules: Ruleset,
    expected: Vec<(String, String)>,
}

fn case(path: &PathBuf) -> Case {
    parsed(&std::fs::read_to_string(path).unwrap())
}

fn parsed(text: &str) -> Case {
    let (head, rest) = text.split_once("#: nft\n").unwrap();
    let (nft, iptables) = rest.split_once("#: iptables\n").unwrap();
    let line = |line: &str| {
        // An address of IPv6 has colons, too.
        let (packet, verdict) = line.split_once(": ").unwrap();
        (packet.to_owned(), verdict.to_owned())
    };
    Case { rules: read(nft, iptables, ""), expected: head.lines().map(line).collect() }
}

fn net(word: &str) -> IpNet {
    word.parse().unwrap_or_else(|_| IpNet::from(word.parse::<std::net::IpAddr>().unwrap()))
}

/// Returns the packet, and whether such packets were sent before.
fn packet(text: &str) -> (Packet<'static>, bool) {
    let words: Vec<&str> = text.split(' ').collect();
    let has = |word: &str| words.contains(&word);
    let after = |word: &str| words.iter().position(|other| *other == word).and_then(|at| words.get(at + 1).copied());
    let inbound = has("in");
    let other = net(after(if inbound { "from" } else { "to" }).unwrap());
    let own =
        after("to").filter(|_| inbound).unwrap_or(if other.addr().is_ipv4() { "10.10.10.1" } else { "2001:db8::1" });
    let (from, to) = if inbound { (other, net(own)) } else { (net(own), other) };
    let port = if after("port") == Some("123") { ClientPort::Ntp } else { ClientPort::Chosen };
    let sender = if has("service") { Sender::Service } else { Sender::Probe };
    let service = after("at").map_or_else(Opening::default, |port| Opening::read(port).unwrap());
    let (answer, device) = (has("answer"), Some("host0"));
    let packet = Packet { inbound, answer, from, to, device, service, port, sender };
    (packet, has("asked"))
}

fn shown(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passes => "passes".to_owned(),
        Verdict::Stopped(stop) => format!("stopped {}: {}", stop.place(), stop.words()),
        Verdict::Maybe(doubt) => format!("maybe {}: {}", doubt.chain, doubt.rule),
    }
}

#[test]
fn every_ruleset_gives_its_verdicts() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in cases() {
        let case = case(&path);
        assert!(!case.rules.unread, "{}", path.display());
        for (text, expected) in &case.expected {
            let (packet, asked) = packet(text);
            let found = shown(&walk::verdict(&case.rules, &packet, asked));
            let (kind, words) = expected.split_once(' ').unwrap_or((expected, ""));
            if !found.starts_with(kind) || !found.contains(words) {
                wrong.push(format!("{}: {text}: expected {expected}, found {found}", path.display()));
            }
            count += 1;
        }
    }
    assert!(wrong.is_empty() && count > 100, "{count}\n{}", wrong.join("\n"));
}

/// A fix lets something in; it never takes a rule or a policy away.
#[test]
fn every_advice_is_an_insertion() {
    for path in cases() {
        let case = case(&path);
        for (text, _) in &case.expected {
            let (packet, asked) = packet(text);
            let Verdict::Stopped(stop) = walk::verdict(&case.rules, &packet, asked) else { continue };
            let words = advice::advice(&case.rules, &stop, &packet, Some(PUBLIC)).words;
            let inserts = ["insert", "allow", "--add-", " -I ", "unbanip", "a person must decide"];
            assert!(inserts.iter().any(|word| words.contains(word)), "{}: {words}", path.display());
            let takes = [" -D ", " -F", "delete", "flush", "remove", "policy accept", "-P ", "disable"];
            assert!(!takes.iter().any(|word| words.contains(word)), "{}: {words}", path.display());
        }
    }
}

/// What cannot be read never passes for something that was.
#[test]
fn rules_that_cannot_be_read_are_no_rules_that_let_pass() {
    for (nft, iptables) in [("unreadable\n", ""), ("", "unreadable\n"), ("{\"nftables\": [{\"cha", ""), ("x\ny", "")] {
        assert!(read(nft, iptables, "").unread, "{nft} {iptables}");
    }
    assert!(!read("", "", "").unread);
    let beside = read("", "", "tc host0\nxdp eth1\nfile /etc/nftables.conf\n");
    let ends = ("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap());
    let is_read = |device| beside.unread(device, ends).is_none();
    assert!(!is_read(Some("host0")) && is_read(Some("eth0")) && !is_read(None));
}

/// A bus on which firewalld says the same of each zone, service and policy; it notes who has asked for what.
const BUS: &str = r#"busctl() {
  echo "$*" >>calls
  case $* in
    *getDefaultZone) echo 's "public"' ;;
    *queryPanicMode) echo "b $panic" ;;
    *getActiveZones) echo 'a{sa{sas}} 1 "public" 1 "interfaces" 1 "host0"' ;;
    *getPolicies) echo 'as 2 "allow-host-ipv6" "noise"' ;;
    *ZoneSettings2*) printf '%s\n' "a{sv} 1 $zone" ;;
    *ByName*) echo 'o "/org/fedoraproject/FirewallD1/config/x"' ;;
    *config.zone\ getSettings2) printf '%s\n' "a{sv} 1 $zone" ;;
    *) echo 'a{sv} 1 "ports" a(ss) 1 "124" "udp"' ;;
  esac
}
ip() { :; }
"#;

/// What is read of a firewalld with these files in its folder, and what was asked over the bus.
fn asked(files: &[&str], zone: &str, panic: bool) -> (String, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    let own = dir.path().to_str().unwrap();
    let functions = FUNCTIONS.replace("/etc/firewalld", own).replace("/usr/lib/firewalld", &format!("{own}/usr"));
    let text = format!("cd {own}\nzone='{zone}' panic={panic}\n{BUS}\n{WAY}\n{functions}\nfc_firewalld 10.10.10.2\n");
    #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
    let output = std::process::Command::new("dash").arg("-c").arg(text).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let calls = std::fs::read_to_string(dir.path().join("calls")).unwrap();
    (String::from_utf8(output.stdout).unwrap(), calls.lines().map(str::to_owned).collect())
}

const OPEN: &str = r#""services" as 1 "ntp""#;

#[test]
fn firewalld_is_asked_for_what_is_not_as_it_comes() {
    let about = |calls: &[String], word: &str| calls.iter().filter(|call| call.contains(word)).count();
    let (plain, calls) = asked(&[], OPEN, false);
    // The default zone, those in use, panic mode, one zone in both states, the policies as they work, and one of them.
    assert_eq!((calls.len(), about(&calls, "Service")), (8, 0), "{calls:#?}");
    assert!(plain.contains("policy running/noise") && !plain.contains("permanent/"), "{plain}");
    let files = ["services/ntp.xml", "services/mine.xml", "usr/policies/allow-host-ipv6.xml", "usr/policies/lib.xml"];
    let by_rule = r#""rules_str" as 1 "rule family=\"ipv4\" service name=\"ntp\" accept""#;
    let by_other = r#""rules_str" as 1 "rule family=\"ipv4\" service name=\"mine\" accept""#;
    // By name, by a rich rule, and as what a rule of ours would be about.
    for (zone, mine) in [(OPEN, 0), (by_rule, 0), (r#""services" as 1 "ssh""#, 0), (by_other, 3)] {
        let (printed, calls) = asked(&files, zone, false);
        assert!(printed.contains("service running/ntp a{sv}") && printed.contains("service permanent/ntp a{sv}"));
        assert_eq!(
            about(&calls, " mine") + about(&calls, "config.service getSettings2") - 1,
            mine,
            "{zone}: {calls:#?}"
        );
        assert!(printed.contains("policy permanent/lib a{sv}"), "{printed}");
        assert_eq!(Firewalld::read(&printed).unwrap().element(), "port port=\"123\" protocol=\"udp\"");
    }
    assert_eq!(Firewalld::read(&plain).unwrap().element(), "service name=\"ntp\"");
}

#[test]
fn the_panic_mode_of_firewalld_is_seen() {
    let panic = |panic| Firewalld::read(&asked(&[], OPEN, panic).0).unwrap().panic;
    assert_eq!((panic(false), panic(true)), (false, true));
}

/// Until 0.7.0 the zones have no chains for rules with a priority; that of CentOS 7 writes rules of iptables.
#[test]
fn an_old_firewalld_is_not_told_to_put_a_rich_rule_first() {
    let text = std::fs::read_to_string("tests/firewall/firewalld-rich-drop.txt").unwrap();
    let (packet, _) = packet("question in from 10.10.10.2");
    let words = |rules: &Ruleset| {
        let Verdict::Stopped(stop) = walk::verdict(rules, &packet, false) else { panic!("it is stopped") };
        advice::advice(rules, &stop, &packet, Some(PUBLIC)).words
    };
    let new = words(&parsed(&text).rules);
    assert!(new.contains("firewall-cmd --zone=public --add-rich-rule='rule priority="), "{new}");
    let old = words(&parsed(&text.replace("_pre", "_was")).rules);
    assert!(
        !old.contains("priority=") && old.contains("narrow the rule that stops it so that it spares 10.10.10.2"),
        "{old}"
    );
    assert!(!old.contains("--direct"), "{old}");
}
