//! Whether two configurations say the same: comments, blanks, the order of options and of directives that have
//! nothing to do with each other do not matter to a service.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Directive, Language};

/// What one configuration says and another one does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Only the old one says it.
    pub lost: Vec<Directive>,
    /// Only the new one says it.
    pub gained: Vec<Directive>,
}

/// A statement in the one form that it is compared in, and the directive that it comes from.
struct Statement {
    /// Statements of one kind count in their order; those of different kinds have nothing to do with each other.
    kind: String,
    text: String,
    /// Where its directive is in the list.
    at: usize,
}

/// Returns whether a service would do the same with both.
pub fn same(language: Language, old: &[Directive], new: &[Directive]) -> bool {
    by_kind(&statements(language, old)) == by_kind(&statements(language, new))
}

fn by_kind(statements: &[Statement]) -> BTreeMap<&str, Vec<&str>> {
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for statement in statements {
        all.entry(&statement.kind).or_default().push(&statement.text);
    }
    all
}

/// Returns the directives of which the other configuration does not say all.
pub fn difference(language: Language, old: &[Directive], new: &[Directive]) -> Difference {
    let (before, after) = (statements(language, old), statements(language, new));
    Difference { lost: only(old, &before, &after), gained: only(new, &after, &before) }
}

fn only(list: &[Directive], own: &[Statement], other: &[Statement]) -> Vec<Directive> {
    let mut left: Vec<(&str, &str)> = other.iter().map(|s| (s.kind.as_str(), s.text.as_str())).collect();
    let mut lost: Vec<usize> = Vec::new();
    for statement in own {
        match left.iter().position(|known| *known == (statement.kind.as_str(), statement.text.as_str())) {
            Some(place) => drop(left.swap_remove(place)),
            None => lost.push(statement.at),
        }
    }
    lost.dedup();
    lost.into_iter().filter_map(|at| list.get(at).cloned()).collect()
}

