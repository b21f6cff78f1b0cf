//! The playbooks of the hosts, looked at before a host is contacted: each of them compiles, and asks for
//! nothing that is not there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow};
use minijinja::Value;

use super::template::{Compiled, Engine, Render as _};
use super::{Kind, Playbook, StepFile, context};
use crate::assets::Assets;
use crate::exit::Hint;
use crate::facts::{Firewall, assumed};
use crate::inventory::HostSpec;
use crate::inventory::spec::{FirewallChoice, ProviderChoice};
use crate::provider::w32time::{self, W32Time};
use crate::provider::{self, LinuxProvider, Provider as _};

/// A playbook and the hosts that it may be for.
type Users<'a> = BTreeMap<(&'a str, bool), Vec<&'a HostSpec>>;

/// Reads the playbooks of the program and those of the hosts, and fills them in as far as that is possible
/// without a host.
///
/// # Errors
/// One is not there, does not compile, or asks for what nobody defines.
pub fn check(assets: &Assets, hosts: &[HostSpec]) -> Result<()> {
    for provider in provider::every() {
        Playbook::load(assets, provider.playbook())?;
    }
    let mut users: Users<'_> = BTreeMap::new();
    for host in hosts {
        for name in names(host) {
            users.entry((name, host.is_windows())).or_default().push(host);
        }
    }
    for ((name, _), hosts) in &users {
        let playbook = Playbook::load(assets, name).with_context(|| whose(hosts))?;
        if playbook.is_of_the_user(assets)? {
            fits(&playbook, assets, hosts)
                .with_context(|| format!("playbook `{name}` ({})", playbook.origin))
                .hint("what there is: `fleetclock inventory show HOST` (vars), `fleetclock facts --format json` (facts), docs/inventory.md")?;
        }
    }
    Ok(())
}

/// The playbooks that a host may get; which of those of the program it is, is known only when it has been asked.
fn names(host: &HostSpec) -> Vec<&str> {
    let fits =
        |one: &&&dyn LinuxProvider| matches!(host.provider, ProviderChoice::Auto) || one.choice() == host.provider;
    match &host.playbook {
        Some(name) => vec![name],
        None if host.is_windows() => vec![W32Time.playbook()],
        None => provider::ALL.iter().filter(fits).map(|one| one.playbook()).collect(),
    }
}

fn whose(hosts: &[&HostSpec]) -> String {
    let first = hosts.first().map_or("", |host| host.name.as_str());
    match hosts.len() {
        1 => format!("the playbook of host `{first}`"),
        more => format!("the playbook of host `{first}` and {} more", more - 1),
    }
}

/// A step of a playbook with what was read for it once, for all hosts.
struct Read<'a> {
    step: &'a StepFile,
    /// The values that it and its template ask for.
    used: BTreeSet<String>,
    template: Option<String>,
}

impl<'a> Read<'a> {
    fn of(step: &'a StepFile, assets: &Assets) -> Result<Self> {
        let template = step.template().map(|name| assets.read(&format!("templates/{name}"))).transpose()?;
        Ok(Read { step, used: step.used(&Engine, assets)?, template: template.map(|asset| asset.text) })
    }
}

/// Whether everything that a playbook asks for is there, for each of its hosts.
fn fits(playbook: &Playbook, assets: &Assets, hosts: &[&HostSpec]) -> Result<()> {
    let Some(first) = hosts.first() else { return Ok(()) };
    let known = sample(first, &playbook.name);
    let mut steps = Vec::new();
    for step in &playbook.steps {
        let in_step = || format!("step `{}`", step.name);
        let read = Read::of(step, assets).with_context(in_step)?;
        read.used.iter().try_for_each(|name| is_known(name, &known)).with_context(in_step)?;
        steps.push(read);
    }
    let engine = Compiled::default();
    for host in hosts {
        let context = sample(host, &playbook.name);
        for read in &steps {
            fill(read, &engine, host, &context).with_context(|| format!("host `{}`", host.name))?;
        }
    }
    Ok(())
}

