//! The expressions of nftables' JSON: what a statement looks at, and with what it compares.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::ruleset::{Condition, Field, Item};

/// The elements of the sets and maps of one table, by their names.
pub(super) type Sets = BTreeMap<String, Vec<Value>>;

/// Greatest offset of a fragment; the bits above say something else.
const FRAGMENT: u64 = 0x3fff;

/// Returns the fields of the left side; `None` when the expression is about a protocol that has no ports.
pub(super) fn fields(left: &Value) -> Option<Vec<Field>> {
    if let Some(list) = left.get("concat").and_then(Value::as_array) {
        return list.iter().map(field).collect();
    }
    Some(vec![field(left)?])
}

fn field(left: &Value) -> Option<Field> {
    let word = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    if let Some(meta) = left.get("meta") {
        return Some(meta_field(&word(meta, "key")));
    }
    if let Some(payload) = left.get("payload") {
        return payload_field(&word(payload, "protocol"), &word(payload, "field"));
    }
    if let Some(ct) = left.get("ct") {
        return Some(match word(ct, "key").as_str() {
            "state" => Field::State,
            "direction" => Field::Direction,
            "status" => Field::Status,
            _ => Field::Other,
        });
    }
    if let Some(fib) = left.get("fib") {
        return Some(fib_field(fib));
    }
    if let Some([inner, Value::Number(mask)]) = left.get("&").and_then(Value::as_array).map(Vec::as_slice) {
        let cut = mask.as_u64().is_some_and(|mask| mask <= FRAGMENT);
        return match field(inner)? {
            Field::Fragment if cut => Some(Field::Fragment),
            _ => Some(Field::Other),
        };
    }
    Some(if left.get("tcp option").is_some() { Field::Of("tcp") } else { Field::Other })
}

fn meta_field(key: &str) -> Field {
    match key {
        "iif" | "iifname" => Field::InDevice,
        "oif" | "oifname" => Field::OutDevice,
        "l4proto" => Field::Protocol,
        "nfproto" | "protocol" => Field::Family,
        "skuid" => Field::User,
        "pkttype" => Field::Cast,
        _ => Field::Other,
    }
}

fn payload_field(protocol: &str, field: &str) -> Option<Field> {
    Some(match (protocol, field) {
        ("ip", "saddr") => Field::Source(true),
        ("ip", "daddr") => Field::Destination(true),
        ("ip6", "saddr") => Field::Source(false),
        ("ip6", "daddr") => Field::Destination(false),
        ("ip", "protocol") | ("ip6", "nexthdr") => Field::Protocol,
        ("th", "sport") => Field::SourcePort(None),
        ("th", "dport") => Field::DestinationPort(None),
        (_, "sport") => Field::SourcePort(Some(with_ports(protocol)?)),
        (_, "dport") => Field::DestinationPort(Some(with_ports(protocol)?)),
        ("ip", "frag-off") => Field::Fragment,
        ("tcp" | "udp" | "sctp" | "dccp", _) => Field::Of(with_ports(protocol)?),
        ("icmp" | "icmpv6" | "igmp" | "esp" | "ah" | "comp" | "udplite" | "arp", _) => return None,
        _ => Field::Other,
    })
}

/// The protocol, if it is one of those whose ports can be opened.
fn with_ports(protocol: &str) -> Option<&'static str> {
    ["tcp", "udp", "sctp", "dccp"].into_iter().find(|own| *own == protocol)
}

/// `fib daddr type`, without an interface that it would depend on.
fn fib_field(fib: &Value) -> Field {
    let flags: Vec<&str> = fib["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match (fib["result"].as_str(), flags.as_slice()) {
        (Some("type"), ["daddr"]) => Field::DestinationType,
        (Some("type"), ["saddr"]) => Field::SourceType,
        _ => Field::Other,
    }
}

