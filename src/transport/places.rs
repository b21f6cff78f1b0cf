//! Places for the hosts that are worked on at the same time. A host that only waits to be reached
//! gives its place to another; and while this machine has nothing to do, there are more of them.

use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How many hosts may be worked on at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forks {
    /// At first.
    pub first: usize,
    /// At most, while this machine is idle.
    pub most: usize,
    /// Hosts that may be waited for beside, until they are reached.
    pub aside: usize,
}

impl Forks {
    /// No more than at first: what hosts fetch while they are changed is a burden for others.
    #[must_use]
    pub fn steady(self) -> Self {
        Forks { most: self.first, ..self }
    }
}

/// How often it is looked whether this machine is idle.
const BEAT: Duration = Duration::from_millis(100);

/// The places of one round of work.
pub(crate) struct Places {
    state: Mutex<State>,
    changed: Condvar,
    forks: Forks,
}

struct State {
    /// How many places there are.
    all: usize,
    taken: usize,
    /// Hosts that are waited for.
    aside: usize,
    /// Hosts that were reached and want their place again; they come before those that were not begun.
    returning: usize,
    load: Load,
}

thread_local! {
    /// The places among which this thread has one.
    static HELD: RefCell<Option<Arc<Places>>> = const { RefCell::new(None) };
}

impl Places {
    pub(crate) fn new(forks: Forks) -> Arc<Self> {
        let (all, load) = (forks.first.max(1), Load::now());
        let state = Mutex::new(State { all, taken: 0, aside: 0, returning: 0, load });
        Arc::new(Places { state, changed: Condvar::new(), forks })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place for the next host.
    pub(crate) fn take(self: &Arc<Self>) -> Place {
        let mut state = self.state();
        while state.taken >= state.all || state.returning > 0 || state.aside >= self.forks.aside.max(1) {
            let full = state.taken >= state.all;
            state = self.wait(state, BEAT);
            if full && state.taken >= state.all && state.all < self.forks.most && state.load.is_idle() {
                state.all = more(state.all, self.forks.most);
            }
        }
        state.taken += 1;
        Place(Arc::clone(self))
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, time).map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state)
    }

    fn leave(&self) {
        let mut state = self.state();
        (state.taken, state.aside) = (state.taken.saturating_sub(1), state.aside + 1);
        drop(state);
        self.changed.notify_all();
    }

    fn come_back(&self) {
        let mut state = self.state();
        state.aside = state.aside.saturating_sub(1);
        state.returning += 1;
        while state.taken >= state.all {
            state = self.wait(state, BEAT);
        }
        (state.taken, state.returning) = (state.taken + 1, state.returning - 1);
        drop(state);
        self.changed.notify_all();
    }
}

/// A place; given back when dropped.
pub(crate) struct Place(Arc<Places>);

impl Place {
    /// Works in this place.
    pub(crate) fn hold<T>(self, work: impl FnOnce() -> T) -> T {
        HELD.set(Some(Arc::clone(&self.0)));
        let done = work();
        HELD.set(None);
        done
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.taken = state.taken.saturating_sub(1);
        drop(state);
        self.0.changed.notify_all();
    }
}

/// Waits for a host without a place, and takes one again; a thread that has none just waits.
pub(super) fn aside<T>(wait: impl FnOnce() -> T) -> T {
    let held = HELD.take();
    held.iter().for_each(|places| places.leave());
    let waited = wait();
    held.iter().for_each(|places| places.come_back());
    HELD.set(held);
    waited
}

/// How long a host that does not answer keeps its place.
const PATIENCE: Duration = Duration::from_millis(200);

/// Waits for a socket; says whether something came of it in time.
pub(super) fn wait(socket: BorrowedFd<'_>, what: PollFlags, time: Duration) -> bool {
    let first = time.min(PATIENCE);
    is_ready(socket, what, first) || (time > first && aside(|| is_ready(socket, what, time - first)))
}

