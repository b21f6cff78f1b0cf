//! What the file of the time service shall say, and which of its lines are not ours.

use minijinja::Value;

use crate::assets::Assets;
use crate::facts::Found;
use crate::inventory::HostSpec;
use crate::playbook::template::Engine;
use crate::playbook::{Kind, Playbook, context};
use crate::provider::config::{Config, Language};
use crate::text::hide::Hider;
use crate::text::shape::Wanted;

use super::Patient;
use super::evidence::Evidence;

/// Returns the configuration that `apply` would write for the service that was found; `None` where it
/// is not the wanted service, or cannot be written.
pub fn wanted(spec: &HostSpec, evidence: &Evidence, assets: &Assets) -> Option<Config> {
    Some(Config::read(&file(spec, evidence, assets)?.0, evidence.service?.language()))
}

/// Returns what the templates of that file have made of secrets, now and in the file that was found.
pub fn secrets(spec: &HostSpec, evidence: &Evidence, assets: &Assets) -> Vec<String> {
    if evidence.windows().is_some() {
        return super::windows::old_secrets(&evidence.parts);
    }
    let found = evidence.parts.get("config").map_or("", |part| part.stdout.as_str());
    let (text, shown) = file(spec, evidence, assets).unwrap_or_default();
    let mut pieces = shown.pieces(found, &text);
    if evidence.held_secret {
        let foreign = |line: &&str| line.len() >= LONG && !text.lines().any(|own| own.trim() == *line);
        pieces.extend(found.lines().map(str::trim).filter(foreign).map(str::to_owned));
    }
    pieces
}

/// What a line with an old secret has at least.
const LONG: usize = 6;

/// That file, and how it may be shown.
fn file(spec: &HostSpec, evidence: &Evidence, assets: &Assets) -> Option<(String, Wanted)> {
    let Found::Linux(facts) = &evidence.facts else { return None };
    let provider = crate::provider::choose(spec.provider, facts)
        .ok()
        .filter(|provider| Some(provider.name()) == evidence.service_name())?;
    let layout = provider.layout(facts);
    let contexts = context::contexts(spec, &**facts, &layout, facts.firewall);
    let playbook = Playbook::load(assets, spec.playbook_or(provider.playbook())).ok()?;
    let template = playbook.steps.iter().find_map(|step| match step.resolve(&Engine, &contexts.real).ok()? {
        Kind::File { path, template, .. } if path == layout.config => Some(template),
        _ => None,
    })?;
    let text = assets.read(&format!("templates/{template}")).ok()?.text;
    let masked = |context: &Value| Wanted::new(Engine.render(&template, &text, context).ok(), Hider::default());
    let shown = contexts.shown.as_ref().map_or_else(|| Wanted::plain(Hider::default()), masked);
    Some((Engine.render(&template, &text, &contexts.real).ok()?, shown))
}

/// Whether a line that is not ours may keep the service from following.
fn is_suspect(line: &str, language: &Language) -> bool {
    let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    if language.sources.contains(&first) {
        let harmless = |word: &str| word.parse::<f64>().is_ok() || language.how_often.contains(&word);
        return !language.assigns() && words.skip(1).any(|word| !harmless(word));
    }
    !language.besides.contains(&first)
}

impl Patient<'_> {
    /// Returns the lines that are not ours and may keep the service from following.
    pub fn suspects(&self) -> Vec<String> {
        let language = self.evidence.config.language();
        self.foreign().into_iter().filter(|line| is_suspect(line, language)).collect()
    }

    /// Returns the lines of the file that `apply` would not write, but for those that harm nobody.
    pub fn foreign(&self) -> Vec<String> {
        let Some(wanted) = &self.evidence.wanted else { return Vec::new() };
        let harmless = wanted.language().harmless;
        let not_ours = |line: &&[String]| {
            let harmless = line.first().is_some_and(|word| harmless.contains(&word.as_str()));
            !harmless && !wanted.lines().any(|own| own == *line)
        };
        self.evidence.config.lines().filter(not_ours).map(|line| self.shown(line)).collect()
    }

    /// Returns the lines that `apply` would write, and that are not in the file.
    pub fn lacking(&self) -> Vec<String> {
        let Some(wanted) = &self.evidence.wanted else { return Vec::new() };
        let harmless = wanted.language().harmless;
        let lacks = |line: &&[String]| {
            let harmless = line.first().is_some_and(|word| harmless.contains(&word.as_str()));
            !harmless && !self.evidence.config.lines().any(|own| own == *line)
        };
        wanted.lines().filter(lacks).map(|line| self.shown(line)).collect()
    }

    /// A line as it may be shown: where the file has secrets, any word may be one.
    fn shown(&self, line: &[String]) -> String {
        let secret = self.evidence.held_secret || self.spec.secret_vars().next().is_some();
        match line.first() {
            Some(first) if secret => format!("{first} ..."),
            _ => self.evidence.config.written(line),
        }
    }

    /// Returns whether a line stands in the inventory, as one of `extra` or by a setting.
    fn is_wanted(&self, line: &str) -> bool {
        self.evidence.wanted.as_ref().is_some_and(|wanted| wanted.lines().any(|own| wanted.written(own) == line))
    }

    /// Returns how a line of the file is put right, and whether `apply` does it.
    pub fn remedy(&self, line: &str) -> (String, bool) {
        let (host, unit, file) = (self.name(), &self.evidence.unit, &self.evidence.file);
        if self.is_wanted(line) {
            let text =
                format!("take `{line}` out of the inventory (`extra` of {host}), then fleetclock apply -l {host}");
            return (text, false);
        }
        if self.evidence.wanted.is_some() {
            return (format!("fleetclock apply -l {host} (takes `{line}` out of {file})"), true);
        }
        (format!("on {host}: take `{line}` out of {file}, then systemctl restart {unit}"), false)
    }
}
