//! iptables-legacy: a packet filter of its own beside nftables, which `nft list ruleset` does not
//! show. Its rules are put into the words of nft.

use super::filter::{Chain, Line};

/// Begins the rules of a family: `# ip`, `# ip6`.
const FAMILY: &str = "# ";

/// A condition that is not understood.
const UNREAD: &str = "unread";

/// Reads what `iptables-legacy-save` and `ip6tables-legacy-save` print, behind a line for each.
pub(super) fn read(text: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let (mut family, mut table) = ("ip", "");
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(FAMILY).filter(|name| matches!(*name, "ip" | "ip6")) {
            family = name;
        } else if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(rest) = line.strip_prefix(':') {
            chains.push(chain(family, table, rest));
        } else if let Some((name, rule)) = line.strip_prefix("-A ").and_then(|rest| rest.split_once(' ')) {
            let full = format!("{family} {table}");
            let here = chains.iter_mut().rfind(|chain| chain.table == full && chain.name == name);
            let rule = Line { words: words(family, rule), shown: line.to_owned() };
            here.into_iter().for_each(|chain| chain.rules.push(rule.clone()));
        }
    }
    chains
}

/// `INPUT DROP [0:0]`; a chain of the user has the policy `-`.
fn chain(family: &str, table: &str, text: &str) -> Chain {
    let mut parts = text.split(' ');
    let (name, policy) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let hook = if policy == "-" { String::new() } else { name.to_ascii_lowercase() };
    Chain {
        table: format!("{family} {table}"),
        name: name.to_owned(),
        hook,
        drops: policy == "DROP",
        legacy: true,
        rules: Vec::new(),
    }
}

/// A rule in the words of nft.
fn words(family: &str, rule: &str) -> String {
    let tokens = tokens(rule);
    let mut rest = tokens.iter().map(String::as_str);
    let mut said = Vec::new();
    let mut not = "";
    while let Some(token) = rest.next() {
        if token == "!" {
            not = "!= ";
            continue;
        }
        let mut value = || rest.next().unwrap_or_default();
        let word = match token {
            "-s" => format!("{family} saddr {not}{}", value()),
            "-d" => format!("{family} daddr {not}{}", value()),
            "-i" => device("iifname", not, value()),
            "-o" => device("oifname", not, value()),
            "-p" => format!("meta l4proto {not}{}", value()),
            "--dport" | "--dports" => format!("udp dport {not}{}", ports(value())),
            "--sport" | "--sports" => format!("udp sport {not}{}", ports(value())),
            "--ctstate" | "--state" => format!("ct state {not}{{ {} }}", value().to_ascii_lowercase()),
            "-j" => verdict(value()),
            "-g" => format!("goto {}", value()),
            // Modules say nothing without an option, and these options stop nothing.
            "-m" | "--comment" | "--reject-with" | "--log-prefix" | "--log-level" => {
                value();
                String::new()
            }
            _ => UNREAD.to_owned(),
        };
        not = "";
        said.push(word);
    }
    said.retain(|word| !word.is_empty());
    said.join(" ")
}

/// `eth+` is every device whose name begins so.
fn device(word: &str, not: &str, name: &str) -> String {
    if name.ends_with('+') { UNREAD.to_owned() } else { format!("{word} {not}\"{name}\"") }
}

/// `123`, `53,123`, `1024:65535`.
fn ports(list: &str) -> String {
    format!("{{ {} }}", list.replace(':', "-"))
}

/// A target that is no verdict (a log, a mark) lets the packet go on.
fn verdict(target: &str) -> String {
    match target {
        "ACCEPT" | "DROP" | "REJECT" | "RETURN" => target.to_ascii_lowercase(),
        "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "CT" | "TCPMSS" | "CHECKSUM" | "AUDIT" => UNREAD.to_owned(),
        chain => format!("jump {chain}"),
    }
}

/// Words; what is in double quotes is one.
fn tokens(rule: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for (index, part) in rule.split('"').enumerate() {
        if index % 2 == 1 {
            tokens.push(part.to_owned());
        } else {
            tokens.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::super::filter::{CHOSEN, Packet, doubt, stop};
    use super::*;

    fn question() -> Packet<'static> {
        let (from, to) = ("10.0.0.2".parse().unwrap(), "10.0.0.1".parse().unwrap());
        Packet { inbound: true, answer: false, from, to, device: Some("eth0"), port: CHOSEN }
    }

    fn chains(policy: &str, rules: &str) -> Vec<Chain> {
        read(&format!("# ip\n*filter\n:INPUT {policy} [0:0]\n:OUTPUT ACCEPT [1:2]\n:mine - [0:0]\n{rules}\nCOMMIT\n"))
    }

    #[test]
    fn rules_stop_as_those_of_nft() {
        let who = |policy: &str, rules: &str| stop(&chains(policy, rules), &question()).map(|stop| stop.rule);
        for closed in [
            "-A INPUT -p udp -m udp --dport 123 -j DROP",
            "-A INPUT -s 10.0.0.0/24 -p udp -m multiport --dports 53,100:200 -j REJECT --reject-with icmp-port-unreachable",
            "-A INPUT -i eth0 -m comment --comment \"no time -j ACCEPT\" -j DROP",
            "-A mine -j DROP\n-A INPUT -m conntrack --ctstate NEW -j mine",
            "-A INPUT ! -s 10.9.0.0/16 -p udp -m udp ! --sport 123 -j DROP",
        ] {
            assert!(who("ACCEPT", closed).is_some_and(|rule| rule.starts_with("-A ")), "{closed}");
        }
        for open in [
            "-A INPUT -p udp -m udp --dport 123 -j ACCEPT\n-A INPUT -j DROP",
            "-A INPUT -p tcp -m tcp --dport 123 -j DROP",
            "-A INPUT -p udp -m udp --sport 123 -j DROP",
            "-A INPUT -i lo -j DROP",
            "-A INPUT -m limit --limit 5/sec -j DROP",
            "-A INPUT -p udp -j LOG --log-prefix \"udp \"",
        ] {
            assert_eq!(who("ACCEPT", open), None, "{open}");
        }
        assert_eq!(who("DROP", "-A INPUT -i lo -j ACCEPT").as_deref(), Some("policy drop"));
    }

    #[test]
    fn what_is_not_understood_is_a_doubt() {
        let doubts = |rule: &str| doubt(&chains("ACCEPT", rule), &question()).is_some();
        assert!(doubts("-A INPUT -m set --match-set bad src -j DROP"));
        assert!(!doubts("-A INPUT -p tcp -m limit --limit 5/sec -j DROP"));
    }
}