/// Directives of chrony that count once, the last one: those of which a file that people have grown often has two.
const LAST_COUNTS: &[&str] = &[
    "driftfile",
    "keyfile",
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

fn statements(language: Language, directives: &[Directive]) -> Vec<Statement> {
    let mut all: Vec<Statement> = Vec::new();
    for (at, directive) in directives.iter().enumerate() {
        for (kind, text) in forms(language, directive) {
            let counts_once = match language {
                Language::Chrony => LAST_COUNTS.contains(&kind.as_str()) || kind.contains("access "),
                Language::Ntp => is_one_of_ntp(&kind),
                _ => false,
            };
            if counts_once {
                all.retain(|known| known.kind != kind);
            }
            // What is said twice in the same words is said once.
            if !all.iter().any(|known| known.kind == kind && known.text == text) {
                all.push(Statement { kind, text, at });
            }
        }
    }
    // What ntpd does by itself.
    all.retain(|statement| {
        (language, statement.kind.as_str(), statement.text.as_str()) != (Language::Ntp, "tinker step", "0.128")
    });
    all
}

fn forms(language: Language, directive: &Directive) -> Vec<(String, String)> {
    match language {
        // Which files others name, their lines say, which stand here as well.
        Language::Chrony if directive.name == "allow" && is_all(&directive.words) => {
            ["0.0.0.0/0", "::/0"].map(|all| (format!("access {all}"), "allow".to_owned())).to_vec()
        }
        Language::Chrony => vec![chrony(directive)],
        Language::Ntp => ntp(directive),
        Language::Openntpd | Language::Ini | Language::Toml => {
            vec![(directive.name.clone(), directive.words.join(" "))]
        }
    }
}

fn is_all(words: &[String]) -> bool {
    words.is_empty() || matches!(words, [word] if word == "all")
}

fn chrony(directive: &Directive) -> (String, String) {
    let name = directive.name.as_str();
    let words: Vec<String> = directive.words.iter().map(|word| number(word)).collect();
    let network = || directive.words.iter().map(|word| network(word)).collect::<Vec<_>>().join(" ");
    match name {
        "server" | "pool" | "peer" => (format!("{name} {}", address(&words)), source(&words)),
        "refclock" => ("refclock".to_owned(), source(&words)),
        "allow" | "deny" => (format!("access {}", network()), name.to_owned()),
        "cmdallow" | "cmddeny" => (format!("command access {}", network()), name.to_owned()),
        "local" => ("local".to_owned(), local(&words)),
        _ => (name.to_owned(), words.join(" ")),
    }
}

/// `stratum 10` is what `local` means by itself.
fn local(words: &[String]) -> String {
    let options = options(words, |word| LOCAL_VALUES.contains(&word));
    options.into_iter().filter(|option| option != "stratum 10").collect::<Vec<_>>().join(" ")
}

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
    "noselect",
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

/// The address first, then the options by their names: their order does not matter.
fn source(words: &[String]) -> String {
    let family = words.first().filter(|word| matches!(word.as_str(), "-4" | "-6"));
    let rest = words.get(usize::from(family.is_some())..).unwrap_or_default();
    let (address, rest) = rest.split_first().map_or(("", rest), |(first, rest)| (first.as_str(), rest));
    let options = options(rest, |word| !FLAGS.contains(&word));
    let options: Vec<String> = options.into_iter().filter(|option| !DEFAULTS.contains(&option.as_str())).collect();
    format!("{}{address} {}", family.map_or(String::new(), |family| format!("{family} ")), options.join(" "))
}

/// Options with their values, in the order of their names.
fn options(words: &[String], takes_value: impl Fn(&str) -> bool) -> Vec<String> {
    let mut list = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = takes_value(word).then(|| words.next()).flatten();
        list.push(value.map_or(word.clone(), |value| format!("{word} {value}")));
    }
    list.sort();
    list
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
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(if address.is_ipv4() { 32 } else { 128 });
        return IpNet::new(address, length).map_or_else(|_| word.to_owned(), |net| net.trunc().to_string());
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

/// Directives of ntp.conf of which the last one counts.
fn is_one_of_ntp(kind: &str) -> bool {
    let pair = kind.starts_with("tinker ") || kind.starts_with("tos ") || kind.starts_with("switch ");
    pair || matches!(kind, "driftfile" | "leapfile" | "keys" | "statsdir" | "controlkey" | "requestkey" | "logfile")
}

/// Directives that say several things are as many statements.
fn ntp(directive: &Directive) -> Vec<(String, String)> {
    let words = &directive.words;
    let one = |kind: &str, text: String| vec![(kind.to_owned(), text)];
    match directive.name.as_str() {
        name @ ("server" | "pool" | "peer" | "broadcast" | "manycastclient" | "fudge") => {
            let words: Vec<String> = words.iter().map(|word| number(word)).collect();
            one(&format!("{name} {}", address(&words)), source(&words))
        }
        "restrict" => restrict(words),
        name @ ("tinker" | "tos") => {
            let pair = |pair: &[String]| {
                let (key, value) = pair.split_first()?;
                let value = value.first().map_or_else(String::new, |value| number(value));
                Some((format!("{name} {key}"), value))
            };
            words.chunks(2).filter_map(pair).collect()
        }
        name @ ("enable" | "disable") => words.iter().map(|word| (format!("switch {word}"), name.to_owned())).collect(),
        name @ ("statistics" | "trustedkey") => words.iter().map(|word| (name.to_owned(), word.clone())).collect(),
        name => one(name, words.join(" ")),
    }
}

/// What a `restrict` of no family holds for, it holds for in both, where it says `default`.
fn restrict(words: &[String]) -> Vec<(String, String)> {
    let family = words.first().filter(|word| matches!(word.as_str(), "-4" | "-6"));
    let rest = words.get(usize::from(family.is_some())..).unwrap_or_default();
    let (whom, mut flags) = restricted(rest);
    flags.sort();
    let whoms = match (whom.as_str(), family.map(String::as_str)) {
        ("default", None) => vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()],
        ("default", Some("-4")) => vec!["0.0.0.0/0".to_owned()],
        ("default", _) => vec!["::/0".to_owned()],
        _ => vec![whom],
    };
    whoms.into_iter().map(|whom| ("restrict".to_owned(), format!("{whom} {}", flags.join(" ")))).collect()
}

