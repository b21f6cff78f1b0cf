//! Saved plans of Windows hosts.

use crate::fixture::Lab;
use crate::windows::{error, json};
use crate::windows_safety::status;

/// What the time service notes by itself between a plan and its use is nothing; what somebody sets is.
pub(crate) fn a_stale_one_is_refused(lab: &Lab) {
    let plan = lab.path("win.plan").display().to_string();
    assert_eq!(json(lab, &["plan", "--out", &plan, "-l", "win1"]).0, 0);
    let key = r"HKLM\SYSTEM\CurrentControlSet\Services\W32Time\Config";
    lab.cmd("win1", &format!("reg add {key} /v LastKnownGoodTime /t REG_SZ /d 7 /f"));
    lab.cmd("win1", &format!("reg add {key} /v AnnounceFlags /t REG_DWORD /d 3 /f"));
    let (code, report) = json(lab, &["apply", &plan, "--yes"]);
    assert_eq!((code, status(&report, "win1")), (1, "failed"), "{report:#}");
    assert!(
        error(&report, "win1").contains(r"registry W32Time\Config has changed since the plan was made"),
        "{report:#}"
    );
    lab.cmd("win1", &format!("reg add {key} /v AnnounceFlags /t REG_DWORD /d 10 /f"));
    let (code, report) = json(lab, &["apply", &plan, "--yes"]);
    assert_eq!((code, status(&report, "win1")), (0, "changed"), "{report:#}");
}
