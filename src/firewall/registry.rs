//! All firewalls: each owns what is known of it. How it is detected, what is read, whether it is open for those who
//! are served, now and after the next start, how it is opened and closed, how that is taken back, and what doctor
//! asks and advises. Adding one is a file and its line in [`ALL`]; `tests/firewall.rs` says what else it needs.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::{Result, anyhow};
use ipnet::IpNet;
use serde::Serialize;

use super::advice::Asked;
use super::filter::{self, Filter, RULES, Rules};
use super::insert::Work;
use super::known::Opening;
use super::packet::Packet;
use super::ruleset::Ruleset;
use super::walk::{self, Stop, Verdict};
use super::{firewalld, iptables_file, nftables, record, ufw, windows};
use crate::exit::Hint as _;
use crate::model::{Delta, Slice};

/// All that can be opened on Linux, in the order in which the active one is looked for.
pub const ALL: &[&dyn LinuxFirewall] = &[&firewalld::Daemon, &ufw::Ufw, &nftables::Nftables, &iptables_file::Iptables];

/// All firewalls, of every system.
pub fn every() -> impl Iterator<Item = &'static dyn Firewall> {
    let upcast = |firewall: &&'static dyn LinuxFirewall| -> &'static dyn Firewall { *firewall };
    let windows: &'static dyn Firewall = &windows::Windows;
    ALL.iter().map(upcast).chain([windows])
}

/// Returns the firewall of Linux that has this word.
pub fn linux(word: Word) -> Option<&'static dyn LinuxFirewall> {
    ALL.iter().copied().find(|firewall| firewall.word() == word.0)
}

/// A firewall that can be opened for those who ask.
pub trait Firewall: Sync {
    /// Returns the word of the inventory, of the facts and of reports.
    fn word(&self) -> &'static str;

    /// Returns whether it is that of Windows hosts.
    fn is_of_windows(&self) -> bool {
        false
    }

    /// Returns the codes of the findings that `doctor` has for it.
    fn findings(&self) -> &'static [&'static str];
}

