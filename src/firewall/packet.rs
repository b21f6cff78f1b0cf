//! One packet at a host, of NTP or of another service, and whether a condition holds for it: yes, no, or not to be told.

use std::net::IpAddr;

use ipnet::IpNet;

use super::known::Opening;
use super::ruleset::{Condition, Field, Item, Ruleset};

/// The UDP port of NTP.
pub const NTP: u64 = 123;

/// The port that the client asks from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientPort {
    /// 123, as ntpd and W32Time do.
    Ntp,
    /// One that the kernel chooses, as for chronyd.
    Chosen,
}

impl ClientPort {
    /// Linux: 32768 to 60999, Windows: 49152 to 65535.
    fn numbers(self) -> (u64, u64) {
        match self {
            ClientPort::Ntp => (NTP, NTP),
            ClientPort::Chosen => (32_768, 65_535),
        }
    }
}

/// Whose packet it is, on the host that sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// fleetclock's own probe, which runs as root.
    Probe,
    /// The time service, which may run as a user of its own.
    Service,
}

/// Packets of one kind: a question or an answer between a client, or a network of clients, and a server.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Whether it comes in.
    pub inbound: bool,
    /// Whether it is an answer.
    pub answer: bool,
    /// Source.
    pub from: IpNet,
    /// Destination.
    pub to: IpNet,
    /// The interface of this host.
    pub device: Option<&'a str>,
    /// What is asked: the port of the server, that of NTP as a rule.
    pub service: Opening,
    /// The port of the client.
    pub port: ClientPort,
    /// Who sends it.
    pub sender: Sender,
}

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It cannot be told.
    Unknown,
}

impl Truth {
    pub(super) fn of(holds: bool) -> Self {
        if holds { Truth::Yes } else { Truth::No }
    }

    pub(super) fn turned(self, not: bool) -> Self {
        match self {
            Truth::Yes if not => Truth::No,
            Truth::No if not => Truth::Yes,
            same => same,
        }
    }

    /// All hold.
    pub(super) fn all(list: impl IntoIterator<Item = Truth>) -> Self {
        let mut all = Truth::Yes;
        for one in list {
            match one {
                Truth::No => return Truth::No,
                Truth::Unknown => all = Truth::Unknown,
                Truth::Yes => {}
            }
        }
        all
    }

    /// At least one holds.
    pub(super) fn any(list: impl IntoIterator<Item = Truth>) -> Self {
        Truth::all(list.into_iter().map(|one| one.turned(true))).turned(true)
    }
}

/// What a packet says of itself in a field.
enum Value<'a> {
    Net(IpNet),
    Numbers(u64, u64),
    /// One of these words, which mean the same.
    Words(&'a [&'a str]),
    /// The field is not in this packet: no condition on it holds, turned round or not.
    Missing,
    Unknown,
}

/// The state of a flow, as far as it is known on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Its first packet.
    New,
    /// An answer to a question that was kept in mind.
    Established,
    /// Not kept in mind, on purpose.
    Untracked,
    /// Not known.
    Unknown,
}

