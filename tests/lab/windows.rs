//! Windows hosts next to Linux hosts. The Windows hosts are the stand-in of tests/winrm
//! (docs/windows-stand-in.md says whose behaviour each part is).

use serde_json::Value;

use crate::fixture::{Lab, Run, words};
use crate::report::{Report, host};

/// Users of the stand-in share it.
pub(crate) const PASSWORD: (&str, &str) = ("WIN_PASSWORD", "P@ssw0rd!한글");

pub(crate) const W32TIME: &str = r"HKLM\SYSTEM\CurrentControlSet\Services\W32Time";

/// Settings that reach a host of the stand-in as Windows is by default.
const WINRM: &str = "winrm: { user: Administrator, password: { env: WIN_PASSWORD }, scheme: http }";

pub(crate) fn inventory(text: &str) -> String {
    let text = text.replace("WINRM", WINRM);
    format!("defaults: {{ ssh: {{ user: ops, become: sudo, SSH }}, limits: {{ deadline: 40s }} }}\n{text}")
}

pub(crate) fn run(lab: &Lab, arguments: &[&str]) -> Run {
    lab.fleetclock_with(arguments, &[PASSWORD])
}

/// Starts the tool and does not wait for it.
pub(crate) fn start(lab: &Lab, arguments: &[&str]) -> std::process::Child {
    lab.start_with(arguments, &[PASSWORD])
}

#[track_caller]
pub(crate) fn json(lab: &Lab, arguments: &[&str]) -> (i32, Report) {
    lab.json_with(arguments, &[PASSWORD])
}

#[track_caller]
pub(crate) fn proven(report: &Value, name: &str, source: &str) {
    let entry = host(report, name);
    assert_eq!(entry["daemon"]["source"], source, "{entry:#}");
    let sources = entry["sources"].as_array().unwrap();
    assert!(
        sources.iter().any(|s| s["address"] == source && s["within"] == true && s["selected"] == true),
        "{entry:#}"
    );
}

/// The host follows the source and its clock is right; what the source announces is still above the limit.
#[track_caller]
fn falling(report: &Value, name: &str, source: &str) {
    let entry = host(report, name);
    assert!(matches!(entry["status"].as_str(), Some("changed" | "unchanged")), "{entry:#}");
    let sources = entry["sources"].as_array().unwrap();
    let fits = |s: &&Value| s["address"] == source && s["selected"] == true && s["polls_left"].as_u64() > Some(1);
    let seen = sources.iter().find(fits).unwrap_or_else(|| panic!("{entry:#}"));
    assert!(seen["root_dispersion_s"].as_f64() > Some(1.0), "{entry:#}");
    assert!(entry["warnings"].to_string().contains("bound still falling: "), "{entry:#}");
}

pub(crate) fn error(report: &Value, name: &str) -> String {
    let error = &host(report, name)["error"];
    format!("{} ({})", error["message"].as_str().unwrap_or("no error"), error["hint"].as_str().unwrap_or("no hint"))
}

