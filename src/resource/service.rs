//! A systemd service: whether it runs, whether it starts at boot, and whether it has loaded
//! what is on the disk.

use anyhow::{Result, bail};

use super::started::{self, Wanted};
use super::{Delta, Fix, Resource, Slice};
use crate::facts::Facts;
use crate::facts::linux::OWED;
use crate::facts::units::Shown;
use crate::text::decisive::{STAGE, decisive};
use crate::transport::quote::sh;

/// Returns shell text that marks a restart as owed by a run, so that one which dies between the new
/// file and the restart leaves a difference that the next run sees. A mark of another run stays.
pub fn owe(unit: &str, run: &str) -> String {
    let mark = sh(&format!("{OWED}/{unit}"));
    format!("mkdir -p {OWED} && {{ [ -e {mark} ] || echo {} >{mark}; }}\n", sh(run))
}

/// Returns shell text for the end of a run whose changes are taken back: the service has loaded what
/// is there again, and nothing is owed by that run.
pub fn disown(run: &str) -> String {
    each_mark(run, "rm -f \"$fc_m\"")
}

/// Returns shell text for the end of a run that failed and leaves everything as it is: the restart is
/// still owed, and not because the run did not end.
pub fn leave(run: &str) -> String {
    each_mark(run, ": >\"$fc_m.left\"")
}

fn each_mark(run: &str, what: &str) -> String {
    format!("for fc_m in {OWED}/*; do [ \"$(cat \"$fc_m\" 2>/dev/null)\" != {} ] || {what}; done\n", sh(run))
}

/// A service that shall be in a certain state.
#[derive(Debug, Clone)]
pub struct Service {
    /// Unit name without `.service`.
    pub unit: String,
    /// Runs now.
    pub running: bool,
    /// Starts at boot.
    pub enabled: bool,
    /// What it shall be started with, where that is looked at.
    pub started: Option<Wanted>,
}

/// What the probe found.
struct State {
    exists: bool,
    active: String,
    file: String,
    /// Why a restart is owed.
    owed: Option<&'static str>,
}

impl State {
    fn runs(&self) -> bool {
        self.active == "active" || self.active == "reloading"
    }

    /// Whether it starts at boot; `None` where that cannot be set (static, generated, ...). What is
    /// enabled under /run is gone after the next boot.
    fn starts_at_boot(&self) -> Option<bool> {
        match self.file.as_str() {
            "enabled" => Some(true),
            "static" | "generated" | "transient" | "indirect" | "alias" => None,
            _ => Some(false),
        }
    }

    fn is_masked(&self) -> bool {
        self.file.starts_with("masked")
    }

    /// A mask or a link that is gone after the next boot is named by an option of its own.
    fn runtime(&self) -> &'static str {
        if self.file.ends_with("-runtime") { "--runtime " } else { "" }
    }
}

impl Resource for Service {
    fn label(&self) -> String {
        format!("service {}", self.unit)
    }

    fn probe(&self) -> String {
        let state = || format!("systemctl show -p LoadState -p ActiveState -p UnitFileState {} || exit", self.name());
        let state = self.started.as_ref().map_or_else(state, |wanted| wanted.probe(&self.unit));
        format!(
            "{state}\n\
             [ ! -e {mark} ] || {{ [ -e {mark}.left ] && echo owed=left || echo owed=yes; }}\n\
             exit 0",
            mark = self.mark()
        )
    }

    fn known(&self, facts: &Facts) -> Option<Slice> {
        if self.started.is_some() {
            // Not among the facts.
            return None;
        }
        let owed = |unit: &str| facts.owed.iter().any(|owed| owed == unit);
        let owed = match (owed(&self.unit), owed(&format!("{}.left", self.unit))) {
            (true, true) => "owed=left\n",
            (true, false) => "owed=yes\n",
            (false, _) => "",
        };
        let shown = &facts.units.get(&self.unit)?.shown;
        Some(Slice { stdout: format!("{shown}{owed}"), ..Slice::default() })
    }

    fn diff(&self, seen: &Slice) -> Result<Vec<Delta>> {
        let state = state(seen)?;
        let mut deltas = Vec::new();
        let mut compare = |property: &str, is: Option<String>, wanted: bool, same: bool| {
            if !same {
                deltas.push(Delta::new(self.label(), property, is, Some(yes_no(wanted))));
            }
        };
        let there = |text: &str| state.exists.then(|| text.to_owned());
        let boot = !state.exists && !self.enabled || state.starts_at_boot().is_none_or(|boot| boot == self.enabled);
        compare("enabled", there(&enabled_word(&state)), self.enabled, boot);
        let unmet = started::unmet(seen).filter(|_| !state.runs() && self.started.is_some());
        let running = match (state.active.as_str(), unmet) {
            ("failed", _) => "failed".to_owned(),
            (_, Some(why)) => format!("no ({why})"),
            _ => yes_no(state.runs()),
        };
        compare("running", there(&running), self.running, state.runs() == self.running);
        if let Some(why) = state.owed.filter(|_| self.running && state.runs()) {
            let from = Some(why.to_owned());
            deltas.push(Delta::new(self.label(), "restart", from, Some("restarted".to_owned())));
        }
        for (property, from) in self.ruled(seen, &state)? {
            deltas.push(Delta::new(
                self.label(),
                property,
                Some(from),
                Some("as the file and the unit say".to_owned()),
            ));
        }
        Ok(deltas)
    }

