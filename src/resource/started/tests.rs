//! What came of the files in `tests/started`: a case has a name, what the inventory says, what the
//! probe prints, and after `=` what comes of it.

use super::*;
use crate::inventory::parse;
use std::path::Path;

/// What comes of a case: a difference, a change at run time, or a refusal with its hint.
fn comes(spec: &HostSpec, name: &str, seen: &Slice) -> String {
    let (unit, config) =
        if name == "chrony" { ("chrony", "/etc/chrony/chrony.conf") } else { ("ntpsec", "/etc/ntpsec/ntp.conf") };
    let provider = crate::provider::ALL.iter().find(|provider| provider.name() == name).unwrap();
    let wanted = Wanted::new(spec, *provider, config);
    let runs = seen.stdout.contains("arg=");
    match wanted.differs(seen, unit, runs) {
        Err(error) => format!("{error} (hint: {})", crate::exit::hint(&error).unwrap_or_default()),
        Ok(differs) => {
            let words = [differs, wanted.changed_at_run_time(seen), passed_over(seen), unmet(seen)];
            let words: Vec<String> = words.into_iter().flatten().collect();
            if words.is_empty() { "as wanted".to_owned() } else { words.join("; ") }
        }
    }
}

#[test]
fn every_case_comes_to_what_it_says() {
    let path = format!("{}/tests/started/cases.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let cases: Vec<&str> = text.split("\n=== ").skip(1).collect();
    assert!(cases.len() > 15, "{}", cases.len());
    for case in cases {
        let lines = |mark: &str| case.lines().filter_map(|line| line.strip_prefix(mark)).collect::<Vec<_>>().join("\n");
        let (provider, settings) = case.lines().nth(1).unwrap().split_once(": ").unwrap();
        let spec =
            parse(Path::new("t.yml"), &format!("hosts: {{ h: {{ address: 10.0.0.9, role: master, {settings} }} }}"))
                .unwrap()
                .hosts
                .remove(0);
        let seen = Slice { stdout: lines("- "), ..Slice::default() };
        assert_eq!(comes(&spec, provider, &seen), lines("= "), "{case}");
    }
}
