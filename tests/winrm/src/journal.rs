//! What happened: `requests` has a line for each HTTP request, `log` what a person wants to know.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The two files of a host. Both may be cut to nothing at any time: counting starts again.
pub(crate) struct Journal {
    requests: File,
    log: File,
}

impl Journal {
    /// Opens the files in `home`.
    pub(crate) fn open(home: &Path) -> io::Result<Self> {
        let append = |name| OpenOptions::new().append(true).create(true).open(home.join(name));
        Ok(Self { requests: append("requests")?, log: append("log")? })
    }

    /// Notes a request: what it asked and the status of the answer (0: none was given).
    pub(crate) fn request(&self, operation: &str, status: u16) {
        // One write for a line: other threads append to the same file.
        let _ = (&self.requests).write_all(format!("{operation} {status}\n").as_bytes());
    }

    /// Notes anything else.
    pub(crate) fn note(&self, text: &str) {
        let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let _ = (&self.log).write_all(format!("{}.{:03} {text}\n", since.as_secs(), since.subsec_millis()).as_bytes());
    }
}
