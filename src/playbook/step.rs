//! How the values of a step are filled in.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use minijinja::Value;

use super::kind::{Kind, networks};
use super::template::{Engine, Render};
use super::written::{KINDS, RegistryFile, StepFile, ValueFile, is_mode};
use crate::assets::Assets;
use crate::facts::registry;
use crate::firewall::firewalld::Opening;
use crate::text::hide::HIDDEN;

impl StepFile {
    /// Checks all that can be checked without a host.
    ///
    /// # Errors
    /// No kind or several, a template that does not compile.
    pub fn check(&self, engine: &Engine) -> Result<()> {
        let kinds = self.kinds();
        if kinds.len() != 1 {
            bail!(
                "step `{}`: exactly one of {} is needed, found {}",
                self.name,
                KINDS.join(", "),
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
        let set = [
            self.package.is_some(),
            self.file.is_some(),
            self.service.is_some(),
            self.registry.is_some(),
            self.competing.is_some(),
            self.firewall.is_some(),
            self.command.is_some(),
        ];
        KINDS.into_iter().zip(set).filter_map(|(name, set)| set.then_some(name)).collect()
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
