//! What is wrong with hosts that can be read one by one, but not be together like this.

use std::collections::{BTreeMap, BTreeSet};

use super::load::{Draft, Drafts};
use super::node::At;
use super::read::Reader;
use super::resolve::{among, isolated};
use super::source::SourceLine;
use super::spec::{FirewallChoice, Role};
use crate::facts::services::{self, Ability, Service, System};
use crate::firewall;
use crate::model::MistakeCode;

/// Settings of `winrm` that cannot be together; each place is named once, however many hosts share it.
pub(super) fn winrm(drafts: &Drafts, reader: &mut Reader<'_>) {
    for (winrm, at) in drafts.hosts.iter().filter_map(|host| host.settings.winrm.as_ref()) {
        if let Some(why) = winrm.conflict()
            && !reader.is_wrong(*at)
        {
            reader.mistake(*at, MistakeCode::Conflict, format!("winrm: {why}"));
        }
    }
}

/// Settings that the other kind of system has; each place is named once.
pub(super) fn system(drafts: &Drafts, reader: &mut Reader<'_>) {
    for host in &drafts.hosts {
        let (name, windows) = (&host.name, host.settings.winrm.is_some());
        if let Some((choice, at)) = host.settings.provider
            && let Some(why) = choice.named().and_then(|service| not_its_service(service, windows))
            && !reader.is_wrong(at)
        {
            reader.mistake(at, MistakeCode::Conflict, format!("host `{name}`: provider: {why}"));
        }
        if let Some((choice, at)) = host.settings.firewall
            && let Some(why) = not_its_firewall(choice, windows)
            && !reader.is_wrong(at)
        {
            reader.mistake(at, MistakeCode::Conflict, format!("host `{name}`: firewall: {why}"));
        }
        if let Some(at) = host.settings.at("packages").filter(|at| windows && !reader.is_wrong(*at))
            && host.settings.packages.as_ref().is_some_and(|packages| packages.from.is_some())
        {
            let why = "a Windows host (it has `winrm`) has its time service already; say an empty map, or leave it out";
            reader.mistake(at, MistakeCode::Conflict, format!("host `{name}`: packages: {why}"));
        }
    }
}

fn not_its_service(service: &Service, windows: bool) -> Option<String> {
    let words = |system| services::of(system).map(|one| format!("`{}`", one.name)).collect::<Vec<_>>().join(", ");
    match service.system {
        System::Linux if windows => {
            let own: Vec<&str> = services::of(System::Windows).map(|one| one.name).collect();
            let (names, words) = (own.join(", "), words(System::Windows));
            Some(format!(
                "a Windows host (it has `winrm`) runs {names} and no other time service; say {words} or `auto`"
            ))
        }
        System::Windows if !windows => {
            let (name, words) = (service.name, words(System::Linux));
            Some(format!("`{name}` is for Windows hosts (those with `winrm`); say {words} or `auto`"))
        }
        _ => None,
    }
}

/// What the service that is named cannot do; each place is named once.
pub(super) fn abilities(drafts: &Drafts, reader: &mut Reader<'_>) {
    for host in &drafts.hosts {
        let windows = host.settings.winrm.is_some();
        let named = host.settings.provider.and_then(|(choice, _)| choice.named());
        // Windows has one only; what it makes of sources in its own way is refused where it is named.
        let (service, demands) = match named {
            None if windows => (&services::W32TIME, host.settings.needs.clone()),
            // One of the other system was refused as a whole.
            Some(service) if (service.system == System::Windows) == windows => (service, demands(host)),
            _ => continue,
        };
        for (ability, at) in demands {
            if let Some(why) = services::refusal(service, ability)
                && !reader.is_wrong(at)
            {
                reader.mistake(at, MistakeCode::Conflict, format!("host `{}`: {why}", host.name));
            }
        }
    }
}

