//! The lock of a Linux host, and the timer that takes a run back when nobody comes to keep it. Both live on the host
//! as the shell text of `lock.sh`.

use crate::engine::lock::{self, Holder};
use crate::model::{ErrorReport, Slice};
use crate::transport::quote::sh;

/// Exit status of a script that found the host locked.
pub(crate) const LOCKED: i32 = 4;

/// The functions that the texts below call.
pub(crate) const FUNCTIONS: &str = include_str!("lock.sh");

/// Shell text that takes the lock, or ends with [`LOCKED`] and prints the lock.
pub(crate) fn take(holder: &Holder) -> String {
    format!("fc_take {} {} {}", sh(&holder.run), sh(&holder.who), sh(&holder.when))
}

/// Shell text that gives the lock back, if it is that of the run.
pub(crate) fn release(run: &str) -> String {
    format!("fc_release {}", sh(run))
}

/// Shell text that ends a run: what it did stays. Prints `kept`, or the lock of another run at work.
pub(crate) fn keep(run: &str) -> String {
    format!("fc_keep {}", sh(run))
}

/// Reads a line of a printed lock.
fn value<'a>(seen: &'a Slice, name: &str) -> Option<&'a str> {
    let value = seen.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.filter(|text| !text.is_empty())
}

/// The run of a lock that nobody will come back for: made by this user on this machine, by a
/// process that is gone, and with no script at work. Its host may still take its connection for a
/// living one, as after a power failure here.
pub(crate) fn abandoned(seen: &Slice) -> Option<String> {
    let (run, who) = (value(seen, "run")?, value(seen, "who")?);
    let idle = value(seen, "script").is_none();
    (lock::is_gone(who, &lock::whoami()) && idle).then(|| run.to_owned())
}

/// Reads the lock that stood in the way.
pub(crate) fn refused(seen: &Slice) -> ErrorReport {
    let known = |name: &str| value(seen, name).unwrap_or_default().to_owned();
    let by = Holder { run: known("run"), who: known("who"), when: known("when") };
    let process = value(seen, "script").and_then(|script| script.split(' ').next());
    lock::refused(&by, &process.map_or_else(String::new, |process| format!(", process {process} on the host")))
}

