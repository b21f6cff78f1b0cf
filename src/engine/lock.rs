//! One run at a time on a host: who changes it, and whether they are still at work. How a host keeps that, and gives
//! it up, is in the folders of the shells.

use std::time::{Duration, SystemTime};

use crate::model::ErrorReport;

/// Who changes a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Name of the run; sorts by time.
    pub(crate) run: String,
    /// User and machine that the run comes from.
    pub(crate) who: String,
    /// When it began, RFC 3339, by the clock of that machine.
    pub(crate) when: String,
}

impl Holder {
    /// A new run of this process.
    pub(crate) fn me() -> Self {
        let now = SystemTime::now();
        let run = humantime::format_rfc3339_micros(now).to_string().replace([':', '-', '.'], "");
        Holder { run, who: whoami(), when: humantime::format_rfc3339_seconds(now).to_string() }
    }

    /// The host itself, which takes back what this run did.
    pub(crate) fn expired(&self) -> Self {
        Holder { run: format!("{}-expired", self.run), who: "the host itself".to_owned(), ..self.clone() }
    }
}

/// `ops@admin1 (process 4711)`: the user who logged in, whatever `sudo` made of them.
pub fn whoami() -> String {
    let login = std::fs::read_to_string("/proc/self/loginuid").ok().and_then(|text| text.trim().parse().ok());
    let uid = login.filter(|uid| *uid != u32::MAX).map_or_else(nix::unistd::getuid, nix::unistd::Uid::from_raw);
    let user = nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    let machine = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let text = format!("{user}@{} (process {})", machine.as_deref().unwrap_or("?"), std::process::id());
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Whether `who` was a process of the same user and machine as `me`, and is no more.
pub(crate) fn is_gone(who: &str, me: &str) -> bool {
    process_of(who, me).is_some_and(|process| nix::sys::signal::kill(process, None) == Err(nix::errno::Errno::ESRCH))
}

/// Returns whether a run of `who` is still at work; none if `who` is not this user on this machine,
/// where it cannot be known. A number that another program has got since is not that run.
pub fn is_at_work(who: &str) -> Option<bool> {
    let process = process_of(who, &whoami())?;
    let program = |id: &str| std::fs::read_to_string(format!("/proc/{id}/comm")).ok();
    Some(program(&process.to_string()).is_some_and(|its| Some(its) == program("self")))
}

/// Returns the process of `who`, if that is the same user and machine as `me`.
fn process_of(who: &str, me: &str) -> Option<nix::unistd::Pid> {
    let (owner, process) = who.rsplit_once("process ")?;
    let number = process.trim_end_matches(')').parse().ok()?;
    (me.rsplit_once("process ")?.0 == owner).then(|| nix::unistd::Pid::from_raw(number))
}

/// Says whose lock stood in the way, and what they are doing.
pub(crate) fn refused(by: &Holder, doing: &str) -> ErrorReport {
    let known = |text: &str| if text.is_empty() { "?".to_owned() } else { text.to_owned() };
    let (who, when, run) = (known(&by.who), known(&by.when), known(&by.run));
    ErrorReport {
        message: format!("nothing was changed: the host is locked by {who} since {when} (run {run}{doing})"),
        hint: Some("wait until that run has ended; the lock of a run that died is taken over by itself".to_owned()),
    }
}

/// How long a host waits for the next word of a run before it takes it back, besides the deadline of the proof.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long a host waits after its changes until it is told to keep them.
pub(crate) fn lease(deadline: Duration) -> Duration {
    PATIENCE + deadline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_at_work_while_its_process_is_this_program() {
        let me = whoami();
        let (owner, _) = me.split_once("process ").unwrap();
        assert_eq!(is_at_work(&me), Some(true));
        assert_eq!(is_at_work(&format!("{owner}process 4194305)")), Some(false));
        assert_eq!(is_at_work(&format!("{owner}process 1)")), Some(false), "another program");
        assert_eq!(is_at_work("ops@elsewhere (process 1)"), None);
    }
}