/// What a host asks of its service, and where that is said.
fn demands(host: &Draft) -> Vec<(Ability, At)> {
    let s = &host.settings;
    let mut all = s.needs.clone();
    all.extend(s.role.filter(|(role, _)| *role == Role::Master).map(|(_, at)| (Ability::Serve, at)));
    all.extend(s.serve.as_ref().filter(|(networks, _)| !networks.is_empty()).map(|(_, at)| (Ability::Serve, *at)));
    all.extend(s.isolated.filter(|(isolated, _)| isolated.is_some()).map(|(_, at)| (Ability::Isolated, at)));
    for line in s.upstream.iter().flatten().chain(s.follows.iter().flatten()) {
        let asked = [
            (line.options.is_pool(), Ability::Pool),
            (line.options.prefer == Some(true), Ability::Prefer),
            (line.options.minpoll.is_some() || line.options.maxpoll.is_some(), Ability::PollOfSource),
        ];
        all.extend(asked.into_iter().filter(|(is, _)| *is).map(|(_, ability)| (ability, line.at)));
    }
    all
}

fn not_its_firewall(choice: FirewallChoice, windows: bool) -> Option<String> {
    let FirewallChoice::Named(word) = choice else { return None };
    match (word.is_of_windows(), windows) {
        (false, true) => Some(
            "a Windows host (it has `winrm`) has the firewall of Windows; say `windows`, `auto` or `none`".to_owned(),
        ),
        (true, false) => Some(format!(
            "`windows` is for Windows hosts (those with `winrm`); say {}, `auto` or `none`",
            firewall::registry::words()
        )),
        _ => None,
    }
}

/// This machine is one host, and a group has many.
pub(super) fn local(drafts: &Drafts, reader: &mut Reader<'_>) {
    let local = drafts.hosts.iter().filter_map(|host| Some((host.name.as_str(), host.settings.is_local()?)));
    let local: Vec<(&str, At)> = local.collect();
    if let [(first, _), (second, at), more @ ..] = local.as_slice() {
        let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
        reader.mistake(
            *at,
            MistakeCode::Conflict,
            format!("`{first}`, `{second}`{more} are all `local`: this machine itself is one host only"),
        );
    }
}

/// What is wrong with each host by itself, and with those it follows.
pub(super) fn hosts(drafts: &Drafts, links: &[Vec<(usize, SourceLine)>], reader: &mut Reader<'_>) {
    let mut said: BTreeSet<(At, String)> = BTreeSet::new();
    if drafts.hosts.is_empty() {
        reader.mistake(At::default(), MistakeCode::Missing, "the inventory names no host");
    }
    for (host, links) in drafts.hosts.iter().zip(links) {
        let told = host.settings.follows.iter().flatten().any(|line| reader.is_wrong(line.at));
        let mut wrong = |at: At, code: MistakeCode, text: String| {
            // Hosts of one range share a mistake; it is said once.
            if said.insert((at, text.clone())) {
                reader.mistake(at, code, text);
            }
        };
        match host.settings.role {
            None => {
                wrong(
                    host.at,
                    MistakeCode::Missing,
                    format!("host `{}` has no role; say `role: master` or `role: slave`", host.name),
                );
                continue;
            }
            Some((Role::Master, _)) => master(host, links, &mut wrong),
            Some((Role::Slave, _)) => slave(host, links, told, &mut wrong),
        }
        masters_of(host, links, drafts, &mut wrong);
    }
}

fn has_source(host: &Draft, links: &[(usize, SourceLine)]) -> bool {
    !links.is_empty() || host.settings.upstream.iter().flatten().next().is_some()
}

fn master(host: &Draft, links: &[(usize, SourceLine)], wrong: &mut impl FnMut(At, MistakeCode, String)) {
    if !has_source(host, links) && isolated(&host.settings).is_none() {
        let name = &host.name;
        let way_out = "give it `upstream` or `follows`, or declare `isolated: true`";
        wrong(host.at, MistakeCode::Missing, format!("master `{name}` has no source; {way_out}"));
    }
}

