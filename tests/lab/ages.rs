//! Systems of another age: CentOS 7 and Ubuntu 20.04 as shapes, whose programs refuse what they did not know.

use std::collections::BTreeMap;
use std::path::Path;

use fleetclock::facts::versions::{FEATURES, Feature, Held, is_older};

use crate::fixture::Lab;
use crate::report::{error, statuses};

const RULES: &str = include_str!("ages/rules.txt");
const SHAPES: &str = include_str!("ages/shapes.txt");

fn rows(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect())
}

/// Each refusal is named by the words that are quoted for it, and the table of the tool says the same version.
#[test]
fn wrappers_refuse_what_is_quoted_of_the_change_logs() {
    let shapes: Vec<(&str, &str, &str)> = rows(SHAPES).map(|row| (row[0], row[1], row[2])).collect();
    for row in rows(RULES) {
        let [command, program, since, what, status, _, excerpt] = row[..] else { panic!("{row:?}") };
        let (kind, name) = what.split_once(':').unwrap_or(("", what));
        let name = name.trim_matches(['*', ' ', '[', ']']).rsplit(' ').next().unwrap();
        let close = name.trim_start_matches(['-', '*']).trim_end_matches(['*', ']']).to_lowercase();
        let named = match kind {
            "ignored" => "ignores".to_owned(),
            "property" if close == "invocationid" => "invocation id".to_owned(),
            "property" if close == "freezerstate" => "freezer".to_owned(),
            // One letter, or the first of several.
            _ if close.trim_start_matches('[').len() < 4 && name.starts_with('-') => {
                format!("-{}", close.trim_start_matches('[').chars().next().unwrap())
            }
            _ => close,
        };
        let quoted = !excerpt.starts_with("~ ");
        assert!(!quoted || excerpt.to_lowercase().contains(&named), "{command}: `{named}` is not in `{excerpt}`");
        assert!(status.parse::<u8>().is_ok());
        let of = shapes.iter().filter(|(_, of, _)| *of == program);
        assert!(of.clone().any(|(_, _, version)| is_older(version, since)), "{command} {what}: no shape is so old");
        for feature in FEATURES.iter().filter(|feature| feature.program == program && feature.what.contains(&named)) {
            assert!(named.len() < 5 || feature.since == since, "{command} {what}: {since}, {}", feature.since);
        }
    }
    let versions: BTreeMap<String, String> = shapes
        .iter()
        .filter(|(shape, _, _)| *shape == "el7")
        .map(|(_, program, version)| ((*program).to_owned(), (*version).to_owned()))
        .collect();
    let lacks = fleetclock::facts::versions::lacks(&versions);
    for name in ["print_config", "restrict_source", "short_unix", "sync_file", "settings2", "epochrealtime"] {
        assert!(lacks.contains(&name), "{name}");
    }
}

/// A row of the table that nobody reads would be a rumour.
#[test]
fn each_row_of_the_versions_is_read_or_demanded() {
    let mut texts = Vec::new();
    for folder in ["src", "templates", "tests"] {
        texts_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut texts);
    }
    let refused = |feature: &Feature, what: &str| {
        rows(RULES).any(|row| row[1] == feature.program && row[2] == feature.since && row[3] == what)
    };
    for feature in FEATURES {
        let Feature { name, program, .. } = feature;
        let looked_for = |text: &String| {
            text.contains(&format!("Since::Feature(\"{name}\")"))
                || text.contains("fn floor") && text.contains(&format!("Some(\"{name}\")"))
                || text.contains("lacks") && text.contains(&format!("\"{name}\""))
        };
        match feature.held {
            Held::Code => assert!(texts.iter().any(looked_for), "{program}: nothing looks for `{name}`"),
            Held::Shape(what) => {
                assert!(
                    refused(feature, what),
                    "{program}: no shape refuses `{what}` ({name}) before {}",
                    feature.since
                );
            }
            Held::Test(test) => {
                let test = format!("fn {test}()");
                assert!(texts.iter().any(|text| text.contains(&test)), "{program}: `{name}` has no test");
            }
        }
    }
}

/// All sources and templates below a folder, but for the table itself and this test.
fn texts_of(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts_of(&path, texts);
        } else if !path.ends_with("facts/versions.rs") && !path.ends_with("lab/ages.rs") {
            texts.extend(std::fs::read_to_string(path));
        }
    }
}

const FLEET: &str = "defaults: { ssh: { user: ops, become: sudo, timeout: 60s, SSH }, limits: { deadline: 3m } }
groups:
  m: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { old1: 10.10.10.1 } }
  s:
    role: slave
    follows: [m]
    hosts:
      old2: { address: 10.10.10.2, provider: ntpd }
      focal: { address: 10.10.10.3, EXTRA }
";

const HOSTS: &[&str] = &["old1=el7@10.10.10.1", "old2=el7@10.10.10.2", "focal=focal@10.10.10.3"];

