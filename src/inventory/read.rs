//! From the tree to typed settings: every value is checked here, and every mistake is kept.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::name::{LONGEST_NAME, short};
use super::node::{At, Key, Kind, Mistake, Node, did_you_mean, unseen};
use super::secret::Secret;
use super::source::SourceLine;
use super::spec::{DomainTime, FirewallChoice, ProviderChoice, Role, StepPolicy, Var};
use super::ssh::SshLines;
use super::winrm::WinrmLines;
use crate::visible;

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
    pub(super) provider: Option<ProviderChoice>,
    pub(super) firewall: Option<FirewallChoice>,
    pub(super) step: Option<StepPolicy>,
    pub(super) max_error: Option<(Duration, At)>,
    pub(super) max_stratum: Option<(u8, At)>,
    pub(super) max_step: Option<Duration>,
    pub(super) deadline: Option<Duration>,
    pub(super) read: Option<Duration>,
    pub(super) vars: BTreeMap<String, Var>,
    pub(super) extra: Option<Vec<String>>,
    pub(super) ssh: SshLines,
    pub(super) winrm: Option<(WinrmLines, At)>,
    pub(super) local: Option<bool>,
    pub(super) domain_time: Option<DomainTime>,
    pub(super) playbook: Option<String>,
}

/// How a master goes on without any outside time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Isolated {
    pub(super) stratum: u8,
    /// Whether going by its own clock is a failure, where it has an upstream.
    pub(super) alarm: bool,
}

impl Default for Isolated {
    fn default() -> Self {
        Isolated { stratum: DEFAULT_ISOLATED_STRATUM, alarm: false }
    }
}

/// The settings that any level may have.
const SETTINGS: &[&str] = &[
    "role",
    "upstream",
    "follows",
    "serve",
    "isolated",
    "sets_clock",
    "provider",
    "firewall",
    "step",
    "limits",
    "vars",
    "extra",
    "ssh",
    "winrm",
    "local",
    "domain_time",
    "playbook",
];

type Pairs = Vec<(Key, Node)>;

/// Reads nodes, and keeps every mistake.
pub(super) struct Reader<'a> {
    pub(super) mistakes: Vec<Mistake>,
    /// Where they are.
    places: HashSet<At>,
    pub(super) folder: &'a Path,
    pub(super) secrets: Vec<Secret>,
    /// How often hosts were named so far, and whether that was too often.
    named: usize,
}

/// Most hosts of one file, each counted as often as it is named: a short file of ranges may stand for any number.
const MOST_HOSTS: usize = 150_000;

