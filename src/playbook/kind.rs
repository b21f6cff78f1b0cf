//! What a step does, with every value filled in; where there are such steps; and which of its values hold secrets.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use ipnet::IpNet;

use crate::config::Language;
use crate::facts::registry;
use crate::firewall::firewalld::Opening;
use crate::text::hide::HIDDEN;
use crate::text::shape;

/// The steps of Windows hosts.
const FOR_WINDOWS: &str = "a Windows host takes registry, service, competing, firewall and command";

/// What a step does, with every value filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A package is installed.
    Package {
        /// Its name.
        name: String,
    },
    /// A file has this content.
    File {
        /// Absolute path.
        path: String,
        /// The template it is rendered from.
        template: String,
        /// The mode of the folders that are made for it; `None` if they have to be there.
        parents: Option<String>,
        /// Octal.
        mode: String,
        /// User.
        owner: String,
        /// Group.
        group: String,
        /// Command that accepts or refuses the new file, `{}` in its place.
        validate: Option<String>,
        /// Its language: where it says the same in other words, nothing is written.
        language: Option<Language>,
    },
    /// A service is in this state.
    Service {
        /// Unit name without `.service`.
        name: String,
        /// Active.
        running: bool,
        /// Started at boot.
        enabled: bool,
        /// Windows: `Some(false)` takes away the triggers that start and stop it.
        triggers: Option<bool>,
    },
    /// Windows: values of a key of the registry.
    Registry {
        /// `HKLM\\...`.
        key: String,
        /// The values by name.
        values: BTreeMap<String, registry::Value>,
    },
    /// No time service runs but this one.
    Competing {
        /// Its unit names without `.service`, separated by blanks.
        keep: String,
    },
    /// A port is open for some networks.
    Firewall {
        /// `123/udp`, `60000-60100/udp`.
        port: Opening,
        /// Networks, separated by blanks.
        from: String,
    },
    /// A command has succeeded.
    Command {
        /// Exit status 0 means: nothing to do.
        check: String,
        /// Makes `check` succeed.
        run: String,
        /// Takes back what `run` did.
        undo: Option<String>,
    },
}

impl Kind {
    /// Checks that there are such steps on a system.
    ///
    /// # Errors
    /// There are none.
    pub fn fits(&self, windows: bool) -> Result<()> {
        match (self, windows) {
            (Kind::Package { .. }, true) => bail!("{FOR_WINDOWS}, not package"),
            (Kind::File { .. }, true) => bail!("{FOR_WINDOWS}, not file"),
            (Kind::Firewall { port, .. }, true) if !port.is_of_windows() => {
                bail!("firewall: netsh opens tcp and udp, not `{port}`")
            }
            (Kind::Registry { .. }, false) => bail!("registry is for Windows hosts"),
            (Kind::Service { triggers: Some(_), .. }, false) => bail!("service: `triggers` is for Windows hosts"),
            _ => Ok(()),
        }
    }

    /// The same with nothing of its values, for a step that cannot be filled in without its secrets.
    #[must_use]
    pub fn hidden(&self) -> Self {
        let mut hidden = self.clone();
        hidden.each_text(&mut |text| HIDDEN.clone_into(text));
        if let Kind::Registry { values, .. } = &mut hidden {
            values.values_mut().for_each(|value| *value = registry::Value::Text(HIDDEN.to_owned()));
        }
        hidden
    }

    /// Returns what templates have made of secrets in its values; `shown` is the same step with `***` for each
    /// of them. Scripts hold it, and programs may quote it.
    pub fn secrets(&self, shown: &Kind) -> Vec<String> {
        if self == shown {
            return Vec::new();
        }
        let pairs = shown.texts().into_iter().zip(self.texts());
        pairs.filter(|(shown, real)| shown != real).flat_map(|(shown, real)| shape::pieces(&shown, &real)).collect()
    }

    /// Its values as texts, in an order of their own.
    fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        self.clone().each_text(&mut |text| texts.push(std::mem::take(text)));
        if let Kind::Registry { values, .. } = self {
            texts.extend(values.values().map(|value| value.texts().join("\n")));
        }
        texts
    }

    /// Goes through what templates fill in, but for the values of a registry. What is left out is an empty text.
    fn each_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        let mut optional = |text: &mut Option<String>| match text {
            Some(text) => visit(text),
            None => visit(&mut String::new()),
        };
        match self {
            Kind::File { path, owner, group, validate, .. } => {
                optional(validate);
                [path, owner, group].into_iter().for_each(visit);
            }
            Kind::Command { check, run, undo } => {
                optional(undo);
                [check, run].into_iter().for_each(visit);
            }
            Kind::Package { name } | Kind::Service { name, .. } | Kind::Competing { keep: name } => visit(name),
            Kind::Registry { key, .. } => visit(key),
            // A port is a number: nothing of a secret is left of it.
            Kind::Firewall { from, .. } => visit(from),
        }
    }
}

/// Reads networks, separated by blanks.
///
/// # Errors
/// One of them is no network.
pub fn networks(from: &str) -> Result<Vec<IpNet>> {
    let network = |word: &str| {
        let why = || format!("from: `{word}` is no network; write 10.0.0.0/8, and 0.0.0.0/0 for everybody");
        word.parse::<IpNet>().with_context(why)
    };
    from.split_whitespace().map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(validate: Option<&str>) -> Kind {
        let text = str::to_owned;
        let [path, template, mode, owner, group] = ["/etc/x", "x.j2", "0644", "root", "root"].map(text);
        Kind::File { path, template, parents: None, mode, owner, group, validate: validate.map(text), language: None }
    }

    fn command(check: &str, run: &str, undo: Option<&str>) -> Kind {
        Kind::Command { check: check.to_owned(), run: run.to_owned(), undo: undo.map(str::to_owned) }
    }

    fn value(value: registry::Value) -> Kind {
        Kind::Registry { key: "HKLM\\x".to_owned(), values: BTreeMap::from([("v".to_owned(), value)]) }
    }

    #[test]
    fn what_a_template_made_of_a_secret_is_found_in_every_value() {
        use registry::Value::{List, Number, Text};
        let list = |words: &[&str]| List(words.iter().map(ToString::to_string).collect());
        for (shown, real, found) in [
            (file(Some("check --key *** {}")), file(Some("check --key HUNTER2 {}")), "HUNTER2"),
            (command("true", "set", Some("unset ***")), command("true", "set", Some("unset HUNTER2")), "HUNTER2"),
            (command("test ***", "set", None), command("test HUNTER2", "set", None), "HUNTER2"),
            (command("true", "set ***", None), command("true", "set HUNTER2", None), "HUNTER2"),
            (Kind::Package { name: "x-***".into() }, Kind::Package { name: "x-HUNTER2".into() }, "HUNTER2"),
            (value(Text("a***".into())), value(Text("aHUNTER2".into())), "HUNTER2"),
            (value(list(&["x", "***"])), value(list(&["x", "HUNTER2"])), "HUNTER2"),
            (value(Text("***".into())), value(Number(12345)), "12345"),
            (command("true", "set", None), command("true", "set", Some("unset HUNTER2")), "unset HUNTER2"),
        ] {
            assert_eq!(real.secrets(&shown), [found], "{shown:?}");
            assert!(real.secrets(&real).is_empty());
            let hidden = real.hidden();
            assert!(!format!("{hidden:?}").contains("HUNTER2") && !real.secrets(&hidden).is_empty(), "{hidden:?}");
        }
    }
}
