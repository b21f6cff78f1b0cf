//! Windows hosts are broken for real, next to Linux hosts on both ends, and `doctor` has to name
//! exactly that. `UPDATE=1` writes the cases of `tests/doctor.rs`, `ONLY=name,..` picks some.

use crate::fixture::{Lab, named};
use crate::windows::json;

/// What is done to a host, what is to be found (`HOST CODE [AFFECTED..]`), and what is needed
/// before `fleetclock apply -l HOST` can put it right.
struct Case {
    name: &'static str,
    host: &'static str,
    wreck: &'static str,
    found: &'static [&'static str],
    mend: &'static str,
}

const fn case(
    name: &'static str,
    host: &'static str,
    wreck: &'static str,
    found: &'static [&'static str],
    mend: &'static str,
) -> Case {
    Case { name, host, wreck, found, mend }
}

const RESTART: &str = "net stop w32time & net start w32time";

const CASES: &[Case] = &[
    case("windows-well", "srv", "ver", &[], ""),
    case("windows-stopped", "srv", "net stop w32time", &["srv FC102 lin win"], ""),
    case("windows-not-serving", "srv", "SET TimeProviders\\NtpServer Enabled 0 & RESTART", &["srv FC120 lin win"], ""),
    case(
        "windows-not-restarted",
        "srv",
        "SET TimeProviders\\NtpServer Enabled 0 & RESTART & SET TimeProviders\\NtpServer Enabled 1",
        &["srv FC121 lin win"],
        RESTART,
    ),
    case(
        "windows-closed",
        "srv",
        "netsh advfirewall firewall delete rule name=fleetclock-ntp",
        &["srv FC122 lin win"],
        "",
    ),
    case(
        "windows-blocked",
        "srv",
        "RULE add rule name=hardening dir=in action=block",
        &["srv FC125 lin win"],
        "RULE delete rule name=hardening",
    ),
    case(
        "windows-doubtful",
        "srv",
        "RULE add rule name=near dir=in action=block remoteip=localsubnet",
        &["srv FC127 lin win"],
        "RULE delete rule name=near",
    ),
    case(
        "windows-no-merge",
        "srv",
        "MERGE\\PublicProfile /v AllowLocalPolicyMerge /t REG_DWORD /d 0 /f & MERGE\\StandardProfile /v AllowLocalPolicyMerge /t REG_DWORD /d 0 /f",
        &["srv FC126 lin win"],
        "reg delete HKLM\\SOFTWARE\\Policies\\Microsoft\\WindowsFirewall /f",
    ),
    case("windows-lost", "control", "LOSE", &["srv FC123 lin"], "FOUND"),
    case("windows-not-reliable", "srv", "SET Config AnnounceFlags 10 & RESTART", &["srv FC124 lin win"], ""),
    case("windows-linux-stopped", "ntp1", "systemctl stop chrony", &["ntp1 FC004 wcl"], "systemctl start chrony"),
    case("windows-disabled", "wcl", "net stop w32time & sc config w32time start= disabled", &["wcl FC101"], ""),
    case("windows-triggers", "wcl", "SET TriggerInfo\\0 Type 3 & SET TriggerInfo\\0 Action 1", &["wcl FC103"], ""),
    case(
        "windows-policy",
        "wcl",
        "reg add POLICY\\Parameters /v NtpServer /t REG_SZ /d 192.0.2.1,0x8 /f & RESTART",
        &["wcl FC110"],
        "reg delete POLICY /f & RESTART",
    ),
    case(
        "windows-nosync",
        "wcl",
        "reg add W32TIME\\Parameters /v Type /t REG_SZ /d NoSync /f & RESTART",
        &["wcl FC111"],
        "",
    ),
    case(
        "windows-other-sources",
        "wcl",
        "reg add W32TIME\\Parameters /v NtpServer /t REG_SZ /d 192.0.2.1,0x8 /f & RESTART",
        &["wcl FC112"],
        "",
    ),
    case(
        "windows-far-off",
        "wcl",
        "net stop w32time & reg add HKLM\\SOFTWARE\\Fleetclock\\StandIn /v ClockOffset /t REG_SZ /d 720000000000 /f & net start w32time",
        &["wcl FC113"],
        "net stop w32time & reg add HKLM\\SOFTWARE\\Fleetclock\\StandIn /v ClockOffset /t REG_SZ /d 0 /f & net start w32time",
    ),
    case("windows-hypervisor", "wcl", "SET TimeProviders\\VMICTimeProvider Enabled 1", &["wcl FC114"], ""),
    case("windows-seldom", "wcl", "SET Config MaxPollInterval 17", &["wcl FC115"], ""),
    // What is left of w32tm /unregister after the next boot.
    case(
        "windows-unregistered",
        "srv",
        "net stop w32time & reg export W32TIME C:\\windows\\temp\\w32time.reg & reg delete W32TIME /f & REBOOT",
        &["srv FC104 lin win"],
        "reg import C:\\windows\\temp\\w32time.reg & REBOOT",
    ),
    // Any service will do that runs under this name.
    case(
        "windows-ntpd",
        "win",
        "NTPD /v Type /t REG_DWORD /d 16 & NTPD /v Start /t REG_DWORD /d 2 & NTPD /v ErrorControl /t REG_DWORD /d 1 & NTPD /v ObjectName /t REG_SZ /d LocalSystem & NTPD /v ImagePath /t REG_EXPAND_SZ /d C:\\windows\\system32\\spoolsv.exe & REBOOT",
        &["win FC105"],
        "reg delete HKLM\\SYSTEM\\CurrentControlSet\\Services\\NTP /f & REBOOT",
    ),
    // `apply` stops this one, and it is not started by the next boot.
    case(
        "windows-nettime",
        "win",
        "NETTIME /v Type /t REG_DWORD /d 16 & NETTIME /v Start /t REG_DWORD /d 2 & NETTIME /v ErrorControl /t REG_DWORD /d 1 & NETTIME /v ObjectName /t REG_SZ /d LocalSystem & NETTIME /v ImagePath /t REG_EXPAND_SZ /d C:\\windows\\system32\\spoolsv.exe & REBOOT",
        &["win FC105"],
        "",
    ),
    case(
        "windows-own-clock",
        "wcl",
        "reg add W32TIME\\Parameters /v NtpServer /t REG_SZ /d 192.0.2.1,0x8 /f & RESTART & reg add W32TIME\\Parameters /v NtpServer /t REG_SZ /d 10.10.10.4,0x8 /f",
        &["wcl FC190"],
        RESTART,
    ),
];

