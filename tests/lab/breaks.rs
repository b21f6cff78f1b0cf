//! The table of breaks in `docs/breaks.md`, made of the data that the tests run: a case that is added
//! and not in the table fails here. `UPDATE=1` writes it.

use std::fmt::Write as _;

use crate::doctor_cases::{
    CLOCK, Case, FIREWALL, FIX, GONE, LEGACY, MACHINE, NAMES, OUTSIDE, PATH, PORTS, SERVICE, SERVING, UNSURE,
};
use crate::doctor_slow_cases::{LINES, Round, UNITS, WAYS};

const CASES: [&[Case]; 12] =
    [SERVICE, GONE, SERVING, FIREWALL, LEGACY, MACHINE, PATH, PORTS, CLOCK, UNSURE, NAMES, OUTSIDE];

const ROUNDS: [&[Round]; 3] = [LINES, UNITS, WAYS];

const HEAD: &str = "# Breaks

What was done to real hosts in the lab, and what `doctor` found. Both tables are made of the data that the tests
run (`tests/lab/doctor_cases.rs`, `doctor_slow_cases.rs`; `UPDATE=1 cargo test --test lab breaks` writes this file).
A question mark behind a code: the finding says perhaps. Who suffers stands behind the code. The words in
capitals are short for what the tests fill in: the file of the service, a line added to it, a drop-in of its unit, a
program that takes port 123, rules of an earlier round that are taken away first.

server1 and server2 run chrony on Debian 12, server3 ntpsec, server4 chrony in the shape of Red Hat; server2
to server4 follow server1. The names that begin otherwise are those of the inventories in `tests/doctor`.
";

const EACH: &str = "
## One at a time

After each, the test puts the host right as the last column says: where the finding has a command, that is done as
it is printed; where a person has to decide, or nothing was written that could be done, the column has what was done.
The next break begins only when all hosts follow again, and has to find itself and nothing else.

| break | on | what was done | found | put right by |
| --- | --- | --- | --- | --- |
";

const TOGETHER: &str = "
## Several at once, each put right by what the finding says

The command of the finding's `fix` is done as it is printed, on the host that it names; then `verify` must pass and
`doctor` find nothing. Where a person has to decide, the table says what that person does.

| round | on | what was done | found | put right by |
| --- | --- | --- | --- | --- |
";

/// A cell of a table.
fn code(text: &str) -> String {
    if text.is_empty() {
        return "the next step of the test".to_owned();
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

fn case(table: &mut String, case: &Case) {
    let found = or_nothing(&case.found.join("; ")).to_owned();
    let mend = match case.mend.strip_prefix(FIX) {
        Some("") => "the fix as printed".to_owned(),
        Some(rest) => format!("the fix as printed; then {}", code(rest)),
        None => code(case.mend),
    };
    let wreck = code(case.wreck);
    writeln!(table, "| {} | {} | {wreck} | {found} | {mend} |", case.name, case.host).unwrap();
}

fn round(table: &mut String, round: &Round) {
    for one in round.breaks {
        let found = or_nothing(one.found);
        let mended = match (one.found.is_empty(), one.by_hand) {
            (true, _) => "nothing to do".to_owned(),
            (false, "") => "the fix as printed".to_owned(),
            (false, by_hand) => format!("a person: {}", code(by_hand)),
        };
        writeln!(table, "| {} | {} | {} | {found} | {mended} |", round.name, one.host, code(one.wreck)).unwrap();
    }
}

fn page() -> String {
    let mut text = format!("{HEAD}{EACH}");
    CASES.iter().flat_map(|cases| cases.iter()).for_each(|one| case(&mut text, one));
    text.push_str(TOGETHER);
    ROUNDS.iter().flat_map(|rounds| rounds.iter()).for_each(|one| round(&mut text, one));
    text
}

/// The names of all lists of cases that a file of data has.
fn lists(source: &str) -> usize {
    source.matches("pub(crate) const ").count()
        - source.matches("pub(crate) const fn").count()
        - source.matches("pub(crate) const ALL:").count()
        - source.matches("pub(crate) const FIX:").count()
}

#[test]
fn the_table_of_breaks_is_that_of_the_tests() {
    let path = format!("{}/docs/breaks.md", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(written == page(), "docs/breaks.md is not that of the cases: UPDATE=1 cargo test --test lab breaks");
    // A list of cases that nobody has added to the table.
    assert_eq!(lists(include_str!("doctor_cases.rs")), CASES.len());
    assert_eq!(lists(include_str!("doctor_slow_cases.rs")), ROUNDS.len());
}

/// What a case says is found has its section in the findings, with the same code.
#[test]
fn every_code_of_a_break_is_explained() {
    let findings = std::fs::read_to_string(format!("{}/docs/findings.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let page = page();
    let words = page.split(|c: char| !c.is_ascii_alphanumeric());
    let codes: std::collections::BTreeSet<&str> =
        words.filter(|word| word.len() == 5 && word.starts_with("FC0")).collect();
    assert!(codes.len() > 40, "{codes:?}");
    for code in codes {
        assert!(findings.contains(&format!("### {code} ")), "{code}");
    }
}
