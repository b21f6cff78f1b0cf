//! What keeps somebody out, and what somebody has to do about it.

use ipnet::IpNet;

use super::rule::Asked;

/// What keeps somebody out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shut {
    /// A rule that blocks; block rules win over those that allow. Its name, and whether a policy has made it.
    Block(String, bool),
    /// "Block all incoming connections" of a profile.
    Shields(&'static str),
    /// A policy lets the host's own rules not count in a profile, and has none itself.
    OwnRulesIgnored(&'static str),
    /// No rule lets it in.
    NoRule,
}

impl Shut {
    /// Says what it is.
    pub fn why(&self) -> String {
        match self {
            Shut::Block(name, policy) => {
                format!("the {}rule `{name}` blocks it, and wins over every rule that allows", by(*policy))
            }
            Shut::Shields(profile) => format!("profile {profile} blocks all incoming connections"),
            Shut::OwnRulesIgnored(profile) => {
                format!("a policy ignores the host's own rules in profile {profile} (AllowLocalPolicyMerge is 0)")
            }
            Shut::NoRule => "no active inbound rule for udp/123 lets it in".to_owned(),
        }
    }

    /// Says what somebody has to do about it; nobody else's rule is changed by us.
    pub fn remedy(&self, from: IpNet) -> String {
        self.remedy_for(from, Asked::NTP)
    }

    /// The same, of other ports.
    pub fn remedy_for(&self, from: IpNet, asked: Asked) -> String {
        match self {
            Shut::Block(name, false) => format!(
                "decide about the rule `{name}`: narrow it so that it spares {from}, or `netsh advfirewall firewall set rule name=\"{name}\" dir=in new enable=no`"
            ),
            Shut::Block(name, true) => format!("narrow the rule `{name}` in its policy so that it spares {from}"),
            Shut::Shields(profile) => format!(
                "`netsh advfirewall set {}profile firewallpolicy blockinbound,allowoutbound`, or in the policy that says so",
                profile.to_ascii_lowercase()
            ),
            Shut::OwnRulesIgnored(_) => {
                format!("put an inbound rule for {asked} from {from} into the policy, or let it merge local rules")
            }
            Shut::NoRule => format!(
                "`netsh advfirewall firewall add rule name=fleetclock-ntp dir=in action=allow protocol=UDP localport=123 remoteip={from}`"
            ),
        }
    }
}

/// Whose rule it is, in front of the word.
pub(super) fn by(policy: bool) -> &'static str {
    if policy { "policy's " } else { "" }
}
