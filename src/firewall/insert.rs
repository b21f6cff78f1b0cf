//! Where a rule of ours has to stand so that it lets a network in. The rules themselves are asked: the rule is put
//! at the end of a chain and goes up until the packets pass, so that it comes before what stops them and behind all else.

use ipnet::IpNet;

use super::iptables;
use super::known::Opening;
use super::packet::Packet;
use super::ruleset::{Chain, Condition, Effect, Field, Item, Rule, Ruleset};
use super::walk::{Stop, stop};

/// A rule of ours in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The chain, without its rules.
    pub(super) chain: Chain,
    /// How many rules stand before it.
    pub(super) at: usize,
    /// Whom it lets in.
    pub(super) network: IpNet,
    /// Whether none stands behind it.
    pub(super) last: bool,
}

/// What has to change in a set of rules: what goes stands where it stands now, what comes stands where it will when
/// the ones before it have come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Work {
    pub(super) remove: Vec<Row>,
    pub(super) add: Vec<Row>,
    /// The rules as they are then.
    pub(super) after: Ruleset,
}

/// Who wants to be let in, and where.
pub(super) struct Wish<'a> {
    pub(super) networks: &'a [IpNet],
    /// A question from a network; `None` where no way leads there.
    pub(super) question: &'a dyn Fn(IpNet) -> Option<Packet<'a>>,
    /// The rules of ours for this port in a chain: how many stand before each, and whom it lets in.
    pub(super) own: &'a dyn Fn(&Chain) -> Vec<(usize, IpNet)>,
    /// The chain in which a rule of ours may come before this stop.
    pub(super) target: &'a dyn Fn(&Ruleset, &Stop) -> Option<usize>,
}

impl Wish<'_> {
    /// Returns what has to change so that everybody is let in whom rules of ours can let in.
    pub(super) fn work(&self, rules: &Ruleset) -> Work {
        let mut work = Work { after: rules.clone(), ..Work::default() };
        let mut seen: Vec<(Chain, IpNet)> = Vec::new();
        // One that is there twice is once too often; commands that take one away by its words find the first.
        for row in self.ours(rules).into_iter().rev() {
            let known = (row.chain.clone(), row.network);
            if !self.networks.contains(&row.network) || seen.contains(&known) {
                work.remove.push(row);
            } else {
                seen.push(known);
            }
        }
        work.clean(rules);
        // One that stands too late is no use there.
        let is_late = |row: &Row| {
            let question = (self.question)(row.network);
            question.is_some_and(|question| stop(&work.after, &question).is_some())
        };
        let late: Vec<Row> =
            self.ours(rules).into_iter().filter(|row| !work.remove.contains(row)).filter(is_late).collect();
        work.remove.extend(late);
        work.remove.sort_by_key(|row| (row.chain.full(), row.at));
        work.clean(rules);
        for network in self.networks {
            let Some(question) = (self.question)(*network) else { continue };
            // Each base chain that stops them gets one, in the order of the packets' way.
            while let Some(row) = self.seated(&mut work.after, *network, &question) {
                work.add.push(row);
            }
        }
        work
    }

    /// Puts a rule of ours into the chain that stops a network, if it helps there.
    fn seated(&self, rules: &mut Ruleset, network: IpNet, question: &Packet<'_>) -> Option<Row> {
        let stop = stop(rules, question)?;
        let chain = (self.target)(rules, &stop)?;
        let at = seat(rules, chain, question, &stop.base)?;
        let own = rules.chains.get(chain)?;
        Some(Row { chain: bare(own), at, network, last: at + 1 == own.rules.len() })
    }

    fn ours(&self, rules: &Ruleset) -> Vec<Row> {
        let of = |chain: &Chain| -> Vec<Row> {
            let row = |(at, network)| Row { chain: bare(chain), at, network, last: at + 1 == chain.rules.len() };
            (self.own)(chain).into_iter().map(row).collect()
        };
        rules.chains.iter().flat_map(of).collect()
    }
}

