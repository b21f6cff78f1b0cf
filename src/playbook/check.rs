//! The playbooks of the hosts, looked at before a host is contacted: each of them compiles, and asks for
//! nothing that is not there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, anyhow};
use minijinja::Value;

use super::sample::samples;
use super::template::{Compiled, Engine, Render as _};
use super::{Playbook, StepFile};
use crate::assets::Assets;
use crate::exit::Hint;
use crate::inventory::HostSpec;
use crate::inventory::spec::Var;
use crate::provider::w32time::W32Time;
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
    let named = host.provider.named();
    let fits = |one: &&&dyn LinuxProvider| named.is_none_or(|named| named.name == one.name());
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

    /// Whether it asks for a value, or for what is inside of it, or for the whole that it is in.
    fn hangs_on(&self, value: &str) -> bool {
        let whole = value.split('.').next().unwrap_or_default();
        let inside = |name: &str| name.strip_prefix(value).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.used.iter().any(|name| name == whole || inside(name))
    }

    /// The names of `vars` that it asks for.
    fn vars(&self) -> impl Iterator<Item = &str> {
        self.used.iter().filter_map(|name| name.strip_prefix("vars.")?.split('.').next())
    }
}

/// Whether everything that a playbook asks for is there, for each of its hosts.
fn fits(playbook: &Playbook, assets: &Assets, hosts: &[&HostSpec]) -> Result<()> {
    let Some(first) = hosts.first() else { return Ok(()) };
    let known = samples(first, &playbook.name, false, false).into_iter().next().unwrap_or_default();
    let mut steps = Vec::new();
    for step in &playbook.steps {
        let in_step = || format!("step `{}`", step.name);
        let read = Read::of(step, assets).with_context(in_step)?;
        read.used.iter().try_for_each(|name| is_known(name, &known)).with_context(in_step)?;
        steps.push(read);
    }
    let fleet = Fleet {
        engine: Compiled::default(),
        playbook: &playbook.name,
        by_system: steps.iter().any(|read| read.hangs_on("facts") || read.hangs_on("layout")),
        by_firewall: steps.iter().any(|read| read.hangs_on("host.firewall")),
        vars: hosts.iter().flat_map(|host| host.vars.keys().map(String::as_str)).collect(),
    };
    for host in hosts {
        let contexts = fleet.samples(host);
        for read in &steps {
            fleet.fill(read, host, &contexts).with_context(|| format!("host `{}`", host.name))?;
        }
    }
    Ok(())
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

/// The hosts of a playbook, as far as its steps are concerned.
struct Fleet<'a> {
    engine: Compiled,
    playbook: &'a str,
    /// Whether its steps may differ between systems, and between firewalls.
    by_system: bool,
    by_firewall: bool,
    /// The names in `vars` of any of them.
    vars: BTreeSet<&'a str>,
}

impl Fleet<'_> {
    fn samples(&self, host: &HostSpec) -> Vec<Value> {
        samples(host, self.playbook, self.by_system, self.by_firewall)
    }

    /// Fills in a step for one host, as each of the systems that it may turn out to be. What fails for some of them
    /// only, or hangs on facts, may be right for the host: it counts where that is certain nevertheless.
    fn fill(&self, read: &Read<'_>, host: &HostSpec, contexts: &[Value]) -> Result<()> {
        let tried = contexts.iter().map(|context| (context, self.attempt(read, host, context)));
        let failed: Vec<_> = tried.filter_map(|(context, tried)| Some((context, tried.err()?))).collect();
        let always = failed.len() == contexts.len() && !read.hangs_on("facts");
        let count = |(context, _): &(&Value, anyhow::Error)| always || self.renders(read, context);
        let certain = failed.into_iter().find(count).map(|(_, error)| error);
        match certain.or_else(|| self.nobodys(read, host)) {
            Some(error) => Err(without_vars(read, host, error)),
            None => Ok(()),
        }
    }

    /// What fails for want of a value that no host of the playbook has, and does not fail with one.
    fn nobodys(&self, read: &Read<'_>, host: &HostSpec) -> Option<anyhow::Error> {
        let unknown: Vec<&str> = read.vars().filter(|name| !self.vars.contains(name)).collect();
        if unknown.is_empty() {
            return None;
        }
        let mut full = host.clone();
        full.vars.extend(unknown.into_iter().map(|name| (name.to_owned(), Var::Whole(1))));
        let pairs = self.samples(host).into_iter().zip(self.samples(&full));
        let mut failed = pairs.filter_map(|(context, full)| Some((self.attempt(read, host, &context).err()?, full)));
        failed.find(|(_, full)| self.renders(read, full)).map(|(error, _)| error)
    }

    fn attempt(&self, read: &Read<'_>, host: &HostSpec, context: &Value) -> Result<()> {
        let in_step = || format!("step `{}`", read.step.name);
        if let Some(condition) = &read.step.when
            && !Engine.holds(condition, context).with_context(in_step)?
        {
            return Ok(());
        }
        let kind = read.step.resolve(&self.engine, context)?;
        kind.fits(host.is_windows()).with_context(in_step)?;
        self.template(read, context).with_context(in_step)
    }

    fn template(&self, read: &Read<'_>, context: &Value) -> Result<()> {
        match (read.step.template(), &read.template) {
            (Some(name), Some(text)) => self.engine.render(name, text, context).map(drop),
            _ => Ok(()),
        }
    }

    /// Whether all values that a step asks for are there: what is wrong with it then is what they say.
    fn renders(&self, read: &Read<'_>, context: &Value) -> bool {
        let holds = read.step.when.as_ref().map_or(Ok(true), |condition| Engine.holds(condition, context));
        let mut texts = read.step.texts().into_iter();
        match holds {
            Err(_) => false,
            Ok(false) => true,
            Ok(true) => {
                texts.all(|text| self.engine.render(text, text, context).is_ok())
                    && self.template(read, context).is_ok()
            }
        }
    }
}

