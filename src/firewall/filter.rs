//! The packet filter of a master, whoever owns it: a host whose rules keep its followers out is not in
//! sync. Nothing is changed here; rules of other people are for them to change, and the way is said.

use std::net::IpAddr;

use anyhow::{Result, anyhow};
use ipnet::IpNet;

use super::advice::{advice, short};
use super::askers::{WAY, askers};
use super::known::Opening;
use super::{ClientPort, IPTABLES, KEEPERS, NFT, Packet, Ruleset, Sender, Stop, Verdict, walk};
use crate::exit::Hint;

/// Begins what was read of the rules, behind what was read of settings.
pub const RULES: &str = "#: rules\n";

/// Rules that let the followers in.
#[derive(Debug, Clone)]
pub struct Filter {
    /// The host, for the advice.
    pub host: String,
    /// Who may ask.
    pub networks: Vec<IpNet>,
    /// The followers that are known by their addresses; each is in one of the networks.
    pub followers: Vec<IpAddr>,
}

/// What was read of the rules, and by which way the networks that are served lead.
#[derive(Debug)]
pub struct Rules {
    /// The rules.
    pub set: Ruleset,
    routes: String,
}

/// Most networks and followers that an error names.
const MOST: usize = 3;

/// Returns shell text that prints what [`Rules`] reads, with the ways to some networks. Changes nothing.
pub(super) fn probe(networks: &[IpNet]) -> String {
    let networks = networks.iter().map(|network| format!("{network}={}", askers(*network)));
    let networks = networks.collect::<Vec<_>>().join(" ");
    format!(
        "{NFT}\necho '#: iptables'\n{IPTABLES}\necho '#: keepers'\n{KEEPERS}\necho '#: routes'\n{WAY}\nfor fc_a in {networks}; do\necho \"${{fc_a%%=*}} $(fc_way \"${{fc_a#*=}}\")\"\ndone"
    )
}

impl Rules {
    /// Reads what the probe printed.
    pub fn read(text: &str) -> Self {
        let part = |begin: &str, end: &str| {
            let (_, rest) = text.split_once(begin).unwrap_or(("", ""));
            rest.split_once(end).map_or(rest, |(part, _)| part).to_owned()
        };
        let nft = text.split_once("#: iptables\n").map_or("", |(nft, _)| nft);
        let set = super::read(nft, &part("#: iptables\n", "#: keepers\n"), &part("#: keepers\n", "#: routes\n"));
        Rules { set, routes: part("#: routes\n", "\u{0}") }
    }

    /// What is not known of rules that cannot be read.
    pub fn doubt(&self) -> Option<String> {
        let why = match self.set.without_nft {
            true => "as `nft` is not installed there: the package is called nftables",
            false => "see `nft -j list ruleset` and `iptables-legacy-save` there",
        };
        let words = "some rules of the packet filter cannot be read, so whether they keep followers out was not judged";
        self.set.unread.then(|| format!("{words} ({why})"))
    }

    /// The same with other rules.
    pub(super) fn with(&self, set: Ruleset) -> Self {
        Rules { set, routes: self.routes.clone() }
    }

    /// A question from `from`, which is in a network that is served; `None` where no way leads there.
    pub(super) fn question(&self, network: IpNet, from: IpNet) -> Option<Packet<'_>> {
        let prefix = format!("{network} ");
        let route = self.routes.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default();
        let after = |word: &str| route.split(' ').skip_while(|other| *other != word).nth(1);
        let to = IpNet::from(after("src")?.parse::<IpAddr>().ok()?);
        let (service, device) = (Opening::default(), after("dev"));
        let (port, sender) = (ClientPort::Chosen, Sender::Probe);
        Some(Packet { inbound: true, answer: false, from, to, device, service, port, sender })
    }
}

/// What becomes of a question that is served, and of the answer to it.
struct Way<'a> {
    /// What stops either for sure, but for what is about to be opened; the question comes first.
    stop: Option<(Stop, Packet<'a>)>,
    /// Whether rules tell parts of the network apart, or cannot be judged, before anything stops all of it.
    doubt: bool,
}

