//! iptables with the service that loads its rules at boot: Debian's netfilter-persistent, Red Hat's iptables-services.
//! A rule of ours goes into the chain of the rule that stops the followers, before it, as it works now and in the
//! file. What others have in one of the two only stays there only.

use anyhow::Result;
use ipnet::IpNet;

use super::advice::Asked;
use super::known::Opening;
use super::owner;
use super::packet::Packet;
use super::registry::{AtBoot, Firewall, Judged, LinuxFirewall, Read, Signs, Wanted};
use super::ruleset::{Chain, Ruleset, Tool};
use super::saved::{self, COMMIT, File, Saved};
use super::walk::Stop;
use super::{insert, iptables};

/// The word.
const WORD: &str = "iptables";

/// What loads a file: the unit, the family, the file.
const LOADS: [(&str, &str, &str); 4] = [
    ("netfilter-persistent", "ip", "/etc/iptables/rules.v4"),
    ("netfilter-persistent", "ip6", "/etc/iptables/rules.v6"),
    ("iptables", "ip", "/etc/sysconfig/iptables"),
    ("ip6tables", "ip6", "/etc/sysconfig/ip6tables"),
];

/// iptables with its persistence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Iptables;

impl Firewall for Iptables {
    fn word(&self) -> &'static str {
        WORD
    }

    fn findings(&self) -> &'static [&'static str] {
        &["FC046", "FC048", "FC049"]
    }
}

impl LinuxFirewall for Iptables {
    fn units(&self) -> &'static [&'static str] {
        &["netfilter-persistent", "iptables", "ip6tables"]
    }

    fn sign(&self) -> &'static str {
        "for fc_f in /etc/iptables/rules.v4 /etc/iptables/rules.v6 /etc/sysconfig/iptables /etc/sysconfig/ip6tables; do\n[ ! -s \"$fc_f\" ] || echo \"sign=$fc_f\"\ndone\n"
    }

    fn is_active(&self, signs: &Signs<'_>) -> bool {
        let loads = |(unit, _, file): &(&str, &str, &str)| {
            (signs.is_active(unit) || signs.is_enabled(unit)) && signs.said.contains(file)
        };
        LOADS.iter().any(loads)
    }

    fn settings(&self, _wanted: &Wanted) -> String {
        format!("{}\nfc_xt=yes", files())
    }

    fn compare(&self, wanted: &Wanted, read: &Read<'_>) -> Result<Judged> {
        let files = Files::read(&read.settings);
        let mut judged = saved::judge(&files, wanted, read)?;
        if files.loaded.is_empty() {
            let what = "no enabled unit (netfilter-persistent, iptables, ip6tables) loads a file of rules at boot";
            judged.doubts.push(format!("iptables: {what}, so what filters then was not judged"));
        }
        Ok(judged)
    }

    fn owns(&self, stop: &Stop, _beside: &[&str]) -> bool {
        stop.base.tool != Tool::Nft
    }

    fn owner(&self, stop: &Stop) -> &'static str {
        if stop.is_legacy() { "iptables-legacy" } else { WORD }
    }

    fn advice(&self, asked: &Asked<'_>) -> String {
        advice(asked)
    }

    fn evidence(&self) -> String {
        format!("#: iptables: cat /etc/iptables/rules.v4 /etc/sysconfig/iptables\n{}\n\n", files())
    }

    fn boot(&self) -> Option<AtBoot> {
        let read = |text: &str| {
            let files = Some(Files::read(text)).filter(|files| !files.loaded.is_empty());
            files.map(|files| files.at_boot())
        };
        let unit = |text: &str, stop: &Stop| {
            let of = |(unit, family, path): &&(&str, &str, &str)| {
                *family == stop.base.family && is_loaded(text, unit) && saved::read(text, path).is_some()
            };
            LOADS.iter().find(of).map_or(WORD, |(unit, ..)| *unit)
        };
        Some(AtBoot { part: WORD, read, unit })
    }

    fn boot_advice(&self, now: &Ruleset, _stop: &Stop, packet: &Packet<'_>) -> String {
        let six = if packet.from.addr().is_ipv4() { "" } else { "6" };
        format!("the rules that are loaded now let them in: {}", kept(now, &format!("ip{six}tables-save"), six))
    }
}

