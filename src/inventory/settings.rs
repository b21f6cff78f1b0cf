//! The settings of a host, a group or `defaults`: one row for each, and the field that it fills.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::kinds::{Boolean, FilePath, List, Listed, Map, Placed, Text, Words, types};
use super::node::{At, Node};
use super::policy::{Isolated, IsolatedType, LIMITS, LimitLines, StepType, check_limits};
use super::read::{Pairs, Reader};
use super::source::{FOLLOWS, NetworkType, SourceLine, SourceType, UPSTREAM};
use super::spec::{DomainTime, FirewallChoice, Packages, ProviderChoice, Role, StepPolicy, Var};
use super::ssh::{SSH, SshLines};
use super::table::{Field, One, Row, Table, Type, merge, one, part, rows, whole};
use super::tuning::{self, HostTuning};
use super::winrm::{WINRM, WinrmLines};
use crate::facts::services::Ability;
use crate::model::MistakeCode;

/// What `defaults`, a group or a host may say. Nothing is filled in yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) role: Option<(Role, At)>,
    pub(super) upstream: Option<Vec<SourceLine>>,
    pub(super) follows: Option<Vec<SourceLine>>,
    pub(super) serve: Option<(Vec<IpNet>, At)>,
    /// `Some(None)` is an explicit `false`.
    pub(super) isolated: Option<(Option<Isolated>, At)>,
    pub(super) sets_clock: Option<bool>,
    pub(super) provider: Option<(ProviderChoice, At)>,
    pub(super) firewall: Option<(FirewallChoice, At)>,
    pub(super) step: Option<StepPolicy>,
    pub(super) limits: LimitLines,
    pub(super) vars: BTreeMap<String, Var>,
    pub(super) extra: Option<Vec<(String, At)>>,
    pub(super) tuning: HostTuning,
    pub(super) ssh: SshLines,
    pub(super) winrm: Option<(WinrmLines, At)>,
    pub(super) local: Option<(bool, At)>,
    pub(super) domain_time: Option<DomainTime>,
    pub(super) packages: Option<Packages>,
    pub(super) playbook: Option<String>,
    /// Of a host only: where the tool reaches it, and where others ask it.
    pub(super) address: Option<String>,
    pub(super) time_address: Option<Vec<String>>,
    /// Where each key is said.
    said: BTreeMap<&'static str, At>,
    /// What the time service has to be able to do for them, and where that is said; known when they are complete.
    pub(super) needs: Vec<(Ability, At)>,
}

pub(super) const fn set<T: Type>(slot: fn(&mut Settings) -> &mut Option<T::Value>, of: T) -> One<Settings, T> {
    one(slot, of)
}

