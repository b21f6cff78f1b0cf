//! What `plan` will show for the new inventory: the file that it renders, beside the one that was read.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::draft::Draft;
use super::read::{Linux, Service};
use super::{Host, Note, Seen};
use crate::assets::Assets;
use crate::config::{self, Difference, Directive};
use crate::facts::windows::WindowsFacts;
use crate::facts::{Facts, registry};
use crate::firewall::Word;
use crate::inventory::{self, HostSpec};
use crate::playbook::template::Engine;
use crate::playbook::{Kind, Playbook, context};
use crate::provider::{self, Layout, LinuxProvider, Provider, w32time};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Announced {
    /// Of each host.
    pub(super) hosts: BTreeMap<String, Vec<Note>>,
    /// What a person has to decide before the file is an inventory.
    pub(super) mistakes: Vec<String>,
}

/// Reads the new file as every inventory is read, and compares what comes of it with what the hosts have.
pub(super) fn announce(hosts: &[Host], fleet: &[Draft], assets: &Assets, path: &Path, text: &str) -> Announced {
    let parsed = match inventory::parse(path, text) {
        Ok(parsed) => parsed,
        Err(_) if fleet.is_empty() => return Announced::default(),
        Err(mistakes) => {
            let all = mistakes.to_string();
            let undecided = all.lines().map(|line| format!("to be decided by you: {line}")).collect();
            return Announced { mistakes: undecided, ..Announced::default() };
        }
    };
    let mut announced = Announced::default();
    for spec in &parsed.hosts {
        let seen = hosts.iter().find(|host| host.name == spec.name).map(|host| &host.seen);
        let notes = match seen {
            Some(Seen::Linux(linux)) => on_linux(spec, linux, assets),
            Some(Seen::Windows(facts)) => on_windows(spec, facts, assets),
            _ => Ok(Vec::new()),
        };
        // What was said of a line already is not said again.
        let known = fleet.iter().find(|draft| draft.name == spec.name).map(|draft| draft.said.notes.as_slice());
        let told =
            |note: &Note| note.place.is_some() && known.is_some_and(|all| all.iter().any(|k| k.place == note.place));
        match notes {
            Ok(notes) => {
                drop(announced.hosts.insert(spec.name.clone(), notes.into_iter().filter(|note| !told(note)).collect()));
            }
            Err(error) => {
                announced.mistakes.push(format!("{}: what `plan` will show is not known: {error:#}", spec.name));
            }
        }
    }
    announced
}

fn on_linux(spec: &HostSpec, linux: &Linux, assets: &Assets) -> Result<Vec<Note>> {
    let Some(found) = linux.service() else { return Ok(Vec::new()) };
    let provider = provider::choose(spec.provider, &linux.facts)?;
    let mut notes = Vec::new();
    if provider.name() != found.name {
        notes.push(Note::of_host(format!("`plan` puts {} in the place of {}", provider.name(), found.name)));
    } else if found.service == Service::Timesyncd {
        notes.extend(beside(&provider.layout(&linux.facts), linux));
    } else if let Some((path, text)) = rendered(spec, &linux.facts, provider, assets)? {
        let new = config::read(found.language, &path, &text);
        let old = found.directives(&linux.files);
        let old: Vec<Directive> = old.into_iter().filter(|directive| !directive.includes()).collect();
        notes.extend(differs(&config::difference(found.language, &old, &new)));
    }
    notes.extend(opened(spec, &linux.facts));
    Ok(notes)
}

/// A file that is written beside those that are there, and says what they say.
fn beside(layout: &Layout, linux: &Linux) -> Option<Note> {
    let is_new = linux.files.text(layout.config).is_none();
    is_new.then(|| Note::of_host(format!("`plan` writes {} beside its own files, and restarts it", layout.config)))
}

/// The file that `apply` would write: its path and its text.
fn rendered(
    spec: &HostSpec,
    facts: &Facts,
    provider: &dyn LinuxProvider,
    assets: &Assets,
) -> Result<Option<(String, String)>> {
    let layout: Layout = provider.layout(facts);
    let context = context::shown(spec, facts, &layout, facts.firewall);
    let playbook = Playbook::load(assets, spec.playbook_or(provider.playbook()))?;
    for step in &playbook.steps {
        if let Kind::File { path, template, .. } = step.resolve(&Engine, &context)?
            && path == layout.config
        {
            let text = assets.read(&format!("templates/{template}"))?.text;
            return Ok(Some((path, Engine.render(&template, &text, &context)?)));
        }
    }
    Ok(None)
}

/// Lines that go, those that become others of the same name, and those that come.
fn differs(difference: &Difference) -> Vec<Note> {
    let mut gained: Vec<&Directive> = difference.gained.iter().collect();
    let mut notes = Vec::new();
    for lost in &difference.lost {
        let same =
            |new: &&Directive| new.name == lost.name && (counts_once(lost) || new.words.first() == lost.words.first());
        let other = gained.iter().position(same);
        notes.push(match other.map(|at| gained.remove(at)) {
            Some(new) => Note::at(lost, &format!("`plan` makes it `{}`", new.text())),
            None => Note::at(lost, "`plan` takes it out"),
        });
    }
    notes.extend(gained.into_iter().map(|new| Note::of_host(format!("`plan` adds `{}`", new.text()))));
    notes
}

/// Whether a file has one directive of that name, so that another one of it is this one changed.
fn counts_once(directive: &Directive) -> bool {
    matches!(directive.name.as_str(), "makestep" | "local" | "driftfile" | "logdir" | "maxdistance" | "tinker" | "tos")
}

/// A firewall is opened for followers, where it is not open already; that is judged by `plan`.
fn opened(spec: &HostSpec, facts: &Facts) -> Option<Note> {
    let some = facts.firewall != Word::NONE && !spec.time.serve.is_empty();
    some.then(|| Note::of_host("`plan` opens its firewall for those whom it serves, where it is not open"))
}

fn on_windows(spec: &HostSpec, facts: &WindowsFacts, assets: &Assets) -> Result<Vec<Note>> {
    let layout = w32time::layout(spec);
    let context = context::shown(spec, facts, &layout, Word::WINDOWS);
    let playbook = Playbook::load(assets, spec.playbook_or(w32time::W32Time.playbook()))?;
    let mut notes = Vec::new();
    for step in &playbook.steps {
        let holds = step.when.as_deref().map_or(Ok(true), |when| Engine.holds(when, &context));
        if !holds.with_context(|| format!("step `{}`", step.name))? {
            continue;
        }
        if let Kind::Registry { key, values } = step.resolve(&Engine, &context)? {
            let changed = values.iter().filter(|(name, wanted)| facts.registry.value(&key, name) != Some(*wanted));
            notes.extend(changed.map(|(name, wanted)| becomes(&key, name, facts.registry.value(&key, name), wanted)));
        }
    }
    Ok(notes)
}

fn becomes(key: &str, name: &str, is: Option<&registry::Value>, wanted: &registry::Value) -> Note {
    let key = key.rsplit('\\').next().unwrap_or(key);
    let shown = |value: &registry::Value| Some(value.to_string()).filter(|text| !text.is_empty());
    let is = is.map_or_else(|| "absent".to_owned(), |is| shown(is).unwrap_or_else(|| "nothing".to_owned()));
    let wanted = shown(wanted).unwrap_or_else(|| "nothing".to_owned());
    Note::of_host(format!("`plan` sets {key}\\{name} from {is} to {wanted}"))
}
