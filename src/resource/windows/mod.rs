//! Resources of Windows hosts. Their text is for cmd.exe, and it is made of lines: each line is a
//! command of its own with a status of its own. A line that begins with `-` may fail.
//!
//! Lines begin with a bare word and hold no `%`, `^`, `!`, `<`, `>`: what cmd.exe would read is
//! refused by [`crate::transport::quote::cmd`].

mod competing;
mod firewall;
mod firewall_own;
mod registry;
mod service;
mod triggers;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use super::Resource;
use crate::facts::windows::WindowsFacts;
use crate::firewall::firewalld::Opening;
use crate::playbook::Kind;
use crate::playbook::kind::networks;

pub use service::{disown, owe};

/// Returns what takes away the rules of ours for ports that no step names.
pub fn closed(kept: Vec<Opening>) -> Box<dyn Resource> {
    Box::new(firewall_own::Closed { kept })
}

/// Turns a step into the resource that it describes; `shown` is the same step with its secrets hidden.
///
/// # Errors
/// The step says something that cannot be on a Windows host.
pub fn build(kind: Kind, shown: &Kind, facts: &WindowsFacts) -> Result<Box<dyn Resource>> {
    kind.fits(true)?;
    Ok(match kind {
        Kind::Registry { key, values } => {
            let shown = if let Kind::Registry { values, .. } = shown { values.clone() } else { BTreeMap::new() };
            Box::new(registry::Values::new(key, values, shown, facts)?)
        }
        Kind::Service { name, running, enabled, triggers } => {
            // On a member of a domain the trigger is what starts it.
            Box::new(service::Service::new(name, running, enabled, triggers.filter(|_| !facts.domain_member))?)
        }
        Kind::Firewall { port, from } => {
            Box::new(firewall::Rule::new(port, networks(&from).context("firewall")?, facts))
        }
        // The undos of all steps are put together line by line.
        Kind::Command { check, run, undo } => Box::new(super::command(check, ended(run), undo.map(ended), shown)),
        Kind::Competing { keep } => Box::new(competing::Competing::new(facts, &keep)),
        Kind::Package { .. } | Kind::File { .. } => {
            bail!("package and file are for Linux hosts")
        }
    })
}

/// A text whose last line has an end.
fn ended(text: String) -> String {
    if text.ends_with('\n') { text } else { text + "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_undo_of_a_command_does_not_run_into_that_of_the_step_before() {
        let facts = crate::facts::windows::parse(&BTreeMap::new());
        let kind = Kind::Command { check: "a".into(), run: "b".into(), undo: Some("reg delete X /f".into()) };
        let failed = crate::model::Slice { status: 1, ..Default::default() };
        let fix = build(kind.clone(), &kind, &facts).unwrap().fix(&failed, false).unwrap();
        assert_eq!((fix.change.as_str(), fix.undo.as_str()), ("b\n", "reg delete X /f\n"));
    }
}
