//! The part that a host plays.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The part that a host plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Serves time to others.
    Master,
    /// Only follows.
    Slave,
}

impl Role {
    /// Returns the word of the inventory and of the report.
    pub fn word(self) -> &'static str {
        match self {
            Role::Master => "master",
            Role::Slave => "slave",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
