//! What a Windows clock may do, and who has to consent.

use crate::fixture::{Lab, words};
use crate::report::host;
use crate::windows::{W32TIME, error, inventory, json, proven, run, start};
use crate::windows_safety::{STAND_IN, TWO, comes, lock, settings, status, unchanged};

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_windows_clock_steps_only_as_far_as_was_allowed() {
    let text = TWO.replace("win1: 10.10.10.2", "slow: 10.10.10.2, fast: 10.10.10.3, lost: 10.10.10.4");
    let lab = Lab::up("vfar", &[], &inventory(&text));
    lab.windows(&["dmz1=2022@10.10.10.1", "slow=2016@10.10.10.2", "fast=2016@10.10.10.3", "lost=2016,ko@10.10.10.4"]);
    let shift = |name: &str, seconds: i64| {
        let ticks = seconds * 10_000_000;
        lab.cmd(name, &format!("reg add {STAND_IN} /v ClockOffset /t REG_SZ /d {ticks} /f"));
    };
    let offset = |name: &str| {
        let printed = lab.cmd(name, &format!("reg query {STAND_IN} /v ClockOffset"));
        printed.split_whitespace().last().unwrap().parse::<i64>().unwrap() as f64 / 1e7
    };
    assert_eq!(json(&lab, &["apply", "--yes", "-l", "dmz1"]).0, 0);
    let hosts = ["slow", "fast", "lost"];
    for (name, seconds) in hosts.iter().zip([-23, 23, -72_000]) {
        shift(name, seconds);
    }
    let before = hosts.map(|name| settings(&lab, name));
    let plan = words(&run(&lab, &["plan"]).stdout);
    for seconds in [23.0, -23.0, 72_000.0] {
        assert!(tells(&plan, "would step ", seconds), "{seconds}: {plan}");
    }
    assert!(plan.contains("BACKWARDS"), "{plan}");
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "windows"]);
    assert_eq!(code, 1, "{report:#}");
    assert!(tells(&error(&report, "slow"), "would step ", 23.0), "{report:#}");
    assert!(error(&report, "fast").contains("BACKWARDS"), "{report:#}");
    for part in ["W32Time corrects no more than 15h by itself", "near the right time first", "--allow-step lost"] {
        assert!(error(&report, "lost").contains(part), "{report:#}");
    }
    for (name, was) in hosts.iter().zip(before) {
        assert_eq!(lock(&lab, name), "");
        unchanged(&lab, name, &was);
    }

    let consent = ["--allow-step", "slow", "--allow-step", "fast", "--allow-step", "lost"];
    let (code, report) = json(&lab, &[&["apply", "--yes", "-l", "windows"][..], &consent].concat());
    assert_eq!(code, 0, "{report:#}");
    let wide = |name: &str| lab.cmd(name, &format!("reg query {W32TIME}\\Config")).matches("0xd2f0").count();
    for name in hosts {
        proven(&report, name, "10.10.10.1");
        assert!(offset(name).abs() < 1.0, "{name} is {} s off", offset(name));
        assert_eq!(wide(name), 2, "the limits of {name} were not put back");
    }
    let warnings = host(&report, "fast")["warnings"].to_string();
    assert!(warnings.contains("BACKWARDS: times of day come twice"), "{warnings}");

    // A host that is in sync, and whose battery died: nothing is done to it unasked.
    shift("lost", 72_000);
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "lost"]);
    assert_eq!((code, status(&report, "lost")), (5, "out_of_limits"), "{report:#}");
    assert!(error(&report, "lost").contains("near the right time first"), "{report:#}");
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "lost", "--allow-step", "lost"]);
    assert_eq!((code, status(&report, "lost")), (0, "unchanged"), "{report:#}");
    let warnings = host(&report, "lost")["warnings"].to_string();
    assert!(tells(&warnings, "the clock was let step ", -72_000.0), "{warnings}");
    assert!(offset("lost").abs() < 1.0 && wide("lost") == 2 && lock(&lab, "lost").is_empty());

    // The limits of a run that is lost while they are wide are put back by the host.
    shift("lost", 72_000);
    let mut tool = start(&lab, &["apply", "--yes", "-l", "lost", "--allow-step", "lost"]);
    let widened = comes(|| wide("lost") == 0);
    lab.kill(&mut tool);
    assert!(widened && comes(|| !lock(&lab, "lost").contains("; busy=1; ")));
    lab.pass("lost", 341);
    assert!(comes(|| lock(&lab, "lost").is_empty()) && wide("lost") == 2, "{}", lock(&lab, "lost"));
}

/// Whether a text has a number of seconds behind these words, as it was measured: not to the millisecond.
fn tells(text: &str, words: &str, seconds: f64) -> bool {
    let number = |rest: &str| rest.split([' ', '"']).next().and_then(|word| word.parse::<f64>().ok());
    text.split(words).skip(1).filter_map(number).any(|told| (told - seconds).abs() < 1.0)
}

/// A source outside of the inventory that has announced seconds for as long as the service has polled it.
pub(crate) fn a_bound_that_never_falls_ends_in_a_verdict(lab: &Lab) {
    let server = format!("{}/tests/lab/server.py", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(server, lab.path("hosts/outside/root/root/server.py")).unwrap();
    lab.sh("outside", "systemctl stop chrony; systemd-run -q --collect --unit=imprecise python3 /root/server.py 10.10.10.9 stratum=2 root_dispersion=7.8; sleep 1");
    lab.cmd("server1", "w32tm /resync");
    let polled = || lab.cmd("server1", "w32tm /query /status").contains("Root Dispersion: 7.8");
    assert!(crate::windows_safety::comes(polled), "{}", lab.cmd("server1", "w32tm /query /status"));
    let (code, report) = json(lab, &["verify", "-l", "server1"]);
    assert_eq!((code, host(&report, "server1")["status"].as_str()), (5, Some("out_of_limits")), "{report:#}");
    assert!(error(&report, "server1").contains("error bound 78"), "{}", error(&report, "server1"));
}
