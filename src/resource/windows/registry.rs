//! Values of one key of the registry.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::facts::registry::{Registry, Value};
use crate::facts::windows::{
    AFTER_A_BOOT, OWED, POLICY, SHORTEST, W32TIME, WindowsFacts, held_secret, query, secret_note, this_boot,
    waits_for_boot,
};
use crate::model::Slice;
use crate::resource::{Delta, Fix, Resource};
use crate::text::hide::HIDDEN;
use crate::transport::quote::cmd;

/// Values of a key that shall be as given.
#[derive(Debug, Clone)]
pub(super) struct Values {
    key: String,
    values: BTreeMap<String, Value>,
    /// The same as they may be shown.
    shown: BTreeMap<String, Value>,
    /// Values that a policy sets otherwise: the policy wins whatever stands here. And those that the service does not load before the next boot.
    warnings: Vec<String>,
    /// Which start of Windows it is.
    boot: String,
    /// The values that have ever held a secret: what they hold now may be an old one.
    noted: BTreeSet<String>,
}

impl Values {
    pub(super) fn new(
        key: String,
        values: BTreeMap<String, Value>,
        shown: BTreeMap<String, Value>,
        facts: &WindowsFacts,
    ) -> Result<Self> {
        if !key.to_ascii_uppercase().starts_with("HKLM\\") {
            bail!("registry: `{key}`: keys below HKLM are set, nothing else");
        }
        let (overridden, values) = values.into_iter().partition::<BTreeMap<_, _>, _>(|(name, value)| {
            policy(&key, name, &facts.registry).is_some_and(|other| !same(other, value))
        });
        let overridden = overridden
            .iter()
            .filter_map(|(name, wanted)| {
                let set = policy(&key, name, &facts.registry)?;
                let [set, wanted] = [set, wanted].map(|value| public(&shown, name, wanted, value));
                Some(format!("a policy sets {name} to `{set}` (wanted `{wanted}`): change it in the group policy"))
            })
            .collect();
        let mut warnings: Vec<String> = overridden;
        warnings.extend(pending(&key, &values, &facts.registry));
        let noted = values.keys().filter(|name| held_secret(&facts.registry, &key, name)).cloned().collect();
        Ok(Values { key, values, shown, warnings, boot: this_boot(&facts.registry), noted })
    }

    /// The whole service is read at once, so a key of it is found in that answer.
    fn root(&self) -> &str {
        let below = self.key.to_ascii_lowercase().starts_with(&W32TIME.to_ascii_lowercase());
        if below { W32TIME } else { &self.key }
    }

    fn differing<'a>(
        &'a self,
        registry: &'a Registry,
    ) -> impl Iterator<Item = (&'a String, &'a Value, Option<&'a Value>)> {
        self.values.iter().filter_map(|(name, wanted)| {
            let is = registry.value(&self.key, name);
            (!is.is_some_and(|is| same(is, wanted))).then_some((name, wanted, is))
        })
    }

    fn add(&self, name: &str, value: &Value) -> Result<String> {
        let (kind, data) = match value {
            Value::Text(text) => ("REG_SZ", text.clone()),
            Value::Expand(text) => ("REG_EXPAND_SZ", text.clone()),
            Value::Number(number) => ("REG_DWORD", number.to_string()),
            Value::List(list) => ("REG_MULTI_SZ", list.join("\\0")),
            Value::Other(kind, data) => (kind.as_str(), data.clone()),
        };
        Ok(format!("reg add {} /v {} /t {kind} /d {} /f\n", cmd(&self.key)?, cmd(name)?, cmd(&data)?))
    }

    fn is_secret(&self, name: &str) -> bool {
        self.values.get(name) != self.shown.get(name)
    }

    /// How a value that the host has may be shown in the place of the wanted one.
    fn old(&self, name: &str, wanted: &Value, is: &Value) -> String {
        if self.noted.contains(name) { HIDDEN.to_owned() } else { public(&self.shown, name, wanted, is) }
    }

    /// Whether it is what is wanted of a value, for all to see.
    fn is_wanted(&self, is: &Value) -> bool {
        self.values.iter().any(|(name, wanted)| wanted == is && !self.is_secret(name))
    }

    /// The line that notes that a value holds a secret; it stays, as the note of a file does.
    fn note(&self, name: &str) -> Result<String> {
        if !self.is_secret(name) || self.noted.contains(name) {
            return Ok(String::new());
        }
        let note = secret_note(&self.key, name);
        Ok(format!("reg add \"{OWED}\" /v {} /t REG_SZ /d {} /f\n", cmd(&note)?, cmd(name)?))
    }

    fn put_back(&self, name: &str, was: Option<&Value>) -> Result<String> {
        match was {
            Some(value) => self.add(name, value),
            None => Ok(format!("-reg delete {} /v {} /f\n", cmd(&self.key)?, cmd(name)?)),
        }
    }
}

