//! Whether two configurations say the same: comments, blanks, the order of options and of directives that have
//! nothing to do with each other do not matter to a service.

mod ntp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Directive, Language};
pub(crate) use ntp::restricted;
use ntp::{is_one_of_ntp, ntp};

/// What one configuration says and another one does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Only the old one says it.
    pub lost: Vec<Directive>,
    /// Only the new one says it.
    pub gained: Vec<Directive>,
}

/// A statement in the one form that it is compared in.
struct Statement {
    text: String,
    /// Where its directive is in the list.
    at: usize,
}

/// Statements of one kind count in their order; those of different kinds have nothing to do with each other.
type Statements = BTreeMap<String, Vec<Statement>>;

/// Returns whether a service would do the same with both.
pub fn same(language: Language, old: &[Directive], new: &[Directive]) -> bool {
    texts(&statements(language, old)) == texts(&statements(language, new))
}

fn texts(statements: &Statements) -> Vec<(&str, Vec<&str>)> {
    statements.iter().map(|(kind, list)| (kind.as_str(), list.iter().map(|one| one.text.as_str()).collect())).collect()
}

/// Returns the directives of which the other configuration does not say all.
pub fn difference(language: Language, old: &[Directive], new: &[Directive]) -> Difference {
    let (before, after) = (statements(language, old), statements(language, new));
    Difference { lost: only(old, &before, &after), gained: only(new, &after, &before) }
}

fn only(list: &[Directive], own: &Statements, other: &Statements) -> Vec<Directive> {
    let mut lost: BTreeSet<usize> = BTreeSet::new();
    for (kind, statements) in own {
        let mut left: HashMap<&str, usize> = HashMap::new();
        other.get(kind).into_iter().flatten().for_each(|known| *left.entry(&known.text).or_default() += 1);
        for statement in statements {
            match left.get_mut(statement.text.as_str()).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => drop(lost.insert(statement.at)),
            }
        }
    }
    lost.into_iter().filter_map(|at| list.get(at).cloned()).collect()
}

/// Directives of chrony that count once, the last one: those of which a file that people have grown often has two.
const LAST_COUNTS: &[&str] = &[
    "acquisitionport",
    "driftfile",
    "dscp",
    "keyfile",
    "leapseclist",
    "leapsecmode",
    "leapsectz",
    "local",
    "logbanner",
    "logchange",
    "logdir",
    "makestep",
    "maxdistance",
    "maxslewrate",
    "maxupdateskew",
    "minsources",
    "ntsdumpdir",
    "port",
    "rtcsync",
    "stratumweight",
    "user",
];

fn statements(language: Language, directives: &[Directive]) -> Statements {
    let mut all = Statements::new();
    for (at, directive) in directives.iter().enumerate() {
        if language == Language::Chrony {
            take_back(directive, &mut all);
        }
        for (kind, text) in forms(language, directive) {
            let once = counts_once(language, &kind);
            let list = all.entry(kind).or_default();
            if once {
                list.clear();
            }
            // What is said twice running is said once. A line that comes back later may be the one that counts.
            if is_by_lines(language) && list.last().is_some_and(|known| known.text == text) {
                continue;
            }
            list.push(Statement { text, at });
        }
    }
    // What a service does by itself.
    for (_, kind, text) in BY_ITSELF.iter().filter(|(of, ..)| *of == language) {
        if all.get(*kind).is_some_and(|list| list.iter().all(|one| one.text == *text)) {
            all.remove(*kind);
        }
    }
    all
}

/// Kinds and texts that say what holds anyway: chrony lets nobody ask, and ntpd steps over 128 ms.
const BY_ITSELF: &[(Language, &str, &str)] = &[
    (Language::Chrony, "access 0.0.0.0/0", "deny"),
    (Language::Chrony, "access ::/0", "deny"),
    (Language::Ntp, "tinker step", "0.128"),
];

/// Whether each line stands for itself. Elsewhere a line belongs to those around it, so all of them count in their
/// order.
fn is_by_lines(language: Language) -> bool {
    matches!(language, Language::Chrony | Language::Ntp)
}