/// Says which names of `vars` are not there, where a step has failed that asks for them.
fn without_vars(read: &Read<'_>, host: &HostSpec, error: anyhow::Error) -> anyhow::Error {
    let missing: BTreeSet<&str> = read.vars().filter(|name| !host.vars.contains_key(*name)).collect();
    let missing: Vec<String> = missing.into_iter().map(|name| format!("`vars: {{ {name}: ... }}`")).collect();
    match missing.is_empty() {
        true => error,
        false => error.context(format!("the inventory has no {} for it", missing.join(", "))),
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

    #[test]
    fn steps_are_read_for_every_system_that_a_host_may_turn_out_to_be() {
        let windows = TEXT.replace("playbook:", "winrm: { user: a, password: ask }, playbook:");
        let two = "hosts: { s: { address: 10.0.0.2, role: slave, upstream: [10.0.0.9], playbook: own, vars: { site: a } },
                   r: { address: 10.0.0.3, role: slave, upstream: [10.0.0.9], playbook: own, vars: { nts: 4460/tcp } } }";
        let open = |when: &str, port: &str, from: &str| {
            let when = if when.is_empty() { String::new() } else { format!("  when: {when}\n") };
            format!("- name: Open\n{when}  firewall: {{ port: '{port}', from: '{from}' }}\n")
        };
        let some = "host.firewall != \"none\"";
        for (playbook, inventory) in [
            (open(some, "4460/tcp", "{{ ntp.serve | join(\" \") }}"), TEXT),
            (open(some, "4460/tcp", "10.0.0.0/8 fd00::/8"), &windows),
            // Only the hosts of one family have the value.
            (open("facts.family == \"redhat\"", "{{ vars.nts }}", "10.0.0.0/8"), two),
            (open("host.firewall == \"firewalld\"", "{{ vars.nts }}", "10.0.0.0/8"), two),
            (open("facts.packages.nothing is defined", "{{ facts.packages.nothing }}", "10.0.0.0/8"), TEXT),
            (open("facts.packages.nothing", "4460/tcp", "10.0.0.0/8"), TEXT),
            // What is for another system, and is said to be.
            ("- name: Set\n  when: host.name == 'w'\n  registry: { key: 'HKLM\\X', values: {} }\n".to_owned(), TEXT),
        ] {
            checked(&playbook, "", inventory).unwrap_or_else(|error| panic!("{playbook}: {error:#}"));
        }
        let command = |more: &str| format!("- name: Run\n  command: {{ check: 'true', run: '{more}' }}\n");
        for (playbook, inventory, why) in [
            (open(some, "4460/tpc", "10.0.0.0/8"), TEXT, "`4460/tpc` is no port"),
            (open(some, "{{ vars.nts_port }}", "10.0.0.0/8"), TEXT, "the inventory has no `vars: { nts_port"),
            (
                open("facts.family == \"redhat\"", "{{ vars.nst }}", "10.0.0.0/8"),
                two,
                "the inventory has no `vars: { nst",
            ),
            (open("facts.family == \"suse\"", "4460", "10.0.0.0/8"), TEXT, "`4460` is no port"),
            (open("host.firewall == \"none\"", "4460/tcp", "10.0.0.0/8 any"), TEXT, "`any` is no network"),
            (open("", "4460/tcp", "any"), &windows, "`any` is no network"),
            (open("", "4460/sctp", "10.0.0.0/8"), &windows, "netsh opens tcp and udp"),
            (command("{{ vars.nothing }} {{ facts.family }}"), TEXT, "the inventory has no `vars: { nothing"),
            (
                FILE.to_owned(),
                &windows,
                "a Windows host takes registry, service, competing, firewall and command, not file",
            ),
            ("- name: Get\n  package: { name: chrony }\n".to_owned(), &windows, "not package"),
            (
                "- name: Set\n  registry: { key: 'HKLM\\X', values: {} }\n".to_owned(),
                TEXT,
                "registry is for Windows hosts",
            ),
            (
                "- name: Run\n  service: { name: x, running: true, enabled: true, triggers: false }\n".to_owned(),
                TEXT,
                "`triggers` is for Windows hosts",
            ),
        ] {
            let error =
                checked(&playbook, "", inventory).map_or_else(|error| format!("{error:#}"), |()| "fine".to_owned());
            assert!(error.contains(why) && error.contains("own.yml"), "{playbook}: {error}");
        }
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
