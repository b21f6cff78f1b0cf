//! The undo that a Windows host keeps: one batch file for each of its last runs, in a folder where
//! only administrators may write. `fleetclock undo` runs it; so can an administrator at the
//! console, without us.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use super::lines::run;
use super::lock::{self, Lock, plain};
use super::plan::READ;
use super::timer;
use crate::engine::lock::Holder;
use crate::engine::session::{Failure, Session};
use crate::engine::shell::Past;
use crate::engine::undo::{lost_in_the_middle, moved, not_in_full};
use crate::model::Slice;
use crate::text::decisive::decisive;

/// Where the files are. The quotes that a blank in the path would ask for are not needed: Windows
/// does not allow one in its own folder.
pub(super) const FOLDER: &str = r"%SystemRoot%\fleetclock";

/// A file that is being written; its short name is in every command.
const NEW: &str = r"%SystemRoot%\fleetclock\new";

/// Runs that a host keeps, as on Linux.
const KEPT_RUNS: usize = 5;

/// What a line of the file prints when the command before it failed.
pub(super) const FAILED: &str = "fleetclock: not done";

/// As much as one command line takes of the file; the marks and the rest of the line need room too.
const CHUNK: usize = 6000;

/// Time limit for putting back; a service that waits for its sources is the slow part.
const LIMIT: Duration = Duration::from_secs(150);

fn file(run: &str) -> String {
    format!("{FOLDER}\\{run}.cmd")
}

/// Returns the line that prints the names of the runs.
pub(super) fn list() -> String {
    format!("dir /b {FOLDER} 2>&1")
}

/// Reads what [`list`] printed, the oldest first; words about a missing folder are no runs.
pub(super) fn runs(printed: &str) -> Vec<String> {
    let name = |line: &str| line.trim().strip_suffix(".cmd").map(str::to_owned);
    let ours = |name: &String| name.len() > 9 && name.chars().all(|c| c.is_ascii_digit() || c == 'T' || c == 'Z');
    let mut all: Vec<String> = printed.lines().filter_map(name).filter(ours).collect();
    all.sort_unstable();
    all
}

/// Returns the line that removes the undo of a run.
pub(super) fn forget(run: &str) -> String {
    format!("-del {}", file(run))
}

/// The text of the file: who changed what, and the commands that put it back.
pub(super) fn text(holder: &Holder, fleet: &str, about: &[String], undo: &str) -> Result<Vec<String>> {
    let mut lines = vec![
        "@echo off".to_owned(),
        format!("rem who={}", plain(&holder.who)),
        format!("rem when={}", plain(&holder.when)),
        format!("rem fleet={}", plain(fleet)),
    ];
    lines.extend(about.iter().map(|change| format!("rem change={}", plain(change))));
    for line in undo.lines() {
        match line.strip_prefix('-') {
            Some(may_fail) => lines.push(safe(may_fail)?.to_owned()),
            None => {
                lines.push(safe(line)?.to_owned());
                lines.push(format!("if errorlevel 1 echo {FAILED}"));
            }
        }
        if line.starts_with("w32tm ") {
            // It ends with an HRESULT, which is a negative number.
            lines.push(format!("if not errorlevel 0 echo {FAILED}"));
        }
    }
    Ok(lines)
}

/// What `echo` would not print as it is must not be in the file.
fn safe(line: &str) -> Result<&str> {
    let strange = |c: char| "%^&<>|".contains(c) || !(' '..='~').contains(&c);
    if line.is_empty() || line.contains(strange) {
        bail!("`{line}` cannot be kept in a file on the host");
    }
    Ok(line)
}

/// Returns the lines that write a file of the folder, under another name until it is complete. The
/// file comes first in each, or cmd.exe would take a digit at the end of the text for the number of
/// a handle.
pub(super) fn write(name: &str, text: &[String]) -> Vec<String> {
    let mut lines = vec![format!("-del {NEW}")];
    let mut chunk = String::new();
    for part in text.iter().map(|line| format!(">>{NEW} echo {}", literal(line))) {
        if chunk.len() + part.len() > CHUNK {
            lines.push(std::mem::take(&mut chunk));
        }
        if !chunk.is_empty() {
            chunk.push('&');
        }
        chunk.push_str(&part);
    }
    lines.extend([chunk, format!("move /y {NEW} {FOLDER}\\{name}")]);
    lines
}

