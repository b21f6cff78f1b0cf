//! Whether hosts may be changed now, until when, and if not, when next.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::freeze::Freeze;
use super::moment::{in_zone, shown};
use super::window::Window;

/// All that limits when hosts may be changed.
#[derive(Debug, Clone, Default)]
pub struct Permit {
    /// One of these has to be open; none is always.
    pub windows: Vec<Window>,
    /// The last moment.
    pub until: Option<Timestamp>,
    /// Times in which nothing is changed.
    pub freezes: Vec<Freeze>,
}

/// When it is over, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// From this moment on nothing may be started.
    pub at: Timestamp,
    /// What happens then: `the window closes at ...`.
    pub why: String,
}

/// Why nothing may be changed, and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why not.
    pub why: String,
    /// What then.
    pub hint: String,
}

/// How many windows in a row, or freezes, are followed.
const ROW: usize = 400;

impl Permit {
    /// Whether anything is limited.
    pub fn is_any(&self) -> bool {
        !self.windows.is_empty() || self.until.is_some() || !self.freezes.is_empty()
    }

    /// The freeze that holds now.
    pub fn frozen(&self, now: Timestamp) -> Option<&Freeze> {
        self.freezes.iter().find(|freeze| freeze.holds(now))
    }

    /// Takes away the freezes that hold now, and returns them. One that begins later ends the run all the same.
    pub fn lift(&mut self, now: Timestamp) -> Vec<Freeze> {
        let (lifted, left) = std::mem::take(&mut self.freezes).into_iter().partition(|freeze| freeze.holds(now));
        self.freezes = left;
        lifted
    }

    /// Says until when hosts may be changed, if that has an end.
    ///
    /// # Errors
    /// They may not be now.
    pub fn at(&self, now: Timestamp) -> Result<Option<Closing>, Refusal> {
        let clock = format!("by the clock of this machine it is {}", in_zone(now, &self.zone()));
        if let Some(until) = self.until.filter(|until| *until <= now) {
            let why = format!("the plan could be applied until {}; {clock}", in_zone(until, &self.zone()));
            return Err(Refusal { why, hint: "look at a new plan: `fleetclock plan --out FILE`".to_owned() });
        }
        if let Some(freeze) = self.frozen(now) {
            let why = format!("nothing is changed before {}: {}; {clock}", freeze.end(), freeze.reason);
            let hint = format!(
                "{}`fleetclock apply --override-freeze REASON` goes ahead all the same, and is recorded",
                self.next(now)
            );
            return Err(Refusal { why, hint });
        }
        if !self.windows.is_empty() && self.window(now).is_none() {
            let all: Vec<String> = self.windows.iter().map(|window| format!("`{window}`")).collect();
            let why = format!("no window for changes is open ({}); {clock}", all.join(", "));
            return Err(Refusal {
                why,
                hint: format!("{}`timedatectl` shows whether that clock is right", self.next(now)),
            });
        }
        Ok(self.closing(now))
    }

    /// The zone in which times are said.
    fn zone(&self) -> TimeZone {
        self.windows.first().map_or(TimeZone::UTC, |window| window.zone().clone())
    }

    /// `the next window opens at ...; `, if one does.
    fn next(&self, now: Timestamp) -> String {
        match self.opens(now) {
            Some(at) if self.windows.is_empty() => format!("changes may be made from {}; ", shown(at)),
            Some(at) => format!("the next window opens at {}; ", in_zone(at, &self.zone())),
            None => String::new(),
        }
    }

    /// The next moment in which hosts may be changed.
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        let mut at = now;
        for _ in 0..ROW {
            if let Some(freeze) = self.frozen(at) {
                at = freeze.until;
            } else if self.windows.is_empty() || self.window(at).is_some() {
                return Some(at).filter(|at| self.until.is_none_or(|until| *at < until));
            } else {
                at = self.windows.iter().filter_map(|window| window.opens(at)).min()?;
            }
        }
        None
    }

    /// When the windows that are open close, one after the other; none where none is open.
    fn window(&self, now: Timestamp) -> Option<Timestamp> {
        let closes = |at: Timestamp| self.windows.iter().filter_map(|window| window.closes(at)).max();
        let mut end = closes(now)?;
        for _ in 0..ROW {
            match closes(end) {
                Some(later) => end = later,
                None => break,
            }
        }
        Some(end)
    }

    fn closing(&self, now: Timestamp) -> Option<Closing> {
        let zone = self.zone();
        let window = self.window(now).map(|at| (at, "the window closes at".to_owned()));
        let until = self.until.map(|at| (at, "the plan may be applied until".to_owned()));
        let freeze = self.freezes.iter().filter(|freeze| freeze.from > now).min_by_key(|freeze| freeze.from);
        let freeze = freeze.map(|freeze| (freeze.from, format!("nothing is changed ({}) from", freeze.reason)));
        let (at, what) = [window, until, freeze].into_iter().flatten().min_by_key(|(at, _)| *at)?;
        Some(Closing { at, why: format!("{what} {}", in_zone(at, &zone)) })
    }
}
