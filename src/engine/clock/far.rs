//! Clocks that are farther off than W32Time corrects by itself (`MaxPosPhaseCorrection` and
//! `MaxNegPhaseCorrection`).

use std::time::Duration;

use super::{Model, offset, too_far_to_step};
use crate::inventory::HostSpec;
use crate::inventory::spec::StepPolicy;
use crate::model::{ErrorReport, SourceReport};
use crate::provider::w32time;

/// "No limit".
const ANY: u32 = u32::MAX;

/// Returns whether there is an error that W32Time would not correct.
pub(crate) fn is_limited(spec: &HostSpec) -> bool {
    w32time::layout(spec).max_correction != ANY
}

/// Returns whether W32Time would leave the clock as it is.
pub(crate) fn is_far(spec: &HostSpec, sources: &[SourceReport]) -> bool {
    let most = f64::from(w32time::layout(spec).max_correction);
    is_limited(spec) && offset(sources).is_some_and(|(offset, _)| offset.abs() > most)
}

/// The way out for whoever finds such a clock.
pub(crate) fn advice(spec: &HostSpec, model: Model, sources: &[SourceReport]) -> Option<String> {
    let far = matches!(model, Model::Windows(_)) && is_far(spec, sources);
    far.then(|| way_out(spec))
}

fn way_out(spec: &HostSpec) -> String {
    format!(
        "set the clock near the right time first (`date` and `time` on the host), \
         or let the run do it: `--allow-step {}`",
        spec.name
    )
}

/// Why the host must not be changed, if its clock is that far off and may not step.
pub(super) fn refusal(spec: &HostSpec, model: Model, sources: &[SourceReport]) -> Option<ErrorReport> {
    if !matches!(model, Model::Windows(_)) || !is_far(spec, sources) {
        return None;
    }
    let limit = format!(
        "W32Time corrects no more than {} by itself",
        humantime::format_duration(Duration::from_secs(w32time::layout(spec).max_correction.into()))
    );
    let never = spec.time.step == StepPolicy::Never;
    if let Some(refused) = too_far_to_step(spec, model, sources).filter(|_| !never) {
        return Some(ErrorReport { message: format!("{}; {limit}", refused.message), hint: Some(way_out(spec)) });
    }
    let (offset, address) = offset(sources)?;
    never.then(|| ErrorReport {
        message: format!(
            "nothing was changed: the clock is {offset:+.3} s off (measured against `{address}`) and may \
             never step, and {limit}"
        ),
        hint: Some("set the clock near the right time first (`date` and `time` on the host)".to_owned()),
    })
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
        super::refusal(spec, Model::Windows(w32time::clock::Clock::of(spec, &facts)), sources)
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
    fn a_clock_that_never_steps_would_never_come_near() {
        let error = refused(&spec(StepPolicy::Never, Some(SECOND)), &off(HOURS_20)).unwrap();
        assert!(error.message.contains("is +72000.000 s off") && !error.hint.unwrap().contains("--allow-step"));
    }
}