/// What `echo` prints as it is: between quotes cmd.exe takes these for letters.
fn literal(line: &str) -> String {
    let mut quoted = false;
    line.chars().fold(String::new(), |mut text, letter| {
        quoted ^= letter == '"';
        if !quoted && "<>&|".contains(letter) {
            text.push('^');
        }
        text.push(letter);
        text
    })
}

/// Leaves the undo on the host, starts the timer that runs it, and looks that it is there in full
/// and that the lock is still ours. `others` are the runs that the host knows; the oldest of too
/// many goes. Returns why there is no timer, if there is none.
pub(super) fn arm(
    session: &mut Session<'_>,
    lock: &mut Lock,
    text: &[String],
    others: &[String],
) -> Result<Option<String>, Failure> {
    let name = lock.holder.run.clone();
    let mut lines = vec![format!("-md {FOLDER}")];
    lines.extend(write(&format!("{name}.cmd"), text));
    let surplus = (others.len() + 1).saturating_sub(KEPT_RUNS);
    lines.extend(others.iter().take(surplus).map(|run| forget(run)));
    lines.push(format!("type {} 2>&1", file(&name)));
    let shown = lines.len();
    if session.cx.undo {
        lines.extend(timer::arm(lock)?);
    }
    let started = lines.len();
    lines.push(lock::ask());
    let slices = run(session, &lines, READ)?;
    let slice = |end: usize| slices.get(end - 1).cloned().unwrap_or_default();
    if !slice(shown).stdout.lines().map(str::trim_end).eq(text.iter().map(String::as_str)) {
        return Err(anyhow!("{}", decisive(&slice(shown).stdout, ""))
            .context("nothing was changed: the undo cannot be kept on the host")
            .into());
    }
    lock::held(lock, &slice(lines.len()))?;
    lock.armed = session.cx.undo && slice(started).status == 0;
    let why = || decisive(&slice(started).stdout, "");
    Ok((session.cx.undo && !lock.armed).then(why))
}

/// The runs of a Windows host.
pub(crate) struct Windows;

impl Past for Windows {
    fn newest(&self, session: &mut Session<'_>) -> Result<Slice, Failure> {
        let all = runs(&run(session, &[list()], READ)?.pop().unwrap_or_default().stdout);
        let mut lines: Vec<String> = all.iter().rev().map(|run| format!("type {} 2>&1", file(run))).collect();
        lines.truncate(KEPT_RUNS);
        let kept = if lines.is_empty() { Vec::new() } else { run(session, &lines, READ)? };
        Ok(told(all.last(), &kept))
    }

    fn put_back(&self, session: &mut Session<'_>, name: &str) -> Result<(), Failure> {
        let lock = Lock::new(session.spec);
        let seen = lock::take(session, &lock, vec![list()])?;
        let newest = seen.first().and_then(|slice| runs(&slice.stdout).pop());
        let done = if newest.as_deref() == Some(name) { run_back(session, &lock, name) } else { Err(moved(name)) };
        let mut last = if newest.as_deref() == Some(name) { timer::end() } else { Vec::new() };
        last.extend(done.iter().map(|()| forget(name)));
        last.push(lock::release(&lock.holder.run)?);
        let released = run(session, &last, READ);
        done.and(released.map(drop))
    }
}

/// What the files say, the newest first, in the words of a Linux host.
fn told(newest: Option<&String>, kept: &[Slice]) -> Slice {
    let notes = |slice: &Slice| -> String {
        slice
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("rem "))
            .map(|l| l.trim_end().to_owned() + "\n")
            .collect()
    };
    let mut stdout = newest.map(|run| format!("run={run}\n")).unwrap_or_default();
    stdout.extend(kept.first().map(notes));
    for older in kept.iter().skip(1).map(notes) {
        stdout.extend(older.lines().filter_map(|line| line.strip_prefix("fleet=")).map(|run| format!("older={run}\n")));
    }
    Slice { stdout, ..Slice::default() }
}

