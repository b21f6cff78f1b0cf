//! `inventory`: what the file says; contacts no host.

use std::collections::BTreeMap;

use anyhow::Result;

use super::{Format, Global};
use crate::assets::Assets;
use crate::exit::Exit;
use crate::inventory::HostSpec;
use crate::inventory::topology;
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
            let hosts = count(fleet.hosts.len(), "host");
            let groups = count(fleet.groups.len(), "group");
            console::print(&format!("{}: {hosts} in {groups}, no mistake\n", global.inventory.display()))?;
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
            console::print(&if *dot { topology::dot(&fleet) } else { topology::tree(&fleet) })?;
        }
    }
    Ok(Exit::Ok)
}

fn show(hosts: &[HostSpec], format: Format) -> String {
    let by_name: BTreeMap<&str, &HostSpec> = hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    match format {
        Format::Json => document(&by_name),
        Format::Human => serde_yaml::to_string(&by_name).unwrap_or_else(|_| document(&by_name)),
    }
}
