//! Cases that are files: a line each, what goes in and what comes out.

use super::*;

/// The lines of a file of cases, each in its fields.
fn cases(text: &'static str) -> impl Iterator<Item = (usize, Vec<&'static str>)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
    lines.map(|(number, line)| (number + 1, line.split(" | ").map(str::trim).collect()))
}

fn list<T: std::str::FromStr<Err = String>>(text: &str) -> Vec<T> {
    let parts = text.split(';').map(str::trim).filter(|part| *part != "-");
    parts.map(|part| part.parse().unwrap_or_else(|why| panic!("{part}: {why}"))).collect()
}

#[test]
fn windows_open_and_close() {
    for (line, fields) in cases(include_str!("../../tests/calendar/windows.txt")) {
        let permit = Permit { windows: list(fields[0]), ..Permit::default() };
        let now: Timestamp = fields[1].parse().unwrap();
        let said = match permit.at(now) {
            Ok(closing) => format!("open until {}", closing.unwrap().at),
            Err(_) => format!("closed, opens {}", permit.opens(now).unwrap()),
        };
        assert_eq!(said, fields[2], "windows.txt:{line}");
    }
}

#[test]
fn permits_say_until_when_or_why_not_and_when_next() {
    for (line, fields) in cases(include_str!("../../tests/calendar/permits.txt")) {
        let until = (fields[2] != "-").then(|| fields[2].parse().unwrap());
        let permit = Permit { windows: list(fields[0]), freezes: list(fields[1]), until };
        let said = match permit.at(fields[3].parse().unwrap()) {
            Ok(None) => "open".to_owned(),
            Ok(Some(Closing { at, why })) => format!("open until {at}: {why}"),
            Err(Refusal { why, hint }) => match hint.split_once("; ") {
                Some((next, _)) => format!("refused: {why} -- {next}"),
                None => format!("refused: {why}"),
            },
        };
        assert_eq!(said, fields[4], "permits.txt:{line}");
    }
}

#[test]
fn mistakes_say_how_it_is_written() {
    for (line, fields) in cases(include_str!("../../tests/calendar/mistakes.txt")) {
        let why = fields[0].parse::<Window>().unwrap_err();
        assert!(why.contains(fields[1]), "mistakes.txt:{line}: {why}");
    }
    for (text, part) in [
        ("2026-12-20..2027-01-02 Asia/Seoul", "a reason"),
        ("2026-12-20..2026-12-19 UTC a", "ends before it begins"),
        ("2026-13-20 UTC a", "`2026-13-20` is no day"),
        ("2026-12-20 Mars a", "`Mars` is no time zone"),
    ] {
        let why = freezes(&format!("# these\n\n{text} # here\n")).unwrap_err();
        assert!(why.starts_with("line 3: ") && why.contains(part), "{text}: {why}");
    }
    assert!(moment("tomorrow").unwrap_err().contains("is no moment"));
}

#[test]
fn moments_are_written_in_two_ways() {
    let both = ["2026-12-20 18:00 Asia/Seoul", "2026-12-20T09:00:00Z"].map(|text| moment(text).unwrap());
    assert_eq!(both[0], both[1]);
    assert_eq!(shown(both[0]), "Sun 2026-12-20 09:00 UTC");
}

#[test]
fn only_freezes_that_hold_are_lifted_and_the_next_one_ends_the_run() {
    let list = |text: &str| text.split("; ").map(|one| one.parse().unwrap()).collect();
    let freezes = list("2026-11-20..2026-11-28 UTC a; 2026-11-28 UTC b; 2026-11-29 UTC c");
    let mut permit = Permit { freezes, ..Permit::default() };
    let now = "2026-11-28T13:00:00Z".parse().unwrap();
    let lifted: Vec<String> = permit.lift(now).iter().map(ToString::to_string).collect();
    assert_eq!(lifted, ["2026-11-20..2026-11-28 UTC a", "2026-11-28 UTC b"]);
    let closing = permit.at(now).unwrap().unwrap();
    assert_eq!(closing.at, "2026-11-29T00:00:00Z".parse().unwrap());
    assert!(closing.why.starts_with("nothing is changed (c) from"), "{}", closing.why);
}