/// A firewall of Linux systems.
pub trait LinuxFirewall: Firewall {
    /// Returns the units, without `.service`, whose state says whether it is active.
    fn units(&self) -> &'static [&'static str];

    /// Returns shell text for the facts that says in lines `sign=WORD` what units do not say; every process it starts
    /// is paid by each host of each run.
    fn sign(&self) -> &'static str {
        ""
    }

    /// Returns whether it filters on the host.
    fn is_active(&self, signs: &Signs<'_>) -> bool;

    /// Returns shell text that prints its own settings, as far as they say what is open. Changes nothing.
    fn settings(&self, wanted: &Wanted) -> String;

    /// Returns whether the rules themselves are read beside its settings.
    fn needs_rules(&self, _wanted: &Wanted) -> bool {
        true
    }

    /// Compares what was read with what is wanted. Pure.
    ///
    /// # Errors
    /// It could not be read, or something that is not ours keeps followers out.
    fn compare(&self, wanted: &Wanted, read: &Read<'_>) -> Result<Judged>;

    /// Returns shell text that reads what [`judge`](LinuxFirewall::judge) judges. Changes nothing. Where nobody is
    /// served it reads only if something was noted that is ours.
    fn probe(&self, wanted: &Wanted) -> String {
        let mut ask = self.settings(wanted);
        if self.needs_rules(wanted) {
            ask.push_str(&format!("\nprintf '%s' '{RULES}'\n{}", filter::probe(&wanted.asked())));
        }
        match wanted.networks.is_empty() {
            true => format!("[ ! -s {} ] || {{\n{ask}\n}}", record::path(self.word(), &wanted.port)),
            false => ask,
        }
    }

    /// Compares what the probe printed with what is wanted. Pure.
    ///
    /// # Errors
    /// As for [`compare`](LinuxFirewall::compare).
    fn judge(&self, wanted: &Wanted, seen: &Slice) -> Result<Judged> {
        let (settings, rules) = seen.stdout.split_once(RULES).unwrap_or((&seen.stdout, ""));
        if settings.trim().is_empty() {
            return Ok(Judged::default());
        }
        let mut read = Read { settings: settings.to_owned(), rules: Rules::read(rules), said: seen.stderr.trim() };
        for earlier in &wanted.before {
            // A step that cannot be done says so itself.
            if let Some(after) = self.compare(earlier, &read).ok().and_then(|judged| judged.after) {
                read = Read { settings: after.settings, rules: read.rules.with(after.rules), ..read };
            }
        }
        let mut judged = self.compare(wanted, &read)?;
        judged.doubts.extend(read.rules.doubt().filter(|_| !wanted.networks.is_empty()));
        Ok(judged)
    }

    /// Returns how its rule is called in findings: `ufw`, `iptables-legacy`.
    fn owner(&self, _stop: &Stop) -> &'static str {
        self.word()
    }

    /// Returns whether a rule that stops packets is its own; `beside` are the names of the chains of its table.
    fn owns(&self, stop: &Stop, beside: &[&str]) -> bool;

    /// Returns how a packet that a rule of its own stops is let in, in its own words.
    fn advice(&self, asked: &Asked<'_>) -> String;

    /// Returns what of `evidence` says what it loads at boot, where that is told by rules.
    fn boot(&self) -> Option<AtBoot> {
        None
    }

    /// Returns how a packet is let in that a rule stops which is loaded at boot, in its own words; `now` are the
    /// rules as they work.
    fn boot_advice(&self, _now: &Ruleset, _stop: &Stop, _packet: &Packet<'_>) -> String {
        String::new()
    }

    /// Returns the questions of `doctor` about it: parts of its script, each behind `#: NAME: COMMAND`.
    fn evidence(&self) -> String {
        String::new()
    }
}

/// What a firewall loads at boot.
#[derive(Debug, Clone, Copy)]
pub struct AtBoot {
    /// The part of the evidence.
    pub part: &'static str,
    /// Reads it; `None` where nothing is loaded.
    pub read: fn(&str) -> Option<Ruleset>,
    /// Returns the unit, without `.service`, that loads the rule which stops packets then.
    pub unit: fn(&str, &Stop) -> &'static str,
}

/// What is to be open, and for whom.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Who may ask; empty on a host that serves nobody, where only our own old rules are of interest.
    pub networks: Vec<IpNet>,
    /// What is opened.
    pub port: Opening,
    /// The followers, whom no rule may keep out: neither one of the firewall nor any other.
    pub filter: Option<Filter>,
    /// What the programs of the host are too old for.
    pub lacks: Vec<&'static str>,
    /// What steps before this one want of the same firewall: when its turn comes, they have changed what was read.
    pub before: Vec<Wanted>,
}

impl Wanted {
    /// The networks that questions are sent from through the rules.
    fn asked(&self) -> Vec<IpNet> {
        let mut all = self.networks.clone();
        all.extend(self.before.iter().flat_map(Wanted::asked));
        all.extend(self.filter.iter().flat_map(|filter| &filter.networks));
        let mut seen = BTreeSet::new();
        all.retain(|network| seen.insert(*network));
        all
    }