/// Fills in the short words of the table; `SET KEY NAME NUMBER` is a value of the time service, `NTPD`
/// one of another.
fn line(text: &str) -> String {
    let set = |part: &str| match part.split(' ').collect::<Vec<_>>()[..] {
        ["SET", key, name, number] => format!("reg add W32TIME\\{key} /v {name} /t REG_DWORD /d {number} /f"),
        _ => part.to_owned(),
    };
    let parts: Vec<String> = text.split(" & ").map(set).collect();
    parts
        .join(" & ")
        .replace("RESTART", RESTART)
        .replace("RULE", "netsh advfirewall firewall")
        .replace("action=block", "action=block protocol=UDP localport=123")
        .replace("MERGE", r"reg add HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall")
        .replace("NETTIME", r"reg add HKLM\SYSTEM\CurrentControlSet\Services\NetTimeSvc /f")
        .replace("NTPD", r"reg add HKLM\SYSTEM\CurrentControlSet\Services\NTP /f")
        .replace("W32TIME", r"HKLM\SYSTEM\CurrentControlSet\Services\W32Time")
        .replace("POLICY", r"HKLM\SOFTWARE\Policies\Microsoft\W32Time")
}

/// On the bridge between the hosts, answers to one of them are lost.
fn on_the_way(lab: &Lab, lose: bool) {
    let nft = if lose {
        "add table bridge lab; add chain bridge lab f { type filter hook forward priority 0; }; add rule bridge lab f ip daddr 10.10.10.3 udp sport 123 drop"
    } else {
        "delete table bridge lab"
    };
    let root = lab.path("hosts/lin/root");
    lab.here(&format!("ip netns exec fc-{} chroot {} nft '{nft}'", named("xwindoc"), root.display()));
}

fn act(lab: &Lab, case: &Case, text: &str) {
    match (case.host, text) {
        (_, "") => {}
        ("control", _) => on_the_way(lab, text == "LOSE"),
        ("ntp1", _) => drop(lab.sh("ntp1", text)),
        (host, _) => {
            drop(lab.cmd(host, &line(text.trim_end_matches(" & REBOOT"))));
            if text.ends_with("REBOOT") {
                lab.windows_reboot(host);
            }
        }
    }
}

/// Returns `HOST CODE [AFFECTED..]` for each finding.
fn found(lab: &Lab, name: &str) -> Vec<String> {
    let file = lab.path("evidence.txt");
    let (_, report) = json(lab, &["doctor", "--save", file.to_str().unwrap()]);
    if std::env::var_os("UPDATE").is_some() {
        let text = format!("inventory: windows.yml\n{}", std::fs::read_to_string(&file).unwrap());
        std::fs::write(format!("{}/tests/doctor/{name}.txt", env!("CARGO_MANIFEST_DIR")), text).unwrap();
    }
    let mut all = Vec::new();
    for host in report["hosts"].as_array().unwrap() {
        if host["status"] == "failed" || host["status"] == "unreachable" {
            all.push(format!("{} {} {}", host["name"], host["status"], host["error"]["message"]));
        }
        for finding in host["findings"].as_array().unwrap() {
            let mut words = vec![host["name"].as_str().unwrap(), finding["code"].as_str().unwrap()];
            words.extend(finding["affects"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()));
            all.push(words.join(" "));
        }
    }
    all
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn exactly_what_was_broken_on_windows_is_found() {
    let inventory =
        std::fs::read_to_string(format!("{}/tests/doctor/windows.yml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let head = "defaults: { ssh: { user: ops, become: sudo, SSH }, limits: { deadline: 150s } }";
    let hosts = ["lin=bookworm@10.10.10.3", "ntp1=bookworm@10.10.10.4"];
    let lab = Lab::up("xwindoc", &hosts, &format!("{head}\n{inventory}"));
    lab.windows(&["srv=2022@10.10.10.1", "win=2022@10.10.10.2", "wcl=2016,ko@10.10.10.5"]);
    let (code, report) = json(&lab, &["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    let only = std::env::var_os("ONLY").unwrap_or_default();
    let only = only.to_string_lossy();
    let mut wrong = Vec::new();
    for case in CASES.iter().filter(|case| only.is_empty() || only.split(',').any(|name| name == case.name)) {
        act(&lab, case, case.wreck);
        let found = found(&lab, case.name);
        if found != case.found {
            wrong.push(format!("{}: expected {:?}, found {found:?}", case.name, case.found));
        }
        act(&lab, case, case.mend);
        if !matches!(case.host, "control" | "ntp1") {
            let (code, report) = json(&lab, &["apply", "--yes", "-l", case.host]);
            assert_eq!(code, 0, "apply after {}: {report:#}", case.name);
        }
        let (code, report) = json(&lab, &["verify"]);
        assert_eq!(code, 0, "after {}: {report:#}", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
