//! One run on one host: what it has to do, how far it came, and how it was taken back.

use std::time::Duration;

use anyhow::Result;

use crate::model::{Slice, Status};
use crate::resource::Fix;
use crate::text::decisive::decisive;

use super::lock::{self, Holder};
use super::plan::Planned;
use super::session::Failure;
use super::steps::{Change, Step};

/// A change of one host: who makes it, and what it has to do.
pub(crate) struct Run<'a> {
    pub(crate) planned: &'a Planned,
    /// Who changes the host, in which run.
    pub(crate) holder: Holder,
    /// How long the host waits for the next word of it before it takes it back.
    pub(crate) lease: Duration,
    pub(crate) tasks: Vec<Task<'a>>,
}

/// A step that has something to change.
pub(crate) struct Task<'a> {
    pub(crate) step: &'a Step,
    pub(crate) fix: Fix,
    /// The service that has to be restarted until the change is complete.
    pub(crate) owed: Option<&'a str>,
}

impl<'a> Run<'a> {
    /// A new run of this process.
    ///
    /// # Errors
    /// A difference cannot be mended as the host is now.
    pub(crate) fn new(planned: &'a Planned) -> Result<Self> {
        let task = |change: &'a Change| Ok(Task { step: &change.step, fix: change.fix()?, owed: change.owed() });
        let due = planned.changes.iter().filter(|change| change.is_due());
        let lease = lock::lease(planned.spec.limits.deadline);
        Ok(Run { planned, holder: Holder::me(), lease, tasks: due.map(task).collect::<Result<_>>()? })
    }

    /// What is changed: `file /etc/chrony.conf: content`.
    pub(crate) fn about(&self) -> Vec<String> {
        let deltas = self.planned.report.deltas.iter();
        deltas.map(|delta| format!("{}: {}", delta.resource, delta.property)).collect()
    }

    /// The first tasks, up to one that was reached.
    pub(crate) fn begun(&self, number: usize) -> &[Task<'a>] {
        self.tasks.get(..number).unwrap_or(&self.tasks)
    }

    /// How long the host waits, in words.
    pub(crate) fn patience(&self) -> String {
        humantime::format_duration(Duration::from_secs(self.lease.as_secs())).to_string()
    }
}

/// Why a change stopped, and where.
pub(crate) struct Stopped {
    pub(crate) failure: Failure,
    /// How many of its tasks were begun.
    pub(crate) begun: usize,
    pub(crate) back: Back,
}

/// Who takes back what was begun.
pub(crate) enum Back {
    /// Nobody: nothing was touched, or the host does it without us.
    Nobody,
    /// The host has tried it already.
    Host(Undone),
    /// We, now.
    Us,
}

/// How a rollback went.
pub(crate) enum Undone {
    /// It was run, with this result.
    Ran(Slice),
    /// Its end was not seen; what more there is to say.
    Unfinished(String),
}

impl Stopped {
    /// Before anything was touched, or where the host goes on by itself.
    pub(crate) fn left(failure: Failure) -> Self {
        Stopped { failure, begun: 0, back: Back::Nobody }
    }

    /// After all changes were made, which were then found wanting.
    pub(crate) fn at_the_end(run: &Run<'_>, failure: Failure) -> Self {
        let back = if run.planned.is_pending() { Back::Us } else { Back::Nobody };
        Stopped { failure, begun: run.tasks.len(), back }
    }
}

impl Failure {
    /// The user wants to look at the wreck.
    pub(crate) fn left_as_it_is(mut self) -> Self {
        self.status = Status::FailedNotUndone;
        self.error.message.push_str("; not rolled back (--no-undo)");
        self
    }

    /// Says how the rollback went; never replaces the first error.
    pub(crate) fn with_undo(mut self, undone: &Undone) -> Self {
        self.status = match undone {
            Undone::Ran(slice) if slice.status == 0 => Status::FailedUndone,
            _ => Status::FailedNotUndone,
        };
        let text = match undone {
            Undone::Ran(slice) if slice.status == 0 => String::new(),
            Undone::Ran(slice) => format!("; not put back: {}", decisive(&slice.stdout, &slice.stderr)),
            Undone::Unfinished(more) => format!("; the rollback did not complete{more}"),
        };
        self.error.message.push_str(&text);
        self
    }

    /// Says what commands of the steps that were begun have done and cannot be taken back.
    pub(crate) fn with_what_stays(mut self, begun: &[Task<'_>]) -> Self {
        let label = |task: &Task<'_>| task.step.resource.label();
        let stays = |task: &&Task<'_>| task.fix.is_for_good() && label(task).starts_with("command ");
        if self.status == Status::FailedUndone {
            for task in begun.iter().filter(stays) {
                let text = format!("; not taken back: `{}`, for it has no `undo`", label(task));
                self.error.message.push_str(&text);
            }
        }
        self
    }
}
