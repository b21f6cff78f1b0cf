//! The timer of a Windows host: a task of its Task Scheduler that takes a run back when nobody has
//! been heard of it for the lease of its lock.
//!
//! The task is registered from XML and starts some time after its registration, or after a boot:
//! no date in the form of the system's language, and no time of a clock that is about to jump.
//! Registering it again, as every change does, begins the time anew. A registration alone would be
//! lost with a boot (Microsoft, `IRegistrationTrigger`).

use std::time::Duration;

use anyhow::Result;

use super::lock::{self, Lock, expired, held_by, plain};
use super::undo::{FAILED, FOLDER, write};
use crate::facts::registry::{Value, value};
use crate::facts::windows::OWED;
use crate::transport::quote::cmd;

/// The name of the task.
const TASK: &str = "fleetclock-undo";

/// The value in which the host says what it did.
const TAKEN_BACK: &str = "TakenBack";

/// The user `LocalSystem`, by the name that it has in every language.
const SYSTEM: &str = "S-1-5-18";

fn file(run: &str, kind: &str) -> String {
    format!("{run}-lost.{kind}")
}

/// Returns the lines that leave the script and the task's definition on the host, and start the
/// timer; the last one says whether it did.
pub(super) fn arm(lock: &Lock) -> Result<Vec<String>> {
    let run = &lock.holder.run;
    let mut lines = vec![format!("-del {FOLDER}\\*-lost.*")];
    lines.extend(write(&file(run, "cmd"), &script(lock)?));
    lines.extend(write(&file(run, "xml"), &[definition(run, lock.lease)]));
    lines.push(again(run));
    Ok(lines)
}

/// Returns the line that begins the time anew.
pub(super) fn again(run: &str) -> String {
    format!("schtasks /create /tn {TASK} /xml {FOLDER}\\{} /f", file(run, "xml"))
}

/// Returns the line that ends the timer of a run and gives its lock back, if it still is that
/// run's: what it did stays. The files go first: the script looks for them.
pub(super) fn keep(run: &str) -> Result<String> {
    let kept = format!("del {FOLDER}\\{run}-lost.*&schtasks /delete /tn {TASK} /f&{}", lock::delete());
    Ok(format!("-{}&(if not errorlevel 1 ({kept}))", held_by(run)?))
}

/// Returns the lines that end any timer, for who has the lock.
pub(super) fn end() -> Vec<String> {
    vec![format!("-del {FOLDER}\\*-lost.*"), format!("-schtasks /delete /tn {TASK} /f")]
}

/// Returns the line that forgets what the host said.
pub(super) fn heard() -> String {
    format!("-reg delete \"{OWED}\" /v {TAKEN_BACK} /f")
}

/// Returns the line that leaves an entry in the log of applications, in words that `plain` has made.
pub(super) fn event(kind: &str, text: &str) -> String {
    format!("eventcreate /t {kind} /id 1 /l APPLICATION /so fleetclock /d \"{text}\"")
}

/// What the task runs, in the folder of the undo. Whoever takes the lock first has the host: the
/// run that comes back, the next one, or this script.
fn script(lock: &Lock) -> Result<Vec<String>> {
    let run = &lock.holder.run;
    let (lock_line, word) = (expired(lock)?, |full: u8| word(lock, full));
    let (who, xml, log) = (plain(&lock.holder.who), file(run, "xml"), file(run, "log"));
    let held = |text: &str| format!("reg query \"{OWED}\" /v Lock 2>&1|findstr /c:\"{text}\"");
    let tell = |kind: &str, how: &str| event(kind, &format!("run {run} of {who} was not heard of again: {how}"));
    let lines = [
        "@echo off".to_owned(),
        ":wait".to_owned(),
        format!("if not exist {xml} exit"),
        held("run="),
        "if errorlevel 1 goto take".to_owned(),
        held(&format!("run={run};")),
        "if not errorlevel 1 goto take".to_owned(),
        "ping -n 6 127.0.0.1".to_owned(),
        "goto wait".to_owned(),
        ":take".to_owned(),
        lock_line,
        held(&format!("run={run}-expired;")),
        "if errorlevel 1 goto wait".to_owned(),
        format!("if not exist {xml} goto free"),
        format!("call {run}.cmd >{log} 2>&1"),
        format!("type {log}|findstr /c:\"{FAILED}\""),
        "if not errorlevel 1 goto part".to_owned(),
        format!("del {run}.cmd"),
        word(1)?,
        tell("WARNING", "it was taken back"),
        "goto free".to_owned(),
        ":part".to_owned(),
        word(0)?,
        tell("ERROR", "it was taken back in part"),
        ":free".to_owned(),
        format!("del {xml}"),
        format!("schtasks /delete /tn {TASK} /f"),
        lock::delete(),
    ];
    Ok(lines.into())
}

