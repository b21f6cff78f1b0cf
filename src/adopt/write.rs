//! The text of the new inventory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::draft::Draft;
use super::groups::Group;
use super::{Note, Source, Step};
use crate::inventory::said::scalar;
use crate::text::clean;
use crate::text::names;

/// A key of a host or a group, and its value as YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) value: String,
    /// The entries of a list, each with where it stands on the host, if that is worth a word.
    entries: Vec<(String, Option<String>)>,
}

/// The order in which a person reads them, and what a host says that has not what its group has, if it can say that.
const KEYS: &[(&str, &str)] = &[
    ("role", ""),
    ("provider", "auto"),
    ("upstream", "[]"),
    ("follows", "[]"),
    ("serve", ""),
    ("isolated", "false"),
    ("sets_clock", "true"),
    ("step", "{ over: 1s, first: 3 }"),
    ("min_sources", ""),
    ("max_distance", ""),
    ("bind", ""),
    ("client_port", ""),
    ("rate_limit", "false"),
    ("leap", ""),
    ("dscp", ""),
    ("log", "[]"),
    ("extra", "[]"),
    ("ssh", ""),
    ("winrm", ""),
];

/// A list that is longer stands in several lines.
const LINE: usize = 80;

impl Pair {
    fn new(key: &str, value: String) -> Self {
        Pair { key: key.to_owned(), value, entries: Vec::new() }
    }

    fn list(key: &str, entries: Vec<(String, Option<String>)>) -> Option<Self> {
        let all: Vec<&str> = entries.iter().map(|(entry, _)| entry.as_str()).collect();
        let value = format!("[{}]", all.join(", "));
        (!entries.is_empty()).then(|| Pair { key: key.to_owned(), value, entries })
    }

    /// Whether it stands one entry below the other.
    fn is_long(&self) -> bool {
        self.entries.iter().any(|(_, origin)| origin.is_some()) || self.entries.len() > 1 && self.value.len() > LINE
    }

    pub(super) fn place(&self) -> usize {
        KEYS.iter().position(|(key, _)| *key == self.key).unwrap_or(KEYS.len())
    }

    /// What a host says that has not what its group has.
    fn default(&self) -> &'static str {
        KEYS.iter().find(|(key, _)| *key == self.key).map_or("", |(_, default)| default)
    }

    /// Whether a host can take back what its group says.
    pub(super) fn can_be_undone(&self) -> bool {
        !self.default().is_empty()
    }
}

/// What a host says, all of it; groups that have exactly those whom it follows stand for them.
pub(super) fn settings(draft: &Draft, fleet: &[Draft], groups: &[Group]) -> Vec<Pair> {
    let said = &draft.said;
    let isolated = |stratum| match stratum {
        10 => "true".to_owned(),
        stratum => format!("{{ stratum: {stratum} }}"),
    };
    let plain = |entry: String| (entry, None);
    let one = |key: &str, value: Option<String>| value.map(|value| Pair::new(key, value));
    let upstream = draft.upstream.iter().map(|source| plain(entry("address", &source.address, source))).collect();
    let serve = said.serve.iter().map(|network| plain(scalar(&network.to_string()))).collect();
    let extra = said.extra.iter().map(|line| (scalar(&line.text()), Some(line.place.to_string()))).collect();
    let how = draft.connection.iter().map(|(key, value)| Some(Pair::new(key, value.clone())));
    let own = [
        one("role", Some(if draft.master { "master" } else { "slave" }.to_owned())),
        one("provider", said.provider.filter(|_| !draft.master).map(str::to_owned)),
        Pair::list("upstream", upstream),
        Pair::list("follows", follows(draft, fleet, groups).into_iter().map(plain).collect()),
        Pair::list("serve", serve),
        one("isolated", said.isolated.map(isolated)),
        one("sets_clock", said.no_clock.then(|| "false".to_owned())),
        one("step", said.step.and_then(step)),
    ];
    let finer = said.finer.iter().map(|finer| Some(Pair::new(finer.key, finer.value.clone())));
    own.into_iter().chain(finer).chain([Pair::list("extra", extra)]).chain(how).flatten().collect()
}

