//! Who gets time from whom, as rows of boxes and the links between them: a picture that stays readable. In a
//! small fleet each host is a box. In a larger one, hosts that nobody follows and that have the same sources
//! share one; where that is too much, those of one tier and role do.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::layout::{self, Placed};
use crate::lang::say;
use crate::model::{Followed, HostReport, SourceReport, Status};
use crate::text::names;
use crate::text::number::count;

/// Up to so many hosts each is a box of its own.
const EACH: usize = 24;

/// Most boxes of a picture.
const MOST: usize = 48;

/// Most sources outside the inventory that are drawn one by one.
const OUTSIDE: usize = 8;

/// A box: one host, several, or a source that is no host of the inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Node {
    /// Its name, or those of all in it.
    pub(super) title: String,
    /// What is said below the name.
    pub(super) sub: String,
    /// `outside`, `master`, `slave`.
    pub(super) kind: &'static str,
    /// `good`, `care`, `bad`, `plain`.
    pub(super) class: &'static str,
    /// The number of the host in the report, where it is one.
    pub(super) host: Option<usize>,
    /// The row in which it stands.
    pub(super) tier: usize,
}

/// A way that the time takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Link {
    /// The box that gives the time.
    pub(super) from: usize,
    /// The box that gets it.
    pub(super) to: usize,
    /// How many hosts follow over it.
    pub(super) all: usize,
    /// Of these, those that got no answer.
    pub(super) broken: usize,
    /// Of these, those whose time service follows it now.
    pub(super) followed: usize,
    /// Of these, those that have not measured it.
    pub(super) unknown: usize,
}

impl Link {
    /// What kind of line it is.
    pub(super) fn class(&self) -> &'static str {
        match self {
            link if link.broken > 0 => "broken",
            link if link.followed > 0 => "followed",
            link if link.unknown == link.all => "unknown",
            _ => "spare",
        }
    }

    /// What it says in words.
    pub(super) fn words(&self) -> String {
        let told = [(self.followed, "follow it"), (self.broken, "got no answer"), (self.unknown, "did not measure it")];
        match self {
            Link { all: 1, broken: 1, .. } => "no answer".to_owned(),
            Link { all: 1, followed: 1, .. } => "followed".to_owned(),
            Link { all: 1, unknown: 1, .. } => "not measured".to_owned(),
            Link { all: 1, .. } => "answers, not followed".to_owned(),
            _ => {
                let parts: Vec<String> =
                    told.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
                let rest = if parts.is_empty() { "it answers".to_owned() } else { parts.join(", ") };
                format!("of {}, {rest}", count(self.all, "host"))
            }
        }
    }
}

/// The picture before it is drawn.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<Link>,
}

/// Draws the picture; none where the report does not tell who follows whom.
pub(super) fn drawn(hosts: &[HostReport]) -> Option<Placed> {
    let graph = graph(hosts);
    (!graph.links.is_empty()).then(|| layout::place(graph))
}

/// Finds the boxes and the links.
pub(super) fn graph(hosts: &[HostReport]) -> Graph {
    let each = |_: &HostReport| None;
    if hosts.len() <= EACH {
        return build(hosts, each);
    }
    let followed: BTreeSet<&str> =
        hosts.iter().flat_map(|host| &host.follows).filter_map(|source| source.host.as_deref()).collect();
    let graph = build(hosts, |host| {
        let leaf = !followed.contains(host.name.as_str());
        leaf.then(|| format!("{:?}", (host.role, host.tier, sources(host))))
    });
    if graph.nodes.len() <= MOST { graph } else { build(hosts, |host| Some(format!("{} {}", host.tier, host.role))) }
}

/// What a host follows, without regard to the order.
fn sources(host: &HostReport) -> BTreeSet<&str> {
    host.follows.iter().map(name).collect()
}

fn name(source: &Followed) -> &str {
    source.host.as_deref().unwrap_or(&source.address)
}

