//! What `nft -j list ruleset` prints, with `nft -a list ruleset` behind it for the words of each rule.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::expression::{self, Sets};
use super::ruleset::{Chain, Condition, Effect, Hook, Rule, Ruleset, Tool};

/// Printed in the place of rules that cannot be read.
pub(super) const UNREADABLE: &str = "unreadable";

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Object>,
}

/// One object of the listing; others (tables, counters, flow tables) decide about no packet.
#[derive(Deserialize)]
struct Object {
    chain: Option<ChainObject>,
    rule: Option<RuleObject>,
    set: Option<SetObject>,
    map: Option<SetObject>,
}

#[derive(Deserialize)]
struct ChainObject {
    family: String,
    table: String,
    name: String,
    hook: Option<String>,
    #[serde(default)]
    prio: i64,
    #[serde(rename = "type", default)]
    kind: String,
    policy: Option<String>,
    dev: Option<Value>,
}

#[derive(Deserialize)]
struct RuleObject {
    family: String,
    table: String,
    chain: String,
    #[serde(default)]
    handle: u64,
    #[serde(default)]
    expr: Vec<Value>,
}

#[derive(Deserialize)]
struct SetObject {
    family: String,
    table: String,
    name: String,
    #[serde(default)]
    elem: Vec<Value>,
}

/// Reads what the part printed.
pub fn read(text: &str) -> Ruleset {
    let (json, words) = text.trim_start().split_once('\n').unwrap_or((text.trim(), ""));
    if text.trim().is_empty() {
        return Ruleset::default();
    }
    match serde_json::from_str::<Listing>(json) {
        Ok(listing) => build(listing, &Words::read(words)),
        // Also text that was cut, and an `nft` without JSON.
        Err(_) => Ruleset { unread: true, ..Ruleset::default() },
    }
}

/// Family and name of a table.
type Table = (String, String);

fn build(listing: Listing, words: &Words) -> Ruleset {
    let mut sets: BTreeMap<Table, Sets> = BTreeMap::new();
    for object in &listing.nftables {
        for set in object.set.iter().chain(&object.map) {
            let table = (set.family.clone(), set.table.clone());
            sets.entry(table).or_default().insert(set.name.clone(), set.elem.clone());
        }
    }
    let (none, mut rules) = (Sets::new(), Ruleset::default());
    for object in listing.nftables {
        if let Some(chain) = object.chain {
            rules.chains.push(chain.chain(words));
        }
        let Some(rule) = object.rule else { continue };
        let sets = sets.get(&(rule.family.clone(), rule.table.clone())).unwrap_or(&none);
        let is_it =
            |chain: &&mut Chain| chain.family == rule.family && chain.table == rule.table && chain.name == rule.chain;
        // The rules of a chain come one after the other.
        if let Some(chain) = rules.chains.iter_mut().rev().find(is_it) {
            let full = chain.full();
            chain.rules.push(self::rule(&rule.expr, sets, words.rule(&full, rule.handle)));
        }
    }
    rules
}

impl ChainObject {
    fn chain(self, words: &Words) -> Chain {
        let chain = Chain {
            hook: self.hook.as_deref().and_then(Hook::read),
            priority: self.prio,
            nat: self.kind == "nat",
            drops: self.policy.as_deref() == Some("drop"),
            tool: tool(&self.family, &self.table, self.hook.as_deref(), &self.name),
            family: self.family,
            table: self.table,
            name: self.name,
            ..Chain::default()
        };
        let devices = match self.dev {
            Some(Value::String(device)) => vec![device],
            Some(Value::Array(list)) => list.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
            _ => words.devices.get(&chain.full()).cloned().unwrap_or_default(),
        };
        Chain { devices, ..chain }
    }
}

/// iptables keeps its rules in tables that have its own names.
fn tool(family: &str, table: &str, hook: Option<&str>, name: &str) -> Tool {
    let own = matches!(family, "ip" | "ip6") && matches!(table, "filter" | "nat" | "mangle" | "raw" | "security");
    // A chain that is not at a hook belongs to whoever wrote those that are.
    let upper = hook.is_none() || name.chars().all(|c| c.is_ascii_uppercase());
    if own && upper { Tool::Iptables } else { Tool::Nft }
}

fn rule(statements: &[Value], sets: &Sets, shown: String) -> Rule {
    let mut rule = Rule { shown, ..Rule::default() };
    for statement in statements {
        let Some((key, value)) = statement.as_object().and_then(|object| object.iter().next()) else {
            // `"accept"`: some versions write a bare word.
            rule.add(statement.as_str().unwrap_or_default(), &Value::Null, sets);
            continue;
        };
        rule.add(key, value, sets);
    }
    rule
}