fn follows(draft: &Draft, fleet: &[Draft], groups: &[Group]) -> Vec<String> {
    let all: Vec<usize> = draft.follows.iter().map(|(host, _)| *host).collect();
    let alike =
        draft.follows.iter().all(|(_, source)| *source == Source { iburst: true, ..Source::new(&source.address) });
    let is_all =
        |group: &&Group| group.members.len() == all.len() && group.members.iter().all(|member| all.contains(member));
    if let Some(group) = groups.iter().find(is_all).filter(|_| alike && !all.is_empty()) {
        return vec![group.name.clone()];
    }
    let name = |(host, source): &(usize, Source)| Some(entry("name", &fleet.get(*host)?.name, source));
    draft.follows.iter().filter_map(name).collect()
}

/// A source with what is not the inventory's own default.
fn entry(subject: &str, name: &str, source: &Source) -> String {
    let mut more = String::new();
    for (key, said) in [("pool", source.pool), ("prefer", source.prefer)] {
        if said && !(key == "pool" && subject == "name") {
            let _ = write!(more, ", {key}: true");
        }
    }
    if !source.iburst {
        more.push_str(", iburst: false");
    }
    for (key, value) in [("minpoll", source.minpoll), ("maxpoll", source.maxpoll)] {
        if let Some(value) = value {
            let _ = write!(more, ", {key}: {value}");
        }
    }
    // A host of the file is one source.
    for (key, value) in source.finer.iter().filter(|(key, _)| *key != "maxsources" || subject != "name") {
        let _ = write!(more, ", {key}: {value}");
    }
    match more.is_empty() {
        true => scalar(name),
        false => format!("{{ {subject}: {}{more} }}", scalar(name)),
    }
}

fn step(step: Step) -> Option<String> {
    let Step::Over(over, updates) = step else { return Some("never".to_owned()) };
    let mut parts = Vec::new();
    if over != Duration::from_secs(1) {
        parts.push(format!("over: {}", humantime::format_duration(over)));
    }
    match updates {
        Some(3) => {}
        Some(updates) => parts.push(format!("first: {updates}")),
        None => parts.push("first: always".to_owned()),
    }
    (!parts.is_empty()).then(|| format!("{{ {} }}", parts.join(", ")))
}

/// Writes it. `announced` is what `plan` will show of each host, `out` are those that are not in it, and why.
pub(super) fn text(
    fleet: &[Draft],
    groups: &[Group],
    announced: &BTreeMap<String, Vec<Note>>,
    out: &[(String, String)],
) -> String {
    let mut text =
        "# Made by `fleetclock adopt` from what the hosts are configured to do now. Read the comments, then\n\
        # `fleetclock plan` shows that nothing changes, or what the comments say.\n"
            .to_owned();
    for (name, why) in out {
        let _ = writeln!(text, "#\n# Left out: {}: {}", comment(name), comment(why));
    }
    if fleet.is_empty() {
        text.push_str("\nhosts: {}\n");
        return text;
    }
    let reached = reached(fleet);
    if let Some(pair) = &reached {
        text.push_str("\ndefaults:\n");
        write_pair(&mut text, "  ", pair);
    }
    text.push_str("\ngroups:\n");
    for group in groups {
        let _ = writeln!(text, "  {}:", group.name);
        for pair in group.shared.iter().filter(|pair| Some(*pair) != reached.as_ref()) {
            write_pair(&mut text, "    ", pair);
        }
        for (who, note) in told_of(&group.members, fleet, &|draft| draft.said.notes.clone(), announced) {
            let _ = writeln!(text, "    # {}", comment(&line(&who, &note)));
        }
        text.push_str("    hosts:\n");
        for draft in group.members.iter().filter_map(|index| fleet.get(*index)) {
            write_host(&mut text, draft, &settings(draft, fleet, groups), group);
        }
    }
    text
}

/// How all hosts are reached over SSH, if they are reached in the same way, and there is more than one of them.
fn reached(fleet: &[Draft]) -> Option<Pair> {
    let ways = fleet.iter().map(|draft| {
        let other = draft.connection.iter().any(|(key, _)| key != "ssh");
        (!other).then(|| draft.connection.iter().find(|(key, _)| key == "ssh").map(|(_, value)| value.as_str()))
    });
    let mut over_ssh = ways.flatten();
    let first = over_ssh.next()??;
    let rest: Vec<Option<&str>> = over_ssh.collect();
    (!rest.is_empty() && rest.iter().all(|way| *way == Some(first))).then(|| Pair::new("ssh", first.to_owned()))
}

