//! The same result for other programs and places: one module for each format, and the list of all.
//!
//! A new format is a file here, a line in [`ALL`] and one in `docs/ci.md`; `tests/report/formats.rs` asks for the rest.

mod compliance;
mod github;
mod gitlab;
mod html;
mod json;
mod junit;
mod list;
mod markdown;
mod mistaken;
mod prometheus;
pub(super) mod said;
mod sarif;
mod xml;

use std::io::{Result, Write};

use crate::lang::{self, Lang};
use crate::model::FleetReport;
pub use mistaken::Mistaken;

/// A way to write down what a run came to.
pub trait Format: std::fmt::Debug + Sync {
    /// The word for it on the command line: lower case, no spaces.
    fn name(&self) -> &'static str;

    /// How the names of its files end, without the first dot: `junit.xml`.
    fn extension(&self) -> &'static str;

    /// Where it is read: a few words for the help.
    fn about(&self) -> &'static str;

    /// Whether it belongs on standard output when no file is named, as what a CI reads in the log of its job.
    fn is_for_the_log(&self) -> bool {
        false
    }

    /// Whether people read it, in their own language; what programs read is English.
    fn is_for_people(&self) -> bool {
        false
    }

    /// Whether programs of other users have to read it.
    fn is_for_others(&self) -> bool {
        false
    }

    /// Whether it is JSON, where a text can be written in more than one way.
    fn is_json(&self) -> bool {
        false
    }

    /// Writes the result as it comes: what it needs of memory does not grow with the number of hosts. Texts in it are
    /// those of hosts, and hostile: each format escapes all of them. Secrets are hidden already.
    ///
    /// # Errors
    /// What is written to has no room, or is gone.
    fn write(&self, report: &FleetReport, out: &mut dyn Write) -> Result<()>;

    /// Returns what writes down why there is no result: mistakes, in a format that has a place for them.
    fn mistakes(&self) -> Option<Mistakes> {
        None
    }
}

/// Writes down what was wrong before any host was contacted.
pub type Mistakes = fn(&Mistaken<'_>, &mut dyn Write) -> Result<()>;

/// All formats, in the order in which they are named to people.
pub const ALL: &[&dyn Format] = &[
    &json::Json,
    &junit::Junit,
    &sarif::Sarif,
    &github::Github,
    &gitlab::Gitlab,
    &prometheus::Prometheus,
    &markdown::Markdown,
    &html::Html,
    &compliance::Compliance,
];

/// Where a thing stands whose report does not say in which inventory: its usual name.
const INVENTORY: &str = "fleet.yml";

/// Writes a result in a format: for people in the language that they have chosen, for programs in English.
///
/// # Errors
/// As for [`Format::write`].
pub fn write(format: &dyn Format, report: &FleetReport, out: &mut dyn Write) -> Result<()> {
    let language = if format.is_for_people() { lang::chosen() } else { Lang::ENGLISH };
    lang::speaking(language, || format.write(report, out))
}

/// Returns the format of a name.
pub fn find(name: &str) -> Option<&'static dyn Format> {
    ALL.iter().copied().find(|format| format.name() == name)
}
