//! The end of the time in which hosts may be changed: what has not begun by then is not begun any more.

use std::time::{Duration, Instant};

use super::Context;
use crate::text::number::span;

/// When it is, by a clock that nothing steps, and why.
#[derive(Debug, Clone)]
pub struct Closes {
    /// The moment.
    pub at: Instant,
    /// `the window closes at ...`
    pub why: String,
}

impl Closes {
    /// The end after so much time.
    pub fn after(time: Duration, why: String) -> Option<Self> {
        Instant::now().checked_add(time).map(|at| Closes { at, why })
    }
}

/// How long waves take.
#[derive(Debug, Default)]
pub(super) struct Pace {
    longest: Duration,
}

impl Pace {
    /// Notes how long a wave has taken.
    pub(super) fn took(&mut self, time: Duration) {
        self.longest = self.longest.max(time);
    }

    /// Says why no further wave may start: one that takes as long as the longest so far would reach past the end.
    pub(super) fn past_the_end(&self, cx: &Context) -> Option<String> {
        let closes = cx.closes.as_ref()?;
        let left = closes.at.saturating_duration_since(Instant::now());
        (left <= self.longest).then(|| match self.longest.is_zero() {
            true => over(closes),
            false => {
                let longest = span(self.longest.as_secs_f64());
                format!("not started: {}, and a wave of this run took {longest}", closes.why)
            }
        })
    }
}

/// Says why a host may not be started any more.
pub(super) fn closed(cx: &Context) -> Option<String> {
    cx.closes.as_ref().filter(|closes| closes.at <= Instant::now()).map(over)
}

fn over(closes: &Closes) -> String {
    format!("not started: {}, which is over", closes.why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fleet::apply_all;
    use crate::engine::sample::{context, fleet, planned};
    use crate::engine::waves::{Order, order};
    use crate::inventory::rollout::{Rollout, Share};
    use crate::model::Status;
    use std::sync::Arc;

    fn closing(left: Duration) -> Context {
        Context { closes: Closes::after(left, "the window closes at 02:00".to_owned()), ..context(None) }
    }

    #[test]
    fn a_wave_that_would_reach_past_the_end_is_not_started() {
        let mut pace = Pace::default();
        assert_eq!(pace.past_the_end(&context(None)), None);
        assert_eq!(pace.past_the_end(&closing(Duration::from_secs(60))), None);
        let over = pace.past_the_end(&closing(Duration::ZERO)).unwrap();
        assert_eq!(over, "not started: the window closes at 02:00, which is over");
        pace.took(Duration::from_secs(90));
        pace.took(Duration::from_secs(5));
        let why = pace.past_the_end(&closing(Duration::from_secs(60))).unwrap();
        assert_eq!(why, "not started: the window closes at 02:00, and a wave of this run took 90.00 s");
        assert_eq!(pace.past_the_end(&closing(Duration::from_secs(120))), None);
    }

    #[test]
    fn after_the_end_no_host_is_changed() {
        let hosts = fleet("groups: { g: { role: slave, upstream: [10.0.0.9], hosts: { a: 10.0.0.1, b: 10.0.0.2 } } }");
        let plans: Vec<_> = hosts.into_iter().map(|host| Ok(planned(host, true))).collect();
        let rollout = Rollout { batch: Some(Share::Count(1)), ..Rollout::default() };
        let order: Order = order(&plans, &rollout);
        assert_eq!(order.waves.len(), 2);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let reports = runtime.block_on(apply_all(plans, order, 2, Arc::new(closing(Duration::ZERO))));
        for report in reports {
            let why = report.error.map(|error| error.message).unwrap_or_default();
            assert!(report.status == Status::NotStarted && why.contains("the window closes at 02:00"), "{why}");
        }
    }
}