/// The main line on hosts of three ages: from bare to proven, looked at, refused, and taken back.
#[test]
#[ignore = "needs the lab: ./test runs it"]
fn the_main_line_on_old_systems() {
    let fleet = |extra: &str| FLEET.replace("EXTRA", extra);
    let lab = Lab::up("ages", HOSTS, &fleet("extra: []"));
    let (code, facts) = lab.json(&["facts"]);
    assert_eq!(code, 0, "{facts:#}");
    assert_eq!(facts["old1"]["versions"]["systemd"], "219");
    let before = ALL.map(|(name, _)| lab.sh(name, STATE));
    let (code, plan) = lab.json(&["plan"]);
    assert_eq!((code, statuses(&plan)), (0, ALL.map(|(name, _)| format!("{name} drifted")).to_vec()), "{plan:#}");
    assert_eq!(ALL.map(|(name, _)| lab.sh(name, STATE)), before, "a plan changes nothing");
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    // Its sources by their addresses, and nothing that this ntpd does not know.
    let conf = lab.sh("old2", "cat /etc/ntp.conf");
    assert!(conf.contains("\nrestrict 10.10.10.1 nomodify") && !conf.contains("restrict source"), "{conf}");
    for verb in ["check", "verify", "doctor"] {
        let run = lab.fleetclock(&[verb]);
        assert_eq!(run.code, 0, "{verb}: {}{}", run.stdout, run.stderr);
    }

    // chronyd 3.5 cannot print a file, and refuses a wrong one all the same, before it is in place.
    let before = lab.sh("focal", "cat /etc/chrony/chrony.conf; systemctl show -p MainPID chrony");
    lab.inventory(&fleet("extra: ['makestep 10 3 4']"));
    let (code, report) = lab.json(&["apply", "--yes", "-l", "focal"]);
    assert_eq!(code, 1, "{report:#}");
    assert!(error(&report, "focal").contains("Too many arguments"), "{}", error(&report, "focal"));
    assert_eq!(lab.sh("focal", "cat /etc/chrony/chrony.conf; systemctl show -p MainPID chrony"), before);

    let (code, report) = lab.json(&["undo", "--yes", "old1", "old2", "focal"]);
    assert_eq!((code, statuses(&report)), (0, ALL.map(|(name, _)| format!("{name} changed")).to_vec()), "{report:#}");
    assert_eq!(lab.sh("focal", "systemctl is-active systemd-timesyncd"), "active");
    for (name, config) in ALL {
        assert_eq!(lab.sh(name, &format!("cat {config} 2>/dev/null | grep -c fleetclock || true")), "0", "{name}");
    }
    let (code, plan) = lab.json(&["plan"]);
    assert_eq!((code, statuses(&plan)), (0, ALL.map(|(name, _)| format!("{name} drifted")).to_vec()), "{plan:#}");
}

/// The hosts, and the file of the service of each.
const ALL: [(&str, &str); 3] =
    [("old1", "/etc/chrony.conf"), ("old2", "/etc/ntp.conf"), ("focal", "/etc/chrony/chrony.conf")];

/// What a plan must leave as it is.
const STATE: &str = "systemctl list-units --state=active --no-legend --plain -t service | cut -d' ' -f1; \
                     cat /etc/chrony.conf /etc/ntp.conf /etc/chrony/chrony.conf 2>/dev/null | cksum";

mod slow {
    use super::*;

    /// Nobody comes to keep the change: the timers of systemd 219 and 245 take it back. And an isolated ntpd 4.2.6.
    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn the_timer_and_an_old_isolated_ntpd() {
        let fleet = FLEET.replace("serve:", "provider: ntpd, serve:").replace("EXTRA", "extra: []");
        let lab = Lab::up("agest", HOSTS, &fleet);
        let (code, report) = lab.json(&["apply", "--yes"]);
        assert_eq!(code, 0, "{report:#}");
        assert!(lab.sh("old1", "cat /etc/ntp.conf").contains("tos orphan 10\n"));
        assert_eq!(lab.fleetclock(&["check"]).code, 0);
        // A line that does nothing new, in the words of each.
        let lines = ["tinker stepout 301", "maxupdateskew 900"];
        let [ntpd, chrony] = lines.map(|line| format!("extra: ['{line}']"));
        lab.inventory(
            &fleet.replace("provider: ntpd }", &format!("provider: ntpd, {ntpd} }}")).replace("extra: []", &chrony),
        );
        let mut tool = lab.start(&["apply", "--yes", "-l", "old2,focal"]);
        let until = std::time::Instant::now() + std::time::Duration::from_secs(90);
        for ((name, config), line) in ALL[1..].iter().zip(lines) {
            while !lab.attempt(name, &format!("grep -q '{line}' {config}")).is_empty() {
                assert!(std::time::Instant::now() < until, "{name}: the change did not come");
            }
        }
        lab.kill(&mut tool);
        for (((name, config), line), unit) in ALL[1..].iter().zip(lines).zip(["ntpd", "chrony"]) {
            lab.sh(name, "while [ -n \"$(sed -n 's/^script=//p' /run/fleetclock/lock)\" ]; do sleep 0.2; done; systemctl is-active fleetclock-undo.timer && systemctl start fleetclock-undo.service");
            lab.sh(
                name,
                &format!("i=0; while grep -q '{line}' {config}; do sleep 0.5; i=$((i + 1)); [ $i -lt 60 ]; done"),
            );
            lab.sh(
                name,
                &format!("for i in $(seq 60); do systemctl -q is-active {unit} && exit; sleep 0.5; done; exit 1"),
            );
        }
    }
}
