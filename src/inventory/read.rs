//! From the tree to typed settings: every value is checked here, and every mistake is kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::name::{LONGEST_NAME, short};
use super::node::{At, Key, Kind, Mistake, Node, did_you_mean, unseen};
use super::policy::Isolated;
use super::secret::{Origin, Secret};
use super::source::SourceLine;
use super::spec::{DomainTime, FirewallChoice, ProviderChoice, Role, StepPolicy, Var};
use super::ssh::SshLines;
use super::winrm::WinrmLines;
use crate::model::MistakeCode;
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
    pub(super) provider: Option<(ProviderChoice, At)>,
    pub(super) firewall: Option<(FirewallChoice, At)>,
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
    pub(super) local: Option<(bool, At)>,
    pub(super) domain_time: Option<DomainTime>,
    pub(super) playbook: Option<String>,
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

impl Settings {
    /// Where it is said that the host is this machine itself, if it is.
    pub(super) fn is_local(&self) -> Option<At> {
        self.local.filter(|(local, _)| *local).map(|(_, at)| at)
    }
}

type Pairs = Vec<(Key, Node)>;

/// Reads nodes, and keeps every mistake.
pub(super) struct Reader<'a> {
    pub(super) mistakes: Vec<Mistake>,
    /// Where they are.
    places: HashSet<At>,
    pub(super) folder: &'a Path,
    /// One for each origin: asked or fetched once, whoever uses it.
    pub(super) secrets: HashMap<Origin, Secret>,
    /// How often hosts were named so far, and whether that was too often.
    named: usize,
}

/// Most hosts of one file, each counted as often as it is named: a short file of ranges may stand for any number.
const MOST_HOSTS: usize = 150_000;

impl<'a> Reader<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Reader { mistakes: Vec::new(), places: HashSet::new(), folder, secrets: HashMap::new(), named: 0 }
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

    /// Keeps what is wrong with the value of a setting.
    pub(super) fn wrong(&mut self, at: At, text: impl Into<String>) {
        self.mistake(at, MistakeCode::WrongValue, text);
    }

    /// Keeps that something is not there.
    pub(super) fn missing(&mut self, at: At, text: impl Into<String>) {
        self.mistake(at, MistakeCode::Missing, text);
    }

    /// Keeps that who follows whom cannot work.
    pub(super) fn tangled(&mut self, at: At, text: impl Into<String>) {
        self.mistake(at, MistakeCode::Hierarchy, text);
    }

    /// Keeps a mistake of any kind.
    pub(super) fn mistake(&mut self, at: At, code: MistakeCode, text: impl Into<String>) {
        self.places.insert(at);
        self.mistakes.push(Mistake { at, code, text: text.into() });
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
                    self.mistake(
                        key.at,
                        MistakeCode::UnknownSetting,
                        format!("{what}: no setting `{}`{hint}", key.text),
                    );
                }
                pairs.clone()
            }
            Kind::Null => Vec::new(),
            other => {
                self.mistake(node.at, MistakeCode::WrongType, format!("{what}: a map is needed, not {}", other.word()));
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
        if let (Some(at), Some(_)) = (settings.is_local(), &settings.winrm) {
            self.mistake(
                at,
                MistakeCode::Conflict,
                format!("{what}: `local` is this machine itself, and `winrm` a Windows host; take one out"),
            );
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
            "provider" => s.provider = self.choice(value, what, PROVIDERS).map(|choice| (choice, value.at)),
            "firewall" => s.firewall = self.choice(value, what, &firewalls()).map(|choice| (choice, value.at)),
            "step" => s.step = self.step(value, what),
            "limits" => self.limits(s, value, what),
            "vars" => s.vars = self.vars(value, what),
            "extra" => s.extra = Some(self.texts(value, what)),
            "ssh" => s.ssh = self.ssh(value, what),
            "winrm" => s.winrm = Some((self.winrm(value, what), value.at)),
            "local" => s.local = self.boolean(value, what).map(|local| (local, value.at)),
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
            Kind::Whole(number) => number.to_string(),
            other => {
                self.mistake(node.at, MistakeCode::WrongType, format!("{what}: text is needed, not {}", other.word()));
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
        // `CORP\ops` and `ops@corp.example` are accounts of a domain, `web$` that of a machine.
        let fine = |c: &char| c.is_ascii_alphanumeric() || ".-_:%@\\+$".contains(*c);
        let why = match text.chars().find(|c| !fine(c)) {
            Some(c) => format!("has the character `{c}`; letters, digits and . - _ : % @ \\ + $ are"),
            None if text.starts_with('-') => "begins with `-`, as an option does".to_owned(),
            None if text.len() > LONGEST_NAME => format!("is too long; {LONGEST_NAME} bytes are the most"),
            None => return Some(text),
        };
        self.wrong(node.at, format!("{what}: `{}` is no name of an account: it {why}", short(&text)));
        None
    }

    pub(super) fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        if let Kind::Bool(value) = node.kind {
            return Some(value);
        }
        self.mistake(
            node.at,
            MistakeCode::WrongType,
            format!("{what}: true or false is needed, not {}", node.kind.word()),
        );
        None
    }

    pub(super) fn number(&mut self, node: &Node, what: &str, least: i64, most: i64) -> Option<i64> {
        match node.kind {
            Kind::Whole(n) if (i128::from(least)..=i128::from(most)).contains(&n) => return i64::try_from(n).ok(),
            Kind::Number(n) if n.fract() == 0.0 && n >= least as f64 && n <= most as f64 => return Some(n as i64),
            Kind::Whole(n) => self.wrong(node.at, format!("{what}: {n} is not between {least} and {most}")),
            Kind::Number(n) => self.wrong(node.at, format!("{what}: {n} is not between {least} and {most}")),
            ref other => self.mistake(
                node.at,
                MistakeCode::WrongType,
                format!("{what}: a number is needed, not {}", other.word()),
            ),
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
            Kind::Whole(value) => Some(Var::Whole(*value)),
            Kind::Number(value) => Some(Var::Number(*value)),
            Kind::Map(_) => self.secret(node, what).map(Var::Secret),
            _ => self.text(node, what).map(Var::Text),
        }
    }
}

const ROLES: &[(&str, Role)] = &[("master", Role::Master), ("slave", Role::Slave)];

const PROVIDERS: &[(&str, ProviderChoice)] = &[
    ("auto", ProviderChoice::Auto),
    ("chrony", ProviderChoice::Chrony),
    ("ntpd", ProviderChoice::Ntpd),
    ("w32time", ProviderChoice::W32time),
];

/// The words of all firewalls that are known.
fn firewalls() -> Vec<(&'static str, FirewallChoice)> {
    FirewallChoice::all().into_iter().map(|choice| (choice.word(), choice)).collect()
}

const DOMAIN_TIME: &[(&str, DomainTime)] = &[("keep", DomainTime::Keep), ("replace", DomainTime::Replace)];