impl Rule {
    fn add(&mut self, key: &str, value: &Value, sets: &Sets) {
        match key {
            "match" => self.conditions.push(expression::condition(value, sets)),
            "counter" => self.packets = value["packets"].as_u64(),
            // What is noted or marked goes on as it was.
            "log" | "comment" | "continue" | "flow" | "ct helper" | "ct timeout" | "ct expectation" | "secmark"
            | "dup" | "last" | "synproxy" => {}
            "mangle" if value["key"].get("payload").is_none() => {}
            // A set that notes who was here, unless it counts how often.
            "set" | "map" if value.get("stmt").is_none_or(|stmt| stmt.as_array().is_some_and(Vec::is_empty)) => {}
            _ => match effect(key, value, sets) {
                Some(effect) => self.effects.push(effect),
                None => self.conditions.push(Condition::Unknown),
            },
        }
    }
}

/// Returns what a statement does; `None` when it is a condition that is not known.
fn effect(key: &str, value: &Value, sets: &Sets) -> Option<Effect> {
    let target = || value["target"].as_str().unwrap_or_default().to_owned();
    Some(match key {
        "accept" => Effect::Accept,
        "drop" | "reject" => Effect::Stop,
        "return" => Effect::Return,
        "continue" => return None,
        "jump" => Effect::Jump(target()),
        "goto" => Effect::Goto(target()),
        "vmap" => choose(value, sets),
        "dnat" | "redirect" => divert(value),
        "snat" | "masquerade" => Effect::Disguise,
        "notrack" => Effect::Forget,
        // The packet goes out again, or to a program, or is made another one.
        "queue" | "tproxy" | "fwd" | "mangle" => Effect::Unknown,
        _ => return None,
    })
}

fn divert(value: &Value) -> Effect {
    let port = match &value["port"] {
        Value::Null => None,
        port => match port.as_u64().and_then(|port| u16::try_from(port).ok()) {
            Some(port) => Some(port),
            None => return Effect::Unknown,
        },
    };
    match &value["addr"] {
        Value::Null => Effect::Divert(None, port),
        address => match address.as_str().and_then(|text| text.parse().ok()) {
            Some(address) => Effect::Divert(Some(address), port),
            None => Effect::Unknown,
        },
    }
}

/// A verdict map: its rows stand here, or in a map of their own.
fn choose(value: &Value, sets: &Sets) -> Effect {
    // A key of a protocol without ports is in no packet that is asked about.
    let Some(fields) = expression::fields(&value["key"]) else {
        return Effect::Choose { fields: Vec::new(), rows: Vec::new() };
    };
    let data = &value["data"];
    let named = data.as_str().or_else(|| data["set"].as_str()).and_then(|name| name.strip_prefix('@'));
    let Some(list) = named.map_or_else(|| data["set"].as_array(), |name| sets.get(name)) else {
        return Effect::Unknown;
    };
    let row = |pair: &Value| {
        let (key, verdict) = (pair.get(0)?, pair.get(1)?);
        let effect = match verdict.as_object().and_then(|object| object.iter().next()) {
            Some((key, _)) if key == "continue" => None,
            Some((key, value)) => Some(effect(key, value, sets).unwrap_or(Effect::Unknown)),
            None => Some(Effect::Unknown),
        };
        Some((expression::row(key, fields.len()), effect?))
    };
    let rows = list.iter().filter_map(row).collect();
    Effect::Choose { fields, rows }
}

/// The words of the rules, by chain and handle, and the interfaces of chains.
struct Words {
    rules: BTreeMap<(String, u64), String>,
    devices: BTreeMap<String, Vec<String>>,
}

impl Words {
    fn read(text: &str) -> Self {
        let mut words = Words { rules: BTreeMap::new(), devices: BTreeMap::new() };
        let (mut table, mut chain) = (String::new(), String::new());
        for line in text.lines().map(str::trim) {
            let (line, handle) = line.rsplit_once(" # handle ").unwrap_or((line, ""));
            if let Some(name) = line.strip_prefix("table ") {
                name.trim_end_matches(" {").clone_into(&mut table);
            } else if let Some(name) = line.strip_prefix("chain ") {
                chain = format!("{table} {}", name.trim_end_matches(" {"));
            } else if line.starts_with("type ") {
                words.devices.extend(devices(line).map(|list| (chain.clone(), list)));
            } else if let Ok(handle) = handle.parse() {
                words.rules.insert((chain.clone(), handle), line.to_owned());
            }
        }
        words
    }

    fn rule(&self, chain: &str, handle: u64) -> String {
        let found = self.rules.get(&(chain.to_owned(), handle)).cloned();
        found.unwrap_or_else(|| format!("rule with handle {handle}"))
    }
}

/// `type filter hook ingress device "eth0" priority 0`, or `devices = { eth0, eth1 }`.
fn devices(line: &str) -> Option<Vec<String>> {
    let (_, rest) = line.split_once(" device")?;
    let (list, _) = rest.split_once(" priority")?;
    let names = list.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | ':')));
    Some(names.filter(|name| !name.is_empty() && *name != "s").map(str::to_owned).collect())
}