/// Shell text that prints the files, and the units that load them at boot.
fn files() -> String {
    let files = LOADS.map(|(_, _, file)| file);
    let units = Iptables.units().join(" ");
    format!(
        "for fc_u in {units}; do\n[ \"$(systemctl is-enabled \"$fc_u.service\" 2>/dev/null)\" != enabled ] || echo \"loads $fc_u\"\ndone\n{}",
        saved::cat(&files)
    )
}

/// Whether a unit that loads rules is started at boot.
fn is_loaded(text: &str, unit: &str) -> bool {
    text.lines().any(|line| line.strip_prefix("loads ") == Some(unit))
}

/// The files that are loaded at boot.
#[derive(Debug, Default)]
struct Files {
    loaded: Vec<File>,
}

impl Files {
    fn read(text: &str) -> Self {
        let file = |(unit, family, path): (&str, &'static str, &str)| {
            let text = saved::read(text, path).filter(|_| is_loaded(text, unit))?;
            Some(File { family, path: path.to_owned(), text })
        };
        Files { loaded: LOADS.into_iter().filter_map(file).collect() }
    }
}

impl Saved for Files {
    fn word(&self) -> &'static str {
        WORD
    }

    fn at_boot(&self) -> Ruleset {
        let text: String = self.loaded.iter().map(|file| format!("# {} nft\n{}", file.family, file.text)).collect();
        Ruleset { chains: iptables::read(&text), ..Ruleset::default() }
    }

    fn files(&self) -> &[File] {
        &self.loaded
    }

    fn target(&self, rules: &Ruleset, stop: &Stop) -> Option<usize> {
        let is_it = |chain: &Chain| chain.name == stop.base.name && chain.is_beside(&stop.base);
        let inbound = stop.base.hook.is_some_and(|hook| hook.is_inbound()) && !stop.base.nat;
        rules.chains.iter().position(is_it).filter(|_| inbound && owner::is_of(rules, stop, WORD))
    }

    fn own(&self, chain: &Chain, port: &Opening) -> Vec<(usize, IpNet)> {
        if chain.tool == Tool::Nft { Vec::new() } else { insert::marked(chain, port) }
    }

    fn words(&self, network: IpNet, port: &Opening) -> String {
        let (protocol, ports) = (port.protocol(), port.ports().replace('-', ":"));
        let mark = insert::mark(network, port);
        format!("-s {network} -p {protocol} -m {protocol} --dport {ports} -m comment --comment \"{mark}\" -j ACCEPT")
    }

    fn lines(&self, chain: &str, network: IpNet, port: &Opening) -> Vec<String> {
        vec![format!("-A {chain} {}", self.words(network, port))]
    }

    fn end(&self) -> &'static str {
        COMMIT
    }

    fn test(&self, file: &File) -> String {
        format!("ip{}tables-restore --test", if file.family == "ip6" { "6" } else { "" })
    }
}

/// An insertion at the head of the chain, and how it is saved.
fn advice(asked: &Asked<'_>) -> String {
    let six = if asked.is_v4() { "" } else { "6" };
    let legacy = asked.stop.is_legacy() && asked.rules.has_keeper("/usr/sbin/iptables-legacy");
    let program = format!("ip{six}tables{}", if legacy { "-legacy" } else { "" });
    let table = match asked.stop.base.table.as_str() {
        "filter" => String::new(),
        table => format!("-t {table} "),
    };
    let insert = format!("{program} {table}-I {} {}", asked.stop.base.name, asked.conditions());
    format!("{insert}; {}", kept(asked.rules, &format!("{program}-save"), six))
}

/// How rules of iptables are kept on this system.
fn kept(rules: &Ruleset, save: &str, six: &str) -> String {
    let has = |file: &str| rules.has_keeper(file);
    if has("/usr/sbin/netfilter-persistent") {
        "netfilter-persistent save".to_owned()
    } else if has("/etc/sysconfig/iptables") {
        format!("{save} >/etc/sysconfig/ip{six}tables")
    } else if has("/etc/iptables/rules.v4") {
        format!("{save} >/etc/iptables/rules.v{}", if six.is_empty() { "4" } else { "6" })
    } else {
        "and the same where these rules come from at boot (nothing here was found that saves them)".to_owned()
    }
}
