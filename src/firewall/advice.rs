//! How a packet that a rule stops is let in: always an insertion before the rule, in the words of who
//! owns it, and where it is kept over a boot. Never the removal of a rule or of a policy.

use ipnet::IpNet;

use super::owner::{Owner, beside, owner};
use super::packet::Packet;
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
    let asked = Asked { rules, stop, packet, place };
    let (owner, words) = match owner(stop, &beside(rules, stop)) {
        Owner::Firewall(firewall) => (firewall.owner(stop).to_owned(), firewall.advice(&asked)),
        Owner::Fail2ban => ("fail2ban".to_owned(), asked.fail2ban()),
        Owner::Program(name) => (name.to_owned(), asked.person(name)),
    };
    Advice { owner, words }
}

/// What somebody asks about: a packet that a rule stops.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// All rules.
    pub rules: &'a Ruleset,
    /// The one that stops it.
    pub stop: &'a Stop,
    /// The packet.
    pub packet: &'a Packet<'a>,
    /// The zone of firewalld that it is in.
    pub place: Option<Place<'a>>,
}

/// An address without `/32`, a network with its length.
pub fn short(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.trunc().to_string() }
}

impl Asked<'_> {
    /// The end of the way that is not this host.
    pub(super) fn other(&self) -> IpNet {
        if self.packet.inbound { self.packet.from } else { self.packet.to }
    }

    pub(super) fn is_v4(&self) -> bool {
        self.packet.from.addr().is_ipv4()
    }

    /// The port that is 123 for sure: that of the server.
    pub(super) fn side(&self) -> &'static str {
        if self.packet.answer { "sport" } else { "dport" }
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
    pub(super) fn conditions(&self) -> String {
        let flag = if self.packet.inbound { "-s" } else { "-d" };
        format!("{flag} {} -p udp --{} 123 -j ACCEPT", short(self.other()), self.side())
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
