//! What could not be taken over as it was, and where it stands.

use std::collections::HashSet;

use crate::yaml::tree::At;

/// The notes of an import, each once, whatever number of hosts it concerns.
#[derive(Debug, Default)]
pub(super) struct Notes {
    list: Vec<(At, String)>,
    seen: HashSet<(At, String)>,
}

impl Notes {
    /// Keeps a note. It never holds the value of what may be a secret.
    pub(super) fn say(&mut self, at: At, text: impl Into<String>) {
        let text = crate::text::clean::text(&text.into()).into_owned();
        if self.seen.insert((at, text.clone())) {
            self.list.push((at, text));
        }
    }

    /// All notes in the order of the places, each with the name of its file.
    pub(super) fn lines(&self, files: &[String]) -> Vec<String> {
        let mut list: Vec<&(At, String)> = self.list.iter().collect();
        list.sort_by_key(|(at, _)| *at);
        list.into_iter().map(|(at, text)| format!("{}{text}", place(*at, files))).collect()
    }
}

/// `FILE:LINE: `, as far as it is known.
pub(super) fn place(at: At, files: &[String]) -> String {
    match (files.get(at.file as usize), at.line) {
        (Some(file), 0) => format!("{file}: "),
        (Some(file), line) => format!("{file}:{line}: "),
        (None, _) => String::new(),
    }
}
