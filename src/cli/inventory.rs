//! `inventory`: what the file says; contacts no host.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use super::{Format, Global};
use crate::assets::Assets;
use crate::exit::Exit;
use crate::inventory::topology;
use crate::inventory::{Fleet, HostSpec};
use crate::model::{MistakeReport, SCHEMA};
use crate::report::console;
use crate::report::json::document;
use crate::text::number::count;

/// What to do with the inventory.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Find every mistake, also those of playbooks and templates
    Validate,
    /// Print the hosts with everything filled in
    Show {
        /// Only this host, or any pattern of --limit
        #[arg(add = crate::cli::suggest::pattern())]
        host: Option<String>,
    },
    /// Draw who follows whom
    Graph {
        /// For Graphviz
        #[arg(long)]
        dot: bool,
    },
}

/// Runs the verb.
pub(super) fn run(verb: &Verb, global: &Global) -> Result<Exit> {
    match verb {
        Verb::Validate => {
            let fleet = global.fleet()?;
            crate::playbook::check::check(&Assets::new(global.assets.clone())?, &fleet.hosts)?;
            console::print(&match global.format {
                Format::Json => document(&Valid::of(&fleet, global)),
                Format::Human => {
                    let (hosts, groups) = (count(fleet.hosts.len(), "host"), count(fleet.groups.len(), "group"));
                    format!("{}: {hosts} in {groups}, no mistake\n", global.inventory.display())
                }
            })?;
        }
        Verb::Show { host } => {
            let only = host.as_ref().map_or(Ok(global.clone()), |host| {
                Global { limit: None, ..global.clone() }.with_hosts(std::slice::from_ref(host))
            })?;
            let hosts = only.hosts()?;
            console::print(&show(&hosts, global.format))?;
        }
        Verb::Graph { dot } => {
            let fleet = global.fleet()?;
            console::print(&match global.format {
                _ if *dot => topology::dot(&fleet),
                Format::Json => document(&topology::graph(&fleet)),
                Format::Human => topology::tree(&fleet),
            })?;
        }
    }
    Ok(Exit::Ok)
}

/// An inventory without a mistake, for programs; one with mistakes is a refusal.
#[derive(Serialize)]
struct Valid<'a> {
    schema: u32,
    command: &'static str,
    exit_code: u8,
    file: String,
    hosts: usize,
    groups: usize,
    /// Things that are allowed but worth a second look.
    warnings: &'a [String],
    mistakes: [MistakeReport; 0],
}

impl<'a> Valid<'a> {
    fn of(fleet: &'a Fleet, global: &Global) -> Self {
        Valid {
            schema: SCHEMA,
            command: "inventory validate",
            exit_code: Exit::Ok.code(),
            file: global.inventory.display().to_string(),
            hosts: fleet.hosts.len(),
            groups: fleet.groups.len(),
            warnings: &fleet.warnings,
            mistakes: [],
        }
    }
}

fn show(hosts: &[HostSpec], format: Format) -> String {
    let by_name: BTreeMap<&str, &HostSpec> = hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    match format {
        Format::Json => document(&by_name),
        Format::Human => serde_yaml::to_string(&by_name).unwrap_or_else(|_| document(&by_name)),
    }
}
