//! One word for each way in which a host can end, the same everywhere, in the language of its reader.

use std::borrow::Cow;

use anstyle::Style;

use super::style::{ALARM, BAD, CARE, GOOD};
use crate::lang;
use crate::model::{Role, Severity, Status};

/// Returns the word for how a host ended, and its colour.
pub(super) fn ending(status: Status) -> (Cow<'static, str>, Style) {
    let (word, style) = english(status);
    (lang::word("status", word), style)
}

/// Returns the word for how bad a finding is.
pub(super) fn severity(severity: Severity) -> Cow<'static, str> {
    lang::word("severity", severity.word())
}

/// Returns the word for the part that a host plays.
pub(super) fn role(role: Role) -> Cow<'static, str> {
    lang::word("role", role.word())
}

fn english(status: Status) -> (&'static str, Style) {
    match status {
        Status::Unchanged => ("in sync", GOOD),
        Status::Changed => ("changed", GOOD),
        Status::Drifted => ("drifted", CARE),
        Status::OutOfLimits => ("out of limits", CARE),
        Status::Failed => ("failed", BAD),
        Status::FailedUndone => ("failed (rolled back)", BAD),
        Status::FailedNotUndone => ("failed (NOT rolled back)", ALARM),
        Status::Unreachable => ("unreachable", BAD),
        Status::NotStarted => ("not started", CARE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    const STATUSES: [Status; 9] = [
        Status::Unchanged,
        Status::Changed,
        Status::Drifted,
        Status::OutOfLimits,
        Status::Failed,
        Status::FailedUndone,
        Status::FailedNotUndone,
        Status::Unreachable,
        Status::NotStarted,
    ];

    /// All words of closed sets, in a language.
    fn said(lang: Lang) -> Vec<String> {
        let all = || {
            let mut all: Vec<String> = STATUSES.map(|status| ending(status).0.into_owned()).to_vec();
            all.extend([Severity::Error, Severity::Warning, Severity::Note].map(|it| severity(it).into_owned()));
            all.extend([Role::Master, Role::Slave].map(|it| role(it).into_owned()));
            all.extend(["ok", "FAIL", "falling"].map(|verdict| lang::word("verdict", verdict).into_owned()));
            all.push(lang::word("certainty", "perhaps").into_owned());
            all
        };
        lang::speaking(lang, all)
    }

    #[test]
    fn every_word_has_its_own_in_every_language() {
        let english = said(Lang::ENGLISH);
        for lang in lang::codes().filter_map(Lang::of).filter(|lang| *lang != Lang::ENGLISH) {
            for (english, other) in english.iter().zip(said(lang)) {
                assert_ne!(*english, other, "po/{}.po", lang.code());
            }
        }
    }
}
