//! What is known of the hosts, one block each.

use std::fmt::Write as _;

use super::number::signed;
use super::style::{NAME, paint};
use super::{HostReport, clean};
use crate::facts::{Facts, Firewall, Unit};

/// Returns the blocks of all hosts that answered.
pub fn facts<'a>(hosts: impl IntoIterator<Item = (&'a HostReport, &'a Facts)>) -> String {
    let mut text = String::new();
    for (host, facts) in hosts {
        text.push_str(&block(host, facts));
        text.push('\n');
    }
    text
}

fn block(host: &HostReport, facts: &Facts) -> String {
    let machine = if facts.platform.is_empty() { "unknown platform" } else { &facts.platform };
    let packages: Vec<String> = facts.packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let services: Vec<String> = facts.units.iter().map(|(name, unit)| format!("{name} ({})", state(unit))).collect();
    let mut text = format!("{} ({}, {})\n", paint(NAME, &host.name), host.address, host.role);
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<14} {}", clean::text(value));
    };
    line("system", &format!("{}, {}, {machine}", facts.os_name, facts.arch));
    line("time packages", &or_none(&packages));
    line("time services", &or_none(&services));
    line("firewall", firewall(facts.firewall));
    line("clock", &format!("{} against this machine, good to the time of a connection", signed(facts.clock_offset_s)));
    text
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

fn state(unit: &Unit) -> String {
    let running = if unit.active { "running" } else { "stopped" };
    if unit.enabled.is_empty() { running.to_owned() } else { format!("{running}, {}", unit.enabled) }
}

fn firewall(firewall: Firewall) -> &'static str {
    match firewall {
        Firewall::None => "none",
        Firewall::Firewalld => "firewalld",
        Firewall::Ufw => "ufw",
    }
}