impl<'a> Way<'a> {
    fn of(rules: &Ruleset, question: Packet<'a>, opens: &dyn Fn(&Stop, IpNet) -> bool) -> Self {
        let mut doubt = false;
        for packet in [question, answer(&question)] {
            match walk::verdict(rules, &packet, false) {
                // An opening lets questions in; what stops answers stays.
                Verdict::Stopped(stop) if packet.answer || !opens(&stop, packet.from) => {
                    return Way { stop: Some((*stop, packet)), doubt: false };
                }
                Verdict::Maybe(_) => doubt = true,
                Verdict::Stopped(_) | Verdict::Passes => {}
            }
        }
        Way { stop: None, doubt }
    }
}

/// What the time service sends back.
fn answer<'a>(question: &Packet<'a>) -> Packet<'a> {
    let (from, to) = (question.to, question.from);
    Packet { inbound: false, answer: true, from, to, sender: Sender::Service, ..*question }
}

impl Filter {
    /// Returns shell text that prints what [`Rules`] reads. Changes nothing.
    pub fn probe(&self) -> String {
        probe(&self.networks)
    }

    /// Fails if rules keep followers out, but for those that `opens` says are about to be opened.
    ///
    /// # Errors
    /// Says which rule it is, whom it keeps out, and the way out.
    pub fn refuse(&self, rules: &Rules, opens: &dyn Fn(&Stop, IpNet) -> bool) -> Result<()> {
        let stopped: Vec<_> = self.networks.iter().flat_map(|network| self.stopped(rules, opens, *network)).collect();
        if stopped.is_empty() { Ok(()) } else { Err(self.refusal(&rules.set, &stopped)) }
    }

    /// The same for rules that are loaded at boot.
    pub(super) fn refuse_at_boot(&self, rules: &Rules) -> Result<()> {
        self.refuse(rules, &|_, _| false).map_err(|error| {
            let hint = crate::exit::hint(&error).unwrap_or_default().to_owned();
            anyhow!("after the next start {error}").hint(&hint)
        })
    }

