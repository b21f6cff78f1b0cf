//! The configuration of a time service in words, and what is particular to it. `doctor` compares by it what is in
//! force with what shall be. How a file is read is in `config/`.

use crate::config::{self, Directive};

/// What is particular to the configuration of a time service.
#[derive(Debug, PartialEq, Eq)]
pub struct Language {
    /// How its lines are read.
    pub syntax: config::Language,
    /// The directives that name sources.
    pub sources: &'static [&'static str],
    /// Directives that only say where things are kept, or who may command; they keep nobody from following.
    pub harmless: &'static [&'static str],
    /// Directives that say when the clock may step, and whom the host serves.
    pub besides: &'static [&'static str],
    /// Options of a source that say how often it is asked, and no more.
    pub how_often: &'static [&'static str],
}

/// Of a service that is not known.
pub const UNKNOWN: Language =
    Language { syntax: config::Language::Ntp, sources: &[], harmless: &[], besides: &[], how_often: &[] };

impl Language {
    /// Returns whether a line is `Key=value value`, in sections; else it is `directive value value`.
    pub fn assigns(&self) -> bool {
        self.syntax == config::Language::Ini
    }
}

/// The lines of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    language: &'static Language,
    lines: Vec<Vec<String>>,
}

impl Default for Config {
    fn default() -> Self {
        Config { language: &UNKNOWN, lines: Vec::new() }
    }
}

/// The name of a source and its options; ntpd takes the family before the name.
fn named(rest: &[String]) -> Option<(&String, &[String])> {
    match rest.split_first()? {
        (family, rest) if matches!(family.as_str(), "-4" | "-6") => rest.split_first(),
        split => Some(split),
    }
}

impl Config {
    /// Reads the text of a configuration.
    pub fn read(text: &str, language: &'static Language) -> Self {
        let mut lines: Vec<Vec<String>> = Vec::new();
        for Directive { name, words, .. } in config::read(language.syntax, "", text) {
            if !language.assigns() {
                lines.push(std::iter::once(name).chain(words).collect());
                continue;
            }
            // The section is no part of a key here. An empty value forgets those before it.
            let key = name.rsplit('.').next().unwrap_or_default().to_owned();
            if words.is_empty() {
                lines.retain(|line| line.first() != Some(&key));
            } else {
                lines.push(std::iter::once(key).chain(words).collect());
            }
        }
        Config { language, lines }
    }

    /// Returns what is particular to its language.
    pub fn language(&self) -> &'static Language {
        self.language
    }

    /// Returns the words after a directive, for each line of it.
    pub fn all<'a>(&'a self, directive: &str) -> impl Iterator<Item = &'a [String]> + use<'a> {
        let directive = directive.to_owned();
        self.lines.iter().filter_map(move |line| match line.split_first() {
            Some((first, rest)) if first.eq_ignore_ascii_case(&directive) => Some(rest),
            _ => None,
        })
    }

    /// Returns the first word after a directive; the last line of it counts.
    pub fn value(&self, directive: &str) -> Option<&str> {
        self.all(directive).last().map(|rest| rest.first().map_or("", String::as_str))
    }

    /// Returns all lines, in words.
    pub fn lines(&self) -> impl Iterator<Item = &[String]> {
        self.lines.iter().map(Vec::as_slice)
    }

    /// Returns a line as it is written.
    pub fn written(&self, line: &[String]) -> String {
        match line.split_first() {
            Some((key, values)) if self.language.assigns() => format!("{key}={}", values.join(" ")),
            _ => line.join(" "),
        }
    }

    /// Returns the first line of a directive whose words fit, as it is written.
    pub fn line(&self, directive: &str, fits: impl Fn(&[String]) -> bool) -> Option<String> {
        let mut words = self.all(directive).filter(|rest| fits(rest));
        let line = |rest: &[String]| [&[directive.to_owned()], rest].concat();
        words.next().map(|rest| self.written(&line(rest)))
    }

    /// The sources of one line after its directive, with their options.
    fn of_line<'a>(&self, rest: &'a [String]) -> Vec<(&'a String, &'a [String])> {
        if self.language.assigns() {
            return rest.iter().map(|name| (name, &rest[..0])).collect();
        }
        named(rest).into_iter().collect()
    }

    /// Returns the options of a source, if it is configured.
    pub fn source(&self, address: &str) -> Option<&[String]> {
        let all = self.language.sources.iter().flat_map(|directive| self.all(directive));
        all.flat_map(|rest| self.of_line(rest)).find(|(name, _)| *name == address).map(|(_, options)| options)
    }

    /// Returns the whole line of a source.
    pub fn source_line(&self, address: &str) -> Option<String> {
        let names = |rest: &[String]| self.of_line(rest).iter().any(|(name, _)| *name == address);
        self.language.sources.iter().find_map(|directive| self.line(directive, names))
    }

    /// Returns all configured sources.
    pub fn sources(&self) -> Vec<&str> {
        let all = self.language.sources.iter().flat_map(|directive| self.all(directive));
        all.flat_map(|rest| self.of_line(rest)).map(|(name, _)| name.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTIVES: Language = Language { sources: &["server", "pool"], ..UNKNOWN };
    const CHRONY: Language = Language { syntax: config::Language::Chrony, ..UNKNOWN };
    const ASSIGNMENTS: Language = Language { syntax: config::Language::Ini, sources: &["NTP"], ..UNKNOWN };

    #[test]
    fn a_family_is_no_name_of_a_source() {
        let text = "server -6 fd00::1 iburst key 7\n# server 10.0.0.9\npool -4 ntp.example\nserver 10.0.0.1";
        let config = Config::read(text, &DIRECTIVES);
        assert_eq!(config.sources(), ["fd00::1", "10.0.0.1", "ntp.example"]);
        assert_eq!(config.source("fd00::1").map(<[String]>::len), Some(3));
        assert!(config.source("-6").is_none());
        assert_eq!(config.source_line("10.0.0.1").as_deref(), Some("server 10.0.0.1"));
    }

    /// What `apply` would write keeps such a comment; what is in force is read without it.
    #[test]
    fn a_comment_behind_a_line_is_no_part_of_it_where_the_service_says_so() {
        let words = |language: &'static Language| {
            let config = Config::read("Restrict 10.0.0.1 # ours\n; x", language);
            config.lines().map(|line| config.written(line)).collect::<Vec<_>>()
        };
        assert_eq!(words(&DIRECTIVES), ["Restrict 10.0.0.1", "; x"]);
        assert_eq!(words(&CHRONY), ["restrict 10.0.0.1 # ours"]);
    }

    #[test]
    fn a_line_of_assignments_names_several_sources_and_an_empty_one_forgets() {
        let config = Config::read("[Time]\nNTP=old\nNTP=\n#NTP=x\nNTP=10.0.0.1 ntp.lab\nNTP=fd00::1\n", &ASSIGNMENTS);
        assert_eq!(config.sources(), ["10.0.0.1", "ntp.lab", "fd00::1"]);
        assert_eq!(config.source_line("ntp.lab").as_deref(), Some("NTP=10.0.0.1 ntp.lab"));
        assert_eq!(config.source("ntp.lab"), Some(&[][..]));
    }
}