/// Seed `001`: a server with an outside source, two that follow it, the difference measured from each.
#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_server_follows_an_outside_source_and_two_follow_the_server() {
    let text = inventory(
        "
groups:
  servers: { role: master, upstream: [10.10.10.9], hosts: { server1: 10.10.10.1 }, WINRM }
  others: { role: slave, follows: [servers], hosts: { 'server[2:3]': '10.10.10.[2:3]' }, WINRM }
  linux: { role: slave, follows: [servers], hosts: { linux4: 10.10.10.4 } }
",
    );
    let lab = Lab::up("wthree", &["outside=bookworm@10.10.10.9", "linux4=bookworm@10.10.10.4"], &text);
    lab.sh("outside", "apt-get -qq install -y chrony >/dev/null 2>&1; printf 'local stratum 2\\nallow\\n' >/etc/chrony/chrony.conf; systemctl restart chrony; firewall-cmd -q --add-service=ntp");
    lab.windows(&["server1=2025@10.10.10.1", "server2=2012r2,ko@10.10.10.2", "server3=2008r2@10.10.10.3"]);
    let (code, report) = json(&lab, &["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    proven(&report, "server1", "10.10.10.9");
    // The server has just been started: it announces some 8 s, of which each poll takes away a half.
    for follower in ["server2", "server3", "linux4"] {
        falling(&report, follower, "10.10.10.1");
    }
    assert!(lab.requests("server2") <= 60, "apply: {} requests", lab.requests("server2"));
    assert!(lab.cmd("server1", "netsh advfirewall firewall show rule name=fleetclock-ntp").contains("123"));

    lab.forget_requests("server2");
    let (code, report) = json(&lab, &["check"]);
    assert_eq!(code, 0, "{report:#}");
    assert!(lab.requests("server2") <= 12, "check: {} requests", lab.requests("server2"));

    // What a healthy service keeps for hours with a long poll interval (2: stale data) is no verdict.
    lab.cmd("server2", r"reg add HKLM\SOFTWARE\Fleetclock\StandIn\State /v LastError /t REG_DWORD /d 2 /f");
    let (code, report) = json(&lab, &["verify", "-l", "server2"]);
    assert_eq!(code, 0, "{report:#}");
    falling(&report, "server2", "10.10.10.1");
    assert!(host(&report, "server2")["daemon"]["detail"].to_string().contains("last error 2 ("), "{report:#}");

    let before = lab.writes("server2");
    let (code, report) = json(&lab, &["apply", "--yes"]);
    assert_eq!((code, host(&report, "server2")["status"].as_str()), (0, Some("unchanged")), "{report:#}");
    assert_eq!(lab.writes("server2"), before, "a second apply wrote or restarted");

    // A server that the inventory does not manage, on a host that was never told of it.
    lab.sh("linux4", "apt-get -qq purge -y chrony >/dev/null 2>&1");
    let outside = text.replace("follows: [servers], hosts: { linux4", "upstream: [10.10.10.1], hosts: { linux4");
    lab.inventory(&outside.replace("server1: 10.10.10.1", "server1: 10.10.10.200"));
    lab.cmd("server1", "w32tm /resync /rediscover");
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "linux4"]);
    assert_eq!(code, 0, "{report:#}");
    falling(&report, "linux4", "10.10.10.1");
    let (code, report) = json(&lab, &["check", "-l", "linux4"]);
    assert_eq!(code, 0, "{report:#}");
    lab.inventory(&outside);

    // When it has polled often enough, the bound is within the limits of everybody.
    lab.cmd("server1", r"reg add HKLM\SOFTWARE\Fleetclock\StandIn /v PollMs /t REG_DWORD /d 300 /f");
    lab.cmd("server1", "w32tm /resync");
    let settled = || lab.cmd("server1", "w32tm /query /status").contains("Root Dispersion: 0.0");
    assert!(crate::windows_safety::comes(settled), "{}", lab.cmd("server1", "w32tm /query /status"));
    let (code, report) = json(&lab, &["verify", "-l", "server2,linux4"]);
    assert_eq!(code, 0, "{report:#}");
    proven(&report, "server2", "10.10.10.1");
    proven(&report, "linux4", "10.10.10.1");

    a_name_that_leads_elsewhere(&lab, &text);
    lab.inventory(&outside);
    lab.windows_reboot("server3");
    let (code, report) = json(&lab, &["verify", "-l", "server3"]);
    assert_eq!(code, 0, "after a reboot: {report:#}");
    crate::windows_steps::a_bound_that_never_falls_ends_in_a_verdict(&lab);
}

/// A Windows master says which addresses it has: a name for it that leads to another machine is known to, though
/// the inventory knows nobody there.
fn a_name_that_leads_elsewhere(lab: &Lab, text: &str) {
    lab.inventory(&text.replace("server1: 10.10.10.1", "server1: { address: 10.10.10.1, time_address: ntp1.lab }"));
    lab.sh("linux4", "echo 10.10.10.9 ntp1.lab >>/etc/hosts");
    let (code, report) = json(lab, &["apply", "--yes", "-l", "server1,linux4"]);
    // What is there goes by its own clock, which is a failure of its own; this is what explains it.
    let found = host(&report, "linux4")["warnings"].to_string();
    assert!(code == 5 && found.contains("which server1 does not have (it has 10.10.10.1)"), "{code} {report:#}");
    lab.sh("linux4", "sed -i s/10.10.10.9/10.10.10.1/ /etc/hosts; systemctl restart chrony");
    let (code, report) = json(lab, &["verify", "-l", "server1,linux4"]);
    assert_eq!(code, 0, "{report:#}");
}

