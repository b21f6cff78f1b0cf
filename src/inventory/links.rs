//! Who gets time from whom: the lines of `follows`, and those of `upstream` that lead to hosts of this file
//! and are the same thing in other words.

use std::collections::{HashMap, HashSet};

use super::family::{apart, asked_at};
use super::load::{Draft, Drafts, unknown};
use super::name::plain;
use super::node::At;
use super::read::Reader;
use super::source::SourceLine;
use crate::model::MistakeCode;

/// A host that another one follows, and the line that says so.
pub(super) type Link = (usize, SourceLine);

/// Where the hosts of each name are: a search through all of them for each of them is too long for large fleets.
pub(super) struct Names<'a> {
    hosts: HashMap<&'a str, (usize, &'a Draft)>,
    groups: HashMap<&'a str, Vec<usize>>,
    /// The host behind each address and each name of DNS; `None` where several share one.
    addresses: HashMap<String, Option<usize>>,
}

impl<'a> Names<'a> {
    pub(super) fn of(drafts: &'a Drafts) -> Self {
        let hosts: HashMap<&str, (usize, &Draft)> =
            drafts.hosts.iter().enumerate().map(|(index, host)| (host.name.as_str(), (index, host))).collect();
        let places = |members: &Vec<String>| {
            members.iter().filter_map(|name| hosts.get(name.as_str())).map(|(index, _)| *index).collect()
        };
        let groups = drafts.groups.iter().map(|(name, members)| (name.as_str(), places(members))).collect();
        Names { hosts, groups, addresses: addresses(drafts) }
    }

    pub(super) fn host(&self, name: &str) -> Option<&'a Draft> {
        self.hosts.get(name).map(|(_, host)| *host)
    }

    /// The members of a group, or the host of that name.
    fn members(&self, name: &str) -> Option<&[usize]> {
        let alone = || self.hosts.get(name).map(|(index, _)| std::slice::from_ref(index));
        self.groups.get(name).map(Vec::as_slice).or_else(alone)
    }

    /// The same, or the host that has this address or this name in DNS.
    fn behind(&self, word: &str) -> Option<Vec<usize>> {
        let by_address = || self.addresses.get(&plain(word)).copied().flatten().map(|index| vec![index]);
        self.members(word).map(<[usize]>::to_vec).or_else(by_address)
    }
}

/// Where others ask a host for time comes before where the tool reaches it: many may be reached at one address.
fn addresses(drafts: &Drafts) -> HashMap<String, Option<usize>> {
    let mut all: HashMap<String, Option<usize>> = HashMap::with_capacity(drafts.hosts.len());
    let mut reached: HashMap<String, Option<usize>> = HashMap::new();
    for (index, host) in drafts.hosts.iter().enumerate() {
        for address in &host.time_addresses {
            claim(&mut all, address, index);
        }
        if !host.time_addresses.contains(&host.address) {
            claim(&mut reached, &host.address, index);
        }
    }
    for (address, index) in reached {
        all.entry(address).or_insert(index);
    }
    all
}

fn claim(all: &mut HashMap<String, Option<usize>>, address: &str, index: usize) {
    all.entry(plain(address)).and_modify(|known| *known = known.filter(|known| *known == index)).or_insert(Some(index));
}

/// How a host was named as a source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Upstream,
    Group,
    Host,
}

/// The hosts that each host follows, in the order of its lines. What leads to hosts of this file is taken out
/// of `upstream`.
pub(super) fn links(drafts: &mut Drafts, reader: &mut Reader<'_>) -> Vec<Vec<Link>> {
    let (links, outside): (Vec<Vec<Link>>, Vec<Vec<SourceLine>>) = {
        let names = Names::of(drafts);
        let mut finder = Finder { drafts, names: &names, said: HashSet::new(), unknown: HashMap::new(), reader };
        (0..drafts.hosts.len()).map(|index| finder.sources(index)).unzip()
    };
    for (host, outside) in drafts.hosts.iter_mut().zip(outside) {
        if host.settings.upstream.is_some() {
            host.settings.upstream = Some(outside);
        }
    }
    links
}

/// Unknown names for which it is looked what was meant.
const MOST_SUGGESTIONS: usize = 100;

struct Finder<'a, 'r, 'f> {
    drafts: &'a Drafts,
    names: &'a Names<'a>,
    /// Hosts of one group share a line, and a mistake in it is said once.
    said: HashSet<(At, usize)>,
    /// What is said of each name that is none: to look for what was meant takes a walk through all names.
    unknown: HashMap<String, String>,
    reader: &'r mut Reader<'f>,
}

