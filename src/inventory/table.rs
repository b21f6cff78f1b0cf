//! The table of the settings. A row is all that there is to say of a key: its type, its default, what it means and
//! the field that it fills. The reader, the merging of levels, the JSON Schema and the manual go by the rows.

use serde_json::Value;

use super::node::{At, Node};
use super::read::{Pairs, Reader};
use crate::facts::services::Ability;

/// A key of a map.
pub(super) struct Row<S: 'static> {
    pub(super) key: &'static str,
    /// Where the value goes, and of which type it is.
    pub(super) field: &'static dyn Field<S>,
    /// What counts where nothing is said, as the manual shows it; a value between backticks is held by a test.
    pub(super) default: &'static str,
    /// What it means, in a sentence of the manual.
    pub(super) doc: &'static str,
}

/// The rows of a map, in the order of the manual; parts may be shared between maps.
pub(super) type Table<S> = &'static [&'static [Row<S>]];

/// Returns the rows of a table.
pub(super) fn rows<S: 'static>(table: Table<S>) -> impl Iterator<Item = &'static Row<S>> {
    table.iter().copied().flatten()
}

/// A type of values: how one is read, and how the type is described.
pub(super) trait Type: Sync {
    /// What is read.
    type Value;

    /// Reads a value; what is wrong with it goes to the reader.
    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Self::Value>;

    /// Returns the type as the manual calls it.
    fn words(&self) -> String;

    /// Returns the type as a JSON Schema.
    fn schema(&self) -> Value;

    /// Returns whether a value asks for anything: `false` and an empty list do not.
    fn asks(&self, _value: &Self::Value) -> bool {
        true
    }

    /// Returns what the time service has to be able to do for a value.
    fn needs(&self, _value: &Self::Value) -> Vec<Ability> {
        Vec::new()
    }
}

/// A field of `S` that a row fills.
pub(super) trait Field<S>: Sync {
    /// Reads the value of the row into the field.
    fn read(&self, into: &mut S, reader: &mut Reader<'_>, node: &Node, what: &str);

    /// Merges two levels: `near` is nearer to the host than `far`.
    fn merge(&self, near: &mut S, far: &mut S);

    /// Returns what becomes of values of several levels, as the manual calls it.
    fn rule(&self) -> &'static str {
        "replace"
    }

    /// Returns the type as the manual calls it.
    fn words(&self) -> String;

    /// Returns the type as a JSON Schema.
    fn schema(&self) -> Value;

    /// Returns what the time service has to be able to do for what the field has.
    fn needs(&self, _of: &mut S) -> Vec<Ability> {
        Vec::new()
    }
}

/// A field with one value; the nearest level replaces all others.
pub(super) struct One<S, T: Type> {
    slot: fn(&mut S) -> &mut Option<T::Value>,
    of: T,
}

/// Makes a field with one value.
pub(super) const fn one<S, T: Type>(slot: fn(&mut S) -> &mut Option<T::Value>, of: T) -> One<S, T> {
    One { slot, of }
}

impl<S, T: Type> Field<S> for One<S, T> {
    fn read(&self, into: &mut S, reader: &mut Reader<'_>, node: &Node, what: &str) {
        *(self.slot)(into) = self.of.read(reader, node, what);
    }

    fn merge(&self, near: &mut S, far: &mut S) {
        let near = (self.slot)(near);
        if near.is_none() {
            *near = (self.slot)(far).take();
        }
    }

    fn words(&self) -> String {
        self.of.words()
    }

    fn schema(&self) -> Value {
        self.of.schema()
    }

    fn needs(&self, of: &mut S) -> Vec<Ability> {
        (self.slot)(of).as_ref().map(|value| self.of.needs(value)).unwrap_or_default()
    }
}

/// A field that is a map with rows of its own; levels are merged key by key.
pub(super) struct Part<S, P: 'static> {
    slot: fn(&mut S) -> &mut P,
    rows: Table<P>,
    /// Says what is wrong with the whole.
    check: fn(&mut Reader<'_>, &P, &str),
}

/// Makes a field that is a map.
pub(super) const fn part<S, P: 'static>(
    slot: fn(&mut S) -> &mut P,
    rows: Table<P>,
    check: fn(&mut Reader<'_>, &P, &str),
) -> Part<S, P> {
    Part { slot, rows, check }
}

impl<S, P: 'static> Field<S> for Part<S, P> {
    fn read(&self, into: &mut S, reader: &mut Reader<'_>, node: &Node, what: &str) {
        let part = (self.slot)(into);
        reader.rows(self.rows, part, node, what, &[]);
        (self.check)(reader, part, what);
    }

    fn merge(&self, near: &mut S, far: &mut S) {
        merge(self.rows, (self.slot)(near), (self.slot)(far));
    }

    fn rule(&self) -> &'static str {
        "by key"
    }

    fn words(&self) -> String {
        keys(self.rows)
    }

    fn schema(&self) -> Value {
        super::schema::map(self.rows)
    }
}

/// The same where it counts whether the map is there at all, and where.
pub(super) struct Whole<S, P: 'static> {
    slot: fn(&mut S) -> &mut Option<(P, At)>,
    rows: Table<P>,
}

/// Makes a field that is a map, or is not there.
pub(super) const fn whole<S, P: 'static>(slot: fn(&mut S) -> &mut Option<(P, At)>, rows: Table<P>) -> Whole<S, P> {
    Whole { slot, rows }
}

impl<S, P: Default + 'static> Field<S> for Whole<S, P> {
    fn read(&self, into: &mut S, reader: &mut Reader<'_>, node: &Node, what: &str) {
        let mut part = P::default();
        reader.rows(self.rows, &mut part, node, what, &[]);
        *(self.slot)(into) = Some((part, node.at));
    }

    fn merge(&self, near: &mut S, far: &mut S) {
        match ((self.slot)(near), (self.slot)(far)) {
            (Some((near, _)), Some((far, _))) => merge(self.rows, near, far),
            (near @ None, far) => *near = far.take(),
            (Some(_), None) => {}
        }
    }

    fn rule(&self) -> &'static str {
        "by key"
    }

    fn words(&self) -> String {
        keys(self.rows)
    }

    fn schema(&self) -> Value {
        super::schema::map(self.rows)
    }
}

/// Merges two levels, row by row.
pub(super) fn merge<S: 'static>(table: Table<S>, near: &mut S, far: &mut S) {
    rows(table).for_each(|row| row.field.merge(near, far));
}

/// Returns the keys of a map as the manual shows them; those of a large one have a table of their own.
pub(super) fn keys<S: 'static>(table: Table<S>) -> String {
    let keys: Vec<&str> = rows(table).map(|row| row.key).collect();
    if keys.len() > 6 { "map".to_owned() } else { format!("`{{ {} }}`", keys.join(", ")) }
}

impl Reader<'_> {
    /// Reads a map into the fields of its rows; `more` are keys that are read elsewhere. Returns all pairs.
    pub(super) fn rows<S: 'static>(
        &mut self,
        table: Table<S>,
        into: &mut S,
        node: &Node,
        what: &str,
        more: &[&'static str],
    ) -> Pairs {
        let known: Vec<&str> = rows(table).map(|row| row.key).chain(more.iter().copied()).collect();
        let pairs = self.map(node, what, &known);
        for (key, value) in &pairs {
            if let Some(row) = rows(table).find(|row| row.key == key.text) {
                row.field.read(into, self, value, &format!("{what}.{}", key.text));
            }
        }
        pairs
    }
}
