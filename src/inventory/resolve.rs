//! From merged settings to complete hosts: names are looked up, networks derived, and the
//! hierarchy of time is checked.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::IpNet;

use super::check;
use super::family::{asked_at, heard_from, numbers};
use super::links::{Names, links};
use super::load::{Draft, Drafts};
use super::name::not_for_others;
use super::node::At;
use super::places::Places;
use super::policy::{STEP, limits};
use super::read::Reader;
use super::settings::Settings;
use super::source::{SourceLine, SourceOptions};
use super::spec::{
    Connection, DomainTime, ElevateSettings, FirewallChoice, Fleet, HostSpec, Jump, ProviderChoice, Role, Source,
    SshSettings, TimeSpec,
};
use super::tuned;
use crate::model::OWN_CLOCK;

/// Drift of an ordinary clock between two polls, parts of a second (RFC 5905: 15 ppm).
const DRIFT: f64 = 15e-6;

/// Makes the fleet out of the drafts. Mistakes go to the reader.
pub(super) fn resolve(mut drafts: Drafts, reader: &mut Reader<'_>) -> Fleet {
    let links = links(&mut drafts, reader);
    let names = Names::of(&drafts);
    let mut warnings = Warnings::default();
    check::hosts(&drafts, &links, reader);
    check::winrm(&drafts, reader);
    check::system(&drafts, reader);
    check::abilities(&drafts, reader);
    check::local(&drafts, reader);
    tuned::check(&drafts, &links, reader);
    let tiers = tiers(&drafts, &links, reader);
    check::strata(&drafts, &links, &tiers, reader);
    let peers = orphan_peers(&drafts, &links);
    check::orphans(&drafts, &peers, reader);
    let followers = followers(&links);
    let mut hosts = Vec::new();
    for (index, draft) in drafts.hosts.iter().enumerate() {
        let own_peers: Vec<&Draft> = among(&drafts, peers.get(&index));
        let mut followers: Vec<&Draft> = among(&drafts, followers.get(&index));
        followers.extend(&own_peers);
        let mut sources = sources(draft, links.get(index).map_or(&[], Vec::as_slice), &drafts);
        sources.extend(own_peers.iter().map(|peer| orphan_source(peer, draft)));
        let serve = serve(draft, &followers, reader);
        warn(draft, &sources, &names, &mut warnings);
        let mut spec = spec(draft, sources, serve, tiers.get(index).copied().unwrap_or(0), &names);
        spec.time.followers = followers.iter().flat_map(|follower| heard_from(draft, follower)).collect();
        hosts.push(spec);
    }
    pass_on(&mut hosts);
    same_addresses(&drafts, &mut warnings);
    Fleet { hosts, groups: drafts.groups, rollout: drafts.rollout, freeze: drafts.freeze, warnings: warnings.list }
}

/// What followers have to know of the hosts above them. A root dispersion of seconds comes from a Windows
/// host, and through everybody who follows it.
fn pass_on(hosts: &mut [HostSpec]) {
    let mut order: Vec<usize> = (0..hosts.len()).collect();
    order.sort_by_key(|index| hosts.get(*index).map(|host| host.tier));
    let mut from_windows: BTreeSet<String> = BTreeSet::new();
    let mut fed: BTreeSet<String> = BTreeSet::new();
    let announced: BTreeMap<String, Vec<u32>> =
        hosts.iter().map(|host| (host.name.clone(), references(host))).collect();
    for index in order {
        let Some(host) = hosts.get_mut(index) else { continue };
        for source in &mut host.time.sources {
            source.windows |= source.host.as_ref().is_some_and(|name| from_windows.contains(name));
            source.fed = source.host.as_ref().is_some_and(|name| fed.contains(name));
            let of = source.host.as_ref().and_then(|name| announced.get(name));
            source.references = of.cloned().unwrap_or_default();
        }
        if host.time.isolated.is_none() && !host.time.sources.is_empty() {
            fed.insert(host.name.clone());
        }
        if host.is_windows() || host.time.sources.iter().any(|source| source.windows) {
            from_windows.insert(host.name.clone());
        }
    }
}

