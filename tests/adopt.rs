//! Hosts in, an inventory out: every folder of `tests/adopt/` is a fleet. `HOST.txt` is what was read of a host,
//! in the shapes that distributions bring and that people have grown; `expected.yml` is the inventory.
//! `UPDATE=1 cargo test --test adopt` rewrites what is expected.
//!
//! Each inventory is loaded again and each file rendered anew. What it says and the old one did not, and the other
//! way round, has to be announced in it, line by line, and nothing else may be.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fleetclock::adopt::{self, Adopted, Host, Linux, Process, Seen};
use fleetclock::assets::Assets;
use fleetclock::config::{self, Directive, Files, Language};
use fleetclock::facts::{Facts, Unit, assumed, versions, windows};
use fleetclock::firewall::{ALL, Word};
use fleetclock::inventory::{self, HostSpec};
use fleetclock::model::Slice;
use fleetclock::playbook::template::Engine;
use fleetclock::playbook::{Kind, Playbook, context};
use fleetclock::provider;

const FOLDER: &str = "tests/adopt";

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn hosts(case: &Path) -> Vec<Host> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "txt"));
    files.sort();
    files.iter().map(|path| host(path)).collect()
}

/// The lines `KEY: VALUE` of a host, and its files.
fn host(path: &Path) -> Host {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let mut parts = text.split("\n== ");
    let head = parts.next().unwrap();
    let keys: Vec<(&str, &str)> = head.lines().map(|line| line.split_once(": ").unwrap_or((line, ""))).collect();
    let files: Vec<(&str, &str)> = parts.map(|part| part.split_once('\n').unwrap()).collect();
    let of = |key: &str| keys.iter().filter(|(known, _)| *known == key).map(|(_, value)| *value).collect::<Vec<_>>();
    let address = of("address").first().map_or(name.clone(), ToString::to_string);
    let windows = of("system").first().is_some_and(|system| system.starts_with("windows"));
    let seen = match of("unreachable").first() {
        Some(why) => Seen::Not((*why).to_owned()),
        None if windows => Seen::Windows(Box::new(windows_facts(files[0].1, of("system")[0].contains("domain")))),
        None => Seen::Linux(Box::new(linux(&name, &address, &of, &files))),
    };
    let connection = if windows {
        vec![("winrm".to_owned(), "{ user: Administrator, password: { env: WINRM_PASSWORD } }".to_owned())]
    } else {
        Vec::new()
    };
    Host { name, address, connection, seen }
}

fn windows_facts(registry: &str, domain: bool) -> windows::WindowsFacts {
    let slice = Slice { stdout: registry.to_owned(), stderr: String::new(), status: 0 };
    let facts = windows::parse(&BTreeMap::from([("registry".to_owned(), slice)]));
    windows::WindowsFacts { domain_member: domain, ..facts }
}

fn linux<'a>(name: &str, address: &str, of: &dyn Fn(&str) -> Vec<&'a str>, files: &[(&str, &str)]) -> Linux {
    let system: Vec<&str> = of("system")[0].split(' ').collect();
    let words = |key: &str| of(key).iter().flat_map(|line| line.split(' ')).map(str::to_owned).collect::<Vec<_>>();
    let mut facts: Facts = assumed::linux(system[0]);
    facts.os_id = if system.len() > 2 { system[1] } else { system[0] }.to_owned();
    facts.os_version = (*system.last().unwrap()).to_owned();
    facts.hostname = of("hostname").first().map_or(name, |name| name).to_owned();
    facts.addresses = words("addresses").iter().chain([&address.to_owned()]).filter_map(|a| a.parse().ok()).collect();
    facts.addresses.dedup();
    let lacks = words("lacks");
    facts.lacks =
        versions::FEATURES.iter().map(|feature| feature.name).filter(|name| lacks.iter().any(|l| l == name)).collect();
    if of("firewall").contains(&"firewalld") {
        facts.firewall = ALL.iter().find(|one| one.word() == "firewalld").map(|one| Word::of(*one)).unwrap();
    }
    let running: Vec<Vec<String>> =
        of("running").iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect();
    for unit in running.iter().map(|words| &words[0]).chain(&words("beside")) {
        facts.units.insert(unit.clone(), Unit { active: true, enabled: "enabled".to_owned(), shown: String::new() });
    }
    let process = |words: &Vec<String>| Process { program: words[1].clone(), arguments: words[3..].to_vec() };
    let mut all = Files::default();
    files.iter().for_each(|(file, text)| all.add(file, text));
    Linux {
        facts,
        processes: running.iter().map(process).collect(),
        files: all,
        told: of("told").join("\n"),
        clients: words("clients").iter().map(|client| client.parse().unwrap()).collect(),
    }
}

