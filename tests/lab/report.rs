//! A report as the tests read it. What an assertion prints of it is short: the log of a whole run
//! of the tests is read by people, and its reader may keep only a part.

use std::fmt;
use std::ops::Deref;

use fleetclock::model::FleetReport;
use serde_json::Value;

use crate::schema::check;

/// A JSON report.
pub(crate) struct Report(pub(crate) Value);

impl Deref for Report {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Report {
    /// What a verb prints of real hosts is what its schema says, and is read back as it was written.
    #[track_caller]
    pub(crate) fn is_as_promised(&self) {
        if !self.0["hosts"].is_array() {
            return;
        }
        assert_eq!(check("report", &self.0), Ok(()), "{:#}", self.0);
        let read = FleetReport::read(&self.0.to_string()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), self.0);
    }

    /// Each host that failed, in one line.
    pub(crate) fn errors(&self) -> impl Iterator<Item = String> {
        let failed = self.0["hosts"].as_array().into_iter().flatten().filter(|host| !host["error"].is_null());
        failed.map(|host| short(&format!("{} {}: {}", host["name"], host["status"], host["error"]["message"]), 250))
    }
}

fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// At most this much of an entry is printed, characters.
const MOST: usize = 600;

/// One line for each host: how it ended, and the rest of its entry as far as it fits.
impl fmt::Display for Report {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        write!(to, "{}: exit code {}", self.0["command"], self.0["exit_code"])?;
        for entry in self.0["hosts"].as_array().into_iter().flatten() {
            write!(to, "\n  {} {}: {}; ", entry["name"], entry["status"], entry["error"])?;
            let mut rest = entry.clone();
            for long in ["name", "status", "error", "facts", "deltas", "steps"] {
                rest.as_object_mut().map(|entry| entry.remove(long));
            }
            write!(to, "{}", short(&rest.to_string(), MOST))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, to)
    }
}

/// The entry of a host in a report.
#[track_caller]
pub(crate) fn host<'a>(report: &'a Value, name: &str) -> &'a Value {
    let hosts = report["hosts"].as_array().unwrap();
    hosts.iter().find(|host| host["name"] == name).unwrap_or_else(|| panic!("no host {name} in {report:#}"))
}

/// The status of each host, as `name status` lines.
pub(crate) fn statuses(report: &Value) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    report["hosts"].as_array().unwrap().iter().map(|h| format!("{} {}", word(&h["name"]), word(&h["status"]))).collect()
}

/// The error message of a host, with its hint.
pub(crate) fn error(report: &Value, name: &str) -> String {
    let error = &host(report, name)["error"];
    format!("{} {}", error["message"].as_str().unwrap_or(""), error["hint"].as_str().unwrap_or(""))
}
