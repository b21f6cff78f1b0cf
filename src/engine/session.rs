//! A conversation with one host: runs scripts, counts them, and turns trouble into data.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crate::inventory::HostSpec;
use crate::model::event::{Event, Phase};
use crate::model::{ErrorReport, Status};
use crate::text::hide::Hider;
use crate::transport::{self, Output, Script, Transport, TransportError};

use super::Context;
use super::posix::frame::Splitter;

/// Why a host could not be finished.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) error: ErrorReport,
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        let status = match &error {
            error if error.is_unreachable() => Status::Unreachable,
            // What this machine lacks says nothing of the host.
            error if error.is_own() => Status::NotStarted,
            _ => Status::Failed,
        };
        Failure { status, error: ErrorReport { message: error.to_string(), hint: error.hint().map(str::to_owned) } }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let hint = crate::exit::hint(&error).map(str::to_owned);
        Failure { status: Status::Failed, error: ErrorReport { message: format!("{error:#}"), hint } }
    }
}

/// The way out where the login is not root.
pub(crate) const BECOME: &str =
    "set `become` to a program that the host has (`sudo`, `doas`, `su` and others: docs/become.md), or log in as root";

/// An open connection to a host.
pub(crate) struct Session<'a> {
    pub(crate) spec: &'a HostSpec,
    pub(crate) cx: &'a Context,
    transport: Box<dyn Transport>,
    /// Scripts run so far.
    pub(crate) executions: usize,
    /// Whether the last script did not end within its time.
    pub(crate) late: bool,
    /// What the next script is for.
    phase: Cell<Phase>,
    /// What nobody is to read in a script that is shown.
    pub(crate) hidden: Arc<Hider>,
}

impl<'a> Session<'a> {
    pub(crate) fn open(spec: &'a HostSpec, cx: &'a Context) -> Result<Self, Failure> {
        let transport = transport::connect(spec, &cx.connections)?;
        let session = Self::resume(spec, cx, transport);
        if let Some(note) = session.transport.note() {
            session.progress(note);
        }
        Ok(session)
    }

    /// Goes on over a connection that was kept by [`Session::close`].
    pub(crate) fn resume(spec: &'a HostSpec, cx: &'a Context, transport: Box<dyn Transport>) -> Self {
        Session {
            spec,
            cx,
            transport,
            executions: 0,
            late: false,
            phase: Cell::new(Phase::Facts),
            hidden: Arc::clone(&cx.hidden),
        }
    }

    /// Gives the connection back, open.
    pub(crate) fn close(self) -> Box<dyn Transport> {
        self.transport
    }

    /// Runs a script; `on_line` sees each line of its output as it comes.
    pub(crate) fn run(
        &mut self,
        text: String,
        deadline: Duration,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Output, TransportError> {
        self.executions += 1;
        if self.cx.scripts {
            let text = shown(&self.hidden.text(&text));
            self.cx.send(Event::Script { host: self.spec.name.clone(), text });
        }
        let phase = self.phase.get();
        let ended = self.transport.run(&Script { text, deadline }, &mut |lines| lines.lines().for_each(&mut *on_line));
        self.late = matches!(ended, Err(TransportError::Timeout { .. }));
        ended.map_err(|error| late(error, phase))
    }

    /// As `run`; progress lines of the script go to the printer.
    pub(crate) fn run_with_progress(
        &mut self,
        text: String,
        deadline: Duration,
        splitter: &Splitter,
    ) -> Result<Output, TransportError> {
        let (cx, host) = (self.cx, self.spec.name.clone());
        self.run(text, deadline, &mut |line| {
            if let Some(text) = splitter.progress(line) {
                cx.send(Event::Progress { host: host.clone(), text: text.to_owned() });
            }
        })
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.phase.set(phase);
        self.cx.send(Event::Phase { host: self.spec.name.clone(), phase });
    }

    pub(crate) fn progress(&self, text: &str) {
        self.cx.send(Event::Progress { host: self.spec.name.clone(), text: text.to_owned() });
    }
}

/// Longest line of a script that is shown, bytes: the probe is one, a package file is longer.
const LONGEST: usize = 64 << 10;

/// A script without the files that travel in it.
fn shown(text: &str) -> String {
    let line = |line: &str| match line.len() > LONGEST {
        true => format!("{}... ({} bytes)\n", line.chars().take(60).collect::<String>(), line.len()),
        false => line.to_owned(),
    };
    text.split_inclusive('\n').map(line).collect()
}

/// Says what it was that did not end, and where to look.
fn late(error: TransportError, phase: Phase) -> TransportError {
    let TransportError::Timeout { to, after, .. } = error else { return error };
    let (doing, hint) = match phase {
        Phase::Facts | Phase::Probe | Phase::Waiting => (
            "read the state of",
            "log in to the host and see what keeps a shell there (sudo, a login script, the lock of a package \
             manager, a disk that does not answer); `limits.read` is the time for this",
        ),
        Phase::Verify => (
            "wait for the proof of",
            "log in to the host and see what keeps a shell there; the time is `limits.deadline` and that for reading",
        ),
        Phase::Apply => (
            "change",
            "log in to the host and see which program does not end (`ps -ef`); what was changed and is not proven, \
             the host takes back by itself",
        ),
        Phase::Undo => ("take the change back on", "log in to the host and see which program does not end (`ps -ef`)"),
    };
    TransportError::Timeout { doing: doing.to_owned(), to, after, hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_end_and_where_to_look_is_said() {
        let error = || TransportError::late("10.0.0.1:22".to_owned(), Duration::from_secs(90));
        let said = late(error(), Phase::Facts);
        assert_eq!(
            said.to_string(),
            "read the state of 10.0.0.1:22: the host did not come to the end of it within 1m 30s"
        );
        assert!(said.hint().unwrap().contains("`limits.read`"));
        for phase in [Phase::Probe, Phase::Verify, Phase::Apply, Phase::Undo] {
            let said = late(error(), phase);
            assert!(said.to_string().contains("10.0.0.1:22") && said.hint().unwrap().starts_with("log in"), "{said}");
        }
        let lost = TransportError::Lost { to: "x".to_owned(), cause: "reset".to_owned() };
        assert_eq!(late(lost, Phase::Apply).to_string(), "talk to x: reset");
    }
}