impl Finder<'_, '_, '_> {
    fn sources(&mut self, index: usize) -> (Vec<Link>, Vec<SourceLine>) {
        let Some(host) = self.drafts.hosts.get(index) else { return Default::default() };
        let mut found = Vec::new();
        let mut outside: Vec<SourceLine> = Vec::new();
        for line in host.settings.upstream.iter().flatten() {
            match self.names.behind(&line.name) {
                Some(members) if !self.inside(index, line, &members, &mut found) => outside.push(line.clone()),
                Some(_) => {}
                None => self.outside(line, &mut outside),
            }
        }
        self.follows(host, index, &mut found);
        (found, outside)
    }

    /// A server that no host of this file is.
    fn outside(&mut self, line: &SourceLine, outside: &mut Vec<SourceLine>) {
        if let Some(why) = &line.unless_known {
            self.say(line.at, usize::MAX, why.clone());
            outside.push(line.clone());
        } else if outside.iter().any(|other| plain(&other.name) == plain(&line.name)) {
            self.twice(line);
        } else {
            outside.push(line.clone());
        }
    }

    /// A line of `upstream` that leads to hosts of this file; says whether it leads to others than itself.
    fn inside(&mut self, index: usize, line: &SourceLine, members: &[usize], found: &mut Vec<Link>) -> bool {
        let own = "a master that goes on with its own clock says `isolated: true`, and needs no `upstream`";
        for member in members {
            let Some(master) = self.drafts.hosts.get(*member) else { continue };
            if *member == index {
                self.say(line.at, index, format!("upstream: `{}` is `{}` itself; {own}", line.name, master.name));
            } else if found.iter().any(|(known, _)| known == member) {
                self.twice(line);
            } else if line.options.is_pool() {
                let why = "`pool` is for a name that stands for several servers outside this file";
                self.say(line.at, *member, format!("upstream: `{}` is the host `{}`; {why}", line.name, master.name));
                found.push((*member, line.clone()));
            } else {
                self.take(index, *member, line, found);
            }
        }
        members.iter().any(|member| *member != index)
    }

    /// A host that is named itself has the options of that line, and not those of a group that it is in.
    fn follows(&mut self, host: &Draft, index: usize, found: &mut Vec<Link>) {
        let mut places: HashMap<usize, (usize, Way)> =
            found.iter().enumerate().map(|(place, (member, _))| (*member, (place, Way::Upstream))).collect();
        let mut names = HashSet::new();
        for line in host.settings.follows.iter().flatten() {
            let Some(members) = self.names.members(&line.name) else {
                self.unknown(host, line);
                continue;
            };
            if !names.insert(&line.name) {
                self.twice(line);
                continue;
            }
            let way = if self.names.groups.contains_key(line.name.as_str()) { Way::Group } else { Way::Host };
            for member in members.iter().filter(|member| **member != index) {
                match places.get(member).copied() {
                    None => {
                        places.insert(*member, (found.len(), way));
                        self.take(index, *member, line, found);
                    }
                    Some((_, Way::Upstream)) => self.twice(line),
                    Some((place, Way::Group)) if way == Way::Host => {
                        places.insert(*member, (place, way));
                        found.get_mut(place).into_iter().for_each(|(_, known)| known.clone_from(line));
                    }
                    Some(_) => {}
                }
            }
        }
    }

    fn unknown(&mut self, host: &Draft, line: &SourceLine) {
        if !self.reader.is_wrong(line.at) {
            let drafts = self.drafts;
            let known =
                drafts.groups.keys().map(String::as_str).chain(drafts.hosts.iter().map(|host| host.name.as_str()));
            // Whoever has so many wrong names has one cause for them, which no suggestion names.
            let known = known.take(if self.unknown.len() < MOST_SUGGESTIONS { usize::MAX } else { 0 });
            let said = self.unknown.entry(line.name.clone()).or_insert_with(|| unknown(&line.name, known));
            self.reader.mistake(line.at, MistakeCode::UnknownName, format!("{}.follows: {said}", host.name));
        }
    }

    fn take(&mut self, index: usize, member: usize, line: &SourceLine, found: &mut Vec<Link>) {
        let hosts = &self.drafts.hosts;
        let (Some(host), Some(master)) = (hosts.get(index), hosts.get(member)) else { return };
        if asked_at(master, host).is_none() {
            self.say(line.at, member, apart(master, host));
        }
        found.push((member, line.clone()));
    }

    fn twice(&mut self, line: &SourceLine) {
        let why = "is a source of this host already; the same clock asked twice would have two votes";
        self.say(line.at, usize::MAX, format!("`{}` {why}", line.name));
    }

    fn say(&mut self, at: At, about: usize, text: String) {
        if self.said.insert((at, about)) {
            self.reader.tangled(at, text);
        }
    }
}