    fn fix(&self, seen: &Slice, refresh: bool) -> Result<Fix> {
        let state = state(seen)?;
        let refresh = refresh || !self.ruled(seen, &state)?.is_empty();
        Ok(Fix {
            change: self.change(&state, refresh),
            undo: self.undo(&state),
            settle: self.settle(&state),
            ..Fix::default()
        })
    }
}

impl Service {
    fn name(&self) -> String {
        sh(&format!("{}.service", self.unit))
    }

    /// What else than the file rules in the running service, by property; a restart puts it right.
    fn ruled(&self, seen: &Slice, state: &State) -> Result<Vec<(&'static str, String)>> {
        let Some(wanted) = self.started.as_ref().filter(|_| self.running && state.exists) else {
            return Ok(Vec::new());
        };
        let arguments = wanted.differs(seen, &self.unit, state.runs())?.map(|from| ("arguments", from));
        let runtime =
            wanted.changed_at_run_time(seen).filter(|_| state.runs()).map(|from| ("changed at run time", from));
        let lines = started::passed_over(seen).filter(|_| state.runs()).map(|from| ("lines of the file", from));
        Ok(arguments.into_iter().chain(runtime).chain(lines).collect())
    }

    fn mark(&self) -> String {
        sh(&format!("{OWED}/{}", self.unit))
    }

    fn change(&self, state: &State, refresh: bool) -> String {
        let name = self.name();
        let mut text = String::new();
        if state.is_masked() && (self.enabled || self.running) {
            text.push_str(&format!("systemctl -q unmask {}{name}\n", state.runtime()));
        }
        if state.starts_at_boot().is_some_and(|boot| boot != self.enabled) {
            text.push_str(&format!("systemctl -q {} {name}\n", if self.enabled { "enable" } else { "disable" }));
        }
        if !self.running {
            text.push_str(&format!("systemctl stop {name}\n"));
            return text;
        }
        // A package may have started it with its own configuration: `start` would then do nothing.
        if refresh || state.owed.is_some() || !state.runs() {
            text.push_str(&format!("{}\nrm -f {mark} {mark}.left\n", restart(&name), mark = self.mark()));
        }
        text
    }

    fn undo(&self, state: &State) -> String {
        let name = self.name();
        let mut text = String::new();
        if !state.runs() {
            text.push_str(&format!("systemctl stop {name} || :\n"));
        }
        match state.starts_at_boot() {
            Some(false) if self.enabled => text.push_str(&format!("systemctl -q disable {name} || :\n")),
            Some(true) if !self.enabled => text.push_str(&format!("systemctl -q enable {name}\n")),
            _ => {}
        }
        if state.is_masked() {
            text.push_str(&format!("systemctl -q mask {}{name}\n", state.runtime()));
        } else if state.file == "enabled-runtime" {
            text.push_str(&format!("systemctl -q enable --runtime {name}\n"));
        }
        text
    }

    /// It has to load what was put back.
    fn settle(&self, state: &State) -> String {
        let restart = if state.runs() { restart(&self.name()) } else { String::new() };
        format!("{restart}\nrm -f {mark} {mark}.left\n", mark = self.mark())
    }
}

/// Restarts, and sees that it stays up: a service that dies at its new configuration may do so
/// a moment after `systemctl` has returned.
fn restart(name: &str) -> String {
    format!(
        "systemctl reset-failed {name} 2>/dev/null || :\n\
         fc_ok=yes fc_since=$(date +%s)\n\
         systemctl restart {name} || fc_ok=no\n\
         [ $fc_ok = no ] || {{ sleep 0.5; systemctl -q is-active {name} || fc_ok=no; }}\n\
         [ $fc_ok = yes ] || {{\n{}\nfalse\n}}",
        why(name)
    )
}

/// Prints why a service does not run: an unmet condition of its unit, a command that its unit runs before
/// or after it, or what the service itself said in its last invocation. The words of systemd about it say
/// nothing of the cause, and those of an earlier invocation are about another one.
fn why(name: &str) -> String {
    let text = WHY.replace("@STAGE@", STAGE).replace("@NAME@", name);
    text.trim().to_owned()
}

