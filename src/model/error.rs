//! Why a host failed.

use serde::{Deserialize, Serialize};

/// Why a host failed: what was tried and the cause, then the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorReport {
    /// What was tried, and the cause.
    pub message: String,
    /// The way out, if there is one to offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}
