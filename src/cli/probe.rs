//! `probe`: the built-in NTP probe, from this machine.

use std::time::Duration;

use anyhow::Result;

use super::{Format, Global};
use crate::exit::Exit;
use crate::inventory::not_an_address;
use crate::ntp::report::SourceReport;
use crate::ntp::wire::{Options, probe};
use crate::report::{console, json, probe as answers};

/// Options of `probe`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Names or addresses, each with a port if it is not 123
    #[arg(required = true, value_name = "SERVER", value_parser = server)]
    servers: Vec<String>,
    /// Good answers of each server, two seconds apart; the one with the least error counts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    samples: u32,
    /// How often a server is asked anew, two seconds later, when an answer does not come
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=100))]
    retries: u32,
    /// How long the last answer may take
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// UDP port to ask from; W32Time asks from 123, and some firewalls care
    #[arg(long, value_name = "PORT")]
    source_port: Option<u16>,
}

/// A name or an address as in the inventory, with a port or without. A variable of a script that is not set is none.
fn server(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    let port = text.rsplit_once(':').filter(|(host, port)| {
        port.parse::<u16>().is_ok() && !host.is_empty() && (host.ends_with(']') || !host.contains(':'))
    });
    let host = port.map_or(text, |(host, _)| host);
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match not_an_address(host) {
        Some(why) => Err(format!("it {why}")),
        None => Ok(text.to_owned()),
    }
}

/// Asks all servers at the same time.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let options = Options {
        samples: args.samples,
        tries: args.samples + args.retries,
        timeout: args.timeout,
        source_port: args.source_port.unwrap_or(0),
        ..Options::default()
    };
    let reports: Vec<SourceReport> = std::thread::scope(|scope| {
        let all: Vec<_> = args.servers.iter().map(|server| scope.spawn(move || probe(server, options))).collect();
        all.into_iter().flat_map(|one| one.join().unwrap_or_default()).collect()
    });
    match global.format {
        Format::Json => console::print(&json::document(&reports))?,
        Format::Human => console::print_text(&answers::probe(&reports, console::screen()))?,
    }
    Ok(if reports.iter().all(SourceReport::usable) { Exit::Ok } else { Exit::Failed })
}
