//! What firewalld's settings come to for those who are served: rich rules to add and to take away, doubts, refusals.

use ipnet::IpNet;

use super::{Door, Firewalld, Opening, is_for, lets_in};
use crate::firewall::filter::Rules;
use crate::firewall::precede::{Opened, Refusal};

/// A rich rule in a zone, in one of the states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) zone: String,
    pub(super) state: &'static str,
    pub(super) rule: String,
    /// Whom it lets in.
    pub(super) network: IpNet,
}

/// What has to change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) add: Vec<Row>,
    pub(super) remove: Vec<Row>,
    /// Our own rules as they are afterwards.
    pub(super) ours: Vec<Row>,
}

/// Where packets of a network that is served arrive.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) network: IpNet,
    /// All of the network, or a part of it.
    pub(super) from: IpNet,
    pub(super) zone: String,
}

impl Part {
    /// Whether the rules themselves let it in, whatever the settings of the zone say.
    pub(super) fn is_let_in(&self, rules: &Rules) -> bool {
        rules.question(self.network, self.from).is_some_and(|packet| lets_in(&rules.set, &packet, false))
    }
}

/// What has to change, and what could not be told.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) work: Work,
    pub(super) doubts: Vec<String>,
    /// What keeps somebody out and is not ours to take away, and the way out.
    pub(super) refused: Option<(String, String)>,
}

impl Found {
    /// Takes what a zone does with those whom a rule would let in; `open_now`: the rules as they work let them in.
    pub(super) fn take(&mut self, row: Row, door: &Door, open_now: bool, opened: &Opened) {
        let Row { zone, network, .. } = &row;
        let is_permanent = row.state == "permanent";
        let when = if is_permanent { " after its next start" } else { "" };
        match door {
            _ if open_now => {}
            Door::Open => {}
            Door::Closed | Door::OpenTo(_) => self.work.add.push(row),
            Door::Refused { policy, words } => {
                let (kind, name) = policy.as_ref().map_or(("zone", zone), |policy| ("policy", policy));
                let message = format!("firewalld keeps {network} out{when}: {kind} `{name}`: {words}");
                let from = source(&row.rule).unwrap_or(*network);
                let refusal = Refusal { kind, name, words, from, permanent: is_permanent, opened };
                // What is so now comes before what will be.
                if !is_permanent || self.refused.is_none() {
                    self.refused = Some((message, refusal.remedy()));
                }
            }
            Door::Doubt { words, shut } => {
                let what = format!("whether zone `{zone}` lets {network} in{when} could not be told");
                self.doubts.push(format!("firewalld: {what}: {words}"));
                if *shut {
                    self.work.add.push(row);
                }
            }
        }
    }
}

impl Work {
    /// Whether what is done lets somebody in now.
    pub(super) fn opens(&self, from: IpNet) -> bool {
        self.add.iter().any(|row| row.state == "running" && row.network.contains(&from))
    }

    /// Which of our own rules stay, and which are no longer wanted.
    pub(super) fn sort_out(&mut self, state: &Firewalld, wanted: &[(&'static str, Vec<Part>)], port: &Opening) {
        for (word, zone, rule) in state.ours.iter().filter(|(.., rule)| is_for(rule, port)) {
            let Some((word, parts)) = wanted.iter().find(|(known, _)| known == word) else { continue };
            let zones = if *word == "permanent" { &state.permanent.zones } else { &state.running.zones };
            // One that somebody has taken away is not ours any more.
            if !zones.get(zone).is_some_and(|zone| zone.rules.contains(rule)) {
                continue;
            }
            let Some(network) = source(rule) else { continue };
            let row = Row { zone: zone.clone(), state: word, rule: rule.clone(), network };
            let is_wanted =
                parts.iter().any(|part| part.zone == *zone && self::rule(part.from, &state.element()) == *rule);
            if is_wanted { self.ours.push(row) } else { self.remove.push(row) }
        }
    }
}

pub(super) fn row(zone: &str, state: &'static str, network: IpNet, element: &str) -> Row {
    Row { zone: zone.to_owned(), state, rule: rule(network, element), network }
}

pub(super) fn rule(network: IpNet, element: &str) -> String {
    let family = if network.addr().is_ipv4() { "ipv4" } else { "ipv6" };
    format!("rule family=\"{family}\" source address=\"{network}\" {element} accept")
}

/// Whom a rule of ours lets in.
fn source(rule: &str) -> Option<IpNet> {
    let (_, rest) = rule.split_once("address=\"")?;
    rest.split_once('"')?.0.parse().ok()
}
