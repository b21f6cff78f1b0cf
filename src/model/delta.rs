//! What is not as wanted on a host.

use serde::{Deserialize, Serialize};

use super::Mark;

/// One property that is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Delta {
    /// The thing: `file /etc/chrony/chrony.conf`, `service chrony`.
    pub resource: String,
    /// The property: `content`, `running`.
    pub property: String,
    /// What it is; `None` is absent.
    pub from: Option<String>,
    /// What it shall be; `None` is absent.
    pub to: Option<String>,
    /// Unified diff of contents, secrets hidden.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Set where the file is one that fleetclock has never written on this host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unmanaged: bool,
    /// Then: the directives that the host has now and that the new file does not say, secrets hidden.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loses: Vec<String>,
    /// Where it stands in the inventory, and by what it is known again.
    #[serde(flatten)]
    pub mark: Mark,
}

impl Delta {
    /// A property that differs, without a diff of contents.
    pub fn new(resource: String, property: &str, from: Option<String>, to: Option<String>) -> Self {
        Delta {
            resource,
            property: property.to_owned(),
            from,
            to,
            diff: None,
            unmanaged: false,
            loses: Vec::new(),
            mark: Mark::default(),
        }
    }

    /// Whether a service that has loaded the thing must load it anew. Rights of a file do not matter to it.
    pub fn is_loaded(&self) -> bool {
        !matches!(self.property.as_str(), "mode" | "owner")
    }
}
