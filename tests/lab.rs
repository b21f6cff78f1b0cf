//! Whole runs against real hosts: real sshd, systemd, package managers, firewalld, chronyd and
//! ntpd, in containers that `tests/lab/lab` starts. `./test` runs them; by hand:
//! `cargo test --test lab -- --ignored`, as root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "lab/adopt.rs"]
mod adopt;
#[path = "lab/ages.rs"]
mod ages;
#[path = "lab/bad_days.rs"]
mod bad_days;
#[path = "lab/become.rs"]
mod becoming;
#[path = "cli/blocks.rs"]
mod blocks;
#[path = "lab/breaks.rs"]
mod breaks;
#[path = "lab/ci.rs"]
mod ci;
#[path = "lab/clocks.rs"]
mod clocks;
#[path = "lab/doctor.rs"]
mod doctor;
#[path = "lab/doctor_cases.rs"]
mod doctor_cases;
#[path = "lab/doctor_slow.rs"]
mod doctor_slow;
#[path = "lab/doctor_slow_cases.rs"]
mod doctor_slow_cases;
// The longest of all; they begin by their names, and it would end alone.
#[path = "lab/doctor_windows.rs"]
mod doctor_windows;
#[path = "lab/documents.rs"]
mod documents;
#[path = "lab/drift.rs"]
mod drift;
#[path = "lab/faults.rs"]
mod faults;
#[path = "lab/firewalls.rs"]
mod firewalls;
#[path = "lab/fixture.rs"]
mod fixture;
#[path = "lab/hostile_slow.rs"]
mod hostile_slow;
#[path = "lab/login.rs"]
mod login;
#[path = "lab/login_openssh.rs"]
mod login_openssh;
#[path = "lab/matrix.rs"]
mod matrix;
#[path = "lab/own.rs"]
mod own;
#[path = "lab/packages.rs"]
mod packages;
#[path = "lab/packages_slow.rs"]
mod packages_slow;
#[path = "lab/polite_slow.rs"]
mod polite_slow;
#[path = "lab/report.rs"]
mod report;
#[path = "lab/rollout.rs"]
mod rollout;
#[path = "lab/safety.rs"]
mod safety;
#[path = "lab/scale.rs"]
mod scale;
mod schema;
#[path = "lab/secrets.rs"]
mod secrets;
#[allow(dead_code, reason = "the tests of the probe need more of it")]
#[path = "ntp/server.rs"]
mod server;
#[path = "lab/shards.rs"]
mod shards;
#[path = "lab/steps.rs"]
mod steps;
#[path = "lab/timesyncd_slow.rs"]
mod timesyncd_slow;
#[path = "lab/watch.rs"]
mod watch;
#[path = "lab/windows.rs"]
mod windows;
#[path = "lab/windows_faults.rs"]
mod windows_faults;
#[path = "lab/windows_logon.rs"]
mod windows_logon;
#[path = "lab/windows_own.rs"]
mod windows_own;
#[path = "lab/windows_plan.rs"]
mod windows_plan;
#[path = "lab/windows_powershell.rs"]
mod windows_powershell;
#[path = "lab/windows_safety.rs"]
mod windows_safety;
#[path = "lab/windows_steps.rs"]
mod windows_steps;
