//! One run at a time on a Windows host: a value of the registry names the run that is at work.
//!
//! No command of Windows writes a value only where there is none. Between the question and the
//! answer of [`Lock::take`] lie some milliseconds on the host, and a run looks once more before its
//! first change, so that of two at once at most one goes on. The age of a lock is judged by the
//! clock of the machine that fleetclock runs on: that of the host may be about to jump.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, anyhow};

use super::lines::{ended, judge, run, unended};
use super::plan::READ;
use super::timer;
use crate::engine::lock::{self, Holder};
use crate::engine::session::{Failure, Session};
use crate::facts::registry::{Value, value};
use crate::facts::windows::OWED;
use crate::inventory::HostSpec;
use crate::model::{Slice, Status};
use crate::text::decisive::decisive;
use crate::transport::quote::cmd;

/// The name of the value.
const NAME: &str = "Lock";

/// The lock of one run.
pub(super) struct Lock {
    pub(super) holder: Holder,
    /// How long it holds after it was taken or renewed.
    pub(super) lease: Duration,
    /// Whether a timer of the host runs as long as the lease.
    pub(super) armed: bool,
}

/// A lock as it stands in the registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) holder: Holder,
    /// When it was taken or renewed.
    alive: Option<SystemTime>,
    lease: Duration,
    /// Whether the host is inside a command of that run.
    busy: bool,
}

/// How long the command of a run that died may take to its end.
const ORPHAN: Duration = Duration::from_secs(150);

/// Between two looks at such a command.
const PAUSE: Duration = Duration::from_secs(2);

impl Lock {
    pub(super) fn new(spec: &HostSpec) -> Self {
        Lock { holder: Holder::me(), lease: lock::lease(spec.limits.deadline), armed: false }
    }

    /// `run=...; when=...; alive=...; lease=360; busy=0; who=...`; who comes last, as it may hold anything.
    fn text(&self, now: SystemTime, busy: bool) -> String {
        let Holder { run, who, when } = &self.holder;
        let (alive, lease) = (humantime::format_rfc3339_seconds(now), self.lease.as_secs());
        format!("run={run}; when={when}; alive={alive}; lease={lease}; busy={}; who={}", u8::from(busy), plain(who))
    }

    fn write(&self, busy: bool) -> Result<String> {
        Ok(format!("reg add \"{OWED}\" /v {NAME} /t REG_SZ /d {} /f", cmd(&self.text(SystemTime::now(), busy))?))
    }

    /// Returns the line that takes the lock if nobody has it, and prints who has it then.
    fn take(&self) -> Result<String> {
        Ok(format!("{ask} 2>&1&(if errorlevel 1 {})&{ask}", self.write(false)?, ask = ask()))
    }

    /// Returns the line that takes the lock of a run that died.
    fn take_over(&self, from: &Entry) -> Result<String> {
        Ok(format!("{}&(if not errorlevel 1 {})&{}", held_by(&from.holder.run)?, self.write(false)?, ask()))
    }

    /// Returns the line that says that the run is still alive.
    pub(super) fn renew(&self) -> Result<String> {
        let (run, lock) = (&self.holder.run, self.write(false)?);
        let held = if self.armed { format!("({}&{lock})", timer::again(run)) } else { lock };
        Ok(format!("-{}&(if not errorlevel 1 {held})", held_by(run)?))
    }

    /// Returns the line that lets the lines after it be run only if the lock is ours. A run that
    /// dies leaves a lock that says whether they have ended.
    fn enter(&self) -> Result<String> {
        Ok(format!("{}&(if errorlevel 1 exit 1)&{}", held_by(&self.holder.run)?, self.write(true)?))
    }

    /// Runs lines that change something.
    ///
    /// # Errors
    /// The lock is another's by now (nothing was run), or the connection fails.
    pub(super) fn run(
        &self,
        session: &mut Session<'_>,
        lines: &[String],
        limit: Duration,
    ) -> Result<Vec<Slice>, Failure> {
        let mut all = vec![self.enter()?];
        all.extend_from_slice(lines);
        all.push(self.renew()?);
        let (mut slices, last) = ended(session, &all, limit)?;
        if slices.is_empty() {
            let seen = run(session, &[ask()], READ)?;
            let entry = seen.first().and_then(|slice| Entry::of(&slice.stdout));
            return Err(if entry.as_ref().is_some_and(|entry| self.is(entry)) {
                unended(&all, 0, &last)
            } else {
                lost(entry.as_ref())
            });
        }
        if slices.len() < all.len() {
            return Err(unended(&all, slices.len(), &last));
        }
        Ok(slices.drain(1..=lines.len()).collect())
    }

