//! The workers of a run: one for each open connection, kept for the next host when it is closed.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::process::Worker;
use super::silent::Silent;
use crate::transport::TransportError;

/// Connections after which a worker is replaced: what a library may lose of its memory is given back.
const SERVED: u32 = 200;

/// How long a host waits for another one to free what this machine is short of.
const PATIENCE: Duration = Duration::from_secs(600);

/// Workers that wait for a host, and how many are with one.
#[derive(Default)]
pub(in crate::transport) struct Pool {
    state: Mutex<State>,
    freed: Condvar,
    /// Those that are with a host which has said nothing yet.
    pub(in crate::transport) silent: Arc<Silent>,
}

#[derive(Default)]
struct State {
    idle: Vec<Worker>,
    out: usize,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

impl Pool {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker for one connection. What this machine cannot start now, it can when another host is
    /// done: only the first one that cannot be started is an error.
    ///
    /// # Errors
    /// This machine can start none, although no host has one.
    pub(super) fn take(&self) -> Result<Worker, TransportError> {
        self.take_with(Worker::start)
    }

    fn take_with(&self, start: impl Fn() -> std::io::Result<Worker>) -> Result<Worker, TransportError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(worker) = self.reuse() {
                return Ok(worker);
            }
            let error = match start() {
                Ok(worker) => return Ok(worker),
                Err(error) => error,
            };
            let state = self.state();
            // Our own place is among those that are out.
            if state.out <= 1 || !TransportError::is_shortage(&error) || Instant::now() >= deadline {
                drop(state);
                self.less();
                return Err(TransportError::own("start a process that talks to the host", &error));
            }
            drop(self.freed.wait_timeout(state, Duration::from_secs(1)));
            self.less();
        }
    }

    /// An idle worker, if there is one that still lives; takes a place in any case.
    fn reuse(&self) -> Option<Worker> {
        let mut state = self.state();
        state.out += 1;
        while let Some(mut worker) = state.idle.pop() {
            if worker.is_alive() {
                return Some(worker);
            }
        }
        None
    }

    fn less(&self) {
        let mut state = self.state();
        state.out = state.out.saturating_sub(1);
        drop(state);
        self.freed.notify_all();
    }

    /// Takes a worker back; one that is broken or old is ended.
    pub(super) fn give(&self, worker: Option<Worker>) {
        let worn = match worker {
            Some(mut worker) if worker.served + 1 < SERVED => {
                worker.served += 1;
                self.state().idle.push(worker);
                None
            }
            other => other,
        };
        drop(worn);
        self.less();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn worker() -> std::io::Result<Worker> {
        Ok(Worker::fake(UnixStream::pair()?.0))
    }

    fn short() -> std::io::Result<Worker> {
        Err(std::io::Error::from_raw_os_error(Errno::EAGAIN as i32))
    }

    #[test]
    fn a_worker_serves_one_host_after_the_other_and_is_replaced_some_day() {
        let (pool, started) = (Pool::default(), AtomicUsize::new(0));
        for _ in 0..2 * SERVED {
            let taken = pool.take_with(|| {
                started.fetch_add(1, Ordering::Relaxed);
                worker()
            });
            pool.give(Some(taken.unwrap()));
        }
        assert_eq!(started.load(Ordering::Relaxed), 2);
        assert_eq!(pool.state().out, 0);
    }

    #[test]
    fn a_host_waits_for_what_this_machine_is_short_of_only_while_others_have_it() {
        let pool = Pool::default();
        let error = pool.take_with(short).err().unwrap();
        assert!(error.is_own() && error.to_string().starts_with("on this machine: start a process"), "{error}");
        let first = pool.take_with(worker).unwrap();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| pool.take_with(short));
            pool.give(Some(first));
            assert!(second.join().unwrap().is_ok());
        });
    }
}
