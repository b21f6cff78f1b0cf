//! What the configuration file of a time service says: its directives, typed and with their places, whatever
//! comments and blanks stand around them. Text in, values out; nothing here talks to a host.

pub mod files;
mod lines;
pub mod meaning;

use std::fmt;

use serde::Deserialize;

pub use files::{Files, READ};
pub use lines::read;
pub use meaning::{Difference, difference, same};

/// The language of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// chrony.conf.
    Chrony,
    /// ntp.conf of classic ntp and of ntpsec.
    Ntp,
    /// ntpd.conf of openntpd.
    Openntpd,
    /// Sections and `KEY=VALUE`, as systemd-timesyncd has it.
    Ini,
    /// TOML, as ntpd-rs has it.
    Toml,
}

impl Language {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Language::Chrony => "chrony",
            Language::Ntp => "ntp",
            Language::Openntpd => "openntpd",
            Language::Ini => "ini",
            Language::Toml => "toml",
        }
    }
}

/// Where a directive stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as the host names it.
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Where it stands.
    pub place: Place,
    /// Its name: in lower case where the language does not care; with its section (`Time.NTP`) where there is one.
    pub name: String,
    /// Its words.
    pub words: Vec<String>,
    /// How many sections have begun before it, in a language that has some: two of one name are not one.
    pub section: usize,
}

impl Directive {
    /// Returns it as one line, with single blanks.
    pub fn text(&self) -> String {
        let words = std::iter::once(self.name.as_str()).chain(self.words.iter().map(String::as_str));
        words.collect::<Vec<_>>().join(" ")
    }

    /// Returns whether it names other files, whose lines count as if they stood here.
    pub fn includes(&self) -> bool {
        matches!(self.name.as_str(), "include" | "confdir" | "sourcedir" | "includefile")
    }
}
