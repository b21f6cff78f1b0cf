//! What comes before a rule of firewalld that keeps somebody out. Rich rules have priorities since 0.7.0; before
//! that those which deny come before those which accept, and only a direct rule precedes them.

use ipnet::IpNet;

use super::advice::short;
use super::known::Opening;

/// The lowest priority there is: before all others.
pub(super) const FIRST: &str = "-32768";

/// Where a rule stands that keeps somebody out, and what is to be let in.
pub struct Refusal<'a> {
    /// `zone` or `policy`.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What keeps them out, in words.
    pub words: &'a str,
    /// Whom.
    pub from: IpNet,
    /// After the next start, and not now.
    pub permanent: bool,
    /// What is let in.
    pub opened: &'a Opened,
}

/// What is let in, and by which firewalld.
pub struct Opened {
    /// What a rich rule says of it: `service name="ntp"`.
    element: String,
    /// The same in words of iptables: `-p udp --dport 123`.
    conditions: String,
    /// Whether this firewalld knows no priorities of rich rules.
    old: bool,
}

impl Opened {
    /// A port, as `element` says it in a rich rule.
    pub fn new(port: &Opening, element: String, old: bool) -> Self {
        let conditions = format!("-p {} --dport {}", port.protocol(), port.ports().replace('-', ":"));
        Opened { element, conditions, old }
    }
}

impl Refusal<'_> {
    /// Says what somebody has to do.
    pub fn remedy(&self) -> String {
        let Refusal { kind, name, words, from, permanent, opened } = self;
        let Opened { element, conditions, old } = opened;
        let option = if *permanent { "--permanent " } else { "" };
        let family = if from.addr().is_ipv4() { "ipv4" } else { "ipv6" };
        if *old {
            return format!(
                "take `{words}` out of {kind} `{name}`, or narrow it so that it spares {from}: this firewalld is older than 0.7.0 and has no rich rule that comes before it; where FirewallBackend is iptables, a direct rule does: firewall-cmd {option}--direct --add-rule {family} filter INPUT -999 -s {from} {conditions} -j ACCEPT"
            );
        }
        let from = short(*from);
        let rule = format!("rule priority=\"{FIRST}\" family=\"{family}\" source address=\"{from}\" {element} accept");
        format!("let it in before that: firewall-cmd {option}--{kind}={name} --add-rich-rule='{rule}'")
    }
}
