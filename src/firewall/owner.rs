//! Who owns a chain: whoever writes it again when it likes, and in whose words it is changed.

use super::registry::{ALL, LinuxFirewall};
use super::ruleset::Ruleset;
use super::walk::Stop;

/// The owner of a chain.
#[derive(Clone, Copy)]
pub enum Owner {
    /// One of those that can be opened.
    Firewall(&'static dyn LinuxFirewall),
    /// fail2ban, which has banned an address.
    Fail2ban,
    /// A program that writes its rules itself; its settings are for a person.
    Program(&'static str),
}

/// How chains and tables begin that belong to a program.
const PREFIXES: &[(&str, Owner)] = &[
    ("f2b-", Owner::Fail2ban),
    ("fail2ban-", Owner::Fail2ban),
    ("DOCKER", Owner::Program("Docker")),
    ("docker", Owner::Program("Docker")),
    ("KUBE-", Owner::Program("Kubernetes")),
    ("kube-", Owner::Program("Kubernetes")),
    ("cali-", Owner::Program("Calico")),
    ("cali:", Owner::Program("Calico")),
    ("calico", Owner::Program("Calico")),
    ("CILIUM_", Owner::Program("Cilium")),
    ("OLD_CILIUM_", Owner::Program("Cilium")),
    ("FLANNEL", Owner::Program("Flannel")),
    ("CNI-", Owner::Program("a container network plugin")),
    ("NETAVARK", Owner::Program("Podman")),
    ("netavark", Owner::Program("Podman")),
    ("YJ-", Owner::Program("the cloud's host security agent (YJ)")),
    ("crowdsec", Owner::Program("CrowdSec")),
    ("CROWDSEC", Owner::Program("CrowdSec")),
    ("sshguard", Owner::Program("sshguard")),
    ("PVEFW-", Owner::Program("the firewall of Proxmox VE")),
    ("neutron-", Owner::Program("OpenStack Neutron")),
    ("LIBVIRT_", Owner::Program("libvirt")),
    ("libvirt", Owner::Program("libvirt")),
    ("ts-", Owner::Program("Tailscale")),
    ("cphulk", Owner::Program("cPanel")),
    ("LOCALINPUT", Owner::Program("CSF")),
    ("DENYIN", Owner::Program("CSF")),
    ("shorewall", Owner::Program("Shorewall")),
];

/// Returns the owner of the rule that stops a packet. `beside` are the names of the chains of its table.
pub(super) fn owner(stop: &Stop, beside: &[&str]) -> Owner {
    let named = |name: &str| PREFIXES.iter().find(|(start, _)| name.starts_with(start)).map(|(_, owner)| *owner);
    let own = named(&stop.chain.name).or_else(|| named(&stop.chain.table));
    // A rule in the base chain itself is that of whoever has written it there.
    own.unwrap_or_else(|| {
        let firewall = ALL.iter().find(|firewall| firewall.owns(stop, beside));
        firewall.map_or(Owner::Program("somebody"), |firewall| Owner::Firewall(*firewall))
    })
}

/// Returns the names of the chains in the table of the one that stops a packet.
pub(super) fn beside<'a>(rules: &'a Ruleset, stop: &Stop) -> Vec<&'a str> {
    rules.chains.iter().filter(|chain| chain.is_beside(&stop.base)).map(|chain| chain.name.as_str()).collect()
}

/// Returns whether a firewall owns the rule that stops a packet.
pub(super) fn is_of(rules: &Ruleset, stop: &Stop, word: &str) -> bool {
    matches!(owner(stop, &beside(rules, stop)), Owner::Firewall(firewall) if firewall.word() == word)
}
