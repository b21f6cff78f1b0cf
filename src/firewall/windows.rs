//! The Windows firewall, as far as it is one of several. What it is made of is behind Windows' own words: the rules
//! and the profiles in `facts/windows_firewall`, the rule of ours in `resource/windows`.

use super::registry::Firewall;

/// Its word.
pub(super) const WORD: &str = "windows";

/// The Windows firewall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows;

impl Firewall for Windows {
    fn word(&self) -> &'static str {
        WORD
    }

    fn is_of_windows(&self) -> bool {
        true
    }

    fn findings(&self) -> &'static [&'static str] {
        &["FC122", "FC125", "FC126", "FC127"]
    }
}
