//! When a plan may be applied, as its file says it: in the words of the command line.

use serde::{Deserialize, Serialize};

use crate::calendar::{Timestamp, Window};

/// When a plan may be applied; nothing set is always.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// Until when.
    pub until: Option<Timestamp>,
    /// In which windows; none is in any.
    pub windows: Vec<Window>,
}

impl Validity {
    /// What it says in words, if it says anything.
    pub fn words(&self) -> Option<String> {
        let until = self.until.map(|until| format!("until {}", crate::calendar::shown(until)));
        let windows = (!self.windows.is_empty()).then(|| {
            let all: Vec<String> = self.windows.iter().map(|window| format!("`{window}`")).collect();
            format!("in {}", all.join(" or "))
        });
        let parts: Vec<String> = [until, windows].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}