impl Work {
    /// The rules without what goes.
    fn clean(&mut self, rules: &Ruleset) {
        self.after = rules.clone();
        for chain in &mut self.after.chains {
            let here = bare(chain);
            let gone = |at: usize| self.remove.iter().any(|row| row.at == at && row.chain == here);
            let kept = chain.rules.iter().enumerate().filter(|(at, _)| !gone(*at));
            chain.rules = kept.map(|(_, rule)| rule.clone()).collect();
        }
    }
}

fn bare(chain: &Chain) -> Chain {
    Chain { rules: Vec::new(), ..chain.clone() }
}

/// A rule that lets a question in, and nothing else.
fn accept(question: &Packet<'_>) -> Rule {
    let (network, service) = (question.from, question.service);
    let (first, last) = service.numbers();
    let four = network.addr().is_ipv4();
    let among = |field: Field, item: Item| Condition::Among { fields: vec![field], not: false, rows: vec![vec![item]] };
    Rule {
        shown: format!("accept {service} from {network}"),
        conditions: vec![
            among(Field::Source(four), Item::Net(network)),
            among(Field::Protocol, Item::Word(service.protocol().to_owned())),
            among(Field::DestinationPort(None), Item::Numbers(first.into(), last.into())),
        ],
        effects: vec![Effect::Accept],
        packets: None,
    }
}

/// Puts a rule of ours into a chain, before the first one that stops all of the network, and says how many stand
/// before it: then no rule of this base chain stops it any more. A rule that is about this network alone is
/// somebody's word, which ours does not overrule.
fn seat(rules: &mut Ruleset, chain: usize, question: &Packet<'_>, base: &Chain) -> Option<usize> {
    let mut at = rules.chains.get(chain)?.rules.len();
    rules.chains.get_mut(chain)?.rules.push(accept(question));
    while stop(rules, question).is_some_and(|stop| stop.base == *base) {
        let own = &mut rules.chains.get_mut(chain)?.rules;
        if at == 0 {
            own.remove(0);
            return None;
        }
        own.swap(at - 1, at);
        at -= 1;
    }
    let own = &mut rules.chains.get_mut(chain)?.rules;
    if own.get(at + 1).is_some_and(|rule| is_about(rule, question.from)) {
        own.remove(at);
        return None;
    }
    Some(at)
}

/// Whether a rule is about a network or a part of it, and about nobody else.
fn is_about(rule: &Rule, network: IpNet) -> bool {
    let within = |item: &Item| match item {
        Item::Net(net) => network.contains(net),
        Item::Addresses(first, last) => network.contains(first) && network.contains(last),
        _ => false,
    };
    rule.conditions.iter().any(|condition| match condition {
        Condition::Among { fields, not: false, rows } => fields.iter().enumerate().any(|(index, field)| {
            matches!(field, Field::Source(_)) && rows.iter().all(|row| row.get(index).is_some_and(within))
        }),
        _ => false,
    })
}

/// The comment of a rule of ours, where rules have comments.
pub(super) fn mark(network: IpNet, port: &Opening) -> String {
    format!("fleetclock {port} from {network}")
}

/// The rules of a chain that have such a comment for this port, and whom they let in.
pub(super) fn marked(chain: &Chain, port: &Opening) -> Vec<(usize, IpNet)> {
    let begin = format!("\"fleetclock {port} from ");
    let network = |rule: &Rule| rule.shown.split_once(&begin)?.1.split('"').next()?.parse().ok();
    chain.rules.iter().enumerate().filter_map(|(at, rule)| Some((at, network(rule)?))).collect()
}

/// Whether a rule says what these words of iptables say, in whatever order.
pub(super) fn is_like(rule: &Rule, network: IpNet, words: &str) -> bool {
    let wanted = iptables::rule(network.addr().is_ipv4(), &format!("-A x {words}"));
    let within = |one: &Rule, other: &Rule| one.conditions.iter().all(|own| other.conditions.contains(own));
    rule.effects == wanted.effects && within(rule, &wanted) && within(&wanted, rule)
}
