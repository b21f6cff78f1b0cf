//! `render`: a host's files as they shall be, without asking the host.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};

use super::Global;
use crate::assets::Assets;
use crate::exit::{Exit, Hint};
use crate::facts::{Facts, Family, Firewall, PackageManager};
use crate::inventory::spec::ProviderChoice;
use crate::playbook::template::Engine;
use crate::playbook::{Kind, Playbook, context};
use crate::provider;
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
    let fleet = global.fleet()?;
    let spec = crate::inventory::select::select(&fleet, &args.host)?
        .into_iter()
        .next()
        .ok_or_else(|| anyhow!("no host `{}`", args.host).hint("`fleetclock inventory show` lists the hosts"))?;
    let assets = Assets::new(global.assets.clone())?;
    let facts = assumed(&args.family);
    let choice = match (spec.provider, args.provider.as_str()) {
        (ProviderChoice::Auto, "ntpd") => ProviderChoice::Ntpd,
        (ProviderChoice::Auto, _) => ProviderChoice::Chrony,
        (declared, _) => declared,
    };
    let provider = provider::choose(choice, &facts)?;
    let playbook = Playbook::load(&assets, provider.playbook())?;
    let context = context::context(&spec, &facts, &provider.layout(&facts), Firewall::None);
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

fn wanted(args: &Args, template: Option<&str>) -> bool {
    template.is_some_and(|template| args.template.as_deref().is_none_or(|only| only == template))
}

/// The facts of a host that was not asked.
fn assumed(family: &str) -> Facts {
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
        units: BTreeMap::new(),
        firewall: Firewall::None,
        clock_offset_s: 0.0,
    }
}
