//! What becomes of a packet: through the chains of each hook, in the order of their priorities.
//!
//! Whatever cannot be told is kept as a possibility. So a rule whose condition is not understood never
//! makes a verdict; it makes a doubt, which names the rule.

use std::net::IpAddr;

use super::packet::{Flow, Packet, Truth};
use super::ruleset::{Chain, Condition, Effect, Field, Hook, Item, Rule, Ruleset, Tool};

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stops it.
    Passes,
    /// This stops it, for sure.
    Stopped(Box<Stop>),
    /// It cannot be told.
    Maybe(Doubt),
}

/// Who stops a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The chain that the kernel has called.
    pub base: Chain,
    /// The chain that the rule stands in.
    pub chain: Chain,
    /// The rule; `None` is the policy of the chain.
    pub rule: Option<String>,
    /// How many packets the rule has counted, if it counts.
    pub packets: Option<u64>,
    /// Whether the packet is not dropped, but sent elsewhere.
    pub diverts: bool,
}

/// Why something cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// `chain inet filter input`.
    pub chain: String,
    /// The rule that is not understood, or that has not counted what it should have.
    pub rule: String,
}

impl Stop {
    /// Returns the chain in words: `chain inet filter input`.
    pub fn place(&self) -> String {
        place(&self.chain)
    }

    /// Returns the rule in words, or the policy.
    pub fn words(&self) -> String {
        self.rule.clone().unwrap_or_else(|| "policy drop".to_owned())
    }
}

fn place(chain: &Chain) -> String {
    match chain.tool {
        Tool::Nft => format!("chain {}", chain.full()),
        Tool::Iptables | Tool::Legacy => format!("chain {} {} {}", chain.family, chain.table, chain.name),
    }
}

/// Deeper than any ruleset goes that is not a loop.
const DEEPEST: usize = 16;

/// What may become of a packet in a chain.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    accepted: bool,
    stopped: bool,
    /// To the next rule.
    on: bool,
    /// To where the chain was called from.
    back: bool,
}

impl Ends {
    const ON: Ends = Ends { accepted: false, stopped: false, on: true, back: false };
    const ANY: Ends = Ends { accepted: true, stopped: true, on: true, back: false };
    const ACCEPTED: Ends = Ends { accepted: true, stopped: false, on: false, back: false };
    const STOPPED: Ends = Ends { accepted: false, stopped: true, on: false, back: false };
    const BACK: Ends = Ends { accepted: false, stopped: false, on: false, back: true };

    fn join(&mut self, other: Ends) {
        self.accepted |= other.accepted;
        self.stopped |= other.stopped;
        self.on |= other.on;
        self.back |= other.back;
    }
}

/// Sends a packet through. `asked` says that such packets were sent before the rules were read: then a rule
/// that has counted nothing has decided about none of them.
pub fn verdict(rules: &Ruleset, packet: &Packet<'_>, asked: bool) -> Verdict {
    let flow = match packet.answer {
        false => Flow::New,
        true => flow_of_answer(rules, packet),
    };
    Walk { asked, flow, ..Walk::new(rules, packet) }.all()
}

/// Returns what stops a packet for sure, if a rule that cannot be told decides about none.
pub(super) fn stop(rules: &Ruleset, packet: &Packet<'_>) -> Option<Stop> {
    match (Walk { strict: true, ..Walk::new(rules, packet) }).all() {
        Verdict::Stopped(stop) => Some(*stop),
        Verdict::Passes | Verdict::Maybe(_) => None,
    }
}

/// An answer belongs to a flow if its question was kept in mind.
fn flow_of_answer(rules: &Ruleset, packet: &Packet<'_>) -> Flow {
    let question = Packet { inbound: !packet.inbound, answer: false, from: packet.to, to: packet.from, ..*packet };
    let mut walk = Walk::new(rules, &question);
    walk.all();
    match walk.flow {
        Flow::New => Flow::Established,
        Flow::Untracked => Flow::New,
        other => other,
    }
}

/// A rule on the way, and how it was come to.
#[derive(Clone, Copy)]
struct Place<'a> {
    base: &'a Chain,
    chain: &'a Chain,
    rule: &'a Rule,
    depth: usize,
    /// Whether all conditions on the way are sure to hold.
    sure: bool,
}

