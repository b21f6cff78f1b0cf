//! The probe of a Windows host where PowerShell is missing, restricted, slow, or hangs.

use crate::fixture::Lab;
use crate::report::host;
use crate::windows::{inventory, json, run};

const TEXT: &str = "
groups:
  masters: { role: master, isolated: true, hosts: { ntp1: 10.10.10.1 } }
  windows: { role: slave, follows: [masters], limits: { read: 20s }, hosts: { win1: 10.10.10.2 }, WINRM }
";

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn without_powershell_w32tm_measures() {
    let lab = Lab::up("wnops", &["ntp1=bookworm@10.10.10.1"], &inventory(TEXT));
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
    // One that is slow to start, beside an agent that looks at each program, is only slow.
    lab.cmd("win1", r"reg delete HKLM\SOFTWARE\Fleetclock\StandIn /v LanguageMode /f");
    lab.cmd("win1", r"reg add HKLM\SOFTWARE\Fleetclock\StandIn /v SlowPowerShellMs /t REG_DWORD /d 3000 /f");
    let (code, report) = json(&lab, &["verify", "-l", "win1"]);
    assert_eq!((code, host(&report, "win1")["sources"][0]["probe"].as_str()), (0, Some("powershell")), "{report:#}");
}

/// It waits for what never ends, which takes half a minute.
mod slow {
    use super::*;

    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn a_powershell_that_hangs_is_left_to_itself_and_said() {
        let lab = Lab::up("whang", &["ntp1=bookworm@10.10.10.1"], &inventory(TEXT));
        lab.windows(&["win1=2019@10.10.10.2"]);
        let (code, report) = json(&lab, &["apply", "--yes"]);
        assert_eq!(code, 0, "{report:#}");
        assert_eq!(host(&report, "win1")["sources"][0]["probe"], "powershell", "{report:#}");
        lab.cmd("win1", r"reg add HKLM\SOFTWARE\Fleetclock\StandIn /v HungPowerShell /t REG_DWORD /d 1 /f");
        let (code, report) = json(&lab, &["verify", "-l", "win1"]);
        let source = &host(&report, "win1")["sources"][0];
        assert_eq!((code, &source["probe"], &source["outcome"]), (0, &"w32tm".into(), &"ok".into()), "{report:#}");
        let shown = run(&lab, &["verify", "-l", "win1"]);
        assert!(shown.code == 0 && shown.stderr.contains("PowerShell does not come to its end"), "{}", shown.stderr);
    }
}
