//! What `iptables-save -c` and `ip6tables-save -c` print, of either kind: iptables-legacy, which `nft`
//! does not show, and iptables-nft, whose conditions `nft` shows in part only.

use std::net::IpAddr;

use super::nft::UNREADABLE;
use super::ruleset::{Chain, Condition, Effect, Field, Hook, Item, Rule, Ruleset, Tool};

/// Begins the rules of a family: `# ip`, `# ip6 nft`.
const FAMILY: &str = "# ";

impl Ruleset {
    /// Adds what the part printed. A table of iptables-nft replaces what `nft` has shown of it.
    pub(super) fn join_iptables(&mut self, text: &str) {
        self.unread |= text.lines().any(|line| line == UNREADABLE);
        let chains = read(text);
        let replaced = |old: &Chain| {
            chains.iter().any(|new| new.tool == Tool::Iptables && new.family == old.family && new.table == old.table)
        };
        self.chains.retain(|chain| chain.tool == Tool::Legacy || !replaced(chain));
        self.chains.extend(chains);
    }
}

/// Reads the chains of all families.
pub fn read(text: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let (mut family, mut table, mut tool) = ("ip", "", Tool::Legacy);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(FAMILY) {
            match name {
                "ip" | "ip6" => (family, tool) = (name, Tool::Legacy),
                "ip nft" => (family, tool) = ("ip", Tool::Iptables),
                "ip6 nft" => (family, tool) = ("ip6", Tool::Iptables),
                _ => {}
            }
        } else if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(rest) = line.strip_prefix(':') {
            let new = chain((family, table), tool, rest);
            // Files that are loaded one after the other may each name a chain.
            if !chains.iter().any(|old| old.name == new.name && old.tool == tool && old.is_beside(&new)) {
                chains.push(new);
            }
        } else if let Some((packets, name, shown)) = counted(line) {
            let is_it = |chain: &&mut Chain| {
                chain.tool == tool && chain.family == family && chain.table == table && chain.name == name
            };
            if let Some(chain) = chains.iter_mut().rev().find(is_it) {
                chain.rules.push(Rule { packets, ..rule(family == "ip", shown) });
            }
        }
    }
    chains
}

/// `[12:840] -A INPUT ..`: packets, chain, and the rule as it is shown.
fn counted(line: &str) -> Option<(Option<u64>, &str, &str)> {
    let (packets, shown) = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((counts, shown)) => (counts.split(':').next().and_then(|text| text.parse().ok()), shown),
        None => (None, line),
    };
    let name = shown.strip_prefix("-A ")?.split(' ').next()?;
    Some((packets, name, shown))
}

/// `INPUT DROP [0:0]`; a chain of the user has the policy `-`.
fn chain((family, table): (&str, &str), tool: Tool, text: &str) -> Chain {
    let mut parts = text.split(' ');
    let (name, policy) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let hook = Hook::read(name).filter(|_| policy != "-");
    Chain {
        family: family.to_owned(),
        table: table.to_owned(),
        name: name.to_owned(),
        priority: priority(table, hook),
        hook,
        nat: table == "nat",
        drops: policy == "DROP",
        tool,
        ..Chain::default()
    }
}

/// The order that the kernel gives to the tables.
fn priority(table: &str, hook: Option<Hook>) -> i64 {
    match table {
        "raw" => -300,
        "mangle" => -150,
        "nat" if matches!(hook, Some(Hook::Postrouting | Hook::Input)) => 100,
        "nat" => -100,
        "security" => 50,
        _ => 0,
    }
}

/// Reads a rule of a family: `-A INPUT ...`.
pub(super) fn rule(four: bool, shown: &str) -> Rule {
    let tokens = tokens(shown);
    let mut rule = Rule { shown: shown.to_owned(), ..Rule::default() };
    let mut reader = Reader { four, rest: tokens.iter().map(String::as_str).skip(2).collect::<Vec<_>>(), at: 0 };
    let mut not = false;
    while let Some(token) = reader.next() {
        if token == "!" {
            not = true;
            continue;
        }
        match token {
            // Modules say nothing without an option; neither do words for people, but what follows them.
            "-m" | "--comment" | "--reject-with" | "--log-prefix" | "--log-level" => drop(reader.next()),
            "-j" => rule.effects.extend(reader.target()),
            "-g" => rule.effects.push(Effect::Goto(reader.next().unwrap_or_default().to_owned())),
            _ => rule.conditions.push(reader.condition(token, not)),
        }
        not = false;
    }
    rule
}

