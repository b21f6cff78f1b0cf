//! What is known of the hosts, one block each.

use std::fmt::Write as _;

use super::room::padding;
use super::style::{NAME, paint};
use super::words;
use crate::facts::windows::{Kind, WindowsFacts};
use crate::facts::{Facts, Found, Unit};
use crate::lang::say;
use crate::model::HostReport;
use crate::text::clean;
use crate::text::number::{signed, span};

/// Returns the blocks of all hosts that answered.
pub fn facts<'a>(hosts: impl IntoIterator<Item = (&'a HostReport, &'a Found)>) -> String {
    let mut text = String::new();
    for (host, facts) in hosts {
        text.push_str(&block(host, facts));
        text.push('\n');
    }
    text
}

fn block(host: &HostReport, found: &Found) -> String {
    let mut text = format!("{} ({}, {})\n", paint(NAME, &host.name), host.address, words::role(host.role));
    let lines = match found {
        Found::Linux(facts) => linux(facts),
        Found::Windows(facts) => windows(facts),
    };
    for (label, value) in lines {
        let label = say(label);
        let _ = writeln!(text, "  {label}{} {}", padding(&label, 14), clean::text(&value));
    }
    text
}

type Lines = Vec<(&'static str, String)>;

fn linux(facts: &Facts) -> Lines {
    let machine = if facts.platform.is_empty() { "unknown platform" } else { &facts.platform };
    let packages: Vec<String> = facts.packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let services: Vec<String> = facts.units.iter().map(|(name, unit)| format!("{name} ({})", state(unit))).collect();
    let (offset, doubt) = (signed(facts.clock_offset_s), span(facts.clock_uncertainty_s));
    let clock = say(&format!("{offset} against this machine, give or take {doubt}")).into_owned();
    vec![
        ("system", format!("{}, {}, {machine}", facts.os_name, facts.arch)),
        ("time packages", or_none(&packages)),
        ("time services", or_none(&services)),
        ("firewall", facts.firewall.to_string()),
        ("clock", clock),
    ]
}

fn windows(facts: &WindowsFacts) -> Lines {
    let kind = match facts.kind {
        Kind::Workstation => "workstation",
        Kind::Server => "server",
        Kind::DomainController => "domain controller",
    };
    let member = if facts.domain_member { "member of a domain" } else { "workgroup" };
    let mut service = vec![if facts.running { "running" } else { "stopped" }.to_owned()];
    service.push(format!("Type {}", facts.sync_type));
    let more = [
        (facts.trigger_start, "started and stopped by triggers"),
        (facts.policy, "a policy sets some of its values"),
        (facts.hypervisor_time, "the hypervisor sets the clock too"),
    ];
    service.extend(more.iter().filter(|(holds, _)| *holds).map(|(_, words)| (*words).to_owned()));
    vec![
        ("system", format!("{}, {kind}, {member}", facts.system())),
        ("w32time", service.join(", ")),
        ("firewall", if facts.firewall { "windows" } else { "none" }.to_owned()),
    ]
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

fn state(unit: &Unit) -> String {
    let running = if unit.active { "running" } else { "stopped" };
    if unit.enabled.is_empty() { running.to_owned() } else { format!("{running}, {}", unit.enabled) }
}
