//! What a change does to the clock: foretold in one sentence, and refused where it would be a
//! jump that nobody has allowed.
//!
//! The clock of a host is judged by the median of what its sources say, as its time service
//! will: one source that lies can neither cause a step nor hide one.

mod far;

use std::time::Duration;

pub(crate) use far::{advice, is_far, is_limited};

use crate::inventory::HostSpec;
use crate::inventory::spec::StepPolicy;
use crate::model::{DaemonReport, ErrorReport, SourceReport};
use crate::provider::{Slew, w32time};
use crate::text::number::span;

/// Below this the sentence would be noise, seconds.
const WORTH_SAYING: f64 = 0.001;

/// Exit status of [`guard`] when the clock would step too far.
pub(crate) const TOO_FAR: i32 = 3;

/// How a time service moves the clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Model {
    /// Steps when it is told to, and slews with so many parts in a million.
    Told(f64),
    /// W32Time decides by values of its own, too.
    Windows(w32time::clock::Clock),
}

impl Model {
    /// What becomes of an offset.
    pub(crate) fn slews(self, spec: &HostSpec, offset: f64) -> Slew {
        match self {
            Model::Told(_) if may_step(spec.time.step, offset) => Slew::Step,
            Model::Told(ppm) => Slew::Seconds((offset.abs() / (ppm * 1e-6)).ceil()),
            Model::Windows(clock) => clock.slews(offset),
        }
    }

    /// Why a clock that shall never step does.
    fn breaks_never(self, spec: &HostSpec) -> Option<String> {
        match self {
            Model::Windows(clock) if spec.time.step == StepPolicy::Never => {
                Some(format!(" although it may `never` step: {}", clock.why()))
            }
            _ => None,
        }
    }
}

/// Foretells the effect; `None` when nothing answered.
pub(crate) fn effect(spec: &HostSpec, model: Model, sources: &[SourceReport]) -> Option<String> {
    let (offset, address) = offset(sources)?;
    let by = format!("(measured against `{address}`)");
    if offset.abs() < WORTH_SAYING {
        return Some(format!("already within {:.0} µs {by}", offset.abs() * 1e6));
    }
    if let Slew::Seconds(seconds) = model.slews(spec, offset) {
        return Some(format!("would slew {offset:+.3} s in about {} {by}", slewing(seconds)));
    }
    let never = model.breaks_never(spec).unwrap_or_default();
    let refused = match too_far(spec, model, offset) {
        Some(_) if !never.is_empty() => "; `apply` refuses it".to_owned(),
        Some(most) => format!("; `apply` refuses more than {}", shown(most)),
        None => String::new(),
    };
    Some(format!("would {}{by}{never}{refused}", step(offset)))
}

/// The most that is allowed, if the clock would step farther.
fn too_far(spec: &HostSpec, model: Model, offset: f64) -> Option<Duration> {
    let steps = model.slews(spec, offset) == Slew::Step;
    let most = match (model, spec.time.step) {
        // Of a step that nobody has asked for, none is small enough.
        (Model::Windows(_), StepPolicy::Never) => spec.limits.max_step.map(|_| Duration::ZERO),
        // It may step below the threshold of the inventory.
        (Model::Windows(_), _) => spec.limits.max_step.map(|most| most.max(threshold(spec, model))),
        _ => allowed(spec),
    };
    most.filter(|most| steps && offset.abs() > most.as_secs_f64())
}

/// Where W32Time begins to step, at most where the inventory says.
fn threshold(spec: &HostSpec, model: Model) -> Duration {
    let Model::Windows(clock) = model else { return Duration::ZERO };
    match spec.time.step {
        StepPolicy::Always { over } | StepPolicy::AtStart { over, .. } if over.as_secs_f64() <= clock.most() => over,
        _ => Duration::ZERO,
    }
}

/// Why the host must not be changed, if its clock would step too far, or never come near.
pub(crate) fn refusal(spec: &HostSpec, model: Model, sources: &[SourceReport]) -> Option<ErrorReport> {
    far::refusal(spec, model, sources).or_else(|| too_far_to_step(spec, model, sources))
}

