//! How a change goes over the fleet: what the inventory says, and what this run says instead.

use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::exit::Hint;
use crate::inventory::rollout::{Canary, Rollout, Share};
use crate::inventory::{HostSpec, select};

/// Options of the waves.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Waves {
    /// Hosts changed first: a number, a part as `10%`, or hosts as --limit names them
    #[arg(long, value_name = "HOSTS", add = super::suggest::pattern())]
    canary: Option<String>,
    /// Hosts changed at a time afterwards: a number, or a part as `25%`
    #[arg(long, value_name = "N")]
    batch: Option<Share>,
    /// Hosts of a wave that may fail before no further wave is started: a number or a part
    #[arg(long, value_name = "N")]
    max_fail: Option<Share>,
    /// Time between two waves
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pause: Option<Duration>,
}

impl Waves {
    /// Puts what was asked for in this run over what the inventory says.
    ///
    /// # Errors
    /// The canary is no host of this run.
    pub(super) fn over(&self, below: Rollout, hosts: &[HostSpec]) -> Result<Rollout> {
        if self.batch.is_some_and(Share::is_none) {
            return Err(anyhow!("--batch 0: no host would ever be changed").hint("a number (5) or a part (25%)"));
        }
        let canary = self.canary.as_deref().map(|text| canary(text, hosts)).transpose()?;
        Ok(Rollout {
            // `--canary 0` takes the one of the inventory away.
            canary: canary.or(below.canary).filter(|canary| !canary.is_nobody()),
            batch: self.batch.or(below.batch),
            max_fail: self.max_fail.or(below.max_fail),
            pause: self.pause.unwrap_or(below.pause),
        })
    }

    /// Whether something was asked for.
    pub(super) fn any(&self) -> bool {
        self.canary.is_some() || self.batch.is_some() || self.max_fail.is_some() || self.pause.is_some()
    }
}

fn canary(text: &str, hosts: &[HostSpec]) -> Result<Canary> {
    if text.starts_with(|c: char| c.is_ascii_digit())
        && let Ok(share) = text.parse()
    {
        return Ok(Canary::Share(share));
    }
    let names = select::names(hosts, "--canary", text).hint("a number (3), a part (10%), or names of hosts and groups");
    Ok(Canary::Hosts(names?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_of_nobody_takes_that_of_the_inventory_away() {
        let below = Rollout { canary: Some(Canary::Share(Share::Count(3))), ..Rollout::default() };
        let with = |canary: Option<&str>| {
            let waves = Waves { canary: canary.map(str::to_owned), ..Waves::default() };
            waves.over(below.clone(), &[]).unwrap()
        };
        assert_eq!((with(Some("0")), with(Some("0%"))), (Rollout::default(), Rollout::default()));
        assert_eq!(with(None), below);
        assert_eq!(with(Some("1")).canary, Some(Canary::Share(Share::Count(1))));
    }
}
