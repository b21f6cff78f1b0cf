//! What each firewall needs beside its file and its line in `ALL`: whoever forgets a part of one fails here by its name.

use std::path::Path;

use fleetclock::firewall::registry::{self, Word};
use fleetclock::firewall::ruleset::Chain;
use fleetclock::firewall::{ALL, Firewall, Ruleset, Stop, Verdict, advice, every, walk};
use fleetclock::inventory::spec::FirewallChoice;

use super::{PUBLIC, case, cases, packet};

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The section of a firewall in its document.
fn section(word: &str) -> Option<String> {
    let manual = text("docs/firewalls.md");
    let (_, rest) = manual.split_once(&format!("\n## {word}\n"))?;
    Some(rest.split("\n## ").next().unwrap_or(rest).to_owned())
}

/// The text of all files below a folder whose names end so.
fn all(folder: &str, end: &str) -> String {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: &Path| match path.is_dir() {
        true => all(path.to_str().unwrap(), end),
        false if path.to_str().unwrap().ends_with(end) => text(path.to_str().unwrap()),
        false => String::new(),
    };
    entries.map(|path| below(&path)).collect()
}

/// The findings that doctor has for it: explained, and each with a case of a real host.
fn findings(firewall: &dyn Firewall) -> Vec<String> {
    let (manual, cases) = (text("docs/findings.md"), all("tests/doctor", ".json"));
    let mut wrong = Vec::new();
    for code in firewall.findings() {
        if !manual.contains(&format!("\n### {code} ")) {
            wrong.push(format!("{code} has no section in docs/findings.md"));
        }
        if !cases.contains(&format!("\"{code}\"")) {
            wrong.push(format!("{code} has no case in tests/doctor"));
        }
    }
    if firewall.findings().is_empty() {
        wrong.push("doctor has no finding for it".to_owned());
    }
    wrong
}

/// Its section names a run on real hosts, and that test is there.
fn lab(firewall: &dyn Firewall) -> Vec<String> {
    let Some(section) = section(firewall.word()) else {
        return vec![format!("docs/firewalls.md has no section `## {}`", firewall.word())];
    };
    let run = section.lines().find_map(|line| line.strip_prefix("Lab: `")?.split('`').next().map(str::to_owned));
    let Some(run) = run else { return vec!["its section in docs/firewalls.md has no line `Lab: ...`".to_owned()] };
    let name = run.rsplit("::").next().unwrap_or_default();
    let is_there = all("tests/lab", ".rs").contains(&format!("fn {name}()"));
    if is_there { Vec::new() } else { vec![format!("the lab run `{run}` is not in tests/lab")] }
}

/// Recorded rules of a real one, which let NTP in and keep it out, and what doctor advises there.
fn rules(word: &str) -> Vec<String> {
    let (mut passes, mut advised) = (false, false);
    for path in cases() {
        let case = case(&path);
        for (text, _) in &case.expected {
            let (packet, asked) = packet(text);
            match walk::verdict(&case.rules, &packet, asked) {
                Verdict::Passes => passes |= owners(&case.rules).any(|owner| owner == word),
                Verdict::Stopped(stop) => {
                    advised |= advice::advice(&case.rules, &stop, &packet, Some(PUBLIC)).owner == word;
                }
                Verdict::Maybe(_) => {}
            }
        }
    }
    let mut wrong = Vec::new();
    if !passes {
        wrong.push("no case in tests/firewall has a chain of its own and lets a packet pass".to_owned());
    }
    if !advised {
        wrong.push("no case in tests/firewall is stopped by it, so its advice was never seen".to_owned());
    }
    wrong
}

/// Who would be named if the end of a chain stopped a packet.
fn owners(rules: &Ruleset) -> impl Iterator<Item = String> + '_ {
    let (packet, _) = packet("question in from 10.10.10.2");
    rules.chains.iter().filter(|chain| chain.hook.is_some()).map(move |chain| {
        let bare = Chain { rules: Vec::new(), ..chain.clone() };
        let stop = Stop { base: bare.clone(), chain: bare, rule: None, packets: None, diverts: false };
        advice::advice(rules, &stop, &packet, Some(PUBLIC)).owner
    })
}

#[test]
fn every_firewall_has_its_parts() {
    let row = text("docs/inventory.md");
    let row = row.lines().find(|line| line.starts_with("| `firewall` |")).unwrap_or_default().to_owned();
    let mut wrong = Vec::new();
    for firewall in every() {
        let word = firewall.word();
        let mut parts = [findings(firewall), lab(firewall)].concat();
        if !FirewallChoice::all().contains(&FirewallChoice::Named(Word::of(firewall))) {
            parts.push("the inventory does not know its word".to_owned());
        }
        if !row.contains(&format!("`{word}`")) {
            parts.push("the row `firewall` of docs/inventory.md does not name it".to_owned());
        }
        wrong.extend(parts.into_iter().map(|part| format!("{word}: {part}")));
    }
    for firewall in ALL {
        wrong.extend(rules(firewall.word()).into_iter().map(|part| format!("{}: {part}", firewall.word())));
        if firewall.units().is_empty() && firewall.sign().is_empty() {
            wrong.push(format!("{}: neither a unit nor a sign says whether it is active", firewall.word()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A word without code behind it is refused by the reader of the inventory.
#[test]
fn the_inventory_knows_no_other_words() {
    let words: Vec<&str> = FirewallChoice::all().into_iter().map(FirewallChoice::word).collect();
    let known: Vec<&str> = ["auto", "none"].into_iter().chain(every().map(Firewall::word)).collect();
    assert_eq!(words, known);
    assert!(ALL.iter().all(|firewall| registry::linux(Word::of(*firewall)).is_some()));
}