fn word(lock: &Lock, full: u8) -> Result<String> {
    let text = format!("run={}; full={full}; who={}", lock.holder.run, plain(&lock.holder.who));
    Ok(format!("reg add \"{OWED}\" /v {TAKEN_BACK} /t REG_SZ /d {} /f", cmd(&text)?))
}

/// The task (Task Scheduler schema 1.2, which is that of 2008 R2 too). On a battery it would not
/// run unless it is told to.
fn definition(run: &str, lease: Duration) -> String {
    let delay = format!("<Enabled>true</Enabled><Delay>PT{}S</Delay>", lease.as_secs());
    [
        "<?xml version=\"1.0\"?>".to_owned(),
        "<Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">".to_owned(),
        "<RegistrationInfo><Author>fleetclock</Author></RegistrationInfo>".to_owned(),
        format!("<Triggers><RegistrationTrigger>{delay}</RegistrationTrigger>"),
        format!("<BootTrigger>{delay}</BootTrigger></Triggers>"),
        format!("<Principals><Principal id=\"system\"><UserId>{SYSTEM}</UserId></Principal></Principals>"),
        "<Settings><MultipleInstancesPolicy>Parallel</MultipleInstancesPolicy>".to_owned(),
        "<DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>".to_owned(),
        "<StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>".to_owned(),
        "<ExecutionTimeLimit>PT1H</ExecutionTimeLimit></Settings>".to_owned(),
        "<Actions Context=\"system\"><Exec><Command>cmd.exe</Command>".to_owned(),
        format!("<Arguments>/d /c {}</Arguments>", file(run, "cmd")),
        format!("<WorkingDirectory>{FOLDER}</WorkingDirectory></Exec></Actions></Task>"),
    ]
    .concat()
}

/// What a host says that it did with a run that was lost, if it did something.
pub(super) fn told(printed: &str) -> Option<String> {
    let text = printed.lines().filter_map(value).find(|(name, _)| *name == TAKEN_BACK)?.1;
    let Value::Text(text) = text else { return None };
    let field = |name: &str| text.split("; ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let (run, who) = (field("run").unwrap_or("?"), field("who").unwrap_or("?"));
    Some(match field("full") {
        Some("1") => format!("run {run} of {who} was not heard of again, and the host took it back by itself"),
        _ => format!(
            "run {run} of {who} was not heard of again, and the host could not take it back in full \
             ({FOLDER}\\{} on the host)",
            file(run, "log")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::lock::Holder;

    fn lock() -> Lock {
        let who = "ops@admin1 (process 7)".to_owned();
        let holder = Holder { run: "20261121T020000000000Z".into(), who, when: "2026-11-21T02:00:00Z".into() };
        Lock { holder, lease: Duration::from_secs(360), armed: true }
    }

    #[test]
    fn the_task_knows_no_date_and_no_language() {
        let text = definition("r", Duration::from_secs(360));
        assert_eq!(text.matches("<Delay>PT360S</Delay>").count(), 2);
        closed(&text);
        for word in ["Boundary", "/st", "/sd", "SYSTEM<"] {
            assert!(!text.contains(word), "{word}");
        }
    }

    /// Every element is closed in its place.
    fn closed(text: &str) {
        let mut open: Vec<&str> = Vec::new();
        for tag in text.split('<').skip(2).map(|part| part.split(['>', ' ']).next().unwrap()) {
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None => open.push(tag),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn a_run_that_is_kept_is_not_taken_back() {
        let script = script(&lock()).unwrap();
        let at = |part: &str| script.iter().position(|line| line.contains(part)).unwrap();
        assert!(at("reg add") < at("run=20261121T020000000000Z-expired;\"") + 1);
        assert_eq!(script[at("call ") - 1], "if not exist 20261121T020000000000Z-lost.xml goto free");
        let keep = keep("20261121T020000000000Z").unwrap();
        assert!(keep.contains("findstr /c:\"run=20261121T020000000000Z;\"&(if not errorlevel 1 (del "), "{keep}");
    }

    #[test]
    fn the_host_says_what_it_did() {
        let printed = |full: u8| format!("    TakenBack    REG_SZ    run=r1; full={full}; who=ops@admin1 process 7\n");
        assert_eq!(
            told(&printed(1)).unwrap(),
            "run r1 of ops@admin1 process 7 was not heard of again, and the host took it back by itself"
        );
        assert!(told(&printed(0)).unwrap().contains(r"not take it back in full (%SystemRoot%\fleetclock\r1-lost.log"));
        assert_eq!(told("    Lock    REG_SZ    run=r1\n"), None);
    }
}