fn too_far_to_step(spec: &HostSpec, model: Model, sources: &[SourceReport]) -> Option<ErrorReport> {
    let (offset, address) = offset(sources)?;
    let most = too_far(spec, model, offset)?;
    if let Some(never) = model.breaks_never(spec) {
        return Some(ErrorReport {
            message: format!(
                "nothing was changed: the clock would {}(measured against `{address}`){never}",
                step(offset)
            ),
            hint: Some(format!(
                "set the clock near the right time first (`date` and `time` on the host); `--allow-step {}` lets it step this once",
                spec.name
            )),
        });
    }
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
pub(crate) fn stepped(spec: &HostSpec, model: Model, sources: &[SourceReport]) -> Option<String> {
    let (offset, _) = offset(sources)?;
    let back = if offset < 0.0 { ": times of day come twice" } else { "" };
    (model.slews(spec, offset) == Slew::Step).then(|| format!("the clock was let {}{}", step(offset).trim_end(), back))
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
    let good = sources.iter().filter(|source| source.is_ok());
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

fn slewing(seconds: f64) -> String {
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
    use crate::model::Outcome;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);
    const AT_START: StepPolicy = StepPolicy::AtStart { over: SECOND, updates: 3 };

    /// The kernel's own speed.
    const TOLD: Model = Model::Told(500.0);

    fn spec(step: StepPolicy, max_step: Option<Duration>) -> HostSpec {
        let mut spec = sample::host("h1");
        spec.time.step = step;
        spec.limits.max_step = max_step;
        spec
    }

    fn source(offset: f64) -> SourceReport {
        SourceReport { address: "m1".into(), outcome: Outcome::Ok, offset_s: Some(offset), ..SourceReport::default() }
    }

    fn effect_of(offset: f64, spec: &HostSpec) -> String {
        effect(spec, TOLD, &[source(offset)]).unwrap()
    }

    #[test]
    fn a_step_within_what_is_allowed_is_foretold_and_a_backward_one_called_out() {
        let spec = spec(AT_START, None);
        assert_eq!(effect_of(23.2, &spec), "would step +23.200 s (measured against `m1`)");
        assert_eq!(effect_of(-23.2, &spec), "would step -23.200 s BACKWARDS (measured against `m1`)");
        assert_eq!(refusal(&spec, TOLD, &[source(72_000.0)]), None);
        assert_eq!(stepped(&spec, TOLD, &[source(2.0)]).unwrap(), "the clock was let step +2.000 s");
        assert!(stepped(&spec, TOLD, &[source(-2.0)]).unwrap().contains("BACKWARDS: times of day come twice"));
    }

    #[test]
    fn a_step_beyond_it_is_refused() {
        let spec = spec(AT_START, Some(SECOND));
        let text = effect_of(23.2, &spec);
        assert_eq!(text, "would step +23.200 s (measured against `m1`); `apply` refuses more than 1s");
        let error = refusal(&spec, TOLD, &[source(-23.2)]).unwrap();
        assert!(error.message.contains("would step -23.200 s BACKWARDS (measured against `m1`), and 1s is the most"));
        assert!(error.hint.unwrap().contains("`--allow-step h1`"));
    }

    #[test]
    fn a_small_offset_or_a_policy_of_never_slews() {
        let slow = spec(AT_START, Some(SECOND));
        assert_eq!(effect_of(0.4, &slow), "would slew +0.400 s in about 800 s (measured against `m1`)");
        let never = spec(StepPolicy::Never, Some(SECOND));
        assert_eq!(effect_of(-23.2, &never), "would slew -23.200 s in about 12h 53m (measured against `m1`)");
        assert_eq!((refusal(&never, TOLD, &[source(-23.2)]), guard(&never)), (None, None));
    }

    /// A stand-alone server of 2016 and later: 56 s at most are slewed.
    fn windows(spec: &HostSpec) -> Model {
        Model::Windows(w32time::clock::Clock {
            phase_correct_rate: 7,
            update_interval: 360_000,
            poll_s: 64,
            max_allowed_phase_offset_s: w32time::layout(spec).max_phase_offset,
            by_poll: true,
        })
    }

    #[test]
    fn w32time_steps_farther_than_it_can_slew_whatever_it_is_told() {
        let never = spec(StepPolicy::Never, Some(SECOND));
        let model = windows(&never);
        let text = effect(&never, model, &[source(23.2)]).unwrap();
        assert_eq!(text, "would slew +23.200 s in about 1126 s (measured against `m1`)");
        let text = effect(&never, model, &[source(100.0)]).unwrap();
        assert!(
            text.starts_with("would step +100.000 s (measured against `m1`) although it may `never` step: PhaseC"),
            "{text}"
        );
        assert!(text.ends_with("let W32Time slew 56s at most; `apply` refuses it"), "{text}");
        let error = refusal(&never, model, &[source(-100.0)]).unwrap();
        assert!(
            error.message.contains("the clock would step -100.000 s BACKWARDS") && error.hint.is_some(),
            "{error:?}"
        );
        assert_eq!(refusal(&never, model, &[source(50.0)]), None);
        assert_eq!(refusal(&spec(StepPolicy::Never, None), model, &[source(100.0)]), None);
        // A threshold that W32Time cannot keep counts as the step that it is.
        let late = spec(StepPolicy::Always { over: Duration::from_secs(300) }, Some(SECOND));
        assert!(refusal(&late, windows(&late), &[source(100.0)]).is_some());
        assert_eq!(refusal(&late, windows(&late), &[source(50.0)]), None);
        let usual = spec(AT_START, Some(Duration::from_secs(10)));
        assert_eq!(refusal(&usual, windows(&usual), &[source(5.0)]), None);
        assert!(refusal(&usual, windows(&usual), &[source(23.2)]).is_some());
    }

    #[test]
    fn a_right_clock_is_said_to_be_right() {
        assert_eq!(effect_of(0.000_012, &spec(AT_START, None)), "already within 12 µs (measured against `m1`)");
    }

    #[test]
    fn one_of_three_sources_can_neither_cause_a_step_nor_hide_one() {
        let spec = spec(AT_START, Some(SECOND));
        let refused =
            |offsets: &[f64]| refusal(&spec, TOLD, &offsets.iter().map(|o| source(*o)).collect::<Vec<_>>()).is_some();
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
            let refused = refusal(&spec, TOLD, &sources).is_some();
            prop_assert_eq!(on_the_host(&spec, &offsets), if refused { TOO_FAR } else { 0 });
        }
    }
}