    /// Runs the lines of a change; the first that fails, and may not, is the error.
    pub(super) fn change(&self, session: &mut Session<'_>, text: &str, limit: Duration) -> Result<(), Failure> {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        judge(text, &self.run(session, &lines, limit)?)
    }

    pub(super) fn is(&self, entry: &Entry) -> bool {
        entry.holder.run == self.holder.run
    }
}

/// Returns the line that gives the lock of a run back.
pub(super) fn release(run: &str) -> Result<String> {
    Ok(format!("-{}&(if not errorlevel 1 {})", held_by(run)?, delete()))
}

/// Returns the command that removes the lock, whoever has it.
pub(super) fn delete() -> String {
    format!("reg delete \"{OWED}\" /v {NAME} /f")
}

/// In the middle of a run; a host that has not heard of it for too long takes it back.
pub(super) fn lost(by: Option<&Entry>) -> Failure {
    let who =
        by.map_or_else(|| "nobody".to_owned(), |entry| format!("{} (run {})", entry.holder.who, entry.holder.run));
    anyhow!("the lock of this run was lost, {who} holds it now; nothing more was changed").into()
}

/// Returns the line that prints the lock.
pub(super) fn ask() -> String {
    format!("reg query \"{OWED}\" /v {NAME}")
}

/// Returns the line with which the host takes the lock of a run that was not heard of for its lease.
pub(super) fn expired(lock: &Lock) -> Result<String> {
    // The host cannot write its time so that we could read it in every language; it is about that.
    let about = SystemTime::now() + lock.lease;
    let own = Lock { holder: lock.holder.expired(), lease: lock.lease * 3, armed: false };
    Ok(format!("reg add \"{OWED}\" /v {NAME} /t REG_SZ /d {} /f", cmd(&own.text(about, true))?))
}

/// Succeeds if the lock is that of a run.
pub(super) fn held_by(run: &str) -> Result<String> {
    Ok(format!("{} 2>&1|findstr /c:{}", ask(), cmd(&format!("run={run};"))?))
}

/// What may stand between quotes of a command line.
pub(super) fn plain(text: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || " .,:_-/\\=@+".contains(c);
    let kept = text.chars().filter(|c| !"()".contains(*c));
    kept.map(|c| if fine(c) { c } else { '_' }).collect::<String>().trim_end_matches('\\').to_owned()
}

