//! From a playbook to the steps of a host, and what each of them has to change.

use std::cell::{Cell, RefCell};

use anyhow::{Context as _, Result, anyhow};

use crate::exit::Hint as _;
use crate::facts::Facts;
use crate::firewall::filter::Filter;
use crate::firewall::registry::Wanted;
use crate::firewall::{Word, registry};
use crate::inventory::HostSpec;
use crate::inventory::spec::FirewallChoice;
use crate::model::{Delta, Slice};
use crate::playbook::context::Contexts;
use crate::playbook::template::Engine;
use crate::playbook::{Kind, Playbook, StepFile, context};
use crate::provider::LinuxProvider;
use crate::resource::firewall::Open;
use crate::resource::package::Package;
use crate::resource::{self, Fix, Rendered, Resource};
use crate::text::hide::Hider;
use crate::text::shape;

use super::{Context, ports};

/// One step of the playbook, ready to be asked and changed.
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) restart_on: Vec<String>,
    pub(crate) resource: Box<dyn Resource>,
    /// The unit whose restart is owed while the step is unfinished.
    pub(crate) unit: Option<String>,
    /// What templates have made of secrets in its values.
    secrets: Vec<String>,
}

impl Step {
    /// One that stands in no playbook.
    pub(crate) fn of(name: String, resource: Box<dyn Resource>) -> Self {
        Step { name, id: None, restart_on: Vec::new(), resource, unit: None, secrets: Vec::new() }
    }

    /// Returns what nobody is to read of it, as it is wanted and as it was seen.
    pub(crate) fn secrets(&self, seen: &Slice) -> Vec<String> {
        [self.secrets.clone(), self.resource.secrets(seen)].concat()
    }
}

/// A step on a host: what was seen of it, and what has to be done. The plan computes it, once.
pub(crate) struct Change {
    pub(crate) step: Step,
    pub(crate) seen: Slice,
    due: Due,
}

/// Why something has to be done with a step.
#[derive(Debug, Clone, Copy)]
struct Due {
    /// Its own state is not the wanted one.
    differs: bool,
    /// It has to load anew what another step changes.
    refresh: bool,
}

impl Change {
    /// Whether something has to be done.
    pub(crate) fn is_due(&self) -> bool {
        self.due.differs || self.due.refresh
    }

    /// Returns the change and its undo.
    ///
    /// # Errors
    /// The difference cannot be mended as the host is now.
    pub(crate) fn fix(&self) -> Result<Fix> {
        if !self.is_due() {
            return Ok(Fix::default());
        }
        let named = || format!("step `{}`", self.step.name);
        match self.obstacle() {
            Some(error) => Err(error.context(named())),
            None => self.step.resource.fix(&self.seen, self.due.refresh).with_context(named),
        }
    }

    /// Why the difference cannot be mended as the host is now.
    pub(crate) fn obstacle(&self) -> Option<anyhow::Error> {
        self.step.resource.obstacle(&self.seen).filter(|_| self.due.differs)
    }

    /// The service whose restart is owed until the step is done.
    pub(crate) fn owed(&self) -> Option<&str> {
        self.step.unit.as_deref().filter(|_| self.due.refresh)
    }
}

/// Compares what was read with what is wanted, step by step. Returns all differences as well: a step that only has
/// to load anew what another changes says so.
pub(crate) fn compared(steps: Vec<Step>, seen: Vec<Slice>) -> Result<(Vec<Change>, Vec<Delta>)> {
    let (due, deltas) = judged(&steps, &seen)?;
    let change = |((step, seen), due)| Change { step, seen, due };
    Ok((steps.into_iter().zip(seen).zip(due).map(change).collect(), deltas))
}

/// Returns whether anything differs.
pub(crate) fn differs(steps: &[Step], seen: &[Slice]) -> Result<bool> {
    judged(steps, seen).map(|(_, deltas)| !deltas.is_empty())
}

/// Returns what differs after all.
pub(crate) fn left(changes: &[Change], seen: &[Slice]) -> Result<Vec<Delta>> {
    judged(changes.iter().map(|change| &change.step), seen).map(|(_, deltas)| deltas)
}

/// Returns what is due with each step, and all differences.
fn judged<'a>(steps: impl IntoIterator<Item = &'a Step>, seen: &[Slice]) -> Result<(Vec<Due>, Vec<Delta>)> {
    let (mut due, mut all) = (Vec::new(), Vec::new());
    let mut changed: Vec<&str> = Vec::new();
    for (step, slice) in steps.into_iter().zip(seen) {
        let mut deltas = step.resource.diff(slice).with_context(|| format!("step `{}`", step.name))?;
        let (differs, refresh) = (!deltas.is_empty(), owes(step, &changed));
        if !differs && refresh {
            deltas.push(restart(step));
        }
        if deltas.iter().any(Delta::is_loaded) {
            changed.extend(step.id.as_deref());
        }
        due.push(Due { differs, refresh });
        all.append(&mut deltas);
    }
    Ok((due, all))
}

