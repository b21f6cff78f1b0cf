//! Servers of time as roles write them: names with options in one text, maps, and what W32Time has in its registry.

use std::iter::Peekable;

use super::view::View;
use crate::facts::services::Ability;
use crate::import::words::{is_address, span, truth};
use crate::yaml::out::Out;
use crate::yaml::tree::{At, Kind, Node};

/// A server and the options that we know.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Server {
    pub(super) address: String,
    pub(super) at: At,
    pub(super) pool: bool,
    prefer: bool,
    slow: bool,
    /// Those of [`OF_SOURCE`], as the inventory has them.
    more: Vec<(&'static str, Out)>,
    /// Options that we do not know, or not with this value, by their names.
    lost: Vec<String>,
}

/// What an option is given.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    Whole(i64, i64),
    Seconds,
    /// More than none.
    Length,
    Word(&'static str),
}

/// The options of chrony and ntpd that an inventory has as well, in its order, and what they ask of a time service;
/// one without poll intervals makes of them what it can.
const OF_SOURCE: &[(&str, Takes, Option<Ability>)] = &[
    ("minpoll", Takes::Whole(-6, 24), None),
    ("maxpoll", Takes::Whole(-6, 24), None),
    ("burst", Takes::Nothing, Some(Ability::Burst)),
    ("version", Takes::Whole(1, 4), Some(Ability::Version)),
    ("xleave", Takes::Nothing, Some(Ability::Xleave)),
    ("noselect", Takes::Nothing, Some(Ability::NoSelect)),
    ("trust", Takes::Nothing, Some(Ability::Trust)),
    ("require", Takes::Nothing, Some(Ability::Require)),
    ("offset", Takes::Seconds, Some(Ability::Offset)),
    ("maxdelay", Takes::Length, Some(Ability::MaxDelay)),
    ("filter", Takes::Whole(1, 64), Some(Ability::Filter)),
    ("presend", Takes::Whole(1, 24), Some(Ability::Presend)),
    ("extfield", Takes::Word("F323"), Some(Ability::ExtensionField)),
    ("maxsources", Takes::Whole(1, 16), Some(Ability::MaxSources)),
];

impl Takes {
    fn read(self, text: &str) -> Option<Out> {
        let number = text.parse::<f64>().ok();
        match self {
            Takes::Nothing => Some(Out::Bool(true)),
            Takes::Whole(least, most) => text.parse().ok().filter(|n| (least..=most).contains(n)).map(Out::Number),
            Takes::Seconds => number.and_then(span).map(Out::text),
            Takes::Length => number.filter(|seconds| *seconds > 0.0).and_then(span).map(Out::text),
            Takes::Word(word) => word.eq_ignore_ascii_case(text).then(|| Out::text(word)),
        }
    }
}

/// The keys under which maps have the name of a server.
const NAMES: &[&str] = &["hostname", "server", "address", "name", "host", "fqdn", "ip", "addr", "pool_name"];
const OPTIONS: &[&str] = &["options", "opts", "params", "args"];
/// Options that are defaults, or change nothing here.
const IDLE: &[&str] = &["auto_offline", "state", "comment", "weight"];

/// The servers that a value names.
pub(super) fn servers(node: &Node, pool: bool) -> Vec<Server> {
    match &node.kind {
        Kind::List(list) => list.iter().flat_map(|node| servers(node, pool)).collect(),
        Kind::Map(pairs) if NAMES.iter().any(|name| node.get(name).is_some()) => of_map(node, pairs, pool),
        // `{ time.example.com: "iburst prefer" }`.
        Kind::Map(pairs) => {
            let words = |node: &Node| node.scalar().unwrap_or_default();
            pairs
                .iter()
                .flat_map(|(key, node)| of_text(&format!("{} {}", key.text, words(node)), key.at, pool))
                .collect()
        }
        _ => of_text(&node.scalar().unwrap_or_default(), node.at, pool),
    }
}