/// What a playbook of the host would see, with facts that are assumed.
fn sample(host: &HostSpec, playbook: &str) -> Value {
    if host.is_windows() {
        let firewall = if host.firewall == FirewallChoice::None { Firewall::None } else { Firewall::Windows };
        return context::shown(host, &assumed::windows(), &w32time::layout(host), firewall);
    }
    let facts = assumed::linux("debian");
    let its = |one: &&&dyn LinuxProvider| one.choice() == host.provider;
    let of_playbook = |one: &&&dyn LinuxProvider| one.playbook() == playbook;
    let provider = provider::ALL.iter().find(its).or_else(|| provider::ALL.iter().find(of_playbook));
    let layout = provider.or_else(|| provider::ALL.first()).map(|one| one.layout(&facts)).unwrap_or_default();
    context::shown(host, &facts, &layout, Firewall::None)
}

/// Whether there is such a value; those of `vars`, and what is inside of a value, belong to each host.
fn is_known(name: &str, known: &Value) -> Result<()> {
    let mut parts = name.split('.');
    let (Some(first), second) = (parts.next(), parts.next()) else { return Ok(()) };
    let there = |value: &Value, key: &str| value.get_attr(key).is_ok_and(|value| !value.is_undefined());
    if !there(known, first) {
        return Err(anyhow!("there is no `{first}`; the values come from host, facts, layout, ntp and vars"));
    }
    let Some(second) = second.filter(|_| first != "vars") else { return Ok(()) };
    let inside = known.get_attr(first)?;
    if there(&inside, second) {
        return Ok(());
    }
    let keys: Vec<String> = inside.try_iter()?.map(|key| key.to_string()).collect();
    Err(anyhow!("there is no `{first}.{second}`; {first} has {}", keys.join(", ")))
}