/// Whether something that the step has loaded is changed by another.
fn owes(step: &Step, changed: &[&str]) -> bool {
    step.restart_on.iter().any(|id| changed.contains(&id.as_str()))
}

fn restart(step: &Step) -> Delta {
    let (from, to) = ("running with the old configuration".to_owned(), "restarted".to_owned());
    Delta::new(step.resource.label(), "restart", Some(from), Some(to))
}

/// Turns the playbook into resources for this host.
pub(super) fn steps(
    spec: &HostSpec,
    facts: &Facts,
    provider: &'static dyn LinuxProvider,
    cx: &Context,
) -> Result<Vec<Step>> {
    let firewall = firewall(spec.firewall, facts);
    let contexts = context::contexts(spec, facts, &provider.layout(facts), firewall);
    let render = |name: &str| render(name, &contexts, cx);
    let layout = provider.layout(facts);
    let filter = Cell::new(filter(spec));
    let (named, before, known) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()), registry::linux(firewall));
    let build = |kind: Kind, shown: &Kind| -> Result<Box<dyn Resource>> {
        named.borrow_mut().extend(ports::opens(&kind));
        match (kind, known) {
            (Kind::Service { name, running, enabled, triggers: None }, _) if name == layout.service => {
                let started = Some(resource::started::Wanted::new(spec, provider, layout.config));
                Ok(Box::new(resource::service::Service { unit: name, running, enabled, started }))
            }
            // The step that opens a firewall knows what it is about to open, and looks at the other rules, too.
            (Kind::Firewall { port, from }, Some(own)) => {
                let filter = if port.is_ntp() { filter.take() } else { None };
                let wanted = resource::firewall::wanted(port, &from, filter, facts)?;
                let all = Wanted { before: before.borrow().clone(), ..wanted.clone() };
                before.borrow_mut().push(wanted);
                Ok(Box::new(Open::new(own, all)))
            }
            (Kind::Package { name }, _) => Ok(Box::new(package(name, spec, facts, cx)?)),
            (kind, _) => resource::build(kind, shown, facts, firewall, &render),
        }
    };
    let mut steps = follow(spec.playbook_or(provider.playbook()), &contexts, cx, &build)?;
    let alone = "Let no packet filter keep the followers out".to_owned();
    steps.extend(filter.take().map(|filter| Step::of(alone, Box::new(filter))));
    if let Some(firewall) = known {
        let named = named.into_inner();
        let left = ports::left(firewall, &facts.records, &named);
        steps.extend(left.map(|port| {
            let step = ports::close(firewall, port, before.borrow().clone());
            before.borrow_mut().push(Wanted { port, ..Wanted::default() });
            step
        }));
    }
    Ok(steps)
}

/// A package, out of the folder that the inventory names. What the host has needs no file.
fn package(name: String, spec: &HostSpec, facts: &Facts, cx: &Context) -> Result<Package> {
    let folder = spec.packages.from.as_deref().filter(|_| !facts.packages.contains_key(&name));
    let from = folder.map(|folder| cx.packages.get(folder)).transpose()?;
    Ok(Package::new(name, facts, from))
}

/// What every master needs, whatever its playbook does: rules that let its followers in.
fn filter(spec: &HostSpec) -> Option<Filter> {
    let (networks, followers) = (spec.time.serve.clone(), spec.time.followers.clone());
    (!networks.is_empty()).then(|| Filter { host: spec.name.clone(), networks, followers })
}

/// Fills in a template, and once more without the secrets.
fn render(name: &str, contexts: &Contexts, cx: &Context) -> Result<Rendered> {
    let asset = cx.assets.read(&format!("templates/{name}"))?;
    let text = Engine.render(name, &asset.text, &contexts.real)?;
    let known = (*cx.hidden).clone();
    let shown = match &contexts.shown {
        None => shape::Wanted::plain(known),
        Some(context) => shape::Wanted::new(Engine.render(name, &asset.text, context).ok(), known),
    };
    Ok(Rendered { text, shown })
}

/// Makes a resource of a step, and of the same step as it may be shown.
pub(crate) type Build<'a> = dyn Fn(Kind, &Kind) -> Result<Box<dyn Resource>> + 'a;

/// Goes through a playbook; `build` makes a resource of each step that holds here.
pub(crate) fn follow(playbook: &str, contexts: &Contexts, cx: &Context, build: &Build<'_>) -> Result<Vec<Step>> {
    let playbook = Playbook::load(&cx.assets, playbook)?;
    let mut steps = Vec::new();
    for file in &playbook.steps {
        let step = step(file, contexts, build);
        steps.extend(step.with_context(|| format!("playbook `{}` ({})", playbook.name, playbook.origin))?);
    }
    Ok(steps)
}