/// Whether a value does what the wanted one does: programs read both kinds of text alike, where no variable is named.
fn same(is: &Value, wanted: &Value) -> bool {
    match (is, wanted) {
        (Value::Expand(is), Value::Text(wanted)) => is == wanted && !is.contains('%'),
        _ => is == wanted,
    }
}

/// What is said of a value that counts after the next start of Windows only, until that has come: a
/// value that is written in this run, or was in an earlier one.
fn pending(key: &str, values: &BTreeMap<String, Value>, registry: &Registry) -> Option<String> {
    let wanted = values.get(AFTER_A_BOOT).filter(|_| is_loaded_at_boot(key, AFTER_A_BOOT))?;
    // Where the value is missing it is 0.
    let is = registry.value(key, AFTER_A_BOOT).unwrap_or(&Value::Number(0));
    if is != wanted {
        return Some(format!(
            "{AFTER_A_BOOT} is written now and counts after the next start of Windows; until then it is {is}"
        ));
    }
    waits_for_boot(registry).then(|| {
        format!("{AFTER_A_BOOT} was set to {is} and counts after the next start of Windows, which has not come yet")
    })
}

/// The line that notes at which start of Windows the value was written.
fn note_boot(boot: &str) -> Result<String> {
    Ok(format!("reg add \"{OWED}\" /v {AFTER_A_BOOT} /t REG_SZ /d {} /f\n", cmd(boot)?))
}

fn is_loaded_at_boot(key: &str, name: &str) -> bool {
    name == AFTER_A_BOOT && key.to_ascii_lowercase().ends_with(r"w32time\config")
}

/// How the wanted value, or one in its place, may be shown.
fn public(shown: &BTreeMap<String, Value>, name: &str, wanted: &Value, value: &Value) -> String {
    match shown.get(name) {
        Some(own) if own == wanted => value.to_string(),
        Some(own) if value == wanted => own.to_string(),
        _ => HIDDEN.to_owned(),
    }
}

/// What a policy says of a value of the time service: the keys below are laid out alike.
fn policy<'a>(key: &str, name: &str, registry: &'a Registry) -> Option<&'a Value> {
    let below =
        key.get(W32TIME.len()..).filter(|_| key.to_ascii_lowercase().starts_with(&W32TIME.to_ascii_lowercase()))?;
    registry.value(&format!("{POLICY}{below}"), name)
}

impl Resource for Values {
    fn label(&self) -> String {
        let short = self.key.rsplit_once("\\Services\\").map_or(self.key.as_str(), |(_, rest)| rest);
        format!("registry {short}")
    }

    fn probe(&self) -> String {
        query(self.root())
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let registry = Registry::parse(&seen.stdout);
        let delta = |(name, wanted, is): (&String, &Value, Option<&Value>)| {
            let to = public(&self.shown, name, wanted, wanted);
            Delta::new(self.label(), name, is.map(|is| self.old(name, wanted, is)), Some(to))
        };
        Ok(self.differing(&registry).map(delta).collect())
    }

