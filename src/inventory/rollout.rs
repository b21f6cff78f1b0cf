//! How a change goes over the fleet: canary first, then batches, with a limit to what may fail.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::kinds::{List, Placed, Span, types};
use super::load::{Draft, Drafts, unknown};
use super::node::{At, Kind, Node};
use super::read::Reader;
use super::spec::Role;
use super::table::{One, Row, Table, Type, one};
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

/// The keys of `rollout`.
#[derive(Default)]
pub(super) struct RolloutLines {
    canary: Option<CanaryLine>,
    batch: Option<(Share, At)>,
    max_fail: Option<Share>,
    pause: Option<Duration>,
    freeze: Option<Vec<Freeze>>,
}

/// `canary` as it is written: names are looked up when all hosts are known.
pub(super) enum CanaryLine {
    Share(Share),
    Names(Vec<(String, At)>),
}

const fn line<T: Type>(slot: fn(&mut RolloutLines) -> &mut Option<T::Value>, of: T) -> One<RolloutLines, T> {
    one(slot, of)
}

#[rustfmt::skip]
pub(super) const ROLLOUT: Table<RolloutLines> = &[&[
    Row { key: "canary", field: &line(|r| &mut r.canary, CanaryType), default: "none",
        doc: "The hosts that are changed first, after the masters; `0` is none, also as `--canary 0`." },
    Row { key: "batch", field: &line(|r| &mut r.batch, Placed(ShareType)), default: "all",
        doc: "Hosts that are changed at a time afterwards, not 0; `100%` is all." },
    Row { key: "max_fail", field: &line(|r| &mut r.max_fail, ShareType), default: "any; 0 with waves",
        doc: "Hosts of a wave that may fail before no further wave is started." },
    Row { key: "pause", field: &line(|r| &mut r.pause, Span), default: "`0s`",
        doc: "The time between two waves." },
    Row { key: "freeze", field: &line(|r| &mut r.freeze, List(FreezeType, "list of texts")), default: "none",
        doc: "Days on which `apply` and `doctor --fix` change nothing: `2026-12-20..2027-01-02 Asia/Seoul end of the year`: [changes.md](changes.md)." },
]];

types! {
    /// A number of hosts, or a part of them.
    ShareType: Share, Reader::share, "number or part", { "type": ["string", "integer"] };
    /// The same, or names.
    CanaryType: CanaryLine, Reader::canary, "number, part, or names", {
        "anyOf": [{ "type": ["string", "integer", "null"] }, { "type": "array", "items": { "type": ["string", "number"] } }]
    };
    /// Days, a time zone and a reason.
    FreezeType: Freeze, Reader::freeze, "text", { "type": "string" };
}

impl Reader<'_> {
    fn share(&mut self, node: &Node, what: &str) -> Option<Share> {
        let text = self.text(node, what)?;
        text.parse().map_err(|why| self.wrong(node.at, format!("{what}: {why}"))).ok()
    }

    fn freeze(&mut self, node: &Node, what: &str) -> Option<Freeze> {
        let text = self.text(node, what)?;
        text.parse().map_err(|why| self.wrong(node.at, format!("{what}: {why}"))).ok()
    }

    fn canary(&mut self, node: &Node, what: &str) -> Option<CanaryLine> {
        let is_share = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<Share>().is_ok();
        match &node.kind {
            Kind::Whole(_) | Kind::Number(_) => return self.share(node, what).map(CanaryLine::Share),
            Kind::Text(text) if is_share(text) => return self.share(node, what).map(CanaryLine::Share),
            _ => {}
        }
        let nodes = self.list(node);
        let named = |node: &Node| Some((self.text(node, what)?, node.at));
        Some(CanaryLine::Names(nodes.into_iter().filter_map(named).collect()))
    }
}

/// Reads `rollout`, and the days on which nothing is changed. Names are those of hosts and groups.
pub(super) fn read(node: &Node, reader: &mut Reader<'_>, drafts: &Drafts) -> (Rollout, Vec<Freeze>) {
    let mut lines = RolloutLines::default();
    reader.rows(ROLLOUT, &mut lines, node, "rollout", &[]);
    if let Some((_, at)) = lines.batch.filter(|(share, _)| share.is_none()) {
        reader.wrong(at, "rollout.batch: no host would ever be changed; a number (5) or a part (25%)");
    }
    let canary = lines.canary.map(|line| match line {
        CanaryLine::Share(share) => Canary::Share(share),
        CanaryLine::Names(names) => Canary::Hosts(canaries(&names, reader, drafts)),
    });
    let rollout = Rollout {
        canary: canary.filter(|canary| !canary.is_nobody()),
        batch: lines.batch.map(|(share, _)| share),
        max_fail: lines.max_fail,
        pause: lines.pause.unwrap_or_default(),
    };
    (rollout, lines.freeze.unwrap_or_default())
}

fn canaries(names: &[(String, At)], reader: &mut Reader<'_>, drafts: &Drafts) -> Vec<String> {
    let known: HashMap<&str, &Draft> = drafts.hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    let mut hosts = Vec::new();
    for (name, at) in names {
        let named: Vec<String> = match drafts.groups.get(name) {
            Some(members) => members.clone(),
            None => known.get(name.as_str()).map(|host| host.name.clone()).into_iter().collect(),
        };
        if named.is_empty() {
            let known = drafts.groups.keys().chain(drafts.hosts.iter().map(|host| &host.name)).map(String::as_str);
            reader.mistake(*at, MistakeCode::UnknownName, format!("rollout.canary: {}", unknown(name, known)));
        }
        if let Some(master) = known.get(name.as_str()).filter(|host| is_master(host)) {
            let text = format!("rollout.canary: `{}` is a master; masters go before the canary anyway", master.name);
            reader.mistake(*at, MistakeCode::Conflict, text);
        }
        hosts.extend(named);
    }
    hosts
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
