//! A host with its variables, as the parts that translate them see it.

use std::collections::BTreeMap;

use super::order::Said;
use super::template::{Templates, is_template, sole};
use super::vars::is_vault;
use crate::facts::services::{self, Ability, Service};
use crate::import::fleet::Host;
use crate::import::note::Notes;
use crate::import::words::truth;
use crate::yaml::out::Out;
use crate::yaml::tree::{At, Kind, Node};

/// One host, what it will have in our file, and the notes.
pub(super) struct View<'a> {
    pub(super) vars: &'a BTreeMap<&'a str, Said<'a>>,
    pub(super) templates: Templates<'a>,
    pub(super) host: &'a mut Host,
    pub(super) notes: &'a mut Notes,
}

impl<'a> View<'a> {
    /// The variable that counts of several names for the same; the first of them wins.
    pub(super) fn said(&self, names: &[&'a str]) -> Option<(&'a str, Said<'a>)> {
        names.iter().find_map(|name| Some((*name, *self.vars.get(name)?))).filter(|(_, said)| !is_null(said.node))
    }

    /// Its value as text. What is encrypted or looked up is noted and left out.
    pub(super) fn text(&mut self, names: &[&'a str]) -> Option<(At, String)> {
        let (name, said) = self.said(names)?;
        let text = self.templates.fill(said.node).and_then(|node| node.scalar());
        if text.is_none() {
            self.unknown(name, said.node);
        }
        text.map(|text| (said.node.at, text.trim().to_owned())).filter(|(_, text)| !text.is_empty())
    }

    /// Its value whole, filled in.
    pub(super) fn node(&mut self, name: &'a str) -> Option<Node> {
        let (_, said) = self.said(&[name])?;
        let node = self.templates.fill(said.node);
        if node.is_none() {
            self.unknown(name, said.node);
        }
        node
    }

    fn unknown(&mut self, name: &str, node: &Node) {
        let why = match &node.kind {
            Kind::Text(text) if is_vault(text) => "is encrypted",
            Kind::List(_) | Kind::Map(_) => {
                "is a list or a map with something that Ansible looks up or works out in it"
            }
            _ => "is looked up or worked out by Ansible",
        };
        self.notes.say(node.at, format!("`{name}` {why}: its value is not known here; left out"));
    }

    /// Its value as yes or no.
    pub(super) fn truth(&mut self, names: &[&'a str]) -> Option<(At, bool)> {
        let (at, text) = self.text(names)?;
        let truth = truth(&text);
        if truth.is_none() {
            self.notes.say(at, format!("`{}`: `{text}` is neither yes nor no; left out", names.join("` or `")));
        }
        truth.map(|truth| (at, truth))
    }

    /// Its value as a number.
    pub(super) fn number(&mut self, names: &[&'a str], most: i64) -> Option<(At, i64)> {
        let (at, text) = self.text(names)?;
        let number = text.trim_end_matches(".0").parse().ok().filter(|number| (1..=most).contains(number));
        if number.is_none() {
            self.notes.say(at, format!("`{}`: `{text}` is no number from 1 to {most}; left out", names.join("` or `")));
        }
        number.map(|number| (at, number))
    }

    /// Where a secret is to come from. Its value is never looked at but for what it names.
    pub(super) fn secret(&mut self, names: &[&'a str], usual: &str) -> Option<Out> {
        let (name, said) = self.said(names)?;
        let text = said.node.scalar().unwrap_or_default();
        let (variable, how) = match (looked_up(&text), sole(&text)) {
            (Some(variable), _) => (variable, "is taken from the environment, as Ansible does"),
            (None, Some(other)) => (upper(other), "stands for another variable"),
            (None, None) if is_template(&text) => (owned(usual, said.by), "is looked up by Ansible"),
            (None, None) if is_vault(&text) => (owned(usual, said.by), "is encrypted"),
            (None, None) => (owned(usual, said.by), "is a password in clear, which was not copied"),
        };
        let ways = "export that, or write { file: PATH }, { command: [..] } or ask";
        self.notes.say(said.node.at, format!("`{name}` {how}: written as {{ env: {variable} }}; {ways}"));
        Some(Out::env(&variable))
    }

    /// Why the time service of the host cannot do something, if that is known.
    pub(super) fn refusal(&self, ability: Ability) -> Option<String> {
        let named = match self.host.get("", "provider") {
            Some(Out::Text(name)) => Service::named(name),
            _ => None,
        };
        let service = if self.host.is_windows() { Some(&services::W32TIME) } else { named };
        service.and_then(|service| services::refusal(service, ability))
    }

    pub(super) fn set(&mut self, section: &str, name: &str, value: Out) {
        self.host.set(section, name, value);
    }
}

fn is_null(node: &Node) -> bool {
    matches!(node.kind, Kind::Null)
}

/// The variable of `{{ lookup('env', 'NAME') }}`.
fn looked_up(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    let arguments = inner.strip_prefix("lookup(").or_else(|| inner.strip_prefix("query("))?.split_once(')')?.0;
    let (kind, name) = arguments.split_once(',')?;
    let bare = |text: &str| text.trim().trim_matches(['\'', '"']).to_owned();
    let word = |text: &String| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (bare(kind).ends_with("env")).then(|| bare(name)).filter(word)
}

/// The usual name of a variable; that of a group or a host has its name behind it.
fn owned(usual: &str, by: &str) -> String {
    if by == "all" { usual.to_owned() } else { format!("{usual}_{}", upper(by)) }
}

fn upper(name: &str) -> String {
    let fine = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(fine).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}
