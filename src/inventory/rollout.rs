//! How a change goes over the fleet: canary first, then batches, with a limit to what may fail.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::{Draft, Drafts, unknown};
use super::node::{Kind, Node};
use super::read::Reader;
use super::spec::Role;
use crate::calendar::Freeze;
use crate::model::MistakeCode;

/// A number of hosts, or a part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(usize),
}

impl Share {
    /// Of `total` hosts at least one: for waves, which have to come to an end.
    pub fn at_least_one(self, total: usize) -> usize {
        match self {
            Share::Count(number) => number.max(1),
            Share::Percent(part) => (total * part).div_ceil(100).max(1),
        }
    }

    /// Whether it is none, whatever the number of hosts.
    pub fn is_none(self) -> bool {
        matches!(self, Share::Count(0) | Share::Percent(0))
    }

    /// Of `total` hosts, rounded down: for what may fail.
    pub fn at_most(self, total: usize) -> usize {
        match self {
            Share::Count(number) => number,
            Share::Percent(part) => total * part / 100,
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::Count(number) => write!(f, "{number}"),
            Share::Percent(part) => write!(f, "{part} %"),
        }
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a number of hosts nor a part of them; write 3 or 10%");
        match text.trim().strip_suffix('%') {
            Some(part) => match part.trim().parse() {
                Ok(part) if part <= 100 => Ok(Share::Percent(part)),
                _ => Err(wrong()),
            },
            None => text.trim().parse().map(Share::Count).map_err(|_| wrong()),
        }
    }
}

/// The hosts that are changed before all others but the masters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Canary {
    /// The first ones of the inventory.
    Share(Share),
    /// These.
    Hosts(Vec<String>),
}

impl Canary {
    /// Whether it is no host at all: a way to say that there shall be none.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Canary::Share(share) if share.is_none())
    }
}

/// How a change goes over the fleet. Nothing set: masters by tier, then all others at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// Who goes first.
    pub canary: Option<Canary>,
    /// Hosts changed at a time afterwards.
    pub batch: Option<Share>,
    /// Hosts of a wave that may fail before no further wave is started.
    pub max_fail: Option<Share>,
    /// Time between two waves.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
}

impl Rollout {
    /// How many of a wave may fail: any when nothing is said of waves at all, else none.
    pub fn may_fail(&self, total: usize) -> usize {
        match self.max_fail {
            Some(share) => share.at_most(total),
            None if *self == Rollout::default() => usize::MAX,
            None => 0,
        }
    }
}

/// Reads `rollout`. Names are those of hosts and groups.
pub(super) fn read(node: &Node, reader: &mut Reader<'_>, drafts: &Drafts) -> Rollout {
    let mut rollout = Rollout::default();
    for (key, value) in &reader.map(node, "rollout", &["canary", "batch", "max_fail", "pause", "freeze"]) {
        let what = &format!("rollout.{}", key.text);
        match key.text.as_str() {
            "canary" => rollout.canary = canary(value, reader, what, drafts).filter(|canary| !canary.is_nobody()),
            "batch" => {
                rollout.batch = share(value, reader, what);
                if rollout.batch.is_some_and(Share::is_none) {
                    reader.wrong(
                        value.at,
                        format!("{what}: no host would ever be changed; a number (5) or a part (25%)"),
                    );
                }
            }
            "max_fail" => rollout.max_fail = share(value, reader, what),
            "pause" => rollout.pause = reader.duration(value, what).unwrap_or_default(),
            _ => {}
        }
    }
    rollout
}

/// Reads `rollout.freeze`, the days on which nothing is changed.
pub(super) fn freeze(node: &Node, reader: &mut Reader<'_>) -> Vec<Freeze> {
    let Kind::Map(pairs) = &node.kind else { return Vec::new() };
    let Some((_, days)) = pairs.iter().find(|(key, _)| key.text == "freeze") else { return Vec::new() };
    let what = "rollout.freeze";
    let mut freezes = Vec::new();
    for node in reader.list(days) {
        let Some(text) = reader.text(node, what) else { continue };
        match text.parse() {
            Ok(freeze) => freezes.push(freeze),
            Err(why) => reader.wrong(node.at, format!("{what}: {why}")),
        }
    }
    freezes
}

fn share(node: &Node, reader: &mut Reader<'_>, what: &str) -> Option<Share> {
    let text = reader.text(node, what)?;
    text.parse().map_err(|why| reader.wrong(node.at, format!("{what}: {why}"))).ok()
}

