//! nftables: a ruleset of the administrator's, which nftables.service loads at boot. To let somebody in at one base chain does
//! not help against another that drops, so a rule of ours stands in the chain that stops the followers, before
//! what stops them. His file stays as it is: ours is a file of its own, which a drop-in of nftables.service loads after it.

mod files;

use anyhow::{Result, anyhow};
use ipnet::IpNet;

use files::{DROP_IN, LOADS};

use super::advice::{Asked, short};
use super::insert::{self, Row, Wish, Work};
use super::known::Opening;
use super::packet::{ClientPort, Packet};
use super::registry::{After, AtBoot, Firewall, Judged, LinuxFirewall, Read, Signs, Wanted};
use super::ruleset::{Chain, Ruleset, Tool};
use super::steps::Words;
use super::walk::Stop;
use super::{nft, owner};
use crate::exit::Hint as _;
use crate::text::decisive::decisive;
use crate::text::quote::sh;

/// The word, and the unit.
const WORD: &str = "nftables";

/// Where rules of ours are kept, a file for each port.
const FOLDER: &str = "/etc/fleetclock";

/// Function that prints what nftables has after files were loaded, one after the other: in a network namespace that
/// is gone afterwards. Rules may name interfaces of the host; those are made there if it takes them, and of a kind
/// whose module makes none on the host (as that of `dummy` does). An `nft` without JSON loads, and cannot print.
const LOAD: &str = r#"fc_load() {
unshare -n sh -c 'cd /
fc_load() { for f; do nft -f "$f" || return; done; }
fc_load "$@" 2>/dev/null || {
nft flush ruleset
t=veth; ip link add fc0 type veth 2>/dev/null || t=dummy
for i in /sys/class/net/*; do echo "link add ${i##*/} type $t"; done | ip -force -batch - >/dev/null 2>&1
fc_load "$@" || exit
}
nft -j list ruleset || echo unreadable
nft -a list ruleset' sh "$@"
}
for fc_n in /etc/sysconfig/nftables.conf /etc/nftables.conf; do [ ! -r "$fc_n" ] || break; done"#;

/// nftables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nftables;

impl Firewall for Nftables {
    fn word(&self) -> &'static str {
        WORD
    }

    fn findings(&self) -> &'static [&'static str] {
        &["FC046", "FC049"]
    }
}

