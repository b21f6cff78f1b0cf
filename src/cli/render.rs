//! `render`: a host's files as they shall be, or what a Windows host shall have in their place,
//! without asking the host.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};

use super::Global;
use crate::assets::Assets;
use crate::exit::{Exit, Hint};
use crate::facts::windows::WindowsFacts;
use crate::facts::{Facts, Family, Firewall, PackageManager};
use crate::inventory::HostSpec;
use crate::inventory::spec::{FirewallChoice, ProviderChoice};
use crate::playbook::template::Engine;
use crate::playbook::{Kind, Playbook, context};
use crate::provider::w32time::{self, W32Time};
use crate::provider::{self, Provider};
use crate::report::console;

/// Options of `render`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The host
    host: String,
    /// Only the file of this template, as `chrony.conf.j2`
    template: Option<String>,
    /// The time service, where the inventory leaves it to the host
    #[arg(long, value_parser = ["chrony", "ntpd"], default_value = "chrony")]
    provider: String,
    /// The family of the system, for paths and names
    #[arg(long, value_parser = ["debian", "redhat", "suse"], default_value = "debian")]
    family: String,
}

/// Prints every file of the host's playbook.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let only = Global { limit: None, ..global.clone() }.with_hosts(std::slice::from_ref(&args.host))?;
    let spec = only
        .hosts()?
        .into_iter()
        .next()
        .ok_or_else(|| anyhow!("no host `{}`", args.host).hint("`fleetclock inventory show` lists the hosts"))?;
    let assets = Assets::new(global.assets.clone())?;
    if spec.is_windows() {
        return match &args.template {
            Some(template) => Err(anyhow!("`{}` gets no file from `{template}`: Windows has no such file", spec.name)
                .hint("without the template, `fleetclock render HOST` prints its registry, service and firewall rule")),
            None => console::print(&windows(&spec, &assets)?).map(|()| Exit::Ok),
        };
    }
    let facts = assumed(&args.family);
    let choice = match (spec.provider, args.provider.as_str()) {
        (ProviderChoice::Auto, "ntpd") => ProviderChoice::Ntpd,
        (ProviderChoice::Auto, _) => ProviderChoice::Chrony,
        (declared, _) => declared,
    };
    let provider = provider::choose(choice, &facts)?;
    let playbook = Playbook::load(&assets, spec.playbook_or(provider.playbook()))?;
    let context = context::shown(&spec, &facts, &provider.layout(&facts), Firewall::None);
    let mut files = 0;
    for step in playbook.steps.iter().filter(|step| wanted(args, step.template())) {
        if let Kind::File { path, template, .. } = step.resolve(&Engine, &context)? {
            let asset = assets.read(&format!("templates/{template}"))?;
            let text = Engine.render(&template, &asset.text, &context).context("render")?;
            console::error_line(&format!("{path} (from {template}, {}):", asset.origin));
            console::print(&text)?;
            files += 1;
        }
    }
    match &args.template {
        Some(template) if files == 0 => Err(anyhow!("`{}` gets no file from `{template}`", spec.name)
            .hint("without the template, `fleetclock render HOST` prints every file of the host")),
        _ => Ok(Exit::Ok),
    }
}

/// What a Windows host shall have in its registry, its services and its firewall.
fn windows(spec: &HostSpec, assets: &Assets) -> Result<String> {
    let facts = assumed_windows();
    let firewall = if spec.firewall == FirewallChoice::None { Firewall::None } else { Firewall::Windows };
    let context = context::shown(spec, &facts, &w32time::layout(spec), firewall);
    let playbook = Playbook::load(assets, spec.playbook_or(W32Time.playbook()))?;
    let mut text = String::new();
    for step in &playbook.steps {
        let holds = step.when.as_deref().map_or(Ok(true), |when| Engine.holds(when, &context));
        if !holds.with_context(|| format!("step `{}`: when", step.name))? {
            continue;
        }
        if let Some(when) = step.when.as_deref().filter(|when| when.contains("facts.")) {
            text.push_str(&format!("# where {when}\n"));
        }
        text.push_str(&shown(&step.resolve(&Engine, &context)?));
    }
    Ok(text)
}