fn run_back(session: &mut Session<'_>, lock: &Lock, name: &str) -> Result<(), Failure> {
    let line = format!("call {} 2>&1", file(name));
    let done = lock.run(session, &[line], LIMIT);
    let done = done.map_err(|failure| lost_in_the_middle(failure, "how far it came is not known"))?;
    let printed = done.into_iter().next_back().unwrap_or_default().stdout;
    let Some((before, _)) = printed.split_once(FAILED) else { return Ok(()) };
    Err(not_in_full(name, &decisive(before, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder() -> Holder {
        let who = "ops@admin1 (process 7)".to_owned();
        Holder { run: "20261121T020000000000Z".into(), who, when: "2026-11-21T02:00:00Z".into() }
    }

    #[test]
    fn the_file_says_who_did_what_and_puts_it_back() {
        let undo =
            "reg add \"HKLM\\X\" /v A /t REG_DWORD /d 3 /f\n-reg delete \"HKLM\\X\" /v B /f\nw32tm /config /update\n";
        let text = text(&holder(), "20261121T015959000000Z", &["registry X: A".to_owned()], undo).unwrap();
        assert_eq!(
            text.join("\n"),
            "@echo off\nrem who=ops@admin1 process 7\nrem when=2026-11-21T02:00:00Z\nrem fleet=20261121T015959000000Z\nrem change=registry X: A\n\
             reg add \"HKLM\\X\" /v A /t REG_DWORD /d 3 /f\nif errorlevel 1 echo fleetclock: not done\n\
             reg delete \"HKLM\\X\" /v B /f\n\
             w32tm /config /update\nif errorlevel 1 echo fleetclock: not done\nif not errorlevel 0 echo fleetclock: not done"
        );
        let spec = crate::engine::sample::host("win1");
        let mut report = crate::engine::plan::blank(&spec);
        let kept = Slice { stdout: text.join("\r\n"), ..Slice::default() };
        let last =
            crate::engine::undo::last_run(&spec, &told(Some(&"r".to_owned()), &[kept.clone(), kept]), &mut report);
        assert_eq!((last.fleet.as_deref(), last.older.len()), (Some("20261121T015959000000Z"), 1));
        let words = "this is what run 20261121T015959000000Z changed, by ops@admin1 process 7 at 2026-11-21T02:00:00Z";
        assert_eq!(report.warnings, [words]);
        assert_eq!((report.deltas[0].resource.as_str(), report.deltas[0].property.as_str()), ("registry X", "A"));
    }

    #[test]
    fn what_echo_would_change_is_refused() {
        for bad in ["a%b", "a^b", "a&b", "a<b", "a>b", "a|b", "", "시간", "a\tb"] {
            assert!(text(&holder(), "", &[], &format!("{bad}\n")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_of_any_length_fits_into_command_lines() {
        let text = vec!["reg add x /d 1".to_owned(); 400];
        let lines = write("20261121T020000000000Z.cmd", &text);
        assert!(lines.len() > 2 && lines.iter().all(|line| line.len() < 6100));
        assert_eq!(lines.join("&").matches(r">>%SystemRoot%\fleetclock\new echo reg").count(), 400);
    }

    #[test]
    fn what_cmd_would_act_on_is_told_to_be_text() {
        assert_eq!(literal(r#"reg query "a|b" 2>&1|findstr /c:"<x>""#), r#"reg query "a|b" 2^>^&1^|findstr /c:"<x>""#);
        assert_eq!(literal(r#"<a b="1">"#), r#"^<a b="1"^>"#);
    }

    #[test]
    fn only_names_of_runs_are_runs() {
        let printed = "20261121T020000000000Z.cmd\n20261120T020000000000Z.cmd\nnotes.txt\n20261121T020000000000Z-lost.cmd\n파일을 찾을 수 없습니다.\n";
        assert_eq!(runs(printed), ["20261120T020000000000Z", "20261121T020000000000Z"]);
        assert!(runs("File Not Found\n").is_empty());
    }
}