impl LinuxFirewall for Nftables {
    fn units(&self) -> &'static [&'static str] {
        &[WORD]
    }

    fn is_active(&self, signs: &Signs<'_>) -> bool {
        signs.is_active(WORD) || signs.is_enabled(WORD)
    }

    fn settings(&self, wanted: &Wanted) -> String {
        let file = file(&wanted.port);
        format!(
            "{LOAD}
echo \"boot $(systemctl is-enabled nftables.service 2>/dev/null) $fc_n\"
for fc_f in {FOLDER}/nftables*.nft; do [ ! -e \"$fc_f\" ] || [ \"$fc_f\" = {file} ] || echo others; done
echo '#: drop-in'
cat {DROP_IN} 2>/dev/null
echo '#: own'
cat {file} 2>/dev/null
echo '#: boot'
fc_load \"$fc_n\""
        )
    }

    fn compare(&self, wanted: &Wanted, read: &Read<'_>) -> Result<Judged> {
        judge(wanted, &Boot::read(&read.settings), read)
    }

    fn owns(&self, stop: &Stop, _beside: &[&str]) -> bool {
        stop.base.tool == Tool::Nft
    }

    fn advice(&self, asked: &Asked<'_>) -> String {
        advice(asked)
    }

    fn evidence(&self) -> String {
        format!(
            "#: boot-filter: cat /etc/nftables.conf
# What nftables.service loads at boot, as nft reads it, and what fleetclock lets it load behind that.
if [ \"$(fc_show UnitFileState nftables.service)\" = enabled ]; then
{LOAD}
  set -- \"$fc_n\"
  [ ! -e {DROP_IN} ] || for fc_f in {FOLDER}/nftables*.nft; do [ ! -r \"$fc_f\" ] || set -- \"$@\" \"$fc_f\"; done
  fc_load \"$@\" 2>/dev/null
fi

"
        )
    }

    fn boot(&self) -> Option<AtBoot> {
        let read = |text: &str| (!text.is_empty()).then(|| nft::read(text));
        Some(AtBoot { part: "boot-filter", read, unit: |_, _| WORD })
    }

    fn boot_advice(&self, now: &Ruleset, stop: &Stop, packet: &Packet<'_>) -> String {
        let (network, file) = (packet.from, now.boot_file().unwrap_or("/etc/nftables.conf"));
        let family = if network.addr().is_ipv4() { "ip" } else { "ip6" };
        let (rule, chain) = (format!("{family} saddr {network} udp dport 123 accept"), stop.base.full());
        format!(
            "printf '\\n%s\\n' 'insert rule {chain} {rule}' >>{file} && nft -c -f {file} (what is loaded last stands first in its chain)"
        )
    }
}

/// The file of ours for a port.
fn file(port: &Opening) -> String {
    let more = if port.is_ntp() { String::new() } else { format!("-{}-{}", port.ports(), port.protocol()) };
    format!("{FOLDER}/nftables{more}.nft")
}

/// What is loaded at boot.
#[derive(Debug, Default)]
struct Boot {
    /// `enabled` and the like.
    unit: String,
    /// The file of the administrator.
    file: String,
    drop_in: String,
    own: String,
    /// What his file makes, without ours.
    rules: Ruleset,
    /// Whether it could not be loaded.
    failed: bool,
    /// Whether there are files of ours for other ports.
    others: bool,
}

impl Boot {
    fn read(text: &str) -> Self {
        let part = |begin: &str, end: &str| {
            let (_, rest) = text.split_once(begin).unwrap_or_default();
            rest.split_once(end).map_or(rest, |(part, _)| part).to_owned()
        };
        let line = text.lines().find_map(|line| line.strip_prefix("boot ")).unwrap_or_default();
        let (unit, file) = line.split_once(' ').unwrap_or_default();
        let rules = part("#: boot\n", "\u{0}");
        Boot {
            unit: unit.to_owned(),
            file: file.to_owned(),
            drop_in: part("#: drop-in\n", "#: own\n"),
            own: part("#: own\n", "#: boot\n"),
            others: text.lines().any(|line| line == "others"),
            failed: rules.trim().is_empty(),
            rules: nft::read(&rules),
        }
    }

    fn is_loaded(&self) -> bool {
        self.unit.starts_with("enabled")
    }
}

fn judge(wanted: &Wanted, boot: &Boot, read: &Read<'_>) -> Result<Judged> {
    let (port, rules, why) = (&wanted.port, &read.rules, read.said);
    let is_asked = boot.is_loaded() && !wanted.networks.is_empty();
    if is_asked && boot.failed && !why.contains("unshare") {
        return Err(anyhow!("{} does not load: {}", boot.file, decisive("", why))
            .hint(&format!("see `nft -c -f {}`: at the next boot this host would have no rules at all", boot.file)));
    }
    // No namespace could be made, or this `nft` prints no JSON.
    let unread = is_asked && (boot.failed || boot.rules.unread);
    let question = |network: IpNet| wanted.question(rules, network);
    let now = Wish {
        networks: &wanted.networks,
        question: &question,
        own: &|chain| if chain.tool == Tool::Nft { insert::marked(chain, port) } else { Vec::new() },
        target: &target,
    };
    let later = Wish { own: &|_| Vec::new(), ..now };
    let at_boot = if boot.is_loaded() && !unread { later.work(&boot.rules) } else { Work::default() };
    let now = now.work(&rules.set);
    wanted.refuse(rules, &now, &at_boot)?;
    // What cannot be judged stays as it is.
    let text = if unread { boot.own.clone() } else { text(boot, &at_boot, port) };
    let mut judged = judged(wanted, boot, &text, &now);
    judged.after = Some(After { settings: read.settings.clone(), rules: now.after });
    if unread {
        let what = decisive("", why);
        judged.doubts.push(format!("whether {} lets the followers in at boot could not be told: {what}", boot.file));
    }
    if !boot.is_loaded() && !wanted.networks.is_empty() {
        judged.doubts.push(format!(
            "nftables.service is {}: what loads these rules at boot is not known, so ours are there until then only",
            if boot.unit.is_empty() { "not there" } else { &boot.unit }
        ));
    }
    Ok(judged)
}

/// The chain itself that stops them: that of a program, which it writes anew, is not for us.
fn target(rules: &Ruleset, stop: &Stop) -> Option<usize> {
    let is_it = |chain: &Chain| chain.name == stop.base.name && chain.is_beside(&stop.base);
    let inbound = stop.base.hook.is_some_and(|hook| hook.is_inbound()) && !stop.base.nat;
    let fits = matches!(stop.base.family.as_str(), "ip" | "ip6" | "inet") && owner::is_of(rules, stop, WORD);
    rules.chains.iter().position(is_it).filter(|_| inbound && fits)
}

/// What our file has to say for the next boot; nothing where nothing is needed.
fn text(boot: &Boot, work: &Work, port: &Opening) -> String {
    if work.add.is_empty() {
        return String::new();
    }
    let head = format!(
        "# Written by fleetclock: who may ask this host at {port}. nftables.service loads it after {}.\n",
        boot.file
    );
    let rows = work.add.iter().map(|row| format!("{}\n", command(row, port)));
    head + &rows.collect::<String>()
}

/// The words of nft that put a rule of ours where it has to stand.
fn command(row: &Row, port: &Opening) -> String {
    let (full, rule) = (row.chain.full(), words(row.network, port));
    match (row.last, row.at) {
        (true, _) => format!("add rule {full} {rule}"),
        (false, 0) => format!("insert rule {full} {rule}"),
        (false, at) => format!("insert rule {full} index {at} {rule}"),
    }
}

fn words(network: IpNet, port: &Opening) -> String {
    let family = if network.addr().is_ipv4() { "ip" } else { "ip6" };
    let (from, protocol, ports, mark) = (short(network), port.protocol(), port.ports(), insert::mark(network, port));
    format!("{family} saddr {from} {protocol} dport {ports} accept comment \"{mark}\"")
}

fn judged(wanted: &Wanted, boot: &Boot, text: &str, now: &Work) -> Judged {
    let file = file(&wanted.port);
    let drop_in = if text.is_empty() && !boot.others { "" } else { LOADS };
    let files = [(file.as_str(), &boot.own, text), (DROP_IN, &boot.drop_in, drop_in)];
    let files = files.into_iter().filter(|(_, is, wanted)| is != wanted);
    Judged::of(&Running, wanted, files.map(|(path, is, wanted)| files::change(path, is, wanted)), now)
}

/// The rules as they work.
struct Running;

impl Words for Running {
    fn word(&self) -> &'static str {
        WORD
    }

    fn functions(&self) -> String {
        format!("{FUNCTIONS}{LOAD}\n")
    }

    fn insert(&self, row: &Row, port: &Opening) -> String {
        format!("nft {}", sh(&command(row, port)))
    }

    fn delete(&self, row: &Row, port: &Opening) -> String {
        about(row, port, "fc_delete")
    }

    fn is_there(&self, row: &Row, port: &Opening) -> String {
        about(row, port, "fc_handle")
    }

    fn shown(&self, row: &Row, port: &Opening) -> (String, String) {
        (row.chain.full(), words(row.network, port))
    }
}

/// `fc_handle FAMILY TABLE CHAIN MARK` prints the handle of the rule of ours that has this comment, `fc_delete` takes
/// the rule away.
const FUNCTIONS: &str = r#"fc_handle() {
nft -a list chain "$1" "$2" "$3" | sed -n "s|.*\"$4\".* # handle \([0-9]*\)\$|\1|p" | head -n 1 | grep .
}
fc_delete() {
fc_h=$(fc_handle "$@") && nft delete rule "$1" "$2" "$3" handle "$fc_h"
}
"#;

