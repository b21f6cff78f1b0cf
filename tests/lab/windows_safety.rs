//! What keeps a Windows host from harm: the undo that it keeps, and the lock.

use serde_json::Value;

use crate::fixture::Lab;
use crate::report::host;
use crate::windows::{W32TIME, error, inventory, json, proven, start};
use crate::windows_plan;

pub(crate) const TWO: &str = "
groups:
  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { dmz1: 10.10.10.1 }, WINRM }
  windows: { role: slave, follows: [masters], hosts: { win1: 10.10.10.2 }, WINRM }
";

pub(crate) const STAND_IN: &str = r"HKLM\SOFTWARE\Fleetclock\StandIn";

/// What an undo has to bring back: all settings, triggers, the start type, the state, the rule.
pub(crate) fn settings(lab: &Lab, name: &str) -> String {
    // Written by the service manager itself, and words about what is not there.
    let wanted = |line: &&str| {
        !["DelayedAutostart", "PreshutdownTimeout", "WIN32_EXIT_CODE", "reg: "].iter().any(|name| line.contains(name))
    };
    let lines = [
        format!("reg query {W32TIME} /s"),
        "sc query w32time".to_owned(),
        r"reg query HKLM\SOFTWARE\fleetclock /v w32time".to_owned(),
        r"reg query HKLM\SOFTWARE\fleetclock /v Lock".to_owned(),
        "netsh advfirewall firewall show rule name=fleetclock-ntp".to_owned(),
    ];
    let all = lab.cmd(name, &lines.join("&"));
    all.lines().filter(wanted).collect::<Vec<_>>().join("\n")
}

/// Lines that only one of two texts has.
pub(crate) fn difference(left: &str, right: &str) -> Vec<String> {
    let missing = |sign: &'static str, from: &str, in_: &str| -> Vec<String> {
        from.lines()
            .filter(|line| !in_.lines().any(|other| other == *line))
            .map(|line| format!("{sign} {line}"))
            .collect()
    };
    [missing("-", left, right), missing("+", right, left)].concat()
}

#[track_caller]
pub(crate) fn unchanged(lab: &Lab, name: &str, before: &str) {
    let now = difference(before, &settings(lab, name));
    assert!(now.is_empty(), "{name} is not as it was: {now:#?}");
}

pub(crate) fn lock(lab: &Lab, name: &str) -> String {
    let printed = lab.cmd(name, r"reg query HKLM\SOFTWARE\fleetclock /v Lock");
    printed.lines().find(|line| line.contains("REG_SZ")).unwrap_or_default().trim().to_owned()
}

fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

fn set_lock(lab: &Lab, name: &str, alive: &str) {
    let text = format!("run=20200101T000000000000Z; when={alive}; alive={alive}; lease=600; who=kim@admin9");
    lab.cmd(name, &format!("reg add HKLM\\SOFTWARE\\fleetclock /v Lock /t REG_SZ /d \"{text}\" /f"));
}