const WHY: &str = r#"
journalctl --sync 2>/dev/null || :
fc_id=$(systemctl show -p InvocationID @NAME@) fc_id=${fc_id#InvocationID=}
fc_said() { [ -n "$fc_id" ] && journalctl -q -n 20 -o cat _SYSTEMD_INVOCATION_ID="$fc_id" "$@" 2>/dev/null; }
fc_bad=$(systemctl show -p ExecCondition -p ExecStartPre -p ExecStartPost @NAME@ | sed -n '/code=exited ; status=0/d; /code=(null)/d
s|^\(Exec[A-Za-z]*\)={ path=\([^ ]*\) ;.*argv\[\]=\(.*\) ; ignore_errors=no ;.* code=\([a-z]*\) ; status=\([^ ]*\) }$|\2 `\1=\3` of its unit failed (\4, status \5)|p' | head -n 1)
if systemctl show -p ConditionResult @NAME@ | grep -qx ConditionResult=no; then
journalctl -q -n 40 -o cat -u @NAME@ _PID=1 2>/dev/null | grep -i condition | tail -n 1 >&2 || :
echo '@STAGE@'@NAME@ 'was not started: a condition of its unit is not met on this host' >&2
elif [ -n "$fc_bad" ]; then
fc_by=${fc_bad%% *}
fc_said SYSLOG_IDENTIFIER="${fc_by##*/}" >&2 || :
printf '%s\n' '@STAGE@'@NAME@" does not run: ${fc_bad#* }" >&2
else
fc_out=$(fc_said) || :
[ -n "$fc_out" ] || fc_out=$(journalctl -q -n 8 -o cat -u @NAME@ --since "@$fc_since" 2>/dev/null | grep -v '^St[a-z]* ') || :
[ -z "$fc_out" ] || printf '%s\n' "$fc_out" >&2
echo '@STAGE@'@NAME@ 'does not run with this configuration' >&2
fi
"#;

fn state(seen: &Slice) -> Result<State> {
    let shown = Shown::of(&seen.stdout);
    let value = |key: &str| shown.value(key);
    let (Some(load), Some(active), Some(file)) = (value("LoadState"), value("ActiveState"), value("UnitFileState"))
    else {
        bail!("systemctl show did not answer: {}", decisive("", &seen.stderr));
    };
    Ok(State {
        exists: load != "not-found",
        active: active.to_owned(),
        file: file.to_owned(),
        owed: value("owed").map(|why| match why {
            "left" => "owed by a run that failed and was not undone",
            _ => "owed by a run that did not end",
        }),
    })
}

fn enabled_word(state: &State) -> String {
    match state.starts_at_boot() {
        _ if state.is_masked() => "masked".to_owned(),
        boot => boot.map_or_else(|| state.file.clone(), yes_no),
    }
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(load: &str, active: &str, file: &str, more: &str) -> Slice {
        let stdout = format!("LoadState={load}\nActiveState={active}\nUnitFileState={file}\n{more}");
        Slice { stdout, ..Slice::default() }
    }

    fn chrony() -> Service {
        Service { unit: "chrony".into(), running: true, enabled: true, started: None }
    }

    fn properties(slice: &Slice) -> Vec<(String, Option<String>)> {
        chrony().diff(slice).unwrap().into_iter().map(|d| (d.property, d.from)).collect()
    }

    #[test]
    fn active_is_not_enabled_and_enabled_is_not_active() {
        assert!(properties(&seen("loaded", "active", "enabled", "")).is_empty());
        assert_eq!(properties(&seen("loaded", "active", "disabled", "")), [("enabled".into(), Some("no".into()))]);
        assert_eq!(properties(&seen("loaded", "inactive", "enabled", "")), [("running".into(), Some("no".into()))]);
    }

    #[test]
    fn a_missing_service_is_absent() {
        let both = [("enabled".to_owned(), None), ("running".to_owned(), None)];
        assert_eq!(properties(&seen("not-found", "inactive", "", "")), both);
    }

    #[test]
    fn a_restart_that_is_owed_is_a_difference() {
        let slice = seen("loaded", "active", "enabled", "owed=yes\n");
        assert_eq!(properties(&slice)[0].0, "restart");
        assert!(chrony().fix(&slice, false).unwrap().change.contains("systemctl restart"));
    }

    #[test]
    fn a_running_service_is_not_restarted_without_a_reason() {
        let fix = chrony().fix(&seen("loaded", "active", "disabled", ""), false).unwrap();
        assert_eq!(fix.change, "systemctl -q enable 'chrony.service'\n");
    }

    /// systemd before 228 has no `--sync`, and before 232 no invocation.
    #[test]
    fn a_journal_that_cannot_be_synced_is_read_all_the_same() {
        let script = format!(
            "fc_since=0\nsystemctl() {{ :; }}\njournalctl() {{ case $* in *--sync*) echo unrecognized >&2; return 1 ;; \
             *'-u chrony'*) echo the cause ;; esac; }}\n{}",
            why("chrony")
        );
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new("sh").arg("-ec").arg(script).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.starts_with("the cause\n") && !said.contains("unrecognized"), "{said}");
    }

    #[test]
    fn undo_puts_a_mask_back() {
        let fix = chrony().fix(&seen("masked", "inactive", "masked", ""), true).unwrap();
        assert!(fix.change.contains("unmask") && fix.undo.contains("systemctl -q mask"));
    }
}