struct Walk<'a> {
    rules: &'a Ruleset,
    packet: &'a Packet<'a>,
    asked: bool,
    /// Whether a rule that cannot be told is passed over.
    strict: bool,
    flow: Flow,
    /// The stop that was met last, and whether its rule is sure to match.
    stop: Option<(Stop, bool)>,
    doubt: Option<Doubt>,
}

/// Whether a rule of a chain of this family sees the packet.
fn sees(chain: &Chain, packet: &Packet<'_>) -> Truth {
    match chain.family.as_str() {
        "ip" if packet.from.addr().is_ipv6() => Truth::No,
        "ip6" if packet.from.addr().is_ipv4() => Truth::No,
        "ip" | "ip6" => Truth::Yes,
        // Whether the interface is a bridge is not known, and an address has to be asked for first.
        "bridge" | "arp" => Truth::Unknown,
        _ if matches!(chain.hook, Some(Hook::Ingress | Hook::Egress)) => match packet.device {
            Some(device) if !chain.devices.is_empty() => match chain.devices.iter().any(|own| own == device) {
                true => Truth::Yes,
                false => Truth::No,
            },
            _ => Truth::Unknown,
        },
        _ => Truth::Yes,
    }
}

impl<'a> Walk<'a> {
    fn new(rules: &'a Ruleset, packet: &'a Packet<'a>) -> Self {
        Walk { rules, packet, asked: false, strict: false, flow: Flow::New, stop: None, doubt: None }
    }

