//! The one line of a program's chatter that says why it failed.

/// Begins a line of our own scripts that says what came of it: kept beside the program's own words.
pub const STAGE: &str = "fleetclock: ";

/// Longest line that is shown, characters.
const LONGEST: usize = 400;

/// A line with one of these says why.
const CAUSES: &[&str] = &[
    "fatal",
    "error",
    "invalid",
    "denied",
    "not permitted",
    "sorry",
    "problem:",
    "problem retrieving",
    "is not a directory",
    "no space left",
    "read-only file",
    "no such",
    "not available",
    "not in the sudoers",
    "syntax",
    "restricted",
    "password is required",
    "must have a tty",
    "unmet dependencies",
    "is not running",
    "unable to locate",
    "expired",
    "nothing provides",
];

/// A line with one of these may say why.
const SIGNS: &[&str] = &[
    "fail",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "unable to",
    "not allowed",
    "not found",
    "refused",
    "unknown",
    "unrecognized",
    "illegal",
    "bad ",
    "conflict",
    "timed out",
    "must ",
    "required",
    "broken",
    "incorrect",
    "locked",
    "missing",
    "does not",
    "unsupported",
    "not supported",
    "abort",
    "rejected",
    "no valid",
    "exceeded",
    "no provider",
    "should be",
    "unusable",
    "no match",
    "masked",
];

/// Lines that begin so are told on the way, or are about something else.
const CHATTER: &[&str] = &[
    "warning:",
    "w: ",
    "n: ",
    "debconf:",
    "perl: warning",
    "reading ",
    "building dependency",
    "get:",
    "hit:",
    "ign:",
    "(reading database",
    "preparing to unpack",
    "unpacking ",
    "setting up ",
    "selecting previously",
    "processing triggers",
    "dpkg: warning",
    "last metadata expiration",
    "loading repository",
    "repository '",
    "loaded plugins",
    "see \"systemctl",
    "see system logs",
    "job for ",
    "try '",
    "type \"",
    "usage:",
    "created symlink",
    "removed ",
    "synchronizing state",
    "executing: ",
    "we trust you",
    "could not chdir to home",
    "stty:",
    "tput:",
    "tset:",
    "mesg:",
    "more help is available",
    "sudo: unable to resolve host",
    "sudo: unable to send audit",
];

/// Lines with one of these are what systemd says of a failure that it has only seen from outside, and
/// what shells say of their locale.
const OUTSIDE: &[&str] = &[
    ": main process exited",
    ": control process exited",
    "failed with result",
    "scheduled restart job",
    "start request repeated too quickly",
    "entered failed state",
    "deactivated successfully",
    "setlocale",
    "trying capabilities",
    "have not been refreshed because",
    "because of the above error",
    "unknown error reading from",
    "does not have a stable cli",
    "inappropriate ioctl",
];

/// Returns why a program failed: the first line of its own that says so, of its error output if it
/// is there; then what our script said came of it.
pub fn decisive(stdout: &str, stderr: &str) -> String {
    let (own, stages): (Vec<&str>, Vec<&str>) = lines(stderr).partition(|line| !line.starts_with(STAGE));
    let said: Vec<&str> = lines(stdout).filter(|line| !line.starts_with(STAGE)).collect();
    // What only tells of a failure adds nothing where our script tells what came of it.
    let told = || {
        let exit = own.iter().chain(&said).find(|line| line.contains(", status="));
        exit.or(own.last()).or(said.last()).filter(|line| stages.is_empty() || line.contains(", status=")).copied()
    };
    let line = choose(&own, &said).or_else(|| told().map(str::to_owned));
    let line = line.map(|line| line.chars().take(LONGEST).collect());
    let stages: Vec<String> =
        stages.into_iter().filter_map(|line| line.strip_prefix(STAGE)).map(str::to_owned).collect();
    // A sentence goes on behind it.
    let line = line.map(|line: String| if stages.is_empty() { line } else { line.trim_end_matches('.').to_owned() });
    line.into_iter().chain(stages).collect::<Vec<String>>().join("; ")
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn choose(stderr: &[&str], stdout: &[&str]) -> Option<String> {
    let own = |line: &str| !is_chatter(line);
    let find = |lines: &[&str], signs: &[&str]| {
        let mut at = lines.iter().position(|line| own(line) && has(line, signs))?;
        while at > 0 && lines.get(at - 1).is_some_and(|line| own(line) && announces(line)) {
            at -= 1;
        }
        Some(joined(lines, at))
    };
    let first = |lines: &[&str]| lines.iter().position(|line| own(line)).map(|at| joined(lines, at));
    find(stderr, CAUSES)
        .or_else(|| find(stderr, SIGNS))
        .or_else(|| find(stdout, CAUSES))
        .or_else(|| find(stdout, SIGNS))
        .or_else(|| first(stderr))
        .or_else(|| first(stdout))
}

fn has(line: &str, signs: &[&str]) -> bool {
    let line = line.to_lowercase();
    // apt's mark of an error.
    line.starts_with("e: ") || signs.iter().any(|sign| line.contains(sign))
}

fn is_chatter(line: &str) -> bool {
    let line = line.to_lowercase();
    let by_systemd = line.starts_with("failed to start ") && !line.contains(": ");
    by_systemd || CHATTER.iter().any(|start| line.starts_with(start)) || OUTSIDE.iter().any(|part| line.contains(part))
}

fn announces(line: &str) -> bool {
    line.ends_with(':') || line.ends_with("has occurred.") || line.starts_with("Problem retrieving ")
}

/// A line that only announces goes together with what it announces.
fn joined(lines: &[&str], at: usize) -> String {
    let mut text = String::new();
    for line in lines.iter().skip(at).take(3) {
        text.push_str(if text.is_empty() { "" } else { " " });
        text.push_str(line);
        if !announces(line) {
            break;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Real outputs: `### name`, then the parts `--- stdout`, `--- stderr`, `--- says`.
    const CASES: &str = include_str!("../../tests/decisive.txt");

    fn part(case: &str, name: &str) -> String {
        let begin = format!("--- {name}\n");
        let rest = case.split_once(&begin).map_or("", |(_, rest)| rest);
        rest.split("--- ").next().unwrap_or_default().to_owned()
    }

    #[test]
    fn every_program_is_heard() {
        let cases: Vec<&str> = CASES.split("### ").skip(1).collect();
        assert!(cases.len() > 30, "{}", cases.len());
        for case in cases {
            let says = decisive(&part(case, "stdout"), &part(case, "stderr"));
            assert_eq!(says, part(case, "says").trim(), "{}", case.lines().next().unwrap_or_default());
        }
    }

    proptest! {
        #[test]
        fn what_was_said_is_never_lost(stdout in "[ -~\n]{0,80}", stderr in "[ -~\n]{0,80}") {
            let said = lines(&stdout).chain(lines(&stderr)).any(|line| !line.starts_with(STAGE));
            prop_assert!(!said || !decisive(&stdout, &stderr).is_empty());
        }
    }
}
