//! What was wrong before any host was contacted, for the formats that have a place for it.

use std::collections::HashMap;

use crate::model::{ErrorReport, MistakeReport, Place, Refusal, fingerprint};
use crate::text::clean;

/// What is wrong with an inventory, a playbook or a command line; nothing, where they were only looked at.
#[derive(Debug)]
pub struct Mistaken<'a> {
    /// The verb as it was typed.
    pub command: &'a str,
    /// The exit code of the program.
    pub exit_code: u8,
    /// Why the run was refused, if it was.
    error: Option<&'a ErrorReport>,
    /// The mistakes of the inventory.
    mistakes: &'a [MistakeReport],
}

/// One thing that is wrong.
pub(super) struct Wrong<'a> {
    /// What kind it is.
    pub(super) rule: &'static str,
    /// What is wrong, and the way out.
    pub(super) text: String,
    /// Where it stands.
    pub(super) place: Option<Place>,
    /// The file, also of what has no line.
    pub(super) file: Option<&'a str>,
    /// By what it is known again; no two of a document have the same.
    pub(super) fingerprint: String,
}

impl<'a> Mistaken<'a> {
    /// Nothing is wrong.
    pub fn nothing(command: &'a str) -> Self {
        Mistaken { command, exit_code: 0, error: None, mistakes: &[] }
    }

    /// What kept a run from its work.
    pub fn of(refusal: &'a Refusal) -> Self {
        let Refusal { command, exit_code, error, mistakes, .. } = refusal;
        let command = command.as_deref().unwrap_or(env!("CARGO_PKG_NAME"));
        Mistaken { command, exit_code: *exit_code, error: Some(error), mistakes }
    }

    /// Returns each mistake of the inventory; what is no such mistake is one by itself.
    pub(super) fn each(&self) -> Vec<Wrong<'a>> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let error = self.error.filter(|_| self.mistakes.is_empty());
        let mut all: Vec<Wrong<'a>> = self.mistakes.iter().map(Wrong::of).chain(error.map(Wrong::refused)).collect();
        for wrong in &mut all {
            let before = seen.entry(wrong.fingerprint.clone()).or_default();
            *before += 1;
            if *before > 1 {
                wrong.fingerprint = fingerprint(&[&wrong.fingerprint, &before.to_string()]);
            }
        }
        all
    }
}

impl<'a> Wrong<'a> {
    fn of(mistake: &'a MistakeReport) -> Self {
        let MistakeReport { file, line, column, code, message, hint } = mistake;
        let place = |line: &u64| Place { file: file.clone(), line: *line, column: column.unwrap_or(1) };
        Wrong {
            rule: code.word(),
            text: with_hint(message, hint.as_deref()),
            place: line.as_ref().map(place),
            file: Some(file),
            // The line is no part of it: what stands above it may change.
            fingerprint: fingerprint(&["mistake", file, code.word(), message]),
        }
    }

    fn refused(error: &'a ErrorReport) -> Self {
        Wrong {
            rule: "refused",
            text: with_hint(&error.message, error.hint.as_deref()),
            place: None,
            file: None,
            fingerprint: fingerprint(&["refused", &error.message]),
        }
    }
}

fn with_hint(message: &str, hint: Option<&str>) -> String {
    let text = hint.map_or_else(|| message.to_owned(), |hint| format!("{message}; {hint}"));
    clean::text(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MistakeCode, SCHEMA};

    #[test]
    fn each_mistake_is_known_by_itself_and_a_refusal_is_one() {
        let error = ErrorReport { message: "no".to_owned(), hint: Some("do".to_owned()) };
        let mut refusal = Refusal { schema: SCHEMA, command: None, exit_code: 2, error, mistakes: Vec::new() };
        let all =
            Mistaken::of(&refusal).each().iter().map(|wrong| (wrong.rule, wrong.text.clone())).collect::<Vec<_>>();
        assert_eq!(all, [("refused", "no; do".to_owned())]);
        let mistake = |line| MistakeReport {
            file: "fleet.yml".to_owned(),
            line,
            column: Some(3),
            code: MistakeCode::UnknownName,
            message: "no group `a`".to_owned(),
            hint: None,
        };
        refusal.mistakes = vec![mistake(Some(2)), mistake(Some(9)), mistake(None)];
        let mistaken = Mistaken::of(&refusal);
        let all = mistaken.each();
        let mut prints: Vec<&str> = all.iter().map(|wrong| wrong.fingerprint.as_str()).collect();
        prints.dedup();
        assert_eq!((prints.len(), all[2].place.is_none(), all[2].file), (3, true, Some("fleet.yml")));
        assert!(Mistaken::nothing("inventory validate").each().is_empty());
    }
}
