//! What a change does to the clock: foretold in one sentence, and refused where it would be a
//! jump that nobody has allowed.
//!
//! The clock of a host is judged by the median of what its sources say, as its time service
//! will: one source that lies can neither cause a step nor hide one.

use std::time::Duration;

use crate::inventory::HostSpec;
use crate::inventory::spec::StepPolicy;
use crate::report::number::span;
use crate::report::{DaemonReport, ErrorReport, SourceReport};

/// Below this the sentence would be noise, seconds.
const WORTH_SAYING: f64 = 0.001;

/// Exit status of [`guard`] when the clock would step too far.
pub(crate) const TOO_FAR: i32 = 3;

/// Foretells the effect; `None` when nothing answered. `slew_ppm` is how fast the service slews.
pub(crate) fn effect(spec: &HostSpec, slew_ppm: f64, sources: &[SourceReport]) -> Option<String> {
    let (offset, address) = offset(sources)?;
    let by = format!("(measured against `{address}`)");
    if offset.abs() < WORTH_SAYING {
        return Some(format!("right to {:.0} µs already {by}", offset.abs() * 1e6));
    }
    if !may_step(spec.time.step, offset) {
        return Some(format!("would slew {offset:+.3} s in about {} {by}", slewing(offset, slew_ppm)));
    }
    let refused = match allowed(spec).filter(|most| offset.abs() > most.as_secs_f64()) {
        Some(most) => format!("; `apply` refuses more than {}", shown(most)),
        None => String::new(),
    };
    Some(format!("would {}{by}{refused}", step(offset)))
}

/// Why the host must not be changed, if its clock would step too far.
pub(crate) fn refusal(spec: &HostSpec, sources: &[SourceReport]) -> Option<ErrorReport> {
    let (offset, address) = offset(sources)?;
    let most = allowed(spec).filter(|most| offset.abs() > most.as_secs_f64())?;
    let message = format!(
        "nothing was changed: the clock would {}(measured against `{address}`), and {} is the most that is allowed",
        step(offset),
        shown(most)
    );
    let hint = format!(
        "`--allow-step {}` lets it step this once, `limits: {{ max_step: ... }}` or `step: always` for good; \
         with `step: never` it is slewed",
        spec.name
    );
    Some(ErrorReport { message, hint: Some(hint) })
}

/// Tells of a step that was let happen: it may explain what is seen in logs and databases.
pub(crate) fn stepped(spec: &HostSpec, sources: &[SourceReport]) -> Option<String> {
    let (offset, _) = offset(sources)?;
    let back = if offset < 0.0 { ": times of day come twice" } else { "" };
    may_step(spec.time.step, offset).then(|| format!("the clock was let {}{}", step(offset).trim_end(), back))
}

/// Returns shell text that ends with [`TOO_FAR`] when the answers in `$fc_seen` say that the clock
/// would step too far. The host judges itself at the last moment: its sources may have been
/// changed since it was planned.
pub(crate) fn guard(spec: &HostSpec) -> Option<String> {
    let most = i64::try_from(allowed(spec)?.as_nanos()).unwrap_or(i64::MAX);
    Some(GUARD.replace("@MOST@", &most.to_string()).replace("@TOO_FAR@", &TOO_FAR.to_string()))
}

