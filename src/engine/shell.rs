//! What differs between operating systems: the scripts that are sent, and how their answers are read. In which
//! order it is done stands in `plan`, `apply` and `undo`, and is the same for all hosts.

use anyhow::Result;

use crate::facts::Found;
use crate::inventory::HostSpec;
use crate::model::{HostReport, Slice};
use crate::verdict::Verdict;

use super::plan::{Extent, Service};
use super::run::{Run, Stopped, Undone};
use super::session::{Failure, Session};
use super::steps::Step;
use super::{Context, clock, posix, windows};

/// A host as its facts say that it is.
pub(crate) trait System {
    /// Returns its time service.
    fn service(&self) -> Service;

    /// Returns how that moves the clock.
    fn clock(&self, spec: &HostSpec) -> clock::Model;

    /// Turns the playbook into steps for this host.
    ///
    /// # Errors
    /// A step asks for what cannot be here, or a playbook or a template cannot be read.
    fn steps(&self, spec: &HostSpec, cx: &Context) -> Result<Vec<Step>>;

    /// Reads what the steps are about, and measures as far as `extent` says.
    ///
    /// # Errors
    /// The host cannot be read.
    fn read(
        &mut self,
        session: &mut Session<'_>,
        steps: &[Step],
        extent: Extent,
        report: &mut HostReport,
    ) -> Result<(Vec<Slice>, Option<Verdict>), Failure>;

    /// Compares its clock with that of this machine, for a host that nobody else tells the time.
    fn against_ours(&self, spec: &HostSpec) -> Option<String>;
}

/// A run on a host. Made from here it is many scripts on Windows and few on Linux, where a host changes itself.
pub(crate) trait Shell {
    /// Locks the host, asks its sources whether it may be changed, leaves the undo there with its timer, and makes
    /// the changes.
    ///
    /// # Errors
    /// It may not be changed, or a change failed: how far it came, and who takes it back.
    fn commit(&mut self, session: &mut Session<'_>, report: &mut HostReport) -> Result<(), Stopped>;

    /// Reads again what all steps of the plan are about.
    ///
    /// # Errors
    /// The host cannot be read.
    fn read_again(&mut self, session: &mut Session<'_>) -> Result<Vec<Slice>, Failure>;

    /// Waits until the clock is within its limits, or the deadline has passed.
    ///
    /// # Errors
    /// The host cannot be asked.
    fn prove(&mut self, session: &mut Session<'_>, report: &mut HostReport) -> Result<Verdict, Failure>;

    /// Takes back the first `begun` tasks, after `cause`.
    fn take_back(&mut self, session: &mut Session<'_>, begun: usize, cause: &Failure) -> Undone;

    /// Lets go of the host: what is done stays, also what an earlier run did and nobody has kept. Returns how the
    /// run ended.
    ///
    /// # Errors
    /// That of the run, or the host cannot be told.
    fn conclude(
        &mut self,
        session: &mut Session<'_>,
        done: Result<(), Failure>,
        report: &mut HostReport,
    ) -> Result<(), Failure>;
}

/// Returns what makes a run on its host.
///
/// # Errors
/// A file of this machine that goes along cannot be read.
pub(crate) fn of<'a>(run: &'a Run<'a>, cx: &Context) -> Result<Box<dyn Shell + 'a>> {
    Ok(match run.planned.service {
        Service::Linux(provider, unit) => Box::new(posix::change::Posix::new(run, (provider, unit), cx)?),
        Service::Windows { left_over } => Box::new(windows::change::Windows::new(run, left_over)),
    })
}

/// Measures a host once, and judges what its service says.
///
/// # Errors
/// The host cannot be asked.
pub(crate) fn glance(session: &mut Session<'_>, service: Service, report: &mut HostReport) -> Result<Verdict, Failure> {
    match service {
        Service::Linux(provider, _) => posix::proof::glance(session, provider, report),
        Service::Windows { .. } => windows::proof::glance(session, report),
    }
}

/// What earlier runs have left on a host.
pub(crate) trait Past {
    /// Returns the newest run that was not taken back yet, in lines `run=`, `who=`, `when=`, `fleet=`, `change=`,
    /// and `older=` for each of those before.
    ///
    /// # Errors
    /// The host cannot be read.
    fn newest(&self, session: &mut Session<'_>) -> Result<Slice, Failure>;

    /// Takes a run back, under the lock, and only if it still is the last one.
    ///
    /// # Errors
    /// It is not, another run is at work, or the host could not put everything back.
    fn put_back(&self, session: &mut Session<'_>, run: &str) -> Result<(), Failure>;
}

/// Returns what reads and takes back the runs of a host.
pub(crate) fn past(spec: &HostSpec) -> &'static dyn Past {
    if spec.is_windows() { &windows::undo::Windows } else { &posix::undo::Posix }
}

/// Reads the facts of a host.
///
/// # Errors
/// The host cannot be read.
pub(crate) fn facts(session: &mut Session<'_>) -> Result<Found, Failure> {
    if session.spec.is_windows() {
        windows::plan::read_facts(session).map(|facts| Found::Windows(Box::new(facts)))
    } else {
        posix::plan::read_facts(session).map(|facts| Found::Linux(Box::new(facts)))
    }
}

/// Reads the facts of a host and says in the report what it is.
///
/// # Errors
/// The host cannot be read, or something speaks against touching it.
pub(crate) fn meet(session: &mut Session<'_>, report: &mut HostReport) -> Result<Box<dyn System>, Failure> {
    if session.spec.is_windows() {
        Ok(Box::new(windows::plan::Windows::meet(session, report)?))
    } else {
        Ok(Box::new(posix::plan::Posix::meet(session, report)?))
    }
}
