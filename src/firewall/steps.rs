//! What is done about a firewall that is opened by rules of ours, in whatever words: the files for the next boot
//! first, then the rules as they work, and how all of it is taken back.

use super::insert::{Row, Work};
use super::known::Opening;
use super::record;
use super::registry::{Judged, Wanted};
use crate::model::Delta;
use crate::text::hide::Hider;
use crate::text::quote::sh;
use crate::text::{diff, shape};

/// How rules of ours are put in, found and taken away.
pub(super) trait Words {
    /// The word of the firewall.
    fn word(&self) -> &'static str;

    /// Shell functions that the commands need.
    fn functions(&self) -> String;

    /// The command that puts a rule in its place.
    fn insert(&self, row: &Row, port: &Opening) -> String;

    /// The command that takes it away, and fails where it is not.
    fn delete(&self, row: &Row, port: &Opening) -> String;

    /// The command that fails where it is not.
    fn is_there(&self, row: &Row, port: &Opening) -> String;

    /// The chain, and the rule, as they are shown.
    fn shown(&self, row: &Row, port: &Opening) -> (String, String);
}

/// A file of rules for the next boot that changes.
pub(super) struct Change {
    pub(super) delta: Delta,
    /// Shell text that changes it.
    pub(super) change: String,
    /// Shell text that puts it back.
    pub(super) undo: String,
}

impl Judged {
    /// Some files, and the rules as they work.
    pub(super) fn of(words: &dyn Words, wanted: &Wanted, files: impl Iterator<Item = Change>, now: &Work) -> Self {
        let (word, port) = (words.word(), &wanted.port);
        let mut judged = Judged::default();
        for file in files {
            judged.deltas.push(file.delta);
            judged.change.push_str(&file.change);
            judged.undo.push_str(&file.undo);
        }
        for (number, row) in now.remove.iter().enumerate().rev() {
            judged.deltas.push(of_rule(words, row, port, false));
            judged.change.push_str(&format!("{}\n: >\"$FC_KEEP/gone-{number}\"\n", words.delete(row, port)));
        }
        for (number, row) in now.add.iter().enumerate() {
            judged.deltas.push(of_rule(words, row, port, true));
            judged.change.push_str(&format!("{}\n: >\"$FC_KEEP/come-{number}\"\n", words.insert(row, port)));
        }
        // What was not done is not taken back: somebody else's rule may say the same.
        for (number, row) in now.add.iter().enumerate().rev() {
            let delete = words.delete(row, port);
            judged.undo.push_str(&format!("[ ! -e \"$FC_KEEP/come-{number}\" ] || {delete} 2>/dev/null || :\n"));
        }
        for (number, row) in now.remove.iter().enumerate() {
            let (is_there, insert) = (words.is_there(row, port), words.insert(row, port));
            let undo = format!("[ ! -e \"$FC_KEEP/gone-{number}\" ] || {is_there} >/dev/null 2>&1 || {insert}\n");
            judged.undo.push_str(&undo);
        }
        if !judged.deltas.is_empty() {
            let note = if wanted.networks.is_empty() { Vec::new() } else { vec![sh(&port.to_string())] };
            judged.change = format!("{}{}{}", words.functions(), record::write(word, port, &note), judged.change);
            judged.undo = format!("{}{}{}", words.functions(), judged.undo, record::restore(word, port));
        }
        judged
    }
}

fn of_rule(words: &dyn Words, row: &Row, port: &Opening, comes: bool) -> Delta {
    let (chain, rule) = words.shown(row, port);
    let word = Some("open".to_owned());
    let (from, to) = if comes { (None, word) } else { (word, None) };
    let property = format!("{port} from {} (running)", row.network);
    let mut delta = Delta::new(format!("{} chain {chain}", words.word()), &property, from, to);
    let sign = if comes { '+' } else { '-' };
    delta.diff = Some(format!("@@ rule {} @@\n{sign}{rule}\n", row.at + 1));
    delta
}

/// What differs in a file; one that is not there is empty.
pub(super) fn of_file(word: &str, path: &str, property: &str, is: &str, wanted: &str) -> Delta {
    let lines = |text: &str| (!text.is_empty()).then(|| format!("{} lines", text.lines().count()));
    let mut delta = Delta::new(format!("{word} {path}"), property, lines(is), lines(wanted));
    delta.diff = Some(diff::unified(path, is, wanted, &shape::Wanted::plain(Hider::new([]))));
    delta
}