pub(crate) fn status<'a>(report: &'a Value, name: &str) -> &'a str {
    host(report, name)["status"].as_str().unwrap()
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_windows_host_keeps_the_undo_of_its_runs() {
    let lab = Lab::up("vundo", &[], &inventory(TWO));
    lab.windows(&["dmz1=2022@10.10.10.1", "win1=2016,ko@10.10.10.2"]);
    lab.cmd("win1", "net start w32time");
    let before = [settings(&lab, "dmz1"), settings(&lab, "win1")];
    let nothing = json(&lab, &["undo", "win1", "--yes"]);
    assert_eq!((nothing.0, status(&nothing.1, "win1")), (0, "unchanged"), "{:#}", nothing.1);

    ["dmz1", "win1"].iter().for_each(|name| lab.forget_requests(name));
    let (code, report) = json(&lab, &["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    for name in ["dmz1", "win1"] {
        // A Receive brings what is there: on a busy machine the same output comes in more of them.
        assert!(lab.requests(name) <= 75, "apply: {} requests of {name}", lab.requests(name));
        assert_eq!(lock(&lab, name), "", "the lock of {name} was not given back");
    }
    let (code, report) = json(&lab, &["undo", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!((status(&report, "dmz1"), status(&report, "win1")), ("changed", "changed"), "{report:#}");
    let deltas = host(&report, "win1")["deltas"].to_string();
    assert!(deltas.contains(r"registry W32Time\\Parameters") && deltas.contains("NtpServer"), "{deltas}");
    unchanged(&lab, "dmz1", &before[0]);
    unchanged(&lab, "win1", &before[1]);
    let (code, report) = json(&lab, &["undo", "--yes"]);
    assert_eq!((code, status(&report, "win1")), (0, "unchanged"), "a second undo: {report:#}");

    // An undo that fails in the middle says so and can be tried again.
    let (code, report) = json(&lab, &["apply", "--yes", "--journal"]);
    assert_eq!(code, 0, "{report:#}");
    let told = lab.events("win1");
    assert!(told.starts_with("INFORMATION 1 APPLICATION fleetclock: run 20"), "{told}");
    assert!(told.contains(" changed: ") && told.contains(r"W32Time\Parameters: NtpServer"), "{told}");
    lab.cmd("win1", &format!("reg add {STAND_IN} /v StuckService /t REG_DWORD /d 1 /f"));
    let (code, report) = json(&lab, &["undo", "win1", "--yes"]);
    assert_eq!((code, status(&report, "win1")), (1, "failed_not_undone"), "{report:#}");
    assert!(error(&report, "win1").contains("was not taken back in full: "), "{report:#}");
    assert_eq!(lock(&lab, "win1"), "", "the lock after a failed undo");
    lab.cmd("win1", &format!("reg delete {STAND_IN} /v StuckService /f"));
    lab.windows_reboot("win1");
    let (code, report) = json(&lab, &["undo", "win1", "--yes"]);
    assert_eq!((code, status(&report, "win1")), (0, "changed"), "{report:#}");
    unchanged(&lab, "win1", &before[1]);
    windows_plan::a_stale_one_is_refused(&lab);
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn one_run_at_a_time_changes_a_windows_host() {
    let lab = Lab::up("vlock", &[], &inventory(TWO));
    lab.windows(&["dmz1=2022@10.10.10.1", "win1=2016,ko@10.10.10.2"]);
    let before = settings(&lab, "dmz1");
    let since = now();
    set_lock(&lab, "dmz1", &since);
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "dmz1"]);
    assert_eq!(code, 1, "{report:#}");
    let refusal = error(&report, "dmz1");
    assert!(
        refusal.contains(&format!("nothing was changed: the host is locked by kim@admin9 since {since}")),
        "{refusal}"
    );
    assert!(lock(&lab, "dmz1").contains("kim@admin9"), "the lock of another was taken away");
    lab.cmd("dmz1", r"reg delete HKLM\SOFTWARE\fleetclock /v Lock /f");
    unchanged(&lab, "dmz1", &before);

    // The lock of a run that died.
    set_lock(&lab, "dmz1", "2020-01-01T00:00:00Z");
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "dmz1"]);
    assert_eq!((code, lock(&lab, "dmz1").as_str()), (0, ""), "{report:#}");

    // A lock is no difference.
    set_lock(&lab, "dmz1", &now());
    let (code, report) = json(&lab, &["check", "-l", "dmz1"]);
    assert_eq!(code, 0, "{report:#}");
    let refused = json(&lab, &["undo", "dmz1", "--yes"]);
    assert!(error(&refused.1, "dmz1").contains("locked by kim@admin9"), "{:#}", refused.1);

    // Two at once: one does it, the other is told who does.
    let both: Vec<_> = std::thread::scope(|scope| {
        let apply = || json(&lab, &["apply", "--yes", "-l", "win1"]);
        let threads = [scope.spawn(apply), scope.spawn(apply)];
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut codes = [both[0].0, both[1].0];
    codes.sort_unstable();
    assert_eq!(codes, [0, 1], "{both:#?}");
    let loser = &both.iter().find(|(code, _)| *code == 1).unwrap().1;
    assert!(error(loser, "win1").contains("the host is locked by "), "{loser:#}");
    proven(&json(&lab, &["verify", "-l", "win1"]).1, "win1", "10.10.10.1");
    assert_eq!(lock(&lab, "win1"), "");
}

/// What the slaves are told to be lenient about; a number makes a change.
fn lenient(seconds: u32) -> String {
    inventory(&TWO.replace("[masters],", &format!("[masters], step: {{ over: {seconds}s, first: 3 }},")))
}

/// Looks again and again, for a minute and a half.
pub(crate) fn comes(seen: impl Fn() -> bool) -> bool {
    let begun = std::time::Instant::now();
    while begun.elapsed().as_secs() < 90 {
        if seen() {
            return true;
        }
        crate::server::rest(std::time::Duration::from_millis(50));
    }
    false
}

/// Starts a change and kills the tool as soon as something is seen.
#[track_caller]
fn die(lab: &Lab, seen: impl Fn() -> bool) {
    let mut tool = start(lab, &["apply", "--yes", "-l", "win1"]);
    let inside = comes(seen);
    lab.kill(&mut tool);
    assert!(inside, "the moment did not come");
}

/// Kills the tool when the host has been told the change. Not when its lock says so: a command that
/// asks for that may take as long as the change. The script of the timer has these words, too.
#[track_caller]
fn die_in_the_middle(lab: &Lab) {
    let told = || {
        let journal = lab.journal("win1");
        journal.matches("; busy=1; ").count() - journal.matches("; busy=1; who=the host itself").count()
    };
    let before = told();
    die(lab, || told() > before);
}

/// Whether the host has a timer; by the number that `schtasks` ends with.
pub(crate) fn timer(lab: &Lab, name: &str) -> bool {
    let printed = lab.cmd(name, "schtasks /query /tn fleetclock-undo&call echo status %^errorlevel%");
    match printed.lines().last().unwrap_or_default().trim() {
        "status 0" => true,
        "status 1" => false,
        _ => panic!("{printed}"),
    }
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn the_lock_of_a_tool_that_was_killed_is_free_when_its_command_has_ended() {
    let lab = Lab::up("vdead", &[], &inventory(TWO));
    lab.windows(&["dmz1=2022@10.10.10.1", "win1=2008r2,ko@10.10.10.2"]);
    assert_eq!(json(&lab, &["apply", "--yes", "-l", "dmz1"]).0, 0);
    die_in_the_middle(&lab);
    assert!(lock(&lab, "win1").contains(" process "), "a dead run gave its lock back");
    // At once, and not when the lease of the lock is over; but not before the host has done what it was told.
    let (code, report) = json(&lab, &["apply", "--yes"]);
    assert_eq!((code, lock(&lab, "win1").as_str()), (0, ""), "{report:#}");
    proven(&report, "win1", "10.10.10.1");
    // The process of somebody else may be gone or not.
    let now = now();
    let text = format!(
        "run=20200101T000000000000Z; when={now}; alive={now}; lease=600; busy=0; who=kim@admin9 process 4194305"
    );
    lab.cmd("win1", &format!("reg add HKLM\\SOFTWARE\\fleetclock /v Lock /t REG_SZ /d \"{text}\" /f"));
    lab.inventory(&lenient(7));
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "win1"]);
    assert_eq!(code, 1, "{report:#}");
    assert!(error(&report, "win1").contains("locked by kim@admin9 process 4194305 since "), "{report:#}");
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_windows_run_that_is_never_heard_of_again_is_taken_back_by_the_host() {
    let lab = Lab::up("vtimer", &[], &inventory(TWO));
    lab.windows(&["dmz1=2022@10.10.10.1", "win1=2008r2,ko@10.10.10.2"]);
    assert_eq!(json(&lab, &["apply", "--yes", "-l", "dmz1"]).0, 0);
    assert!(!timer(&lab, "dmz1"), "a run that was proven is kept");
    lab.cmd("win1", "net start w32time");
    let bare = settings(&lab, "win1");
    let idle = || {
        assert!(comes(|| lab.at_rest("win1")), "{}", lab.journal("win1"));
        assert!(lock(&lab, "win1").contains("; busy=0; "), "{}", lock(&lab, "win1"));
    };

    // Whoever comes back in time keeps it, at once, and changes nothing more.
    let proofs = || lab.journal("win1").matches("w32tm /query /status").count();
    let before = proofs();
    die(&lab, || proofs() > before);
    assert!(timer(&lab, "win1") && !lock(&lab, "win1").is_empty());
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "win1"]);
    assert_eq!((code, status(&report, "win1")), (0, "unchanged"), "{report:#}");
    assert!(!timer(&lab, "win1") && lock(&lab, "win1").is_empty(), "{}", lock(&lab, "win1"));
    let kept = settings(&lab, "win1");
    lab.pass("win1", 1000);
    crate::server::rest(std::time::Duration::from_secs(2));
    unchanged(&lab, "win1", &kept);
    assert_eq!(json(&lab, &["undo", "win1", "--yes"]).0, 0);
    unchanged(&lab, "win1", &bare);

    // And if nobody comes, the host does what the timer says: 300 s and the deadline of the proof later.
    die_in_the_middle(&lab);
    idle();
    let half = settings(&lab, "win1");
    assert!(timer(&lab, "win1") && !difference(&bare, &half).is_empty());
    lab.pass("win1", 250);
    crate::server::rest(std::time::Duration::from_secs(2));
    unchanged(&lab, "win1", &half);
    lab.pass("win1", 90);
    let back = |lab: &Lab| lock(lab, "win1").is_empty();
    assert!(comes(|| back(&lab)), "{}", lock(&lab, "win1"));
    unchanged(&lab, "win1", &bare);
    assert!(!timer(&lab, "win1"));
    let told = lab.events("win1");
    assert!(told.starts_with("WARNING 1 APPLICATION fleetclock: run 20"), "{told}");
    assert!(told.ends_with(" was not heard of again: it was taken back\n"), "{told}");
    // The next run says so, until one has changed the host.
    for (verb, code) in [(&["check"][..], 3), (&["apply", "--yes"], 0), (&["check"], 0)] {
        let (seen, report) = json(&lab, &[verb, &["-l", "win1"]].concat());
        let warnings = host(&report, "win1")["warnings"].to_string();
        let told = warnings.contains(" was not heard of again, and the host took it back by itself");
        assert_eq!((seen, told), (code, code == 3 || verb.len() > 1), "{report:#}");
    }
    assert_eq!(json(&lab, &["undo", "win1", "--yes"]).0, 0);

    // A boot begins the time anew, and does not lose it.
    die_in_the_middle(&lab);
    idle();
    lab.windows_reboot("win1");
    lab.pass("win1", 341);
    assert!(comes(|| back(&lab)), "{}", lock(&lab, "win1"));
    let left = difference(&bare, &settings(&lab, "win1"));
    assert!(left.iter().all(|line| line.contains("STATE") || line.contains("STOPPABLE")), "{left:#?}");
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn undo_of_a_windows_host_takes_back_the_last_run_and_then_the_one_before() {
    let lab = Lab::up("vtwice", &[], &inventory(TWO));
    lab.windows(&["dmz1=2022@10.10.10.1", "win1=2016,ko@10.10.10.2"]);
    lab.cmd("win1", "net start w32time");
    let kept = || {
        let printed = lab.cmd("win1", r"dir /b %SystemRoot%\fleetclock");
        let mut names: Vec<String> = printed.lines().map(|line| line.trim().to_owned()).collect();
        names.retain(|name| name.ends_with(".cmd"));
        names.sort();
        names
    };
    let bare = settings(&lab, "win1");
    assert_eq!(json(&lab, &["apply", "--yes"]).0, 0);
    let first = settings(&lab, "win1");
    lab.inventory(&lenient(7));
    assert_eq!(json(&lab, &["apply", "--yes"]).0, 0);
    assert_ne!(settings(&lab, "win1"), first);
    assert_eq!(kept().len(), 2);
    for was in [&first, &bare] {
        let (code, report) = json(&lab, &["undo", "win1", "--yes"]);
        assert_eq!((code, status(&report, "win1")), (0, "changed"), "{report:#}");
        unchanged(&lab, "win1", was);
    }
    assert_eq!(kept(), [""; 0]);

    // A host keeps the undo of five runs.
    for day in 1..=7 {
        lab.cmd("win1", &format!(r"echo rem >%SystemRoot%\fleetclock\2020010{day}T000000000000Z.cmd"));
    }
    assert_eq!(json(&lab, &["apply", "--yes"]).0, 0);
    let names = kept();
    assert_eq!(names[..4], [4, 5, 6, 7].map(|day| format!("2020010{day}T000000000000Z.cmd")), "{names:?}");
    assert_eq!(names.len(), 5, "{names:?}");
}

/// Five hosts of the stand-in, each behind ten addresses, are fifty for everybody who asks. Their
/// programs get little of the processor, so that a Linux host waits for fleetclock only; how long they need for it
/// themselves is a question of the machine.
#[test]
#[ignore = "needs the lab: ./test runs it"]
fn fifty_windows_hosts_at_once_do_not_starve_the_linux_hosts() {
    let text = inventory(
        "
groups:
  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { ntp1: 10.10.10.1 } }
  linux: { role: slave, follows: [masters], hosts: { 'web[1:2]': '10.10.10.[2:3]' } }
  windows: { role: slave, follows: [masters], limits: { read: 4m }, hosts: { 'win[11:60]': '10.10.10.[11:60]' }, WINRM }
",
    );
    let linux = ["ntp1=bookworm@10.10.10.1", "web1=bookworm@10.10.10.2", "web2=bookworm@10.10.10.3"];
    let lab = Lab::up("vmany", &linux, &text);
    let (_, alone) = json(&lab, &["check", "-l", "masters,linux"]);
    let stand_ins: Vec<String> = (1..6)
        .map(|ten| {
            let addresses: Vec<String> = (0..10).map(|n| format!("10.10.10.{}", ten * 10 + n + 1)).collect();
            format!("win{ten}=2016@{}", addresses.join(","))
        })
        .collect();
    lab.windows(&std::iter::once("--last").chain(stand_ins.iter().map(String::as_str)).collect::<Vec<_>>());
    (1..6).for_each(|ten| lab.forget_requests(&format!("win{ten}")));
    let (code, report) = json(&lab, &["check", "--forks", "60"]);
    assert_eq!(code, 3, "{report:#}");
    let hosts = report["hosts"].as_array().unwrap();
    assert!(hosts.len() == 53 && hosts.iter().all(|host| host["status"] == "drifted"), "{report:#}");
    let slowest = |report: &Value, prefixes: &[&str]| {
        let all = report["hosts"].as_array().unwrap().iter();
        let some = all.filter(|host| prefixes.iter().any(|prefix| host["name"].as_str().unwrap().starts_with(prefix)));
        some.map(|host| host["seconds"].as_f64().unwrap()).fold(0.0, f64::max)
    };
    let linux = ["ntp", "web"];
    let (alone, among) = (slowest(&alone, &linux), slowest(&report, &linux));
    let requests: usize = (1..6).map(|ten| lab.requests(&format!("win{ten}"))).sum();
    println!(
        "the slowest Linux host: alone {alone:.1} s, with fifty Windows hosts {among:.1} s (they: {:.1} s, {requests} requests)",
        slowest(&report, &["win"])
    );
    assert!(among < alone * 3.0 + 2.0, "a Linux host took {among:.1} s instead of {alone:.1} s");
}

/// A Linux host whose login shell answers as cmd.exe does.
#[test]
#[ignore = "needs the lab: ./test runs it"]
fn ssh_to_windows_is_told_to_use_winrm() {
    let text = inventory("groups: { m: { role: master, isolated: true, hosts: { odd1: 10.10.10.1 } } }");
    let lab = Lab::up("vssh", &["odd1=bookworm@10.10.10.1"], &text);
    let shell = r"#!/bin/sh
echo \'exec\' is not recognized as an internal or external command, >&2
exit 1
";
    lab.sh("odd1", &format!("cat >/bin/cmdexe <<'X'\n{shell}X\nchmod 755 /bin/cmdexe; usermod -s /bin/cmdexe ops"));
    for method in ["sudo", "none"] {
        lab.inventory(&text.replace("become: sudo", &format!("become: {method}")));
        let (code, report) = json(&lab, &["check"]);
        assert_eq!(code, 1, "{report:#}");
        let error = error(&report, "odd1");
        assert!(error.contains("SSH to Windows is not supported") && error.contains("over WinRM"), "{method}: {error}");
    }
}
