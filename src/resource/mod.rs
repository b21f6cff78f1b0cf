//! A resource never does I/O. It says what to read, how to judge it, what to run, and how to
//! take it back; the engine is the only code that talks to a host.
//!
//! Two laws for every probe: it reads exactly the properties that the fix sets, and it
//! succeeds on a bare host, where absent is a value and not an error.

pub mod command;
pub mod competing;
pub mod file;
pub mod filter;
pub mod firewall;
pub mod package;
pub mod service;
pub mod started;
pub mod windows;

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};

use crate::exit::Hint as _;
use crate::facts::Facts;
use crate::firewall::firewalld::Opening;
use crate::firewall::{Word, registry};
use crate::model::{Delta, Slice};
use crate::playbook::Kind;
use crate::text::hide::HIDDEN;
use crate::text::shape::Wanted;

/// Shell text that changes a host, and shell text that puts it back.
///
/// Both run under `set -e` in a subshell, as root, with `LC_ALL=C` and an empty standard
/// input. `$FC_KEEP` names a private directory (mode 0700) that is this resource's own in this
/// run and survives it: what `change` saves there, `undo` finds there. `undo` must be right
/// when `change` stopped anywhere in the middle, or never started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fix {
    /// Makes it as wanted. A non-zero status is a failure; its standard error is shown.
    pub change: String,
    /// Puts back what was. Run in reverse order of the changes.
    pub undo: String,
    /// Run after all `undo`s, in the order of the changes: restarts with what was put back.
    pub settle: String,
    /// Files of this machine that `change` finds in `$FC_KEEP`.
    pub brings: Vec<Brought>,
}

/// A file of this machine that goes to a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// Where it is here.
    pub path: PathBuf,
    /// What it is called there.
    pub name: String,
    /// The digest that it had when the change was planned.
    pub sha256: String,
}

impl Fix {
    /// Whether it changes something and nothing takes that back.
    pub(crate) fn is_for_good(&self) -> bool {
        !self.change.is_empty() && self.undo.is_empty() && self.settle.is_empty()
    }
}

/// One thing on a host that shall be in a certain state.
pub trait Resource: Send + Sync {
    /// Returns the name in plans and reports: `service chrony`.
    fn label(&self) -> String;

    /// Returns shell text that reads the state and changes nothing.
    fn probe(&self) -> String;

    /// Returns what the probe would print, if the facts that were read a moment ago say it already.
    fn known(&self, _facts: &Facts) -> Option<Slice> {
        None
    }

    /// Compares what was read with what is wanted; empty means converged. Pure.
    ///
    /// # Errors
    /// The probe failed or printed what cannot be understood.
    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>>;

    /// Returns the change and its undo for what was seen. `refresh` is set when something that
    /// this resource has loaded has changed (a restart is owed). Pure.
    ///
    /// # Errors
    /// As for `diff`.
    fn fix(&self, seen: &Slice, refresh: bool) -> Result<Fix>;

    /// Returns what a saved plan compares of what was read: all of it, but for what a host changes by itself.
    fn reviewed(&self, seen: &Slice) -> String {
        format!("{}\n{}", seen.status, seen.stdout)
    }

    /// Returns why a difference cannot be mended as the host is now: nothing is begun then.
    fn obstacle(&self, _seen: &Slice) -> Option<anyhow::Error> {
        None
    }

    /// Returns what could not be told of what was read.
    fn doubts(&self, _seen: &Slice) -> Vec<String> {
        Vec::new()
    }

    /// Returns the secrets that programs may quote when they speak of it, besides those in the values of its
    /// step: what a file or a registry holds of them, now and then.
    fn secrets(&self, _seen: &Slice) -> Vec<String> {
        Vec::new()
    }

    /// Returns what stands in the way and is not changed here.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A template that was filled in.
#[derive(Debug)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// How it may be shown.
    pub shown: Wanted,
}

/// Turns a step into the resource that it describes; `shown` is the same step with its secrets
/// hidden. `render` fills in a template by its name.
///
/// # Errors
/// The step says something that cannot be on this host.
pub fn build(
    kind: Kind,
    shown: &Kind,
    facts: &Facts,
    active: Word,
    render: &dyn Fn(&str) -> Result<Rendered>,
) -> Result<Box<dyn Resource>> {
    kind.fits(false)?;
    Ok(match kind {
        Kind::Package { name } => Box::new(package::Package::new(name, facts, None)),
        Kind::File { path, template, parents, mode, owner, group, validate, language } => {
            let Rendered { text, shown } = render(&template)?;
            let validate = validate.filter(|command| !command.trim().is_empty());
            Box::new(file::File { content: text, shown, path, parents, mode, owner, group, validate, language })
        }
        Kind::Service { triggers: Some(_), .. } | Kind::Registry { .. } => {
            bail!("registry and `triggers` are for Windows hosts")
        }
        Kind::Service { name, running, enabled, triggers: None } => {
            Box::new(service::Service { unit: name, running, enabled, started: None })
        }
        Kind::Competing { keep } => Box::new(competing::Competing::new(facts, &keep)),
        Kind::Firewall { port, from } => open(port, &from, active, facts)?,
        Kind::Command { check, run, undo } => Box::new(command(check, run, undo, shown)),
    })
}

/// A command, and how it may be shown.
fn command(check: String, run: String, undo: Option<String>, shown: &Kind) -> command::Command {
    let shown = match shown {
        Kind::Command { check, run, .. } => (check.clone(), run.clone()),
        _ => (HIDDEN.to_owned(), HIDDEN.to_owned()),
    };
    command::Command { check, run, undo, shown }
}

/// Opens a port in a firewall, or says that there is none.
fn open(port: Opening, from: &str, firewall: Word, facts: &Facts) -> Result<Box<dyn Resource>> {
    match registry::linux(firewall) {
        Some(own) => Ok(Box::new(firewall::Open::new(own, firewall::wanted(port, from, None, facts)?))),
        None => Err(anyhow!("firewall: none is active that could be opened for {port}")
            .hint("leave the step out there: `when: host.firewall != \"none\"`")),
    }
}
