//! When hosts may be changed: what the plan says, what the inventory says, and what is said for this run.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::calendar::{Freeze, Permit, Timestamp, Window, freezes, moment, shown};
use crate::engine::Closes;
use crate::engine::saved::{Saved, Validity};
use crate::exit::Hint;
use crate::input;
use crate::report::console;

/// Largest list of freezes, bytes.
const LARGEST: u64 = 1 << 20;

/// An end that is farther away is nobody's concern yet.
const NEAR: Duration = Duration::from_secs(24 * 3600);

/// Options of a plan: when it may be applied.
#[derive(Debug, clap::Args)]
#[group(id = "validity", multiple = true, requires = "out")]
pub(super) struct Valid {
    /// How long the plan may be applied, as `24h`
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "until")]
    valid_for: Option<Duration>,
    /// Until when the plan may be applied, as `2026-12-20 18:00 Asia/Seoul`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// When the plan may be applied, as `Sat 22:00-02:00 Asia/Seoul`; several: in one of them
    #[arg(long, value_name = "WHEN")]
    window: Vec<Window>,
}

impl Valid {
    /// What it comes to.
    ///
    /// # Errors
    /// It would be over at once, or never.
    pub(super) fn of(&self, now: Timestamp) -> Result<Validity> {
        let after = |time| {
            now.checked_add(time).map_err(|_| anyhow!("--valid-for is longer than a clock can show").hint("24h, 7d"))
        };
        let until = self.valid_for.map(after).transpose()?.or(self.until);
        if let Some(until) = until.filter(|until| *until <= now) {
            let clock = shown(now);
            return Err(anyhow!("the plan could never be applied: {} is over", shown(until))
                .hint(&format!("by the clock of this machine it is {clock}")));
        }
        let permit = Permit { windows: self.window.clone(), until, ..Permit::default() };
        if permit.opens(now).is_none() {
            return Err(anyhow!("the plan could never be applied: no window opens before it is over")
                .hint("give it more time with --valid-for or --until"));
        }
        Ok(Validity { until, windows: permit.windows })
    }
}

/// Options of `apply`.
#[derive(Debug, clap::Args)]
pub(super) struct When {
    /// Go ahead only in this window, as `Sat 22:00-02:00 Asia/Seoul`; several: in one of them
    #[arg(long, value_name = "WHEN", conflicts_with = "plan")]
    window: Vec<Window>,
    /// A list of days on which nothing is changed, beside `rollout.freeze` of the inventory
    #[arg(long, value_name = "FILE")]
    freeze: Option<PathBuf>,
    /// Go ahead on such a day, for this reason, which the report and the record keep
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    override_freeze: Option<String>,
}

impl When {
    /// Puts together all that limits this run.
    ///
    /// # Errors
    /// A list cannot be read.
    pub(super) fn permit(&self, mut frozen: Vec<Freeze>, saved: Option<&Saved>) -> Result<Permit> {
        if let Some(path) = &self.freeze {
            let text = input::text(path, LARGEST).with_context(|| format!("read {}", path.display()))?;
            frozen.extend(freezes(&text).map_err(|why| anyhow!("{}: {why}", path.display()))?);
        }
        let planned = saved.map(|saved| saved.validity.clone()).unwrap_or_default();
        let windows = if planned.windows.is_empty() { self.window.clone() } else { planned.windows };
        Ok(Permit { windows, until: planned.until, freezes: frozen })
    }

    /// The reason for which a freeze is set aside.
    pub(super) fn reason(&self) -> Option<&str> {
        self.override_freeze.as_deref()
    }
}

/// Sees that hosts may be changed now, and says until when. A freeze that is set aside for a reason is said, and
/// what was said is returned for the report.
///
/// # Errors
/// They may not be.
pub(super) fn granted(mut permit: Permit, reason: Option<&str>) -> Result<(Option<Closes>, Vec<String>)> {
    let now = Timestamp::now();
    let mut notes = Vec::new();
    if let Some(reason) = reason {
        let lifted = permit.lift(now);
        notes.extend(lifted.iter().map(|freeze| format!("changed in spite of the freeze `{freeze}`: {reason}")));
    }
    let closing = permit.at(now).map_err(|refusal| anyhow!(refusal.why).hint(&refusal.hint))?;
    let closes = closing.and_then(|closing| {
        let left = closing.at.duration_since(now).unsigned_abs();
        if left < NEAR {
            notes.push(format!("by the clock of this machine it is {}; {}", shown(now), closing.why));
        }
        Closes::after(left, closing.why)
    });
    notes.iter().for_each(|note| console::note(note));
    Ok((closes, notes))
}
