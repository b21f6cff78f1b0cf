//! What this machine allows to one program, and how many hosts can be worked on with that.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::report::console;

/// Files of the program itself: terminal, inventory, history, runtime.
const OWN: u64 = 64;

/// Files for each host that is worked on: the way to its worker, what the worker says at its end,
/// and one that is open for a moment.
const EACH: u64 = 3;

/// Hosts that say nothing are waited for beside those that are worked on, for each of which so many.
const BESIDE: usize = 8;

/// Each of them has a process of its own.
const MOST_BESIDE: usize = 256;

/// How many hosts a run is busy with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forks {
    /// Those that are worked on at a time.
    pub(super) forks: usize,
    /// Those that are waited for beside them.
    pub(super) beside: usize,
}

/// Takes all the files that this user may have open, and returns how many hosts of those that were
/// asked for can be worked on at a time. A shortage of processes is seen when there is one: the host
/// then waits for another to be done.
pub(super) fn forks(wanted: u16) -> Forks {
    let allowed = files();
    let possible = bounded(wanted, allowed);
    if possible < wanted {
        console::warning(&format!(
            "`--forks` is lowered from {wanted} to {possible}: this user may open {allowed} files (`ulimit -Hn`)"
        ));
    }
    shared(usize::from(possible), possible_of(allowed))
}

/// Raises the soft limit of open files to the hard one.
fn files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::from(u16::MAX) };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// How many hosts the program can have to do with at a time.
fn possible_of(files: u64) -> u16 {
    u16::try_from(files.saturating_sub(OWN) / EACH).unwrap_or(u16::MAX)
}

fn bounded(wanted: u16, files: u64) -> u16 {
    wanted.min(possible_of(files)).max(1)
}

fn shared(forks: usize, possible: u16) -> Forks {
    Forks { forks, beside: (forks * BESIDE).min(usize::from(possible).saturating_sub(forks)).min(MOST_BESIDE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_are_bounded_by_open_files_and_never_zero() {
        for (wanted, files, possible) in [(32, 1024, 32), (1000, 1024, 320), (1000, 1 << 20, 1000), (32, 10, 1)] {
            assert_eq!(bounded(wanted, files), possible, "{wanted} of {files}");
        }
        let beside = |forks, files| shared(forks, possible_of(files)).beside;
        assert_eq!([beside(32, 1 << 20), beside(4, 1 << 20), beside(32, 256), beside(32, 10)], [256, 32, 32, 0]);
    }
}
