//! Hosts whose time is not ours to change: a domain has its own hierarchy, and a policy has the say.

use anyhow::{Result, anyhow};

use crate::exit::Hint;
use crate::facts::windows::{Kind, POLICY, W32TIME, WindowsFacts};
use crate::inventory::HostSpec;
use crate::inventory::spec::DomainTime;

/// The one domain controller whose time is a matter of an inventory (Microsoft, "Configure the PDC emulator").
const PDC: &str = "one domain controller takes the time for the domain from outside, the PDC emulator (`nltest \
    /dsgetdc:DOMAIN /pdc` names it): give it `role: master`, `upstream` and `domain_time: replace`; leave the others to the domain";

/// Says what speaks against touching the host at all.
///
/// # Errors
/// A domain or a policy has the say about its time, or there is no Windows Time service.
pub fn admit(spec: &HostSpec, facts: &WindowsFacts) -> Result<()> {
    let own_time = spec.domain_time == DomainTime::Replace || refusal(spec, facts).is_none();
    if let Some(why) = forbidden(spec, facts).filter(|_| own_time) {
        let hint = "take Type out of the group policy that sets it (gpresult /r /scope computer), or leave the host's time to it";
        return Err(anyhow!("left alone: {why}").hint(hint));
    }
    if !facts.registry.has(W32TIME) {
        return Err(
            anyhow!("the host has no Windows Time service").hint("`w32tm /register` on the host makes it again")
        );
    }
    match refusal(spec, facts) {
        None => Ok(()),
        Some(why) if facts.kind == Kind::DomainController => Err(anyhow!("left alone: {why}").hint(PDC)),
        Some(why) => Err(anyhow!("left alone: {why}")
            .hint("`domain_time: replace` takes the host out of the domain's time and lets it follow this inventory")),
    }
}

/// Why a host is left alone, if it is: a domain has its own hierarchy of time.
pub fn refusal(spec: &HostSpec, facts: &WindowsFacts) -> Option<String> {
    if spec.domain_time == DomainTime::Replace {
        return None;
    }
    if facts.kind == Kind::DomainController {
        return Some("it is a domain controller, and the domain's clocks follow it".to_owned());
    }
    let follows_domain = matches!(facts.sync_type.to_ascii_uppercase().as_str(), "NT5DS" | "ALLSYNC");
    (facts.domain_member && follows_domain)
        .then(|| format!("it is a member of a domain and takes its time from there (Type {})", facts.sync_type))
}

/// Why the sources of the inventory would not be asked whatever is written: a policy has the say about `Type`.
fn forbidden(spec: &HostSpec, facts: &WindowsFacts) -> Option<String> {
    let set = facts.registry.text(&format!("{POLICY}\\Parameters"), "Type")?;
    let asks = matches!(set.to_ascii_uppercase().as_str(), "NTP" | "ALLSYNC");
    (!asks && !spec.time.sources.is_empty())
        .then(|| format!("a policy sets Type to `{set}`: w32time does not ask the sources of the inventory"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slice;

    #[test]
    fn the_type_of_a_policy_is_the_one_that_counts() {
        let facts = |own: &str, policy: &str| {
            let key = |root: &str| format!("{}\\Parameters\n", root.replace("HKLM", "HKEY_LOCAL_MACHINE"));
            let text = |root: &str, kind: &str| format!("{}    Type    REG_SZ    {kind}\n", key(root));
            let mut all = text(W32TIME, own);
            if !policy.is_empty() {
                all.push_str(&text(POLICY, policy));
            }
            let slice = Slice { stdout: all, ..Slice::default() };
            let mut facts = crate::facts::windows::parse(&std::collections::BTreeMap::from([(String::new(), slice)]));
            facts.domain_member = true;
            facts
        };
        let spec = crate::engine::sample::host("win1");
        let left = |own: &str, policy: &str| refusal(&spec, &facts(own, policy)).is_some();
        assert!(left("NT5DS", "") && !left("NT5DS", "NTP") && left("NTP", "NT5DS"));
        let forbids = |own: &str, policy: &str| forbidden(&spec, &facts(own, policy)).is_some();
        assert!(
            forbids("NTP", "NT5DS") && forbids("NTP", "NoSync") && !forbids("NT5DS", "NTP") && !forbids("NT5DS", "")
        );
    }
}
