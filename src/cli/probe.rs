//! `probe`: the built-in NTP probe, from this machine.

use std::time::Duration;

use anyhow::Result;

use super::fleet::json;
use super::{Format, Global};
use crate::exit::Exit;
use crate::ntp::report::SourceReport;
use crate::ntp::wire::{Options, probe};
use crate::report::console;
use crate::report::number::{signed, span};
use crate::report::text::table;

/// Options of `probe`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Names or addresses, each with a port if it is not 123
    #[arg(required = true, value_name = "SERVER")]
    servers: Vec<String>,
    /// Questions to each server; the quickest answer counts
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    samples: u32,
    /// How long each answer may take
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// UDP port to ask from; W32Time asks from 123, and some firewalls care
    #[arg(long, default_value_t = 0)]
    source_port: u16,
}

/// Asks all servers at the same time.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let options = Options { samples: args.samples, timeout: args.timeout, source_port: args.source_port };
    let reports: Vec<SourceReport> = std::thread::scope(|scope| {
        let all: Vec<_> = args.servers.iter().map(|server| scope.spawn(move || probe(server, options))).collect();
        all.into_iter().flat_map(|one| one.join().unwrap_or_default()).collect()
    });
    match global.format {
        Format::Json => console::print(&json(&reports)),
        Format::Human => console::print(&describe(&reports)),
    }
    Ok(if reports.iter().all(SourceReport::usable) { Exit::Ok } else { Exit::Failed })
}

fn describe(reports: &[SourceReport]) -> String {
    let rows: Vec<[String; 10]> = reports.iter().map(row).collect();
    let head =
        ["server", "address", "answer", "stratum", "offset", "delay", "spread", "root disp", "error bound", "answers"];
    table(&head, &rows)
}

fn row(report: &SourceReport) -> [String; 10] {
    let seconds = |ns: Option<i64>, show: fn(f64) -> String| ns.map_or(String::new(), |ns| show(ns as f64 / 1e9));
    let outcome = report.kiss.as_ref().map_or(report.outcome.clone(), |code| format!("{} {code}", report.outcome));
    [
        report.source.clone(),
        report.address.clone().unwrap_or_default(),
        outcome,
        report.stratum.map_or(String::new(), |stratum| stratum.to_string()),
        seconds(report.offset_ns, signed),
        seconds(report.delay_ns, span),
        seconds(report.spread_ns, span),
        seconds(report.root_dispersion_ns, span),
        seconds(report.error_bound_ns, span),
        format!("{}/{}", report.received.unwrap_or(0), report.sent.unwrap_or(0)),
    ]
}
