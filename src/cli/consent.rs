//! What the user allows for one run: clocks that may step.

use anyhow::{Result, anyhow};

use crate::exit::Hint;
use crate::inventory::HostSpec;

/// Options that allow what is refused otherwise.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Consent {
    /// Hosts whose clock may step however far it is off, comma separated, or `all`
    #[arg(long, value_name = "HOST", value_delimiter = ',')]
    allow_step: Vec<String>,
}

impl Consent {
    /// Returns the hosts that it names.
    pub(super) fn names(&self, hosts: &[HostSpec]) -> Vec<String> {
        let named = |host: &&HostSpec| self.allow_step.iter().any(|name| name == "all" || *name == host.name);
        hosts.iter().filter(named).map(|host| host.name.clone()).collect()
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
        for name in &self.allow_step {
            let mut found = hosts.iter_mut().filter(|host| name == "all" || host.name == *name).peekable();
            if found.peek().is_none() {
                return Err(anyhow!("--allow-step: no host `{name}` in this run")
                    .hint("`fleetclock inventory show` lists the hosts; `all` means each of them"));
            }
            found.for_each(|host| host.limits.max_step = None);
        }
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
        assert!(give(&["b"], &mut hosts));
        assert_eq!((hosts[0].limits.max_step.is_some(), hosts[1].limits.max_step), (true, None));
        assert!(!give(&["c"], &mut hosts) && give(&["all"], &mut hosts));
        assert_eq!(hosts[0].limits.max_step, None);
    }
}