/// The reference identifiers that a host announces when it follows what the inventory says: of a source
/// that is an IPv4 address, that address (RFC 5905). What a name leads to, a reference clock in `extra`, a
/// playbook of the user or the clock of a hypervisor brings is not known here.
fn references(host: &HostSpec) -> Vec<u32> {
    let sources: Option<Vec<u32>> =
        host.time.sources.iter().map(|source| source.address.parse::<Ipv4Addr>().ok().map(u32::from)).collect();
    let upstream = host.time.sources.iter().any(|source| !source.orphan);
    match sources.filter(|_| host.time.extra.is_empty() && host.playbook.is_none() && !host.by_hypervisor()) {
        Some(all) if host.time.isolated.is_some() && !upstream => all.into_iter().chain([OWN_CLOCK]).collect(),
        Some(all) => all,
        None => Vec::new(),
    }
}

fn role(settings: &Settings) -> Role {
    settings.role.map_or(Role::Slave, |(role, _)| role)
}

pub(super) fn isolated(settings: &Settings) -> Option<u8> {
    settings.isolated.and_then(|(isolated, _)| isolated).map(|isolated| isolated.stratum)
}

/// Depth of each host below those that follow nobody here; loops are mistakes.
fn tiers(drafts: &Drafts, links: &[Vec<(usize, SourceLine)>], reader: &mut Reader<'_>) -> Vec<usize> {
    let mut graph = petgraph::graphmap::DiGraphMap::<usize, ()>::new();
    for (index, links) in links.iter().enumerate() {
        graph.add_node(index);
        for (to, _) in links {
            graph.add_edge(*to, index, ());
        }
    }
    for loop_ in petgraph::algo::tarjan_scc(&graph).into_iter().filter(|scc| scc.len() > 1) {
        let mut names: Vec<&str> = loop_.iter().filter_map(|i| drafts.hosts.get(*i)).map(|h| h.name.as_str()).collect();
        names.sort_unstable();
        let at =
            loop_.iter().min().and_then(|i| links.get(*i)).and_then(|l| l.first()).map_or(At::default(), |(_, l)| l.at);
        reader.tangled(at, format!("these hosts follow each other in a loop: {} -> {}", names.join(" -> "), names[0]));
    }
    let mut tiers = vec![0; drafts.hosts.len()];
    for index in petgraph::algo::toposort(&graph, None).unwrap_or_default() {
        let above = links.get(index).into_iter().flatten().map(|(to, _)| tiers.get(*to).map_or(0, |tier| tier + 1));
        let tier = above.max().unwrap_or(0);
        if let Some(place) = tiers.get_mut(index) {
            *place = tier;
        }
    }
    tiers
}

/// Who follows each host.
fn followers(links: &[Vec<(usize, SourceLine)>]) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut followers: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (index, links) in links.iter().enumerate() {
        for (to, _) in links {
            followers.entry(*to).or_default().insert(index);
        }
    }
    followers
}

/// Isolated masters that serve the same host must agree on the time: each asks the others, and
/// the orphan mode of chrony and ntpd makes one of them the reference. One that follows the other agrees with it
/// already; asking it as well would give one clock two votes.
fn orphan_peers(drafts: &Drafts, all: &[Vec<(usize, SourceLine)>]) -> BTreeMap<usize, BTreeSet<usize>> {
    let alone = |index: &usize| drafts.hosts.get(*index).is_some_and(|host| isolated(&host.settings).is_some());
    let mut above: HashMap<usize, HashSet<usize>> = HashMap::new();
    let mut peers: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    // Most hosts follow the same masters as their neighbours.
    let mut seen = HashSet::new();
    for links in all {
        let masters: Vec<usize> = links.iter().map(|(to, _)| *to).filter(alone).collect();
        if masters.len() < 2 || !seen.insert(masters.clone()) {
            continue;
        }
        for one in &masters {
            above.entry(*one).or_insert_with(|| all_above(*one, all));
        }
        let follows = |one: &usize, other: &usize| above.get(one).is_some_and(|above| above.contains(other));
        for one in &masters {
            let level = |other: &&usize| *other != one && !follows(one, other) && !follows(other, one);
            peers.entry(*one).or_default().extend(masters.iter().filter(level));
        }
    }
    peers
}

/// The hosts that one follows, directly and through others.
fn all_above(one: usize, links: &[Vec<(usize, SourceLine)>]) -> HashSet<usize> {
    let mut found = HashSet::new();
    let mut open = vec![one];
    while let Some(host) = open.pop() {
        open.extend(links.get(host).into_iter().flatten().map(|(to, _)| *to).filter(|to| found.insert(*to)));
    }
    found
}

