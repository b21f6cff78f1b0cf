//! What is said of an issue in a format, in plain text: control characters are shown, nothing else is escaped. The
//! language is that of the format: English for programs.

use crate::lang::say;
use crate::model::{Delta, FleetReport, Issue, What};
use crate::report::changes::change;
use crate::report::words;
use crate::text::clean;

/// Returns what differs in one line: `service chrony: running: no -> yes`.
pub(in crate::report) fn drift(delta: &Delta) -> String {
    clean::text(&format!("{}: {}: {}", delta.resource, delta.property, change(delta))).into_owned()
}

/// Returns what is wrong in a few words, without the host: `drift of service chrony`, `unreachable`.
pub(in crate::report) fn title(issue: &Issue<'_>) -> String {
    let title = match issue.what {
        What::Drift(delta) => say(&format!("drift of {}", delta.resource)).into_owned(),
        What::Finding(finding) => format!("{} {}", finding.code, say(&finding.title)),
        What::Ending(_) => words::ending(issue.host.status).0.into_owned(),
    };
    clean::text(&title).into_owned()
}

/// Returns what is wrong in a sentence, without the host.
pub(in crate::report) fn sentence(issue: &Issue<'_>) -> String {
    let text = match issue.what {
        What::Drift(delta) => return drift(delta),
        What::Finding(finding) => format!("{} {}: {}", finding.code, say(&finding.title), say(&finding.cause)),
        What::Ending(error) => {
            let word = words::ending(issue.host.status).0;
            error
                .filter(|error| !error.message.is_empty())
                .map_or(word.to_string(), |error| format!("{word}: {}", say(&error.message)))
        }
    };
    clean::text(&text).into_owned()
}

/// Returns the way out, where there is one to offer.
pub(in crate::report) fn way_out(issue: &Issue<'_>) -> Option<String> {
    let text = match issue.what {
        What::Drift(_) => None,
        What::Finding(finding) => Some(finding.fix.as_str()),
        What::Ending(error) => error.and_then(|error| error.hint.as_deref()),
    };
    text.filter(|text| !text.is_empty()).map(say).map(|text| clean::text(&text).into_owned())
}

/// Returns all that is said of an issue, with its host: a sentence, and the way out in another.
pub(in crate::report) fn message(issue: &Issue<'_>) -> String {
    let host = clean::text(&issue.host.name);
    let sentence = sentence(issue);
    match way_out(issue) {
        Some(way) => format!("{host}: {sentence}\n{way}"),
        None => format!("{host}: {sentence}"),
    }
}

/// Returns the name that an issue has for programs: `fleetclock/drift`.
pub(in crate::report) fn check(issue: &Issue<'_>) -> String {
    format!("fleetclock/{}", clean::text(issue.rule()))
}

/// Returns the issues, those that are new before the others where that is known: platforms show the first ones.
pub(in crate::report) fn new_first(report: &FleetReport) -> impl Iterator<Item = Issue<'_>> {
    let new = |issue: &Issue<'_>| issue.mark().new == Some(true);
    report.issues().filter(move |issue| new(issue)).chain(report.issues().filter(move |issue| !new(issue)))
}