fn counts_once(language: Language, kind: &str) -> bool {
    match language {
        Language::Chrony => {
            LAST_COUNTS.contains(&kind)
                || [ACCESS, COMMANDS, "bindaddress "].iter().any(|start| kind.starts_with(start))
        }
        Language::Ntp => is_one_of_ntp(kind),
        _ => false,
    }
}

fn forms(language: Language, directive: &Directive) -> Vec<(String, String)> {
    match language {
        Language::Chrony => chrony(directive),
        Language::Ntp => ntp(directive),
        Language::Openntpd | Language::Ini | Language::Toml => {
            vec![(String::new(), format!("{} {}", directive.section, directive.text()))]
        }
    }
}

/// Begin the kinds of who may ask for time, and who may ask chronyd itself.
const ACCESS: &str = "access ";
const COMMANDS: &str = "command access ";

/// What chrony lets ask, or does not, as the start of its kind.
fn access_kind(name: &str) -> Option<&'static str> {
    match name {
        "allow" | "deny" => Some(ACCESS),
        "cmdallow" | "cmddeny" => Some(COMMANDS),
        _ => None,
    }
}

/// The networks of an `allow` or a `deny`, and whether it takes back what was said of those within them.
fn access(words: &[String]) -> (Vec<String>, bool) {
    let (all, words) = match words {
        [word, rest @ ..] if word == "all" => (true, rest),
        words => (false, words),
    };
    match words {
        [] => (vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()], all),
        words => (vec![words.iter().map(|word| network(word)).collect::<Vec<_>>().join(" ")], all),
    }
}

/// `allow all 10` undoes a `deny 10.1` before it, `allow 10` does not.
fn take_back(directive: &Directive, all: &mut Statements) {
    let Some(start) = access_kind(&directive.name) else { return };
    let (networks, takes_back) = access(&directive.words);
    if !takes_back {
        return;
    }
    let networks: Vec<IpNet> = networks.iter().filter_map(|network| network.parse().ok()).collect();
    let within = |kind: &&String| {
        let inner = kind.strip_prefix(start).and_then(|network| network.parse::<IpNet>().ok());
        inner.is_some_and(|inner| networks.iter().any(|outer| outer.contains(&inner)))
    };
    let known = all.range(start.to_owned()..).map(|(kind, _)| kind).take_while(|kind| kind.starts_with(start));
    for kind in known.filter(within).cloned().collect::<Vec<_>>() {
        all.remove(&kind);
    }
}

fn chrony(directive: &Directive) -> Vec<(String, String)> {
    let name = directive.name.as_str();
    if let Some(start) = access_kind(name) {
        let networks = access(&directive.words).0.into_iter();
        return networks
            .map(|network| (format!("{start}{network}"), name.trim_start_matches("cmd").to_owned()))
            .collect();
    }
    let words: Vec<String> = directive.words.iter().map(|word| number(word)).collect();
    let one = match name {
        "server" | "pool" | "peer" => (format!("{name} {}", address(&words)), source(&words)),
        "refclock" => (name.to_owned(), refclock(&words)),
        "local" => (name.to_owned(), options(&words, |word| LOCAL_VALUES.contains(&word), &["stratum 10"]).join(" ")),
        // What is written down is written down in any order.
        "log" => return words.into_iter().map(|word| (format!("log {word}"), String::new())).collect(),
        "bindaddress" => (format!("{name} {}", family(&directive.words)), directive.words.join(" ")),
        _ => (name.to_owned(), words.join(" ")),
    };
    vec![one]
}

fn family(words: &[String]) -> &'static str {
    match words.first().and_then(|word| word.parse::<IpAddr>().ok()) {
        Some(IpAddr::V4(_)) => "4",
        Some(IpAddr::V6(_)) => "6",
        None => "",
    }
}

/// Options of `local` that take a value; `stratum 10` is what it means by itself.
const LOCAL_VALUES: &[&str] = &["stratum", "distance", "waitunsynced", "waitsynced", "activate"];

