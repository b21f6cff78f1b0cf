//! Rules as values, whoever wrote them: chains at hooks, conditions, effects.

use std::net::IpAddr;

use ipnet::IpNet;

use super::unread::Unread;

/// All rules of a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// Every chain.
    pub chains: Vec<Chain>,
    /// Whether there may be rules that could not be read.
    pub unread: bool,
    /// Files and programs that keep rules over a boot.
    pub keepers: Vec<String>,
    /// Whether the program `nft` is not installed.
    pub without_nft: bool,
    /// The users that time services run as, by their numbers, with their names where they are known.
    pub users: Vec<(u64, String)>,
    /// The user whose socket the questions of this host's time service leave by, where that is known.
    pub asks_as: Option<u64>,
    /// The user whose socket its answers leave by: the one that has opened it, which may be root.
    pub answers_as: Option<u64>,
    /// What else may take packets away, which is not read: `tc eth0`, `xfrm NETWORK NETWORK`.
    pub beside: Vec<String>,
}

/// Where a chain is called by the kernel, in the order of a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// As soon as the interface has it.
    Ingress,
    /// Before the routing decision.
    Prerouting,
    /// On its way to a program of the host.
    Input,
    /// From a program of the host.
    Output,
    /// After the routing decision.
    Postrouting,
    /// When the interface is about to send it.
    Egress,
}

/// Whose words a chain is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tool {
    /// `nft`.
    #[default]
    Nft,
    /// `iptables`, which writes into nftables.
    Iptables,
    /// `iptables-legacy`, which `nft` does not show.
    Legacy,
}

/// A chain of rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// `ip`, `ip6`, `inet`, `netdev`, `bridge`, `arp`.
    pub family: String,
    /// Name of its table.
    pub table: String,
    /// Its own name.
    pub name: String,
    /// Where the kernel calls it; `None` for one that is only jumped to.
    pub hook: Option<Hook>,
    /// Lower comes earlier.
    pub priority: i64,
    /// Whether only the first packet of a flow goes through it.
    pub nat: bool,
    /// Whether a packet that no rule decides about is dropped.
    pub drops: bool,
    /// The interfaces that an ingress or egress chain belongs to; empty is not known.
    pub devices: Vec<String>,
    /// Who writes it.
    pub tool: Tool,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// A rule: if all conditions hold, the effects happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// As an administrator sees it on the host.
    pub shown: String,
    /// What has to hold.
    pub conditions: Vec<Condition>,
    /// What happens, in order.
    pub effects: Vec<Effect>,
    /// How many packets it has counted, if it counts.
    pub packets: Option<u64>,
}

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// One that is not read here: it may hold, or not.
    Unknown,
    /// It never holds: a protocol that has no ports.
    Never,
    /// A field is among some values, or is not.
    Among {
        /// What is looked at; several when they are looked up together.
        fields: Vec<Field>,
        /// Whether it is turned round.
        not: bool,
        /// The rows of values, one value for each field.
        rows: Vec<Vec<Item>>,
    },
}

