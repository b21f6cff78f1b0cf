//! A port open in firewalld for some networks, that of NTP for those that are served, and for nobody else. Other
//! people's rules are never taken away; those that an earlier run has added are, when the inventory no longer wants
//! them. Running and permanent state, each for itself: `--reload` is never used, as it would drop other people's
//! running rules.

use anyhow::{Context as _, Result, anyhow};
use ipnet::IpNet;

use super::judged::{Found, Part, Row, row};
use super::{Door, FUNCTIONS, Firewalld, WAY, askers, words};
use crate::exit::Hint;
use crate::firewall::advice::Asked;
use crate::firewall::filter::Rules;
use crate::firewall::precede::Opened;
use crate::firewall::record;
use crate::firewall::registry::{Firewall, Judged, LinuxFirewall, Read, Signs, Wanted};
use crate::firewall::walk::Stop;
use crate::model::Delta;
use crate::text::decisive::decisive;
use crate::text::quote::sh;

/// The word, and the unit.
const WORD: &str = "firewalld";

/// firewalld.
#[derive(Debug, Clone, Copy)]
pub struct Daemon;

/// The words of the two states, and the option that means them.
const STATES: [(&str, &str); 2] = [("permanent", "--permanent "), ("running", "")];

impl Firewall for Daemon {
    fn word(&self) -> &'static str {
        WORD
    }

    fn findings(&self) -> &'static [&'static str] {
        &["FC034", "FC036", "FC040", "FC041", "FC042", "FC043", "FC047"]
    }
}

impl LinuxFirewall for Daemon {
    fn units(&self) -> &'static [&'static str] {
        &[WORD]
    }

    fn is_active(&self, signs: &Signs<'_>) -> bool {
        signs.is_active(WORD)
    }

    fn settings(&self, wanted: &Wanted) -> String {
        let addresses: Vec<String> = wanted.networks.iter().map(|network| askers(*network)).collect();
        format!("{WAY}\n{FUNCTIONS}\nfc_firewalld {}", addresses.join(" "))
    }

    fn needs_rules(&self, wanted: &Wanted) -> bool {
        wanted.filter.is_some()
    }

    fn compare(&self, wanted: &Wanted, read: &Read<'_>) -> Result<Judged> {
        let found = judge(wanted, read)?;
        let (deltas, (change, undo)) = (deltas(wanted, &found), fix(wanted, &found));
        Ok(Judged { deltas, change, undo, doubts: found.doubts, after: None })
    }

    fn owns(&self, stop: &Stop, beside: &[&str]) -> bool {
        let own = |name: &str| ["INPUT_direct", "INPUT_ZONES", "IN_"].iter().any(|start| name.starts_with(start));
        // The last word of a base chain is that of the firewall which has its own chains in it.
        let is_policy = stop.rule.is_none() && beside.contains(&"INPUT_ZONES");
        stop.base.table == WORD || words::is_panic(stop) || own(&stop.chain.name) || is_policy
    }

    fn advice(&self, asked: &Asked<'_>) -> String {
        words::advice(asked)
    }

    fn evidence(&self) -> String {
        EVIDENCE.to_owned()
    }
}

/// All zones, with the doors of those who are served and of those who have asked in vain.
const EVIDENCE: &str = "#: firewalld: firewall-cmd --list-all-zones
if systemctl -q is-active firewalld; then
  @WAY@
  @FIREWALLD@
  fc_asking=
  for fc_s in @SERVED@ @ASKERS@; do fc_asking=\"$fc_asking ${fc_s%=*}\"; done
  fc_all=yes
  fc_firewalld $fc_asking
fi

";

/// What has to change, in words.
fn deltas(wanted: &Wanted, found: &Found) -> Vec<Delta> {
    let delta = |row: &Row, open: bool| {
        let property = format!("{} from {} ({})", wanted.port, row.network, row.state);
        let word = Some("open".to_owned());
        let (from, to) = if open { (None, word) } else { (word, None) };
        Delta::new(format!("firewalld zone {}", row.zone), &property, from, to)
    };
    let added = found.work.add.iter().map(|row| delta(row, true));
    added.chain(found.work.remove.iter().map(|row| delta(row, false))).collect()
}

/// The commands that change it, and those that take it back.
fn fix(wanted: &Wanted, found: &Found) -> (String, String) {
    let work = &found.work;
    if work.add.is_empty() && work.remove.is_empty() {
        return Default::default();
    }
    let (mut change, mut undo) = (note(wanted, &work.ours), record::restore(WORD, &wanted.port));
    for (state, option) in STATES {
        for (rows, verb, back) in [(&work.add, "add", "remove"), (&work.remove, "remove", "add")] {
            let rows: Vec<&Row> = rows.iter().filter(|row| row.state == state).collect();
            change.push_str(&commands(option, verb, &rows));
            undo.push_str(&commands(option, back, &rows));
        }
    }
    (change, undo)
}

