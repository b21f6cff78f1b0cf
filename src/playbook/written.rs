//! A step of a playbook as it is written. `schemas/playbook.json` is made from these types: what is said of a field here
//! is what an editor shows.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::config::Language;
use crate::facts::registry;

/// The words of the kinds.
pub(super) const KINDS: [&str; 7] = ["package", "file", "service", "registry", "competing", "firewall", "command"];

/// One step as it is written. Exactly one of the kinds is set.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(transform = super::schema::one_kind))]
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
    /// The package is installed.
    pub(super) package: Option<PackageFile>,
    /// The file has this content and these rights.
    pub(super) file: Option<FileFile>,
    /// The service is in this state, now and after a boot.
    pub(super) service: Option<ServiceFile>,
    /// Windows: values of a key of the registry.
    pub(super) registry: Option<RegistryFile>,
    /// No other time service runs.
    pub(super) competing: Option<CompetingFile>,
    /// These networks may ask at this port.
    pub(super) firewall: Option<FirewallFile>,
    /// `check` fails: `run` is run, and `check` must succeed then.
    pub(super) command: Option<CommandFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct PackageFile {
    /// Its name; what would be removed for it is in the plan.
    pub(super) name: String,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct FileFile {
    /// Absolute.
    pub(super) path: String,
    /// A file of the folder `templates`.
    pub(super) template: String,
    /// `true`, or a mode, makes missing folders.
    #[serde(default)]
    pub(super) parents: Parents,
    /// Octal.
    #[serde(default = "default_mode")]
    #[cfg_attr(test, schemars(regex(pattern = "^[0-7]{3,4}$")))]
    pub(super) mode: String,
    /// The user.
    #[serde(default = "root")]
    pub(super) owner: String,
    /// The group.
    #[serde(default = "root")]
    pub(super) group: String,
    /// A command that must accept the new file, which is `{}` in it.
    pub(super) validate: Option<String>,
    /// The language of the file: comments, blanks and order are no difference then.
    pub(super) language: Option<Language>,
}

/// Whether the folders of a file are made where they are not there: `true`, or their mode.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema, serde::Serialize))]
#[serde(untagged)]
pub(super) enum Parents {
    Wanted(bool),
    Mode(#[cfg_attr(test, schemars(regex(pattern = "^[0-7]{3,4}$")))] String),
}

impl Default for Parents {
    fn default() -> Self {
        Parents::Wanted(false)
    }
}

impl Parents {
    pub(super) fn mode(&self) -> Result<Option<String>> {
        match self {
            Parents::Wanted(wanted) => Ok(wanted.then(|| "0755".to_owned())),
            Parents::Mode(mode) if is_mode(mode) => Ok(Some(mode.clone())),
            Parents::Mode(mode) => bail!("parents: `{mode}` is no mode; write true, or \"0750\""),
        }
    }
}

pub(super) fn is_mode(text: &str) -> bool {
    (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte))
}

fn default_mode() -> String {
    "0644".to_owned()
}

fn root() -> String {
    "root".to_owned()
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceFile {
    /// Its unit without `.service`; of Windows the name of the service.
    pub(super) name: String,
    /// Whether it runs.
    pub(super) running: bool,
    /// Whether it is started at boot.
    pub(super) enabled: bool,
    /// Windows: `false` takes away the triggers that start and stop it.
    pub(super) triggers: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RegistryFile {
    /// `HKLM\...`.
    pub(super) key: String,
    /// The values by name.
    pub(super) values: BTreeMap<String, ValueFile>,
}

/// Exactly one of the types is set.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(transform = super::schema::one_type))]
#[serde(deny_unknown_fields)]
pub(super) struct ValueFile {
    /// A text.
    sz: Option<String>,
    /// A number.
    dword: Option<String>,
    /// A list of texts.
    multi_sz: Option<Vec<String>>,
}

impl ValueFile {
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let single = self.sz.iter().chain(&self.dword);
        single.chain(self.multi_sz.iter().flatten()).map(String::as_str)
    }

    pub(super) fn resolve(&self, fill: &dyn Fn(&str) -> Result<String>) -> Result<registry::Value> {
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct CompetingFile {
    /// The units of the service that stays, separated by blanks.
    pub(super) keep: String,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct FirewallFile {
    /// `123/udp`, `60000-60100/udp`.
    pub(super) port: String,
    /// Networks, separated by blanks.
    pub(super) from: String,
}

#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct CommandFile {
    /// Exit status 0 means that there is nothing to do.
    pub(super) check: String,
    /// Makes `check` succeed.
    pub(super) run: String,
    /// Takes back what `run` did.
    pub(super) undo: Option<String>,
}