impl Entry {
    /// Reads the lock out of what was printed, the last if it was printed twice.
    pub(super) fn of(printed: &str) -> Option<Self> {
        let text = printed.lines().filter_map(value).rfind(|(name, _)| *name == NAME)?.1;
        let Value::Text(text) = text else { return None };
        let field = |name: &str| text.split("; ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        let known = |name: &str| field(name).unwrap_or_default().to_owned();
        let lease = field("lease").and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
        Some(Entry {
            holder: Holder { run: known("run"), who: known("who"), when: known("when") },
            alive: field("alive").and_then(|when| humantime::parse_rfc3339(when).ok()),
            lease: Duration::from_secs(lease),
            busy: field("busy") == Some("1"),
        })
    }

    /// A lock from the future is one of a machine whose clock was wrong, and ends likewise.
    fn holds(&self, now: SystemTime) -> bool {
        let age = |alive: SystemTime| now.duration_since(alive).unwrap_or_else(|future| future.duration());
        self.alive.is_some_and(|alive| age(alive) <= self.lease)
    }

    /// A process of this user on this machine that is no more; nobody comes back for its lock.
    pub(super) fn is_abandoned(&self) -> bool {
        lock::is_gone(&self.holder.who, &plain(&lock::whoami()))
    }

    /// Whether the host is inside a command of the run that has the lock.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// A run that died while its command is still at work on the host.
    pub(super) fn is_orphan(&self) -> bool {
        self.is_abandoned() && self.busy
    }

    /// Whether the next run may take it.
    pub(super) fn is_over(&self) -> bool {
        !self.holds(SystemTime::now()) || (self.is_abandoned() && !self.busy)
    }

    fn refused(&self) -> Failure {
        Failure { status: Status::Failed, error: lock::refused(&self.holder, "") }
    }
}

/// Takes the lock, and runs more lines in the same breath, which must change nothing.
pub(super) fn take(session: &mut Session<'_>, lock: &Lock, more: Vec<String>) -> Result<Vec<Slice>, Failure> {
    let mut lines = vec![lock.take()?];
    lines.extend(more);
    let mut slices = run(session, &lines, READ)?;
    let mut seen = slices.remove(0);
    if Entry::of(&seen.stdout).is_some_and(|other| other.is_orphan()) {
        seen = quiet(session, &[ask()], Entry::is_orphan)?.remove(0);
    }
    if let Some(dead) = Entry::of(&seen.stdout).filter(|other| !lock.is(other) && other.is_over()) {
        seen = run(session, &[lock.take_over(&dead)?], READ)?.remove(0);
    }
    held(lock, &seen).map(|()| slices)
}

/// Asks until the host has ended what a lost connection left it at; the first line asks for the lock.
pub(super) fn quiet(
    session: &mut Session<'_>,
    lines: &[String],
    at_work: impl Fn(&Entry) -> bool,
) -> Result<Vec<Slice>, Failure> {
    let end = Instant::now() + ORPHAN;
    loop {
        let slices = run(session, lines, READ)?;
        let entry = slices.first().and_then(|slice| Entry::of(&slice.stdout));
        if !entry.as_ref().is_some_and(&at_work) || Instant::now() >= end {
            return Ok(slices);
        }
        #[expect(clippy::disallowed_methods, reason = "cmd.exe cannot wait for us")]
        std::thread::sleep(PAUSE);
    }
}

/// Whether the lock is ours, by what [`ask`] printed.
pub(super) fn held(lock: &Lock, seen: &Slice) -> Result<(), Failure> {
    match Entry::of(&seen.stdout) {
        Some(entry) if lock.is(&entry) => Ok(()),
        Some(other) => Err(other.refused()),
        None => Err(anyhow!("{}", decisive(&seen.stdout, "")).context("lock the host").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let who = "ops@admin1 (process 7) \"& del C:\\".to_owned();
        let holder = Holder { run: "20261121T020000000000Z".into(), who, when: "2026-11-21T02:00:00Z".into() };
        Lock { holder, lease: Duration::from_secs(360), armed: true }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn printed(text: &str) -> String {
        format!("\nHKEY_LOCAL_MACHINE\\SOFTWARE\\fleetclock\n    Lock    REG_SZ    {text}\n\n")
    }

    #[test]
    fn a_lock_is_read_as_it_was_written_and_holds_as_long_as_its_lease() {
        let entry = Entry::of(&printed(&lock().text(at(1000), true))).unwrap();
        assert!(lock().is(&entry) && entry.busy);
        assert_eq!(entry.holder.who, "ops@admin1 process 7 __ del C:");
        assert!(entry.holds(at(1000)) && entry.holds(at(1360)) && !entry.holds(at(1361)));
        assert!(entry.holds(at(700)) && !entry.holds(at(600)), "a lock from the future ends too");
    }

    #[test]
    fn another_holder_is_named() {
        let text = "run=x; when=2026-11-21T02:00:00Z; alive=2026-11-21T02:00:00Z; lease=60; who=me@there";
        let failure = held(&lock(), &Slice { stdout: printed(text), ..Slice::default() }).unwrap_err();
        assert!(
            failure.error.message.contains("locked by me@there since 2026-11-21T02:00:00Z (run x)"),
            "{:?}",
            failure.error
        );
    }

    #[test]
    fn the_lock_of_a_process_of_ours_that_is_gone_is_free_when_its_command_has_ended() {
        let me = plain(&lock::whoami());
        let (owner, _) = me.rsplit_once("process ").unwrap();
        let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let entry = |who: &str, busy: u8| {
            let text = format!("run=x; when={now}; alive={now}; lease=60; busy={busy}; who={who}");
            Entry::of(&printed(&text)).unwrap()
        };
        // Above the greatest number that a process of Linux may have.
        let gone = format!("{owner}process 4194305");
        assert!(entry(&gone, 0).is_over() && !entry(&gone, 0).is_orphan());
        assert!(!entry(&gone, 1).is_over() && entry(&gone, 1).is_orphan());
        assert!(!entry(&me, 0).is_over() && !entry("ops@elsewhere process 4194305", 0).is_over());
    }

    #[test]
    fn what_is_no_lock_of_ours_does_not_hold_for_ever() {
        let entry = Entry::of(&printed("by hand")).unwrap();
        assert!(!entry.holds(at(0)));
        assert_eq!(Entry::of("ERROR: no such value\n"), None);
    }

    #[test]
    fn lines_change_only_the_lock_that_they_mean() {
        let lock = lock();
        let renew = lock.renew().unwrap();
        assert!(renew.contains("&(if not errorlevel 1 (schtasks /create "), "{renew:?}");
        for line in [
            renew,
            release(&lock.holder.run).unwrap(),
            lock.take_over(&Entry::of(&printed("run=old; who=x")).unwrap()).unwrap(),
        ] {
            assert!(line.contains("|findstr /c:\"run=") && line.contains("&(if not errorlevel 1 "), "{line}");
        }
        assert!(lock.take().unwrap().contains("2>&1&(if errorlevel 1 reg add "));
    }
}
