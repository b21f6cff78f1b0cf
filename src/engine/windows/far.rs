//! Clocks that are farther off than W32Time corrects by itself, and may step: corrected with wider limits that are
//! put back at once.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::lines::run;
use super::lock::Lock;
use super::plan::READ;
use super::proof;
use crate::engine::clock;
use crate::engine::session::{Failure, Session};
use crate::facts::registry::{Registry, Value};
use crate::facts::windows::{W32TIME, query_value};
use crate::inventory::HostSpec;
use crate::provider::w32time;

/// The two limits, seconds.
const LIMITS: [&str; 2] = ["MaxPosPhaseCorrection", "MaxNegPhaseCorrection"];

/// "No limit".
const ANY: u32 = u32::MAX;

/// Between two attempts: the service has to hear from its sources first.
const PAUSE: Duration = Duration::from_secs(2);

fn config() -> String {
    format!("{W32TIME}\\Config")
}

/// Whether the clock of a host that is otherwise as wanted needs the large step that is allowed to
/// it. `step: always` lets W32Time do it alone.
pub(crate) fn is_due(session: &mut Session<'_>, model: clock::Model) -> Result<bool, Failure> {
    if session.spec.limits.max_step.is_some() || !clock::is_limited(session.spec) {
        return Ok(false);
    }
    let sources = proof::measure(session, 2, 2000)?;
    Ok(clock::is_far(session.spec, &sources) && clock::refusal(session.spec, model, &sources).is_none())
}

/// Lets the service correct any error until the clock is near, and puts the limits back whatever
/// comes of it. The proof that follows says what did.
pub(super) fn correct(session: &mut Session<'_>, lock: &Lock) -> Result<(), Failure> {
    session.progress("letting the clock make a large step");
    let before = limits(session)?;
    let wide: String = LIMITS.iter().map(|name| set(name, ANY)).collect();
    let corrected = lock.change(session, &format!("{wide}{UPDATE}"), READ).and_then(|()| resync(session, lock));
    let narrow: String =
        LIMITS.iter().zip(before).map(|(name, was)| set(name, was)).chain([UPDATE.to_owned()]).collect();
    let back = lock.change(session, &narrow, READ).or_else(|first| {
        // The connection may be what had failed.
        let mut fresh = Session::open(session.spec, session.cx).map_err(|_| first)?;
        lock.change(&mut fresh, &narrow, READ)
    });
    corrected.and(back)
}

/// The lines that put both limits back when the run was lost in the middle; the service may not run.
pub(super) fn narrow(spec: &HostSpec) -> String {
    let most = w32time::layout(spec).max_correction;
    LIMITS.iter().map(|name| set(name, most)).chain([format!("-{UPDATE}")]).collect()
}

const UPDATE: &str = "w32tm /config /update\n";

fn set(name: &str, seconds: u32) -> String {
    format!("reg add \"{}\" /v {name} /t REG_DWORD /d {seconds} /f\n", config())
}

fn limits(session: &mut Session<'_>) -> Result<[u32; 2], Failure> {
    let lines = LIMITS.map(|name| query_value(&config(), name));
    let printed: String = run(session, &lines, READ)?.into_iter().map(|slice| slice.stdout).collect();
    let registry = Registry::parse(&printed);
    let read = |name: &str| match registry.value(&config(), name) {
        Some(Value::Number(seconds)) => Ok(*seconds),
        _ => Err(anyhow!("read {name} before it is widened: no such number on the host")),
    };
    Ok([read(LIMITS[0])?, read(LIMITS[1])?])
}

fn resync(session: &mut Session<'_>, lock: &Lock) -> Result<(), Failure> {
    let end = Instant::now() + session.spec.limits.deadline;
    loop {
        lock.change(session, "-w32tm /resync /rediscover\n", READ)?;
        let sources = proof::measure(session, 2, 2000)?;
        if !clock::is_far(session.spec, &sources) || Instant::now() >= end || session.cx.stopping() {
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "cmd.exe cannot wait for us")]
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::spec::StepPolicy;

    #[test]
    fn limits_of_a_lost_run_are_put_back_whether_the_service_runs_or_not() {
        let mut spec = crate::engine::sample::host("win1");
        spec.time.step = StepPolicy::AtStart { over: Duration::from_secs(1), updates: 3 };
        let text = narrow(&spec);
        assert!(text.contains("/v MaxPosPhaseCorrection /t REG_DWORD /d 54000 /f\n"), "{text}");
        assert!(text.ends_with("\n-w32tm /config /update\n"), "{text}");
    }
}
