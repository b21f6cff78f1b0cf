//! A port open for some networks, that of NTP for those that are served, and for nobody else. Other people's rules are never
//! taken away; those that an earlier run has added are, when the inventory no longer wants them.

mod judged;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use ipnet::IpNet;

use judged::{Judged, Part, Row, row};

use super::filter::{Filter, Rules};
use super::{Delta, Fix, Resource, Slice};
use crate::exit::Hint;
use crate::facts::Facts;
use crate::firewall::firewalld::{self, Door, FUNCTIONS, Opening, WAY, askers};
use crate::firewall::precede::Opened;
use crate::playbook::kind::networks;
use crate::text::decisive::decisive;
use crate::transport::quote::sh;

/// firewalld: running and permanent state, each for itself. `--reload` is never used, as it would drop
/// other people's running rules.
#[derive(Debug, Default)]
pub struct Firewalld {
    /// Who may ask; empty on a host that serves nobody, where only our own old rules are of interest.
    pub networks: Vec<IpNet>,
    /// What is opened.
    pub port: Opening,
    /// The followers, whom no rule may keep out: neither one of firewalld nor any other.
    pub filter: Option<Filter>,
    /// Whether this firewalld knows no priorities of rich rules.
    pub old: bool,
    /// What was seen last, and what came of it: the difference, the doubts and the change are asked for one by one.
    last: Mutex<Option<(Slice, Arc<Judged>)>>,
}

/// Begins what was read of the rules.
const RULES: &str = "#: rules\n";

/// The words of the two states, and the option that means them.
const STATES: [(&str, &str); 2] = [("permanent", "--permanent "), ("running", "")];

impl Resource for Firewalld {
    fn label(&self) -> String {
        "firewalld".to_owned()
    }

    fn probe(&self) -> String {
        let addresses: Vec<String> = self.networks.iter().map(|network| askers(*network)).collect();
        let ask = format!("{WAY}\n{FUNCTIONS}\nfc_firewalld {}", addresses.join(" "));
        match &self.filter {
            _ if self.networks.is_empty() => format!("[ ! -s {} ] || {{\n{ask}\n}}", self.record()),
            Some(filter) => format!("{ask}\nprintf '%s' '{RULES}'\n{}", filter.probe()),
            None => ask,
        }
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let judged = self.judged(seen)?;
        let work = &judged.work;
        let delta = |row: &Row, open: bool| {
            let property = format!("{} from {} ({})", self.port, row.network, row.state);
            let word = Some("open".to_owned());
            let (from, to) = if open { (None, word) } else { (word, None) };
            Delta::new(format!("firewalld zone {}", row.zone), &property, from, to)
        };
        let added = work.add.iter().map(|row| delta(row, true));
        Ok(added.chain(work.remove.iter().map(|row| delta(row, false))).collect())
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let judged = self.judged(seen)?;
        let work = &judged.work;
        if work.add.is_empty() && work.remove.is_empty() {
            return Ok(Fix::default());
        }
        let mut fix = Fix { change: self.note(&work.ours), undo: self.restore(), settle: String::new() };
        for (state, option) in STATES {
            for (rows, verb, back) in [(&work.add, "add", "remove"), (&work.remove, "remove", "add")] {
                let rows: Vec<&Row> = rows.iter().filter(|row| row.state == state).collect();
                fix.change.push_str(&commands(option, verb, &rows));
                fix.undo.push_str(&commands(option, back, &rows));
            }
        }
        Ok(fix)
    }

    fn doubts(&self, seen: &Slice) -> Vec<String> {
        self.judged(seen).map(|judged| judged.doubts.clone()).unwrap_or_default()
    }
}

impl Firewalld {
    /// Opens for networks, separated by blanks; `filter` says which followers no rule may keep out.
    ///
    /// # Errors
    /// One of them is no network.
    pub fn new(port: Opening, from: &str, filter: Option<Filter>) -> Result<Self> {
        Ok(Firewalld { networks: networks(from).context("firewall")?, port, filter, ..Firewalld::default() })
    }

    /// Takes away what earlier runs have opened of a port, and only that.
    pub fn closing(port: Opening) -> Self {
        Firewalld { port, ..Firewalld::default() }
    }

    /// The same where firewalld has no priorities of rich rules.
    #[must_use]
    pub fn with(self, facts: &Facts) -> Self {
        Firewalld { old: facts.lacks.contains(&"rich_priority"), ..self }
    }

    fn record(&self) -> String {
        firewalld::record(&self.port)
    }

    /// Writes down which rules are ours, before any is there: a run that dies leaves none unknown.
    fn note(&self, ours: &[Row]) -> String {
        let record = self.record();
        let line = |row: &Row| sh(&format!("{}\t{}\t{}", row.state, row.zone, row.rule));
        let lines: Vec<String> = ours.iter().map(line).collect();
        let write = match lines.is_empty() {
            true => format!("rm -f {record}"),
            false => format!("printf '%s\\n' {} >{record}.new && mv {record}.new {record}", lines.join(" ")),
        };
        format!(
            "mkdir -p {}\n[ ! -e {record} ] || cp -p {record} \"$FC_KEEP/record\"\n: >\"$FC_KEEP/begun\"\n{write}\n",
            record.rsplit_once('/').map_or("/", |(folder, _)| folder)
        )
    }

