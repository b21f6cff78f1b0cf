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

    lab.windows_reboot("server3");
    let (code, report) = json(&lab, &["verify", "-l", "server3"]);
    assert_eq!(code, 0, "after a reboot: {report:#}");
    crate::windows_steps::a_bound_that_never_falls_ends_in_a_verdict(&lab);
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
  windows: { role: slave, follows: [masters], hosts: { dc1: 10.10.10.2, member1: 10.10.10.3, member2: { address: 10.10.10.4, domain_time: replace } }, WINRM }
",
    );
    let lab = Lab::up("wdomain", &["ntp1=bookworm@10.10.10.1"], &text);
    lab.windows(&["dc1=2016-dc@10.10.10.2", "member1=2022-member,ko@10.10.10.3", "member2=2022-member@10.10.10.4"]);
    lab.cmd(
        "member2",
        r"reg add HKLM\SOFTWARE\Policies\Microsoft\W32Time\Config /v MaxPollInterval /t REG_DWORD /d 12 /f",
    );
    let (code, report) = json(&lab, &["apply", "--yes"]);
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

/// Suites of each Windows with an RSA certificate, offered by `openssl s_server` on the control side: what cannot
/// be agreed on is said to be that, and not to be a listener that is missing.
fn schannel(lab: &Lab, text: &str) {
    let folder = lab.path("").display().to_string();
    lab.here(&format!(
        "cd {folder} && openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=old -keyout old.key -out old.pem 2>/dev/null"
    ));
    let table = include_str!("../winrm/schannel.txt").lines().filter(|line| !line.starts_with('#'));
    for (index, line) in table.enumerate() {
        // A port for each: the one before may still be at its end.
        let port = 45_986 + index;
        let (system, suites) = line.split_once(' ').unwrap();
        let settings = format!("{{ password: {{ env: WIN_PASSWORD }}, timeout: 3s, port: {port} }}");
        lab.inventory(&text.replace("SETTINGS", &settings).replace("win1: 10.10.10.2", "win1: 127.0.0.1"));
        let listen = format!("exec openssl s_server -quiet -accept {port} -key old.key -cert old.pem");
        let suites = suites.replace(' ', " -cipher ");
        let _server = lab.beside(&["sh", "-c", &format!("cd {folder} && {listen} {suites}")]);
        let said = || error(&json(lab, &["check", "-l", "win1"]).1, "win1");
        let wanted = if system == "2016" { "its certificate is" } else { "no TLS came about" };
        assert!(crate::windows_safety::comes(|| said().contains(wanted)), "{system}: {}", said());
    }
}

