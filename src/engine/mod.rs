//! The only code that talks to hosts. Inside one host it is a straight line; across hosts it
//! is concurrent.

pub mod adopt;
mod apply;
pub mod busy;
mod clock;
mod closing;
pub mod doctor;
pub mod fleet;
mod identity;
pub mod locate;
mod lock;
mod moved;
mod places;
mod plan;
mod ports;
mod posix;
mod run;
#[cfg(test)]
pub(crate) mod sample;
pub mod saved;
mod seal;
mod session;
mod shell;
mod steps;
pub mod undo;
pub mod watch;
pub mod waves;
mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use crate::assets::Assets;
use crate::model::event::Event;
use crate::packages::Folders;
use crate::text::hide::Hider;
use crate::transport::Connections;
pub use closing::Closes;
pub use identity::owners;
pub use lock::{is_at_work, whoami};
pub use plan::{Extent, Planned};

/// What all hosts of a run share.
#[derive(Debug)]
pub struct Context {
    /// Playbooks and templates.
    pub assets: Assets,
    /// Connections to bastions, known host keys.
    pub connections: Connections,
    /// How many hosts that say nothing are waited for beside those that are worked on.
    pub beside: usize,
    /// Where events go.
    pub events: Sender<Event>,
    /// Put back what was changed when a later step or the proof fails.
    pub undo: bool,
    /// Leave a line in the journal of each host that is changed.
    pub journal: bool,
    /// Ask the sources before anything is changed, and prove the result.
    pub verify: bool,
    /// Whether scripts are shown.
    pub scripts: bool,
    /// Set when the user wants to stop; looked at between the phases of a host.
    pub stop: Arc<AtomicBool>,
    /// The name of the run, as `history` knows it.
    pub run: String,
    /// When the time for changes is over, if it has an end.
    pub closes: Option<Closes>,
    /// The hosts that are being changed.
    pub busy: Arc<busy::Busy>,
    /// Windows hosts whose PowerShell did not come to its end; it is not started there again.
    pub mute: Arc<Mutex<BTreeSet<String>>>,
    /// Package files of this machine.
    pub packages: Folders,
    /// Which host of the inventory has an address, whether it takes part in the run or not.
    pub owners: Arc<BTreeMap<IpAddr, String>>,
    /// The secrets of the run, which nothing that leaves the engine may hold.
    pub hidden: Arc<Hider>,
}

impl Context {
    /// Tells the printer; it may have gone, which is no reason to stop work on a host.
    pub(crate) fn send(&self, mut event: Event) {
        match &mut event {
            Event::Progress { text, .. } => self.hidden.field(text),
            Event::Done(report) => self.hidden.report(report),
            Event::Started { .. } | Event::Phase { .. } | Event::Looked { .. } | Event::Script { .. } => {}
        }
        let _ = self.events.send(event);
    }

    /// Returns whether the user wants to stop.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
