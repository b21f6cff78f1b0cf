//! A conversation with one host: runs scripts, counts them, and turns trouble into data.

use std::time::Duration;

use crate::inventory::HostSpec;
use crate::report::{ErrorReport, Status};
use crate::transport::{self, Output, Script, Transport, TransportError};

use super::Context;
use super::event::{Event, Phase};
use super::frame::Splitter;

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

/// An open connection to a host.
pub(crate) struct Session<'a> {
    pub(crate) spec: &'a HostSpec,
    pub(crate) cx: &'a Context,
    transport: Box<dyn Transport>,
    /// Scripts run so far.
    pub(crate) executions: usize,
    /// Whether the last script did not end within its time.
    pub(crate) late: bool,
}

impl<'a> Session<'a> {
    pub(crate) fn open(spec: &'a HostSpec, cx: &'a Context) -> Result<Self, Failure> {
        let transport = transport::connect(spec, &cx.connections)?;
        let session = Session { spec, cx, transport, executions: 0, late: false };
        if let Some(note) = session.transport.note() {
            session.progress(note);
        }
        Ok(session)
    }

    /// Goes on over a connection that was kept by [`Session::close`].
    pub(crate) fn resume(spec: &'a HostSpec, cx: &'a Context, transport: Box<dyn Transport>) -> Self {
        Session { spec, cx, transport, executions: 0, late: false }
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
        let done = self.transport.run(&Script { text, deadline }, &mut |lines| lines.lines().for_each(&mut *on_line));
        self.late = matches!(done, Err(TransportError::Timeout { .. }));
        done
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
        self.cx.send(Event::Phase { host: self.spec.name.clone(), phase });
    }

    pub(crate) fn progress(&self, text: &str) {
        self.cx.send(Event::Progress { host: self.spec.name.clone(), text: text.to_owned() });
    }
}
