//! What differs between operating systems: the scripts that are sent, and how their answers are read. In which
//! order it is done stands in `plan`, and is the same for all hosts.

use anyhow::Result;

use crate::inventory::HostSpec;
use crate::model::{HostReport, Slice};
use crate::verdict::Verdict;

use super::plan::{Extent, Service};
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