/// The script that the timer starts: waits until nobody is at work, and runs the undo.
pub(crate) fn expire(folder: &str, holder: &Holder) -> String {
    let expired = holder.expired();
    format!(
        "LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport LC_ALL PATH\n{FUNCTIONS}\n\
         fc_tries=0\n\
         until {take} >/dev/null; do\n\
         fc_tries=$((fc_tries + 1))\n\
         [ $fc_tries -lt 360 ] || exit 1\n\
         sleep 5\n\
         done\n\
         echo 'run {run} of {who} lost its connection and nobody came to keep it: it is taken back'\n\
         sh {folder}/undo $1\n\
         fc_status=$?\n\
         [ $fc_status != 0 ] || fc_unboot\n\
         fc_release {own}\n\
         exit $fc_status\n",
        take = take(&expired),
        run = holder.run,
        who = holder.who.replace('\'', ""),
        folder = sh(folder),
        own = sh(&expired.run),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::lock::whoami;

    fn shell(dir: &std::path::Path, text: &str) -> Slice {
        let room = dir.join("room").display().to_string();
        let text =
            format!("{FUNCTIONS}\n{text}").replace("/run/fleetclock", &room).replace("/run/systemd/system", "/nowhere");
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new("dash").arg("-c").arg(text).output().unwrap();
        Slice {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            status: output.status.code().unwrap_or(-1),
        }
    }

    fn holder(run: &str) -> Holder {
        Holder { run: run.into(), who: "it's me@here (process 7)".into(), when: "2026-11-21T02:00:00Z".into() }
    }

    /// Takes the lock as `one`, and says in the same shell how it goes on.
    fn held(dir: &std::path::Path, then: &str) -> Slice {
        shell(dir, &format!("{}\n{then}", take(&holder("one"))))
    }

    #[test]
    fn a_lock_names_its_holder_and_lets_only_its_own_run_in() {
        let dir = tempfile::tempdir().unwrap();
        // The line is the test's own process, so that the lock is not that of an orphan.
        let two = format!(
            "fc_line() {{ echo \"$PPID $(fc_born $PPID)\"; }}\n{}\n{}",
            take(&holder("one")),
            take(&holder("two"))
        );
        let slice = shell(dir.path(), &two);
        assert_eq!(slice.status, LOCKED, "{slice:?}");
        let error = refused(&slice);
        for part in ["locked by it's me@here (process 7)", "since 2026-11-21T02:00:00Z", "run one, process "] {
            assert!(error.message.contains(part), "{error:?}");
        }
        let again = shell(dir.path(), &format!("{two} >/dev/null; {}", take(&holder("one"))));
        assert_eq!(again.status, 0, "{again:?}");
    }

    #[test]
    fn the_lock_of_a_run_that_died_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let other = |dir| shell(dir, &take(&holder("two"))).status;
        // The script is gone.
        assert_eq!(held(dir.path(), ":").status, 0);
        assert_eq!(other(dir.path()), 0);
        // Another boot, a process that still lives.
        let line = "fc_line() { :; }\n";
        assert_eq!(shell(dir.path(), &format!("{line}{}\nfc_lease one 60", take(&holder("one")))).status, 0);
        assert_eq!(other(dir.path()), LOCKED);
        shell(dir.path(), "sed -i s/^boot=.*/boot=another/ \"$FC_LOCK\"");
        assert_eq!(other(dir.path()), 0);
        // Its time is over.
        assert_eq!(shell(dir.path(), &format!("{line}{}\nfc_lease one -1", take(&holder("one")))).status, 0);
        assert_eq!(other(dir.path()), 0);
        // Its connection is gone: the shell that stands for it has ended.
        assert_eq!(
            shell(dir.path(), &format!("fc_line() {{ echo 1 0; }}\n{}\nfc_lease one 60", take(&holder("one")))).status,
            0
        );
        assert_eq!(other(dir.path()), 0);
    }

    #[test]
    fn a_run_without_a_connection_holds_nothing_when_its_script_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        // The connection was lost before the script began: its parent is not there any more.
        let orphan = format!("{}\nfc_lease one 60\ncat \"$FC_LOCK\"", take(&holder("one")));
        let alone = "sed() { case $2 in *PPid*) echo 1 ;; *) command sed \"$@\" ;; esac; }";
        let slice = shell(dir.path(), &format!("{alone}\n{orphan}"));
        let line = slice.stdout.lines().find(|line| line.starts_with("line=")).unwrap_or_default();
        assert!(line.len() > "line=1 1".len(), "{slice:?}");
        assert_eq!(shell(dir.path(), &take(&holder("two"))).status, 0);
    }

    #[test]
    fn a_lock_of_a_process_of_ours_that_is_gone_is_abandoned() {
        let me = whoami();
        let (owner, own) = me.split_once(" (process ").unwrap();
        let abandoned = |who: &str, script: &str| {
            let stdout = format!("run=one\nwho={who}\nboot=b\nscript={script}\nline=1 2\n");
            abandoned(&Slice { stdout, ..Slice::default() })
        };
        // Above the greatest number that a process of Linux may have.
        let gone = format!("{owner} (process 4194305)");
        assert_eq!(abandoned(&gone, "").as_deref(), Some("one"));
        assert_eq!(abandoned(&gone, "77 5"), None);
        assert_eq!(abandoned(&format!("{owner} (process {own}"), ""), None);
        assert_eq!(abandoned("ops@elsewhere (process 4194305)", ""), None);
        assert_eq!(abandoned("the host itself", ""), None);
    }

    #[test]
    fn only_the_holder_releases_and_keeps() {
        let dir = tempfile::tempdir().unwrap();
        let slice = held(
            dir.path(),
            "fc_release two; fc_keep two >/dev/null; [ -e \"$FC_LOCK\" ] && fc_keep one; [ -e \"$FC_LOCK\" ] || echo gone",
        );
        assert_eq!((slice.status, slice.stdout.as_str()), (0, "kept\ngone\n"), "{slice:?}");
    }

    #[test]
    fn of_many_at_once_one_gets_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let mine = |run: &str| format!("({} >/dev/null && echo mine) &\n", super::take(&holder(run)));
        let all: String = (0..20).map(|n| mine(&n.to_string())).collect();
        // One shell for all: they share its life, as runs that are at work at the same time.
        let slice = shell(dir.path(), &format!("fc_line() {{ echo \"$PPID $(fc_born $PPID)\"; }}\n{all}wait"));
        assert_eq!(slice.stdout, "mine\n", "{slice:?}");
    }
}
