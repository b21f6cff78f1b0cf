//! The packet filter of a host: what happens to one NTP packet. Reads `nft list ruleset`, and
//! `iptables-legacy-save` by way of [`super::iptables`]; a rule with a condition that is not
//! understood is passed over, never guessed at.

use std::net::IpAddr;

use ipnet::IpNet;

/// A chain of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// `inet filter`.
    pub(super) table: String,
    pub(super) name: String,
    /// `input`, `output`, ...; empty for a chain that is only jumped to.
    pub(super) hook: String,
    /// What happens to a packet that no rule decides about.
    pub(super) drops: bool,
    /// Whether it is one of iptables-legacy, which `nft` does not show.
    pub(super) legacy: bool,
    pub(super) rules: Vec<Line>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// In the words of nft.
    pub(super) words: String,
    /// As it is on the host.
    pub(super) shown: String,
}

/// One NTP packet at the host that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Whether it comes in.
    pub inbound: bool,
    /// Whether it is an answer.
    pub answer: bool,
    /// Source address.
    pub from: IpAddr,
    /// Destination address.
    pub to: IpAddr,
    /// The interface.
    pub device: Option<&'a str>,
    /// The port of the client: 123, or one of those that a kernel chooses.
    pub port: u16,
}

/// A port as a kernel chooses it (Linux: 32768 to 60999, Windows: 49152 to 65535).
pub const CHOSEN: u16 = 50_000;

/// Who stops a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// `chain inet filter input`.
    pub chain: String,
    /// The rule, or the policy of the chain.
    pub rule: String,
    /// Whether it is one of iptables-legacy.
    pub legacy: bool,
}

/// How far a packet got in a chain.
enum Fate {
    Accepted,
    Stopped(Stop),
    On,
}

/// Reads tables.
pub fn read(text: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let (mut table, mut inside) = (String::new(), false);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("table ") {
            name.trim_end_matches(" {").clone_into(&mut table);
        } else if let Some(name) = line.strip_prefix("chain ") {
            let name = name.trim_end_matches(" {").to_owned();
            chains.push(Chain { table: table.clone(), name, ..Chain::default() });
            inside = true;
        } else if line == "}" {
            inside = false;
        } else if let Some(chain) = chains.last_mut().filter(|_| inside && !line.is_empty()) {
            chain.add(line);
        }
    }
    chains
}

impl Chain {
    fn add(&mut self, line: &str) {
        if line.starts_with("type ") {
            let hook = line.split(' ').skip_while(|word| *word != "hook").nth(1);
            hook.unwrap_or_default().clone_into(&mut self.hook);
            self.drops = line.contains("policy drop");
        } else {
            self.rules.push(Line { words: line.to_owned(), shown: line.to_owned() });
        }
    }
}

/// Returns who stops a packet, if somebody does.
pub fn stop(chains: &[Chain], packet: &Packet<'_>) -> Option<Stop> {
    let hooks = if packet.inbound { ["prerouting", "input"] } else { ["output", "postrouting"] };
    chains.iter().filter(|chain| hooks.contains(&chain.hook.as_str())).find_map(|chain| {
        match walk(chains, chain, packet, 0) {
            Fate::Stopped(stop) => Some(stop),
            Fate::On if chain.drops => Some(chain.stop("policy drop")),
            _ => None,
        }
    })
}

impl Chain {
    fn stop(&self, rule: &str) -> Stop {
        let chain = format!("chain {} {}", self.table, self.name);
        Stop { chain, rule: rule.to_owned(), legacy: self.legacy }
    }
}

/// Deeper than any ruleset goes that is not a loop.
const DEEPEST: usize = 16;

fn walk(chains: &[Chain], chain: &Chain, packet: &Packet<'_>, depth: usize) -> Fate {
    for rule in &chain.rules {
        let fate = match read_rule(&rule.words, packet) {
            Reading::Matches("accept") => Fate::Accepted,
            Reading::Matches("drop" | "reject") => Fate::Stopped(chain.stop(&rule.shown)),
            Reading::Matches("return") => return Fate::On,
            Reading::Matches(name) => {
                match chains
                    .iter()
                    .find(|other| other.table == chain.table && other.legacy == chain.legacy && other.name == name)
                {
                    Some(other) if depth < DEEPEST => walk(chains, other, packet, depth + 1),
                    _ => Fate::On,
                }
            }
            Reading::Passes | Reading::Unclear => Fate::On,
        };
        if !matches!(fate, Fate::On) {
            return fate;
        }
    }
    Fate::On
}