    /// Puts the record back as it was, if this run has touched it.
    fn restore(&self) -> String {
        let record = self.record();
        format!(
            "if [ -e \"$FC_KEEP/record\" ]; then cp -p \"$FC_KEEP/record\" {record}\nelif [ -e \"$FC_KEEP/begun\" ]; then rm -f {record}; fi\n"
        )
    }

    fn judged(&self, seen: &Slice) -> Result<Arc<Judged>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, judged)) = last.as_ref().filter(|(known, _)| known == seen) {
            return Ok(Arc::clone(judged));
        }
        let judged = Arc::new(self.judge(seen)?);
        *last = Some((seen.clone(), Arc::clone(&judged)));
        Ok(judged)
    }

    fn judge(&self, seen: &Slice) -> Result<Judged> {
        let (text, rules) = seen.stdout.split_once(RULES).unwrap_or((&seen.stdout, ""));
        let Some(state) = firewalld::Firewalld::read_for(text, &self.port) else { return Ok(Judged::default()) };
        if text.starts_with("off") {
            return match self.networks.is_empty() {
                // Nobody is served, and what does not run lets nobody in.
                true => Ok(Judged::default()),
                false => Err(anyhow!("firewalld does not answer: {}", decisive("", &seen.stderr))
                    .hint("start firewalld, or say `firewall: none` for this host")),
            };
        }
        if state.panic && !self.networks.is_empty() {
            return Err(anyhow!(
                "firewalld is in panic mode: it drops every packet, and {} is open for nobody",
                self.port
            )
            .hint("somebody has run `firewall-cmd --panic-on`; when the reason is gone: firewall-cmd --panic-off"));
        }
        let rules = Rules::read(rules);
        let judged = self.compare(state, &rules, &decisive("", &seen.stderr))?;
        // The rules themselves say more than the settings.
        if let Some(filter) = &self.filter {
            filter.refuse(&rules, &|stop, from| stop.is_by_zones(&rules.set) && judged.work.opens(from))?;
        }
        match judged.refused {
            Some((message, hint)) => Err(anyhow!(message).hint(&hint)),
            None => Ok(judged),
        }
    }

    fn compare(&self, mut state: firewalld::Firewalld, rules: &Rules, why: &str) -> Result<Judged> {
        let parts = |state: &firewalld::Firewalld, word: &str| -> Vec<Part> {
            let of = |network: &IpNet| -> Vec<Part> {
                let parts = state.split(*network, word == "permanent").into_iter();
                parts.map(|(from, zone)| Part { network: *network, from, zone: zone.to_owned() }).collect()
            };
            self.networks.iter().flat_map(of).collect()
        };
        let wanted = STATES.map(|(word, _)| (word, parts(&state, word)));
        let mut judged = Judged::default();
        judged.work.sort_out(&state, &wanted, &self.port);
        // What goes lets nobody in any more.
        for row in &judged.work.remove {
            let zones = if row.state == "permanent" { &mut state.permanent.zones } else { &mut state.running.zones };
            zones.entry(row.zone.clone()).and_modify(|zone| zone.rules.retain(|rule| *rule != row.rule));
        }
        let opened = Opened::new(&self.port, state.element(), self.old);
        let goes = !judged.work.remove.is_empty();
        for (word, part) in wanted.iter().flat_map(|(word, parts)| parts.iter().map(move |part| (*word, part))) {
            let open_now = word == "running" && !goes && part.is_let_in(rules);
            for (from, door) in self.doors(&state, word, part) {
                let door = door.with_context(|| format!("firewalld: zone `{}` could not be read: {why}", part.zone))?;
                let row = row(&part.zone, word, from, &state.element());
                judged.take(row, &door, open_now, &opened);
            }
        }
        judged.doubts.extend(state.direct_later().iter().map(|rule| {
            format!(
                "firewalld: the direct rule `{rule}` works after the next start only, and what it does was not judged"
            )
        }));
        judged.work.ours.extend(judged.work.add.iter().cloned());
        judged.work.ours.sort();
        judged.work.ours.dedup();
        Ok(judged)
    }

    /// Whether a part of a network is let in; where rules tell its parts apart, each follower in it.
    fn doors(&self, state: &firewalld::Firewalld, word: &str, part: &Part) -> Vec<(IpNet, Option<Door>)> {
        let door = |from: IpNet| (from, state.door(&part.zone, from, word == "permanent"));
        let all = door(part.from);
        let Some(Door::Doubt { shut, .. }) = &all.1 else { return vec![all] };
        if part.from.prefix_len() == part.from.max_prefix_len() {
            return vec![all];
        }
        let closed = shut.then_some((part.from, Some(Door::Closed)));
        let followers = self.filter.iter().flat_map(|filter| &filter.followers);
        let own = followers.filter(|address| part.from.contains(*address)).map(|address| door(IpNet::from(*address)));
        // Those who are merely not let in yet are, with the network.
        closed.into_iter().chain(own.filter(|(_, door)| !door.as_ref().is_some_and(Door::is_shut))).collect()
    }
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

#[cfg(test)]
mod tests;