/// `told` says that what it follows is no name of this file.
fn slave(host: &Draft, links: &[(usize, SourceLine)], told: bool, wrong: &mut impl FnMut(At, MistakeCode, String)) {
    let (s, name) = (&host.settings, &host.name);
    let lines: Vec<&str> = s.follows.iter().flatten().map(|line| line.name.as_str()).collect();
    if !has_source(host, links) && !told {
        let itself = format!(": `follows: {}` leads to itself only", lines.join(", "));
        let itself = if lines.is_empty() { "" } else { &itself };
        wrong(
            host.at,
            MistakeCode::Missing,
            format!("slave `{name}` has no source{itself}; give it `follows` or `upstream`"),
        );
    }
    if let Some((_, at)) = &s.serve {
        let why = "only a master serves (a relay is a master with `follows`)";
        wrong(*at, MistakeCode::Conflict, format!("slave `{name}` has `serve`; {why}"));
    }
    if let Some((Some(_), at)) = s.isolated {
        wrong(at, MistakeCode::Conflict, format!("slave `{name}` is `isolated`; only a master can be"));
    }
}

/// Nobody follows a slave.
fn masters_of(
    host: &Draft,
    links: &[(usize, SourceLine)],
    drafts: &Drafts,
    wrong: &mut impl FnMut(At, MistakeCode, String),
) {
    for (to, line) in links {
        let Some(master) = drafts.hosts.get(*to) else { continue };
        if master.settings.role.is_some_and(|(role, _)| role == Role::Slave) {
            let (name, slave) = (&host.name, &master.name);
            wrong(
                line.at,
                MistakeCode::Hierarchy,
                format!("{name} follows `{slave}`, which is a slave (a relay is a master with `follows`)"),
            );
        }
    }
}

/// An isolated master says which stratum it claims, so a limit below it can never be met.
pub(super) fn strata(drafts: &Drafts, links: &[Vec<(usize, SourceLine)>], tiers: &[usize], reader: &mut Reader<'_>) {
    let mut order: Vec<usize> = (0..drafts.hosts.len()).collect();
    order.sort_by_key(|index| tiers.get(*index).copied().unwrap_or(0));
    let mut strata: BTreeMap<usize, u8> = BTreeMap::new();
    let mut said = BTreeSet::new();
    for index in order {
        let (Some(host), Some(links)) = (drafts.hosts.get(index), links.get(index)) else { continue };
        let has_upstream = host.settings.upstream.iter().flatten().next().is_some();
        let best = links.iter().map(|(to, _)| strata.get(to).copied()).min().flatten();
        if let (Some(stratum), Some((limit, at))) = (best.filter(|_| !has_upstream), host.settings.limits.max_stratum)
            && links.iter().all(|(to, _)| strata.contains_key(to))
            && stratum > limit
            && said.insert((at, stratum))
        {
            let text = format!(
                "{}: limits.max_stratum: {limit} can never be met: its sources are stratum {stratum}",
                host.name
            );
            reader.tangled(at, text);
        }
        let own = match (isolated(&host.settings), best) {
            (Some(stratum), _) if links.is_empty() && !has_upstream => Some(stratum),
            (_, Some(best)) if !has_upstream => Some(best.saturating_add(1)),
            _ => None,
        };
        if let Some(own) = own {
            strata.insert(index, own);
        }
    }
}

/// W32Time has no orphan mode: of two such masters each goes its own way.
pub(super) fn orphans(drafts: &Drafts, peers: &BTreeMap<usize, BTreeSet<usize>>, reader: &mut Reader<'_>) {
    for (index, others) in peers.iter().filter(|(_, others)| !others.is_empty()) {
        let Some(host) = drafts.hosts.get(*index).filter(|host| host.settings.winrm.is_some()) else { continue };
        let other = among(drafts, Some(others)).first().map_or("", |other| other.name.as_str());
        let text = format!(
            "master `{}` is a Windows host and, like `{other}`, isolated: nothing keeps their clocks together; let one follow the other (`follows` in place of `isolated`)",
            host.name
        );
        reader.tangled(host.at, text);
    }
}