/// What a rule does with a packet.
enum Reading<'a> {
    /// It matches: its verdict, or the chain that it jumps to.
    Matches(&'a str),
    /// It does not match.
    Passes,
    /// It has a condition that is not understood.
    Unclear,
}

fn read_rule<'a>(rule: &'a str, packet: &Packet<'_>) -> Reading<'a> {
    let mut words = Words::of(rule);
    while let Some(word) = words.next() {
        let holds = match word {
            "accept" | "drop" | "reject" | "return" => return Reading::Matches(word),
            "jump" | "goto" => return words.next().map_or(Reading::Unclear, Reading::Matches),
            "counter" => {
                words.skip_counter();
                continue;
            }
            "tcp" | "icmp" | "icmpv6" => Some(false),
            "ip" | "ip6" => words.address(word, packet),
            "udp" | "th" => words.port(packet),
            "meta" => words.meta(packet),
            "iifname" | "iif" => Some(words.device(packet.inbound, packet)),
            "oifname" | "oif" => Some(words.device(!packet.inbound, packet)),
            "ct" => words.state(packet),
            _ => None,
        };
        match holds {
            Some(true) => {}
            Some(false) => return Reading::Passes,
            None => return Reading::Unclear,
        }
    }
    Reading::Passes
}

/// Returns a rule that might stop a packet, as far as it is understood.
pub fn doubt<'a>(chains: &'a [Chain], packet: &Packet<'_>) -> Option<&'a str> {
    let might = |rule: &&Line| {
        let stops = rule.words.split(' ').any(|word| matches!(word, "drop" | "reject"));
        stops && matches!(read_rule(&rule.words, packet), Reading::Unclear)
    };
    let other = if packet.inbound { ["output", "postrouting"] } else { ["prerouting", "input"] };
    let ours = chains.iter().filter(|chain| !other.contains(&chain.hook.as_str()) && chain.hook != "forward");
    ours.flat_map(|chain| &chain.rules).find(might).map(|rule| rule.shown.as_str())
}

/// The words of a rule; a set in braces is one word.
struct Words<'a> {
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn of(rule: &'a str) -> Self {
        Words { rest: rule }
    }

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start();
        let end = match text.starts_with('{') {
            true => text.find('}').map(|at| at + 1),
            false => text.find(' '),
        };
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn skip_counter(&mut self) {
        while self.rest.trim_start().starts_with("packets ") || self.rest.trim_start().starts_with("bytes ") {
            self.next();
            self.next();
        }
    }

    /// The value of a condition, and whether it is turned round.
    fn value(&mut self) -> (Vec<&'a str>, bool) {
        let mut word = self.next().unwrap_or_default();
        let not = word == "!=";
        if not {
            word = self.next().unwrap_or_default();
        }
        let list = word.trim_matches(|c| matches!(c, '{' | '}')).split(',');
        (list.map(|part| part.trim().trim_matches('"')).filter(|part| !part.is_empty()).collect(), not)
    }

    fn address(&mut self, family: &str, packet: &Packet<'_>) -> Option<bool> {
        let address = match self.next() {
            Some("saddr") => packet.from,
            Some("daddr") => packet.to,
            Some("protocol" | "nexthdr") => return Some(self.is("udp")),
            _ => return None,
        };
        let (list, not) = self.value();
        // A named set is not read.
        if list.iter().any(|part| part.starts_with('@')) {
            return None;
        }
        Some(address.is_ipv4() == (family == "ip") && list.iter().any(|part| covers(part, address)) != not)
    }

    /// A question goes to port 123, an answer comes from there; the other port is that of the client.
    fn port(&mut self, packet: &Packet<'_>) -> Option<bool> {
        let port = match (self.next()?, packet.answer) {
            ("dport", false) | ("sport", true) => NTP,
            ("dport" | "sport", _) => packet.port,
            _ => return None,
        };
        let (list, not) = self.value();
        Some(list.iter().any(|part| holds(part, port)) != not)
    }

    fn meta(&mut self, packet: &Packet<'_>) -> Option<bool> {
        match self.next() {
            Some("l4proto") => Some(self.is("udp")),
            Some("nfproto") => Some(self.is(if packet.from.is_ipv4() { "ipv4" } else { "ipv6" })),
            Some("iifname" | "iif") => Some(self.device(packet.inbound, packet)),
            Some("oifname" | "oif") => Some(self.device(!packet.inbound, packet)),
            _ => None,
        }
    }

    fn device(&mut self, here: bool, packet: &Packet<'_>) -> bool {
        let (list, not) = self.value();
        here && packet.device.is_some_and(|device| list.contains(&device) != not)
    }

    fn state(&mut self, packet: &Packet<'_>) -> Option<bool> {
        if self.next() != Some("state") {
            return None;
        }
        Some(self.is(if packet.answer { "established" } else { "new" }))
    }

    /// Whether the value is a word, or has it in its list.
    fn is(&mut self, word: &str) -> bool {
        let (list, not) = self.value();
        list.contains(&word) != not
    }
}

