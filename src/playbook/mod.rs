//! Playbooks: ordered lists of steps, data and not a language.

pub mod context;
pub mod step;
pub mod template;

use anyhow::{Context, Result, bail};

use crate::assets::{Assets, Origin};
pub use step::{Kind, StepFile};
use template::Engine;

/// A playbook that was read and checked.
#[derive(Debug, Clone)]
pub struct Playbook {
    /// Its name: `linux-chrony.yml`.
    pub name: String,
    /// Where it came from: `embedded` or a path.
    pub origin: String,
    /// Its steps, in order.
    pub steps: Vec<StepFile>,
}

impl Playbook {
    /// Reads and checks a playbook and the templates that it uses.
    ///
    /// # Errors
    /// It is not there, is no YAML of the right shape, or a template does not compile.
    pub fn load(assets: &Assets, name: &str) -> Result<Self> {
        let path = format!("playbooks/{name}");
        let asset = assets.read(&path)?;
        let steps: Vec<StepFile> =
            serde_yaml::from_str(&asset.text).with_context(|| format!("playbook `{name}` ({})", asset.origin))?;
        let playbook = Playbook { name: name.to_owned(), origin: asset.origin.to_string(), steps };
        playbook.check(assets).with_context(|| format!("playbook `{name}` ({})", playbook.origin))?;
        Ok(playbook)
    }

    /// Whether it, or a template of it, comes from a folder of the user.
    ///
    /// # Errors
    /// A template cannot be read.
    pub fn is_of_the_user(&self, assets: &Assets) -> Result<bool> {
        let embedded = Origin::Embedded.to_string();
        let mut templates = self.steps.iter().filter_map(StepFile::template);
        let other = templates.try_fold(false, |other, name| -> Result<bool> {
            Ok(other || assets.read(&format!("templates/{name}"))?.origin != Origin::Embedded)
        })?;
        Ok(other || self.origin != embedded)
    }

    fn check(&self, assets: &Assets) -> Result<()> {
        let engine = Engine;
        for (index, step) in self.steps.iter().enumerate() {
            step.check(&engine)?;
            self.check_restart_on(index, step)?;
            if let Some(template) = step.template() {
                let asset = assets.read(&format!("templates/{template}"))?;
                engine.check(template, &asset.text)?;
            }
        }
        Ok(())
    }

    /// A step can only wait for one before it: what comes later has not changed yet.
    fn check_restart_on(&self, index: usize, step: &StepFile) -> Result<()> {
        for id in &step.restart_on {
            let known = self.steps.iter().take(index).any(|earlier| earlier.id.as_ref() == Some(id));
            if !known {
                bail!("step `{}`: restart_on: no earlier step has the id `{id}`", step.name);
            }
        }
        Ok(())
    }
}
