//! A rich rule of firewalld: `rule priority="-5" family="ipv4" source NOT address="10.0.0.0/8" service
//! name="ntp" log prefix="x" accept limit value="3/m"`. Whether it is about NTP, and from whom.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::known::{Known, Port};
use super::packet::{Truth, overlap};

/// One word of a rule with its attributes: `source NOT address="10.0.0.0/8"`.
#[derive(Debug, Default)]
struct Part {
    word: String,
    not: bool,
    values: BTreeMap<String, String>,
}

/// A rule.
#[derive(Debug)]
pub(super) struct Rich<'a> {
    text: &'a str,
    parts: Vec<Part>,
}

/// Elements that say nothing about NTP.
const OTHERS: &[&str] = &["icmp-block", "icmp-type", "masquerade", "tcp-mss-clamp"];

impl<'a> Rich<'a> {
    /// Reads a rule as firewalld prints it.
    pub(super) fn read(text: &'a str) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for word in words(text) {
            match (word.split_once('='), parts.last_mut()) {
                (Some((key, value)), Some(part)) => drop(part.values.insert(key.to_owned(), value.to_owned())),
                (None, Some(part)) if word.eq_ignore_ascii_case("NOT") => part.not = true,
                _ => parts.push(Part { word, ..Part::default() }),
            }
        }
        Rich { text, parts }
    }

    /// Returns the rule in words.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    fn part(&self, word: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.word == word)
    }

    fn value(&self, word: &str, key: &str) -> Option<&str> {
        self.part(word)?.values.get(key).map(String::as_str)
    }

    /// Returns where it stands: those below 0 come before all others, those above behind.
    pub(super) fn priority(&self) -> i64 {
        self.value("rule", "priority").and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Returns whether it lets in what it is about; `None` if it decides nothing.
    pub(super) fn accepts(&self) -> Option<bool> {
        let has = |word: &str| self.part(word).is_some();
        match (has("accept"), has("drop") || has("reject")) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }

    /// Returns whether it is about what is wanted, whoever asks.
    pub(super) fn is_about(&self, known: &Known) -> Truth {
        let element = self.element(known);
        // Only so many in a minute, or only to one address.
        let limited = self.parts.last().is_some_and(|part| part.word == "limit") || self.part("destination").is_some();
        Truth::all([element, if limited { Truth::Unknown } else { Truth::Yes }])
    }

    fn element(&self, known: &Known) -> Truth {
        let of = |word: &str, key: &str| self.value(word, key).unwrap_or_default();
        let port = |word: &str| Port { ports: of(word, "port"), protocol: of(word, "protocol") };
        if self.part("service").is_some() {
            known.service(of("service", "name"))
        } else if self.part("port").is_some() {
            port("port").holds(&known.wanted)
        } else if self.part("protocol").is_some() {
            Port { ports: "", protocol: of("protocol", "value") }.is_all_of(&known.wanted)
        } else if self.part("source-port").is_some() {
            // The port that a client asks from is chosen by its kernel, or 123.
            let may = if known.wanted.is_ntp() { port("source-port").of_a_client() } else { Truth::Unknown };
            Truth::all([may, Truth::Unknown])
        } else if self.part("forward-port").is_some() {
            Truth::all([port("forward-port").holds(&known.wanted), Truth::Unknown])
        } else if OTHERS.iter().any(|word| self.part(word).is_some()) {
            Truth::No
        } else {
            // Whatever comes.
            Truth::Yes
        }
    }

    /// Returns whether packets of a network come from where it wants them to.
    pub(super) fn covers(&self, from: IpNet, known: &Known) -> Truth {
        if self.value("rule", "family").is_some_and(|family| (family == "ipv4") != from.addr().is_ipv4()) {
            return Truth::No;
        }
        let Some(source) = self.part("source") else { return Truth::Yes };
        known.is_from(&self.source(), from).turned(source.not)
    }

    /// Returns the source in words: an address, a MAC address, `ipset:NAME`, or `any`.
    pub(super) fn source(&self) -> String {
        let of = |key: &str| self.value("source", key);
        let named = of("ipset").map(|name| format!("ipset:{name}")).or_else(|| of("mac").map(str::to_owned));
        named.or_else(|| of("address").map(str::to_owned)).unwrap_or_else(|| "any".to_owned())
    }
}

/// Words; what is in double quotes has no blanks that part it, and loses the quotes.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.iter_mut().last().into_iter().for_each(|word| word.push(letter)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether packets of a network come from another one, of which it may be a part.
pub(super) fn within(own: IpNet, from: IpNet) -> Truth {
    overlap(own.contains(&from), from.contains(&own))
}

/// The only address of a network that has one.
pub(super) fn single(from: IpNet) -> Option<IpAddr> {
    (from.prefix_len() == from.max_prefix_len()).then(|| from.addr())
}