fn canary(node: &Node, reader: &mut Reader<'_>, what: &str, drafts: &Drafts) -> Option<Canary> {
    let is_share = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<Share>().is_ok();
    match &node.kind {
        Kind::Whole(_) | Kind::Number(_) => return share(node, reader, what).map(Canary::Share),
        Kind::Text(text) if is_share(text) => return share(node, reader, what).map(Canary::Share),
        _ => {}
    }
    let known: HashMap<&str, &Draft> = drafts.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let mut hosts = Vec::new();
    for node in reader.list(node) {
        let Some(name) = reader.text(node, what) else { continue };
        let named: Vec<String> = match drafts.groups.get(&name) {
            Some(members) => members.clone(),
            None => known.get(name.as_str()).map(|host| host.name.clone()).into_iter().collect(),
        };
        if named.is_empty() {
            let known = drafts.groups.keys().chain(drafts.hosts.iter().map(|host| &host.name)).map(String::as_str);
            reader.mistake(node.at, MistakeCode::UnknownName, format!("{what}: {}", unknown(&name, known)));
        }
        if let Some(master) = known.get(name.as_str()).filter(|host| is_master(host)) {
            reader.mistake(
                node.at,
                MistakeCode::Conflict,
                format!("{what}: `{}` is a master; masters go before the canary anyway", master.name),
            );
        }
        hosts.extend(named);
    }
    Some(Canary::Hosts(hosts))
}

fn is_master(host: &Draft) -> bool {
    host.settings.role.is_some_and(|(role, _)| role == Role::Master)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::parse;
    use std::path::Path;

    const HOSTS: &str = "groups: { web: { role: slave, upstream: [10.0.0.9], hosts: { a: 10.0.0.1, b: 10.0.0.2 } } }";

    fn rollout(text: &str) -> Result<Rollout, String> {
        let text = format!("{HOSTS}\nrollout: {text}");
        parse(Path::new("fleet.yml"), &text).map(|fleet| fleet.rollout).map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn a_canary_is_a_number_a_part_or_names_of_hosts_and_groups() {
        let canary = |text: &str| rollout(&format!("{{ canary: {text} }}")).unwrap().canary.unwrap();
        assert_eq!(canary("2"), Canary::Share(Share::Count(2)));
        assert_eq!(canary("10%"), Canary::Share(Share::Percent(10)));
        assert_eq!(canary("b"), Canary::Hosts(vec!["b".into()]));
        assert_eq!(canary("[web]"), Canary::Hosts(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn mistakes_are_said_in_one_go() {
        let text = rollout("{ canary: [weeb], batch: 200%, max_fail: few, pause: long, speed: 1 }").unwrap_err()
            + &rollout("{ batch: 0% }").unwrap_err();
        for part in [
            "did you mean `web`",
            "`200%` is neither",
            "rollout.batch: no host would ever be changed",
            "`few` is neither",
            "`long` is no duration",
            "no setting `speed`",
        ] {
            assert!(text.contains(part), "no `{part}` in {text}");
        }
    }

    #[test]
    fn days_without_changes_are_no_part_of_the_waves() {
        let text = |days: &str| format!("{HOSTS}\nrollout: {{ freeze: {days} }}");
        let read = |days: &str| parse(Path::new("fleet.yml"), &text(days)).map_err(|mistakes| mistakes.to_string());
        let fleet = read("[2026-12-20..2027-01-02 Asia/Seoul end of the year, 2026-11-27 UTC sale]").unwrap();
        assert_eq!((fleet.freeze.len(), fleet.rollout), (2, Rollout::default()));
        assert_eq!(read("2026-11-27 UTC sale").unwrap().freeze[0].to_string(), "2026-11-27 UTC sale");
        let why = read("[2026-12-20, 2026-11-31 UTC sale]").unwrap_err();
        assert!(why.contains("a reason") && why.contains("`2026-11-31` is no day"), "{why}");
    }

    #[test]
    fn waves_end_and_failures_round_down() {
        assert_eq!((Share::Percent(10).at_least_one(5), Share::Percent(10).at_most(5)), (1, 0));
        assert_eq!((Share::Percent(50).at_least_one(5), Share::Percent(50).at_most(5)), (3, 2));
        assert_eq!(Share::Count(0).at_least_one(5), 1);
        assert_eq!(Rollout::default().may_fail(5), usize::MAX);
        assert_eq!(rollout("{ batch: 2 }").unwrap().may_fail(5), 0);
        assert_eq!(rollout("{ batch: 2, max_fail: 1 }").unwrap().may_fail(5), 1);
    }
}
