//! The steps of a playbook as they are written, and how their values are filled in.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use minijinja::Value;
use serde::Deserialize;

use super::kind::{Kind, networks};
use super::template::{Engine, Render};
use crate::assets::Assets;
use crate::config::Language;
use crate::facts::registry;
use crate::firewall::firewalld::Opening;
use crate::text::hide::HIDDEN;

/// One step as it is written. Exactly one of the kinds is set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepFile {
    /// What the step is for, in the imperative.
    pub name: String,
    /// A word by which others refer to it.
    pub id: Option<String>,
    /// A Jinja expression; the step is left out where it does not hold.
    pub when: Option<String>,
    /// The steps after whose change this one has to load things anew.
    #[serde(default)]
    pub restart_on: Vec<String>,
    package: Option<PackageFile>,
    file: Option<FileFile>,
    service: Option<ServiceFile>,
    registry: Option<RegistryFile>,
    competing: Option<CompetingFile>,
    firewall: Option<FirewallFile>,
    command: Option<CommandFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackageFile {
    name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileFile {
    path: String,
    template: String,
    #[serde(default)]
    parents: Parents,
    #[serde(default = "default_mode")]
    mode: String,
    #[serde(default = "root")]
    owner: String,
    #[serde(default = "root")]
    group: String,
    validate: Option<String>,
    /// The language of the file: comments and blanks are no difference then.
    language: Option<Language>,
}

/// Whether the folders of a file are made where they are not there: `true`, or their mode.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Parents {
    Wanted(bool),
    Mode(String),
}

impl Default for Parents {
    fn default() -> Self {
        Parents::Wanted(false)
    }
}

impl Parents {
    fn mode(&self) -> Result<Option<String>> {
        match self {
            Parents::Wanted(wanted) => Ok(wanted.then(|| "0755".to_owned())),
            Parents::Mode(mode) if is_mode(mode) => Ok(Some(mode.clone())),
            Parents::Mode(mode) => bail!("parents: `{mode}` is no mode; write true, or \"0750\""),
        }
    }
}