    fn all(&mut self) -> Verdict {
        let inbound = self.packet.inbound;
        let mut bases: Vec<(&'a Chain, Hook)> =
            self.rules.chains.iter().filter_map(|chain| Some((chain, chain.hook?))).collect();
        bases.retain(|(_, hook)| hook.is_inbound() == inbound);
        bases.sort_by_key(|(chain, hook)| (*hook, chain.priority));
        let mut doubt = None;
        for (base, _) in bases {
            let sees = sees(base, self.packet);
            // Only the first packet of a flow goes through a chain of nat.
            if sees == Truth::No || base.nat && self.packet.answer {
                continue;
            }
            (self.stop, self.doubt) = (None, None);
            let ends = self.base(base, sees == Truth::Yes);
            if !ends.accepted && !ends.on {
                return self.stopped();
            }
            if ends.stopped {
                doubt = doubt.or_else(|| self.in_doubt());
            }
        }
        doubt.map_or(Verdict::Passes, Verdict::Maybe)
    }

    fn base(&mut self, base: &'a Chain, sure: bool) -> Ends {
        let mut ends = self.chain(base, base, sure, 0);
        if ends.on && base.drops {
            ends.on = false;
            ends.stopped = true;
            self.note((base, base), None, sure);
        }
        if !sure {
            ends.on = true;
        }
        ends
    }

    /// Through the rules of a chain; `on` is then: to the end of it, or back.
    fn chain(&mut self, base: &'a Chain, chain: &'a Chain, sure: bool, depth: usize) -> Ends {
        let mut ends = Ends::default();
        for rule in &chain.rules {
            let matches = self.matches(rule);
            if matches == Truth::No {
                continue;
            }
            let here = self.rule(Place { base, chain, rule, depth, sure: sure && matches == Truth::Yes });
            ends.join(Ends { on: here.back, back: false, ..here });
            if matches == Truth::Unknown {
                if here.accepted || here.stopped || here.back {
                    self.doubt(chain, rule);
                }
            } else if !here.on {
                return ends;
            }
        }
        ends.on = true;
        ends
    }

    fn rule(&mut self, place: Place<'a>) -> Ends {
        let mut here = Ends::ON;
        for effect in &place.rule.effects {
            here.on = false;
            here.join(self.effect(place, effect));
            if !here.on {
                break;
            }
        }
        here
    }

    fn matches(&self, rule: &Rule) -> Truth {
        let truth = |condition: &Condition| match self.users(condition) {
            Some(truth) => truth,
            None => self.packet.holds(condition, self.flow),
        };
        match Truth::all(rule.conditions.iter().map(truth)) {
            Truth::Unknown if self.strict || self.asked && rule.packets == Some(0) => Truth::No,
            truth => truth,
        }
    }

    /// A rule about the user of the time service, when it is the sender.
    fn users(&self, condition: &Condition) -> Option<Truth> {
        let Condition::Among { fields, not, rows } = condition else { return None };
        let sends = self.packet.sender == super::Sender::Service && !self.packet.inbound;
        let fits =
            |row: &Vec<Item>| row.first().map_or(Truth::Unknown, |user| self.packet.is_service(user, self.rules));
        (sends && fields == &[Field::User]).then(|| Truth::any(rows.iter().map(fits)).turned(*not))
    }

    fn effect(&mut self, place: Place<'a>, effect: &'a Effect) -> Ends {
        match effect {
            Effect::Accept | Effect::Disguise => Ends::ACCEPTED,
            Effect::Stop => {
                self.note((place.base, place.chain), Some(place.rule), place.sure);
                Ends::STOPPED
            }
            Effect::Return => Ends::BACK,
            Effect::Jump(name) => self.jump(place, name),
            Effect::Goto(name) => {
                let ends = self.jump(place, name);
                Ends { on: false, back: ends.on, ..ends }
            }
            Effect::Choose { fields, rows } => self.choose(place, fields, rows),
            Effect::Divert(to, port) => self.divert(place, *to, *port),
            Effect::Forget => {
                self.flow = if place.sure { Flow::Untracked } else { Flow::Unknown };
                Ends::ON
            }
            Effect::Unknown => self.unknown(place),
        }
    }

    fn unknown(&mut self, place: Place<'a>) -> Ends {
        if self.strict {
            return Ends::ON;
        }
        self.doubt(place.chain, place.rule);
        self.note((place.base, place.chain), Some(place.rule), false);
        Ends::ANY
    }

    fn jump(&mut self, place: Place<'a>, name: &str) -> Ends {
        match self.rules.beside(place.chain, name) {
            Some(other) if place.depth < DEEPEST => self.chain(place.base, other, place.sure, place.depth + 1),
            _ => self.unknown(place),
        }
    }

    /// A verdict map: the row that fits, or all that may.
    fn choose(&mut self, place: Place<'a>, fields: &[Field], rows: &'a [(Vec<Item>, Effect)]) -> Ends {
        let mut ends = Ends::ON;
        for (row, effect) in rows {
            let fits = self.packet.fits(fields, row, self.flow);
            if fits == Truth::No || self.strict && fits == Truth::Unknown {
                continue;
            }
            let sure = place.sure && fits == Truth::Yes;
            let next = self.effect(Place { sure, ..place }, effect);
            if fits == Truth::Yes {
                return next;
            }
            self.doubt(place.chain, place.rule);
            ends.join(next);
        }
        ends
    }

    /// To another address or port: this host, or this server, is not asked.
    fn divert(&mut self, place: Place<'a>, to: Option<IpAddr>, port: Option<u16>) -> Ends {
        if to.is_none_or(|to| self.packet.to.addr() == to)
            && port.is_none_or(|port| self.packet.service.numbers() == (port, port))
        {
            return Ends::ACCEPTED;
        }
        self.note((place.base, place.chain), Some(place.rule), place.sure);
        if let Some((stop, _)) = &mut self.stop {
            stop.diverts = true;
        }
        Ends::STOPPED
    }

    fn note(&mut self, (base, chain): (&Chain, &Chain), rule: Option<&Rule>, sure: bool) {
        if !sure && self.stop.is_some() {
            return;
        }
        let bare = |chain: &Chain| Chain { rules: Vec::new(), ..chain.clone() };
        let stop = Stop {
            base: bare(base),
            chain: bare(chain),
            rule: rule.map(|rule| rule.shown.clone()),
            packets: rule.and_then(|rule| rule.packets),
            diverts: false,
        };
        self.stop = Some((stop, sure));
    }

    fn doubt(&mut self, chain: &Chain, rule: &Rule) {
        self.doubt.get_or_insert_with(|| Doubt { chain: place(chain), rule: rule.shown.clone() });
    }

    fn stopped(&mut self) -> Verdict {
        match self.stop.take() {
            // It should have counted what was asked, if that had come so far.
            Some((stop, _)) if self.asked && stop.packets == Some(0) => {
                Verdict::Maybe(Doubt { chain: stop.place(), rule: stop.words() })
            }
            Some((stop, _)) => Verdict::Stopped(Box::new(stop)),
            None => Verdict::Passes,
        }
    }

    fn in_doubt(&mut self) -> Option<Doubt> {
        let stop = self.stop.take();
        let of_stop = |(stop, _): (Stop, bool)| Doubt { chain: stop.place(), rule: stop.words() };
        self.doubt.take().or_else(|| stop.map(of_stop))
    }
}
