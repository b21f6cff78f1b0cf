//! The types of values that more than one setting has.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::node::{At, Node};
use super::read::Reader;
use super::schema;
use super::secret;
use super::table::{Table, Type, keys};
use crate::facts::services::Ability;

/// Makes types that a method of the reader reads: the name, what is read and by what, as the manual calls it, its schema.
macro_rules! types {
    ($($(#[$doc:meta])* $name:ident: $value:ty, $read:path, $words:expr, $schema:tt;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl $crate::inventory::table::Type for $name {
            type Value = $value;

            fn read(
                &self,
                reader: &mut $crate::inventory::read::Reader<'_>,
                node: &$crate::inventory::node::Node,
                what: &str,
            ) -> Option<$value> {
                $read(reader, node, what)
            }

            fn words(&self) -> String {
                $words.to_owned()
            }

            fn schema(&self) -> serde_json::Value {
                serde_json::json!($schema)
            }
        }
    )*};
}

pub(super) use types;

types! {
    /// One line of text.
    Text: String, Reader::text, "text", { "type": ["string", "number"] };
    /// A length of time.
    Span: Duration, Reader::duration, "duration", {
        "type": ["string", "integer"], "pattern": "^ *(0|([0-9]+ *[A-Za-zµ]+ *)+)$", "minimum": 0, "maximum": 0
    };
    /// The name of an account.
    Account: String, Reader::account, "name", { "type": ["string", "number"] };
    /// A path on this machine.
    FilePath: PathBuf, Reader::path, "path", { "type": ["string", "number"] };
    /// A secret: where it comes from.
    Hidden: secret::Secret, Reader::secret, "secret", { "$ref": "#/$defs/secret" };
}

/// A truth value; `false` asks for nothing.
pub(super) struct Boolean;

impl Type for Boolean {
    type Value = bool;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<bool> {
        reader.boolean(node, what)
    }

    fn words(&self) -> String {
        "`true`, `false`".to_owned()
    }

    fn schema(&self) -> Value {
        json!({ "type": "boolean" })
    }

    fn asks(&self, value: &bool) -> bool {
        *value
    }
}

/// A whole number within bounds.
pub(super) struct Number<N> {
    least: i64,
    most: i64,
    words: &'static str,
    of: PhantomData<N>,
}

/// Makes a type of whole numbers.
pub(super) const fn number<N>(least: i64, most: i64, words: &'static str) -> Number<N> {
    Number { least, most, words, of: PhantomData }
}

impl<N: TryFrom<i64> + Sync> Type for Number<N> {
    type Value = N;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<N> {
        reader.number(node, what, self.least, self.most).and_then(|number| N::try_from(number).ok())
    }

    fn words(&self) -> String {
        self.words.to_owned()
    }

    fn schema(&self) -> Value {
        json!({ "type": "integer", "minimum": self.least, "maximum": self.most })
    }
}

/// One of these words.
pub(super) struct Words<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + Sync> Type for Words<T> {
    type Value = T;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<T> {
        reader.choice(node, what, self.0)
    }

    fn words(&self) -> String {
        named(self.0)
    }

    fn schema(&self) -> Value {
        one_of(self.0)
    }
}

/// One of the words of a registry.
pub(super) struct Listed<T>(pub(super) fn() -> Vec<(&'static str, T)>);

impl<T: Copy> Type for Listed<T> {
    type Value = T;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<T> {
        reader.choice(node, what, &(self.0)())
    }

    fn words(&self) -> String {
        named(&(self.0)())
    }

    fn schema(&self) -> Value {
        one_of(&(self.0)())
    }
}

fn named<T>(known: &[(&str, T)]) -> String {
    let words: Vec<String> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
    words.join(", ")
}

/// YAML reads `none` in more than one way.
fn one_of<T>(known: &[(&str, T)]) -> Value {
    let words = known.iter().map(|(word, _)| json!(word));
    let none = known.iter().filter(|(word, _)| *word == "none").map(|_| Value::Null);
    json!({ "enum": words.chain(none).collect::<Vec<_>>() })
}

/// A list of such values; one value alone counts as a list of one.
pub(super) struct List<T>(pub(super) T, pub(super) &'static str);

impl<T: Type> Type for List<T> {
    type Value = Vec<T::Value>;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Vec<T::Value>> {
        Some(reader.list(node).into_iter().filter_map(|node| self.0.read(reader, node, what)).collect())
    }

    fn words(&self) -> String {
        self.1.to_owned()
    }

    fn schema(&self) -> Value {
        let one = self.0.schema();
        json!({ "anyOf": [one, { "type": "array", "items": one }, { "type": "null" }] })
    }

    fn asks(&self, values: &Vec<T::Value>) -> bool {
        !values.is_empty()
    }

    fn needs(&self, values: &Vec<T::Value>) -> Vec<Ability> {
        values.iter().flat_map(|value| self.0.needs(value)).collect()
    }
}

/// A map with rows.
pub(super) struct Map<P: 'static>(pub(super) Table<P>);

impl<P: Default> Type for Map<P> {
    type Value = P;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<P> {
        let mut values = P::default();
        reader.rows(self.0, &mut values, node, what, &[]);
        Some(values)
    }

    fn words(&self) -> String {
        keys(self.0)
    }

    fn schema(&self) -> Value {
        schema::map(self.0)
    }
}

/// A value that not every time service can do something with.
pub(super) struct Needs<T>(pub(super) Ability, pub(super) T);

impl<T: Type> Type for Needs<T> {
    type Value = T::Value;

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<T::Value> {
        self.1.read(reader, node, what)
    }

    fn words(&self) -> String {
        self.1.words()
    }

    fn schema(&self) -> Value {
        self.1.schema()
    }

    fn needs(&self, value: &T::Value) -> Vec<Ability> {
        if self.1.asks(value) { vec![self.0] } else { Vec::new() }
    }
}

/// Such a value, and where it stands.
pub(super) struct Placed<T>(pub(super) T);

impl<T: Type> Type for Placed<T> {
    type Value = (T::Value, At);

    fn read(&self, reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<(T::Value, At)> {
        self.0.read(reader, node, what).map(|value| (value, node.at))
    }

    fn words(&self) -> String {
        self.0.words()
    }

    fn schema(&self) -> Value {
        self.0.schema()
    }
}