/// What a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// Source address, if it is of this family (`true`: IPv4).
    Source(bool),
    /// Destination address, likewise.
    Destination(bool),
    /// The protocol above IP.
    Protocol,
    /// IPv4 or IPv6.
    Family,
    /// Source port, if the packet is of this protocol, or of any.
    SourcePort(Option<&'static str>),
    /// Destination port, likewise.
    DestinationPort(Option<&'static str>),
    /// Something else that packets of this protocol have.
    Of(&'static str),
    /// The interface it comes in by.
    InDevice,
    /// The interface it leaves by.
    OutDevice,
    /// The state of its flow.
    State,
    /// Which way of the flow: `original`, `reply`.
    Direction,
    /// The user whose program sends it.
    User,
    /// What kind of address the source is to this host: `local`, `unicast`.
    SourceType,
    /// What kind of address the destination is to this host.
    DestinationType,
    /// Whether it was sent to this host alone: `unicast`.
    Cast,
    /// Whether its addresses were changed: `dnat`, `snat`.
    Status,
    /// Where in a larger packet it lies; a question of NTP is never cut.
    Fragment,
    /// Something that is not known here.
    Other,
}

/// A value of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A network or an address.
    Net(IpNet),
    /// Addresses from one to another.
    Addresses(IpAddr, IpAddr),
    /// Numbers from one to another.
    Numbers(u64, u64),
    /// A word; `*` at its end is any end.
    Word(String),
    /// Any value.
    Any,
    /// A value that is not read.
    Unknown,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The packet passes this base chain.
    Accept,
    /// It is dropped or refused.
    Stop,
    /// Back to the rule after the jump.
    Return,
    /// Through another chain, and on.
    Jump(String),
    /// Through another chain, and not back.
    Goto(String),
    /// The effect whose values the fields have, if one has.
    Choose {
        /// What is looked at.
        fields: Vec<Field>,
        /// Values and what happens then.
        rows: Vec<(Vec<Item>, Effect)>,
    },
    /// It goes to another address or port; `None` is the same as before.
    Divert(Option<IpAddr>, Option<u16>),
    /// It leaves with another source address.
    Disguise,
    /// Its flow is not kept in mind.
    Forget,
    /// Something that may stop it, which is not read here: a queue, an unknown target.
    Unknown,
}

impl Chain {
    /// Returns the name as `nft` lists it: `inet filter input`.
    pub fn full(&self) -> String {
        format!("{} {} {}", self.family, self.table, self.name)
    }

    /// Returns whether another chain is of the same table.
    pub fn is_beside(&self, other: &Chain) -> bool {
        (self.tool == Tool::Legacy) == (other.tool == Tool::Legacy)
            && self.family == other.family
            && self.table == other.table
    }
}

impl Hook {
    /// Reads the word of nft, or that of iptables.
    pub fn read(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "ingress" => Hook::Ingress,
            "prerouting" => Hook::Prerouting,
            "input" => Hook::Input,
            "output" => Hook::Output,
            "postrouting" => Hook::Postrouting,
            "egress" => Hook::Egress,
            _ => return None,
        })
    }

    /// Returns whether a packet that comes in passes it.
    pub fn is_inbound(self) -> bool {
        self <= Hook::Input
    }
}

impl Ruleset {
    /// Returns the chain of a name in the table of another.
    pub fn beside(&self, chain: &Chain, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|other| other.name == name && other.is_beside(chain))
    }

    /// Returns whether a chain is one that firewalld writes, or calls its own from.
    pub fn is_of_firewalld(&self, chain: &Chain) -> bool {
        let zones = |other: &Chain| matches!(other.name.as_str(), "INPUT_ZONES" | "INPUT_POLICIES");
        chain.table == "firewalld"
            || chain.tool != Tool::Nft && self.chains.iter().any(|other| zones(other) && other.is_beside(chain))
    }

    /// Returns what decides about packets between two addresses and is not known; `device` is where they come and
    /// leave.
    pub fn unread(&self, device: Option<&str>, ends: (IpAddr, IpAddr)) -> Option<Unread> {
        let concerns = |line: &&String| match line.split_once(' ') {
            Some(("tc" | "xdp", own)) => device.is_none_or(|name| name == own),
            Some(("xfrm", networks)) => is_between(networks, ends),
            _ => true,
        };
        if self.unread {
            return Some(Unread::Filter);
        }
        self.beside.iter().find(concerns).map(String::as_str).map(Unread::of)
    }

    /// Returns a rule that may drop what another machine asks or answers by ARP, or by IPv6's neighbour discovery,
    /// and its chain. Its words are looked at, for its conditions are of no packet of NTP.
    pub fn about_neighbours(&self, peer: IpAddr) -> Option<(&Chain, &Rule)> {
        let word = if peer.is_ipv6() { "nd-neighbor" } else { "arp" };
        let of_protocol = |chain: &Chain, rule: &Rule| {
            let named = rule.shown.split([' ', ',']).any(|own| own.starts_with(word));
            named || chain.family == "arp" && peer.is_ipv4()
        };
        let drops = |rule: &Rule| rule.effects.iter().any(|effect| matches!(effect, Effect::Stop));
        let fits = |chain: &Chain, rule: &Rule| drops(rule) && of_protocol(chain, rule) && may_be_of(&rule.shown, peer);
        self.chains.iter().find_map(|chain| Some((chain, chain.rules.iter().find(|rule| fits(chain, rule))?)))
    }

    /// Returns whether a program that keeps rules is there.
    pub fn has_keeper(&self, file: &str) -> bool {
        self.keepers.iter().any(|keeper| keeper == file)
    }

    /// Returns the file that nftables loads at boot: that of Red Hat, else Debian's.
    pub fn boot_file(&self) -> Option<&'static str> {
        let files = ["/etc/sysconfig/nftables.conf", "/etc/nftables.conf"];
        files.into_iter().find(|file| self.has_keeper(file))
    }

    /// Returns the command that shows the rules on this host.
    pub fn listing(&self) -> &'static str {
        if self.without_nft { "iptables-save" } else { "nft list ruleset" }
    }

    pub(super) fn keep(&mut self, text: &str) {
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("file", file)) => self.keepers.push(file.to_owned()),
                Some(("without", "nft")) => self.without_nft = true,
                Some(("user", user)) => self.users.extend(numbered(user)),
                Some(("tc" | "xdp" | "xfrm" | "conntrack" | "bpf", _)) => self.beside.push(line.to_owned()),
                _ => {}
            }
        }
    }
}