/// The UDP port of NTP.
pub const NTP: u16 = 123;

/// A port, a range of ports, or `ntp`.
fn holds(ports: &str, port: u16) -> bool {
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    ports == "ntp" && port == NTP
        || matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&port))
}

fn covers(part: &str, address: IpAddr) -> bool {
    part.parse::<IpNet>().is_ok_and(|network| network.contains(&address))
        || part.parse::<IpAddr>().is_ok_and(|other| other == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(inbound: bool, answer: bool) -> Packet<'static> {
        let (from, to) = ("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap());
        Packet { inbound, answer, from, to, device: Some("eth0"), port: CHOSEN }
    }

    fn stops(rules: &str, packet: &Packet<'_>) -> Option<String> {
        let text = format!(
            "table inet filter {{\n\tchain in {{\n\t\ttype filter hook input priority filter; policy accept;\n\t\t{rules}\n\t}}\n\tchain more {{\n\t\tudp dport 123 drop\n\t}}\n\tchain out {{\n\t\ttype filter hook output priority filter; policy drop;\n\t\tip daddr 10.0.0.1 accept\n\t}}\n}}"
        );
        stop(&read(&text), packet).map(|stop| stop.rule)
    }

    #[test]
    fn the_rule_that_matches_first_decides() {
        let asks = packet(true, false);
        for closed in [
            "udp dport 123 drop",
            "meta l4proto udp udp dport 123 counter packets 4 bytes 304 drop",
            "ip saddr 10.0.0.0/24 udp dport { 53, 123 } reject with icmp type port-unreachable",
            "iifname \"eth0\" ct state new udp dport ntp drop",
            "jump more",
            "ip saddr != 10.9.0.0/16 udp dport 100-200 drop",
        ] {
            assert!(stops(closed, &asks).is_some(), "{closed}");
        }
        for open in [
            "udp dport 123 accept\nudp dport 123 drop",
            "ip saddr 10.9.0.0/16 udp dport 123 drop",
            "tcp dport 123 drop",
            "udp dport 123 limit rate 5/second drop",
            "udp sport 123 drop",
            "ct state established drop",
            "iifname \"lo\" drop",
            "ip saddr @bad drop",
        ] {
            assert_eq!(stops(open, &asks), None, "{open}");
        }
    }

    #[test]
    fn a_rule_that_is_not_understood_is_a_doubt() {
        let asks = packet(true, false);
        let chains = |rule: &str| {
            read(&format!(
                "table ip t {{\nchain in {{\ntype filter hook input priority 0; policy accept;\n{rule}\n}}\n}}"
            ))
        };
        let doubts = |rule: &str| doubt(&chains(rule), &asks).is_some();
        assert!(doubts("udp dport 123 limit rate 5/second drop") && doubts("ip saddr @bad drop"));
        assert!(
            !doubts("tcp dport 22 drop")
                && !doubts("ip saddr @good accept")
                && !doubts("udp dport 53 meta mark 1 drop")
        );
    }

    #[test]
    fn the_port_of_the_client_is_a_condition_too() {
        let from = |port| Packet { port, ..packet(true, false) };
        for (rule, chosen, ntp) in [
            ("udp dport 123 udp sport != 123 drop", true, false),
            ("udp sport 123 udp dport 123 drop", false, true),
            ("udp sport 1024-65535 udp dport 123 drop", true, false),
        ] {
            assert_eq!(stops(rule, &from(CHOSEN)).is_some(), chosen, "{rule}");
            assert_eq!(stops(rule, &from(123)).is_some(), ntp, "{rule}");
        }
    }

    #[test]
    fn an_answer_is_another_packet_than_a_question() {
        assert!(stops("udp sport 123 drop", &packet(true, true)).is_some());
        assert_eq!(stops("ct state established,related accept\nudp sport 123 drop", &packet(true, true)), None);
    }

    #[test]
    fn a_policy_stops_what_no_rule_lets_out() {
        assert_eq!(stops("", &packet(false, false)), None);
        let elsewhere = Packet { to: "10.0.0.9".parse().unwrap(), ..packet(false, false) };
        assert_eq!(stops("", &elsewhere).as_deref(), Some("policy drop"));
    }
}