impl Packet<'_> {
    /// Returns whether a condition holds.
    pub(super) fn holds(&self, condition: &Condition, flow: Flow) -> Truth {
        match condition {
            Condition::Unknown => Truth::Unknown,
            Condition::Never => Truth::No,
            Condition::Among { fields, not, rows } => {
                if fields.iter().any(|field| matches!(self.value(*field, flow), Value::Missing)) {
                    return Truth::No;
                }
                Truth::any(rows.iter().map(|row| self.fits(fields, row, flow))).turned(*not)
            }
        }
    }

    /// Returns whether each field has the value beside it.
    pub(super) fn fits(&self, fields: &[Field], row: &[Item], flow: Flow) -> Truth {
        if fields.len() != row.len() {
            return Truth::Unknown;
        }
        Truth::all(fields.iter().zip(row).map(|(field, item)| fit(&self.value(*field, flow), item)))
    }

    fn value(&self, field: Field, flow: Flow) -> Value<'_> {
        let four = self.from.addr().is_ipv4();
        let client = self.port.numbers();
        let server = (self.service.first, self.service.last);
        let (from, to) = if self.answer { (server, client) } else { (client, server) };
        match field {
            Field::Source(wanted) | Field::Destination(wanted) if wanted != four => Value::Missing,
            Field::Source(_) => Value::Net(self.from),
            Field::Destination(_) => Value::Net(self.to),
            Field::SourcePort(Some(of)) | Field::DestinationPort(Some(of)) | Field::Of(of)
                if of != self.service.protocol() =>
            {
                Value::Missing
            }
            Field::Protocol => Value::Words(self.service.words()),
            Field::Family if four => Value::Words(&["ipv4", "2", "ip"]),
            Field::Family => Value::Words(&["ipv6", "10", "ip6"]),
            Field::SourcePort(_) => Value::Numbers(from.0, from.1),
            Field::DestinationPort(_) => Value::Numbers(to.0, to.1),
            Field::InDevice => self.device(self.inbound),
            Field::OutDevice => self.device(!self.inbound),
            Field::State => match flow {
                Flow::New => Value::Words(&["new", "8"]),
                Flow::Established => Value::Words(&["established", "2"]),
                Flow::Untracked => Value::Words(&["untracked", "64"]),
                Flow::Unknown => Value::Unknown,
            },
            Field::Direction => Value::Words(if self.answer { &["reply", "1"] } else { &["original", "0"] }),
            Field::User if self.inbound || self.sender == Sender::Service => Value::Unknown,
            Field::User => Value::Words(&["root", "0"]),
            Field::SourceType => Value::Words(if self.inbound { &["unicast"] } else { &["local"] }),
            Field::DestinationType => Value::Words(if self.inbound { &["local"] } else { &["unicast"] }),
            Field::Cast => Value::Words(&["unicast", "host"]),
            // A packet that was sent elsewhere has ended there.
            Field::Status => Value::Words(&["none"]),
            Field::Fragment => Value::Numbers(0, 0),
            Field::Of(_) | Field::Other => Value::Unknown,
        }
    }

    fn device(&self, here: bool) -> Value<'_> {
        match &self.device {
            _ if !here => Value::Words(&[""]),
            Some(name) => Value::Words(std::slice::from_ref(name)),
            None => Value::Unknown,
        }
    }

    /// Returns whether the user of a rule is the one whose socket the time service sends by. Where that is not known,
    /// for questions, one of those that time services run as: the socket that answers may be root's.
    pub(super) fn is_service(&self, user: &Item, rules: &Ruleset) -> Truth {
        let own = if self.answer { rules.answers_as } else { rules.asks_as };
        let number = |name: &str| match name {
            "root" => Some(0),
            name => rules.users.iter().find(|(_, own)| own == name).map(|(number, _)| *number),
        };
        match (user, own) {
            (_, None) if self.answer => Truth::Unknown,
            (Item::Numbers(first, last), Some(own)) => Truth::of((*first..=*last).contains(&own)),
            (Item::Word(name), Some(own)) => number(name).map_or(Truth::Unknown, |number| Truth::of(number == own)),
            (Item::Word(name), None) if ["chrony", "_chrony", "ntp", "ntpsec"].contains(&name.as_str()) => Truth::Yes,
            (Item::Numbers(first, last), None) if first == last && rules.users.iter().any(|(own, _)| own == first) => {
                Truth::Yes
            }
            // Some run as root.
            _ => Truth::Unknown,
        }
    }
}

fn fit(value: &Value<'_>, item: &Item) -> Truth {
    match (value, item) {
        (Value::Missing, _) => Truth::No,
        (_, Item::Any) => Truth::Yes,
        (Value::Net(net), Item::Net(other)) => overlap(other.contains(net), net.contains(other)),
        (Value::Net(net), Item::Addresses(first, last)) => range(*net, *first, *last),
        (Value::Numbers(low, high), Item::Numbers(first, last)) => {
            overlap(first <= low && high <= last, first <= high && low <= last)
        }
        (Value::Words(words), Item::Word(word)) => match word.strip_suffix('*') {
            Some(start) => Truth::of(words.iter().any(|own| own.starts_with(start))),
            None => Truth::of(words.contains(&word.as_str())),
        },
        (Value::Words(words), Item::Numbers(first, last)) if first == last => {
            Truth::of(words.contains(&first.to_string().as_str()))
        }
        _ => Truth::Unknown,
    }
}

/// All of it, a part of it, or none.
pub(super) fn overlap(all: bool, some: bool) -> Truth {
    match (all, some) {
        (true, _) => Truth::Yes,
        (false, true) => Truth::Unknown,
        (false, false) => Truth::No,
    }
}

