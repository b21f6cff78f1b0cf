//! Servers of time as roles write them: names with options in one text, maps, and what W32Time has in its registry.

use super::view::View;
use crate::import::words::{is_address, truth};
use crate::yaml::out::Out;
use crate::yaml::tree::{At, Kind, Node};

/// A server and the options that we know.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Server {
    pub(super) address: String,
    pub(super) at: At,
    pool: bool,
    prefer: bool,
    slow: bool,
    minpoll: Option<i64>,
    maxpoll: Option<i64>,
    /// Options that we do not know, by their names.
    lost: Vec<String>,
}

/// The keys under which maps have the name of a server.
const NAMES: &[&str] = &["hostname", "server", "address", "name", "host", "fqdn", "ip", "addr", "pool_name"];
const OPTIONS: &[&str] = &["options", "opts", "params", "args"];
/// Options that are defaults, or change nothing here.
const IDLE: &[&str] = &["burst", "version", "auto_offline", "state", "comment", "weight"];

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
                let numbered = words.peek().is_some_and(|next| next.parse::<f64>().is_ok());
                let value = if numbered { words.next().unwrap_or_default() } else { "true" };
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
        let numbered = words.peek().is_some_and(|next| next.parse::<f64>().is_ok());
        option(server, word, if numbered { words.next().unwrap_or_default() } else { "true" });
    }
}

fn option(server: &mut Server, name: &str, value: &str) {
    let on = truth(value) != Some(false);
    match name {
        "pool" => server.pool |= on,
        "prefer" => server.prefer |= on,
        "iburst" => server.slow |= !on,
        "minpoll" => server.minpoll = value.parse().ok(),
        "maxpoll" => server.maxpoll = value.parse().ok(),
        idle if IDLE.contains(&idle) => {}
        // An option that is switched off is not lost.
        other if on => server.lost.push(other.to_owned()),
        _ => {}
    }
}

impl Server {
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
        let polls = [("minpoll", self.minpoll), ("maxpoll", self.maxpoll)];
        let polls = polls.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Out::Number(value?))));
        let options: Vec<(String, Out)> = flags.chain(slow).chain(polls).collect();
        let address = Out::text(&self.address);
        Some(if options.is_empty() {
            address
        } else {
            Out::Map(std::iter::once(("address".to_owned(), address)).chain(options).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_as_roles_write_them() {
        for (text, shown) in [
            ("['0.pool.ntp.org iburst', 'server ntp1.lab prefer minpoll 4']", "0.pool.ntp.org ntp1.lab prefer 4"),
            ("time.a.lab,0x9 time.b.lab,0x8", "time.a.lab time.b.lab"),
            ("'ntp1.lab ntp2.lab'", "ntp1.lab ntp2.lab"),
            ("[{ hostname: ntp1.lab, iburst: yes, pool: true, nts: no }]", "ntp1.lab pool"),
            ("[{ server: 10.0.0.1, options: [iburst, prefer] }]", "10.0.0.1 prefer"),
            ("{ ntp1.lab: iburst maxpoll 6, ntp2.lab: }", "ntp1.lab 6 ntp2.lab"),
            ("'pool kr.pool.ntp.org iburst maxsources 3'", "kr.pool.ntp.org pool lost:maxsources"),
            ("'ntp1.lab key 5 nts'", "ntp1.lab lost:key lost:nts"),
        ] {
            let node = crate::import::tree::parse(text, 0, "t").unwrap();
            let one = |server: &Server| {
                let mut words = vec![server.address.clone()];
                words.extend(server.pool.then(|| "pool".to_owned()));
                words.extend(server.prefer.then(|| "prefer".to_owned()));
                words.extend(server.minpoll.or(server.maxpoll).map(|number| number.to_string()));
                words.extend(server.lost.iter().map(|option| format!("lost:{option}")));
                words.join(" ")
            };
            let all: Vec<String> = servers(&node, false).iter().map(one).collect();
            assert_eq!(all.join(" "), shown, "{text}");
        }
    }
}