/// The settings that any level may have.
#[rustfmt::skip]
const ANYWHERE: &[Row<Settings>] = &[
    Row { key: "role", field: &set(|s| &mut s.role, Placed(Words(ROLES))), default: "none, must be said",
        doc: "A master serves time, a slave only follows (`server` and `client` mean the same); a relay is a master with `follows`." },
    Row { key: "upstream", field: &set(|s| &mut s.upstream, List(SourceType(UPSTREAM), "list of servers")), default: "none",
        doc: "Where the host gets its time outside this file; a server that is a host of this file is treated as `follows`." },
    Row { key: "follows", field: &set(|s| &mut s.follows, List(SourceType(FOLLOWS), "list of groups and hosts")), default: "none",
        doc: "The hosts of this file that it gets its time from." },
    Row { key: "serve", field: &set(|s| &mut s.serve, Placed(List(NetworkType, "list of networks"))), default: "the followers",
        doc: "Who may ask; followers in none of them are added one by one." },
    Row { key: "isolated", field: &set(|s| &mut s.isolated, Placed(IsolatedType)), default: "`false`",
        doc: "The master goes on with its own clock, as stratum 10 unless said; with `alarm`, doing so while it has a source is a failure." },
    Row { key: "sets_clock", field: &set(|s| &mut s.sets_clock, Boolean), default: "`true`",
        doc: "Whether the time service sets the clock; containers need not say it." },
    Row { key: "provider", field: &set(|s| &mut s.provider, Placed(Words(ProviderChoice::WORDS))), default: "`auto`",
        doc: "The time service: the one that is active of chrony and ntpd, else chrony; w32time on Windows. timesyncd has to be named. What each can do, and what is refused: [providers.md](providers.md)." },
    Row { key: "firewall", field: &set(|s| &mut s.firewall, Placed(Listed(firewalls))), default: "`auto`",
        doc: "The firewall that is opened for those who ask ([firewalls.md](firewalls.md)): `auto` is the one that filters on the host." },
    Row { key: "step", field: &set(|s| &mut s.step, StepType), default: "`{ over: 1s, first: 3 }`",
        doc: "When the clock may jump instead of being slewed: over `over`, in the `first` updates after the start. What is left out has its default; `first: always` is any update, and the word `always` lifts `max_step`." },
    Row { key: "limits", field: &part(|s: &mut Settings| &mut s.limits, LIMITS, check_limits), default: "see below",
        doc: "What the proof has to show, and how far `apply` may let the clock step." },
    Row { key: "vars", field: &Vars, default: "none",
        doc: "Values for your own templates; a secret one is hidden wherever it would be shown." },
    Row { key: "extra", field: &set(|s| &mut s.extra, List(Placed(Text), "list of lines")), default: "none",
        doc: "Further lines for the configuration file, as they are." },
    Row { key: "ssh", field: &part(|s: &mut Settings| &mut s.ssh, SSH, |_, _, _| {}), default: "see below",
        doc: "How the host is reached over SSH." },
    Row { key: "winrm", field: &whole(|s: &mut Settings| &mut s.winrm, WINRM), default: "none",
        doc: "How a Windows host is reached: [windows.md](windows.md)." },
    Row { key: "local", field: &set(|s| &mut s.local, Placed(Boolean)), default: "`false`",
        doc: "This machine itself, without a connection; one host of a file. Of `local` and `winrm` the one that is said nearer to the host counts." },
    Row { key: "domain_time", field: &set(|s| &mut s.domain_time, Words(DOMAIN_TIME)), default: "`keep`",
        doc: "Whether a host that takes its time from a Windows domain is left alone." },
    Row { key: "packages", field: &set(|s| &mut s.packages, Map(PACKAGES)), default: "the host's repositories",
        doc: "Where the packages of the host come from; an empty map takes back what a group says." },
    Row { key: "playbook", field: &set(|s| &mut s.playbook, PlaybookType), default: "that of the time service",
        doc: "A playbook of your own, in the folder `playbooks` of `--assets`; `.yml` may be left out." },
];

/// The keys of `packages`.
#[rustfmt::skip]
pub(super) const PACKAGES: Table<Packages> = &[&[
    Row { key: "from", field: &one(|p: &mut Packages| &mut p.from, FilePath), default: "the host's repositories",
        doc: "A folder of this machine with .deb or .rpm files, for a host without a repository ([systems.md](systems.md#hosts-without-a-repository)); a relative path is relative to this file." },
]];

/// Those that only a host has.
#[rustfmt::skip]
const OF_HOST: &[Row<Settings>] = &[
    Row { key: "address", field: &set(|s| &mut s.address, ReachedAt), default: "the name of the host",
        doc: "Where the tool reaches it." },
    Row { key: "time_address", field: &set(|s| &mut s.time_address, List(AskedAt, "address or name, or a list")), default: "its `address`",
        doc: "Where others ask it for time, and from where it asks: one for each family and network that it has." },
];

/// What `defaults` and a group may say.
pub(super) const LEVEL: Table<Settings> = &[ANYWHERE, tuning::OF_HOST];

/// What a host may say.
pub(super) const HOST: Table<Settings> = &[ANYWHERE, tuning::OF_HOST, OF_HOST];

impl Settings {
    /// Where it is said that the host is this machine itself, if it is.
    pub(super) fn is_local(&self) -> Option<At> {
        self.local.filter(|(local, _)| *local).map(|(_, at)| at)
    }