pub(super) fn among<'a>(drafts: &'a Drafts, indices: Option<&BTreeSet<usize>>) -> Vec<&'a Draft> {
    indices.into_iter().flatten().filter_map(|index| drafts.hosts.get(*index)).collect()
}

fn orphan_source(peer: &Draft, host: &Draft) -> Source {
    let asked = asked_at(peer, host).unwrap_or(&peer.address);
    Source { orphan: true, ..source(&SourceOptions::default(), asked, Some(peer)) }
}

fn sources(host: &Draft, links: &[(usize, SourceLine)], drafts: &Drafts) -> Vec<Source> {
    let outside = host.settings.upstream.iter().flatten().map(|line| source(&line.options, &line.name, None));
    let inside = links.iter().filter_map(|(to, line)| {
        let master = drafts.hosts.get(*to)?;
        // Where there is none, that has been said.
        Some(source(&line.options, asked_at(master, host).unwrap_or(&master.address), Some(master)))
    });
    outside.chain(inside).collect()
}

fn source(options: &SourceOptions, address: &str, host: Option<&Draft>) -> Source {
    Source {
        address: address.to_owned(),
        host: host.map(|host| host.name.clone()),
        known: host.map(known).unwrap_or_default(),
        windows: options.windows.unwrap_or_default() || host.is_some_and(|host| host.settings.winrm.is_some()),
        fed: false,
        references: Vec::new(),
        orphan: false,
        pool: options.is_pool(),
        prefer: options.prefer.unwrap_or_default(),
        iburst: options.iburst.unwrap_or(true),
        minpoll: options.minpoll,
        maxpoll: options.maxpoll,
        tuning: options.tuning.clone(),
    }
}

/// The addresses of a host, as far as the inventory has them as numbers.
fn known(host: &Draft) -> Vec<IpAddr> {
    let mut known = Vec::new();
    for address in host.time_addresses.iter().chain([&host.address]).filter_map(|address| address.parse().ok()) {
        if !known.contains(&address) {
            known.push(address);
        }
    }
    known
}

/// The declared networks, and the followers that are in none of them: the least that is needed.
fn serve(host: &Draft, followers: &[&Draft], reader: &mut Reader<'_>) -> Vec<IpNet> {
    let declared = host.settings.serve.as_ref().map_or(&[][..], |(networks, _)| networks);
    let mut networks = declared.to_vec();
    for follower in followers {
        let addresses = heard_from(host, follower);
        let more = addresses.iter().filter(|address| !declared.iter().any(|network| network.contains(*address)));
        networks.extend(more.map(|address| IpNet::from(*address)));
        // Two that have no family in common have been told so.
        if addresses.is_empty() && declared.is_empty() && numbers(follower).is_empty() {
            reader.missing(host.at, nameless(host, follower));
            break;
        }
    }
    // Not aggregated: joining two neighbours is exact, but hides who is served.
    networks.sort();
    networks.dedup();
    networks
}

fn nameless(master: &Draft, follower: &Draft) -> String {
    let (name, other) = (&master.name, &follower.name);
    let why = match follower.time_addresses.iter().find(|text| not_for_others(text).is_some()) {
        Some(address) => format!("known as {address} only, by which others do not know it"),
        None => "known by name only".to_owned(),
    };
    format!(
        "master `{name}`: its follower `{other}` is {why}; say `serve: [NETWORK]` on the master, or give the follower an `address`"
    )
}

fn spec(host: &Draft, sources: Vec<Source>, serve: Vec<IpNet>, tier: usize, names: &Names<'_>) -> HostSpec {
    let s = &host.settings;
    HostSpec {
        name: host.name.clone(),
        address: host.address.clone(),
        time_address: host.time_addresses.clone(),
        groups: host.groups.clone(),
        role: role(s),
        tier,
        connection: connection(s, names),
        provider: s.provider.map_or(ProviderChoice::Auto, |(choice, _)| choice),
        firewall: s.firewall.map_or(FirewallChoice::Auto, |(choice, _)| choice),
        packages: s.packages.clone().unwrap_or_default(),
        playbook: s.playbook.clone(),
        domain_time: s.domain_time.unwrap_or(DomainTime::Keep),
        time: TimeSpec {
            sources,
            serve,
            followers: Vec::new(),
            isolated: isolated(s),
            alarm: s.isolated.and_then(|(isolated, _)| isolated).is_some_and(|isolated| isolated.alarm),
            sets_clock: s.sets_clock.unwrap_or(true),
            step: s.step.unwrap_or(STEP),
            extra: s.extra.iter().flatten().map(|(line, _)| line.clone()).collect(),
            tuning: s.tuning.clone(),
        },
        limits: limits(s),
        vars: s.vars.clone(),
        places: Places::of(host),
        needs: s.needs.clone(),
    }
}