impl<'a> Reader<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Reader { mistakes: Vec::new(), places: HashSet::new(), folder, secrets: Vec::new(), named: 0 }
    }

    /// Whether hosts were left out because there are too many.
    pub(super) fn is_full(&self) -> bool {
        self.named > MOST_HOSTS
    }

    /// Whether the fleet may have so many hosts more; says once that it may not.
    pub(super) fn room_for(&mut self, more: usize, at: At) -> bool {
        let before = self.named;
        self.named += more;
        if self.named > MOST_HOSTS && before <= MOST_HOSTS {
            self.wrong(at, format!("the inventory stands for more than {MOST_HOSTS} hosts; is a range too wide?"));
        }
        !self.is_full()
    }

    pub(super) fn wrong(&mut self, at: At, text: impl Into<String>) {
        self.places.insert(at);
        self.mistakes.push(Mistake { at, text: text.into() });
    }

    /// Whether something was said of this place.
    pub(super) fn is_wrong(&self, at: At) -> bool {
        self.places.contains(&at)
    }

    /// Takes the pairs of a map, and refuses keys that mean nothing.
    pub(super) fn map(&mut self, node: &Node, what: &str, known: &[&str]) -> Pairs {
        match &node.kind {
            Kind::Map(pairs) => {
                for (key, _) in pairs.iter().filter(|(key, _)| !known.contains(&key.text.as_str())) {
                    let hint = did_you_mean(&key.text, known.iter().copied());
                    let hint = if hint.is_empty() { format!(" (known: {})", known.join(", ")) } else { hint };
                    self.wrong(key.at, format!("{what}: no setting `{}`{hint}", key.text));
                }
                pairs.clone()
            }
            Kind::Null => Vec::new(),
            other => {
                self.wrong(node.at, format!("{what}: a map is needed, not {}", other.word()));
                Vec::new()
            }
        }
    }

    /// Reads the settings of one level; `more` are the keys that only this level has.
    pub(super) fn settings(&mut self, node: &Node, what: &str, more: &[&str]) -> (Settings, Pairs) {
        let known: Vec<&str> = SETTINGS.iter().chain(more).copied().collect();
        let pairs = self.map(node, what, &known);
        let mut settings = Settings::default();
        for (key, value) in &pairs {
            self.setting(&mut settings, key, value, &format!("{what}.{}", key.text));
        }
        (settings, pairs)
    }

    fn setting(&mut self, s: &mut Settings, key: &Key, value: &Node, what: &str) {
        match key.text.as_str() {
            "role" => s.role = self.choice(value, what, ROLES).map(|role| (role, value.at)),
            "upstream" => s.upstream = Some(self.sources(value, what, "address")),
            "follows" => s.follows = Some(self.sources(value, what, "name")),
            "serve" => s.serve = Some((self.networks(value, what), value.at)),
            "isolated" => s.isolated = self.isolated(value, what).map(|isolated| (isolated, value.at)),
            "sets_clock" => s.sets_clock = self.boolean(value, what),
            "provider" => s.provider = self.choice(value, what, PROVIDERS),
            "firewall" => s.firewall = self.choice(value, what, FIREWALLS),
            "step" => s.step = self.step(value, what),
            "limits" => self.limits(s, value, what),
            "vars" => s.vars = self.vars(value, what),
            "extra" => s.extra = Some(self.texts(value, what)),
            "ssh" => s.ssh = self.ssh(value, what),
            "winrm" => s.winrm = Some((self.winrm(value, what), value.at)),
            "local" => s.local = self.boolean(value, what),
            "playbook" => s.playbook = self.playbook(value, what),
            "domain_time" => s.domain_time = self.choice(value, what, DOMAIN_TIME),
            _ => {}
        }
    }

    /// Text that may become a directive or an argument: one line, nothing invisible.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = match &node.kind {
            Kind::Text(text) => text.clone(),
            Kind::Number(number) => number.to_string(),
            other => {
                self.wrong(node.at, format!("{what}: text is needed, not {}", other.word()));
                return None;
            }
        };
        let why = match text.chars().find(|c| visible::is_hidden(*c)) {
            _ if text.is_empty() => "it is empty".to_owned(),
            None => return Some(text),
            Some(c) if c.is_control() => "it holds a line break or another control character".to_owned(),
            Some(c) => unseen(c),
        };
        self.wrong(node.at, format!("{what}: {why}"));
        None
    }

    /// The file name of a playbook, with or without its ending.
    fn playbook(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        if text.starts_with('.') || text.contains(['/', '\\']) {
            let why = "is no name of a playbook; a file `NAME.yml` in the folder `playbooks` of --assets is meant";
            self.wrong(node.at, format!("{what}: `{}` {why}", short(&text)));
            return None;
        }
        let has_ending = [".yml", ".yaml"].iter().any(|ending| text.ends_with(ending));
        Some(if has_ending { text } else { format!("{text}.yml") })
    }

    /// The name of an account: one word that is no option.
    pub(super) fn account(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if text.chars().all(fine) && !text.starts_with('-') && text.len() <= LONGEST_NAME {
            return Some(text);
        }
        self.wrong(node.at, format!("{what}: `{}` is no name of an account", short(&text)));
        None
    }

    pub(super) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Kind::Bool(value) = node.kind {
            return Some(value);
        }
        self.wrong(node.at, format!("{what}: true or false is needed, not {}", node.kind.word()));
        None
    }

    pub(super) fn number(&mut self, node: &Node, what: &str, least: i64, most: i64) -> Option<i64> {
        match node.kind {
            Kind::Number(n) if n.fract() == 0.0 && n >= least as f64 && n <= most as f64 => return Some(n as i64),
            Kind::Number(n) => self.wrong(node.at, format!("{what}: {n} is not between {least} and {most}")),
            ref other => self.wrong(node.at, format!("{what}: a number is needed, not {}", other.word())),
        }
        None
    }

    pub(super) fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let text = self.text(node, what)?;
        match humantime::parse_duration(&text) {
            Ok(duration) => return Some(duration),
            Err(_) => self.wrong(node.at, format!("{what}: `{text}` is no duration; write 100ms, 2s, 5m")),
        }
        None
    }

    pub(super) fn choice<T: Copy>(&mut self, node: &Node, what: &str, known: &[(&str, T)]) -> Option<T> {
        // YAML reads `no` and `none` in more than one way; here a word is a word.
        let text = match node.kind {
            Kind::Null => "none".to_owned(),
            _ => self.text(node, what)?,
        };
        if let Some((_, value)) = known.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        let hint = did_you_mean(&text, words.iter().copied());
        self.wrong(node.at, format!("{what}: no `{text}`; one of {}{hint}", words.join(", ")));
        None
    }

    /// A list; one value alone counts as a list of one.
    pub(super) fn list<'n>(&mut self, node: &'n Node) -> Vec<&'n Node> {
        match &node.kind {
            Kind::List(nodes) => nodes.iter().collect(),
            Kind::Null => Vec::new(),
            _ => vec![node],
        }
    }

    pub(super) fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        self.list(node).into_iter().filter_map(|node| self.text(node, what)).collect()
    }

    fn isolated(&mut self, node: &Node, what: &str) -> Option<Option<Isolated>> {
        match &node.kind {
            Kind::Bool(value) => Some(value.then(Isolated::default)),
            Kind::Map(_) => {
                // A wrong value is a mistake of its own; the host is isolated all the same.
                let mut isolated = Isolated::default();
                for (key, value) in &self.map(node, what, &["stratum", "alarm"]) {
                    let what = &format!("{what}.{}", key.text);
                    match key.text.as_str() {
                        "stratum" => {
                            let stratum = self.number(value, what, 1, 15).and_then(|n| u8::try_from(n).ok());
                            isolated.stratum = stratum.unwrap_or(isolated.stratum);
                        }
                        "alarm" => isolated.alarm = self.boolean(value, what).unwrap_or_default(),
                        _ => {}
                    }
                }
                Some(Some(isolated))
            }
            other => {
                let text = "true, false or { stratum: N, alarm: true } is needed, not";
                self.wrong(node.at, format!("{what}: {text} {}", other.word()));
                None
            }
        }
    }

    fn step(&mut self, node: &Node, what: &str) -> Option<StepPolicy> {
        let second = Duration::from_secs(1);
        if !matches!(node.kind, Kind::Map(_)) {
            return self.choice(
                node,
                what,
                &[("never", StepPolicy::Never), ("always", StepPolicy::Always { over: second })],
            );
        }
        let (mut over, mut first) = (second, None);
        for (key, value) in &self.map(node, what, &["over", "first"]) {
            let what = &format!("{what}.{}", key.text);
            match key.text.as_str() {
                "over" => over = self.duration(value, what)?,
                "first" => first = Some(self.number(value, what, 1, 1000)?),
                _ => {}
            }
        }
        Some(match first.and_then(|n| u32::try_from(n).ok()) {
            Some(updates) => StepPolicy::AtStart { over, updates },
            None => StepPolicy::Always { over },
        })
    }

    fn limits(&mut self, s: &mut Settings, node: &Node, what: &str) {
        for (key, value) in &self.map(node, what, &["max_error", "max_stratum", "max_step", "deadline", "read"]) {
            let what = &format!("{what}.{}", key.text);
            match key.text.as_str() {
                "max_error" => s.max_error = self.duration(value, what).map(|duration| (duration, value.at)),
                "max_stratum" => {
                    let number = self.number(value, what, 1, 15).and_then(|n| u8::try_from(n).ok());
                    s.max_stratum = number.map(|n| (n, value.at));
                }
                "max_step" => s.max_step = self.duration(value, what),
                "deadline" => s.deadline = self.duration(value, what),
                "read" => s.read = self.duration(value, what),
                _ => {}
            }
        }
        if let Some((duration, at)) = s.max_error.filter(|(duration, _)| *duration < Duration::from_micros(10)) {
            let shown = humantime::format_duration(duration);
            self.wrong(at, format!("{what}.max_error: {shown} can never be proven over a network; 10us is the least"));
        }
    }

    fn vars(&mut self, node: &Node, what: &str) -> BTreeMap<String, Var> {
        let Kind::Map(pairs) = &node.kind else {
            self.map(node, what, &[]);
            return BTreeMap::new();
        };
        for (key, _) in pairs {
            if let Some(c) = key.text.chars().find(|c| visible::is_hidden(*c)) {
                self.wrong(key.at, format!("{what}: {}", unseen(c)));
            }
        }
        pairs
            .iter()
            .filter_map(|(key, value)| Some((key.text.clone(), self.var(value, &format!("{what}.{}", key.text))?)))
            .collect()
    }

    fn var(&mut self, node: &Node, what: &str) -> Option<Var> {
        match &node.kind {
            Kind::Bool(value) => Some(Var::Bool(*value)),
            Kind::Number(value) => Some(Var::Number(*value)),
            Kind::Map(_) => self.secret(node, what).map(Var::Secret),
            _ => self.text(node, what).map(Var::Text),
        }
    }
}

/// chrony's own default for `local`.
const DEFAULT_ISOLATED_STRATUM: u8 = 10;

const ROLES: &[(&str, Role)] = &[("master", Role::Master), ("slave", Role::Slave)];

const PROVIDERS: &[(&str, ProviderChoice)] = &[
    ("auto", ProviderChoice::Auto),
    ("chrony", ProviderChoice::Chrony),
    ("ntpd", ProviderChoice::Ntpd),
    ("timesyncd", ProviderChoice::Timesyncd),
    ("w32time", ProviderChoice::W32time),
];

const FIREWALLS: &[(&str, FirewallChoice)] = &[
    ("auto", FirewallChoice::Auto),
    ("none", FirewallChoice::None),
    ("firewalld", FirewallChoice::Firewalld),
    ("ufw", FirewallChoice::Ufw),
    ("nftables", FirewallChoice::Nftables),
    ("windows", FirewallChoice::Windows),
];

const DOMAIN_TIME: &[(&str, DomainTime)] = &[("keep", DomainTime::Keep), ("replace", DomainTime::Replace)];
