//! `render`: a host's files as they shall be, or what a Windows host shall have in their place,
//! without asking the host.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use minijinja::Value;
use serde::Serialize;

use super::{Format, Global};
use crate::assets::Assets;
use crate::exit::{Exit, Hint};
use crate::facts::assumed;
use crate::facts::services::{self, Service, System};
use crate::facts::windows_others::RIVALS;
use crate::firewall::Word;
use crate::inventory::HostSpec;
use crate::inventory::spec::{FirewallChoice, ProviderChoice};
use crate::playbook::template::Engine;
use crate::playbook::{Kind, Playbook, StepFile, context};
use crate::provider::w32time::{self, W32Time};
use crate::provider::{self, Provider};
use crate::report::{console, json};

/// Options of `render`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The host
    #[arg(add = super::suggest::pattern())]
    host: String,
    /// Only the file of this template, as `chrony.conf.j2`
    #[arg(add = super::suggest::template())]
    template: Option<String>,
    /// The time service, where the inventory leaves it to the host
    #[arg(long, value_parser = provider_names(), default_value = services::ALL[0].name)]
    provider: String,
    /// The family of the system, for paths and names
    #[arg(long, value_parser = ["debian", "redhat", "suse"], default_value = "debian")]
    family: String,
}

/// The time services that have files.
fn provider_names() -> clap::builder::PossibleValuesParser {
    services::of(System::Linux).map(|service| service.name).collect::<Vec<_>>().into()
}

/// Prints every file of the host's playbook.
pub(super) fn run(args: &Args, global: &Global) -> Result<Exit> {
    let only = global.whole().with_hosts(std::slice::from_ref(&args.host))?;
    let spec = one(only.hosts()?, &args.host)?;
    let assets = Assets::new(global.assets.clone())?;
    if spec.is_windows() {
        return match &args.template {
            Some(template) => Err(anyhow!("`{}` gets no file from `{template}`: Windows has no such file", spec.name)
                .hint("without the template, `fleetclock render HOST` prints its registry, service and firewall rule")),
            None => show(&windows(&spec, &assets)?, global).map(|()| Exit::Ok),
        };
    }
    let facts = assumed::linux(&args.family);
    let told = Service::named(&args.provider).map(ProviderChoice::Named);
    let choice = if spec.provider == ProviderChoice::Auto { told.unwrap_or(spec.provider) } else { spec.provider };
    let provider = provider::choose(choice, &facts)?;
    let playbook = Playbook::load(&assets, spec.playbook_or(provider.playbook()))?;
    let context = context::shown(&spec, &facts, &provider.layout(&facts), Word::NONE);
    let mut files = Vec::new();
    for step in playbook.steps.iter().filter(|step| wanted(args, step.template())) {
        if !takes_place(step, &context)? {
            continue;
        }
        if let Kind::File { path, template, .. } = step.resolve(&Engine, &context)? {
            let asset = assets.read(&format!("templates/{template}"))?;
            let text = Engine.render(&template, &asset.text, &context).context("render")?;
            let file = Shown::File { path, template, origin: asset.origin.to_string(), text };
            files.push(Part { when: on_facts(step).map(str::to_owned), shown: file });
        }
    }
    match &args.template {
        Some(template) if files.is_empty() => Err(anyhow!("`{}` gets no file from `{template}`", spec.name)
            .hint("without the template, `fleetclock render HOST` prints every file of the host")),
        _ => show(&files, global).map(|()| Exit::Ok),
    }
}

/// What a host shall have, and the condition of it that hangs on what only the host knows.
#[derive(Serialize)]
struct Part {
    when: Option<String>,
    #[serde(flatten)]
    shown: Shown,
}

/// One thing that a host shall have.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Shown {
    File { path: String, template: String, origin: String, text: String },
    Registry { key: String, values: BTreeMap<String, String> },
    Others { keep: String, services: Vec<String> },
    Service { name: String, running: bool, enabled: bool, triggers: Option<bool> },
    Firewall { port: String, from: Vec<String> },
    Command { run: String, unless: String, undo: Option<String> },
}

fn show(parts: &[Part], global: &Global) -> Result<()> {
    if global.format == Format::Json {
        return console::print(&json::document(&parts));
    }
    for part in parts {
        if let Shown::File { path, template, origin, .. } = &part.shown {
            let only = part.when.as_ref().map_or(String::new(), |when| format!(", where {when}"));
            console::error_line(&format!("{path} (from {template}, {origin}{only}):"));
        }
        console::print(&part.text())?;
    }
    Ok(())
}

/// The only host that a pattern fits: of several, one could not tell whose file is whose.
fn one(hosts: Vec<HostSpec>, pattern: &str) -> Result<HostSpec> {
    match <[HostSpec; 1]>::try_from(hosts) {
        Ok([spec]) => Ok(spec),
        Err(hosts) => Err(anyhow!("`{pattern}` is {} hosts, and `render` prints those of one", hosts.len())
            .hint("`fleetclock inventory show` lists the hosts")),
    }
}

/// Whether a step is for this host, as far as that is known without asking it.
fn takes_place(step: &StepFile, context: &Value) -> Result<bool> {
    let holds = step.when.as_deref().map_or(Ok(true), |when| Engine.holds(when, context));
    holds.with_context(|| format!("step `{}`: when", step.name))
}

/// The condition of a step, if it hangs on what only the host knows.
fn on_facts(step: &StepFile) -> Option<&str> {
    step.when.as_deref().filter(|when| when.contains("facts."))
}

