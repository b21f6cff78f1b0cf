//! What systemd-timesyncd, openntpd and ntpd-rs are told, in the words of the inventory. chrony takes the place of the
//! last two: what has no word of the inventory is named, and goes.

use super::{Note, Said, Source};
use crate::config::Directive;

/// What becomes of a line that only the old service understands.
const GOES: &str = "goes with the old time service; the inventory has no word for it";

/// What becomes of a line of timesyncd: its new file stands beside the others.
const STAYS: &str = "stays in force where it stands; the inventory has no word for it";

/// systemd-timesyncd: servers of the file, else of the network, else built into it. It is kept under the name `keeps`,
/// where it can be managed.
pub(super) fn timesyncd(directives: &[Directive], told: &str, keeps: Option<&'static str>) -> Said {
    let mut said = Said { provider: keeps, ..Said::default() };
    let becomes = if keeps.is_some() { STAYS } else { GOES };
    let mut spare: Vec<&Directive> = Vec::new();
    for directive in directives {
        match directive.name.as_str() {
            // An empty value takes back what files before it have said.
            "Time.NTP" if directive.words.is_empty() => said.sources.clear(),
            "Time.NTP" => said.sources.extend(directive.words.iter().map(|word| eager(word))),
            "Time.FallbackNTP" => spare.push(directive),
            _ => said.notes.push(Note::at(directive, becomes)),
        }
    }
    if said.sources.is_empty() {
        let (from, words) = elsewhere(&spare, told);
        said.sources.extend(words.iter().map(|word| eager(word)));
        if !words.is_empty() {
            said.notes.push(Note::of_host(format!("its servers are {from}: {}", words.join(" "))));
        }
    } else {
        said.notes.extend(spare.into_iter().map(|directive| Note::at(directive, becomes)));
    }
    said
}

/// Where servers come from that no line of `NTP=` names.
fn elsewhere(spare: &[&Directive], told: &str) -> (&'static str, Vec<String>) {
    let value = |key: &str| {
        let found = told.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let of_link = value("LinkNTPServers");
    if !of_link.is_empty() {
        return ("those that the network gave it", of_link);
    }
    match spare.last() {
        Some(directive) => ("those of FallbackNTP", directive.words.clone()),
        None => ("those that are built into systemd-timesyncd", value("FallbackNTPServers")),
    }
}

/// It asks a name of a pool as any other: one of its servers.
fn eager(address: &str) -> Source {
    Source { iburst: true, ..Source::new(address) }
}

/// openntpd: `server` is one of the addresses of a name, `servers` are all.
pub(super) fn openntpd(directives: &[Directive]) -> Said {
    let mut said = Said::default();
    for directive in directives {
        match (directive.name.as_str(), directive.words.as_slice()) {
            ("server" | "servers", [address, more @ ..]) => {
                let pool = directive.name == "servers";
                said.sources.push(Source { pool, iburst: true, ..Source::new(address) });
                if !more.is_empty() {
                    said.notes
                        .push(Note::at(directive, &format!("the inventory has no word for `{}`", more.join(" "))));
                }
            }
            ("listen", _) => {
                said.serves = true;
                said.notes.push(Note::at(directive, "it serves time; who may ask is not said there, so say `serve`"));
            }
            _ => said.notes.push(Note::at(directive, GOES)),
        }
    }
    said
}

/// ntpd-rs: tables of `source`, and those of `server`.
pub(super) fn ntpd_rs(directives: &[Directive]) -> Said {
    let mut said = Said::default();
    let value = |directive: &Directive| directive.words.join(" ").trim_matches('"').to_owned();
    let mut mode = "server".to_owned();
    for directive in directives {
        match directive.name.as_str() {
            "source.mode" => mode = value(directive),
            "source.address" => {
                let address = value(directive);
                let host = address.strip_suffix(":123").unwrap_or(&address);
                said.sources.push(Source { pool: mode == "pool", iburst: true, ..Source::new(host) });
                if !matches!(mode.as_str(), "pool" | "server") {
                    said.notes.push(Note::at(directive, &format!("the inventory has no word for the mode {mode}")));
                }
            }
            "server.listen" => {
                said.serves = true;
                said.notes.push(Note::at(directive, "it serves time; who may ask is not said there, so say `serve`"));
            }
            _ => said.notes.push(Note::at(directive, GOES)),
        }
    }
    said
}
