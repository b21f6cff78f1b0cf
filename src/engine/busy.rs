//! Who is inside a change right now: what has to be said when the user leaves at once.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The hosts between their first change and their proof.
#[derive(Debug, Default)]
pub struct Busy(Mutex<BTreeSet<String>>);

/// A host is inside for as long as this lives.
#[derive(Debug)]
pub(crate) struct Inside<'a> {
    busy: &'a Busy,
    host: String,
}

impl Busy {
    /// A host begins to be changed.
    pub(crate) fn enter(&self, host: &str) -> Inside<'_> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned());
        Inside { busy: self, host: host.to_owned() }
    }

    /// Returns the names of those inside, sorted.
    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.busy.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_inside_until_its_change_has_ended_however_it_ends() {
        let busy = Busy::default();
        let inside = busy.enter("b");
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _inside = busy.enter("a");
            assert_eq!(busy.names(), ["a", "b"]);
            std::panic::resume_unwind(Box::new(()));
        }));
        assert_eq!(busy.names(), ["b"]);
        drop(inside);
        assert!(busy.names().is_empty());
    }
}
