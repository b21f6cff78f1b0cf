//! The packet filter of a master, whoever owns it: a host whose rules keep its followers out is not in
//! sync. Nothing is changed here; rules of other people are for them to change, and the way is said.

use std::net::IpAddr;

use anyhow::{Result, anyhow};
use ipnet::IpNet;

use super::{Delta, Fix, Resource, Slice};
use crate::exit::Hint;
use crate::facts::Firewall;
use crate::firewall::advice::{advice, short};
use crate::firewall::firewalld::{WAY, askers};
use crate::firewall::{self, ClientPort, Packet, Ruleset, Sender, Stop, Verdict, walk};

/// Rules that let the followers in.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The host, for the advice.
    pub host: String,
    /// Who may ask.
    pub networks: Vec<IpNet>,
    /// The followers that are known by their addresses; each is in one of the networks.
    pub followers: Vec<IpAddr>,
    /// The firewall that another step opens.
    pub opened: Firewall,
}

/// Most networks and followers that an error names.
const MOST: usize = 3;

impl Resource for Filter {
    fn label(&self) -> String {
        "packet filter".to_owned()
    }

    fn probe(&self) -> String {
        let networks = self.networks.iter().map(|network| format!("{network}={}", askers(*network)));
        let networks = networks.collect::<Vec<_>>().join(" ");
        format!(
            "{}\necho '#: iptables'\n{}\necho '#: keepers'\n{}\necho '#: routes'\n{WAY}\nfor fc_a in {networks}; do\necho \"${{fc_a%%=*}} $(fc_way \"${{fc_a#*=}}\")\"\ndone",
            firewall::NFT,
            firewall::IPTABLES,
            firewall::KEEPERS
        )
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let part = |begin: &str, end: &str| {
            let (_, rest) = seen.stdout.split_once(begin).unwrap_or(("", ""));
            rest.split_once(end).map_or(rest, |(part, _)| part).to_owned()
        };
        let nft = seen.stdout.split_once("#: iptables\n").map_or("", |(nft, _)| nft);
        let rules = firewall::read(nft, &part("#: iptables\n", "#: keepers\n"), &part("#: keepers\n", "#: routes\n"));
        let routes = part("#: routes\n", "\u{0}");
        let stopped: Vec<_> =
            self.networks.iter().flat_map(|network| self.stopped(&rules, &routes, *network)).collect();
        match stopped.as_slice() {
            [] => Ok(Vec::new()),
            list => Err(self.refusal(&rules, list)),
        }
    }

    fn fix(&self, _seen: &Slice, _refresh: bool) -> Result<Fix> {
        Ok(Fix::default())
    }
}