/// Long lists stand one entry below the other, each with its origin behind it.
fn write_pair(text: &mut String, indent: &str, pair: &Pair) {
    if !pair.is_long() {
        let _ = writeln!(text, "{indent}{}: {}", pair.key, pair.value);
        return;
    }
    let _ = writeln!(text, "{indent}{}:", pair.key);
    for (entry, origin) in &pair.entries {
        let origin = origin.as_ref().map_or(String::new(), |origin| format!("  # {}", comment(origin)));
        let _ = writeln!(text, "{indent}  - {entry}{origin}");
    }
}

/// Writes a host: its address, and what it has that its group has not.
fn write_host(text: &mut String, draft: &Draft, own: &[Pair], group: &Group) {
    let shared = |key: &str| group.shared.iter().find(|pair| pair.key == key).map(|pair| &pair.value);
    let mut pairs: Vec<Pair> = own.iter().filter(|pair| shared(&pair.key) != Some(&pair.value)).cloned().collect();
    for pair in group.shared.iter().filter(|pair| !own.iter().any(|known| known.key == pair.key)) {
        pairs.push(Pair::new(&pair.key, pair.default().to_owned()));
    }
    let word = draft.time_address.iter().map(|word| Pair::new("time_address", scalar(word)));
    pairs.splice(0..0, word);
    let name = scalar(&draft.name);
    let address = (draft.address != draft.name).then(|| scalar(&draft.address));
    if pairs.is_empty() {
        let _ = writeln!(text, "      {name}:{}", address.map_or(String::new(), |address| format!(" {address}")));
        return;
    }
    pairs.splice(0..0, address.map(|address| Pair::new("address", address)));
    if pairs.iter().any(Pair::is_long) {
        let _ = writeln!(text, "      {name}:");
        pairs.iter().for_each(|pair| write_pair(text, "        ", pair));
        return;
    }
    let all: Vec<String> = pairs.iter().map(|pair| format!("{}: {}", pair.key, pair.value)).collect();
    let _ = writeln!(text, "      {name}: {{ {} }}", all.join(", "));
}

/// What is told of hosts, each text once with all whom it is about.
fn told_of(
    members: &[usize],
    fleet: &[Draft],
    notes: &dyn Fn(&Draft) -> Vec<Note>,
    announced: &BTreeMap<String, Vec<Note>>,
) -> Vec<(String, Note)> {
    let mut all: Vec<(Note, Vec<&str>)> = Vec::new();
    for draft in members.iter().filter_map(|index| fleet.get(*index)) {
        for note in notes(draft).iter().chain(announced.get(&draft.name).into_iter().flatten()) {
            match all.iter_mut().find(|(known, _)| known == note) {
                Some((_, who)) if who.contains(&draft.name.as_str()) => {}
                Some((_, who)) => who.push(&draft.name),
                None => all.push((note.clone(), vec![&draft.name])),
            }
        }
    }
    all.into_iter().map(|(note, who)| (names::all(&who), note)).collect()
}

/// Lines that stay as they are; in the file they are seen where they stand.
fn kept(draft: &Draft) -> Vec<Note> {
    draft.said.extra.iter().map(|line| Note::at(line, "kept as it is, under `extra`")).collect()
}

fn line(who: &str, note: &Note) -> String {
    match &note.place {
        Some(place) => format!("{who}:{place}: {}", note.text),
        None => format!("{who}: {}", note.text),
    }
}

/// The same for the terminal.
pub(super) fn told(fleet: &[Draft], announced: &BTreeMap<String, Vec<Note>>) -> Vec<String> {
    let all: Vec<usize> = (0..fleet.len()).collect();
    let notes = |draft: &Draft| [draft.said.notes.clone(), kept(draft)].concat();
    told_of(&all, fleet, &notes, announced).iter().map(|(who, note)| line(who, note)).collect()
}

/// A text of a host in a comment: one line, nothing that a terminal would obey.
fn comment(text: &str) -> String {
    clean::text(text).replace(['\n', '\r'], " ")
}
