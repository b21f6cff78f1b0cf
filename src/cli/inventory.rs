//! `inventory`: what the file says; contacts no host.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::Serialize;

use super::reports::Reports;
use super::{Format, Global};
use crate::assets::Assets;
use crate::exit::Exit;
use crate::inventory::manual::{self, KeyWords};
use crate::inventory::topology;
use crate::inventory::{Fleet, HostSpec};
use crate::lang::say;
use crate::model::{MistakeReport, SCHEMA};
use crate::report::console;
use crate::report::formats::Mistaken;
use crate::report::json::document;
use crate::text::number::count;

/// What to do with the inventory.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Find every mistake, also those of playbooks and templates
    Validate(Reports),
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
    /// Say what each key means, of which type it is and what counts without it
    Keys {
        /// Only this key and those in it: `limits`, `ssh.key`, `minpoll`
        #[arg(add = crate::cli::suggest::key())]
        key: Option<String>,
    },
    /// Print the JSON Schema of an inventory, with which editors complete its keys
    Schema,
}

/// Runs the verb.
pub(super) fn run(verb: &Verb, global: &Global) -> Result<Exit> {
    match verb {
        Verb::Validate(reports) => {
            reports.take_mistakes()?;
            let fleet = global.fleet()?;
            crate::playbook::check::check(&Assets::new(global.assets.clone())?, &fleet.hosts)?;
            let said = match global.format {
                Format::Json => document(&Valid::of(&fleet, global)),
                Format::Human => {
                    let (hosts, groups) = (count(fleet.hosts.len(), "host"), count(fleet.groups.len(), "group"));
                    say(&format!("{}: {hosts} in {groups}, no mistake\n", global.inventory.display())).into_owned()
                }
            };
            match reports.take_standard_output() {
                true => console::error_line(said.trim_end()),
                false => console::print(&said)?,
            }
            let lost = reports.clone().write_mistakes(&Mistaken::nothing(VALIDATE), global.format);
            lost.iter().for_each(console::error);
            return Ok(if lost.is_empty() { Exit::Ok } else { Exit::Failed });
        }
        Verb::Show { host } => {
            let only = host
                .as_ref()
                .map_or(Ok(global.clone()), |host| global.whole().with_hosts(std::slice::from_ref(host)))?;
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
        Verb::Keys { key } => console::print(&keys(key.as_deref(), global.format)?)?,
        Verb::Schema => console::print(&(crate::inventory::schema() + "\n"))?,
    }
    Ok(Exit::Ok)
}

/// The verb in reports.
const VALIDATE: &str = "inventory validate";

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
            command: VALIDATE,
            exit_code: Exit::Ok.code(),
            file: global.inventory.display().to_string(),
            hosts: fleet.hosts.len(),
            groups: fleet.groups.len(),
            warnings: &fleet.warnings,
            mistakes: [],
        }
    }
}

/// The reference of one key and those in it, or of all.
fn keys(of: Option<&str>, format: Format) -> Result<String> {
    let mut all = manual::keys();
    if let Some(of) = of {
        let whole = |key: &str| key == of || key.strip_prefix(of).is_some_and(|rest| rest.starts_with('.'));
        // `minpoll` is `source.minpoll`.
        let last = |key: &str| key.rsplit_once('.').is_some_and(|(_, last)| last == of);
        let is_whole = all.iter().any(|words| whole(&words.key));
        all.retain(|words| if is_whole { whole(&words.key) } else { last(&words.key) });
        if all.is_empty() {
            bail!("no key `{of}`; `fleetclock inventory keys` lists all");
        }
    }
    let words = |KeyWords { key, kind, default, merge, meaning, .. }: &KeyWords| {
        format!("{key}: {kind}\n    {meaning}\n    default: {default}; merge: {merge}\n")
    };
    Ok(match format {
        Format::Json => document(&all),
        Format::Human => all.iter().map(words).collect(),
    })
}

fn show(hosts: &[HostSpec], format: Format) -> String {
    let by_name: BTreeMap<&str, &HostSpec> = hosts.iter().map(|host| (host.name.as_str(), host)).collect();
    match format {
        Format::Json => document(&by_name),
        Format::Human => serde_yaml::to_string(&by_name).unwrap_or_else(|_| document(&by_name)),
    }
}
