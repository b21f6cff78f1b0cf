//! How a packet that a rule stops is let in: always an insertion before the rule, in the words of who
//! owns it, and where it is kept over a boot. Never the removal of a rule or of a policy.

use ipnet::IpNet;

use super::firewalld::SERVICE;
use super::owner::{Owner, owner};
use super::packet::{ClientPort, Packet};
use super::precede::FIRST;
use super::ruleset::{Ruleset, Tool};
use super::walk::Stop;

/// What to do about a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Whose rule it is, for people: `ufw`, `Docker`.
    pub owner: String,
    /// What to run, or what a person has to decide.
    pub words: String,
}

/// The table of firewalld that drops everything: its chains of the table `raw` in panic mode, others while it starts.
const PANIC: (&str, &str) = ("firewalld_policy_drop", "raw_");

/// A zone of firewalld.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Its name.
    pub zone: &'a str,
    /// What a rich rule has to be about: `service name="ntp"`, or the port where that service is another.
    pub element: &'a str,
}

/// Returns how to let a packet pass that a rule stops. `place` is the zone of firewalld that it is in.
pub fn advice(rules: &Ruleset, stop: &Stop, packet: &Packet<'_>, place: Option<Place<'_>>) -> Advice {
    let beside: Vec<&str> =
        rules.chains.iter().filter(|chain| chain.is_beside(&stop.base)).map(|chain| chain.name.as_str()).collect();
    if stop.base.table == PANIC.0 && stop.base.name.starts_with(PANIC.1) {
        let words = "a person must decide: firewalld is in panic mode (`firewall-cmd --panic-on`), which `firewall-cmd --panic-off` ends";
        return Advice { owner: "firewalld".to_owned(), words: words.to_owned() };
    }
    let asked = Asked { rules, stop, packet };
    let (owner, words) = match owner(stop, &beside) {
        Owner::Ufw => ("ufw".to_owned(), asked.ufw()),
        Owner::Firewalld => ("firewalld".to_owned(), asked.firewalld(place)),
        Owner::Fail2ban => ("fail2ban".to_owned(), asked.fail2ban()),
        Owner::Iptables => ("iptables".to_owned(), asked.iptables(false)),
        Owner::Legacy => ("iptables-legacy".to_owned(), asked.iptables(true)),
        Owner::Nft => ("nftables".to_owned(), asked.nft()),
        Owner::Program(name) => (name.to_owned(), asked.person(name)),
    };
    Advice { owner, words }
}

struct Asked<'a> {
    rules: &'a Ruleset,
    stop: &'a Stop,
    packet: &'a Packet<'a>,
}

/// An address without `/32`, a network with its length.
pub fn short(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.trunc().to_string() }
}

