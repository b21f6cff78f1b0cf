//! What this machine allows to one program, and how many hosts can be worked on with that.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::report::console;
use crate::transport::places::Forks;

/// Files of the program itself: terminal, inventory, history, runtime.
const OWN: u64 = 64;

/// Files for each host that is worked on: the way to its worker, what the worker says at its end,
/// and one that is open for a moment.
const EACH: u64 = 3;

/// Hosts that are worked on at a time, where nobody has said how many: at first, and at most. A worker has 1.4 MB
/// of its own.
const USUAL: u16 = 32;
const MOST: u16 = 256;

/// Hosts that may be waited for beside: each is a socket and a thread that sleeps.
const ASIDE: u64 = 2048;

/// Takes all the files that this user may have open, and returns how many hosts of those that were
/// asked for can be worked on at a time. A shortage of processes is seen when there is one: the host
/// then waits for another to be done.
pub(super) fn forks(wanted: Option<u16>) -> Forks {
    let allowed = files();
    let forks = bounded(wanted, allowed);
    if let Some(wanted) = wanted.filter(|wanted| forks.first < usize::from(*wanted)) {
        console::warning(&format!(
            "`--forks` is lowered from {wanted} to {}: this user may open {allowed} files (`ulimit -Hn`)",
            forks.first
        ));
    }
    forks
}

/// Raises the soft limit of open files to the hard one.
fn files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return u64::from(u16::MAX) };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

fn bounded(wanted: Option<u16>, files: u64) -> Forks {
    let files = files.saturating_sub(OWN);
    let possible = |share: u64| u16::try_from(files / share / EACH).unwrap_or(u16::MAX).max(1);
    // Where nobody asked for so many, half of the files are left for hosts that are waited for.
    let most = wanted.map_or_else(|| MOST.min(possible(2)), |wanted| wanted.min(possible(1)));
    let aside = files.saturating_sub(u64::from(most) * EACH).clamp(1, ASIDE);
    let first = usize::from(wanted.unwrap_or(USUAL).min(most));
    Forks { first, most: usize::from(most), aside: usize::try_from(aside).unwrap_or(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_are_bounded_by_open_files_and_never_zero() {
        for (wanted, files, first, most, aside) in [
            (Some(32), 1024, 32, 32, 864),
            (Some(1000), 1024, 320, 320, 1),
            (Some(1000), 1 << 20, 1000, 1000, 2048),
            (Some(32), 10, 1, 1, 1),
            (None, 1 << 20, 32, 256, 2048),
            (None, 1024, 32, 160, 480),
            (None, 10, 1, 1, 1),
        ] {
            assert_eq!(bounded(wanted, files), Forks { first, most, aside }, "{wanted:?} of {files}");
        }
    }
}