/// The network, name or word of a `restrict`, and its flags.
pub(crate) fn restricted(words: &[String]) -> (String, Vec<String>) {
    let (Some(first), rest) = (words.first(), words.get(1..).unwrap_or_default()) else {
        return (String::new(), Vec::new());
    };
    let (mask, flags) = match rest {
        [word, mask, flags @ ..] if word == "mask" => (Some(mask), flags),
        flags => (None, flags),
    };
    let length = mask.and_then(|mask| mask.parse::<IpAddr>().ok()).and_then(|m| ipnet::ip_mask_to_prefix(m).ok());
    let whom = match (first.parse::<IpAddr>(), length) {
        (Ok(address), Some(length)) => IpNet::new(address, length).map(|net| net.trunc().to_string()).ok(),
        (Ok(_), None) if mask.is_none() => Some(network(first)),
        _ => None,
    };
    let as_it_is = || mask.map_or_else(|| network(first), |mask| format!("{first} mask {mask}"));
    (whom.unwrap_or_else(as_it_is), flags.to_vec())
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn of(language: Language, text: &str) -> Vec<Directive> {
        read(language, "/f", text)
    }

    #[test]
    fn what_a_service_does_not_tell_apart_is_the_same() {
        for (language, one, other, alike) in [
            (Language::Chrony, "# a\nserver a iburst\n", "server  a  iburst", true),
            (Language::Chrony, "server a iburst minpoll 4", "server a minpoll 4 iburst", true),
            (Language::Chrony, "server a\nrtcsync", "rtcsync\nserver a", true),
            (Language::Chrony, "server a\nserver b", "server b\nserver a", true),
            (Language::Chrony, "pool a maxsources 4 minpoll 6", "pool a", true),
            (Language::Chrony, "server a", "pool a", false),
            (Language::Chrony, "allow", "allow 0.0.0.0/0\nallow ::/0", true),
            (Language::Chrony, "local", "local stratum 10", true),
            (Language::Chrony, "makestep 1.0 3", "makestep 1 3", true),
            (Language::Chrony, "makestep 1 3", "makestep 1 -1", false),
            (Language::Chrony, "makestep 1 -1\nmakestep 1 3", "makestep 1 3", true),
            (Language::Chrony, "allow 10\nallow 192.168", "allow 10.0.0.0/8\nallow 192.168.0.0/16", true),
            (Language::Chrony, "allow 10\ndeny 10.1", "deny 10.1\nallow 10", true),
            (Language::Chrony, "allow 10\ndeny 10", "deny 10\nallow 10", false),
            (Language::Chrony, "local stratum 10 orphan", "local orphan stratum 10", true),
            (Language::Chrony, "server a key 1", "server a key 2", false),
            (
                Language::Ntp,
                "restrict default nomodify kod",
                "restrict -4 default kod nomodify\nrestrict -6 default kod nomodify",
                true,
            ),
            (Language::Ntp, "restrict 10.0.0.0 mask 255.0.0.0 noquery", "restrict 10.0.0.0/8 noquery", true),
            (Language::Ntp, "restrict 127.0.0.1", "restrict 127.0.0.1 noquery", false),
            (Language::Ntp, "tinker panic 0 step 1", "tinker step 1.0\ntinker panic 0", true),
            (Language::Ntp, "disable monitor auth", "disable auth\ndisable monitor", true),
            (Language::Ntp, "tinker step 0.128", "", true),
            (Language::Ntp, "driftfile /a\ndriftfile /b", "driftfile /b", true),
            (Language::Ini, "[Time]\n#x\nNTP=a  b", "[Time]\nNTP=a b", true),
            (Language::Ini, "[Time]\nNTP=a", "[Time]\nFallbackNTP=a", false),
        ] {
            assert_eq!(same(language, &of(language, one), &of(language, other)), alike, "{one} | {other}");
        }
    }

    #[test]
    fn what_is_lost_is_named_with_its_place() {
        let old = of(Language::Chrony, "server a iburst\nkeyfile /k\nmakestep 1 3\nserver b\n");
        let new = of(Language::Chrony, "makestep 0.1 3\nserver b\nrtcsync");
        let difference = difference(Language::Chrony, &old, &new);
        let texts =
            |list: &[Directive]| list.iter().map(|d| format!("{} {}", d.place.line, d.text())).collect::<Vec<_>>();
        assert_eq!(texts(&difference.lost), ["1 server a iburst", "2 keyfile /k", "3 makestep 1 3"]);
        assert_eq!(texts(&difference.gained), ["1 makestep 0.1 3", "3 rtcsync"]);
    }
}