/// Returns the condition of a `match` statement.
pub(super) fn condition(statement: &Value, sets: &Sets) -> Condition {
    let Some(fields) = fields(&statement["left"]) else { return Condition::Never };
    let (op, right) = (statement["op"].as_str().unwrap_or("=="), &statement["right"]);
    let (not, rows) = match op {
        // Of flags: whether one of them is set.
        "==" | "in" => (false, rows(right, fields.len(), sets)),
        "!=" => (true, rows(right, fields.len(), sets)),
        "<" | ">" | "<=" | ">=" => (false, compared(op, right)),
        _ => return Condition::Unknown,
    };
    if fields.contains(&Field::Status) {
        return status(op, not, &rows);
    }
    Condition::Among { fields, not, rows }
}

/// A packet whose addresses were changed has been sent elsewhere before; of the rest nothing is known.
fn status(op: &str, not: bool, rows: &[Vec<Item>]) -> Condition {
    let changed = |row: &Vec<Item>| matches!(row.as_slice(), [Item::Word(word)] if word == "dnat");
    match op == "in" && !not && rows.iter().all(changed) {
        true => Condition::Never,
        false => Condition::Unknown,
    }
}

fn compared(op: &str, right: &Value) -> Vec<Vec<Item>> {
    let Some(number) = right.as_u64() else { return vec![vec![Item::Unknown]] };
    let (first, last) = match op {
        "<" => match number.checked_sub(1) {
            Some(last) => (0, last),
            None => return Vec::new(),
        },
        ">" => (number.saturating_add(1), u64::MAX),
        "<=" => (0, number),
        _ => (number, u64::MAX),
    };
    vec![vec![Item::Numbers(first, last)]]
}

/// Returns the rows of the right side, a value for each of `width` fields.
pub(super) fn rows(right: &Value, width: usize, sets: &Sets) -> Vec<Vec<Item>> {
    if let Some(name) = right.as_str().and_then(|word| word.strip_prefix('@')) {
        let unknown = || vec![vec![Item::Unknown; width]];
        return sets.get(name).map_or_else(unknown, |elements| elements.iter().map(|one| row(one, width)).collect());
    }
    match right.get("set").or(Some(right)).and_then(Value::as_array) {
        Some(list) => list.iter().map(|one| row(one, width)).collect(),
        None => match right.get("set") {
            // A set of one element is written without brackets.
            Some(one) if !one.is_string() => vec![row(one, width)],
            Some(name) => rows(name, width, sets),
            None => vec![row(right, width)],
        },
    }
}

/// Returns one row: an element of a set, with what it counts left away.
pub(super) fn row(element: &Value, width: usize) -> Vec<Item> {
    let element = element.get("elem").and_then(|elem| elem.get("val")).unwrap_or(element);
    match element.get("concat").and_then(Value::as_array) {
        Some(list) => list.iter().map(item).collect(),
        None if width == 1 => vec![item(element)],
        None if element.as_str() == Some("*") => vec![Item::Any; width],
        None => vec![Item::Unknown; width],
    }
}

fn item(value: &Value) -> Item {
    match value {
        Value::String(word) if word == "*" => Item::Any,
        Value::String(word) => text(word),
        Value::Number(number) => number.as_u64().map_or(Item::Unknown, |number| Item::Numbers(number, number)),
        Value::Object(_) => compound(value).unwrap_or(Item::Unknown),
        _ => Item::Unknown,
    }
}

fn text(word: &str) -> Item {
    match word.parse::<IpAddr>() {
        Ok(address) => Item::Net(IpNet::from(address)),
        Err(_) => word.parse::<IpNet>().map_or_else(|_| Item::Word(word.to_owned()), Item::Net),
    }
}

fn compound(value: &Value) -> Option<Item> {
    if let Some(prefix) = value.get("prefix") {
        let address: IpAddr = prefix["addr"].as_str()?.parse().ok()?;
        let len = u8::try_from(prefix["len"].as_u64()?).ok()?;
        return IpNet::new(address, len).ok().map(Item::Net);
    }
    let [first, last] = value.get("range")?.as_array()?.as_slice() else { return None };
    match (item(first), item(last)) {
        (Item::Numbers(first, _), Item::Numbers(last, _)) => Some(Item::Numbers(first, last)),
        (Item::Net(first), Item::Net(last)) => Some(Item::Addresses(first.addr(), last.addr())),
        _ => None,
    }
}
