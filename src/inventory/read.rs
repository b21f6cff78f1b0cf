//! From the tree to typed settings: every value is checked here, and every mistake is kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;

use super::node::{At, Key, Kind, Mistake, Node, did_you_mean};
use super::secret::Secret;
use super::spec::{DomainTime, FirewallChoice, ProviderChoice, Role, StepPolicy, Var};
use super::ssh::SshLines;
use super::winrm::WinrmLines;

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
    pub(super) vars: BTreeMap<String, Var>,
    pub(super) extra: Option<Vec<String>>,
    pub(super) ssh: SshLines,
    pub(super) winrm: Option<(WinrmLines, At)>,
    pub(super) local: Option<bool>,
    pub(super) domain_time: Option<DomainTime>,
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

/// One entry of `upstream` or `follows`: an address or a name of this file, with options.
#[derive(Debug, Clone)]
pub(super) struct SourceLine {
    pub(super) name: String,
    pub(super) at: At,
    pub(super) pool: bool,
    pub(super) windows: bool,
    pub(super) prefer: bool,
    pub(super) iburst: bool,
    pub(super) minpoll: Option<i8>,
    pub(super) maxpoll: Option<i8>,
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
];

type Pairs = Vec<(Key, Node)>;

/// Reads nodes, and keeps every mistake.
pub(super) struct Reader<'a> {
    pub(super) mistakes: Vec<Mistake>,
    pub(super) folder: &'a Path,
    pub(super) secrets: Vec<Secret>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Reader { mistakes: Vec::new(), folder, secrets: Vec::new() }
    }

    pub(super) fn wrong(&mut self, at: At, text: impl Into<String>) {
        self.mistakes.push(Mistake { at, text: text.into() });
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
        if text.is_empty() || text.chars().any(char::is_control) {
            let why =
                if text.is_empty() { "it is empty" } else { "it holds a line break or another control character" };
            self.wrong(node.at, format!("{what}: {why}"));
            return None;
        }
        Some(text)
    }

    /// A name or an address: what a daemon's configuration takes as one word.
    pub(super) fn word(&mut self, node: &Node, what: &str) -> Option<String> {
        let text = self.text(node, what)?;
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if text.chars().all(fine) && !text.starts_with('-') {
            return Some(text);
        }
        self.wrong(node.at, format!("{what}: `{text}` is neither a host name nor an address"));
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

    fn sources(&mut self, node: &Node, what: &str, subject: &str) -> Vec<SourceLine> {
        self.list(node).into_iter().filter_map(|node| self.source(node, what, subject)).collect()
    }

    fn source(&mut self, node: &Node, what: &str, subject: &str) -> Option<SourceLine> {
        let mut line = SourceLine {
            name: String::new(),
            at: node.at,
            pool: false,
            windows: false,
            prefer: false,
            iburst: true,
            minpoll: None,
            maxpoll: None,
        };
        if !matches!(node.kind, Kind::Map(_)) {
            line.name = self.word(node, what)?;
            return Some(line);
        }
        let pool: &[&str] = if subject == "address" { &["pool", "windows"] } else { &[] };
        let known: Vec<&str> =
            [subject, "prefer", "iburst", "minpoll", "maxpoll"].iter().chain(pool).copied().collect();
        for (key, value) in &self.map(node, what, &known) {
            let what = &format!("{what}.{}", key.text);
            match key.text.as_str() {
                "pool" => line.pool = self.boolean(value, what)?,
                "windows" => line.windows = self.boolean(value, what)?,
                "prefer" => line.prefer = self.boolean(value, what)?,
                "iburst" => line.iburst = self.boolean(value, what)?,
                "minpoll" => line.minpoll = self.poll(value, what),
                "maxpoll" => line.maxpoll = self.poll(value, what),
                name if name == subject => line.name = self.word(value, what)?,
                _ => {}
            }
        }
        if line.name.is_empty() {
            self.wrong(node.at, format!("{what}: `{subject}` is missing"));
            return None;
        }
        if let (Some(min), Some(max)) = (line.minpoll, line.maxpoll)
            && min > max
        {
            self.wrong(node.at, format!("{what}: minpoll {min} is above maxpoll {max}"));
        }
        Some(line)
    }

    /// Both daemons take 3 to 17 (ntpd's range; chrony's is wider).
    fn poll(&mut self, node: &Node, what: &str) -> Option<i8> {
        self.number(node, what, -6, 24).and_then(|n| i8::try_from(n).ok())
    }

    fn networks(&mut self, node: &Node, what: &str) -> Vec<IpNet> {
        self.list(node).into_iter().filter_map(|node| self.network(node, what)).collect()
    }

    fn network(&mut self, node: &Node, what: &str) -> Option<IpNet> {
        let text = self.text(node, what)?;
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from));
        match network {
            Ok(network) if network.addr() == network.network() => return Some(network),
            Ok(network) => self.wrong(
                node.at,
                format!("{what}: `{text}` is an address in a network (did you mean `{}`?)", network.trunc()),
            ),
            Err(_) => self.wrong(node.at, format!("{what}: `{text}` is no network; write 10.0.0.0/24 or fd00::/64")),
        }
        None
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
        for (key, value) in &self.map(node, what, &["max_error", "max_stratum", "max_step", "deadline"]) {
            let what = &format!("{what}.{}", key.text);
            match key.text.as_str() {
                "max_error" => s.max_error = self.duration(value, what).map(|duration| (duration, value.at)),
                "max_stratum" => {
                    let number = self.number(value, what, 1, 15).and_then(|n| u8::try_from(n).ok());
                    s.max_stratum = number.map(|n| (n, value.at));
                }
                "max_step" => s.max_step = self.duration(value, what),
                "deadline" => s.deadline = self.duration(value, what),
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
