//! What a change does to the clock, foretold in one sentence.

use crate::inventory::spec::StepPolicy;
use crate::report::SourceReport;

/// Below this the sentence would be noise, seconds.
const WORTH_SAYING: f64 = 0.001;

/// Foretells the effect from the best measurement; `None` when nothing answered.
pub(crate) fn effect(step: StepPolicy, sources: &[SourceReport]) -> Option<String> {
    let best = sources
        .iter()
        .filter(|source| source.outcome == "ok")
        .min_by(|a, b| a.error_bound_s.unwrap_or(f64::MAX).total_cmp(&b.error_bound_s.unwrap_or(f64::MAX)))?;
    let offset = best.offset_s?;
    if offset.abs() < WORTH_SAYING {
        return Some(format!("right to {:.0} µs already (measured against `{}`)", offset.abs() * 1e6, best.address));
    }
    let how = if may_step(step, offset) { "would step" } else { "would slew" };
    let back = if offset < 0.0 && may_step(step, offset) { ", BACKWARDS" } else { "" };
    Some(format!("{how} {offset:+.3} s{back} (measured against `{}`)", best.address))
}

fn may_step(step: StepPolicy, offset: f64) -> bool {
    match step {
        StepPolicy::Never => false,
        StepPolicy::Always { over } | StepPolicy::AtStart { over, .. } => offset.abs() > over.as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn effect_of(offset: f64, step: StepPolicy) -> String {
        let source = SourceReport {
            address: "10.0.0.1".into(),
            outcome: "ok".into(),
            offset_s: Some(offset),
            error_bound_s: Some(offset.abs()),
            ..SourceReport::default()
        };
        effect(step, &[source]).unwrap()
    }

    const AT_START: StepPolicy = StepPolicy::AtStart { over: Duration::from_secs(1), updates: 3 };

    #[test]
    fn a_large_offset_steps_and_a_backward_step_is_called_out() {
        assert_eq!(effect_of(23.2, AT_START), "would step +23.200 s (measured against `10.0.0.1`)");
        assert_eq!(effect_of(-23.2, AT_START), "would step -23.200 s, BACKWARDS (measured against `10.0.0.1`)");
    }

    #[test]
    fn a_small_offset_or_a_policy_of_never_slews() {
        assert_eq!(effect_of(0.4, AT_START), "would slew +0.400 s (measured against `10.0.0.1`)");
        assert_eq!(effect_of(-23.2, StepPolicy::Never), "would slew -23.200 s (measured against `10.0.0.1`)");
    }

    #[test]
    fn a_right_clock_is_said_to_be_right() {
        assert_eq!(effect_of(0.000_012, AT_START), "right to 12 µs already (measured against `10.0.0.1`)");
    }
}
