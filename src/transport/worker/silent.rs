//! Connections whose host has said nothing yet. Nothing is done for them but wait, so they need not
//! keep other hosts from being worked on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All of them, each since when.
#[derive(Debug, Default)]
pub(in crate::transport) struct Silent(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    since: BTreeMap<u64, Instant>,
}

/// One of them; no more when dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    number: u64,
    all: Arc<Silent>,
}

impl Silent {
    /// Counts a connection from now on.
    pub(super) fn wait(self: &Arc<Self>) -> Waiting {
        let mut entries = self.entries();
        let number = entries.next;
        entries.next += 1;
        entries.since.insert(number, Instant::now());
        drop(entries);
        Waiting { number, all: Arc::clone(self) }
    }

    /// Returns how many have waited for longer than that.
    pub(in crate::transport) fn count(&self, longer: Duration) -> usize {
        self.entries().since.values().filter(|since| since.elapsed() > longer).count()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.entries().since.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_counts_while_nothing_was_heard_of_it() {
        let silent = Arc::new(Silent::default());
        let (first, second) = (silent.wait(), silent.wait());
        assert_eq!((silent.count(Duration::ZERO), silent.count(Duration::from_secs(60))), (2, 0));
        drop(first);
        assert_eq!(silent.count(Duration::ZERO), 1);
        drop(second);
        assert_eq!(silent.count(Duration::ZERO), 0);
    }
}