fn adopted(hosts: &[Host]) -> Adopted {
    adopt::adopt(hosts, &Assets::new(None).unwrap(), Path::new("fleet.yml"))
}

#[test]
fn every_fleet_becomes_the_inventory_that_is_expected() {
    let mut wrong = Vec::new();
    for case in cases() {
        let (expected, text) = (case.join("expected.yml"), adopted(&hosts(&case)).text);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &text).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != text {
            wrong.push(format!("{}: found\n{text}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases().len() >= 20);
}

/// The language of the host's own service, its directives, and those of the file that the inventory renders.
fn both(spec: &HostSpec, linux: &Linux) -> Option<(Language, Vec<Directive>, Vec<Directive>)> {
    let provider = provider::choose(spec.provider, &linux.facts).unwrap();
    let program = linux.processes.first().map(|process| process.program.as_str());
    let openntpd = linux.facts.units.contains_key("openntpd");
    let language = match (provider.name(), program) {
        ("chrony", Some("chronyd")) => Language::Chrony,
        ("ntpd", Some("ntpd")) if !openntpd => Language::Ntp,
        _ => return None,
    };
    let layout = provider.layout(&linux.facts);
    let context = context::contexts(spec, &linux.facts, &layout, linux.facts.firewall).real;
    let assets = Assets::new(None).unwrap();
    let playbook = Playbook::load(&assets, provider.playbook()).unwrap();
    let template = playbook.steps.iter().find_map(|step| match step.resolve(&Engine, &context).unwrap() {
        Kind::File { template, .. } => Some(template),
        _ => None,
    });
    let template = template.unwrap();
    let text = assets.read(&format!("templates/{template}")).unwrap().text;
    let new = config::read(language, layout.config, &Engine.render(&template, &text, &context).unwrap());
    let main = linux.files.names().find(|name| name.ends_with("/chrony.conf") || name.ends_with("/ntp.conf")).unwrap();
    let old = linux.files.directives(language, main).into_iter().filter(|directive| !directive.includes()).collect();
    Some((language, old, new))
}

#[test]
fn what_the_new_file_says_otherwise_is_announced_and_nothing_else() {
    let mut wrong = Vec::new();
    for case in cases() {
        let hosts = hosts(&case);
        let Adopted { text, notes, .. } = adopted(&hosts);
        let fleet = match inventory::parse(Path::new("fleet.yml"), &text) {
            Ok(fleet) => fleet,
            Err(mistakes) => {
                // A fleet without a host is no inventory, and says so.
                let left_out = hosts
                    .iter()
                    .all(|host| notes.iter().any(|note| note.starts_with(&format!("{}: left out", host.name))));
                wrong.extend((!left_out).then(|| format!("{}: {mistakes}\n{text}", case.display())));
                continue;
            }
        };
        for spec in &fleet.hosts {
            let Some(Seen::Linux(linux)) = hosts.iter().find(|host| host.name == spec.name).map(|host| &host.seen)
            else {
                continue;
            };
            let Some((language, old, new)) = both(spec, linux) else { continue };
            let difference = config::difference(language, &old, &new);
            let of_host =
                |note: &&String| note.split(':').next().is_some_and(|who| names(who).contains(spec.name.as_str()));
            let own: Vec<&String> = notes.iter().filter(of_host).collect();
            for lost in &difference.lost {
                if !own.iter().any(|note| note.contains(&format!(":{}: ", lost.place))) {
                    wrong.push(format!("{} {}: `{}` goes unsaid", case.display(), spec.name, lost.text()));
                }
            }
            for gained in &difference.gained {
                let said = |note: &&&String| {
                    note.contains(&format!("`plan` adds `{}`", gained.text()))
                        || note.contains(&format!("`plan` makes it `{}`", gained.text()))
                };
                // A source whose options have no word is one of those lines.
                let source = difference
                    .lost
                    .iter()
                    .any(|lost| lost.name == gained.name && lost.words.first() == gained.words.first());
                if !own.iter().any(|note| said(&note)) && !source {
                    wrong.push(format!("{} {}: `{}` comes unsaid", case.display(), spec.name, gained.text()));
                }
            }
            let announced = own
                .iter()
                .filter(|note| {
                    note.contains("`plan` takes it out")
                        || note.contains("`plan` makes it")
                        || note.contains("`plan` adds `")
                })
                .count();
            if difference == config::Difference::default() && (announced > 0 || !config::same(language, &old, &new)) {
                wrong.push(format!("{} {}: announced, and nothing differs", case.display(), spec.name));
            }
            if announced > difference.lost.len() + difference.gained.len() {
                wrong.push(format!("{} {}: more is announced than differs", case.display(), spec.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The hosts that a note is about.
fn names(who: &str) -> BTreeSet<&str> {
    who.split([',', ' ']).filter(|word| !word.is_empty() && *word != "and").collect()
}

#[test]
fn no_line_of_a_host_is_dropped_unsaid() {
    let mut wrong = Vec::new();
    for case in cases() {
        let hosts = hosts(&case);
        let Adopted { text, .. } = adopted(&hosts);
        for host in &hosts {
            let Seen::Linux(linux) = &host.seen else { continue };
            let files: Vec<&str> = linux.files.names().collect();
            for file in files {
                let language = match file {
                    _ if file.contains("chrony") => Language::Chrony,
                    _ if file.contains("timesyncd") => Language::Ini,
                    _ if file.contains("openntpd") => Language::Openntpd,
                    _ if file.ends_with("toml") => Language::Toml,
                    _ => Language::Ntp,
                };
                for directive in config::read(language, file, linux.files.text(file).unwrap()) {
                    // Named with its place, a word of the inventory, or one that every file of ours has.
                    let named = text.contains(&directive.place.to_string());
                    let known = [
                        "server",
                        "pool",
                        "servers",
                        "allow",
                        "makestep",
                        "local",
                        "rtcsync",
                        "driftfile",
                        "logdir",
                        "restrict",
                        "tinker",
                        "Time.NTP",
                        "source.mode",
                        "source.address",
                    ];
                    let key = match directive.name.as_str() {
                        "minsources" => "min_sources",
                        "maxdistance" => "max_distance",
                        "bindaddress" => "bind",
                        "acquisitionport" => "client_port",
                        "ratelimit" => "rate_limit",
                        "leapsectz" | "leapseclist" | "leapfile" | "leapsecmode" | "smoothtime" | "maxslewrate" => {
                            "leap"
                        }
                        "log" | "statistics" | "filegen" | "statsdir" => "log",
                        "tos" => "min_sources",
                        name => name,
                    };
                    // chrony lets nobody ask by itself.
                    let by_itself = language == Language::Chrony && directive.text() == "deny all";
                    let taken =
                        by_itself || known.contains(&directive.name.as_str()) || text.contains(&format!("    {key}: "));
                    if !named && !taken && !text.contains(&format!("Left out: {}:", host.name)) {
                        wrong.push(format!("{}: {} `{}`", case.display(), directive.place, directive.text()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
