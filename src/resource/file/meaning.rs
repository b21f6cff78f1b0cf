//! A configuration that says the same in other words is no difference, and one that a host has had before is not
//! replaced without a word of what goes with it.

use std::collections::BTreeMap;

use super::{File, Found, LARGEST};
use crate::config::{self, Directive, Files, Language};
use crate::text::hide::telling;
use crate::text::shape::Wanted;

/// Begins a line of the configuration among what the probe says on its error output.
const LINE: &str = "fc-line ";

/// What a host that was changed before has, or the first lines of a file that was written here.
const OURS: &str = "[ -d /var/lib/fleetclock/runs ] || head -n 2 \"$fc_f\" | grep -q '^# Made by fleetclock'";

/// The first words of a file of the embedded templates.
const HEAD: &str = "# Made by fleetclock";

impl File {
    /// Shell text that sets `$fc_m` to whether fleetclock has managed the file.
    pub(super) fn managed(&self) -> String {
        match self.language {
            Some(_) => format!("fc_m=foreign; ! {{ {OURS}; }} || fc_m=ours\n"),
            None => "fc_m=ours\n".to_owned(),
        }
    }

    /// Shell text that prints the lines of the file, and those of the files that it names.
    pub(super) fn lines(&self) -> String {
        let Some(language) = self.language else { return String::new() };
        let word = language.word();
        format!(
            "\n{}[ \"$fc_d\" = {} ] || fc_config {word} \"$fc_f\" 0 2>/dev/null | sed 's/^/{LINE}/' >&2",
            config::READ,
            self.digest()
        )
    }

    /// The files of the configuration, as the probe has printed them.
    pub(super) fn files(&self, content: &str, stderr: &str) -> Files {
        let printed: String =
            stderr.lines().filter_map(|line| line.strip_prefix(LINE)).flat_map(|line| [line, "\n"]).collect();
        let mut files = Files::parse(&printed);
        files.add(&self.path, content);
        files
    }

    /// Whether a service would do the same with what is there as with what is wanted.
    pub(super) fn says_the_same(&self, found: &Found<'_>) -> bool {
        if found.digest == self.digest() {
            return true;
        }
        // What is behind the part that was read may be anything.
        self.language.filter(|_| found.content.len() < LARGEST).is_some_and(|language| {
            let wanted = config::read(language, &self.path, &self.content);
            config::same(language, &self.host(language, &wanted, found), &wanted)
        })
    }

    /// What the host says, with the files that it names in their places. Where the wanted file names some, too, or
    /// somebody has put such a line into one of ours, that line is a difference by itself; as is one that names a file
    /// which could not be read.
    fn host(&self, language: Language, wanted: &[Directive], found: &Found<'_>) -> Vec<Directive> {
        if wanted.iter().any(Directive::includes) || found.content.starts_with(HEAD) {
            return config::read(language, &self.path, found.content);
        }
        let all = found.files.directives(language, &self.path).into_iter();
        all.filter(|directive| !directive.includes() || !found.files.has_all(directive)).collect()
    }

    /// The directives that a host loses which was never managed, each as it may be shown.
    pub(super) fn loses(&self, found: &Found<'_>) -> Vec<String> {
        let Some(language) = self.language.filter(|_| found.unmanaged) else { return Vec::new() };
        let wanted = config::read(language, &self.path, &self.content);
        let lost = config::difference(language, &self.host(language, &wanted, found), &wanted).lost;
        let shown = self.shown(found.mode, found.noted);
        let mut open: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
        for directive in &lost {
            let file = directive.place.file.as_str();
            open.entry(file).or_insert_with(|| self.open(found.files.text(file).unwrap_or_default(), &shown));
        }
        lost.iter().map(|directive| self.named(directive, open.get(directive.place.file.as_str()))).collect()
    }

    /// Which lines of a file of the host may be shown.
    fn open(&self, text: &str, shown: &Wanted) -> Vec<bool> {
        let sides = shown.sides(text, &self.content);
        text.lines().zip(sides.host).map(|(line, shown)| line == shown).collect()
    }

    /// A directive in one line; of one that may not be shown, its name.
    fn named(&self, directive: &Directive, open: Option<&Vec<bool>>) -> String {
        let index = directive.place.line.saturating_sub(1);
        let is_open = open.and_then(|lines| lines.get(index)).copied().unwrap_or(false);
        let said = if is_open { telling(&directive.text()).into_owned() } else { format!("{} ***", directive.name) };
        match directive.place.file == self.path {
            true => said,
            false => format!("{said} ({})", directive.place),
        }
    }
}