fn range(net: IpNet, first: IpAddr, last: IpAddr) -> Truth {
    let (low, high) = (net.network(), net.broadcast());
    if low.is_ipv4() != first.is_ipv4() {
        return Truth::No;
    }
    overlap(first <= low && high <= last, first <= high && low <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(from: &str) -> Packet<'static> {
        let (from, to) = (from.parse().unwrap(), "10.0.0.1/32".parse().unwrap());
        let (port, sender) = (ClientPort::Chosen, Sender::Probe);
        let service = Opening::default();
        Packet { inbound: true, answer: false, from, to, device: Some("eth0"), service, port, sender }
    }

    fn truth(packet: &Packet<'_>, field: Field, not: bool, item: Item) -> Truth {
        packet.holds(&Condition::Among { fields: vec![field], not, rows: vec![vec![item]] }, Flow::New)
    }

    #[test]
    fn a_network_that_a_rule_has_in_part_is_not_known() {
        let net = |text: &str| Item::Net(text.parse().unwrap());
        let asks = question("10.0.0.0/24");
        assert_eq!(truth(&asks, Field::Source(true), false, net("10.0.0.0/8")), Truth::Yes);
        assert_eq!(truth(&asks, Field::Source(true), false, net("10.0.0.0/25")), Truth::Unknown);
        assert_eq!(truth(&asks, Field::Source(true), true, net("10.0.0.0/25")), Truth::Unknown);
        assert_eq!(truth(&asks, Field::Source(true), false, net("10.1.0.0/16")), Truth::No);
        assert_eq!(truth(&asks, Field::Source(true), true, net("10.1.0.0/16")), Truth::Yes);
        let range = Item::Addresses("10.0.0.7".parse().unwrap(), "10.0.1.0".parse().unwrap());
        assert_eq!(truth(&asks, Field::Source(true), false, range), Truth::Unknown);
    }

    #[test]
    fn a_condition_of_another_family_never_holds() {
        let net = Item::Net("2001:db8::/32".parse().unwrap());
        for not in [false, true] {
            assert_eq!(truth(&question("10.0.0.2/32"), Field::Source(false), not, net.clone()), Truth::No);
        }
    }

    #[test]
    fn the_port_that_a_kernel_chooses_is_any_of_many() {
        let ports =
            |first, last| truth(&question("10.0.0.2/32"), Field::SourcePort(None), false, Item::Numbers(first, last));
        assert_eq!(
            [ports(1024, 65_535), ports(123, 123), ports(40_000, 50_000)],
            [Truth::Yes, Truth::No, Truth::Unknown]
        );
    }

    #[test]
    fn ports_of_another_protocol_are_in_no_packet() {
        let asks = |service: &str| Packet { service: Opening::read(service).unwrap(), ..question("10.0.0.2/32") };
        let port = |service: &str, of, not, first, last| {
            truth(&asks(service), Field::DestinationPort(of), not, Item::Numbers(first, last))
        };
        assert_eq!(port("123/udp", Some("udp"), false, 123, 123), Truth::Yes);
        assert_eq!(port("4460/tcp", None, false, 4460, 4460), Truth::Yes);
        for not in [false, true] {
            assert_eq!(port("4460/tcp", Some("udp"), not, 4460, 4460), Truth::No);
            assert_eq!(truth(&asks("123/udp"), Field::Of("tcp"), not, Item::Any), Truth::No);
        }
        assert_eq!(port("60000-60100/udp", Some("udp"), false, 60_050, 61_000), Truth::Unknown);
        assert_eq!(truth(&asks("4460/tcp"), Field::Of("tcp"), false, Item::Numbers(2, 2)), Truth::Unknown);
        assert_eq!(truth(&asks("4460/tcp"), Field::Protocol, false, Item::Numbers(6, 6)), Truth::Yes);
    }

    #[test]
    fn a_rule_for_a_user_is_judged_by_the_user_of_the_service() {
        let users = vec![(102, "_chrony".to_owned()), (105, "ntpsec".to_owned())];
        let rules = |asks_as| Ruleset { users: users.clone(), asks_as, ..Ruleset::default() };
        let judged = |asks_as, item| question("10.0.0.2/32").is_service(&item, &rules(asks_as));
        let word = |name: &str| Item::Word(name.to_owned());
        // Both packages have left their users; one of the two runs.
        assert_eq!(judged(Some(105), word("_chrony")), Truth::No);
        assert_eq!(judged(Some(102), word("_chrony")), Truth::Yes);
        assert_eq!(judged(Some(105), Item::Numbers(100, 110)), Truth::Yes);
        assert_eq!(judged(Some(0), word("root")), Truth::Yes);
        assert_eq!(judged(Some(105), word("backup")), Truth::Unknown);
        assert_eq!(judged(None, word("_chrony")), Truth::Yes);
        let answer = Packet { answer: true, ..question("10.0.0.2/32") };
        let answers = |answers_as| answer.is_service(&word("_chrony"), &Ruleset { answers_as, ..rules(Some(102)) });
        assert_eq!([answers(None), answers(Some(0)), answers(Some(102))], [Truth::Unknown, Truth::No, Truth::Yes]);
        assert_eq!(
            [judged(None, Item::Numbers(102, 102)), judged(None, Item::Numbers(0, 0))],
            [Truth::Yes, Truth::Unknown]
        );
    }
}
