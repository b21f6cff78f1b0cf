//! Evidence as text: the parts of one host, named, as a file for a test or for a second opinion.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::Slice;

/// Begins a host in a file.
const HOST: &str = "#### ";

/// Begins a part in a file.
const PART: &str = "#: ";

/// What one host printed, by the name of the part.
pub type Parts = BTreeMap<String, Slice>;

/// Returns the text of one host.
pub fn write(host: &str, parts: &Parts) -> String {
    let mut text = format!("{HOST}{host}\n");
    for (name, slice) in parts {
        // Parts that say nothing are told by their absence.
        if slice.stdout.trim().is_empty() && slice.status == 0 {
            continue;
        }
        let _ = writeln!(text, "{PART}{name} {}", slice.status);
        text.push_str(slice.stdout.trim_end());
        text.push('\n');
    }
    text
}

/// The part that says why there are no others.
pub const UNREACHABLE: &str = "unreachable";

/// Returns the text of a host that could not be looked at.
pub fn unreachable(host: &str, why: &str) -> String {
    let slice = Slice { stdout: why.to_owned(), stderr: String::new(), status: 1 };
    write(host, &Parts::from([(UNREACHABLE.to_owned(), slice)]))
}

/// Reads the text of all hosts.
pub fn read(text: &str) -> BTreeMap<String, Parts> {
    let mut hosts: BTreeMap<String, Parts> = BTreeMap::new();
    let (mut host, mut part) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix(HOST) {
            name.clone_into(&mut host);
        } else if let Some((name, status)) = line.strip_prefix(PART).and_then(|rest| rest.split_once(' ')) {
            name.clone_into(&mut part);
            let slice = Slice { status: status.parse().unwrap_or(-1), ..Slice::default() };
            hosts.entry(host.clone()).or_default().insert(part.clone(), slice);
        } else if let Some(slice) = hosts.get_mut(&host).and_then(|parts| parts.get_mut(&part)) {
            slice.stdout.push_str(line);
            slice.stdout.push('\n');
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let slice = |stdout: &str, status| Slice { stdout: stdout.to_owned(), stderr: String::new(), status };
        let parts = Parts::from([("one".to_owned(), slice("a\n\nb\n", 0)), ("two".to_owned(), slice("c\n", 1))]);
        let text = write("web1", &parts) + &write("web2", &parts);
        assert_eq!(read(&text), BTreeMap::from([("web1".to_owned(), parts.clone()), ("web2".to_owned(), parts)]));
    }
}