fn shown(kind: &Kind) -> String {
    let yes_no = |value: bool| if value { "yes" } else { "no" };
    match kind {
        Kind::Registry { key, values } => {
            let lines: String = values.iter().map(|(name, value)| format!("    {name} = {value}\n")).collect();
            format!("registry {key}\n{lines}")
        }
        Kind::Service { name, running, enabled, triggers } => {
            let start = if *enabled { "automatic" } else { "on demand" };
            let triggers = if *triggers == Some(false) { "    triggers = none, outside a domain\n" } else { "" };
            format!("service {name}\n    running = {}\n    start = {start}\n{triggers}", yes_no(*running))
        }
        Kind::Firewall { port, from } => {
            let from = if from.trim().is_empty() { "everybody" } else { from };
            format!("firewall {port}\n    inbound = open for {from}\n")
        }
        Kind::Command { check, run, undo } => {
            let undo = undo.as_deref().map_or(String::new(), |undo| format!("    undo = {undo}\n"));
            format!("command {run}\n    unless = {check}\n{undo}")
        }
        Kind::Package { .. } | Kind::File { .. } | Kind::Competing { .. } => String::new(),
    }
}

/// A server of a workgroup, the firewall on, in a virtual machine.
pub(super) fn assumed_windows() -> WindowsFacts {
    let nothing = crate::facts::windows::parse(&BTreeMap::new());
    WindowsFacts { firewall: true, running: true, trigger_start: true, hypervisor_time: true, ..nothing }
}

fn wanted(args: &Args, template: Option<&str>) -> bool {
    template.is_some_and(|template| args.template.as_deref().is_none_or(|only| only == template))
}

/// The facts of a host that was not asked.
pub(super) fn assumed(family: &str) -> Facts {
    let (family, package_manager) = match family {
        "redhat" => (Family::RedHat, PackageManager::Dnf),
        "suse" => (Family::Suse, PackageManager::Zypper),
        _ => (Family::Debian, PackageManager::Apt),
    };
    Facts {
        os_id: String::new(),
        os_version: String::new(),
        os_name: String::new(),
        family,
        package_manager,
        systemd: true,
        arch: std::env::consts::ARCH.to_owned(),
        hostname: String::new(),
        platform: String::new(),
        uid: 0,
        packages: BTreeMap::new(),
        versions: BTreeMap::new(),
        lacks: Vec::new(),
        units: BTreeMap::new(),
        owed: Vec::new(),
        firewall: Firewall::None,
        addresses: Vec::new(),
        clock_offset_s: 0.0,
        clock_uncertainty_s: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory;

    const TEXT: &str = "
groups:
  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { dmz1: 10.10.10.1 }, winrm: { user: a, password: { env: P } } }
  windows: { role: slave, follows: [masters], hosts: { win1: 10.10.10.2 }, winrm: { user: a, password: { env: P } } }
";

    #[test]
    fn a_windows_host_is_shown_by_registry_service_and_firewall() {
        let fleet = inventory::parse(std::path::Path::new("fleet.yml"), TEXT).unwrap();
        let assets = Assets::new(None).unwrap();
        let text = |name: &str| windows(fleet.hosts.iter().find(|host| host.name == name).unwrap(), &assets).unwrap();
        let (master, slave) = (text("dmz1"), text("win1"));
        for part in [
            "Services\\W32Time\\Parameters\n    NtpServer = \n    Type = NoSync\n",
            "    AnnounceFlags = 5\n",
            "service w32time\n    running = yes\n    start = automatic\n    triggers = none, outside a domain\n",
            "firewall 123/udp\n    inbound = open for 10.10.10.0/24\n",
        ] {
            assert!(master.contains(part), "{part}: {master}");
        }
        assert!(slave.contains("NtpServer = 10.10.10.1,0x8\n") && !slave.contains("firewall"), "{slave}");
    }
}
