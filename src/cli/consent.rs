//! What the user allows for one run: clocks that may step.

use std::collections::HashSet;

use anyhow::Result;

use crate::inventory::{HostSpec, select};

/// Options that allow what is refused otherwise.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Consent {
    /// Hosts whose clock may step however far it is off, as --limit names them, or `all`
    #[arg(long, value_name = "HOST", add = super::suggest::pattern())]
    allow_step: Vec<String>,
}

impl Consent {
    /// Returns the hosts that it names.
    ///
    /// # Errors
    /// A name is none of theirs.
    pub(super) fn names(&self, hosts: &[HostSpec]) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for pattern in &self.allow_step {
            match pattern.trim() {
                "all" => all.extend(hosts.iter().map(|host| host.name.clone())),
                pattern => all.extend(select::names(hosts, "--allow-step", pattern)?),
            }
        }
        Ok(all)
    }

    /// Whether something is allowed.
    pub(super) fn any(&self) -> bool {
        !self.allow_step.is_empty()
    }

    /// Writes what is allowed into the hosts of the run.
    ///
    /// # Errors
    /// A name is none of theirs.
    pub(super) fn give(&self, hosts: &mut [HostSpec]) -> Result<()> {
        let named: HashSet<String> = self.names(hosts)?.into_iter().collect();
        hosts.iter_mut().filter(|host| named.contains(&host.name)).for_each(|host| host.limits.max_step = None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory;

    #[test]
    fn only_the_named_hosts_may_step() {
        let text = "groups: { g: { role: slave, upstream: [10.0.0.9], hosts: { a: 10.0.0.1, b: 10.0.0.2 } } }";
        let mut hosts = inventory::parse(std::path::Path::new("fleet.yml"), text).unwrap().hosts;
        let give = |names: &[&str], hosts: &mut [HostSpec]| {
            let allow_step = names.iter().map(|name| (*name).to_owned()).collect();
            Consent { allow_step }.give(hosts).is_ok()
        };
        assert!(!give(&[""], &mut hosts) && !give(&["b,"], &mut hosts) && !give(&["a", ""], &mut hosts));
        assert!(hosts.iter().all(|host| host.limits.max_step.is_some()));
        assert!(give(&["b"], &mut hosts));
        assert_eq!((hosts[0].limits.max_step.is_some(), hosts[1].limits.max_step), (true, None));
        assert!(!give(&["c"], &mut hosts) && give(&["all"], &mut hosts));
        assert_eq!(hosts[0].limits.max_step, None);
    }
}
