//! Templates in values: what is made of other plain variables is filled in; what has to be looked up is not known here.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior, Value};

use super::order::Said;
use super::vars::is_vault;
use crate::yaml::tree::{Kind, Node};

/// How often a template may lead to another one.
const STEPS: usize = 8;

/// Longest text that is filled in, bytes.
const LONGEST: usize = 4_096;

/// The variables of a host, as templates see them.
pub(super) struct Templates<'a> {
    name: &'a str,
    vars: &'a BTreeMap<&'a str, Said<'a>>,
}

/// Whether a text is to be filled in.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// The variable that a text stands for and nothing else: `{{ name }}`.
pub(super) fn sole(text: &str) -> Option<&str> {
    let name = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!name.is_empty() && name.chars().all(word)).then_some(name)
}

/// Whether a variable is likely to hold a secret: nothing is made of it.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["pass", "secret", "token", "vault", "credential"].iter().any(|word| name.contains(word))
}

impl<'a> Templates<'a> {
    pub(super) fn new(name: &'a str, vars: &'a BTreeMap<&'a str, Said<'a>>) -> Self {
        Templates { name, vars }
    }

    /// A value with everything filled in; nothing if a part of it is not known here.
    pub(super) fn fill(&self, node: &Node) -> Option<Node> {
        self.fill_in(node, STEPS)
    }

    fn fill_in(&self, node: &Node, steps: usize) -> Option<Node> {
        let kind = match &node.kind {
            Kind::Text(text) if is_vault(text) => return None,
            Kind::Text(text) if is_template(text) => {
                let steps = steps.checked_sub(1)?;
                if let Some(said) = sole(text).filter(|name| !is_secret(name)).and_then(|name| self.vars.get(name)) {
                    return self.fill_in(said.node, steps);
                }
                let text = self.render(text)?;
                return self.fill_in(&Node { at: node.at, kind: Kind::Text(text) }, steps);
            }
            Kind::List(list) => Kind::List(list.iter().map(|node| self.fill_in(node, steps)).collect::<Option<_>>()?),
            Kind::Map(pairs) => {
                let filled =
                    |(key, node): &(crate::yaml::tree::Key, Node)| Some((key.clone(), self.fill_in(node, steps)?));
                Kind::Map(pairs.iter().map(filled).collect::<Option<_>>()?)
            }
            other => other.clone(),
        };
        Some(Node { at: node.at, kind })
    }

    /// Expressions only: a file that was found somewhere is to start no loops.
    fn render(&self, text: &str) -> Option<String> {
        if text.contains("{%") || text.len() > LONGEST {
            return None;
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let short = self.name.split('.').next().unwrap_or_default();
        let own = [("inventory_hostname", self.name), ("inventory_hostname_short", short)];
        let vars = self.vars.iter().filter(|(name, _)| !is_secret(name));
        let context: BTreeMap<&str, Value> = vars
            .map(|(name, said)| (*name, value(said.node)))
            .chain(own.map(|(name, text)| (name, Value::from(text))))
            .collect();
        environment.render_str(text, context).ok()
    }
}

fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::from(()),
        Kind::Bool(value) => Value::from(*value),
        Kind::Whole(value) => Value::from(*value),
        Kind::Number(value) => Value::from(*value),
        Kind::Text(text) if is_vault(text) => Value::UNDEFINED,
        Kind::Text(text) => Value::from(text.as_str()),
        Kind::List(list) => list.iter().map(value).collect(),
        Kind::Map(pairs) => pairs.iter().map(|(key, node)| (key.text.as_str(), value(node))).collect(),
    }
}