impl Asked<'_> {
    /// The end of the way that is not this host.
    fn other(&self) -> IpNet {
        if self.packet.inbound { self.packet.from } else { self.packet.to }
    }

    fn is_v4(&self) -> bool {
        self.packet.from.addr().is_ipv4()
    }

    /// The port that is 123 for sure: that of the server.
    fn side(&self) -> &'static str {
        if self.packet.answer { "sport" } else { "dport" }
    }

    fn ufw(&self) -> String {
        let other = short(self.other());
        let name = &self.stop.chain.name;
        // Rules of the administrator stand in the chains of the user, policies at the ends of the base chains;
        // what comes before both stands in a file.
        if name.contains("before") || name.contains("not-local") || name.contains("after") || name.contains("track") {
            return self.ufw_file();
        }
        let verb = if name.contains("user") { "prepend allow" } else { "allow" };
        match (self.packet.inbound, self.packet.answer) {
            (true, false) => format!("ufw {verb} from {other} to any port 123 proto udp"),
            (false, false) => format!("ufw {verb} out to {other} port 123 proto udp"),
            (true, true) => format!("ufw {verb} proto udp from {other} port 123"),
            (false, true) => format!("ufw {verb} out proto udp from any port 123 to {other}"),
        }
    }

    fn ufw_file(&self) -> String {
        let (file, six) = if self.is_v4() { ("before.rules", "") } else { ("before6.rules", "6") };
        let chain = if self.packet.inbound { "input" } else { "output" };
        let flag = if self.packet.inbound { "-s" } else { "-d" };
        format!(
            "in /etc/ufw/{file}, behind the line `# End required lines`, insert `-A ufw{six}-before-{chain} -p udp {flag} {} --{} 123 -j ACCEPT`; then ufw reload",
            short(self.other()),
            self.side()
        )
    }

    /// A rich rule before all others, in the policy or in the zone.
    fn firewalld(&self, place: Option<Place<'_>>) -> String {
        if self.stop.base.tool != Tool::Nft && !self.stop.is_by_zones(self.rules) {
            return self.direct();
        }
        let name = &self.stop.chain.name;
        let element = place.map_or(SERVICE, |place| place.element);
        let place = match (policy_of(name), place.map(|place| place.zone).or_else(|| zone_of(name))) {
            (Some(policy), _) => format!("--policy={policy}"),
            (None, Some(zone)) => format!("--zone={zone}"),
            (None, None) => "--zone=ZONE".to_owned(),
        };
        if self.packet.answer || !self.packet.inbound {
            return format!(
                "a person must decide: {} belongs to a policy of firewalld; let 123/udp of {} pass in it (firewall-cmd --list-all-policies)",
                self.stop.place(),
                short(self.other())
            );
        }
        if !self.has_priorities() {
            return self.without_priorities(&place);
        }
        let family = if self.is_v4() { "ipv4" } else { "ipv6" };
        let rule = format!(
            "rule priority=\"{FIRST}\" family=\"{family}\" source address=\"{}\" {element} accept",
            short(self.other())
        );
        format!("firewall-cmd {place} --add-rich-rule='{rule}', and the same with --permanent")
    }

    /// Whether this firewalld knows priorities of rich rules (0.7.0): each zone then has a chain for those that
    /// come first.
    fn has_priorities(&self) -> bool {
        let is_zones = |name: &str| name.starts_with("filter_IN_") || name.starts_with("IN_");
        self.rules.chains.iter().any(|chain| is_zones(&chain.name) && chain.name.ends_with("_pre"))
    }

    /// Nothing of its zones comes before what they refuse; a direct rule does where its rules are those of iptables.
    fn without_priorities(&self, place: &str) -> String {
        let list = format!("firewall-cmd {place} --list-all");
        let narrow = format!(
            "narrow the rule that stops it so that it spares {}, or take it away ({list} shows it; this firewalld is older than 0.7.0 and has no rich rule that comes before it)",
            short(self.other())
        );
        match self.stop.base.tool {
            Tool::Nft => narrow,
            _ => format!("{}; or {narrow}", self.direct()),
        }
    }

    /// A direct rule, which comes before those of the zones.
    fn direct(&self) -> String {
        let family = if self.is_v4() { "ipv4" } else { "ipv6" };
        let (table, chain) = (&self.stop.base.table, &self.stop.base.name);
        format!(
            "firewall-cmd --direct --add-rule {family} {table} {chain} -999 {}, and the same with --permanent",
            self.conditions()
        )
    }

    fn fail2ban(&self) -> String {
        let name = self.stop.chain.name.trim_start_matches("f2b-").trim_start_matches("fail2ban-");
        let jail = if name.starts_with("table") || name.is_empty() { "JAIL" } else { name };
        let other = short(self.other());
        format!(
            "fail2ban-client set {jail} unbanip {other}; and `ignoreip` of the jail has to name it, or it is banned again"
        )
    }

    /// The words of iptables for what is let in.
    fn conditions(&self) -> String {
        let flag = if self.packet.inbound { "-s" } else { "-d" };
        format!("{flag} {} -p udp --{} 123 -j ACCEPT", short(self.other()), self.side())
    }

    fn iptables(&self, legacy: bool) -> String {
        let six = if self.is_v4() { "" } else { "6" };
        let legacy = legacy && self.rules.has_keeper("/usr/sbin/iptables-legacy");
        let program = format!("ip{six}tables{}", if legacy { "-legacy" } else { "" });
        let table = match self.stop.base.table.as_str() {
            "filter" => String::new(),
            table => format!("-t {table} "),
        };
        let insert = format!("{program} {table}-I {} {}", self.stop.base.name, self.conditions());
        format!("{insert}; {}", self.saved(&format!("{program}-save"), six))
    }

    /// How rules of iptables are kept on this system.
    fn saved(&self, save: &str, six: &str) -> String {
        if self.rules.has_keeper("/usr/sbin/netfilter-persistent") {
            "netfilter-persistent save".to_owned()
        } else if self.rules.has_keeper("/etc/sysconfig/iptables") {
            format!("{save} >/etc/sysconfig/ip{six}tables")
        } else if self.rules.has_keeper("/etc/iptables/rules.v4") {
            format!("{save} >/etc/iptables/rules.v{}", if six.is_empty() { "4" } else { "6" })
        } else {
            "and the same where these rules come from at boot (nothing here was found that saves them)".to_owned()
        }
    }

    fn nft(&self) -> String {
        let base = &self.stop.base;
        let family = if self.is_v4() { "ip" } else { "ip6" };
        let end = if self.packet.inbound { "saddr" } else { "daddr" };
        let port = match self.packet.port {
            ClientPort::Chosen | ClientPort::Ntp => self.side(),
        };
        let rule = format!("{family} {end} {} udp {port} 123 accept", short(self.other()));
        if matches!(base.family.as_str(), "bridge" | "arp") {
            return format!(
                "a person must decide: let 123/udp of {} pass in {}",
                short(self.other()),
                self.stop.place()
            );
        }
        let kept = match self.rules.boot_file() {
            Some(file) => format!("and the same rule first in this chain of {file}, or of a file that it includes"),
            None => "and the same rule where this table comes from at boot".to_owned(),
        };
        format!("nft insert rule {} {rule}; {kept}", base.full())
    }

    fn person(&self, name: &str) -> String {
        let what = if self.stop.diverts { "it sends these packets elsewhere" } else { "it stops these packets" };
        format!(
            "a person must decide: {} belongs to {name}, which writes it anew, and {what}; let 123/udp of {} pass with its own settings",
            self.stop.place(),
            short(self.other())
        )
    }
}

/// `filter_IN_policy_lan-to-host_deny`: the policy `lan-to-host`.
fn policy_of(chain: &str) -> Option<&str> {
    let (_, name) = chain.split_once("_policy_")?;
    let ends = ["_pre", "_log", "_deny", "_allow", "_post"];
    Some(ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name))
}

/// `filter_IN_public_deny`, or `IN_public_deny` in words of iptables: the zone `public`.
fn zone_of(chain: &str) -> Option<&str> {
    let name = chain.strip_prefix("filter_").unwrap_or(chain).strip_prefix("IN_")?;
    let ends = ["_pre", "_log", "_deny", "_allow", "_post"];
    Some(ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name))
}

impl Stop {
    /// Returns whether it is a rule of iptables-legacy.
    pub fn is_legacy(&self) -> bool {
        self.base.tool == Tool::Legacy
    }

    /// Returns whether firewalld has made it out of zones and policies, and not out of a direct rule.
    pub fn is_by_zones(&self, rules: &Ruleset) -> bool {
        // In words of iptables the zones have chains, and what is stopped by nobody's choice stands at the end of INPUT.
        rules.is_of_firewalld(&self.base) && !self.chain.name.contains("_direct")
    }
}