fn is_mode(text: &str) -> bool {
    (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
}

fn default_mode() -> String {
    "0644".to_owned()
}

fn root() -> String {
    "root".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceFile {
    name: String,
    running: bool,
    enabled: bool,
    triggers: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistryFile {
    key: String,
    values: BTreeMap<String, ValueFile>,
}

/// Exactly one of the types is set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueFile {
    sz: Option<String>,
    dword: Option<String>,
    multi_sz: Option<Vec<String>>,
}

impl ValueFile {
    fn texts(&self) -> impl Iterator<Item = &str> {
        let single = self.sz.iter().chain(&self.dword);
        single.chain(self.multi_sz.iter().flatten()).map(String::as_str)
    }

    fn resolve(&self, fill: &dyn Fn(&str) -> Result<String>) -> Result<registry::Value> {
        match (&self.sz, &self.dword, &self.multi_sz) {
            (Some(text), None, None) => Ok(registry::Value::Text(fill(text)?)),
            (None, Some(number), None) => {
                let text = fill(number)?;
                let number = text.trim().parse().with_context(|| format!("dword: `{text}` is no number"))?;
                Ok(registry::Value::Number(number))
            }
            (None, None, Some(list)) => {
                Ok(registry::Value::List(list.iter().map(|text| fill(text)).collect::<Result<_>>()?))
            }
            _ => bail!("exactly one of sz, dword, multi_sz is needed"),
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompetingFile {
    keep: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirewallFile {
    port: String,
    from: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandFile {
    check: String,
    run: String,
    undo: Option<String>,
}

impl StepFile {
    /// Checks all that can be checked without a host.
    ///
    /// # Errors
    /// No kind or several, a template that does not compile.
    pub fn check(&self, engine: &Engine) -> Result<()> {
        let kinds = self.kinds();
        if kinds.len() != 1 {
            bail!(
                "step `{}`: exactly one of package, file, service, registry, competing, firewall, command is needed, found {}",
                self.name,
                if kinds.is_empty() { "none".to_owned() } else { kinds.join(" and ") }
            );
        }
        if let Some(file) = &self.file {
            file.parents.mode().with_context(|| self.context("file"))?;
            if !is_mode(&file.mode) {
                bail!("step `{}`: file: mode: `{}` is no mode; write \"0644\"", self.name, file.mode);
            }
        }
        if let Some(condition) = &self.when {
            engine.check_condition(condition).with_context(|| self.context("when"))?;
        }
        for text in self.texts() {
            engine.check(text, text).with_context(|| self.context("value"))?;
        }
        Ok(())
    }

    /// Fills in the values.
    ///
    /// # Errors
    /// A value names something that is not defined.
    pub fn resolve(&self, engine: &impl Render, context: &Value) -> Result<Kind> {
        let fill = |text: &str| engine.render(text, text, context).with_context(|| self.context("value"));
        if let Some(p) = &self.package {
            return Ok(Kind::Package { name: fill(&p.name)? });
        }
        if let Some(f) = &self.file {
            return Ok(Kind::File {
                path: fill(&f.path)?,
                template: f.template.clone(),
                parents: f.parents.mode().with_context(|| self.context("file"))?,
                mode: f.mode.clone(),
                owner: fill(&f.owner)?,
                group: fill(&f.group)?,
                validate: f.validate.as_deref().map(fill).transpose()?.filter(|v| !v.is_empty()),
                language: f.language,
            });
        }
        if let Some(s) = &self.service {
            return Ok(Kind::Service {
                name: fill(&s.name)?,
                running: s.running,
                enabled: s.enabled,
                triggers: s.triggers,
            });
        }
        if let Some(r) = &self.registry {
            return self.registry_kind(r, &fill);
        }
        if let Some(c) = &self.competing {
            return Ok(Kind::Competing { keep: fill(&c.keep)? });
        }
        if let Some(f) = &self.firewall {
            let port = Opening::read(&fill(&f.port)?).with_context(|| self.context("firewall"))?;
            let from = fill(&f.from)?;
            // What is hidden from view is read when it is not.
            if !from.contains(HIDDEN) {
                networks(&from).with_context(|| self.context("firewall"))?;
            }
            return Ok(Kind::Firewall { port, from });
        }
        if let Some(c) = &self.command {
            let undo = c.undo.as_deref().map(fill).transpose()?.filter(|undo| !undo.trim().is_empty());
            return Ok(Kind::Command { check: fill(&c.check)?, run: fill(&c.run)?, undo });
        }
        bail!("step `{}`: no kind", self.name)
    }

    fn registry_kind(&self, file: &RegistryFile, fill: &dyn Fn(&str) -> Result<String>) -> Result<Kind> {
        let value = |(name, value): (&String, &ValueFile)| -> Result<(String, registry::Value)> {
            Ok((name.clone(), value.resolve(fill).with_context(|| self.context(name))?))
        };
        let values = file.values.iter().map(value).collect::<Result<_>>()?;
        Ok(Kind::Registry { key: fill(&file.key)?, values })
    }

    fn context(&self, what: &str) -> String {
        format!("step `{}`: {what}", self.name)
    }

    fn kinds(&self) -> Vec<&'static str> {
        [
            ("package", self.package.is_some()),
            ("file", self.file.is_some()),
            ("service", self.service.is_some()),
            ("registry", self.registry.is_some()),
            ("competing", self.competing.is_some()),
            ("firewall", self.firewall.is_some()),
            ("command", self.command.is_some()),
        ]
        .iter()
        .filter_map(|(name, set)| set.then_some(*name))
        .collect()
    }

    /// The templated texts of the step.
    pub(super) fn texts(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        if let Some(p) = &self.package {
            texts.push(p.name.as_str());
        }
        if let Some(f) = &self.file {
            texts.extend([f.path.as_str(), &f.owner, &f.group]);
            texts.extend(f.validate.as_deref());
        }
        if let Some(s) = &self.service {
            texts.push(&s.name);
        }
        if let Some(r) = &self.registry {
            texts.push(&r.key);
            texts.extend(r.values.values().flat_map(ValueFile::texts));
        }
        if let Some(c) = &self.competing {
            texts.push(&c.keep);
        }
        if let Some(f) = &self.firewall {
            texts.extend([f.port.as_str(), &f.from]);
        }
        if let Some(c) = &self.command {
            texts.extend([c.check.as_str(), &c.run]);
            texts.extend(c.undo.as_deref());
        }
        texts
    }

    /// Returns what the step and its template ask for: `vars.site`, `ntp.sources`.
    ///
    /// # Errors
    /// A template cannot be read, or something does not compile.
    pub fn used(&self, engine: &Engine, assets: &Assets) -> Result<BTreeSet<String>> {
        let mut used = BTreeSet::new();
        if let Some(condition) = &self.when {
            used.extend(engine.used_by_condition(condition)?);
        }
        for text in self.texts() {
            used.extend(engine.used(text, text)?);
        }
        if let Some(name) = self.template() {
            used.extend(engine.used(name, &assets.read(&format!("templates/{name}"))?.text)?);
        }
        Ok(used)
    }

    /// Returns the template that a file step is rendered from.
    pub fn template(&self) -> Option<&str> {
        self.file.as_ref().map(|file| file.template.as_str())
    }
}
