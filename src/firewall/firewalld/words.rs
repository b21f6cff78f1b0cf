//! How firewalld lets in what a rule of its own stops, in its own words.

use super::SERVICE;
use crate::firewall::advice::{Asked, short};
use crate::firewall::precede::FIRST;
use crate::firewall::ruleset::Tool;
use crate::firewall::walk::Stop;

/// The table of firewalld that drops everything: its chains of the table `raw` in panic mode, others while it starts.
const PANIC: (&str, &str) = ("firewalld_policy_drop", "raw_");

/// Whether it is the table that drops everything in panic mode.
pub(super) fn is_panic(stop: &Stop) -> bool {
    stop.base.table == PANIC.0 && stop.base.name.starts_with(PANIC.1)
}

/// A rich rule before all others, in the policy or in the zone.
pub(super) fn advice(asked: &Asked<'_>) -> String {
    if is_panic(asked.stop) {
        return "a person must decide: firewalld is in panic mode (`firewall-cmd --panic-on`), which `firewall-cmd --panic-off` ends".to_owned();
    }
    if asked.stop.base.tool != Tool::Nft && !asked.stop.is_by_zones(asked.rules) {
        return direct(asked);
    }
    let name = &asked.stop.chain.name;
    let element = asked.place.map_or(SERVICE, |place| place.element);
    let place = match (policy_of(name), asked.place.map(|place| place.zone).or_else(|| zone_of(name))) {
        (Some(policy), _) => format!("--policy={policy}"),
        (None, Some(zone)) => format!("--zone={zone}"),
        (None, None) => "--zone=ZONE".to_owned(),
    };
    if asked.packet.answer || !asked.packet.inbound {
        return format!(
            "a person must decide: {} belongs to a policy of firewalld; let 123/udp of {} pass in it (firewall-cmd --list-all-policies)",
            asked.stop.place(),
            short(asked.other())
        );
    }
    if !has_priorities(asked) {
        return without_priorities(asked, &place);
    }
    let family = if asked.is_v4() { "ipv4" } else { "ipv6" };
    let rule = format!(
        "rule priority=\"{FIRST}\" family=\"{family}\" source address=\"{}\" {element} accept",
        short(asked.other())
    );
    format!("firewall-cmd {place} --add-rich-rule='{rule}', and the same with --permanent")
}

/// Whether this firewalld knows priorities of rich rules (0.7.0): each zone then has a chain for those that
/// come first.
fn has_priorities(asked: &Asked<'_>) -> bool {
    let is_zones = |name: &str| name.starts_with("filter_IN_") || name.starts_with("IN_");
    asked.rules.chains.iter().any(|chain| is_zones(&chain.name) && chain.name.ends_with("_pre"))
}

/// Nothing of its zones comes before what they refuse; a direct rule does where its rules are those of iptables.
fn without_priorities(asked: &Asked<'_>, place: &str) -> String {
    let list = format!("firewall-cmd {place} --list-all");
    let narrow = format!(
        "narrow the rule that stops it so that it spares {}, or take it away ({list} shows it; this firewalld is older than 0.7.0 and has no rich rule that comes before it)",
        short(asked.other())
    );
    match asked.stop.base.tool {
        Tool::Nft => narrow,
        _ => format!("{}; or {narrow}", direct(asked)),
    }
}

/// A direct rule, which comes before those of the zones.
fn direct(asked: &Asked<'_>) -> String {
    let family = if asked.is_v4() { "ipv4" } else { "ipv6" };
    let (table, chain) = (&asked.stop.base.table, &asked.stop.base.name);
    format!(
        "firewall-cmd --direct --add-rule {family} {table} {chain} -999 {}, and the same with --permanent",
        asked.conditions()
    )
}

/// `filter_IN_policy_lan-to-host_deny`: the policy `lan-to-host`.
fn policy_of(chain: &str) -> Option<&str> {
    let (_, name) = chain.split_once("_policy_")?;
    let ends = ["_pre", "_log", "_deny", "_allow", "_post"];
    Some(ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name))
}

/// `filter_IN_public_deny`, or `IN_public_deny` in words of iptables: the zone `public`.
fn zone_of(chain: &str) -> Option<&str> {
    let name = chain.strip_prefix("filter_").unwrap_or(chain).strip_prefix("IN_")?;
    let ends = ["_pre", "_log", "_deny", "_allow", "_post"];
    Some(ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name))
}
