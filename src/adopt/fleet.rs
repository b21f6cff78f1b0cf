//! Who follows whom: a source that is a host of the list is followed, every other one is upstream.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::draft::Draft;
use super::{Note, finer};

/// Joins the hosts.
pub(super) fn joined(mut drafts: Vec<Draft>) -> Vec<Draft> {
    let names = names(&drafts);
    for index in 0..drafts.len() {
        if let Some(draft) = drafts.get_mut(index) {
            sources(index, draft, &names);
        }
    }
    let followed: BTreeSet<usize> =
        drafts.iter().flat_map(|draft| draft.follows.iter().map(|(index, _)| *index)).collect();
    let known: BTreeSet<IpAddr> = drafts.iter().flat_map(|draft| draft.addresses.iter().copied()).collect();
    for (index, draft) in drafts.iter_mut().enumerate() {
        serve(draft, &known);
        draft.master = followed.contains(&index) || !draft.said.serve.is_empty() || draft.said.isolated.is_some();
    }
    asked_at(&mut drafts);
    for (index, draft) in drafts.iter_mut().enumerate() {
        finer::put_back(draft, followed.contains(&index));
    }
    drafts
}

/// The host behind each word; none behind one that several have.
fn names(drafts: &[Draft]) -> HashMap<String, Option<usize>> {
    let mut all: HashMap<String, Option<usize>> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        let addresses = draft.addresses.iter().map(ToString::to_string);
        let words: BTreeSet<String> = [&draft.name, &draft.address]
            .into_iter()
            .chain(&draft.names)
            .map(|word| plain(word))
            .chain(addresses)
            .collect();
        for word in words {
            all.entry(word).and_modify(|known| *known = None).or_insert(Some(index));
        }
    }
    all
}

fn plain(word: &str) -> String {
    let word = word.trim_end_matches('.').to_lowercase();
    word.parse::<IpAddr>().map_or(word, |address| address.to_string())
}

fn sources(index: usize, draft: &mut Draft, names: &HashMap<String, Option<usize>>) {
    let mut seen = BTreeSet::new();
    for source in std::mem::take(&mut draft.said.sources) {
        let host = names.get(&plain(&source.address)).copied().flatten();
        let word = host.map_or_else(|| plain(&source.address), |host| format!("host {host}"));
        if host == Some(index) || is_itself(&source.address) {
            draft.said.notes.push(Note::of_host(format!("source `{}` is the host itself: left out", source.address)));
        } else if !seen.insert(word) {
            let text =
                format!("source `{}` is named twice, or another way to the same host: once is enough", source.address);
            draft.said.notes.push(Note::of_host(text));
        } else if let Some(host) = host {
            draft.follows.push((host, source));
        } else {
            draft.upstream.push(source);
        }
    }
}

fn is_itself(address: &str) -> bool {
    address == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Who may ask: networks that are named; where everybody may because nothing says otherwise, and somebody does who
/// is in no list, it stays open.
fn serve(draft: &mut Draft, known: &BTreeSet<IpAddr>) {
    // A line for the address of a source lets its answers in.
    let own: BTreeSet<String> = draft
        .upstream
        .iter()
        .chain(draft.follows.iter().map(|(_, source)| source))
        .map(|s| plain(&s.address))
        .collect();
    let said = &mut draft.said;
    said.serve.retain(|network| !own.contains(&network.addr().to_string()) || !is_single(network));
    let strangers: Vec<IpAddr> = draft.clients.iter().copied().filter(|client| !known.contains(client)).collect();
    let outside = |client: &&IpAddr| !said.serve.iter().any(|network| network.contains(*client));
    let left: Vec<String> = strangers.iter().filter(outside).map(ToString::to_string).collect();
    if said.open && !left.is_empty() {
        let text =
            format!("everybody may ask it, and somebody does who is no host of this list ({})", shortened(&left));
        said.notes.push(Note::of_host(text + ": it goes on serving all"));
        said.serve = ["0.0.0.0/0", "::/0"].iter().filter_map(|text| text.parse().ok()).collect();
    }
    said.serve.sort();
    said.serve.dedup();
}

fn is_single(network: &IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

fn shortened(words: &[String]) -> String {
    match words {
        [first, second, third, more @ ..] if !more.is_empty() => {
            format!("{first}, {second}, {third} and {} more", more.len())
        }
        words => words.join(", "),
    }
}

/// Where others ask a host: by the word that most of its followers use. A host that is reached by a name needs a
/// number there, for the lists of those who let it in.
fn asked_at(drafts: &mut [Draft]) {
    let mut words: BTreeMap<usize, BTreeMap<String, usize>> = BTreeMap::new();
    for (host, source) in drafts.iter().flat_map(|draft| &draft.follows) {
        *words.entry(*host).or_default().entry(source.address.clone()).or_default() += 1;
    }
    let reached: Vec<Option<IpAddr>> = drafts.iter().map(|draft| draft.address.parse().ok()).collect();
    let near: Vec<Option<IpAddr>> = drafts.iter().map(|draft| near(draft, drafts)).collect();
    for (index, draft) in drafts.iter_mut().enumerate() {
        let most = words.get(&index).and_then(|words| words.iter().max_by_key(|(_, count)| **count));
        let number = reached.get(index).copied().flatten().is_some();
        draft.time_address = match most {
            Some((word, _))
                if plain(word) != plain(&draft.address) && (draft.follows.is_empty() || is_number(word)) =>
            {
                Some(word.clone())
            }
            None if !number && !draft.follows.is_empty() => near.get(index).copied().flatten().map(|ip| ip.to_string()),
            _ => None,
        };
    }
}

fn is_number(word: &str) -> bool {
    word.parse::<IpAddr>().is_ok()
}

/// The address of a host that is nearest to those whom it follows.
fn near(draft: &Draft, drafts: &[Draft]) -> Option<IpAddr> {
    let masters: Vec<IpAddr> = draft
        .follows
        .iter()
        .flat_map(|(host, source)| {
            let own = drafts.get(*host).map(|master| master.addresses.clone()).unwrap_or_default();
            source.address.parse().ok().into_iter().chain(own)
        })
        .collect();
    let common = |address: &IpAddr| masters.iter().map(|master| bits(*address, *master)).max().unwrap_or(0);
    draft.addresses.iter().copied().max_by_key(common)
}

/// How many leading bits two addresses share.
fn bits(one: IpAddr, other: IpAddr) -> u32 {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => (u32::from(one) ^ u32::from(other)).leading_zeros(),
        (IpAddr::V6(one), IpAddr::V6(other)) => (u128::from(one) ^ u128::from(other)).leading_zeros(),
        _ => 0,
    }
}
