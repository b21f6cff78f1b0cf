//! Rules in, verdicts out. Every `NAME.txt` in `tests/firewall/` is what a real host printed after
//! `NAME.sh` had run on it (`tests/firewall/record`); its first lines say what has to come out:
//! `[asked] [service] question|answer in|out from|to ADDRESS [port 123]: passes|stopped|maybe [words of the rule]`,
//! seen from the host 10.10.10.1 (2001:db8::1) with the interface host0.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use fleetclock::firewall::{ClientPort, Packet, Ruleset, Sender, Verdict, advice, read, walk};
use ipnet::IpNet;

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
    let text = std::fs::read_to_string(path).unwrap();
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
    let packet = Packet { inbound, answer: has("answer"), from, to, device: Some("host0"), port, sender };
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
            let words = advice::advice(&case.rules, &stop, &packet, Some("public")).words;
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
    assert!(!beside.is_read(Some("host0")) && beside.is_read(Some("eth0")) && !beside.is_read(None));
}
