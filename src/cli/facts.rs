//! `facts`: what is known of the hosts.

use std::collections::BTreeMap;

use anyhow::Result;

use super::run::Run;
use super::{Format, Global};
use crate::engine::fleet::facts_all;
use crate::exit::Exit;
use crate::facts::Found;
use crate::report::{HostReport, console, facts, json};

/// Reads and prints the facts; the hosts that did not answer follow as in every report.
pub(super) fn run(global: &Global) -> Result<Exit> {
    let run = Run::start("facts", global)?;
    let results = run.watched(run.names(), |cx| facts_all(run.hosts.clone(), run.forks, cx));
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    let mut reports: Vec<HostReport> = Vec::new();
    for result in results {
        match result {
            Ok((report, facts)) => {
                found.insert(report.name.clone(), facts);
                reports.push(report);
            }
            Err(report) => reports.push(*report),
        }
    }
    if global.format == Format::Json {
        console::print(&json::document(&found))?;
        return Ok(run.exit(&reports));
    }
    console::print_text(&facts::facts(reports.iter().filter_map(|report| Some((report, found.get(&report.name)?)))))?;
    Ok(run.print(reports, true))
}
