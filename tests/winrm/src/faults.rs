//! Faults on demand: a file `faults` of lines `KEY=VALUE`, read anew at each request.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// The knobs, and how many requests came since they were set.
pub(crate) struct Faults {
    file: PathBuf,
    seen: Mutex<(Option<SystemTime>, u64)>,
}

impl Faults {
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file, seen: Mutex::default() }
    }

    /// The knobs for the request that came just now.
    pub(crate) fn next(&self) -> Knobs {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let set = self.file.metadata().and_then(|data| data.modified()).ok();
        if seen.0 != set {
            *seen = (set, 0);
        }
        seen.1 += 1;
        Knobs { number: seen.1, ..self.peek() }
    }

    /// The knobs outside of a request.
    pub(crate) fn peek(&self) -> Knobs {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let values = pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect();
        Knobs { values, number: 0 }
    }
}

/// The knobs as they are set for one request.
pub(crate) struct Knobs {
    values: HashMap<String, String>,
    number: u64,
}

impl Knobs {
    /// The value of a knob, or nothing.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    /// The value of a knob as a number, if it is set to one.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.text(key).parse().ok()
    }

    /// Whether a knob is set to anything but 0.
    pub(crate) fn on(&self, key: &str) -> bool {
        !matches!(self.text(key), "" | "0")
    }

    /// Whether the knob names this request, the first since the file was written being 1.
    pub(crate) fn now(&self, key: &str) -> bool {
        self.number(key) == Some(self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_the_last_change_of_the_file() {
        let file = std::env::temp_dir().join(format!("standin-faults-{}", std::process::id()));
        let faults = Faults::new(file.clone());
        assert!(!faults.next().on("quota"));
        std::fs::write(&file, "drop=2\nquota = 1\n").unwrap();
        let first = faults.next();
        assert!(first.on("quota") && !first.now("drop"));
        assert!(faults.next().now("drop"));
        assert!(!faults.next().now("drop"));
        std::fs::remove_file(&file).unwrap();
    }
}
