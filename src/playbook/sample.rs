//! What playbooks would see of hosts that were not asked yet.

use minijinja::Value;

use super::context;
use crate::facts::{Facts, assumed};
use crate::firewall::{ALL, Word};
use crate::inventory::HostSpec;
use crate::inventory::spec::FirewallChoice;
use crate::provider::w32time;
use crate::provider::{self, LinuxProvider};

/// What the playbook of a host may see before it was asked: with facts that are assumed, for each family of systems
/// and each firewall that it may have, where that makes a difference.
pub(super) fn samples(host: &HostSpec, playbook: &str, by_system: bool, by_firewall: bool) -> Vec<Value> {
    let firewalls = firewalls(host);
    let firewalls = firewalls.iter().take(if by_firewall { firewalls.len() } else { 1 });
    if host.is_windows() {
        let layout = w32time::layout(host);
        return firewalls.map(|firewall| context::shown(host, &assumed::windows(), &layout, *firewall)).collect();
    }
    let families = SYSTEMS.iter().take(if by_system { SYSTEMS.len() } else { 1 });
    let all = families.flat_map(|system| firewalls.clone().map(move |firewall| (system, *firewall)));
    all.map(|(system, firewall)| linux(host, playbook, system, firewall)).collect()
}

/// A system of each family: family, `ID` and `VERSION_ID` of os-release.
const SYSTEMS: &[(&str, &str, &str)] =
    &[("debian", "debian", "12"), ("redhat", "rocky", "9.4"), ("suse", "sles", "15.6")];

fn linux(host: &HostSpec, playbook: &str, (family, id, version): &(&str, &str, &str), firewall: Word) -> Value {
    let assumed = assumed::linux(family);
    let facts = Facts { os_id: (*id).to_owned(), os_version: (*version).to_owned(), firewall, ..assumed };
    let named = host.provider.named();
    let its = |one: &&&dyn LinuxProvider| named.is_some_and(|named| named.name == one.name());
    let of_playbook = |one: &&&dyn LinuxProvider| one.playbook() == playbook;
    let provider = provider::ALL.iter().find(its).or_else(|| provider::ALL.iter().find(of_playbook));
    let layout = provider.or_else(|| provider::ALL.first()).map(|one| one.layout(&facts)).unwrap_or_default();
    context::shown(host, &facts, &layout, firewall)
}

/// The firewalls that a host may turn out to have.
fn firewalls(host: &HostSpec) -> Vec<Word> {
    match (host.firewall, host.is_windows()) {
        (FirewallChoice::None, _) => vec![Word::NONE],
        (FirewallChoice::Named(word), windows) if word.is_of_windows() != windows => vec![Word::NONE],
        (FirewallChoice::Named(word), _) => vec![word],
        (FirewallChoice::Auto, true) => vec![Word::WINDOWS, Word::NONE],
        (FirewallChoice::Auto, false) => ALL.iter().map(|firewall| Word::of(*firewall)).chain([Word::NONE]).collect(),
    }
}