/// Fills in a step for one host. What hangs on facts is left until they are read.
fn fill(read: &Read<'_>, engine: &Compiled, host: &HostSpec, context: &Value) -> Result<()> {
    let Read { step, used, template } = read;
    let in_step = || format!("step `{}`", step.name);
    if used.iter().any(|name| name.starts_with("facts.")) {
        return Ok(());
    }
    if let Some(condition) = &step.when
        && !Engine.holds(condition, context).with_context(in_step)?
    {
        return Ok(());
    }
    let filled = step.resolve(engine, context).and_then(|kind| match (kind, template) {
        (Kind::File { template: name, .. }, Some(text)) => {
            engine.render(&name, text, context).map(drop).with_context(in_step)
        }
        _ => Ok(()),
    });
    let missing: BTreeSet<&str> = used
        .iter()
        .filter_map(|name| name.strip_prefix("vars.")?.split('.').next())
        .filter(|name| !host.vars.contains_key(*name))
        .collect();
    match filled {
        Err(error) if !missing.is_empty() => {
            let missing: Vec<String> = missing.into_iter().map(|name| format!("`vars: {{ {name}: ... }}`")).collect();
            Err(error.context(format!("the inventory has no {} for it", missing.join(", "))))
        }
        filled => filled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "hosts: { s: { address: 10.0.0.2, role: slave, upstream: [10.0.0.9], playbook: own, vars: { site: a } } }";

    fn checked(playbook: &str, template: &str, inventory: &str) -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("playbooks/own.yml", playbook), ("templates/own.j2", template)] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let fleet = crate::inventory::parse("t.yml".as_ref(), inventory).unwrap();
        check(&Assets::new(Some(dir.path().to_owned())).unwrap(), &fleet.hosts)
    }

    const FILE: &str = "- name: Write\n  file: { path: /etc/own, template: own.j2 }\n";

    #[test]
    fn what_a_playbook_of_the_user_asks_for_is_known_before_a_host_is_contacted() {
        for fine in [
            "{{ vars.site }} {{ host.name }} {% for s in ntp.sources %}{{ s.address }}{{ loop.index }}{% endfor %}",
            "{% if vars.other is defined %}{{ vars.other }}{% endif %}{% if ntp.isolated %}{{ vars.more }}{% endif %}",
            "{{ facts.packages.chrony }} {{ vars.site }} {% for n in range(3) %}{{ n }}{% endfor %}",
        ] {
            checked(FILE, fine, TEXT).unwrap_or_else(|error| panic!("{fine}: {error:#}"));
        }
        for (template, why) in [
            ("{{ vars.stie }}", "the inventory has no `vars: { stie: ... }`"),
            ("{{ hots.name }}", "there is no `hots`"),
            ("{{ host.nmae }}", "there is no `host.nmae`; host has"),
            ("{{ facts.os_nmae }}", "there is no `facts.os_nmae`"),
            ("{{ layout.nothing }}", "there is no `layout.nothing`"),
            ("{% if %}", "syntax error"),
        ] {
            let error = format!("{:#}", checked(FILE, template, TEXT).unwrap_err());
            assert!(error.contains(why) && error.contains("own"), "{template}: {error}");
        }
        for (playbook, why) in [
            ("- name: Run\n  command: { check: 'true', run: '{{ vars.nothing }}' }\n", "no `vars: { nothing"),
            ("- name: Run\n  when: vars.nothing\n  command: { check: 'true', run: 'true' }\n", "undefined value"),
            ("- name: Run\n  command: { check: 'true' }\n", "run"),
            (
                "- name: Write\n  file: { path: /etc/own, template: own.j2, mode: rw }\n",
                "mode: `rw` is no mode; write \"0644\"",
            ),
        ] {
            let error = format!("{:#}", checked(playbook, "", TEXT).unwrap_err());
            assert!(error.contains(why) && error.contains("own.yml"), "{playbook}: {error}");
        }
        let error = format!("{:#}", checked(FILE, "", &TEXT.replace("own,", "other,")).unwrap_err());
        assert!(error.contains("the playbook of host `s`") && error.contains("playbooks/other.yml"), "{error}");
    }

    /// The error of an inventory whose hosts leave the time service open, with one file of the program edited.
    fn edited(name: &str, text: &str, host: &str) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        let fleet = crate::inventory::parse("t.yml".as_ref(), &format!("hosts: {{ s: {{ {host} }} }}")).unwrap();
        let checked = check(&Assets::new(Some(dir.path().to_owned())).unwrap(), &fleet.hosts);
        checked.err().map(|error| format!("{error:#}"))
    }

    #[test]
    fn edited_files_of_the_program_are_checked_for_every_host_that_may_get_them() {
        let linux = "address: 10.0.0.2, role: slave, upstream: [10.0.0.9], vars: { site: a }";
        let windows = "address: 10.0.0.2, role: slave, upstream: [10.0.0.9], winrm: { user: a, password: ask }";
        for (name, host) in [
            ("templates/chrony.conf.j2", linux.to_owned()),
            ("templates/ntp.conf.j2", linux.to_owned()),
            ("templates/ntp.conf.j2", format!("{linux}, provider: ntpd")),
        ] {
            assert_eq!(edited(name, "{{ vars.site }} {{ layout.config }}", &host), None, "{name} {host}");
            let said = edited(name, "{{ vars.stie }}", &host).unwrap();
            assert!(said.contains("the inventory has no `vars: { stie: ... }`"), "{said}");
        }
        // Of a service that no host may have, nothing is asked.
        assert_eq!(edited("templates/ntp.conf.j2", "{{ vars.stie }}", &format!("{linux}, provider: chrony")), None);
        let playbook = "- name: Set\n  registry: { key: 'HKLM\\X', values: { A: { sz: '{{ vars.stie }}' } } }\n";
        let said = edited(&format!("playbooks/{}", W32Time.playbook()), playbook, windows).unwrap();
        assert!(said.contains("the inventory has no `vars: { stie: ... }`"), "{said}");
    }
}