/// The middle of the sorted offsets; of two in the middle, the one that is farther off.
const GUARD: &str = r#"set -- $(printf '%s\n' "$fc_seen" | sed -n '/"outcome":"ok"/s/.*"offset_ns":\(-\{0,1\}[0-9][0-9]*\).*/\1/p' | sort -n)
if [ $# -gt 0 ]; then
fc_even=$((1 - $# % 2))
shift $((($# - 1) / 2))
fc_off=${1#-}
if [ $fc_even = 1 ] && [ "${2#-}" -gt "$fc_off" ]; then fc_off=${2#-}; fi
[ "$fc_off" -le @MOST@ ] || exit @TOO_FAR@
fi"#;

/// The greatest step that is allowed; `None` is any, or that the service never steps.
fn allowed(spec: &HostSpec) -> Option<Duration> {
    let over = match spec.time.step {
        StepPolicy::Never => return None,
        StepPolicy::Always { over } | StepPolicy::AtStart { over, .. } => over,
    };
    spec.limits.max_step.map(|most| most.max(over))
}

/// The median of what the sources say, seconds to add to the host's clock, and who says so.
pub(crate) fn offset(sources: &[SourceReport]) -> Option<(f64, &str)> {
    let good = sources.iter().filter(|source| source.outcome == "ok");
    let mut all: Vec<(f64, &str)> = good.filter_map(|s| Some((s.offset_s?, s.address.as_str()))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let low = all.len().checked_sub(1)? / 2;
    let high = all.len() / 2;
    let (low, high) = (*all.get(low)?, *all.get(high)?);
    Some(if high.0.abs() > low.0.abs() { high } else { low })
}

/// Whether nobody but the host itself says what time it is there.
pub(crate) fn is_its_own(spec: &HostSpec, daemon: Option<&DaemonReport>) -> bool {
    let upstream = spec.time.sources.iter().any(|source| !source.orphan);
    spec.time.isolated.is_some() && (!upstream || daemon.is_some_and(|daemon| daemon.own_clock))
}

/// Says that the clock of such a host differs from that of this machine, by more than the limits
/// allow and than reading it may be wrong. Which of the two is right, nobody here knows.
pub(crate) fn against_ours(spec: &HostSpec, offset: f64, doubt: f64) -> Option<String> {
    let far = offset.abs() > doubt + spec.limits.max_error.as_secs_f64();
    let way = if offset < 0.0 { "behind" } else { "ahead of" };
    far.then(|| {
        format!(
            "its clock is {} {way} that of this machine, give or take {}; it follows nobody who would know, so look which of the two is wrong",
            span(offset.abs()),
            span(doubt)
        )
    })
}

fn may_step(step: StepPolicy, offset: f64) -> bool {
    match step {
        StepPolicy::Never => false,
        StepPolicy::Always { over } | StepPolicy::AtStart { over, .. } => offset.abs() > over.as_secs_f64(),
    }
}

fn step(offset: f64) -> String {
    let back = if offset < 0.0 { "BACKWARDS " } else { "" };
    format!("step {offset:+.3} s {back}")
}

fn slewing(offset: f64, ppm: f64) -> String {
    let seconds = (offset.abs() / (ppm * 1e-6)).ceil();
    if seconds < 7200.0 {
        return format!("{seconds:.0} s");
    }
    humantime::format_duration(Duration::from_secs((seconds / 60.0).round() as u64 * 60)).to_string()
}

fn shown(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);
    const AT_START: StepPolicy = StepPolicy::AtStart { over: SECOND, updates: 3 };

    fn spec(step: StepPolicy, max_step: Option<Duration>) -> HostSpec {
        let mut spec = sample::host("h1");
        spec.time.step = step;
        spec.limits.max_step = max_step;
        spec
    }

    fn source(offset: f64) -> SourceReport {
        SourceReport { address: "m1".into(), outcome: "ok".into(), offset_s: Some(offset), ..SourceReport::default() }
    }

    fn effect_of(offset: f64, spec: &HostSpec) -> String {
        effect(spec, 500.0, &[source(offset)]).unwrap()
    }

    #[test]
    fn a_step_within_what_is_allowed_is_foretold_and_a_backward_one_called_out() {
        let spec = spec(AT_START, None);
        assert_eq!(effect_of(23.2, &spec), "would step +23.200 s (measured against `m1`)");
        assert_eq!(effect_of(-23.2, &spec), "would step -23.200 s BACKWARDS (measured against `m1`)");
        assert_eq!(refusal(&spec, &[source(72_000.0)]), None);
        assert_eq!(stepped(&spec, &[source(2.0)]).unwrap(), "the clock was let step +2.000 s");
        assert!(stepped(&spec, &[source(-2.0)]).unwrap().contains("BACKWARDS: times of day come twice"));
    }

    #[test]
    fn a_step_beyond_it_is_refused() {
        let spec = spec(AT_START, Some(SECOND));
        let text = effect_of(23.2, &spec);
        assert_eq!(text, "would step +23.200 s (measured against `m1`); `apply` refuses more than 1s");
        let error = refusal(&spec, &[source(-23.2)]).unwrap();
        assert!(error.message.contains("would step -23.200 s BACKWARDS (measured against `m1`), and 1s is the most"));
        assert!(error.hint.unwrap().contains("`--allow-step h1`"));
    }

    #[test]
    fn a_small_offset_or_a_policy_of_never_slews() {
        let slow = spec(AT_START, Some(SECOND));
        assert_eq!(effect_of(0.4, &slow), "would slew +0.400 s in about 800 s (measured against `m1`)");
        let never = spec(StepPolicy::Never, Some(SECOND));
        assert_eq!(effect_of(-23.2, &never), "would slew -23.200 s in about 12h 53m (measured against `m1`)");
        assert_eq!((refusal(&never, &[source(-23.2)]), guard(&never)), (None, None));
    }

    #[test]
    fn a_right_clock_is_said_to_be_right() {
        assert_eq!(effect_of(0.000_012, &spec(AT_START, None)), "right to 12 µs already (measured against `m1`)");
    }

    #[test]
    fn one_of_three_sources_can_neither_cause_a_step_nor_hide_one() {
        let spec = spec(AT_START, Some(SECOND));
        let refused =
            |offsets: &[f64]| refusal(&spec, &offsets.iter().map(|o| source(*o)).collect::<Vec<_>>()).is_some();
        assert!(!refused(&[0.0, 3600.0, 0.01]) && refused(&[23.0, 0.0, 23.1]));
        // Nobody knows which of two is right.
        assert!(refused(&[0.0, 23.0]) && refused(&[-23.0, 0.0]));
    }

    #[test]
    fn a_clock_that_nobody_checks_is_compared_with_ours() {
        let spec = spec(AT_START, None);
        let text = against_ours(&spec, 86_400.2, 0.05).unwrap();
        assert!(text.starts_with("its clock is 86400 s ahead of that of this machine, give or take 50.0 ms"), "{text}");
        assert!(against_ours(&spec, -2.0, 0.05).unwrap().contains("is 2.00 s behind that"));
        // The limit is 100 ms; what reading it may be wrong by is no difference.
        assert_eq!((against_ours(&spec, 0.14, 0.05), against_ours(&spec, -30.0, 31.0)), (None, None));
        assert!(!is_its_own(&spec, None));
        let alone = sample::fleet("hosts: { m: { address: 10.0.0.1, role: master, isolated: true } }").remove(0);
        assert!(is_its_own(&alone, None));
    }

    fn on_the_host(spec: &HostSpec, offsets: &[i64]) -> i32 {
        let seen: Vec<String> = offsets
            .iter()
            .map(|ns| format!(r#"{{"outcome":"ok","stratum":1,"offset_ns":{ns},"delay_ns":7}}"#))
            .collect();
        let noise = r#"{"outcome":"unsynchronised","offset_ns":99000000000}"#;
        let text = format!("fc_seen='{}\n{noise}'\nset -e\n{}", seen.join("\n"), guard(spec).unwrap());
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let status = std::process::Command::new("dash").arg("-c").arg(text).status().unwrap();
        status.code().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_host_judges_as_the_plan_does(offsets in prop::collection::vec(-3_000_000_000i64..3_000_000_000, 0..6)) {
            let spec = spec(AT_START, Some(Duration::from_secs(2)));
            let sources: Vec<_> = offsets.iter().map(|ns| source(*ns as f64 / 1e9)).collect();
            let refused = refusal(&spec, &sources).is_some();
            prop_assert_eq!(on_the_host(&spec, &offsets), if refused { TOO_FAR } else { 0 });
        }
    }
}
