//! From the tree to typed settings: every value is checked here, and every mistake is kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use super::name::{LONGEST_NAME, short};
use super::node::{At, Key, Kind, Mistake, Node, did_you_mean, unseen};
use super::secret::{Origin, Secret};
use super::spec::Var;
use crate::model::MistakeCode;
use crate::visible;

/// The pairs of a map.
pub(super) type Pairs = Vec<(Key, Node)>;

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
pub(super) const MOST_HOSTS: usize = 150_000;

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
    pub(super) fn playbook(&mut self, node: &Node, what: &str) -> Option<String> {
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

    pub(super) fn vars(&mut self, node: &Node, what: &str) -> BTreeMap<String, Var> {
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