    /// What a network sends to the port; `None` where no way leads there.
    pub(super) fn question<'a>(&self, rules: &'a Rules, network: IpNet) -> Option<Packet<'a>> {
        rules.question(network, network).map(|packet| Packet { service: self.port, ..packet })
    }

    /// Fails where rules of others would keep followers out when all is done, now or after the next start.
    pub(super) fn refuse(&self, rules: &Rules, now: &Work, at_boot: &Work) -> Result<()> {
        let (now, at_boot) = (rules.with(now.after.clone()), rules.with(at_boot.after.clone()));
        match &self.filter {
            Some(filter) => {
                filter.refuse(&now, &|_, _| false)?;
                filter.refuse_at_boot(&at_boot)
            }
            None => self.refuse_by("", &now).and_then(|()| self.refuse_by("after the next start ", &at_boot)),
        }
    }

    /// The same for a port that is not that of NTP: followers as such need it not.
    fn refuse_by(&self, when: &str, rules: &Rules) -> Result<()> {
        let stopped = |network: &IpNet| {
            let question = self.question(rules, *network)?;
            match walk::verdict(&rules.set, &question, false) {
                Verdict::Stopped(stop) => Some((*network, *stop)),
                Verdict::Passes | Verdict::Maybe(_) => None,
            }
        };
        let Some((network, stop)) = self.networks.iter().find_map(stopped) else { return Ok(()) };
        let (rule, place, port) = (stop.words(), stop.place(), self.port);
        Err(anyhow!("{when}the packet filter keeps {network} from {port}: `{rule}` in {place} stops it")
            .hint(&format!("this rule is not ours: let {port} of {network} pass before it, or leave the step out")))
    }
}

/// What was read of a firewall.
#[derive(Debug)]
pub struct Read<'a> {
    /// What its settings said.
    pub settings: String,
    /// The rules of the host.
    pub rules: Rules,
    /// What programs have complained of.
    pub said: &'a str,
}

/// What differs, how that is changed and taken back, and what could not be told.
#[derive(Debug, Default)]
pub struct Judged {
    /// What has to change.
    pub deltas: Vec<Delta>,
    /// Shell text that changes it.
    pub change: String,
    /// Shell text that puts back what was.
    pub undo: String,
    /// What could not be told.
    pub doubts: Vec<String>,
    /// What would be read when that is done; `None` where it makes no difference to another step.
    pub after: Option<After>,
}

/// What is read of a firewall when a step is done.
#[derive(Debug)]
pub struct After {
    /// Its settings.
    pub settings: String,
    /// The rules as they work.
    pub rules: Ruleset,
}

/// What the facts of a host say of its firewalls.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signs<'a> {
    /// The units that are active.
    pub active: &'a [&'a str],
    /// The units that are started at boot.
    pub enabled: &'a [&'a str],
    /// What the signs have said.
    pub said: &'a [&'a str],
}

impl Signs<'_> {
    /// Returns whether a unit is active.
    pub fn is_active(&self, unit: &str) -> bool {
        self.active.contains(&unit)
    }

    /// Returns whether a unit is started at boot.
    pub fn is_enabled(&self, unit: &str) -> bool {
        self.enabled.contains(&unit)
    }
}

/// A firewall by its word, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Word(&'static str);

impl Word {
    /// No firewall.
    pub const NONE: Word = Word("none");
    /// That of Windows.
    pub const WINDOWS: Word = Word(windows::WORD);

    /// The word of a firewall.
    pub fn of<F: Firewall + ?Sized>(firewall: &F) -> Self {
        Word(firewall.word())
    }

    /// Returns whether it is that of Windows hosts.
    pub fn is_of_windows(self) -> bool {
        self == Word::WINDOWS
    }

    /// Returns the word itself.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Returns the words of the firewalls of Linux, in quotes as errors have them.
pub fn words() -> String {
    ALL.iter().map(|firewall| format!("`{}`", firewall.word())).collect::<Vec<_>>().join(", ")
}

/// Returns the one that filters on a host.
pub fn active(signs: &Signs<'_>) -> Word {
    ALL.iter().find(|firewall| firewall.is_active(signs)).map_or(Word::NONE, |firewall| Word::of(*firewall))
}

/// Returns the questions of `doctor` about all of them.
pub fn evidence() -> String {
    ALL.iter().map(|firewall| firewall.evidence()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_each_for_one() {
        let mut words: Vec<&str> = every().map(Firewall::word).collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all);
        assert!(every().all(|firewall| firewall.is_of_windows() == Word::of(firewall).is_of_windows()));
    }
}
