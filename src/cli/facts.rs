//! `facts`: what is known of the hosts.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::run::Run;
use super::{Format, Global};
use crate::engine::fleet::facts_all;
use crate::exit::Exit;
use crate::facts::Found;
use crate::model::{ErrorReport, HostReport, Status, Verb};
use crate::report::{console, facts, json};

/// Reads and prints the facts; the hosts that did not answer follow as in every report.
pub(super) fn run(global: &Global) -> Result<Exit> {
    let mut run = Run::start(Verb::Facts, global)?;
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
        console::print(&json::document(&each(&reports, &found)))?;
        return Ok(run.exit(&run.report(reports)));
    }
    console::print_text(&facts::facts(reports.iter().filter_map(|report| Some((report, found.get(&report.name)?)))))?;
    Ok(run.print(reports, true))
}

/// What is known of a host, or why nothing is.
#[derive(Serialize)]
#[serde(untagged)]
enum Known<'a> {
    Found(&'a Found),
    Failed { status: Status, error: Option<&'a ErrorReport> },
}

/// Every host that was asked, by its name.
fn each<'a>(reports: &'a [HostReport], found: &'a BTreeMap<String, Found>) -> BTreeMap<&'a str, Known<'a>> {
    let known = |report: &'a HostReport| match found.get(&report.name) {
        Some(facts) => Known::Found(facts),
        None => Known::Failed { status: report.status, error: report.error.as_ref() },
    };
    reports.iter().map(|report| (report.name.as_str(), known(report))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;

    #[test]
    fn a_host_that_was_not_read_is_there_with_its_error() {
        let mut report = sample::blank(&sample::host("h1"));
        report.status = Status::Unreachable;
        report.error = Some(ErrorReport { message: "connect 10.10.10.1:22: timed out".into(), hint: None });
        let (reports, found) = ([report], BTreeMap::new());
        let json = serde_json::to_value(each(&reports, &found)).unwrap();
        let error = serde_json::json!({ "message": "connect 10.10.10.1:22: timed out" });
        assert_eq!(json, serde_json::json!({ "h1": { "status": "unreachable", "error": error } }));
    }
}
