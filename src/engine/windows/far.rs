//! Clocks that are farther off than W32Time corrects by itself (`MaxPosPhaseCorrection` and
//! `MaxNegPhaseCorrection`): refused before anything is changed, or, where the step is allowed,
//! corrected with wider limits that are put back at once.

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
use crate::inventory::spec::StepPolicy;
use crate::model::{ErrorReport, SourceReport};
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

/// Returns whether there is an error that W32Time would not correct.
pub(super) fn is_limited(spec: &HostSpec) -> bool {
    w32time::layout(spec).max_correction != ANY
}

/// Returns whether W32Time would leave the clock as it is.
pub(super) fn is_far(spec: &HostSpec, sources: &[SourceReport]) -> bool {
    let most = f64::from(w32time::layout(spec).max_correction);
    is_limited(spec) && clock::offset(sources).is_some_and(|(offset, _)| offset.abs() > most)
}

/// The way out for whoever finds such a clock.
pub(super) fn advice(spec: &HostSpec) -> String {
    format!(
        "set the clock near the right time first (`date` and `time` on the host), \
         or let the run do it: `--allow-step {}`",
        spec.name
    )
}

/// Why the host must not be changed, if its clock is that far off and may not step.
pub(super) fn refusal(spec: &HostSpec, model: clock::Model, sources: &[SourceReport]) -> Option<ErrorReport> {
    if !is_far(spec, sources) {
        return None;
    }
    let limit = format!(
        "W32Time corrects no more than {} by itself",
        humantime::format_duration(Duration::from_secs(w32time::layout(spec).max_correction.into()))
    );
    let never = spec.time.step == StepPolicy::Never;
    if let Some(refused) = clock::refusal(spec, model, sources).filter(|_| !never) {
        return Some(ErrorReport { message: format!("{}; {limit}", refused.message), hint: Some(advice(spec)) });
    }
    let (offset, address) = clock::offset(sources)?;
    never.then(|| ErrorReport {
        message: format!(
            "nothing was changed: the clock is {offset:+.3} s off (measured against `{address}`) and may \
             never step, and {limit}"
        ),
        hint: Some("set the clock near the right time first (`date` and `time` on the host)".to_owned()),
    })
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
        if !is_far(session.spec, &sources) || Instant::now() >= end || session.cx.stopping() {
            return Ok(());
        }
        #[expect(clippy::disallowed_methods, reason = "cmd.exe cannot wait for us")]
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;
    use crate::model::Outcome;

    const HOURS_20: f64 = 72_000.0;

    fn spec(step: StepPolicy, max_step: Option<Duration>) -> HostSpec {
        let mut spec = sample::host("win1");
        spec.time.step = step;
        spec.limits.max_step = max_step;
        spec
    }

    fn refused(spec: &HostSpec, sources: &[SourceReport]) -> Option<ErrorReport> {
        let facts = crate::facts::windows::parse(&std::collections::BTreeMap::new());
        refusal(spec, clock::Model::Windows(w32time::clock::Clock::of(spec, &facts)), sources)
    }

    fn off(offset: f64) -> [SourceReport; 1] {
        [SourceReport { address: "m1".into(), outcome: Outcome::Ok, offset_s: Some(offset), ..SourceReport::default() }]
    }

    const SECOND: Duration = Duration::from_secs(1);
    const AT_START: StepPolicy = StepPolicy::AtStart { over: SECOND, updates: 3 };

    #[test]
    fn twenty_hours_are_refused_with_the_way_out() {
        let error = refused(&spec(AT_START, Some(SECOND)), &off(-HOURS_20)).unwrap();
        for part in ["would step -72000.000 s BACKWARDS", "; W32Time corrects no more than 15h by itself"] {
            assert!(error.message.contains(part), "{error:?}");
        }
        let hint = error.hint.unwrap();
        assert!(hint.contains("near the right time first") && hint.contains("`--allow-step win1`"), "{hint}");
    }

    #[test]
    fn with_consent_they_are_not_and_less_is_no_matter_of_this_file() {
        assert_eq!(refused(&spec(AT_START, None), &off(HOURS_20)), None);
        assert!(is_far(&spec(AT_START, None), &off(HOURS_20)) && !is_far(&spec(AT_START, None), &off(23.0)));
        assert_eq!(refused(&spec(AT_START, Some(SECOND)), &off(23.0)), None);
        // The limits of such a host are wide for good.
        assert!(!is_far(&spec(StepPolicy::Always { over: SECOND }, None), &off(HOURS_20)));
    }

    #[test]
    fn limits_of_a_lost_run_are_put_back_whether_the_service_runs_or_not() {
        let text = narrow(&spec(AT_START, None));
        assert!(text.contains("/v MaxPosPhaseCorrection /t REG_DWORD /d 54000 /f\n"), "{text}");
        assert!(text.ends_with("\n-w32tm /config /update\n"), "{text}");
    }

    #[test]
    fn a_clock_that_never_steps_would_never_come_near() {
        let error = refused(&spec(StepPolicy::Never, Some(SECOND)), &off(HOURS_20)).unwrap();
        assert!(error.message.contains("is +72000.000 s off") && !error.hint.unwrap().contains("--allow-step"));
    }
}