/// What the note says of each rule.
fn note(wanted: &Wanted, ours: &[Row]) -> String {
    let line = |row: &Row| sh(&format!("{}\t{}\t{}", row.state, row.zone, row.rule));
    record::write(WORD, &wanted.port, &ours.iter().map(line).collect::<Vec<_>>())
}

fn judge(wanted: &Wanted, read: &Read<'_>) -> Result<Found> {
    let Some(state) = Firewalld::read_for(&read.settings, &wanted.port) else { return Ok(Found::default()) };
    if read.settings.starts_with("off") {
        return match wanted.networks.is_empty() {
            // Nobody is served, and what does not run lets nobody in.
            true => Ok(Found::default()),
            false => Err(anyhow!("firewalld does not answer: {}", decisive("", read.said))
                .hint("start firewalld, or say `firewall: none` for this host")),
        };
    }
    if state.panic && !wanted.networks.is_empty() {
        return Err(anyhow!(
            "firewalld is in panic mode: it drops every packet, and {} is open for nobody",
            wanted.port
        )
        .hint("somebody has run `firewall-cmd --panic-on`; when the reason is gone: firewall-cmd --panic-off"));
    }
    let rules = &read.rules;
    let found = compare(wanted, state, rules, &decisive("", read.said))?;
    // The rules themselves say more than the settings.
    if let Some(filter) = &wanted.filter {
        filter.refuse(rules, &|stop, from| stop.is_by_zones(&rules.set) && found.work.opens(from))?;
    }
    match found.refused {
        Some((message, hint)) => Err(anyhow!(message).hint(&hint)),
        None => Ok(found),
    }
}

fn compare(wanted: &Wanted, mut state: Firewalld, rules: &Rules, why: &str) -> Result<Found> {
    let parts = STATES.map(|(word, _)| (word, parts(wanted, &state, word)));
    let mut found = Found::default();
    found.work.sort_out(&state, &parts, &wanted.port);
    // What goes lets nobody in any more.
    for row in &found.work.remove {
        let zones = if row.state == "permanent" { &mut state.permanent.zones } else { &mut state.running.zones };
        zones.entry(row.zone.clone()).and_modify(|zone| zone.rules.retain(|rule| *rule != row.rule));
    }
    let old = wanted.lacks.contains(&"rich_priority");
    let opened = Opened::new(&wanted.port, state.element(), old);
    let goes = !found.work.remove.is_empty();
    for (word, part) in parts.iter().flat_map(|(word, parts)| parts.iter().map(move |part| (*word, part))) {
        let open_now = word == "running" && !goes && part.is_let_in(rules);
        for (from, door) in doors(wanted, &state, word, part) {
            let door = door.with_context(|| format!("firewalld: zone `{}` could not be read: {why}", part.zone))?;
            let row = row(&part.zone, word, from, &state.element());
            found.take(row, &door, open_now, &opened);
        }
    }
    found.doubts.extend(state.direct_later().iter().map(|rule| {
        format!("firewalld: the direct rule `{rule}` works after the next start only, and what it does was not judged")
    }));
    found.work.ours.extend(found.work.add.iter().cloned());
    found.work.ours.sort();
    found.work.ours.dedup();
    Ok(found)
}

/// Where the packets of those who are served arrive in one of the states.
fn parts(wanted: &Wanted, state: &Firewalld, word: &str) -> Vec<Part> {
    let of = |network: &IpNet| -> Vec<Part> {
        let parts = state.split(*network, word == "permanent").into_iter();
        parts.map(|(from, zone)| Part { network: *network, from, zone: zone.to_owned() }).collect()
    };
    wanted.networks.iter().flat_map(of).collect()
}

/// Whether a part of a network is let in; where rules tell its parts apart, each follower in it.
fn doors(wanted: &Wanted, state: &Firewalld, word: &str, part: &Part) -> Vec<(IpNet, Option<Door>)> {
    let door = |from: IpNet| (from, state.door(&part.zone, from, word == "permanent"));
    let all = door(part.from);
    let Some(Door::Doubt { shut, .. }) = &all.1 else { return vec![all] };
    if part.from.prefix_len() == part.from.max_prefix_len() {
        return vec![all];
    }
    let closed = shut.then_some((part.from, Some(Door::Closed)));
    let followers = wanted.filter.iter().flat_map(|filter| &filter.followers);
    let own = followers.filter(|address| part.from.contains(*address)).map(|address| door(IpNet::from(*address)));
    // Those who are merely not let in yet are, with the network.
    closed.into_iter().chain(own.filter(|(_, door)| !door.as_ref().is_some_and(Door::is_shut))).collect()
}

/// One call of `firewall-cmd` for each zone, however many networks.
fn commands(option: &str, verb: &str, rows: &[&Row]) -> String {
    let mut zones: Vec<&str> = rows.iter().map(|row| row.zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    let command = |zone: &&str| {
        let own = rows.iter().filter(|row| row.zone == **zone);
        let rules: String = own.map(|row| format!(" --{verb}-rich-rule={}", sh(&row.rule))).collect();
        format!("firewall-cmd -q {option}--zone={}{rules}\n", sh(zone))
    };
    zones.iter().map(command).collect()
}