impl Filter {
    /// Who stops the questions of a network; where rules tell its parts apart, of which followers.
    fn stopped<'a>(&self, rules: &Ruleset, routes: &'a str, network: IpNet) -> Vec<(Stop, Packet<'a>)> {
        let prefix = format!("{network} ");
        let route = routes.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default();
        let after = |word: &str| route.split(' ').skip_while(|other| *other != word).nth(1);
        let Some(to) = after("src").and_then(|text| text.parse::<IpAddr>().ok()) else { return Vec::new() };
        let (to, device) = (IpNet::from(to), after("dev"));
        let (port, sender) = (ClientPort::Chosen, Sender::Probe);
        let packet = |from| Packet { inbound: true, answer: false, from, to, device, port, sender };
        let stop = |packet: Packet<'a>| match walk::verdict(rules, &packet, false) {
            Verdict::Stopped(stop) if !self.opens(&stop) => Some((*stop, packet)),
            _ => None,
        };
        match walk::verdict(rules, &packet(network), false) {
            Verdict::Maybe(_) => {
                let own = self.followers.iter().filter(|address| network.contains(*address));
                own.filter_map(|address| stop(packet(IpNet::from(*address)))).collect()
            }
            _ => stop(packet(network)).into_iter().collect(),
        }
    }

    /// Whether the step for firewalld opens what this rule closes: the end of a zone, not what comes first.
    fn opens(&self, stop: &Stop) -> bool {
        self.opened == Firewall::Firewalld && stop.is_firewalld() && !stop.comes_before_zone()
    }

    fn refusal(&self, rules: &Ruleset, list: &[(Stop, Packet<'_>)]) -> anyhow::Error {
        let names: Vec<String> = list.iter().take(MOST).map(|(_, packet)| short(packet.from)).collect();
        let more = match list.len().saturating_sub(MOST) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let first = list.first().map(|(stop, packet)| (stop, advice(rules, stop, packet, None)));
        let (place, fix) = first.map_or_else(Default::default, |(stop, advice)| {
            let what = if stop.diverts { "sends elsewhere" } else { "stops" };
            (format!("`{}` in {} ({}) {what}", stop.words(), stop.place(), advice.owner), advice.words)
        });
        let message =
            format!("the packet filter keeps followers out: {place} what {}{more} asks at 123/udp", names.join(", "));
        anyhow!(message).hint(&format!("on {}: {fix}", self.host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "10.10.10.0/24 10.10.10.1 dev host0 src 10.10.10.1 uid 0\n";

    fn seen(case: &str) -> Slice {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/firewall");
        let text = std::fs::read_to_string(format!("{folder}/{case}.txt")).unwrap();
        let (_, rules) = text.split_once("#: nft\n").unwrap();
        Slice { stdout: format!("{rules}#: keepers\n#: routes\n{ROUTE}"), ..Slice::default() }
    }

    fn refused(case: &str, opened: Firewall) -> Option<(String, String)> {
        let followers = vec!["10.10.10.2".parse().unwrap(), "10.10.10.3".parse().unwrap()];
        let filter =
            Filter { host: "m1".to_owned(), networks: vec!["10.10.10.0/24".parse().unwrap()], followers, opened };
        let error = filter.diff(&seen(case)).err()?;
        Some((error.to_string(), crate::exit::hint(&error).unwrap().to_owned()))
    }

    #[test]
    fn rules_that_keep_followers_out_are_refused_with_the_way_out() {
        for (case, who, fix) in [
            (
                "rhel-iptables-services",
                "10.10.10.0/24",
                "iptables -I INPUT -s 10.10.10.0/24 -p udp --dport 123 -j ACCEPT",
            ),
            ("ufw-defaults", "10.10.10.0/24", "ufw allow from 10.10.10.0/24 to any port 123 proto udp"),
            ("ufw-deny-first", "10.10.10.2", "ufw prepend allow from 10.10.10.2 to any port 123 proto udp"),
            ("named-set-accepts", "10.10.10.3", "nft insert rule inet f in ip saddr 10.10.10.3 udp dport 123 accept"),
            ("netdev-ingress", "10.10.10.0/24", "nft insert rule netdev lost i ip saddr 10.10.10.0/24"),
            ("fail2ban", "10.10.10.2", "fail2ban-client set ntp unbanip 10.10.10.2"),
            ("docker", "10.10.10.0/24", "a person must decide"),
        ] {
            let (message, hint) = refused(case, Firewall::None).unwrap();
            assert!(message.contains(&format!("what {who} asks")), "{case}: {message}");
            assert!(hint.contains(fix), "{case}: {hint}");
        }
    }

    #[test]
    fn what_lets_them_in_or_cannot_be_judged_is_no_refusal() {
        for case in ["rhel-iptables-open", "ufw-open", "limit-then-drop", "rpfilter", "no-track", "firewalld-rich"] {
            assert_eq!(refused(case, Firewall::None), None, "{case}");
        }
    }

    /// What the step for firewalld opens is no refusal; what comes before the zones is.
    #[test]
    fn firewalld_is_opened_by_another_step() {
        assert_eq!(refused("firewalld-closed", Firewall::Firewalld), None);
        assert!(refused("firewalld-closed", Firewall::None).is_some());
        assert!(refused("firewalld-policy", Firewall::Firewalld).is_some());
        assert!(refused("firewalld-rich-drop", Firewall::Firewalld).is_some());
    }
}
