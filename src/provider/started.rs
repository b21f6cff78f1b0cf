//! What a time service is started with, as far as that decides what rules: how its command line is read.

use crate::model::Slice;

/// How the command line of a service is read.
#[derive(Debug)]
pub struct CommandLine {
    /// The program; another one only starts it.
    pub program: &'static str,
    /// Letters that take a value.
    pub values: &'static str,
    /// The letter that names the configuration file.
    pub config: char,
    /// Whether words that are no options are directives, in place of a file.
    pub directives: bool,
    /// The letter with which it leaves the clock alone.
    pub no_clock: Option<char>,
    /// Letters with which it is no service.
    pub once: &'static str,
}

/// Returns the rest of each line that begins with a key.
pub fn lines<'a>(seen: &'a Slice, key: &'a str) -> impl Iterator<Item = &'a str> {
    seen.stdout.lines().filter_map(move |line| line.strip_prefix(key))
}

/// Whether a line of a configuration begins with one of these words.
pub(super) fn is_one_of(line: &[&str], words: &[&str]) -> bool {
    line.first().is_some_and(|word| words.iter().any(|one| word.eq_ignore_ascii_case(one)))
}