    /// Where a key is said, if it is.
    pub(super) fn at(&self, key: &str) -> Option<At> {
        self.said.get(key).copied()
    }

    /// Puts these settings over `below`: what a host says wins over its groups, and these over the defaults.
    pub(super) fn over(mut self, mut below: Settings) -> Settings {
        // The nearest way to connect counts: a `winrm` of its own means that a host is not `local`, whatever
        // its groups say. The other way round [`Settings::complete`] takes `winrm` out.
        if self.winrm.is_some() {
            below.local = None;
        }
        merge(HOST, &mut self, &mut below);
        for (key, at) in below.said {
            self.said.entry(key).or_insert(at);
        }
        self
    }

    /// The settings of a host when all levels have been merged: this machine itself is not reached over WinRM.
    pub(super) fn complete(mut self) -> Settings {
        self.winrm = self.winrm.filter(|_| self.local.is_none_or(|(local, _)| !local));
        let mut needs = Vec::new();
        for (row, at) in rows(HOST).filter_map(|row| Some((row, self.at(row.key)?))).collect::<Vec<_>>() {
            needs.extend(row.field.needs(&mut self).into_iter().map(|ability| (ability, at)));
        }
        let lines = self.upstream.iter().chain(&self.follows).flatten();
        needs.extend(lines.flat_map(|line| line.needs.iter().copied()));
        Settings { needs, ..self }
    }
}

impl Reader<'_> {
    /// Reads the settings of one level; `more` are keys that are read elsewhere.
    pub(super) fn settings(
        &mut self,
        table: Table<Settings>,
        node: &Node,
        what: &str,
        more: &[&'static str],
    ) -> (Settings, Pairs) {
        let mut settings = Settings::default();
        let pairs = self.rows(table, &mut settings, node, what, more);
        let place = |key: &'static str| Some((key, pairs.iter().find(|(known, _)| known.text == key)?.1.at));
        settings.said = rows(table).filter_map(|row| place(row.key)).collect();
        if let (Some(at), Some(_)) = (settings.is_local(), &settings.winrm) {
            self.mistake(
                at,
                MistakeCode::Conflict,
                format!("{what}: `local` is this machine itself, and `winrm` a Windows host; take one out"),
            );
        }
        (settings, pairs)
    }
}

types! {
    /// The file name of a playbook.
    PlaybookType: String, Reader::playbook, "name of a file", { "type": ["string", "number"] };
    /// Where the tool reaches a host: an address, or a pattern that goes along with the names.
    ReachedAt: String, Reader::reached_at, "address or name", { "type": ["string", "number"] };
    /// Where others ask it.
    AskedAt: String, Reader::asked_at, "address or name", { "type": ["string", "number"] };
}

/// Free values; levels are merged key by key.
struct Vars;

impl Field<Settings> for Vars {
    fn read(&self, into: &mut Settings, reader: &mut Reader<'_>, node: &Node, what: &str) {
        into.vars = reader.vars(node, what);
    }

    fn merge(&self, near: &mut Settings, far: &mut Settings) {
        for (name, value) in std::mem::take(&mut far.vars) {
            near.vars.entry(name).or_insert(value);
        }
    }

    fn rule(&self) -> &'static str {
        "by key"
    }

    fn words(&self) -> String {
        "map of values".to_owned()
    }

    fn schema(&self) -> Value {
        let value = json!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, { "$ref": "#/$defs/secret" }] });
        json!({ "type": ["object", "null"], "additionalProperties": value })
    }
}

/// The second pair means the same.
const ROLES: &[(&str, Role)] =
    &[("master", Role::Master), ("slave", Role::Slave), ("server", Role::Master), ("client", Role::Slave)];

/// The words of all firewalls that are known.
fn firewalls() -> Vec<(&'static str, FirewallChoice)> {
    FirewallChoice::all().into_iter().map(|choice| (choice.word(), choice)).collect()
}

const DOMAIN_TIME: &[(&str, DomainTime)] = &[("keep", DomainTime::Keep), ("replace", DomainTime::Replace)];