/// A call of one of the functions about a rule of ours.
fn about(row: &Row, port: &Opening, function: &str) -> String {
    let Chain { family, table, name, .. } = &row.chain;
    format!("{function} {family} {} {} {}", sh(table), sh(name), sh(&insert::mark(row.network, port)))
}

/// An insertion at the head of the chain, and in the file that is loaded at boot.
fn advice(asked: &Asked<'_>) -> String {
    let base = &asked.stop.base;
    let family = if asked.is_v4() { "ip" } else { "ip6" };
    let end = if asked.packet.inbound { "saddr" } else { "daddr" };
    let port = match asked.packet.port {
        ClientPort::Chosen | ClientPort::Ntp => asked.side(),
    };
    let rule = format!("{family} {end} {} udp {port} 123 accept", short(asked.other()));
    if matches!(base.family.as_str(), "bridge" | "arp") {
        return format!("a person must decide: let 123/udp of {} pass in {}", short(asked.other()), asked.stop.place());
    }
    let kept = match asked.rules.boot_file() {
        Some(file) => format!("and the same rule first in this chain of {file}, or of a file that it includes"),
        None => "and the same rule where this table comes from at boot".to_owned(),
    };
    format!("nft insert rule {} {rule}; {kept}", base.full())
}

#[cfg(test)]
mod tests;
