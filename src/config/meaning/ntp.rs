//! ntp.conf in the one form that it is compared in.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{address, network, number, source};
use crate::config::Directive;

/// Directives of ntp.conf of which the last one counts.
pub(super) fn is_one_of_ntp(kind: &str) -> bool {
    let pair = kind.starts_with("tinker ") || kind.starts_with("tos ");
    let one = ["controlkey", "driftfile", "dscp", "keys", "leapfile", "logfile", "requestkey", "statsdir"];
    pair || one.contains(&kind)
}

/// Directives that say several things are as many statements.
pub(super) fn ntp(directive: &Directive) -> Vec<(String, String)> {
    let words = &directive.words;
    let one = |kind: &str, text: String| vec![(kind.to_owned(), text)];
    match directive.name.as_str() {
        name @ ("server" | "pool" | "peer" | "broadcast" | "manycastclient" | "fudge") => {
            let words: Vec<String> = words.iter().map(|word| number(word)).collect();
            one(&format!("{name} {}", address(&words)), source(&words))
        }
        name @ ("restrict" | "unrestrict") => restrict(name, words),
        name @ ("tinker" | "tos") => {
            let pair = |pair: &[String]| {
                let (key, value) = pair.split_first()?;
                let value = value.first().map_or_else(String::new, |value| number(value));
                Some((format!("{name} {key}"), value))
            };
            words.chunks(2).filter_map(pair).collect()
        }
        // Of `enable` and `disable` the latter wins, wherever it stands.
        name @ ("enable" | "disable" | "statistics" | "trustedkey") => {
            words.iter().map(|word| (format!("{name} {word}"), String::new())).collect()
        }
        name @ "filegen" => match words.split_first() {
            Some((file, words)) => one(&format!("{name} {file}"), words.join(" ")),
            None => one(name, String::new()),
        },
        name => one(name, words.join(" ")),
    }
}

/// What a `restrict` of no family holds for, it holds for in both, where it says `default`. ntpd looks for the nearest
/// network, so the order matters among those of one network at most.
fn restrict(name: &str, words: &[String]) -> Vec<(String, String)> {
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
    whoms.into_iter().map(|whom| (format!("restrict {whom}"), format!("{name} {}", flags.join(" ")))).collect()
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