/// What a source is called, behind the word for a family.
fn address(words: &[String]) -> &str {
    words.iter().find(|word| !matches!(word.as_str(), "-4" | "-6")).map_or("", String::as_str)
}

/// Options of a source that take no value; every other one takes one.
const FLAGS: &[&str] = &[
    "auto_offline",
    "autokey",
    "burst",
    "copy",
    "iburst",
    "ipv4",
    "ipv6",
    "noselect",
    "noval",
    "nts",
    "offline",
    "prefer",
    "preempt",
    "require",
    "trust",
    "true",
    "xleave",
];

/// What chrony and ntpd do with a source by themselves.
const DEFAULTS: &[&str] = &["maxpoll 10", "maxsources 4", "minpoll 6", "port 123", "version 4"];

/// Returns whether an option of a source takes a value.
pub(crate) fn takes_value(option: &str) -> bool {
    !FLAGS.contains(&option)
}

/// Returns whether an option says what a service does with a source by itself.
pub(crate) fn is_usual(option: &str) -> bool {
    DEFAULTS.contains(&option)
}

/// The address first, then the options by their names: their order does not matter.
fn source(words: &[String]) -> String {
    let family = words.first().filter(|word| matches!(word.as_str(), "-4" | "-6"));
    let rest = words.get(usize::from(family.is_some())..).unwrap_or_default();
    let (address, rest) = rest.split_first().map_or(("", rest), |(first, rest)| (first.as_str(), rest));
    let options = options(rest, takes_value, DEFAULTS);
    format!("{}{address} {}", family.map_or(String::new(), |family| format!("{family} ")), options.join(" "))
}

/// The driver and what it reads first, then the options by their names.
fn refclock(words: &[String]) -> String {
    let (clock, rest) = words.split_at(words.len().min(2));
    let value = |word: &str| takes_value(word) && !matches!(word, "local" | "pps" | "tai");
    format!("{} {}", clock.join(" "), options(rest, value, &[]).join(" "))
}

/// Options with their values, in the order of their names, without those that say what holds anyway. One that is said
/// twice stays as it is: the last one may be the one that counts, or both may.
fn options(words: &[String], takes_value: impl Fn(&str) -> bool, usual: &[&str]) -> Vec<String> {
    let mut list: Vec<(&str, String)> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = takes_value(word).then(|| words.next()).flatten();
        list.push((word, value.map_or(word.clone(), |value| format!("{word} {value}"))));
    }
    list.sort_by_key(|(name, _)| *name);
    let said = list.chunk_by(|one, other| one.0 == other.0);
    let said = said.filter(|alike| !matches!(alike, [(_, option)] if usual.contains(&option.as_str())));
    said.flatten().map(|(_, option)| option.clone()).collect()
}

/// Numbers are the same however they are written.
fn number(word: &str) -> String {
    match word.parse::<f64>() {
        Ok(value) if word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.')) => value.to_string(),
        _ => word.to_owned(),
    }
}

/// A network in full: chrony takes `10`, `10.1` and `10.1/16` as well.
fn network(word: &str) -> String {
    let (address, length) = word.split_once('/').map_or((word, None), |(address, length)| (address, Some(length)));
    if let Ok(address) = address.parse::<IpAddr>() {
        let length = length.map_or(Ok(if address.is_ipv4() { 32 } else { 128 }), str::parse);
        let net = length.ok().and_then(|length| IpNet::new(address, length).ok());
        return net.map_or_else(|| word.to_owned(), |net| net.trunc().to_string());
    }
    let parts: Vec<&str> = address.split('.').collect();
    let numbers = parts.len() < 4 && parts.iter().all(|part| part.parse::<u8>().is_ok());
    if !numbers {
        return word.to_owned();
    }
    let length = length.map_or((parts.len() * 8).to_string(), str::to_owned);
    let full: Vec<&str> = parts.iter().copied().chain(std::iter::repeat("0")).take(4).collect();
    format!("{}/{length}", full.join("."))
}

/// Returns a network of `allow` in full, where it is one.
pub(crate) fn as_network(word: &str) -> Option<IpNet> {
    network(word).parse().ok()
}
