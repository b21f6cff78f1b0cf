//! What has moved since a plan was reviewed: the settings of a host, what its steps saw, the
//! playbooks and templates. Says what, in words.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use serde_json::Value;

use super::fleet::PlanResult;
use super::plan::Planned;
use super::saved::{Observed, Saved, SavedAsset, SavedHost, digest, refused};
use super::steps::Change;
use crate::assets::Assets;
use crate::inventory::HostSpec;
use crate::playbook::Playbook;
use crate::provider;

impl Saved {
    /// Compares a new plan with this one; a host that is not as it was reviewed is refused.
    ///
    /// # Errors
    /// A playbook or template cannot be read.
    pub fn check(&self, plans: Vec<PlanResult>, assets: &Assets) -> Result<Vec<PlanResult>> {
        let used = used(assets, plans.iter().flatten().map(|planned| &planned.spec))?;
        let known: HashMap<&str, &SavedHost> = self.hosts.iter().map(|saved| (saved.name.as_str(), saved)).collect();
        let moved = |planned: &Planned| -> Result<Vec<String>> {
            let Some(saved) = known.get(planned.spec.name.as_str()) else {
                return Ok(vec!["the plan does not have this host".to_owned()]);
            };
            let mut all = self.moved_assets(used.get(planned.spec.playbook_or(planned.service.provider().playbook())));
            all.extend(saved.moved(planned)?);
            Ok(all)
        };
        plans
            .into_iter()
            .map(|plan| {
                let Ok(planned) = plan else { return Ok(plan) };
                let moved = moved(&planned)?;
                Ok(if moved.is_empty() { Ok(planned) } else { Err(Box::new(refused(planned.report, &moved))) })
            })
            .collect()
    }

    fn moved_assets(&self, now: Option<&BTreeMap<String, SavedAsset>>) -> Vec<String> {
        let differs = |asset: &&SavedAsset| {
            !self.assets.iter().any(|saved| saved.name == asset.name && saved.sha256 == asset.sha256)
        };
        now.into_iter()
            .flat_map(BTreeMap::values)
            .filter(differs)
            .map(|asset| format!("{} was edited", asset.name))
            .collect()
    }
}

impl SavedHost {
    /// What is not as it was, in words.
    fn moved(&self, planned: &Planned) -> Result<Vec<String>> {
        if let Some(error) = &self.error {
            return Ok(vec![format!("it could not be planned then: {}", error.message)]);
        }
        let mut moved = Vec::new();
        differences("", &self.wanted, &wanted(&planned.spec)?, &mut moved);
        let now = observed(planned);
        for step in &now {
            if !self.observed.contains(step) {
                moved.push(format!("{} has changed since the plan was made", step.resource));
            }
        }
        if moved.is_empty() && (now.len() != self.observed.len() || self.deltas != planned.report.deltas) {
            moved.push("the pending changes differ from the reviewed plan (a secret, or the system itself)".to_owned());
        }
        Ok(moved)
    }
}

/// What the inventory says of a host. How it is reached is no part of what is done to it, and may
/// differ on another machine; what its clock may do is in `allow_step` and `max_step_s`, which are heeded otherwise.
pub(super) fn wanted(spec: &HostSpec) -> Result<Value> {
    let mut value = serde_json::to_value(spec)?;
    if let Value::Object(fields) = &mut value {
        fields.remove("connection");
        if let Some(Value::Object(limits)) = fields.get_mut("limits") {
            limits.remove("max_step");
        }
    }
    // Found out by measuring, too; what follows from it is in the steps.
    let sources = value.pointer_mut("/time/sources").and_then(Value::as_array_mut);
    for source in sources.into_iter().flatten().filter_map(Value::as_object_mut) {
        source.remove("windows");
    }
    Ok(value)
}

pub(super) fn observed(planned: &Planned) -> Vec<Observed> {
    let one = |Change { step, seen, .. }: &Change| Observed {
        resource: step.resource.label(),
        sha256: digest(step.resource.reviewed(seen).as_bytes()),
    };
    planned.changes.iter().map(one).collect()
}

/// What each playbook is made of: those of the time services, and those of the hosts.
pub(super) fn used<'a>(
    assets: &Assets,
    hosts: impl Iterator<Item = &'a HostSpec>,
) -> Result<BTreeMap<String, BTreeMap<String, SavedAsset>>> {
    let mut all = BTreeMap::new();
    let usual = provider::every().map(|provider| provider.playbook());
    let names: BTreeSet<&str> = hosts.filter_map(|host| host.playbook.as_deref()).chain(usual).collect();
    for name in names {
        let playbook = Playbook::load(assets, name)?;
        let templates =
            playbook.steps.iter().filter_map(|step| step.template()).map(|name| format!("templates/{name}"));
        let names = std::iter::once(format!("playbooks/{}", playbook.name)).chain(templates);
        let read = |name: String| -> Result<(String, SavedAsset)> {
            let asset = assets.read(&name)?;
            let sha256 = digest(asset.text.as_bytes());
            Ok((name.clone(), SavedAsset { name, origin: asset.origin.to_string(), sha256 }))
        };
        all.insert(name.to_owned(), names.map(read).collect::<Result<_>>()?);
    }
    Ok(all)
}

/// `time.step.over: 1s -> 2s`, for every setting that differs.
fn differences(path: &str, then: &Value, now: &Value, found: &mut Vec<String>) {
    let (Value::Object(old), Value::Object(new)) = (then, now) else {
        if then != now {
            found.push(format!("the inventory's {} is {now} and was {then}", path.trim_start_matches('.')));
        }
        return;
    };
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let side = |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or_default();
        differences(&format!("{path}.{key}"), &side(old), &side(new), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;

    #[test]
    fn what_has_moved_in_the_inventory_is_named() {
        let (then, mut now) = (sample::host("h1"), sample::host("h1"));
        now.limits.max_stratum = 7;
        now.limits.max_step = None;
        let mut found = Vec::new();
        differences("", &wanted(&then).unwrap(), &wanted(&now).unwrap(), &mut found);
        assert_eq!(found, ["the inventory's limits.max_stratum is 7 and was 15"]);
    }
}
