//! The reference of the keys, made from the rows of their tables.

use serde::Serialize;

use super::policy::{ISOLATED, LIMITS, STEPS};
use super::rollout::ROLLOUT;
use super::settings::{HOST, LEVEL, PACKAGES};
use super::source::{FOLLOWS, UPSTREAM};
use super::ssh::SSH;
use super::table::{Row, Table, rows};
use super::tuning::{LEAP, RATE_LIMIT};
use super::winrm::WINRM;

/// A key of the inventory, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyWords {
    /// The table of the manual that it stands in.
    pub part: &'static str,
    /// The key, after the one of the map that it stands in: `limits.max_error`.
    pub key: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What counts where nothing is said.
    pub default: &'static str,
    /// What becomes of values of several levels: `replace` or `by key`.
    pub merge: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// Returns every key, in the order of the manual.
pub fn keys() -> Vec<KeyWords> {
    let servers = rows(UPSTREAM).take(1).chain(rows(FOLLOWS)).chain(without(UPSTREAM, FOLLOWS).skip(1));
    let parts = [
        part("settings", "", rows(LEVEL)),
        part("host", "", without(HOST, LEVEL)),
        part("limits", "limits.", rows(LIMITS)),
        part("isolated", "isolated.", rows(ISOLATED)),
        part("step", "step.", rows(STEPS)),
        part("rate_limit", "rate_limit.", rows(RATE_LIMIT)),
        part("leap", "leap.", rows(LEAP)),
        part("packages", "packages.", rows(PACKAGES)),
        part("sources", "source.", servers),
        part("ssh", "ssh.", rows(SSH)),
        part("winrm", "winrm.", rows(WINRM)),
        part("rollout", "rollout.", rows(ROLLOUT)),
    ];
    parts.into_iter().flatten().collect()
}

fn part<S: 'static>(part: &'static str, before: &str, rows: impl Iterator<Item = &'static Row<S>>) -> Vec<KeyWords> {
    let words = |row: &'static Row<S>| KeyWords {
        part,
        key: format!("{before}{}", row.key),
        kind: row.field.words(),
        default: row.default,
        merge: row.field.rule(),
        meaning: row.doc,
    };
    rows.map(words).collect()
}

/// The rows of one table that another does not have.
fn without<S: 'static>(table: Table<S>, known: Table<S>) -> impl Iterator<Item = &'static Row<S>> {
    rows(table).filter(move |row| !rows(known).any(|other| other.key == row.key))
}

#[cfg(test)]
mod tests;