    fn fix(&self, seen: &Slice, _refresh: bool) -> Result<Fix> {
        let registry = Registry::parse(&seen.stdout);
        let mut fix = Fix::default();
        for (name, wanted, was) in self.differing(&registry) {
            if is_loaded_at_boot(&self.key, name) {
                // Noted before it is written: a note too many is said, and a value too many is not.
                fix.change.push_str(&note_boot(&self.boot)?);
                fix.undo.push_str(&format!("-reg delete \"{OWED}\" /v {AFTER_A_BOOT} /f\n"));
            }
            fix.change.push_str(&self.note(name)?);
            fix.change.push_str(&self.add(name, wanted)?);
            fix.undo.push_str(&self.put_back(name, was)?);
        }
        Ok(fix)
    }

    /// W32Time notes its own state (the last good time) among its settings.
    fn reviewed(&self, seen: &Slice) -> String {
        let registry = Registry::parse(&seen.stdout);
        let values = self.values.keys().map(|name| format!("{name}: {:?}\n", registry.value(&self.key, name)));
        values.collect()
    }

    fn secrets(&self, seen: &Slice) -> Vec<String> {
        let registry = Registry::parse(&seen.stdout);
        let wanted = self.values.iter().filter(|(name, _)| self.is_secret(name)).map(|(_, wanted)| wanted);
        let has_held = self.values.keys().filter(|name| self.is_secret(name) || self.noted.contains(*name));
        // What is wanted of a value that has held a secret is none.
        let held = has_held.filter_map(|name| registry.value(&self.key, name)).filter(|is| !self.is_wanted(is));
        wanted.chain(held).flat_map(Value::texts).filter(|text| text.len() >= SHORTEST).collect()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_value_is_hidden_on_both_sides() {
        let shown = BTreeMap::from([("NtpServer".to_owned(), Value::Text("***".to_owned()))]);
        let real = BTreeMap::from([("NtpServer".to_owned(), Value::Text("S3CRET".to_owned()))]);
        let values = Values::new(PARAMETERS.to_owned(), real, shown, &facts("")).unwrap();
        let old = seen("    NtpServer    REG_SZ    OLD-S3CRET\n");
        let delta = values.diff(&old).unwrap().remove(0);
        assert_eq!((delta.from.as_deref(), delta.to.as_deref()), (Some("***"), Some("***")));
        assert_eq!(values.secrets(&old), ["S3CRET", "OLD-S3CRET"]);
    }

    /// The playbook has no secret in it any more.
    #[test]
    fn a_value_that_has_held_a_secret_is_noted_and_shows_no_old_one() {
        let hidden = BTreeMap::from([("NtpServer".to_owned(), Value::Text("***".to_owned()))]);
        let values = Values::new(PARAMETERS.to_owned(), one("S3CRET-1"), hidden.clone(), &facts("")).unwrap();
        let empty = seen("    Type    REG_SZ    NTP\n");
        let change = values.fix(&empty, false).unwrap().change;
        let note = format!("reg add \"{OWED}\" /v \"Secret {PARAMETERS}\\NtpServer\" /t REG_SZ /d \"NtpServer\" /f");
        assert_eq!(change.lines().next(), Some(note.as_str()));

        let noted = format!(
            "{}\n    Secret {PARAMETERS}\\NtpServer    REG_SZ    NtpServer\n    Lock    REG_SZ    x\n",
            OWED.replace("HKLM", "HKEY_LOCAL_MACHINE")
        );
        let facts = facts(&noted);
        let values = Values::new(PARAMETERS.to_owned(), one("10.0.0.1,0x8"), one("10.0.0.1,0x8"), &facts).unwrap();
        let old = seen("    NtpServer    REG_SZ    S3CRET-1\n");
        let delta = values.diff(&old).unwrap().remove(0);
        assert_eq!((delta.from.as_deref(), delta.to.as_deref()), (Some("***"), Some("10.0.0.1,0x8")));
        assert_eq!(values.secrets(&old), ["S3CRET-1"]);
        assert!(values.secrets(&seen("    NtpServer    REG_SZ    10.0.0.1,0x8\n")).is_empty());
        assert!(!values.fix(&old, false).unwrap().change.contains("Secret"));
        // It is noted once.
        let again = Values::new(PARAMETERS.to_owned(), one("S3CRET-2"), hidden, &facts).unwrap();
        assert!(!again.fix(&old, false).unwrap().change.contains("Secret "));
        let read = Registry::parse(&format!("{noted}{}", old.stdout));
        assert_eq!(crate::facts::windows::old_secrets(&read), ["S3CRET-1"]);
    }

    fn one(data: &str) -> BTreeMap<String, Value> {
        BTreeMap::from([("NtpServer".to_owned(), Value::Text(data.to_owned()))])
    }

    const PARAMETERS: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\W32Time\Parameters";

    fn seen(lines: &str) -> Slice {
        let stdout = format!("\n{}\n{lines}", PARAMETERS.replace("HKLM", "HKEY_LOCAL_MACHINE"));
        Slice { stdout, ..Slice::default() }
    }

    fn facts(registry: &str) -> WindowsFacts {
        let mut facts = crate::facts::windows::parse(&BTreeMap::new());
        facts.registry = Registry::parse(registry);
        facts
    }

    fn wanted() -> BTreeMap<String, Value> {
        BTreeMap::from([
            ("NtpServer".to_owned(), Value::Text("10.0.0.1,0x8".to_owned())),
            ("Type".to_owned(), Value::Text("NTP".to_owned())),
        ])
    }

    #[test]
    fn only_what_differs_is_changed_and_put_back() {
        let values = Values::new(PARAMETERS.to_owned(), wanted(), wanted(), &facts("")).unwrap();
        let slice = seen("    Type    REG_SZ    NTP\n    NtpServer    REG_SZ    time.windows.com,0x8\n");
        let deltas = values.diff(&slice).unwrap();
        assert_eq!(deltas.len(), 1);
        assert_eq!(
            (deltas[0].resource.as_str(), deltas[0].property.as_str()),
            (r"registry W32Time\Parameters", "NtpServer")
        );
        let fix = values.fix(&slice, false).unwrap();
        assert_eq!(fix.change, format!("reg add \"{PARAMETERS}\" /v \"NtpServer\" /t REG_SZ /d \"10.0.0.1,0x8\" /f\n"));
        assert_eq!(
            fix.undo,
            format!("reg add \"{PARAMETERS}\" /v \"NtpServer\" /t REG_SZ /d \"time.windows.com,0x8\" /f\n")
        );
    }

    #[test]
    fn a_saved_plan_compares_the_values_of_the_step_alone() {
        let values = Values::new(PARAMETERS.to_owned(), wanted(), wanted(), &facts("")).unwrap();
        let reviewed = |lines: &str| values.reviewed(&seen(lines));
        let was = reviewed("    Type    REG_SZ    NT5DS\n    LastKnownGoodTime    REG_QWORD    0x1\n");
        assert_eq!(was, reviewed("    Type    REG_SZ    NT5DS\n    LastKnownGoodTime    REG_QWORD    0x2\n"));
        assert_ne!(was, reviewed("    Type    REG_SZ    NoSync\n"));
        assert_ne!(was, reviewed("    Type    REG_SZ    NT5DS\n    NtpServer    REG_SZ    10.0.0.9\n"));
    }

    #[test]
    fn a_value_comes_back_with_its_type() {
        let values = Values::new(PARAMETERS.to_owned(), wanted(), wanted(), &facts("")).unwrap();
        let seen =
            |kind: &str, data: &str| seen(&format!("    Type    REG_SZ    NTP\n    NtpServer    {kind}    {data}\n"));
        let undo = values.fix(&seen("REG_EXPAND_SZ", "time.windows.com,0x8"), false).unwrap().undo;
        assert!(undo.contains("/t REG_EXPAND_SZ /d \"time.windows.com,0x8\""), "{undo}");
        assert!(values.diff(&seen("REG_EXPAND_SZ", "10.0.0.1,0x8")).unwrap().is_empty());
        let undo = values.fix(&seen("REG_SZ", "[fd00::1],0x8"), false).unwrap().undo;
        assert!(undo.contains("/d \"[fd00::1],0x8\""), "{undo}");
    }

    /// The warning stays until Windows was started again, whichever run has written the value.
    #[test]
    fn what_counts_after_a_boot_is_said_until_the_boot() {
        let config = r"HKLM\SYSTEM\CurrentControlSet\Services\W32Time\Config".to_owned();
        let wanted = BTreeMap::from([(AFTER_A_BOOT.to_owned(), Value::Number(0))]);
        let long = |key: &str| key.replace("HKLM", "HKEY_LOCAL_MACHINE");
        let host = |value: &str, note: &str, stopped: &str| {
            let line = |name: &str, kind: &str, data: &str| {
                if data.is_empty() { String::new() } else { format!("    {name}    {kind}    {data}\n") }
            };
            format!(
                "{}\n{}{}\n{}HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Windows\n{}",
                long(&config),
                line(AFTER_A_BOOT, "REG_DWORD", value),
                long(OWED),
                line(AFTER_A_BOOT, "REG_SZ", note),
                line("ShutdownTime", "REG_BINARY", stopped)
            )
        };
        let values = |text: &str| Values::new(config.clone(), wanted.clone(), wanted.clone(), &facts(text)).unwrap();
        for (value, note, stopped, said) in [
            ("0x1", "", "A1", "is written now"),
            ("0x0", "A1", "A1", "has not come yet"),
            ("0x0", "first", "", "has not come yet"),
            ("0x0", "A1", "B2", ""),
            ("0x0", "", "A1", ""),
            ("", "", "", ""),
            // Somebody has set it back since.
            ("0x1", "A1", "A1", "is written now"),
        ] {
            let warnings = values(&host(value, note, stopped)).warnings().join("; ");
            assert!(
                warnings.contains(said) && warnings.is_empty() == said.is_empty(),
                "{value} {note} {stopped}: {warnings}"
            );
        }
        let text = host("0x1", "", "A1");
        let fix = values(&text).fix(&Slice { stdout: text.clone(), ..Slice::default() }, false).unwrap();
        let lines: Vec<&str> = fix.change.lines().collect();
        assert_eq!(lines[0], format!("reg add \"{OWED}\" /v {AFTER_A_BOOT} /t REG_SZ /d \"A1\" /f"));
        assert!(
            lines[1].ends_with("/d \"0\" /f")
                && fix.undo.contains(&format!("-reg delete \"{OWED}\" /v {AFTER_A_BOOT} /f"))
        );
    }

    #[test]
    fn a_value_that_was_not_there_is_taken_away_again() {
        let values = Values::new(PARAMETERS.to_owned(), wanted(), wanted(), &facts("")).unwrap();
        let fix = values.fix(&seen("    Type    REG_SZ    NTP\n"), false).unwrap();
        assert_eq!(fix.undo, format!("-reg delete \"{PARAMETERS}\" /v \"NtpServer\" /f\n"));
    }

    #[test]
    fn a_policy_is_reported_and_not_fought() {
        let registry = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\W32Time\\Parameters\n    NtpServer    REG_SZ    pdc,0x9\n    Type    REG_SZ    NTP\n";
        let values = Values::new(PARAMETERS.to_owned(), wanted(), wanted(), &facts(registry)).unwrap();
        assert!(values.warnings()[0].contains("`pdc,0x9`") && values.warnings().len() == 1);
        assert!(values.diff(&seen("    Type    REG_SZ    NTP\n")).unwrap().is_empty());
    }

    #[test]
    fn a_value_of_the_wrong_type_differs() {
        let wanted = BTreeMap::from([("AnnounceFlags".to_owned(), Value::Number(5))]);
        let values = Values::new(PARAMETERS.to_owned(), wanted.clone(), wanted, &facts("")).unwrap();
        assert_eq!(values.diff(&seen("    AnnounceFlags    REG_SZ    5\n")).unwrap().len(), 1);
        assert!(values.diff(&seen("    AnnounceFlags    REG_DWORD    0x5\n")).unwrap().is_empty());
    }
}