/// What a Windows host shall have in its registry, its services and its firewall.
fn windows(spec: &HostSpec, assets: &Assets) -> Result<Vec<Part>> {
    let facts = assumed::windows();
    let firewall = if spec.firewall == FirewallChoice::None { Word::NONE } else { Word::WINDOWS };
    let context = context::shown(spec, &facts, &w32time::layout(spec), firewall);
    let playbook = Playbook::load(assets, spec.playbook_or(W32Time.playbook()))?;
    let mut parts = Vec::new();
    for step in &playbook.steps {
        if takes_place(step, &context)? {
            let shown = shown(step.resolve(&Engine, &context)?);
            parts.extend(shown.map(|shown| Part { when: on_facts(step).map(str::to_owned), shown }));
        }
    }
    Ok(parts)
}

fn shown(kind: Kind) -> Option<Shown> {
    Some(match kind {
        Kind::Registry { key, values } => {
            let values = values.into_iter().map(|(name, value)| (name, value.to_string())).collect();
            Shown::Registry { key, values }
        }
        Kind::Service { name, running, enabled, triggers } => Shown::Service { name, running, enabled, triggers },
        Kind::Firewall { port, from } => {
            Shown::Firewall { port: port.to_string(), from: from.split_whitespace().map(str::to_owned).collect() }
        }
        Kind::Command { check, run, undo } => Shown::Command { run, unless: check, undo },
        Kind::Competing { keep } => {
            let rivals = RIVALS.iter().map(|rival| rival.service).filter(|name| !name.eq_ignore_ascii_case(&keep));
            let services = rivals.map(str::to_owned).collect();
            Shown::Others { keep, services }
        }
        Kind::Package { .. } | Kind::File { .. } => return None,
    })
}

impl Part {
    /// The same for people.
    fn text(&self) -> String {
        let text = self.shown.text();
        match &self.when {
            Some(when) if !matches!(self.shown, Shown::File { .. }) => format!("# where {when}\n{text}"),
            _ => text,
        }
    }
}

impl Shown {
    fn text(&self) -> String {
        match self {
            Shown::File { text, .. } => text.clone(),
            Shown::Registry { key, values } => {
                let lines: String = values.iter().map(|(name, value)| format!("    {name} = {value}\n")).collect();
                format!("registry {key}\n{lines}")
            }
            Shown::Service { name, running, enabled, triggers } => {
                let running = if *running { "yes" } else { "no" };
                let start = if *enabled { "automatic" } else { "on demand" };
                let triggers = if *triggers == Some(false) { "    triggers = none, outside a domain\n" } else { "" };
                format!("service {name}\n    running = {running}\n    start = {start}\n{triggers}")
            }
            Shown::Firewall { port, from } => {
                let from = if from.is_empty() { "everybody".to_owned() } else { from.join(" ") };
                format!("firewall {port}\n    inbound = open for {from}\n")
            }
            Shown::Command { run, unless, undo } => {
                let undo = undo.as_deref().map_or(String::new(), |undo| format!("    undo = {undo}\n"));
                format!("command {run}\n    unless = {unless}\n{undo}")
            }
            Shown::Others { keep, services } => {
                let names = services.join(", ");
                format!("other time services than {keep}: {names}\n    running = no\n    start = on demand\n")
            }
        }
    }
}

fn wanted(args: &Args, template: Option<&str>) -> bool {
    template.is_some_and(|template| args.template.as_deref().is_none_or(|only| only == template))
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
        let parts = |name: &str| windows(fleet.hosts.iter().find(|host| host.name == name).unwrap(), &assets).unwrap();
        let text = |name: &str| parts(name).iter().map(Part::text).collect::<String>();
        let (master, slave) = (text("dmz1"), text("win1"));
        for part in [
            "Services\\W32Time\\Parameters\n    NtpServer = \n    Type = NoSync\n",
            "    AnnounceFlags = 5\n",
            "service w32time\n    running = yes\n    start = automatic\n    triggers = none, outside a domain\n",
            "firewall 123/udp\n    inbound = open for 10.10.10.0/24\n",
            "# where facts.others\nother time services than w32time: NTP, NetTimeSvc, Dimension4\n    running = no\n    start = on demand\n",
        ] {
            assert!(master.contains(part), "{part}: {master}");
        }
        assert!(slave.contains("NtpServer = 10.10.10.1,0x8\n") && !slave.contains("firewall"), "{slave}");
    }

    #[test]
    fn one_host_is_rendered_and_of_its_steps_those_that_take_place() {
        let fleet = inventory::parse(std::path::Path::new("fleet.yml"), TEXT).unwrap();
        let error = one(fleet.hosts.clone(), "*").unwrap_err().to_string();
        assert_eq!(error, "`*` is 2 hosts, and `render` prints those of one");
        assert_eq!(one(fleet.hosts[..1].to_vec(), "dmz1").unwrap().name, "dmz1");
        let step = |when: &str| -> StepFile {
            serde_yaml::from_str(&format!("name: x\nwhen: {when}\npackage: {{ name: y }}\n")).unwrap()
        };
        let context = context::shown(&fleet.hosts[0], &assumed::linux("redhat"), &(), Word::NONE);
        let takes = |when: &str| takes_place(&step(when), &context).unwrap();
        assert!(takes("host.role == 'master'") && !takes("host.role == 'slave'"));
        assert!(takes("facts.family == 'redhat'") && !takes("facts.family == 'debian'"));
        assert!(takes_place(&step("vars.nothing"), &context).is_err());
        assert_eq!(on_facts(&step("facts.systemd")), Some("facts.systemd"));
        assert_eq!(on_facts(&step("host.role == 'master'")), None);
    }
}