/// Words; what is in double quotes is one, and may have quotes in it: `\"`.
fn tokens(rule: &str) -> Vec<String> {
    let (mut tokens, mut word, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for letter in rule.chars() {
        match letter {
            _ if escaped => {
                word.push(letter);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => tokens.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            _ => word.push(letter),
        }
    }
    tokens.extend(Some(word).filter(|word| !word.is_empty()));
    tokens
}

/// The words of a rule that are not read yet.
struct Reader<'a> {
    four: bool,
    rest: Vec<&'a str>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let token = self.rest.get(self.at).copied();
        self.at += 1;
        token
    }

    fn condition(&mut self, option: &str, not: bool) -> Condition {
        let (field, item): (Field, fn(&str) -> Item) = match option {
            "-s" => (Field::Source(self.four), net),
            "-d" => (Field::Destination(self.four), net),
            "--src-range" => (Field::Source(self.four), addresses),
            "--dst-range" => (Field::Destination(self.four), addresses),
            "-i" => (Field::InDevice, device),
            "-o" => (Field::OutDevice, device),
            "-p" => (Field::Protocol, protocol),
            "--dport" | "--dports" => (Field::DestinationPort(None), ports),
            "--sport" | "--sports" => (Field::SourcePort(None), ports),
            "--ctstate" | "--state" => (Field::State, lower),
            "--ctdir" => (Field::Direction, lower),
            "--dst-type" => (Field::DestinationType, lower),
            "--src-type" => (Field::SourceType, lower),
            "--pkt-type" => (Field::Cast, lower),
            "--uid-owner" => (Field::User, word),
            // An option that is not known; what belongs to it is not read either.
            _ => {
                self.skip();
                return Condition::Unknown;
            }
        };
        let value = self.next().unwrap_or_default();
        if field == Field::Protocol && value == "all" {
            return Condition::Among { fields: vec![Field::Protocol], not, rows: vec![vec![Item::Any]] };
        }
        let rows = value.split(',').map(|part| vec![item(part)]).collect();
        Condition::Among { fields: vec![field], not, rows }
    }

    /// Leaves out the values of an option.
    fn skip(&mut self) {
        while self.rest.get(self.at).is_some_and(|word| !word.starts_with('-') && *word != "!") {
            self.at += 1;
        }
    }

    /// What `-j` does. A target that only notes or marks lets the packet go on.
    fn target(&mut self) -> Vec<Effect> {
        let target = self.next().unwrap_or_default();
        let effect = match target {
            "ACCEPT" => Effect::Accept,
            "DROP" | "REJECT" => return vec![Effect::Stop],
            "RETURN" => Effect::Return,
            "LOG" | "NFLOG" | "ULOG" | "MARK" | "CONNMARK" | "TCPMSS" | "CHECKSUM" | "AUDIT" | "SET" | "TRACE"
            | "CLASSIFY" | "DSCP" | "TOS" | "TTL" | "HL" | "SECMARK" | "CONNSECMARK" => {
                self.at = self.rest.len();
                return Vec::new();
            }
            "NOTRACK" => Effect::Forget,
            "CT" => {
                let forgets = self.rest.get(self.at..).is_some_and(|rest| rest.contains(&"--notrack"));
                self.at = self.rest.len();
                return if forgets { vec![Effect::Forget] } else { Vec::new() };
            }
            "DNAT" | "REDIRECT" => self.divert(),
            "SNAT" | "MASQUERADE" => {
                self.at = self.rest.len();
                Effect::Disguise
            }
            "NFQUEUE" | "QUEUE" | "TPROXY" | "NETMAP" | "TARPIT" | "SYNPROXY" => {
                self.at = self.rest.len();
                Effect::Unknown
            }
            // A chain; a name that is none makes a doubt when it is come to.
            name => Effect::Jump(name.to_owned()),
        };
        vec![effect]
    }

    /// `--to-destination 10.0.0.9:123`, `--to-ports 123`.
    fn divert(&mut self) -> Effect {
        let (option, value) = (self.next(), self.next().unwrap_or_default());
        self.at = self.rest.len();
        match option {
            Some("--to-ports") => value.parse().map_or(Effect::Unknown, |port| Effect::Divert(None, Some(port))),
            Some("--to-destination") => destination(value).unwrap_or(Effect::Unknown),
            _ => Effect::Unknown,
        }
    }
}

fn destination(text: &str) -> Option<Effect> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Effect::Divert(Some(address), None));
    }
    if let Some(port) = text.strip_prefix(':') {
        return Some(Effect::Divert(None, Some(port.parse().ok()?)));
    }
    let socket: std::net::SocketAddr = text.parse().ok()?;
    Some(Effect::Divert(Some(socket.ip()), Some(socket.port())))
}

fn net(text: &str) -> Item {
    let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(ipnet::IpNet::from));
    parsed.or_else(|_| masked(text).ok_or(())).map_or(Item::Unknown, Item::Net)
}

/// `10.0.0.0/255.255.255.0`.
fn masked(text: &str) -> Option<ipnet::IpNet> {
    let (address, mask) = text.split_once('/')?;
    ipnet::IpNet::with_netmask(address.parse().ok()?, mask.parse().ok()?).ok()
}

fn addresses(text: &str) -> Item {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => Item::Addresses(first, last),
        _ => Item::Unknown,
    }
}

/// `eth+` is every device whose name begins so.
fn device(name: &str) -> Item {
    Item::Word(name.strip_suffix('+').map_or_else(|| name.to_owned(), |start| format!("{start}*")))
}

fn protocol(name: &str) -> Item {
    Item::Word(name.to_ascii_lowercase())
}

/// `123`, `1024:65535`, `ntp`.
fn ports(text: &str) -> Item {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => Item::Numbers(first, last),
        _ if text == "ntp" => Item::Numbers(123, 123),
        _ => Item::Unknown,
    }
}

fn lower(text: &str) -> Item {
    Item::Word(text.to_ascii_lowercase())
}

fn word(text: &str) -> Item {
    Item::Word(text.to_owned())
}
