//! A port open in a firewall for some networks, that of NTP for those that are served. Which firewall it is makes no
//! difference here: what to read, how to judge it and what to run is its own.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};

use super::{Delta, Fix, Resource, Slice};
use crate::facts::Facts;
use crate::firewall::filter::Filter;
use crate::firewall::firewalld::Opening;
use crate::firewall::registry::{Judged, LinuxFirewall, Wanted};
use crate::playbook::kind::networks;

/// A port that is open in a firewall, or closed again.
pub struct Open {
    firewall: &'static dyn LinuxFirewall,
    wanted: Wanted,
    /// What was seen last, and what came of it: the difference, the doubts and the change are asked for one by one.
    last: Mutex<Option<(Slice, Arc<Judged>)>>,
}

/// Returns what it is to open a port for networks, separated by blanks; `filter` says which followers no rule may keep
/// out.
///
/// # Errors
/// One of them is no network.
pub fn wanted(port: Opening, from: &str, filter: Option<Filter>, facts: &Facts) -> Result<Wanted> {
    let networks = networks(from).context("firewall")?;
    Ok(Wanted { networks, port, filter, lacks: facts.lacks.clone(), before: Vec::new() })
}

impl Open {
    /// Opens a firewall for those who are wanted; for nobody, it takes away what earlier runs have opened, and only that.
    pub fn new(firewall: &'static dyn LinuxFirewall, wanted: Wanted) -> Self {
        Open { firewall, wanted, last: Mutex::default() }
    }

    fn judged(&self, seen: &Slice) -> Result<Arc<Judged>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, judged)) = last.as_ref().filter(|(known, _)| known == seen) {
            return Ok(Arc::clone(judged));
        }
        let judged = Arc::new(self.firewall.judge(&self.wanted, seen)?);
        *last = Some((seen.clone(), Arc::clone(&judged)));
        Ok(judged)
    }
}

impl Resource for Open {
    fn label(&self) -> String {
        self.firewall.word().to_owned()
    }

    fn probe(&self) -> String {
        self.firewall.probe(&self.wanted)
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        Ok(self.judged(seen)?.deltas.clone())
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let judged = self.judged(seen)?;
        Ok(Fix { change: judged.change.clone(), undo: judged.undo.clone(), ..Fix::default() })
    }

    /// Counters, neighbours and the bans of other programs change by themselves; what is done about the rules does not.
    fn reviewed(&self, seen: &Slice) -> String {
        match self.judged(seen) {
            Ok(judged) => format!("{}\n{}\n{}", judged.change, judged.undo, judged.doubts.join("\n")),
            Err(error) => error.to_string(),
        }
    }

    fn doubts(&self, seen: &Slice) -> Vec<String> {
        self.judged(seen).map(|judged| judged.doubts.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
