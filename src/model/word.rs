//! Words that are not known here.

use std::fmt;

/// A word that this version does not know; one that is newer may have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    kind: &'static str,
    word: String,
}

impl Unknown {
    pub(super) fn new(kind: &'static str, word: String) -> Self {
        Unknown { kind, word }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no {}", self.word, self.kind)
    }
}

impl std::error::Error for Unknown {}