/// Seed `000`: a DMZ master on its local clock that does not serve, and slaves that nobody answers.
#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_master_on_its_local_clock_is_made_to_serve() {
    let text = inventory(
        "
groups:
  dmz: { role: master, isolated: true, hosts: { dmz1: 10.10.10.1 }, WINRM }
  windows: { role: slave, follows: [dmz], hosts: { win1: 10.10.10.2 }, WINRM }
  linux: { role: slave, follows: [dmz], hosts: { web1: 10.10.10.3, web2: { address: 10.10.10.4, provider: ntpd } } }
",
    );
    let lab = Lab::up("wdmz", &["web1=bookworm@10.10.10.3", "web2=bookworm@10.10.10.4"], &text);
    lab.windows(&["dmz1=2016,ko@10.10.10.1", "win1=2022,ko@10.10.10.2"]);
    lab.cmd("dmz1", "net start w32time");
    assert!(lab.cmd("dmz1", "w32tm /query /source").contains("Local CMOS Clock"));
    let plan = run(&lab, &["plan", "-l", "dmz1"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    let seen = words(&plan.stdout);
    assert!(seen.contains(r"~ registry W32Time\TimeProviders\NtpServer Enabled 0 -> 1"), "{seen}");
    assert!(seen.contains(r"~ registry W32Time\Config AnnounceFlags 10 -> 5"), "{seen}");
    assert!(seen.contains("+ firewall 123/udp inbound absent -> open for 10.10.10.2/32"), "{seen}");

    let (code, report) = json(&lab, &["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    for slave in ["win1", "web1", "web2"] {
        proven(&report, slave, "10.10.10.1");
    }
    assert!(lab.cmd("win1", "w32tm /query /source").contains("10.10.10.1"));
    rules_of_others(&lab);
    a_clock_that_nobody_checks(&lab);
    after_the_next_boot(&lab);
}

/// The clock of a master that follows nobody is compared with ours, in the command that reads the host anyway.
fn a_clock_that_nobody_checks(lab: &Lab) {
    let warned = |verb: &str| {
        lab.forget_requests("dmz1");
        let (code, report) = json(lab, &[verb, "-l", "dmz1"]);
        assert_eq!(code, 0, "{report:#}");
        host(&report, "dmz1")["warnings"].to_string()
    };
    assert!(!warned("check").contains("that of this machine"));
    assert!(lab.requests("dmz1") <= 12, "check: {} requests", lab.requests("dmz1"));
    let set = |name: &str, value: &str| {
        lab.cmd("dmz1", &format!(r"reg add HKLM\SOFTWARE\Fleetclock\StandIn /v {name} {value} /f"))
    };
    let offset = |ticks: i64| set("ClockOffset", &format!("/d {ticks}"));
    offset(86_400 * 10_000_000);
    for verb in ["check", "verify"] {
        let text = warned(verb);
        assert!(text.contains("ahead of that of this machine") && text.contains("is 8640"), "{verb}: {text}");
    }
    offset(-3_600 * 10_000_000);
    assert!(warned("check").contains("behind that of this machine"));
    offset(0);
    set("NoPowerShell", "/t REG_DWORD /d 1");
    assert!(warned("check").contains("was not compared with that of this machine"));
    lab.cmd("dmz1", r"reg delete HKLM\SOFTWARE\Fleetclock\StandIn /v NoPowerShell /f");
}

/// A rule that lets anybody in is said; one that keeps the followers out is drift that nobody but its maker
/// mends, and `doctor` names the same.
fn rules_of_others(lab: &Lab) {
    let rule = |text: &str| lab.cmd("dmz1", &format!("netsh advfirewall firewall {text}"));
    let warned = |report: &Value| host(report, "dmz1")["warnings"].to_string();
    let (code, report) = json(lab, &["check", "-l", "dmz1"]);
    assert!(code == 0 && !warned(&report).contains("lets anybody ask"), "{report:#}");
    rule("add rule name=\"NTP Sync Response(IN/UDP)\" dir=in action=allow protocol=UDP localport=123");
    let (code, report) = json(lab, &["check", "-l", "dmz1"]);
    assert!(code == 0 && warned(&report).contains("`NTP Sync Response(IN/UDP)` lets anybody ask"), "{report:#}");
    rule("add rule name=hardening dir=in action=block protocol=UDP localport=123");
    let (code, report) = json(lab, &["check", "-l", "dmz1"]);
    assert!(code == 3 && host(&report, "dmz1")["deltas"].to_string().contains("`hardening` blocks it"), "{report:#}");
    let (code, report) = json(lab, &["apply", "--yes", "-l", "dmz1"]);
    assert!(code == 1 && error(&report, "dmz1").contains("decide about the rule `hardening`"), "{report:#}");
    let (_, report) = json(lab, &["doctor", "win1"]);
    let found = report["hosts"].as_array().unwrap().iter().flat_map(|host| host["findings"].as_array().unwrap());
    let codes: Vec<&str> = found.map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["FC125"], "{report:#}");
    rule("set rule name=hardening new enable=no");
    assert_eq!(json(lab, &["check", "-l", "dmz1"]).0, 0);
}

/// What the service loads at a start of Windows only is said until that start.
fn after_the_next_boot(lab: &Lab) {
    let waits = || {
        let (code, report) = json(lab, &["check", "-l", "dmz1"]);
        assert_eq!(code, 0, "{report:#}");
        host(&report, "dmz1")["warnings"].to_string().contains("UtilizeSslTimeData was set to 0")
    };
    assert!(waits(), "the plan of a later run does not say it");
    lab.windows_reboot("dmz1");
    assert!(!waits(), "it is said after the start");
}

/// Seed `003`: "no time data was available", because the service has never loaded its sources.
#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_host_without_time_data_gets_its_source() {
    let text = inventory(
        "
groups:
  masters: { role: master, isolated: true, hosts: { ntp1: 10.10.10.1 } }
  windows: { role: slave, follows: [masters], hosts: { win1: 10.10.10.2 }, WINRM }
",
    );
    let lab = Lab::up("wdata", &["ntp1=bookworm@10.10.10.1"], &text);
    lab.windows(&["win1=2016,ko@10.10.10.2"]);
    lab.cmd("win1", "net start w32time");
    assert!(lab.cmd("win1", "w32tm /resync").contains("시간 데이터"), "{}", lab.cmd("win1", "w32tm /resync"));
    let (code, report) = json(&lab, &["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    proven(&report, "win1", "10.10.10.1");

    // Drift by hand, one at a time; what is not loaded at once asks for a restart.
    for (edit, expected) in [
        (format!("reg add {W32TIME}\\Parameters /v NtpServer /t REG_SZ /d 192.0.2.1,0x8 /f"), "NtpServer"),
        (format!("reg delete {W32TIME}\\Config /v MaxAllowedPhaseOffset /f"), "MaxAllowedPhaseOffset"),
        ("net stop w32time".to_owned(), "running"),
        ("sc config w32time start= demand".to_owned(), "start"),
        (r"reg add HKLM\SOFTWARE\fleetclock /v w32time /t REG_DWORD /d 1 /f".to_owned(), "restart"),
    ] {
        lab.cmd("win1", &edit);
        let (code, report) = json(&lab, &["check", "-l", "win1"]);
        let deltas = host(&report, "win1")["deltas"].as_array().unwrap();
        assert_eq!((code, deltas[0]["property"].as_str()), (3, Some(expected)), "after `{edit}`: {report:#}");
        let (code, report) = json(&lab, &["apply", "--yes", "-l", "win1"]);
        assert_eq!(code, 0, "after `{edit}`: {report:#}");
        assert_eq!(json(&lab, &["check", "-l", "win1"]).0, 0, "after the repair of `{edit}`");
    }
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_domain_and_a_policy_are_respected() {
    let text = inventory(
        "
groups:
  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { ntp1: 10.10.10.1 } }
  windows: { role: slave, follows: [masters], hosts: { dc1: 10.10.10.2, member1: 10.10.10.3, member2: { address: 10.10.10.4, domain_time: replace }, dc2: { address: 10.10.10.5, domain_time: replace } }, WINRM }
",
    );
    let lab = Lab::up("wdomain", &["ntp1=bookworm@10.10.10.1"], &text);
    lab.windows(&[
        "dc1=2016-dc@10.10.10.2",
        "member1=2022-member,ko@10.10.10.3",
        "member2=2022-member@10.10.10.4",
        "dc2=2022-dc@10.10.10.5",
    ]);
    lab.cmd(
        "member2",
        r"reg add HKLM\SOFTWARE\Policies\Microsoft\W32Time\Config /v MaxPollInterval /t REG_DWORD /d 12 /f",
    );
    // A domain controller goes on serving its domain, whatever it is in the inventory.
    let (code, report) = json(&lab, &["check", "-l", "dc2"]);
    let deltas = host(&report, "dc2")["deltas"].to_string();
    assert!(code == 3 && deltas.contains("NtpServer") && !deltas.contains(r"TimeProviders\\NtpServer"), "{report:#}");
    lab.cmd("dc2", &format!("net stop w32time & reg delete {W32TIME} /f"));
    let (_, report) = json(&lab, &["plan", "-l", "dc2"]);
    assert!(error(&report, "dc2").contains("has no Windows Time service (`w32tm /register`"), "{report:#}");
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "ntp1,dc1,member1,member2"]);
    assert_eq!(code, 1, "{report:#}");
    assert!(error(&report, "dc1").contains("left alone: it is a domain controller"), "{report:#}");
    assert!(
        error(&report, "member1").contains("takes its time from there (Type NT5DS) (`domain_time: replace`"),
        "{report:#}"
    );
    proven(&report, "member2", "10.10.10.1");
    let warnings = host(&report, "member2")["warnings"].to_string();
    assert!(warnings.contains("a policy sets MaxPollInterval to `12`"), "{warnings}");
    for untouched in ["dc1", "member1"] {
        assert_eq!(lab.writes(untouched), 0, "{untouched} was touched");
    }
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn what_was_changed_is_put_back_when_a_step_or_the_proof_fails() {
    let text = inventory(
        "
groups:
  masters: { role: master, isolated: true, hosts: { ntp1: 10.10.10.1 } }
  windows: { role: slave, follows: [masters], limits: { deadline: 10s }, hosts: { win1: 10.10.10.2, win2: 10.10.10.3 }, WINRM }
",
    );
    let lab = Lab::up("wundo", &["ntp1=bookworm@10.10.10.1"], &text);
    lab.windows(&["win1=2016,ko@10.10.10.2", "win2=2022@10.10.10.3"]);
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "ntp1"]);
    assert_eq!(code, 0, "{report:#}");
    // One that will not stop, and one that a policy sends to a source which is not there.
    lab.cmd("win1", "net start w32time");
    lab.cmd("win1", r"reg add HKLM\SOFTWARE\Fleetclock\StandIn /v StuckService /t REG_DWORD /d 1 /f");
    let policy =
        r"reg add HKLM\SOFTWARE\Policies\Microsoft\W32Time\Parameters /v NtpServer /t REG_SZ /d 192.0.2.1,0x8 /f";
    lab.cmd("win2", policy);
    let parameters = format!("reg query {W32TIME}\\Parameters");
    let (first, second) = (lab.cmd("win1", &parameters), lab.cmd("win2", &parameters));
    let (code, report) = json(&lab, &["apply", "--yes", "-l", "windows"]);
    assert_eq!(code, 1, "{report:#}");
    assert!(error(&report, "win1").contains("boot`: `net stop w32time`"), "{report:#}");
    assert!(error(&report, "win2").contains("verify: w32time"), "{report:#}");
    assert_eq!(lab.cmd("win1", &parameters), first, "{report:#}");
    assert_eq!(host(&report, "win2")["status"], "failed_undone", "{report:#}");
    assert_eq!(lab.cmd("win2", &parameters), second, "{report:#}");
    assert!(
        !lab.cmd("win2", r"reg query HKLM\SOFTWARE\fleetclock 2>nul").contains("w32time"),
        "a restart is still owed"
    );
}
