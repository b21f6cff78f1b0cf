//! What packages say of others: a name, and perhaps which versions of it.

use std::cmp::Ordering;
use std::fmt;

use super::Format;
use super::version::compare;

/// Which versions are meant: those that stand so to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Older ones.
    pub older: bool,
    /// This one.
    pub same: bool,
    /// Newer ones.
    pub newer: bool,
    /// The version.
    pub version: String,
}

/// A package, or what one stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its name.
    pub name: String,
    /// Its versions; all, if nothing is said.
    pub limit: Option<Limit>,
}

/// What a package stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The name.
    pub name: String,
    /// As which version.
    pub version: Option<String>,
}

impl Offer {
    /// Reads `time-daemon, ntp (= 1.2)`.
    pub fn list(text: &str) -> Vec<Offer> {
        Relation::lists(text).into_iter().flatten().map(Offer::from).collect()
    }
}

impl From<Relation> for Offer {
    fn from(one: Relation) -> Self {
        Offer { name: one.name, version: one.limit.map(|limit| limit.version) }
    }
}

impl Limit {
    /// Reads `>= 2.34)`.
    fn read(text: &str) -> Option<Limit> {
        let text = text.split(')').next()?.trim();
        let (sign, version) = text.split_at(text.find(|c| !matches!(c, '<' | '=' | '>'))?);
        let (older, same, newer) = match sign {
            "<<" => (true, false, false),
            "<" | "<=" => (true, true, false),
            "=" => (false, true, false),
            ">" | ">=" => (false, true, true),
            ">>" => (false, false, true),
            _ => return None,
        };
        Some(Limit { older, same, newer, version: version.trim().to_owned() })
    }

    fn has(&self, format: Format, version: &str) -> bool {
        match compare(format, version, &self.version) {
            Ordering::Less => self.older,
            Ordering::Equal => self.same,
            Ordering::Greater => self.newer,
        }
    }

    fn sign(&self) -> &'static str {
        match (self.older, self.same, self.newer) {
            (true, false, _) => "<",
            (true, true, _) => "<=",
            (false, true, false) => "=",
            (false, true, true) => ">=",
            (false, false, _) => ">",
        }
    }
}

impl Relation {
    /// Reads `libc6 (>= 2.34), init-system-helpers | systemd`: of each list one.
    pub fn lists(text: &str) -> Vec<Vec<Relation>> {
        let lists = text.split(',').map(|list| list.split('|').filter_map(Relation::read).collect::<Vec<_>>());
        lists.filter(|list| !list.is_empty()).collect()
    }

    fn read(text: &str) -> Option<Relation> {
        let (name, limit) = text.split_once('(').map_or((text, None), |(name, limit)| (name, Some(limit)));
        // `python3:any` is python3, whatever it is built for.
        let name = name.split([':', '[']).next()?.trim().to_owned();
        let limit = limit.and_then(Limit::read);
        (!name.is_empty()).then_some(Relation { name, limit })
    }

    /// Returns whether a name in a version is what is meant.
    pub fn has(&self, format: Format, name: &str, version: Option<&str>) -> bool {
        self.name == name
            && match (&self.limit, version) {
                (None, _) => true,
                (Some(limit), Some(version)) => limit.has(format, version),
                // What stands for no version in particular stands for none of dpkg's, and for any of rpm's.
                (Some(_), None) => format == Format::Rpm,
            }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.limit {
            None => f.write_str(&self.name),
            Some(limit) => write!(f, "{} ({} {})", self.name, limit.sign(), limit.version),
        }
    }
}