/// The SHA-256 of a certificate.
fn pin(file: &std::path::Path) -> String {
    use base64::Engine as _;
    use sha2::Digest as _;
    let pem = std::fs::read_to_string(file).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    sha2::Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Log-ons over http that come to nothing: settings, fault, what is said. The first are answered with 401.
const LOGONS: &[(&str, &str, &str)] = &[
    (r"user: 'CORP\Administrator'", "", "a policy of the host keeps it out"),
    (r"user: 'WIN2\Administrator'", "", "HTTP 401"),
    ("user: Administrator@corp.example", "", "HTTP 401"),
    // A right password, and a policy: Windows says no more than that, except in its log.
    ("user: Administrator", "logon_denied=1", "event 4625"),
    ("user: Administrator", "offers=Kerberos", "offers no NTLM (Negotiate), only Kerberos"),
    ("user: Administrator", "quota=1", "a quota of the host is used up"),
    ("user: Administrator", "access_denied=1", "access denied"),
    ("user: Administrator", "drop_all=1", "10.10.10.2:5985"),
    ("user: Administrator", "tamper=5", "10.10.10.2:5985"),
    ("user: Administrator", "unauthorized=5", "10.10.10.2:5985"),
    ("user: Administrator", "no_sealing=1", "10.10.10.2:5985"),
    ("user: Administrator", "status=503", "503"),
];

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn each_refusal_of_windows_is_named_and_no_password_is_tried_twice() {
    let text = inventory(
        "
groups:
  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { ntp1: 10.10.10.1 } }
  windows: { role: slave, follows: [masters], hosts: { win1: 10.10.10.2 }, winrm: SETTINGS }
",
    );
    let lab = Lab::up(
        "wrefuse",
        &["ntp1=bookworm@10.10.10.1"],
        &text.replace("SETTINGS", "{ password: { env: WIN_PASSWORD } }"),
    );
    lab.windows(&["win1=2016,ko@10.10.10.2", "win2=2016@10.10.10.3"]);
    let home = lab.path("windows/win1").display().to_string();
    let ca = format!("{home}/ca.pem");
    // The administrator of another host is nobody here.
    let foreign = format!("cert: {home}/../win2/client.pem, key: {home}/../win2/client-key.pem");
    let attempt = |settings: &str, password: &str, faults: &[&str]| {
        lab.inventory(
            &text.replace("SETTINGS", &format!("{{ password: {{ env: WIN_PASSWORD }}, timeout: 3s, {settings} }}")),
        );
        lab.faults("win1", faults);
        let run = lab.fleetclock_with(&["check", "-l", "win1", "--format", "json"], &[("WIN_PASSWORD", password)]);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains(password), "the password was shown");
        let report: Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{}{}", run.stdout, run.stderr));
        (run.code, error(&report, "win1"))
    };
    for (settings, password, faults, expected) in [
        ("scheme: http", "n0t-the-one", &[][..], "the name or the password is wrong"),
        ("scheme: http, user: operator", PASSWORD.1, &[], "is no administrator of the host"),
        ("scheme: http, port: 5999", PASSWORD.1, &[], "connect 10.10.10.2:5999"),
        ("scheme: https", PASSWORD.1, &[], "TLS to 10.10.10.2:5986"),
        (&format!("scheme: https, ca: {ca}"), PASSWORD.1, &["certificate=expired"], "TLS to 10.10.10.2:5986"),
        ("scheme: https, auth: kerberos", PASSWORD.1, &[], "built without Kerberos"),
        (
            &format!("scheme: https, auth: certificate, ca: {ca}, {foreign}"),
            PASSWORD.1,
            &[],
            "maps this certificate to no account",
        ),
    ] {
        let (code, error) = attempt(settings, password, faults);
        assert!(code != 0 && code != 3 && error.contains(expected), "{settings} {faults:?}: {code}: {error}");
    }
    for (settings, fault, expected) in LOGONS {
        let (code, error) = attempt(&format!("scheme: http, {settings}"), PASSWORD.1, &[fault]);
        assert!(code != 0 && code != 3 && error.contains(expected), "{settings} {fault}: {code}: {error}");
    }
    let refused = |lab: &Lab| lab.journal("win1").matches("refused: ").count();
    let before = refused(&lab);
    let _ = attempt("scheme: http", "n0t-the-one", &[]);
    assert_eq!(refused(&lab), before + 1, "{}", lab.journal("win1"));
    schannel(&lab, &text);
    for settings in [
        r"scheme: http, user: '.\Administrator'".to_owned(),
        r"scheme: http, user: 'WIN1\Administrator'".to_owned(),
        format!("scheme: https, ca: {ca}"),
        format!("scheme: https, auth: basic, ca: {ca}"),
        format!("scheme: https, pin_sha256: {}", pin(&lab.path("windows/win1/server.pem"))),
        format!("scheme: https, auth: certificate, ca: {ca}, cert: {home}/client.pem, key: {home}/client-key.pem"),
        "scheme: https, insecure: true".to_owned(),
        "scheme: http".to_owned(),
    ] {
        let (code, error) = attempt(&settings, PASSWORD.1, &[]);
        assert_eq!(code, 3, "{settings}: {error}");
    }
    // A host that answers slowly and in small pieces is only slow.
    let (code, error) = attempt("scheme: http", PASSWORD.1, &["slow=2000", "delay_ms=30"]);
    assert_eq!(code, 3, "{error}");
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn without_powershell_w32tm_measures() {
    let text = inventory(
        "
groups:
  masters: { role: master, isolated: true, hosts: { ntp1: 10.10.10.1 } }
  windows: { role: slave, follows: [masters], hosts: { win1: 10.10.10.2 }, WINRM }
",
    );
    let lab = Lab::up("wnops", &["ntp1=bookworm@10.10.10.1"], &text);
    lab.windows(&["win1=2016,ko@10.10.10.2"]);
    lab.cmd("win1", r"reg add HKLM\SOFTWARE\Fleetclock\StandIn /v NoPowerShell /t REG_DWORD /d 1 /f");
    let (code, report) = json(&lab, &["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(host(&report, "win1")["sources"][0]["probe"], "w32tm", "{report:#}");

    // A PowerShell that may not do what the script does says nothing of the sources.
    lab.cmd("win1", r"reg delete HKLM\SOFTWARE\Fleetclock\StandIn /v NoPowerShell /f");
    lab.cmd("win1", r"reg add HKLM\SOFTWARE\Fleetclock\StandIn /v LanguageMode /d ConstrainedLanguage /f");
    let (code, report) = json(&lab, &["verify", "-l", "win1"]);
    let source = &host(&report, "win1")["sources"][0];
    assert_eq!((code, &source["probe"], &source["outcome"]), (0, &"w32tm".into(), &"ok".into()), "{report:#}");
    lab.cmd("win1", r"reg delete HKLM\SOFTWARE\Fleetclock\StandIn /v LanguageMode /f");
    let (code, report) = json(&lab, &["verify", "-l", "win1"]);
    assert_eq!((code, host(&report, "win1")["sources"][0]["probe"].as_str()), (0, Some("powershell")), "{report:#}");
}
