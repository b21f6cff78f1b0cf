//! The playbooks of the hosts, looked at before a host is contacted: each of them compiles, and asks for
//! nothing that is not there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow};
use minijinja::Value;

use super::render::{assumed, assumed_windows};
use crate::assets::Assets;
use crate::exit::Hint;
use crate::facts::Firewall;
use crate::inventory::HostSpec;
use crate::inventory::spec::{FirewallChoice, ProviderChoice};
use crate::playbook::template::Engine;
use crate::playbook::{Kind, Playbook, StepFile, context};
use crate::provider::{self, LinuxProvider, w32time};

/// A playbook and the hosts that it may be for.
type Users<'a> = BTreeMap<(&'a str, bool), Vec<&'a HostSpec>>;

/// Reads the playbooks of the program and those of the hosts, and fills them in as far as that is possible
/// without a host.
///
/// # Errors
/// One is not there, does not compile, or asks for what nobody defines.
pub(super) fn check(assets: &Assets, hosts: &[HostSpec]) -> Result<()> {
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

/// The playbooks that a host may get; which of those of the program is known only when it has been asked.
fn names(host: &HostSpec) -> Vec<&str> {
    match (&host.playbook, host.provider) {
        (Some(name), _) => vec![name],
        (None, _) if host.is_windows() => Vec::new(),
        (None, ProviderChoice::Auto) => Vec::new(),
        (None, choice) => provider::ALL.iter().filter(|one| one.choice() == choice).map(|one| one.playbook()).collect(),
    }
}

fn whose(hosts: &[&HostSpec]) -> String {
    let first = hosts.first().map_or("", |host| host.name.as_str());
    match hosts.len() {
        1 => format!("the playbook of host `{first}`"),
        more => format!("the playbook of host `{first}` and {} more", more - 1),
    }
}

/// Whether everything that a playbook asks for is there, for each of its hosts.
fn fits(playbook: &Playbook, assets: &Assets, hosts: &[&HostSpec]) -> Result<()> {
    let Some(first) = hosts.first() else { return Ok(()) };
    let known = sample(first);
    for step in &playbook.steps {
        let in_step = || format!("step `{}`", step.name);
        for name in step.used(&Engine, assets)? {
            is_known(&name, &known).with_context(in_step)?;
        }
    }
    for host in hosts {
        let context = sample(host);
        for step in &playbook.steps {
            fill(step, assets, host, &context)
                .with_context(|| format!("host `{}`, step `{}`", host.name, step.name))?;
        }
    }
    Ok(())
}

/// What a playbook of the host would see, with facts that are assumed.
fn sample(host: &HostSpec) -> Value {
    if host.is_windows() {
        let firewall = if host.firewall == FirewallChoice::None { Firewall::None } else { Firewall::Windows };
        return context::shown(host, &assumed_windows(), &w32time::layout(host), firewall);
    }
    let facts = assumed("debian");
    let is_it = |one: &&&dyn LinuxProvider| one.choice() == host.provider;
    let provider = provider::ALL.iter().find(is_it).or_else(|| provider::ALL.first());
    let layout = provider.map(|one| one.layout(&facts)).unwrap_or_default();
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
fn fill(step: &StepFile, assets: &Assets, host: &HostSpec, context: &Value) -> Result<()> {
    let used = step.used(&Engine, assets)?;
    if used.iter().any(|name| name.starts_with("facts.")) {
        return Ok(());
    }
    if let Some(condition) = &step.when
        && !Engine.holds(condition, context)?
    {
        return Ok(());
    }
    let filled = step.resolve(&Engine, context).and_then(|kind| match kind {
        Kind::File { template, .. } => {
            Engine.render(&template, &assets.read(&format!("templates/{template}"))?.text, context).map(drop)
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
        ] {
            let error = format!("{:#}", checked(playbook, "", TEXT).unwrap_err());
            assert!(error.contains(why) && error.contains("own.yml"), "{playbook}: {error}");
        }
        let error = format!("{:#}", checked(FILE, "", &TEXT.replace("own,", "other,")).unwrap_err());
        assert!(error.contains("the playbook of host `s`") && error.contains("playbooks/other.yml"), "{error}");
    }
}