fn is_ready(socket: BorrowedFd<'_>, what: PollFlags, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(socket, what)], left) {
            Ok(0) => return false,
            Err(Errno::EINTR) if Instant::now() < deadline => {}
            Ok(_) | Err(_) => return true,
        }
    }
}

/// Half as many again.
fn more(all: usize, most: usize) -> usize {
    (all + all / 2 + 1).min(most)
}

/// What the processors of this machine did since the last look.
struct Load {
    at: Instant,
    /// Time of all processors so far, and of it idle, in ticks.
    seen: Option<(u64, u64)>,
}

impl Load {
    fn now() -> Self {
        Load { at: Instant::now(), seen: ticks() }
    }

    /// Whether they had nothing to do for more than half of the time. A time that is too short says nothing.
    fn is_idle(&mut self) -> bool {
        if self.at.elapsed() < BEAT {
            return false;
        }
        let before = std::mem::replace(self, Load::now());
        match (before.seen, self.seen) {
            (Some((all, idle)), Some((all_now, idle_now))) => {
                idle_now.saturating_sub(idle) * 2 > all_now.saturating_sub(all)
            }
            _ => false,
        }
    }
}

/// The first line of /proc/stat (proc_stat(5)); waiting for a disk is idle as well.
fn ticks() -> Option<(u64, u64)> {
    parse(std::fs::read_to_string("/proc/stat").ok()?.lines().next()?)
}

fn parse(line: &str) -> Option<(u64, u64)> {
    let numbers = line.strip_prefix("cpu ")?.split_whitespace().map(str::parse);
    let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().ok()?;
    // user nice system idle iowait irq softirq steal; what guests use is in `user` already.
    Some((numbers.iter().take(8).sum(), numbers.get(3)? + numbers.get(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    fn forks(first: usize, aside: usize) -> Forks {
        Forks { first, most: first, aside }
    }

    /// Works on hosts, and says how many were inside at once.
    fn most_at_once(places: &Arc<Places>, hosts: usize, work: impl Fn(&dyn Fn()) + Sync) -> usize {
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let pause = || std::thread::park_timeout(Duration::from_millis(5));
        std::thread::scope(|scope| {
            for _ in 0..hosts {
                let place = places.take();
                scope.spawn(|| {
                    place.hold(|| {
                        work(&|| {
                            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                            pause();
                            inside.fetch_sub(1, Ordering::SeqCst);
                        });
                    });
                });
            }
        });
        most.into_inner()
    }

    #[test]
    fn no_more_are_inside_than_there_are_places() {
        let places = Places::new(forks(3, 100));
        assert_eq!(most_at_once(&places, 30, |inside| inside()), 3);
        let beside = |inside: &dyn Fn()| {
            aside(|| std::thread::park_timeout(Duration::from_millis(10)));
            inside();
        };
        assert!(most_at_once(&places, 30, beside) <= 3);
        let state = places.state();
        assert_eq!((state.taken, state.aside, state.returning), (0, 0, 0));
    }

    #[test]
    fn a_host_that_is_waited_for_gives_its_place_to_another() {
        let places = Places::new(forks(1, 2));
        let (release, released) = channel::<()>();
        let silent = places.take();
        std::thread::scope(|scope| {
            scope.spawn(|| silent.hold(|| aside(move || released.recv())));
            // Would wait for ever if the silent host had kept the only place.
            assert_eq!(most_at_once(&places, 5, |inside| inside()), 1);
            release.send(()).unwrap();
        });
    }

    #[test]
    fn a_thread_without_a_place_just_waits() {
        assert_eq!(aside(|| 7), 7);
    }

    #[test]
    fn the_kernels_line_is_read_and_places_grow_up_to_their_limit() {
        assert_eq!(parse("cpu  10 1 5 80 4 0 0 0 3 0"), Some((100, 84)));
        assert_eq!((parse("intr 5"), parse("cpu  1 2 x")), (None, None));
        assert_eq!((more(32, 512), more(1, 512), more(500, 512)), (49, 2, 512));
    }
}