fn of_map(node: &Node, pairs: &[(crate::yaml::tree::Key, Node)], pool: bool) -> Vec<Server> {
    let address = NAMES.iter().find_map(|name| node.get(name)?.scalar()).unwrap_or_default();
    let mut list = of_text(&address, node.at, pool);
    let Some(server) = list.first_mut() else { return list };
    for (key, value) in pairs.iter().filter(|(key, _)| !NAMES.contains(&key.text.as_str())) {
        let text = value.scalar().unwrap_or_default();
        match key.text.as_str() {
            "type" | "mode" => server.pool |= text == "pool",
            word if OPTIONS.contains(&word) => {
                let words = match &value.kind {
                    Kind::List(list) => list.iter().filter_map(Node::scalar).collect(),
                    _ => vec![text],
                };
                let words = words.join(" ");
                read_options(server, words.split_whitespace());
            }
            word => option(server, word, &text),
        }
    }
    list
}

/// `[server|pool] NAME [OPTION...]`, several names, or `NAME,0x9 NAME,0x9`.
fn of_text(text: &str, at: At, pool: bool) -> Vec<Server> {
    let text = if text.contains(",0x") { text.to_owned() } else { text.replace(',', " ") };
    let mut list: Vec<Server> = Vec::new();
    let (mut pool, mut words) = (pool, text.split_whitespace().peekable());
    while let Some(word) = words.next() {
        let word = word.split(",0x").next().unwrap_or_default();
        match list.last_mut() {
            None if matches!(word, "server" | "peer" | "pool") => pool |= word == "pool",
            // What has a dot is a further server, and no option.
            Some(server) if !word.contains(['.', ':']) || word.parse::<f64>().is_ok() => {
                let value = value(word, &mut words);
                option(server, word, value);
            }
            _ => list.push(Server { address: word.to_owned(), at, pool, ..Server::default() }),
        }
    }
    list
}

fn read_options<'a>(server: &mut Server, words: impl Iterator<Item = &'a str>) {
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let value = value(word, &mut words);
        option(server, word, value);
    }
}

/// What stands behind an option, if that is its value.
fn value<'a>(option: &str, words: &mut Peekable<impl Iterator<Item = &'a str>>) -> &'a str {
    let has_word = known(option).is_some_and(|(_, takes, _)| matches!(takes, Takes::Word(_)));
    words.next_if(|next| has_word || next.parse::<f64>().is_ok()).unwrap_or("true")
}

fn known(option: &str) -> Option<&'static (&'static str, Takes, Option<Ability>)> {
    OF_SOURCE.iter().find(|(name, ..)| *name == option)
}

fn option(server: &mut Server, name: &str, value: &str) {
    // `minpoll 0` is a number, and switches nothing off.
    let on = truth(value) != Some(false) || known(name).is_some_and(|(_, takes, _)| !matches!(takes, Takes::Nothing));
    match (name, known(name)) {
        ("pool", _) => server.pool |= on,
        ("prefer", _) => server.prefer |= on,
        ("iburst", _) => server.slow |= !on,
        (idle, _) if IDLE.contains(&idle) => {}
        // An option that is switched off is not lost.
        _ if !on => {}
        (_, Some((name, takes, _))) if takes.read(value).is_some() => {
            server.more.retain(|(other, _)| other != name);
            server.more.extend(takes.read(value).map(|value| (*name, value)));
        }
        (other, _) => server.lost.push(other.to_owned()),
    }
}

impl Server {
    /// Whether the clock may follow it.
    pub(super) fn counts(&self) -> bool {
        !self.more.iter().any(|(name, _)| *name == "noselect")
    }

