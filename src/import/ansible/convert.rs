//! From an inventory of Ansible to a fleet of ours.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, anyhow};

use super::Inventory;
use super::connect::{Way, connect};
use super::order::{Order, Said};
use super::servers::Server;
use super::template::Templates;
use super::time::{OfSources, Time, time};
use super::view::View;
use crate::exit::Hint as _;
use crate::import::Imported;
use crate::import::fleet::{Fleet, Group, Host, free};
use crate::import::note::Notes;
use crate::import::words::is_name;
use crate::yaml::out::Out;
use crate::yaml::tree::{Kind, Node};

/// Makes an inventory of ours. `masters` are names of groups or hosts; with none, the group `masters` and the hosts
/// whose variable `fleetclock` says so. `head` is said at the beginning of the text.
///
/// # Errors
/// Nothing is called so, or nobody is a master.
pub fn convert(inventory: Inventory, masters: &[String], head: &[String]) -> Result<Imported> {
    Ok(fleet(inventory, masters)?.finish(head))
}

/// A host on its way: its variables, and what they say of time.
struct Draft<'a> {
    place: usize,
    vars: BTreeMap<&'a str, Said<'a>>,
    host: Host,
}

fn fleet(mut inventory: Inventory, masters: &[String]) -> Result<Fleet> {
    let mut notes = std::mem::take(&mut inventory.notes);
    let files = inventory.files.clone();
    let order = Order::of(&inventory);
    let named = named(&inventory, &order, masters)?;
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    for place in 0..inventory.hosts.len() {
        let vars = order.vars(place);
        if let Some(host) = host(&inventory, place, &vars, named.contains(&place), &mut notes) {
            drafts.push(Draft { place, vars, host });
        }
    }
    if !drafts.iter().any(|draft| draft.host.master) {
        return Err(no_master(&inventory, "no host is a time master"));
    }
    let known: BTreeSet<String> =
        drafts.iter().filter(|draft| draft.host.master).flat_map(|draft| names(&draft.host)).collect();
    let below = drafts.iter().filter(|draft| !draft.host.master).flat_map(|draft| names(&draft.host));
    let mut known = Known { masters: known, below: below.collect(), asked: BTreeSet::new() };
    let (above, below): (Vec<&mut Draft<'_>>, Vec<_>) = drafts.iter_mut().partition(|draft| draft.host.master);
    for draft in above.into_iter().chain(below) {
        times(draft, &mut known, &mut notes);
    }
    let groups = groups(&inventory, &order, &drafts, &mut notes);
    let masters = title(masters, &groups, &drafts);
    let hosts = drafts.into_iter().map(|draft| draft.host).collect();
    Ok(Fleet { files, hosts, masters, groups, notes })
}

/// The hosts that are meant by names of groups and hosts.
fn named(inventory: &Inventory, order: &Order<'_>, masters: &[String]) -> Result<BTreeSet<usize>> {
    let mut places = BTreeSet::new();
    let usual = ["masters".to_owned()];
    let words = if masters.is_empty() { usual.as_slice() } else { masters };
    for word in words {
        match (inventory.groups.contains_key(word), inventory.index.get(word)) {
            (true, _) => places.extend(order.members(word)),
            (false, Some(place)) => drop(places.insert(*place)),
            (false, None) if masters.is_empty() => {}
            (false, None) => return Err(no_master(inventory, &format!("no group and no host is called `{word}`"))),
        }
    }
    Ok(places)
}

fn no_master(inventory: &Inventory, why: &str) -> anyhow::Error {
    let groups: Vec<String> = inventory.sizes().into_iter().map(|(name, size)| format!("{name} ({size})")).collect();
    anyhow!("{why}")
        .hint(&format!("--masters GROUP, or names of hosts, comma separated. The groups are: {}", groups.join(", ")))
}

/// A host with its connection; `None` if it is left out, which is noted.
fn host(
    inventory: &Inventory,
    place: usize,
    vars: &BTreeMap<&str, Said<'_>>,
    master: bool,
    notes: &mut Notes,
) -> Option<Host> {
    let theirs = inventory.hosts.get(place)?;
    let range = theirs.range.clone().filter(|(range, _)| is_range(range));
    let mut host = Host { name: theirs.name.clone(), master, range, ..Host::default() };
    if !is_name(&host.name) {
        notes.say(theirs.at, format!("`{}` cannot be the name of a host here; left out", host.name));
        return None;
    }
    let templates = Templates::new(&theirs.name, vars);
    let mut view = View { vars, templates, host: &mut host, notes: &mut *notes };
    if let Way::LeftOut(at, why) = connect(&mut view) {
        // Many hosts may share the place that says it.
        let at = if at.line == 0 { theirs.at } else { at };
        notes.say(at, format!("`{}` left out: {why}", theirs.name));
        return None;
    }
    host.master |= view.node("fleetclock").and_then(|own| own.get("role")?.scalar()).as_deref() == Some("master");
    if host.address.is_none() && !crate::import::words::is_address(&host.name) {
        notes.say(theirs.at, format!("`{}` left out: it has no address, and its name is none", host.name));
        return None;
    }
    Some(host)
}

/// Whether our file can have the range as it is: letters are of one case there.
fn is_range(range: &str) -> bool {
    crate::text::range::expand(range).is_ok()
}

/// All that others may call a host.
fn names(host: &Host) -> Vec<String> {
    let short = host.name.split('.').next().unwrap_or_default();
    let all = [Some(host.name.as_str()), host.address.as_deref(), Some(short)];
    all.into_iter().flatten().map(str::to_lowercase).collect()
}

/// By what names masters and the others are known, and whom masters ask.
struct Known {
    masters: BTreeSet<String>,
    below: BTreeSet<String>,
    asked: BTreeSet<String>,
}

/// What the variables say of time: masters ask what they ask, all others follow the masters.
fn times(draft: &mut Draft<'_>, known: &mut Known, notes: &mut Notes) {
    let name = draft.host.name.clone();
    let templates = Templates::new(&name, &draft.vars);
    let mut view = View { vars: &draft.vars, templates, host: &mut draft.host, notes };
    let said = time(&mut view);
    if view.host.master {
        master(&mut view, &said, known);
        known.asked.extend(said.servers.iter().map(|server| server.address.to_lowercase()));
    } else {
        let gone = |name: &String| !known.masters.contains(name) && !known.asked.contains(name);
        for server in said.servers.iter().filter(|server| gone(&server.address.to_lowercase())) {
            let text = format!(
                "`{}` is asked by no master, and those who ask it follow the masters now; left out",
                server.address
            );
            view.notes.say(server.at, text);
        }
        for OfSources { at, variable, key, .. } in &said.of_sources {
            let text = format!(
                "`{variable}` left out for those who follow the masters now, and so have other sources; the key is `{key}`"
            );
            view.notes.say(*at, text);
        }
    }
    own(&mut view);
}

fn master(view: &mut View<'_>, said: &Time, known: &Known) {
    let (mut upstream, mut asked): (Vec<Out>, Vec<&Server>) = (Vec::new(), Vec::new());
    for server in said.servers.iter().filter(|server| !known.masters.contains(&server.address.to_lowercase())) {
        if known.below.contains(&server.address.to_lowercase()) {
            let text = format!("`{}` follows the masters, so they cannot ask it; left out", server.address);
            view.notes.say(server.at, text);
        } else if let Some(line) = server.out(view) {
            upstream.push(line);
            asked.push(server);
        }
    }
    if !upstream.is_empty() {
        view.set("", "upstream", Out::List(upstream));
        of_sources(view, &said.of_sources, &asked);
    }
    if let Some(stratum) = said.stratum {
        view.set("", "isolated", Out::Map(vec![("stratum".to_owned(), Out::Number(stratum))]));
    }
    if !said.allow.is_empty() {
        view.set("", "serve", Out::List(said.allow.iter().map(|network| Out::text(network.to_string())).collect()));
    }
}

/// What is said of all sources of a master, as far as it can be met.
fn of_sources(view: &mut View<'_>, said: &[OfSources], asked: &[&Server]) {
    let counting = asked.iter().filter(|server| server.counts()).count();
    let any = asked.iter().any(|server| server.pool && server.counts());
    for OfSources { at, variable, key, value, ability } in said {
        let least = match value {
            Out::Number(least) => usize::try_from(*least).unwrap_or_default(),
            _ => 0,
        };
        let few = (least > counting && !any).then(|| "the master asks fewer servers".to_owned());
        match few.or_else(|| view.refusal(*ability)) {
            Some(why) => view.notes.say(*at, format!("`{variable}` left out: {why}")),
            None => view.set("", key, value.clone()),
        }
    }
}

/// Sections whose keys are merged one by one.
const SECTIONS: &[&str] = &["ssh", "winrm", "limits", "vars"];

/// A variable `fleetclock` holds settings of ours.
fn own(view: &mut View<'_>) {
    let Some(node) = view.node("fleetclock") else { return };
    for (key, value) in node.pairs() {
        match key.text.as_str() {
            // Looked at before, for all hosts.
            "role" => {}
            section if SECTIONS.contains(&section) => {
                value.pairs().iter().for_each(|(name, value)| view.set(section, &name.text, out(value)));
            }
            name => view.set("", name, out(value)),
        }
    }
}

fn out(node: &Node) -> Out {
    match &node.kind {
        Kind::Bool(value) => Out::Bool(*value),
        Kind::Whole(value) => i64::try_from(*value).map_or_else(|_| Out::text(value.to_string()), Out::Number),
        Kind::List(list) => Out::List(list.iter().map(out).collect()),
        Kind::Map(pairs) => Out::Map(pairs.iter().map(|(key, value)| (key.text.clone(), out(value))).collect()),
        Kind::Null | Kind::Number(_) | Kind::Text(_) => Out::text(node.scalar().unwrap_or_default()),
    }
}

/// Ansible's groups, with the hosts of those below them.
fn groups(inventory: &Inventory, order: &Order<'_>, drafts: &[Draft<'_>], notes: &mut Notes) -> Vec<Group> {
    let mut groups = Vec::new();
    for name in inventory.groups.keys().filter(|name| *name != "all" && *name != "ungrouped") {
        let members = order.members(name);
        let members: Vec<usize> = drafts
            .iter()
            .enumerate()
            .filter(|(_, draft)| members.contains(&draft.place))
            .map(|(index, _)| index)
            .collect();
        let clash = drafts.iter().find(|draft| draft.host.name == *name);
        if let Some(draft) = clash.filter(|_| !members.is_empty()) {
            let at = inventory.hosts.get(draft.place).map(|host| host.at).unwrap_or_default();
            notes.say(at, format!("the group `{name}` is called like a host; its hosts are here, the group is not"));
        } else if !members.is_empty() && is_name(name) {
            groups.push(Group { name: name.clone(), members });
        }
    }
    groups
}

/// What the group of the masters is called: as in Ansible, if it is one group.
fn title(masters: &[String], groups: &[Group], drafts: &[Draft<'_>]) -> String {
    let members: Vec<usize> =
        drafts.iter().enumerate().filter(|(_, draft)| draft.host.master).map(|(index, _)| index).collect();
    let whole = |group: &&Group| group.members == members;
    let wanted = masters.first().map_or("masters", String::as_str);
    if let Some(group) = groups.iter().filter(whole).find(|group| group.name == wanted) {
        return group.name.clone();
    }
    let groups = groups.iter().map(|group| group.name.as_str());
    free("masters", &groups.chain(drafts.iter().map(|draft| draft.host.name.as_str())).collect())
}
