//! Each of the finer settings is a line of the file of each time service that can do it, and is refused for the others.

use std::path::Path;

use super::context::shown;
use super::template::Engine;
use crate::facts::{Facts, assumed};
use crate::firewall::Word;
use crate::inventory::{parse, tuning};
use crate::provider;

/// What is said, the line of chrony's file, and that of ntpd's; none where it is refused.
const CASES: &[(&str, &str, &str)] = &[
    ("source burst: true", "server 10.9.0.1 iburst burst", "server 10.9.0.1 iburst burst"),
    ("source version: 3", "server 10.9.0.1 iburst version 3", "server 10.9.0.1 iburst version 3"),
    ("source noselect: true", "server 10.9.0.1 iburst noselect", "server 10.9.0.1 iburst noselect"),
    ("source xleave: true", "server 10.9.0.1 iburst xleave", ""),
    ("source trust: true", "server 10.9.0.1 iburst trust", ""),
    ("source require: true", "server 10.9.0.1 iburst require", ""),
    ("source offset: -1200us", "server 10.9.0.1 iburst offset -0.0012", ""),
    ("source maxdelay: 250ms", "server 10.9.0.1 iburst maxdelay 0.25", ""),
    ("source filter: 5", "server 10.9.0.1 iburst filter 5", ""),
    ("source presend: 9", "server 10.9.0.1 iburst presend 9", ""),
    ("source extfield: F323", "server 10.9.0.1 iburst extfield F323", ""),
    ("source pool: true, maxsources: 3", "pool 10.9.0.1 iburst maxsources 3", ""),
    ("source burst: false, trust: false", "server 10.9.0.1 iburst", "server 10.9.0.1 iburst"),
    ("min_sources: 1", "minsources 1", "tos minsane 1"),
    ("max_distance: 1500ms", "maxdistance 1.5", "tos maxdist 1.5"),
    ("bind: [10.0.0.1, 'fd00::1']", "bindaddress fd00::1", "interface listen fd00::1"),
    ("bind: 10.0.0.1", "bindaddress 10.0.0.1", "interface ignore all"),
    ("client_port: 1123", "acquisitionport 1123", ""),
    ("serve: [10.0.0.0/8], rate_limit: { interval: 2 }", "ratelimit interval 2", "limit average 0.25"),
    (
        "rate_limit: true, serve: [10.0.0.0/8]",
        "ratelimit",
        "restrict 10.0.0.0 mask 255.0.0.0 nomodify notrap nopeer noquery limited kod",
    ),
    (
        "serve: [10.0.0.0/8], rate_limit: { interval: 2, burst: 16, leak: 3 }",
        "ratelimit interval 2 burst 16 leak 3",
        "",
    ),
    ("leap: { source: right/UTC }", "leapsectz right/UTC", ""),
    ("leap: { source: /etc/leap.list }", "leapseclist /etc/leap.list", "leapfile /etc/leap.list"),
    ("leap: { smear: true }", "smoothtime 400 0.001 leaponly", ""),
    ("dscp: 46", "dscp 46", "dscp 46"),
    ("log: [measurements, raw]", "log measurements rawmeasurements", "statistics rawstats"),
    ("log: tracking", "log tracking", "filegen loopstats file loopstats type day enable"),
    ("log: selection", "log selection", ""),
];

/// The file of a time service of Debian 12, or why there is none.
fn file(service: &str, said: &str) -> Result<String, String> {
    let source = said
        .strip_prefix("source ")
        .map(|more| format!("upstream: [{{ address: 10.9.0.1, {more} }}, 10.9.0.2, 10.9.0.3]"));
    let said = source.unwrap_or_else(|| format!("upstream: [10.9.0.1], {said}"));
    let text = format!("hosts: {{ h: {{ address: 10.0.0.1, role: master, provider: {service}, {said} }} }}");
    let fleet = parse(Path::new("t.yml"), &text).map_err(|mistakes| mistakes.to_string())?;
    let assumed = assumed::linux("debian");
    let facts = Facts { os_id: "debian".to_owned(), os_version: "12".to_owned(), ..assumed };
    let one = provider::ALL.iter().find(|one| one.name() == service).unwrap();
    let context = shown(&fleet.hosts[0], &facts, &one.layout(&facts), Word::NONE);
    let template = match service {
        "chrony" => include_str!("../../templates/chrony.conf.j2"),
        _ => include_str!("../../templates/ntp.conf.j2"),
    };
    Ok(Engine.render(service, template, &context).unwrap())
}

#[test]
fn a_setting_is_a_line_of_those_who_can_and_refused_for_the_others() {
    for (said, chrony, ntpd) in CASES {
        for (service, line) in [("chrony", chrony), ("ntpd", ntpd)] {
            match file(service, said) {
                Ok(text) => assert!(text.lines().any(|known| known == *line), "{said}: no `{line}` in\n{text}"),
                Err(why) => assert!(line.is_empty() && why.contains(&format!("`{service}` cannot")), "{said}: {why}"),
            }
        }
    }
}

#[test]
fn no_setting_is_left_out_of_the_cases() {
    for key in tuning::source_keys().into_iter().chain(tuning::host_keys()) {
        assert!(CASES.iter().any(|(said, ..)| said.contains(&format!("{key}:"))), "{key}");
    }
}

#[test]
fn without_them_the_files_are_as_ever() {
    // What is taken back on a host that its group asks for.
    let said = ["sets_clock: true", "bind: []", "log: []", "rate_limit: false", "leap: {}"];
    for (service, said) in ["chrony", "ntpd"].iter().flat_map(|service| said.map(|said| (*service, said))) {
        let text = file(service, said).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        let fine = |line: &&str| ["server 10.9.0.1 iburst", "makestep 1 3", "tinker step 1", "rtcsync"].contains(line);
        let known = |line: &&&str| {
            fine(line) || ["driftfile ", "logdir ", "restrict "].iter().any(|word| line.starts_with(word))
        };
        assert!(lines.iter().all(|line| known(&line)), "{said}: {text}");
    }
}