fn connection(s: &Settings, names: &Names<'_>) -> Connection {
    let ssh = &s.ssh;
    let elevate = ElevateSettings { method: ssh.method.unwrap_or_default(), password: ssh.become_password.clone() };
    if s.is_local().is_some() {
        return Connection::Local(elevate);
    }
    if let Some((winrm, _)) = &s.winrm {
        return Connection::Winrm(Box::new(winrm.settings()));
    }
    Connection::Ssh(Box::new(SshSettings {
        user: ssh.user.clone(),
        port: ssh.port,
        keys: ssh.keys.clone().unwrap_or_default(),
        passphrase: ssh.passphrase.clone(),
        password: ssh.password.clone(),
        elevate,
        jump: ssh.jump.iter().flatten().map(|jump| bastion(jump, names)).collect(),
        jump_limit: ssh.jump_limit.unwrap_or(8),
        host_key: ssh.host_key,
        known_hosts: ssh.known_hosts.clone(),
        config: ssh.config.clone(),
        timeout: ssh.timeout.unwrap_or(Duration::from_secs(10)),
        client: ssh.client.unwrap_or_default(),
    }))
}

/// A bastion may be a host of this inventory: then its own address, user and port are used.
fn bastion(jump: &Jump, names: &Names<'_>) -> Jump {
    match names.host(&jump.address) {
        Some(host) => Jump {
            user: jump.user.clone().or_else(|| host.settings.ssh.user.clone()),
            address: host.address.clone(),
            port: jump.port.or(host.settings.ssh.port),
        },
        None => jump.clone(),
    }
}

/// What is allowed, and worth a second look.
fn warn(host: &Draft, sources: &[Source], names: &Names<'_>, warnings: &mut Warnings) {
    let orphans = sources.iter().filter(|source| source.host.as_ref().is_some_and(|name| alone(names, name))).count();
    if sources.len() == 2 && orphans < 2 && !sources.iter().any(|source| source.pool) {
        let (first, second) = (&sources[0].address, &sources[1].address);
        warnings.say(format!(
            "two sources ({first}, {second}) cannot outvote each other: if they differ, nobody knows which is right; use one, three or more"
        ));
    }
    let limit = limits(&host.settings).max_error.as_secs_f64();
    for source in sources {
        if let Some(maxpoll) = source.maxpoll
            && DRIFT * 2f64.powi(i32::from(maxpoll)) > limit
        {
            warnings.say(format!(
                "maxpoll {maxpoll} of `{}`: a clock may drift past {limit} s between two polls",
                source.address
            ));
        }
    }
}

/// Orphans that ask each other do not differ.
fn alone(names: &Names<'_>, name: &str) -> bool {
    names.host(name).is_some_and(|host| isolated(&host.settings).is_some())
}

fn same_addresses(drafts: &Drafts, warnings: &mut Warnings) {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let mut asked: HashMap<&str, &str> = HashMap::new();
    for host in drafts.hosts.iter().filter(|host| host.settings.is_local().is_none()) {
        if let Some(other) = seen.insert(&host.address, &host.name) {
            warnings.say(format!("`{other}` and `{}` have the same address {}", host.name, host.address));
        }
        for address in host.time_addresses.iter().filter(|address| **address != host.address) {
            if let Some(other) = asked.insert(address, &host.name).filter(|other| *other != host.name) {
                warnings.say(format!("`{other}` and `{}` have the same time_address {address}", host.name));
            }
        }
    }
}

/// Each of them once, in the order in which they came up.
#[derive(Default)]
struct Warnings {
    list: Vec<String>,
    said: HashSet<String>,
}

impl Warnings {
    fn say(&mut self, text: String) {
        if self.said.insert(text.clone()) {
            self.list.push(text);
        }
    }
}
