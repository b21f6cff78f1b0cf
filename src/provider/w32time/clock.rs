//! When W32Time slews the clock and when it sets it, and how fast (Microsoft, "How the Windows Time
//! Service works", section on clock discipline). Two things have to hold for a slew: the offset is
//! at most `MaxAllowedPhaseOffset`, and the correction of one clock tick at most half a tick.

use serde::Serialize;

use crate::facts::registry::Value;
use crate::facts::windows::{Kind, POLICY, W32TIME, WindowsFacts};
use crate::inventory::HostSpec;
use crate::provider::Slew;

/// Units of 100 ns in one tick of the clock: 64 ticks a second.
const TICK: f64 = 156_250.0;

/// Windows Server 2016, the first with the newer rule; older systems count `UpdateInterval`.
const BY_POLL: u32 = 14_393;

/// Until the clock is as near as this, it is called slewing, seconds.
const NEAR_S: f64 = 0.001;

/// The values that decide, each from its policy if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Clock {
    /// `PhaseCorrectRate`.
    pub phase_correct_rate: u32,
    /// `UpdateInterval`, ticks; counts before Windows Server 2016.
    pub update_interval: u32,
    /// The poll interval after a start, seconds; counts since Windows Server 2016.
    pub poll_s: u32,
    /// `MaxAllowedPhaseOffset`, seconds.
    pub max_allowed_phase_offset_s: u32,
    /// Whether the poll interval counts, and not `UpdateInterval`.
    pub by_poll: bool,
}

impl Clock {
    /// The clock of a host once it is as the inventory wants it; what is not set by it, as it is.
    pub fn of(spec: &HostSpec, facts: &WindowsFacts) -> Self {
        let layout = super::layout(spec);
        let number = |root: &str, name: &str| match facts.registry.value(&format!("{root}\\Config"), name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        };
        // Microsoft's table of defaults.
        let (rate, interval) = match facts.kind {
            Kind::DomainController => (1, 100),
            _ if facts.domain_member => (1, 30_000),
            _ => (7, 360_000),
        };
        let found =
            |name: &str, otherwise: u32| number(POLICY, name).or_else(|| number(W32TIME, name)).unwrap_or(otherwise);
        let set = |name: &str, wanted: u32| number(POLICY, name).unwrap_or(wanted);
        let poll = set("MinPollInterval", u32::try_from(layout.min_poll).unwrap_or(6));
        Clock {
            phase_correct_rate: found("PhaseCorrectRate", rate).max(1),
            update_interval: found("UpdateInterval", interval).max(1),
            poll_s: 1 << poll.min(17),
            max_allowed_phase_offset_s: set("MaxAllowedPhaseOffset", layout.max_phase_offset),
            by_poll: facts.build >= BY_POLL,
        }
    }

    /// In so many ticks the whole offset would be corrected at the speed of the first.
    fn ticks(&self) -> f64 {
        let rate = f64::from(self.phase_correct_rate);
        if self.by_poll { 16.0 * rate * f64::from(self.poll_s) } else { rate * f64::from(self.update_interval) }
    }

    /// The greatest offset that is slewed, seconds.
    pub fn most(&self) -> f64 {
        let half_a_tick = self.ticks() * TICK / 2.0 / 1e7;
        half_a_tick.min(f64::from(self.max_allowed_phase_offset_s))
    }

    /// What becomes of an offset. A slew takes away the same part of what is left in each tick.
    pub fn slews(&self, offset: f64) -> Slew {
        if offset.abs() > self.most() {
            return Slew::Step;
        }
        let constant = self.ticks() * TICK / 1e7;
        Slew::Seconds(constant * (offset.abs() / NEAR_S).ln().max(0.0))
    }

    /// Says what the limit comes from.
    pub fn why(&self) -> String {
        let limit = humantime::format_duration(std::time::Duration::from_secs(self.most() as u64));
        if self.by_poll {
            format!(
                "PhaseCorrectRate {} and a poll interval of {} s let W32Time slew {limit} at most",
                self.phase_correct_rate, self.poll_s
            )
        } else {
            format!(
                "PhaseCorrectRate {} and UpdateInterval {} let W32Time slew {limit} at most",
                self.phase_correct_rate, self.update_interval
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sample;
    use crate::inventory::spec::StepPolicy;
    use std::collections::BTreeMap;

    const MEMBER: Clock = Clock {
        phase_correct_rate: 1,
        update_interval: 30_000,
        poll_s: 64,
        max_allowed_phase_offset_s: 300,
        by_poll: false,
    };

    #[test]
    fn the_two_examples_of_microsoft() {
        // 4 minutes: 2,400,000,000 / (30,000 x 1) = 80,000 is more than 156,000 / 2: the clock is set.
        assert_eq!(MEMBER.slews(240.0), Slew::Step);
        // 3 minutes: 60,000 is not: it is slewed.
        assert!(matches!(MEMBER.slews(180.0), Slew::Seconds(_)) && matches!(MEMBER.slews(-180.0), Slew::Seconds(_)));
        assert_eq!(Clock { max_allowed_phase_offset_s: 100, ..MEMBER }.slews(180.0), Slew::Step);
    }

    #[test]
    fn since_2016_the_poll_interval_counts() {
        let alone = Clock { phase_correct_rate: 7, by_poll: true, max_allowed_phase_offset_s: u32::MAX, ..MEMBER };
        assert_eq!((alone.most(), Clock { phase_correct_rate: 1, ..alone }.most()), (56.0, 8.0));
        assert_eq!(alone.slews(100.0), Slew::Step);
        // Seen on a real server: 23.2 s are minutes, 0.2 s in each of the first seconds.
        let Slew::Seconds(seconds) = alone.slews(23.236) else { panic!() };
        assert!((600.0..1800.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn a_host_is_read_with_its_policy_first() {
        let mut facts = crate::facts::windows::parse(&BTreeMap::new());
        facts.build = 20_348;
        let mut spec = sample::host("win1");
        spec.time.step = StepPolicy::Never;
        assert_eq!(Clock::of(&spec, &facts).most(), 56.0);
        facts.registry = crate::facts::registry::Registry::parse(
            "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\W32Time\\Config\n    PhaseCorrectRate    REG_DWORD    0x1\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\W32Time\\Config\n    MaxAllowedPhaseOffset    REG_DWORD    0x5\n",
        );
        let clock = Clock::of(&spec, &facts);
        assert_eq!((clock.most(), clock.phase_correct_rate), (5.0, 1));
        facts.build = 9_600;
        assert!(!Clock::of(&spec, &facts).by_poll);
    }
}
