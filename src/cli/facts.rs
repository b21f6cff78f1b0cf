//! `facts`: what is known of the hosts.

use std::collections::BTreeMap;

use anyhow::Result;

use super::fleet::{Run, json};
use super::{Format, Global};
use crate::engine::fleet::facts_all;
use crate::exit::Exit;
use crate::facts::Facts;
use crate::report::HostReport;
use crate::report::console;
use crate::report::number::signed;

/// Reads and prints the facts.
pub(super) fn run(global: &Global) -> Result<Exit> {
    let run = Run::start("facts", global)?;
    let results = run.watched(|cx| facts_all(run.hosts.clone(), run.forks, cx));
    let mut facts: BTreeMap<String, Facts> = BTreeMap::new();
    let mut reports: Vec<HostReport> = Vec::new();
    for result in results {
        match result {
            Ok((report, found)) => {
                facts.insert(report.name.clone(), found);
                reports.push(report);
            }
            Err(report) => reports.push(*report),
        }
    }
    let exit = Exit::of(&reports);
    match global.format {
        Format::Json => console::print(&json(&facts)),
        Format::Human => {
            for report in &reports {
                console::print(
                    &facts.get(&report.name).map_or_else(String::new, |facts| describe(&report.name, facts)),
                );
            }
        }
    }
    Ok(exit)
}

fn describe(name: &str, facts: &Facts) -> String {
    let packages: Vec<String> = facts.packages.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let units: Vec<String> = facts
        .units
        .iter()
        .map(|(name, unit)| format!("{name} ({}, {})", if unit.active { "running" } else { "stopped" }, unit.enabled))
        .collect();
    let or_none = |list: Vec<String>| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    format!(
        "{name}: {os}, {arch}, {virt}\n  time packages: {packages}\n  time services: {units}\n  firewall: {firewall}\n  clock: {clock} against this machine (good to the time of a connection)\n",
        os = facts.os_name,
        arch = facts.arch,
        virt = if facts.virtualization == "none" { "hardware" } else { &facts.virtualization },
        packages = or_none(packages),
        units = or_none(units),
        firewall = format!("{:?}", facts.firewall).to_lowercase(),
        clock = signed(facts.clock_offset_s),
    )
}
