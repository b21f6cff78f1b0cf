//! Where time comes from and goes to: the lines of `upstream`, `follows` and `serve`.

use ipnet::IpNet;

use super::name::{is_given_name, is_itself, not_an_address, not_for_others, reference_clock, short};
use super::node::{At, Kind, Node};
use super::read::Reader;
use crate::model::MistakeCode;

/// One entry of `upstream` or `follows`: an address or a name of this file, with options.
#[derive(Debug, Clone)]
pub(super) struct SourceLine {
    pub(super) name: String,
    pub(super) at: At,
    /// Why its name is none of a server, unless a host or a group of this file is called so.
    pub(super) unless_known: Option<String>,
    pub(super) pool: bool,
    pub(super) windows: bool,
    pub(super) prefer: bool,
    pub(super) iburst: bool,
    pub(super) minpoll: Option<i8>,
    pub(super) maxpoll: Option<i8>,
}

impl Reader<'_> {
    /// A host name or an address: what a daemon's configuration takes as one word.
    pub(super) fn address(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        match not_an_address(&text) {
            None => return Some(text),
            Some(why) => self.wrong(node.at, format!("{what}: `{}` {why}", short(&text))),
        }
        None
    }

    /// A name that this file gives to a host or a group.
    pub(super) fn given_name(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        if is_given_name(&text) {
            return Some(text);
        }
        self.mistake(
            node.at,
            MistakeCode::UnknownName,
            format!("{what}: `{}` is no name of a host or a group", short(&text)),
        );
        None
    }

    pub(super) fn sources(&mut self, node: &Node, what: &str, subject: &str) -> Vec<SourceLine> {
        self.list(node).into_iter().filter_map(|node| self.source(node, what, subject)).collect()
    }

    fn source(&mut self, node: &Node, what: &str, subject: &str) -> Option<SourceLine> {
        let mut line = SourceLine {
            name: String::new(),
            at: node.at,
            unless_known: None,
            pool: false,
            windows: false,
            prefer: false,
            iburst: true,
            minpoll: None,
            maxpoll: None,
        };
        if !matches!(node.kind, Kind::Map(_)) {
            (line.name, line.unless_known) = self.source_name(node, what, subject)?;
            return Some(line);
        }
        let pool: &[&str] = if subject == "address" { &["pool", "windows"] } else { &[] };
        let known: Vec<&str> =
            [subject, "prefer", "iburst", "minpoll", "maxpoll"].iter().chain(pool).copied().collect();
        for (key, value) in &self.map(node, what, &known) {
            let what = &format!("{what}.{}", key.text);
            match key.text.as_str() {
                "pool" => line.pool = self.boolean(value, what)?,
                "windows" => line.windows = self.boolean(value, what)?,
                "prefer" => line.prefer = self.boolean(value, what)?,
                "iburst" => line.iburst = self.boolean(value, what)?,
                "minpoll" => line.minpoll = self.poll(value, what),
                "maxpoll" => line.maxpoll = self.poll(value, what),
                name if name == subject => {
                    (line.name, line.unless_known) = self.source_name(value, what, subject)?;
                    line.at = value.at;
                }
                _ => {}
            }
        }
        if line.name.is_empty() {
            self.missing(node.at, format!("{what}: `{subject}` is missing"));
            return None;
        }
        if let (Some(min), Some(max)) = (line.minpoll, line.maxpoll)
            && min > max
        {
            self.mistake(node.at, MistakeCode::Conflict, format!("{what}: minpoll {min} is above maxpoll {max}"));
        }
        Some(line)
    }

    /// `upstream` leads out of this file, `follows` to names of it. A name in `upstream` that can only be one
    /// of this file is judged when all of them are known.
    fn source_name(&mut self, node: &Node, what: &str, subject: &str) -> Option<(String, Option<String>)> {
        if subject != "address" {
            return Some((self.given_name(node, what)?, None));
        }
        let text = self.text(node, what)?;
        match not_a_server(&text).map(|why| format!("{what}: `{}` {why}", short(&text))) {
            why @ Some(_) if is_given_name(&text) => Some((text, why)),
            Some(why) => {
                self.wrong(node.at, why);
                None
            }
            None => Some((text, None)),
        }
    }

    /// Where others ask a host for time.
    pub(super) fn time_address(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.address(node, what)?;
        match not_for_others(&text) {
            None => return Some(text),
            Some(why) => self.wrong(node.at, format!("{what}: `{text}` {why}")),
        }
        None
    }

    /// What chrony takes; ntpd takes 3 to 17, and W32Time 4 to 17.
    fn poll(&mut self, node: &Node, what: &str) -> Option<i8> {
        self.number(node, what, -6, 24).and_then(|n| i8::try_from(n).ok())
    }

    pub(super) fn networks(&mut self, node: &Node, what: &str) -> Vec<IpNet> {
        self.list(node).into_iter().filter_map(|node| self.network(node, what)).collect()
    }

    fn network(&mut self, node: &Node, what: &str) -> Option<IpNet> {
        let text = self.text(node, what)?;
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        match network {
            Ok(network) if network.addr() == network.network() => return Some(network),
            Ok(network) => self.wrong(
                node.at,
                format!("{what}: `{text}` is an address in a network (did you mean `{}`?)", network.trunc()),
            ),
            Err(_) => self.wrong(node.at, format!("{what}: `{text}` is no network; write 10.0.0.0/24 or fd00::/64")),
        }
        None
    }
}

/// Why a text is nothing that a host could ask for time, and what to write instead.
fn not_a_server(text: &str) -> Option<String> {
    let own = "a master that goes on with its own clock says `isolated: true`, and needs no `upstream`";
    match (not_an_address(text), reference_clock(text)) {
        (why @ Some(_), _) => why,
        (None, Some(1)) => Some(format!("is ntpd's word for the host's own clock; {own}")),
        (None, Some(_)) => {
            let line =
                "a clock at the host itself is a line of `extra` (ntpd `server 127.127.28.0`, chrony `refclock SHM 0`)";
            Some(format!("is a reference clock of ntpd and no server; {line}, with `isolated: true`"))
        }
        (None, None) if is_itself(text) => Some(format!("is the host itself; {own}")),
        (None, None) => not_for_others(text).map(str::to_owned),
    }
}