/// Puts the hosts of one key into one box.
fn build(hosts: &[HostReport], key: impl Fn(&HostReport) -> Option<String>) -> Graph {
    let mut graph = Graph::default();
    let mut boxes: BTreeMap<String, usize> = BTreeMap::new();
    let mut members: Vec<Vec<(usize, &HostReport)>> = Vec::new();
    let mut at: HashMap<&str, usize> = HashMap::new();
    for (number, host) in hosts.iter().enumerate() {
        let next = members.len();
        let own = key(host).map_or(next, |key| *boxes.entry(key).or_insert(next));
        match members.get_mut(own) {
            Some(known) => known.push((number, host)),
            None => members.push(vec![(number, host)]),
        }
        at.insert(&host.name, own);
    }
    graph.nodes = members.iter().map(|members| node(members)).collect();
    let outside = outside(hosts, &at, &mut graph.nodes);
    let mut links: BTreeMap<(usize, usize), Link> = BTreeMap::new();
    for host in hosts {
        let Some(to) = at.get(host.name.as_str()).copied() else { continue };
        for source in &host.follows {
            let from = source.host.as_deref().and_then(|name| at.get(name)).or_else(|| outside.get(name(source)));
            if let Some(from) = from.copied().filter(|from| *from != to) {
                let blank = Link { from, to, all: 0, broken: 0, followed: 0, unknown: 0 };
                tally(links.entry((from, to)).or_insert(blank), host, source);
            }
        }
    }
    graph.links = links.into_values().collect();
    graph
}

/// Adds the boxes of the sources that are no hosts of the report.
fn outside<'a>(
    hosts: &'a [HostReport],
    known: &HashMap<&str, usize>,
    nodes: &mut Vec<Node>,
) -> HashMap<&'a str, usize> {
    let all = hosts.iter().flat_map(|host| &host.follows).map(name).filter(|name| !known.contains_key(name));
    let mut seen = BTreeSet::new();
    let all: Vec<&str> = all.filter(|name| seen.insert(*name)).collect();
    let box_of = |title: String, sub: &str| Node {
        title,
        sub: say(sub).into_owned(),
        kind: "outside",
        class: "plain",
        ..Node::default()
    };
    // The row of those inside begins below.
    nodes.iter_mut().for_each(|node| node.tier += 1);
    if all.len() > OUTSIDE {
        nodes.push(box_of(names::some(&all), &count(all.len(), "source outside this run").replace("runs", "run")));
        return all.into_iter().map(|name| (name, nodes.len() - 1)).collect();
    }
    all.into_iter()
        .map(|name| {
            nodes.push(box_of(name.to_owned(), "outside this run"));
            (name, nodes.len() - 1)
        })
        .collect()
}

fn node(members: &[(usize, &HostReport)]) -> Node {
    let [(number, first), ..] = members else { return Node::default() };
    let who: Vec<&str> = members.iter().map(|(_, host)| host.name.as_str()).collect();
    let statuses: Vec<Status> = members.iter().map(|(_, host)| host.status).collect();
    let (class, sub) = match members {
        [_] => (super::words::class(first.status), super::words::word(first.status).into_owned()),
        _ => tallied(&statuses),
    };
    Node {
        title: names::some(&who),
        sub,
        kind: first.role.word(),
        class,
        host: (members.len() == 1).then_some(*number),
        tier: first.tier,
    }
}

/// `38 hosts: 36 well, 2 not`.
fn tallied(statuses: &[Status]) -> (&'static str, String) {
    let all = count(statuses.len(), "host");
    let ill: Vec<&Status> = statuses.iter().filter(|status| super::words::class(**status) != "good").collect();
    if ill.is_empty() {
        return ("good", say(&format!("{all}, all in sync")).into_owned());
    }
    let bad = ill.iter().any(|status| super::words::class(**status) == "bad");
    let text = format!("{all}, {} not in sync", ill.len());
    (if bad { "bad" } else { "care" }, say(&text).into_owned())
}

fn tally(link: &mut Link, host: &HostReport, source: &Followed) {
    let all = || host.sources.iter();
    let same = |seen: &&SourceReport| seen.address == source.address && seen.host == source.host;
    let measured = all().find(same).or_else(|| all().find(|seen| seen.address == source.address));
    link.all += 1;
    match measured {
        None => link.unknown += 1,
        Some(seen) if !seen.reachable => link.broken += 1,
        Some(seen) if seen.selected => link.followed += 1,
        Some(_) => {}
    }
}
