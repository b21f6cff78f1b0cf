//! Playbooks: ordered lists of steps, data and not a language.

pub mod check;
pub mod context;
pub mod kind;
mod sample;
#[cfg(test)]
mod schema;
mod step;
pub mod template;
#[cfg(test)]
mod tuned;
mod written;

use anyhow::{Context, Result, anyhow, bail};

use crate::assets::{Assets, Origin};
use crate::yaml;
pub use kind::Kind;
use template::Engine;
pub use written::StepFile;

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
        let steps: Vec<StepFile> = serde_yaml::from_str(&asset.text).map_err(|error| {
            let (line, column, words) = yaml::explain(&error);
            let marked = yaml::marked(&asset.text, line, column);
            anyhow!("playbook `{name}` ({}:{line}:{column}): {words}{marked}", asset.origin)
        })?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Pieces that a playbook has, and others that it should not have.
    fn piece() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "- name: x\n",
            "  id: a\n",
            "  when: role == 'master'\n",
            "  when: \"{{ ((\"\n",
            "  restart_on: [a]\n",
            "  restart_on: a\n",
            "  package: { name: chrony }\n",
            "  file: { path: /etc/x, template: chrony.conf }\n",
            "  file: { path: '{{ x', template: ../x }\n",
            "  service: { name: chrony, running: true, enabled: true }\n",
            "  command: { run: 'true', unless: 'false', undo: 'true' }\n",
            "  firewall: {}\n",
            "&a [*a, *a]\n",
            "? !!binary =\n",
            "- - - {{{{[[[[\n",
        ]);
        prop_oneof![known.prop_map(str::to_owned), "[ -~\n\té]{0,20}"]
    }

    proptest! {
        #[test]
        fn no_text_of_a_playbook_ends_the_program(pieces in prop::collection::vec(piece(), 0..12)) {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("playbooks")).unwrap();
            std::fs::write(dir.path().join("playbooks/x.yml"), pieces.concat()).unwrap();
            let assets = Assets::new(Some(dir.path().to_owned())).unwrap();
            if let Err(error) = Playbook::load(&assets, "x.yml") {
                let said = format!("{error:#}");
                prop_assert!(said.contains("x.yml"), "{}", said);
            }
        }
    }
}
