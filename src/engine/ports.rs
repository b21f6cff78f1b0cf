//! Ports that steps of a playbook open: what is left open by earlier runs, and what is left out.

use minijinja::Value;

use super::Context;
use super::steps::Step;
use crate::facts::Facts;
use crate::firewall::firewalld::Opening;
use crate::firewall::registry::{self, LinuxFirewall, Wanted};
use crate::firewall::{ALL, Word, record};
use crate::inventory::HostSpec;
use crate::inventory::spec::FirewallChoice;
use crate::playbook::template::Engine;
use crate::playbook::{Kind, Playbook, StepFile, context};
use crate::provider::LinuxProvider;
use crate::resource::firewall::Open;

/// What a step opens.
pub(crate) fn opens(kind: &Kind) -> Option<Opening> {
    match kind {
        Kind::Firewall { port, .. } => Some(*port),
        _ => None,
    }
}

/// The ports of records of earlier runs with this firewall that no step names any more.
pub(super) fn left<'a>(
    firewall: &'a dyn LinuxFirewall,
    records: &'a [String],
    named: &'a [Opening],
) -> impl Iterator<Item = Opening> + 'a {
    let own = records.iter().filter_map(|name| record::read(name)).filter(|(word, _)| *word == Word::of(firewall));
    own.map(|(_, port)| port).filter(|port| !named.contains(port))
}

/// Says which steps for other ports are left out for want of a firewall that is known, on a host that has rules of
/// nftables or iptables all the same: whether they let these ports in is not looked at.
pub(super) fn unlooked(spec: &HostSpec, facts: &Facts, provider: &dyn LinuxProvider, cx: &Context) -> Vec<String> {
    if spec.firewall != FirewallChoice::Auto || facts.firewall != Word::NONE || !facts.filters {
        return Vec::new();
    }
    let Ok(playbook) = Playbook::load(&cx.assets, spec.playbook_or(provider.playbook())) else { return Vec::new() };
    let contexts = |firewall| context::shown(spec, facts, &provider.layout(facts), firewall);
    let Some(some) = ALL.first() else { return Vec::new() };
    let (real, other) = (contexts(Word::NONE), contexts(Word::of(*some)));
    playbook.steps.iter().filter_map(|step| shut_out(step, &real, &other)).collect()
}

/// A step for another port than that of NTP that is left out, and would not be with a firewall.
fn shut_out(step: &StepFile, real: &Value, other: &Value) -> Option<String> {
    let condition = step.when.as_ref()?;
    let holds = |context| Engine.holds(condition, context).unwrap_or(true);
    let port = opens(&step.resolve(&Engine, other).ok()?).filter(|port| !port.is_ntp())?;
    (!holds(real) && holds(other)).then(|| {
        format!(
            "step `{}` is left out, as none of {} is active; the host has rules of nftables or iptables, and whether they let {port} in is not looked at: see `nft list ruleset` or `iptables-save`",
            step.name,
            registry::words()
        )
    })
}

/// Takes away what earlier runs have opened, and only that; `before` is what is opened first.
pub(super) fn close(firewall: &'static dyn LinuxFirewall, port: Opening, before: Vec<Wanted>) -> Step {
    let name = format!("Close {port}, which no step opens any more");
    Step::of(name, Box::new(Open::new(firewall, Wanted { port, before, ..Wanted::default() })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Slice;

    #[test]
    fn a_step_that_only_the_want_of_a_firewall_leaves_out_is_told() {
        let spec =
            crate::engine::sample::fleet("hosts: { m: { address: 10.0.0.1, role: master, isolated: true } }").remove(0);
        let context = |firewall| context::shown(&spec, &(), &(), firewall);
        let told = |when: &str, port: &str| {
            let text = format!("name: Open\nwhen: {when}\nfirewall: {{ port: {port}, from: 10.0.0.0/8 }}\n");
            let step: StepFile = serde_yaml::from_str(&text).unwrap();
            shut_out(&step, &context(Word::NONE), &context(Word::of(ALL[0])))
        };
        let some = "host.firewall != 'none'";
        assert!(told(some, "4460/tcp").unwrap().contains("whether they let 4460/tcp in is not looked at"));
        // The rules for NTP are looked at, and what another condition leaves out is not wanted.
        assert_eq!(told(some, "123/udp"), None);
        assert_eq!(told("host.role == 'slave'", "4460/tcp"), None);
        assert_eq!(told("host.role == 'slave' and host.firewall != 'none'", "4460/tcp"), None);
        assert_eq!(told("host.role == 'master'", "4460/tcp"), None);
    }

    #[test]
    fn what_no_step_opens_any_more_is_closed() {
        let records = ["firewalld", "firewalld-4460-tcp", "firewalld-4461-tcp", "firewalld-4460-tcp.new"];
        let records = records.map(str::to_owned);
        let named = |ports: &[&str]| ports.iter().map(|port| Opening::read(port).unwrap()).collect::<Vec<_>>();
        let closed = |ports: &[&str]| -> Vec<String> {
            left(ALL[0], &records, &named(ports))
                .map(|port| close(ALL[0], port, Vec::new()))
                .map(|step| step.name.replace(", which no step opens any more", ""))
                .collect()
        };
        assert_eq!(closed(&["123/udp", "4461/tcp"]), ["Close 4460/tcp"]);
        assert_eq!(closed(&["4460/tcp"]), ["Close 123/udp", "Close 4461/tcp"]);
        // The rules of its record go, and the record with them.
        let step = close(ALL[0], Opening::read("4460/tcp").unwrap(), Vec::new());
        let rule = "rule family=\\\"ipv4\\\" source address=\\\"10.10.10.0/24\\\" port port=\\\"4460\\\" protocol=\\\"tcp\\\" accept";
        let zone = |state: &str| {
            format!(
                "{state} public a{{sv}} 1 \"rules_str\" as 1 \"{rule}\"\nours {state}\tpublic\t{}\n",
                rule.replace('\\', "")
            )
        };
        let stdout = format!("default s \"public\"\nactive a{{sa{{sas}}}} 0\n{}{}", zone("running"), zone("permanent"));
        let seen = Slice { stdout, ..Slice::default() };
        let gone = step.resource.diff(&seen).unwrap();
        assert!(gone.len() == 2 && gone.iter().all(|delta| delta.to.is_none()), "{gone:?}");
        let change = step.resource.fix(&seen, false).unwrap().change;
        assert!(change.contains("rm -f /var/lib/fleetclock/firewalld-4460-tcp\n"), "{change}");
        assert!(change.contains("--permanent --zone='public' --remove-rich-rule="), "{change}");
        // Nothing is asked of a host that has no such record.
        assert!(step.resource.probe().starts_with("[ ! -s /var/lib/fleetclock/firewalld-4460-tcp ] || {"));
    }
}
