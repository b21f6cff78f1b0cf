//! The command line of a time service, as far as it decides what rules.

use super::Slice;
use crate::provider::started::{CommandLine, lines};

/// What a command line says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// The configuration file; `None` is the one that was compiled in.
    pub(super) config: Option<String>,
    /// Directives that chronyd takes in place of a file.
    pub(super) directives: Vec<String>,
    /// Only IPv4.
    pub(super) four: bool,
    /// Only IPv6.
    pub(super) six: bool,
    /// chronyd leaves the clock alone.
    pub(super) no_clock: bool,
    /// The option with which it is no service.
    pub(super) once: Option<String>,
}

impl Arguments {
    /// Reads a command line; `None` if it is not that of the service but of a program that starts it.
    pub(super) fn read(line: &[String], of: &CommandLine) -> Option<Self> {
        let (program, rest) = line.split_first()?;
        let name = program.rsplit('/').next().unwrap_or_default();
        if name != of.program {
            return None;
        }
        let mut read = Arguments::default();
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            match word.strip_prefix("--") {
                Some(long) => read.long(long, &mut rest),
                None if word.starts_with('-') && word.len() > 1 => read.short(word, of, &mut rest),
                None if of.directives => read.directives.push(word.clone()),
                None => {}
            }
        }
        Some(read)
    }

    /// Letters may stand together, the last of them with its value: `-4xf FILE`, `-f/etc/x`.
    fn short<'a>(&mut self, word: &str, of: &CommandLine, rest: &mut impl Iterator<Item = &'a String>) {
        let mut letters = word.chars().skip(1);
        while let Some(letter) = letters.next() {
            let mut value = None;
            if of.values.contains(letter) {
                let attached: String = letters.by_ref().collect();
                value = if attached.is_empty() { rest.next().cloned() } else { Some(attached) };
            }
            self.letter(letter, value, of);
        }
    }

    fn letter(&mut self, letter: char, value: Option<String>, of: &CommandLine) {
        match letter {
            _ if letter == of.config => self.config = value,
            '4' => self.four = true,
            '6' => self.six = true,
            _ if of.no_clock == Some(letter) => self.no_clock = true,
            _ if of.once.contains(letter) => self.once = Some(format!("-{letter}")),
            _ => {}
        }
    }

    /// ntpd has long options, too.
    fn long<'a>(&mut self, word: &str, rest: &mut impl Iterator<Item = &'a String>) {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value.to_owned())));
        match name {
            "configfile" => self.config = value.or_else(|| rest.next().cloned()),
            "ipv4" => self.four = true,
            "ipv6" => self.six = true,
            "quit" => self.once = Some("--quit".to_owned()),
            _ => {}
        }
    }
}

/// The command line with which the unit would start the service: that of `ExecStart`, its variables
/// filled in. Debian's ntp is started by a script that puts the options together.
pub(super) fn of_unit(seen: &Slice) -> Vec<String> {
    let Some(exec) = lines(seen, "exec=").next() else { return Vec::new() };
    let mut line: Vec<String> = Vec::new();
    for word in exec.split_whitespace() {
        let name = word.strip_prefix('$').map(|name| name.trim_matches(['{', '}']));
        match name {
            Some(name) => line.extend(variable(seen, name)),
            None => line.push(word.to_owned()),
        }
    }
    if line.first().is_some_and(|program| program.ends_with("/ntp-systemd-wrapper")) {
        return wrapped(seen);
    }
    line
}

/// What Debian's script does: the file of DHCP, unless it is told to ignore it, comes last and rules.
fn wrapped(seen: &Slice) -> Vec<String> {
    let mut line = vec!["ntpd".to_owned()];
    line.extend(variable(seen, "NTPD_OPTS"));
    let ignored = variable(seen, "IGNORE_DHCP").first().is_some_and(|word| word == "yes");
    if let Some(path) = lines(seen, "dhcp=").next().filter(|_| !ignored) {
        line.extend(["-c".to_owned(), path.to_owned()]);
    }
    line
}

/// The words of a variable, as the last of the files has it.
fn variable(seen: &Slice, name: &str) -> Vec<String> {
    let of = |line: &str| {
        let text = line.split_once(':')?.1;
        let text = text.strip_prefix("Environment=").unwrap_or(text).trim_matches('"');
        let value = text.strip_prefix(name)?.strip_prefix('=')?;
        Some(value.trim().trim_matches(['"', '\'']).split_whitespace().map(str::to_owned).collect())
    };
    lines(seen, "line=").filter_map(of).last().unwrap_or_default()
}
