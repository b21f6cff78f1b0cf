//! What this machine allows to one program, and how many hosts can be worked on with that.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::report::console;

/// Files of the program itself: terminal, inventory, history, runtime.
const OWN: u64 = 64;

/// Files for each host that is worked on: the way to its worker, what the worker says at its end,
/// and one that is open for a moment.
const EACH: u64 = 3;

/// Takes all the files that this user may have open, and returns how many hosts of those that were
/// asked for can be worked on at a time. A shortage of processes is seen when there is one: the host
/// then waits for another to be done.
pub(super) fn forks(wanted: u16) -> usize {
    let allowed = files();
    let possible = bounded(wanted, allowed);
    if possible < wanted {
        console::warning(&format!(
            "`--forks` is lowered from {wanted} to {possible}: this user may open {allowed} files (`ulimit -Hn`)"
        ));
    }
    usize::from(possible)
}

/// Raises the soft limit of open files to the hard one.
fn files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::from(u16::MAX) };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

fn bounded(wanted: u16, files: u64) -> u16 {
    let possible = files.saturating_sub(OWN) / EACH;
    wanted.min(u16::try_from(possible).unwrap_or(u16::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_are_bounded_by_open_files_and_never_zero() {
        for (wanted, files, possible) in [(32, 1024, 32), (1000, 1024, 320), (1000, 1 << 20, 1000), (32, 10, 1)] {
            assert_eq!(bounded(wanted, files), possible, "{wanted} of {files}");
        }
    }
}