fn step(file: &StepFile, contexts: &Contexts, build: &Build<'_>) -> Result<Option<Step>> {
    if let Some(condition) = &file.when
        && !Engine.holds(condition, &contexts.real).with_context(|| format!("step `{}`: when", file.name))?
    {
        return Ok(None);
    }
    let kind = resolve(file, contexts)?;
    let shown = match &contexts.shown {
        None => kind.clone(),
        Some(context) => file.resolve(&Engine, context).unwrap_or_else(|_| kind.hidden()),
    };
    let secrets = kind.secrets(&shown);
    let unit = match &kind {
        Kind::Service { name, .. } => Some(name.clone()),
        _ => None,
    };
    let built = build(kind, &shown).map_err(|error| without(error, &secrets));
    let resource = built.with_context(|| format!("step `{}`", file.name))?;
    let (name, id, restart_on) = (file.name.clone(), file.id.clone(), file.restart_on.clone());
    Ok(Some(Step { name, id, restart_on, resource, unit, secrets }))
}

/// Fills in the values of a step. An error quotes them: where secrets are among them, it is that of the step
/// without them.
fn resolve(file: &StepFile, contexts: &Contexts) -> Result<Kind> {
    file.resolve(&Engine, &contexts.real).map_err(|error| match &contexts.shown {
        None => error,
        Some(context) => file.resolve(&Engine, context).err().unwrap_or_else(|| {
            anyhow!("step `{}`: its values, with the secrets filled in, are not those of such a step", file.name)
        }),
    })
}

/// The error without what templates have made of secrets.
fn without(error: anyhow::Error, secrets: &[String]) -> anyhow::Error {
    if secrets.is_empty() {
        return error;
    }
    let hider = Hider::new(secrets.iter().map(String::as_str));
    let told = anyhow!(hider.text(&format!("{error:#}")).into_owned());
    match crate::exit::hint(&error) {
        Some(hint) => told.hint(&hider.text(hint)),
        None => told,
    }
}

/// The firewall that is to be opened: the declared one, else the active one. The inventory has no `windows` here.
fn firewall(choice: FirewallChoice, facts: &Facts) -> Word {
    match choice {
        FirewallChoice::Auto => facts.firewall,
        FirewallChoice::None => Word::NONE,
        FirewallChoice::Named(word) => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::hidden;
    use crate::engine::sample;
    use crate::facts::assumed;
    use crate::provider::ALL;

    /// The steps of a host with a secret `vars.key`, from a playbook of its own.
    fn own(playbook: &str, template: &str) -> (Context, Result<Vec<Step>>) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("key", "hunter2-long"), ("playbooks/own.yml", playbook), ("templates/own.j2", template)] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let key = dir.path().join("key").display().to_string();
        let vars = format!("vars: {{ key: {{ file: {key} }} }}, playbook: own");
        let host = format!("address: 10.0.0.1, role: slave, upstream: [10.0.0.9], {vars}");
        let spec = sample::fleet(&format!("hosts: {{ h1: {{ {host} }} }}")).remove(0);
        spec.resolve_secrets().unwrap();
        let cx = sample::context(Some(dir.path()));
        let steps = steps(&spec, &assumed::linux("debian"), ALL[0], &cx);
        (cx, steps)
    }

    #[test]
    fn what_a_template_made_of_a_secret_is_in_no_script_that_is_shown() {
        let playbook = "- name: a\n  command: { check: 'test {{ vars.key | upper }}', run: 'set {{ vars.key | title }}', undo: 'unset {{ vars.key | upper }}' }\n\
             - name: b\n  file: { path: '/etc/{{ vars.key | upper }}', template: own.j2, validate: 'try {{ vars.key | replace(\"hunter\", \"gather\") }} {}' }\n";
        let (cx, steps) = own(
            playbook,
            "key {{ vars.key | reverse }}\n{% if vars.key|length > 5 %}\nlong-one {{ vars.key | upper }}\n{% endif %}\n",
        );
        let steps = steps.unwrap();
        let known = hidden(&steps, &cx);
        let absent = Slice { stdout: "absent\n".to_owned(), ..Slice::default() };
        for (step, seen) in steps.iter().zip([&Slice { status: 1, ..Slice::default() }, &absent]) {
            let fix = step.resource.fix(seen, false).unwrap();
            let real = format!("{}{}{}{}", step.resource.probe(), step.resource.label(), fix.change, fix.undo);
            let shown = known.text(&real).to_lowercase();
            let made = ["hunter2", "gather2", "2retnuh", "long-one"];
            assert!(made.iter().any(|word| real.to_lowercase().contains(word)), "{real}");
            made.iter().for_each(|word| assert!(!shown.contains(word), "{word} in {shown}"));
        }
    }

    #[test]
    fn an_error_of_a_step_quotes_no_secret() {
        for values in [
            "firewall: { port: '{{ vars.key | upper }}', from: 10.0.0.0/8 }",
            "firewall: { port: '123/udp', from: '{{ vars.key | upper }}' }",
            "registry: { key: 'HKLM\\x', values: { v: { dword: '{{ vars.key | upper }}' } } }",
        ] {
            let (_, steps) = own(&format!("- name: a\n  {values}\n"), "");
            let said = format!("{:#}", steps.map(|_| ()).unwrap_err());
            assert!(said.contains("step `a`") && !said.contains("HUNTER2"), "{said}");
        }
    }
}