/// `102 _chrony`, or the number alone.
fn numbered(user: &str) -> Option<(u64, String)> {
    let (number, name) = user.split_once(' ').unwrap_or((user, ""));
    Some((number.parse().ok()?, name.to_owned()))
}

/// Whether the words of a rule name an address, or none at all.
fn may_be_of(shown: &str, address: IpAddr) -> bool {
    let single = |word: &str| word.parse::<IpAddr>().ok().map(IpNet::from);
    let words = shown.split([' ', ',']);
    let mut named = words.filter_map(|word| word.parse().ok().or_else(|| single(word))).peekable();
    named.peek().is_none() || named.any(|network| network.contains(&address)) || shown.contains("!=")
}

/// Whether two addresses are in two networks, one in each.
fn is_between(networks: &str, (one, other): (IpAddr, IpAddr)) -> bool {
    let mut networks = networks.split(' ').map(str::parse::<IpNet>);
    match (networks.next(), networks.next()) {
        (Some(Ok(from)), Some(Ok(to))) => {
            from.contains(&one) && to.contains(&other) || from.contains(&other) && to.contains(&one)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_read_is_named_for_those_whom_it_concerns() {
        let mut rules = Ruleset::default();
        rules.keep("xfrm 10.0.0.2/32 10.0.0.0/24\ntc eth1\nuser 102 _chrony\nuser 105\n");
        let ends = |from: &str, to: &str| (from.parse().unwrap(), to.parse().unwrap());
        let unread = |device, ends| rules.unread(Some(device), ends).map(|what| what.to_string());
        let policy = unread("eth0", ends("10.0.0.1", "10.0.0.2"));
        assert_eq!(policy.as_deref(), Some("the policy of IPsec for 10.0.0.2/32 and 10.0.0.0/24 (ip xfrm policy)"));
        assert_eq!(unread("eth0", ends("10.0.0.3", "10.0.0.1")), None);
        assert_eq!(unread("eth1", ends("10.0.0.3", "10.0.0.1")).as_deref(), Some("what tc eth1 does"));
        assert_eq!(rules.users, [(102, "_chrony".to_owned()), (105, String::new())]);
        let rule = |shown: &str| may_be_of(shown, "10.0.0.2".parse().unwrap());
        assert!(rule("arp saddr ip { 10.0.0.9, 10.0.0.2 } drop") && rule("arp operation request drop"));
        assert!(rule("arp saddr ip 10.0.0.0/24 drop") && !rule("arp saddr ip 10.0.0.3 drop # handle 7"));
        // A full table is full for all.
        rules.keep("conntrack 262000 262144");
        let found = |rules: &Ruleset| rules.unread(Some("eth0"), ends("10.9.9.9", "10.8.8.8")).unwrap();
        assert!(found(&rules).to_string().starts_with("the nearly full table of connections (262000 of 262144"));
        let mut full = Ruleset::default();
        full.keep("conntrack 262144 262144");
        assert_eq!(found(&full).to_string().split(" (").next(), Some("the full table of connections"));
        let look = found(&full).look("stops 123/udp", "ask others");
        assert!(look.contains("what fills the table of connections (262144 of 262144), or"), "{look}");
        assert!(look.ends_with("; if that does not help, ask others"), "{look}");
    }

    #[test]
    fn the_file_of_boot_and_the_programs_are_those_of_the_host() {
        let mut rules = Ruleset::default();
        assert_eq!(rules.boot_file(), None);
        rules.keep("file /etc/nftables.conf");
        assert_eq!(rules.boot_file(), Some("/etc/nftables.conf"));
        rules.keep("file /etc/sysconfig/nftables.conf");
        assert_eq!(rules.boot_file(), Some("/etc/sysconfig/nftables.conf"));
        assert_eq!(rules.listing(), "nft list ruleset");
        rules.keep("without nft");
        assert_eq!(rules.listing(), "iptables-save");
    }
}