    /// Who stops the questions of a network or the answers to it; where rules tell its parts apart, of which followers.
    fn stopped<'a>(
        &self,
        rules: &'a Rules,
        opens: &dyn Fn(&Stop, IpNet) -> bool,
        network: IpNet,
    ) -> Vec<(Stop, Packet<'a>)> {
        let Some(question) = rules.question(network, network) else { return Vec::new() };
        let whole = Way::of(&rules.set, question, opens);
        match whole.doubt {
            true => {
                let own = self.followers.iter().filter(|address| network.contains(*address));
                let one = |address| Packet { from: IpNet::from(address), ..question };
                own.filter_map(|address| Way::of(&rules.set, one(*address), opens).stop).collect()
            }
            false => whole.stop.into_iter().collect(),
        }
    }

    fn refusal(&self, rules: &Ruleset, list: &[(Stop, Packet<'_>)]) -> anyhow::Error {
        let stops_answers = list.first().is_some_and(|(_, packet)| packet.answer);
        // One sentence says one thing; the others are told when this is mended.
        let alike: Vec<_> = list.iter().filter(|(_, packet)| packet.answer == stops_answers).collect();
        let follower = |packet: &Packet<'_>| short(if packet.answer { packet.to } else { packet.from });
        let names: Vec<String> = alike.iter().take(MOST).map(|(_, packet)| follower(packet)).collect();
        let more = match alike.len().saturating_sub(MOST) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let first = list.first().map(|(stop, packet)| (stop, advice(rules, stop, packet, None)));
        let (place, fix) = first.map_or_else(Default::default, |(stop, advice)| {
            let what = if stop.diverts { "sends elsewhere" } else { "stops" };
            (format!("`{}` in {} ({}) {what}", stop.words(), stop.place(), advice.owner), advice.words)
        });
        let names = names.join(", ");
        let what = match stops_answers {
            true => format!("what this host answers {names}{more} from 123/udp"),
            false => format!("what {names}{more} asks at 123/udp"),
        };
        let message = format!("the packet filter keeps followers out: {place} {what}");
        anyhow!(message).hint(&format!("on {}: {fix}", self.host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "10.10.10.0/24 10.10.10.1 dev host0 src 10.10.10.1 uid 0\n";

    fn seen(case: &str) -> Rules {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/firewall");
        let text = std::fs::read_to_string(format!("{folder}/{case}.txt")).unwrap();
        let (_, rules) = text.split_once("#: nft\n").unwrap();
        Rules::read(&format!("{rules}#: keepers\nuser 999\n#: routes\n{ROUTE}"))
    }

    fn refused(case: &str) -> Option<(String, String)> {
        let followers = vec!["10.10.10.2".parse().unwrap(), "10.10.10.3".parse().unwrap()];
        let filter = Filter { host: "m1".to_owned(), networks: vec!["10.10.10.0/24".parse().unwrap()], followers };
        let error = filter.refuse(&seen(case), &|_, _| false).err()?;
        Some((error.to_string(), crate::exit::hint(&error).unwrap().to_owned()))
    }

    #[test]
    fn rules_that_keep_followers_out_are_refused_with_the_way_out() {
        for (case, what, fix) in [
            (
                "rhel-iptables-services",
                "what 10.10.10.0/24 asks",
                "iptables -I INPUT -s 10.10.10.0/24 -p udp --dport 123 -j ACCEPT",
            ),
            (
                "answers-iptables",
                "what this host answers 10.10.10.0/24 from",
                "iptables -I OUTPUT -d 10.10.10.0/24 -p udp --sport 123 -j ACCEPT",
            ),
            (
                "answers-policy",
                "what this host answers 10.10.10.0/24 from",
                "nft insert rule inet f out ip daddr 10.10.10.0/24 udp sport 123 accept",
            ),
            (
                "answers-to-one",
                "what this host answers 10.10.10.3 from",
                "nft insert rule inet f out ip daddr 10.10.10.3 udp sport 123 accept",
            ),
            (
                "answers-egress",
                "what this host answers 10.10.10.0/24 from",
                "nft insert rule netdev lost e ip daddr 10.10.10.0/24 udp sport 123 accept",
            ),
        ] {
            let (message, hint) = refused(case).unwrap();
            assert!(message.contains(what), "{case}: {message}");
            assert!(hint.contains(fix), "{case}: {hint}");
        }
    }

    #[test]
    fn the_panic_mode_of_firewalld_is_named() {
        let (error, hint) = refused("firewalld-panic").unwrap();
        assert!(error.contains("firewalld_policy_drop") && error.contains("(firewalld) stops"), "{error}");
        assert!(hint.ends_with("which `firewall-cmd --panic-off` ends"), "{hint}");
    }

    #[test]
    fn what_lets_them_in_or_cannot_be_judged_is_no_refusal() {
        for case in [
            // Who has opened the socket of the answers is not read here.
            "answers-of-service",
            "rhel-iptables-open",
            "ufw-open",
            "limit-then-drop",
            "rpfilter",
            "no-track",
            "firewalld-rich",
            // Answers belong to a flow that was let in.
            "cis-outbound-closed",
            "egress-policy",
        ] {
            assert_eq!(refused(case), None, "{case}");
        }
    }

    #[test]
    fn what_zones_stop_is_told_from_what_others_stop() {
        let by_zones = |case: &str, from: &str| {
            let (rules, from) = (seen(case), from.parse().unwrap());
            let packet = rules.question("10.10.10.0/24".parse().unwrap(), from).unwrap();
            let Verdict::Stopped(stop) = walk::verdict(&rules.set, &packet, false) else { panic!("{case}") };
            stop.is_by_zones(&rules.set)
        };
        assert!(by_zones("firewalld-closed", "10.10.10.0/24"));
        assert!(by_zones("firewalld-policy", "10.10.10.2/32"));
        assert!(by_zones("firewalld-rich-drop", "10.10.10.2/32"));
        assert!(!by_zones("firewalld-direct", "10.10.10.2/32"));
        assert!(!by_zones("rhel-iptables-services", "10.10.10.0/24"));
    }
}
