//! What is wrong with the finer settings of hosts that can be read one by one, but not be together like this.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::load::{Draft, Drafts};
use super::node::At;
use super::read::Reader;
use super::source::SourceLine;
use super::spec::Role;
use crate::model::MistakeCode;

/// Each mistake, once for each place: hosts of a group share their lines.
pub(super) fn check(drafts: &Drafts, links: &[Vec<(usize, SourceLine)>], reader: &mut Reader<'_>) {
    let mut said = BTreeSet::new();
    for (host, links) in drafts.hosts.iter().zip(links) {
        let mut found = Vec::new();
        sources(host, links, &mut found);
        bind(host, &mut found);
        smear(host, links, drafts, &mut found);
        extra(host, links, drafts, &mut found);
        for (at, text) in found {
            if !reader.is_wrong(at) && said.insert((at, text.clone())) {
                reader.mistake(at, MistakeCode::Conflict, format!("host `{}`: {text}", host.name));
            }
        }
    }
}

type Found = Vec<(At, String)>;

/// A clock that is never moved.
fn sources(host: &Draft, links: &[(usize, SourceLine)], found: &mut Found) {
    let s = &host.settings;
    let lines: Vec<&SourceLine> = s.upstream.iter().flatten().chain(links.iter().map(|(_, line)| line)).collect();
    let ignored = |line: &&&SourceLine| line.options.tuning.noselect == Some(true);
    let followed: Vec<&&SourceLine> = lines.iter().filter(|line| !ignored(line)).collect();
    // A clock at the host itself, or a server that another line names.
    let is_clock = |(line, _): &&(String, At)| {
        let name = line.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        ["refclock", "server", "pool", "peer"].contains(&name.as_str())
    };
    let more = s.extra.iter().flatten().filter(is_clock).count();
    let counting = followed.len() + more;
    if let Some(line) = lines.iter().find(ignored).filter(|_| counting == 0) {
        found.push((line.at, "every source has `noselect`, so the clock would follow none".to_owned()));
    }
    if let (Some(least), Some(at)) = (s.tuning.min_sources, s.at("min_sources"))
        && usize::from(least) > counting
        && counting > 0
        && !followed.iter().any(|line| line.options.is_pool())
    {
        let text = format!("min_sources: {least} can never be met: the host has {counting} that it may follow");
        found.push((at, text));
    }
}

/// An address at which nobody asks, and one at which everybody does and nothing answers.
fn bind(host: &Draft, found: &mut Found) {
    let (Some(bound), Some(at)) = (&host.settings.tuning.bind, host.settings.at("bind")) else { return };
    if bound.is_empty() {
        return;
    }
    let of = |four: bool| bound.iter().filter(|address| address.is_ipv4() == four).count();
    if of(true) > 1 || of(false) > 1 {
        found.push((at, "bind: one address of each family can be named; leave it out to serve at all".to_owned()));
        return;
    }
    let is_master = host.settings.role.is_some_and(|(role, _)| role == Role::Master);
    let asked = host.time_addresses.iter().filter_map(|text| text.parse::<IpAddr>().ok());
    if let Some(address) = asked.filter(|_| is_master).find(|address| !bound.contains(address)) {
        let why = "others ask it there (`time_address`), and would get no answer";
        found.push((at, format!("bind: {address} is missing; {why}")));
    }
}

/// Around a leap second two masters differ by up to a second if only one of them smears it.
fn smear(host: &Draft, links: &[(usize, SourceLine)], drafts: &Drafts, found: &mut Found) {
    let smears = |host: &Draft| host.settings.tuning.leap.as_ref().is_some_and(|leap| leap.smear == Some(true));
    let is_slave = host.settings.role.is_some_and(|(role, _)| role == Role::Slave);
    if let Some(at) = host.settings.at("leap").filter(|_| is_slave && smears(host)) {
        found.push((at, "leap.smear: a slave serves nobody; say it on its masters".to_owned()));
    }
    let masters: Vec<(&Draft, &SourceLine)> =
        links.iter().filter_map(|(to, line)| Some((drafts.hosts.get(*to)?, line))).collect();
    let one = masters.iter().find(|(master, _)| smears(master));
    let other = masters.iter().find(|(master, _)| !smears(master));
    if let (Some((one, _)), Some((other, line))) = (one, other) {
        let (one, other) = (&one.name, &other.name);
        let text = format!(
            "`{one}` smears leap seconds and `{other}` does not, so around one they differ by up to a second; \
             say `leap: {{ smear: true }}` on both or on none"
        );
        found.push((line.at, text));
    }
}

/// The directives that a key is made into.
const DIRECTIVES: &[(&str, &[&str])] = &[
    ("step", &["makestep", "tinker step"]),
    ("isolated", &["local", "tos orphan"]),
    ("min_sources", &["minsources", "tos minsane"]),
    ("max_distance", &["maxdistance", "tos maxdist"]),
    ("bind", &["bindaddress", "interface", "nic"]),
    ("client_port", &["acquisitionport"]),
    ("rate_limit", &["ratelimit", "discard", "limit"]),
    ("leap", &["leapsectz", "leapseclist", "leapsecmode", "smoothtime", "leapfile", "leapsmearinterval"]),
    ("dscp", &["dscp"]),
    ("log", &["log", "statistics", "statsdir", "filegen"]),
];

/// A line that says again, or otherwise, what a key says.
fn extra(host: &Draft, links: &[(usize, SourceLine)], drafts: &Drafts, found: &mut Found) {
    let s = &host.settings;
    for (line, at) in s.extra.iter().flatten() {
        let said = |(key, directives): &&(&str, &[&str])| {
            s.at(key).is_some() && directives.iter().any(|directive| is_directive(line, directive))
        };
        if let Some((key, _)) = DIRECTIVES.iter().find(said) {
            found.push((*at, format!("extra: `{line}` and the key `{key}` say the same thing; take one of them out")));
        }
        let mut words = line.split_whitespace();
        let is_source = words.next().is_some_and(|word| ["server", "pool", "peer"].contains(&word));
        let address = words.next().unwrap_or_default();
        let inside = links.iter().filter_map(|(to, _)| drafts.hosts.get(*to)).flat_map(|host| &host.time_addresses);
        let mut known = s.upstream.iter().flatten().map(|line| &line.name).chain(inside);
        if is_source && known.any(|name| name == address) {
            let way = "what is to be said of it stands in its line of `upstream` or `follows`";
            found.push((*at, format!("extra: `{line}` names a source of the host again; {way}")));
        }
    }
}

/// Whether a line is a directive: its first word, and the second of the directive anywhere in it.
fn is_directive(line: &str, directive: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut wanted = directive.split(' ');
    let first = wanted.next().unwrap_or_default();
    words.first().is_some_and(|word| word.eq_ignore_ascii_case(first)) && wanted.all(|word| words.contains(&word))
}