    /// As a line of `upstream`; what is lost is noted.
    pub(super) fn out(&self, view: &mut View<'_>) -> Option<Out> {
        if !is_address(&self.address) {
            view.notes.say(self.at, format!("`{}` is no name or address of a server; left out", self.address));
            return None;
        }
        for option in &self.lost {
            let text = format!(
                "the option `{option}` of the server `{}` has no counterpart in the inventory; it is a line of a template of your own",
                self.address
            );
            view.notes.say(self.at, text);
        }
        let flags = [("pool", self.pool), ("prefer", self.prefer)];
        let flags = flags.into_iter().filter(|(_, on)| *on).map(|(name, _)| (name.to_owned(), Out::Bool(true)));
        let slow = self.slow.then(|| ("iburst".to_owned(), Out::Bool(false)));
        let options: Vec<(String, Out)> = flags.chain(slow).chain(self.of_source(view)).collect();
        let address = Out::text(&self.address);
        Some(if options.is_empty() {
            address
        } else {
            Out::Map(std::iter::once(("address".to_owned(), address)).chain(options).collect())
        })
    }

    /// The options that the time service of the host can do something with.
    fn of_source(&self, view: &mut View<'_>) -> Vec<(String, Out)> {
        let mut options = Vec::new();
        for (name, _, ability) in OF_SOURCE {
            let Some((_, value)) = self.more.iter().find(|(said, _)| said == name) else { continue };
            let one = (*name == "maxsources" && !self.pool).then(|| "one server is one source".to_owned());
            match one.or_else(|| view.refusal((*ability)?)) {
                Some(why) => {
                    let text = format!("the option `{name}` of the server `{}` is left out: {why}", self.address);
                    view.notes.say(self.at, text);
                }
                None => options.push(((*name).to_owned(), value.clone())),
            }
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_as_roles_write_them() {
        for (text, shown) in [
            (
                "['0.pool.ntp.org iburst', 'server ntp1.lab prefer minpoll 4']",
                "0.pool.ntp.org ntp1.lab prefer minpoll:4",
            ),
            ("time.a.lab,0x9 time.b.lab,0x8", "time.a.lab time.b.lab"),
            ("'ntp1.lab ntp2.lab'", "ntp1.lab ntp2.lab"),
            ("[{ hostname: ntp1.lab, iburst: yes, pool: true, nts: no }]", "ntp1.lab pool"),
            ("[{ server: 10.0.0.1, options: [iburst, prefer] }]", "10.0.0.1 prefer"),
            ("{ ntp1.lab: iburst maxpoll 6, ntp2.lab: }", "ntp1.lab maxpoll:6 ntp2.lab"),
            ("'pool kr.pool.ntp.org iburst maxsources 3'", "kr.pool.ntp.org pool maxsources:3"),
            ("'ntp1.lab key 5 nts'", "ntp1.lab lost:key lost:nts"),
            (
                "[{ hostname: a.lab, trust: yes, xleave: true, filter: 5, burst: no, minpoll: 0, maxpoll: 0 }]",
                "a.lab trust:true xleave:true filter:5 minpoll:0 maxpoll:0",
            ),
            (
                "'a.lab noselect offset -0.0012 maxdelay 0.25 b.lab'",
                "a.lab noselect:true offset:\"-1200us\" maxdelay:250ms b.lab",
            ),
            ("'a.lab extfield f323 presend 9 version 3'", "a.lab extfield:F323 presend:9 version:3"),
            (
                "'a.lab minpoll 99 maxdelay 0 version 5 extfield F324 filter'",
                "a.lab lost:minpoll lost:maxdelay lost:version lost:extfield lost:filter",
            ),
        ] {
            let node = crate::import::tree::parse(text, 0, "t").unwrap();
            let one = |server: &Server| {
                let mut words = vec![server.address.clone()];
                words.extend(server.pool.then(|| "pool".to_owned()));
                words.extend(server.prefer.then(|| "prefer".to_owned()));
                words.extend(server.more.iter().map(|(name, value)| format!("{name}:{value}")));
                words.extend(server.lost.iter().map(|option| format!("lost:{option}")));
                words.join(" ")
            };
            let all: Vec<String> = servers(&node, false).iter().map(one).collect();
            assert_eq!(all.join(" "), shown, "{text}");
        }
    }
}
