//! Connections live in processes of their own: this program, started again. A host that floods,
//! stalls or crashes what talks to it harms its own connection; everything else goes on.
//!
//! Limits are kept from outside: a deadline and processor time for each stage by the program, which
//! kills the process; memory by the kernel. What is shared between hosts stays in the program.

mod message;
mod pool;
mod process;
mod serve;
mod silent;

use std::sync::Arc;
use std::time::Duration;

pub(super) use message::{Answer, Request};
use process::{End, Limits, Worker};
use silent::Waiting;

pub(super) use pool::Pool;
pub use serve::serve_stdin;

use super::{Output, Script, Transport, TransportError};

/// Processor time until the login is done; a login needs some milliseconds of it.
const BUSY_CONNECTING: Duration = Duration::from_secs(4);

/// Processor time of a script's output; 64 MiB need less than a second.
const BUSY_RUNNING: Duration = Duration::from_secs(5);

/// How long closing a connection may take.
const CLOSING: Duration = Duration::from_secs(6);

/// A worker's own time limit comes first, and says more.
const GRACE: Duration = Duration::from_millis(500);

/// The way out where something broke that no host should be able to break.
const UNUSUAL: &str = "only this host is concerned; if what answers there is a usual server, please report it";

/// What is being done, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Handshake,
    Login,
    Script,
}

impl Stage {
    fn verb(self) -> &'static str {
        match self {
            Stage::Handshake => "connect to",
            Stage::Login => "log in to",
            Stage::Script => "run a script on",
        }
    }
}

/// Judges the key that the host at this place of the way shows.
type Judge<'a> = dyn FnMut(&mut Lease, usize, &[u8]) -> Result<(), TransportError> + 'a;

/// Why there is no connection.
pub(super) struct NotConnected {
    pub(super) error: Box<TransportError>,
    /// Whether an account was refused its password.
    pub(super) wrong_password: bool,
    /// Why OpenSSH's own client may succeed.
    pub(super) openssh: Option<String>,
}

impl From<TransportError> for NotConnected {
    fn from(error: TransportError) -> Self {
        NotConnected { error: Box::new(error), wrong_password: false, openssh: None }
    }
}

/// A worker that is busy with one host; given back to the pool when dropped.
pub(super) struct Lease {
    worker: Option<Worker>,
    pool: Arc<Pool>,
    limits: Limits,
    /// The limit that is in force, for messages.
    time: Duration,
    stage: Stage,
    /// There until its host has said something.
    waiting: Option<Waiting>,
    /// Its host did not play fair: the next one gets another worker.
    spoiled: bool,
    /// Address and port.
    pub(super) to: String,
}

impl Lease {
    /// Takes a worker for a connection.
    pub(super) fn take(pool: &Arc<Pool>, to: String) -> Result<Self, TransportError> {
        let worker = pool.take()?;
        let limits = worker.limits(CLOSING, BUSY_CONNECTING);
        let (worker, pool) = (Some(worker), Arc::clone(pool));
        let (time, stage) = (CLOSING, Stage::Handshake);
        Ok(Lease { worker, pool, limits, time, stage, waiting: None, spoiled: false, to })
    }

    /// Begins a stage, with new limits; `more` is for what the worker does after the time is over.
    pub(super) fn begin(&mut self, stage: Stage, time: Duration, more: Duration) {
        let busy = if stage == Stage::Script { BUSY_RUNNING } else { BUSY_CONNECTING };
        (self.stage, self.time) = (stage, time);
        if let Some(worker) = &self.worker {
            self.limits = worker.limits(time + more + GRACE, busy);
        }
    }

    /// Tells the worker what to do.
    pub(super) fn send(&mut self, request: &Request, bytes: &[u8]) -> Result<(), TransportError> {
        let sent = self.worker.as_mut().ok_or(End::Garbled).and_then(|worker| worker.send(request, bytes));
        sent.map_err(|end| self.broken(end))
    }

    /// Waits for the worker's next word.
    pub(super) fn receive(&mut self) -> Result<(Answer, Vec<u8>), TransportError> {
        let limits = &self.limits;
        let said = self.worker.as_mut().ok_or(End::Garbled).and_then(|worker| worker.receive(limits));
        said.map_err(|end| self.broken(end))
    }

    /// Waits for the end of a connecting: `on_key` judges the keys that the hosts on the way show.
    pub(super) fn connected(&mut self, on_key: &mut Judge<'_>) -> Result<(), NotConnected> {
        let mut refused = None;
        self.waiting = Some(self.pool.silent.wait());
        loop {
            let (answer, bytes) = self.receive()?;
            self.waiting = None;
            match answer {
                Answer::HostKey { hop } => {
                    let judged = on_key(self, hop, &bytes);
                    self.send(&Request::Judged(judged.is_ok()), &[])?;
                    refused = judged.err();
                }
                Answer::Connected | Answer::Closed => return Ok(()),
                Answer::Failed { error, wrong_password, openssh } => {
                    return Err(match refused {
                        Some(refused) => refused.into(),
                        None => NotConnected { error: Box::new(error), wrong_password, openssh },
                    });
                }
                Answer::Lines | Answer::Output { .. } => return Err(self.broken(End::Garbled).into()),
            }
        }
    }

    /// The worker is of no use any more: it is ended, and the host is told why.
    fn broken(&mut self, end: End) -> TransportError {
        self.waiting = None;
        let gone = self.worker.take().is_none();
        let to = self.to.clone();
        let broke = |cause: String, hint: &str| TransportError::Broke {
            doing: self.stage.verb().to_owned(),
            to: to.clone(),
            cause,
            hint: hint.to_owned(),
        };
        match end {
            _ if gone => TransportError::Lost { to, cause: "its connection is gone".to_owned() },
            End::Late if self.stage == Stage::Script => TransportError::late(to, self.time),
            End::Late => {
                let what = if self.stage == Stage::Login { "the login" } else { "the handshake" };
                let cause = format!("{what} did not end within {}", humantime::format_duration(self.time));
                let hint = Some("see what answers at this address and port; `timeout` is the limit".to_owned());
                TransportError::Unreachable { to, cause, hint }
            }
            End::Busy => broke(
                "it sends without an end, and kept this machine computing".to_owned(),
                "see what answers at this address and port; a server of SSH or WinRM does not do that",
            ),
            End::Died(how) => broke(how, UNUSUAL),
            End::Garbled => {
                broke("the process that talked to it said what could not be understood".to_owned(), UNUSUAL)
            }
        }
    }

    /// Closes the connection, so that the worker can have the next.
    fn close(&mut self) {
        let Some(mut worker) = self.worker.take() else { return };
        let limits = worker.limits(CLOSING, BUSY_CONNECTING);
        if worker.send(&Request::Close, &[]).is_err() {
            return;
        }
        loop {
            match worker.receive(&limits) {
                Ok((Answer::Closed, _)) => break self.worker = Some(worker),
                // What was under way when the connection was given up.
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.close();
        self.pool.give(self.worker.take().filter(|_| !self.spoiled));
    }
}

/// A connection in a worker.
pub(super) struct Remote<P> {
    lease: Lease,
    /// What a script may take beyond its deadline, where the carrier has to ask for its end.
    more: Duration,
    /// What is unusual about it.
    note: Option<String>,
    /// What it stands on, given back with it: turns at bastions.
    _permits: P,
}

impl<P> Remote<P> {
    pub(super) fn new(lease: Lease, more: Duration, permits: P) -> Self {
        Remote { lease, more, note: None, _permits: permits }
    }

    /// Says what is unusual about it.
    pub(super) fn noted(self, note: String) -> Self {
        Remote { note: Some(note), ..self }
    }
}

impl<P: Send> Transport for Remote<P> {
    fn run(&mut self, script: &Script, on_lines: &mut dyn FnMut(&str)) -> Result<Output, TransportError> {
        self.lease.begin(Stage::Script, script.deadline, self.more);
        self.lease.send(&Request::Run { deadline: script.deadline }, script.text.as_bytes())?;
        loop {
            let (answer, mut bytes) = self.lease.receive()?;
            match answer {
                Answer::Lines => on_lines(&text(bytes)),
                Answer::Output { stdout, status } => {
                    let stderr = bytes.split_off(stdout.min(bytes.len()));
                    return Ok(Output { stdout: text(bytes), stderr: text(stderr), status });
                }
                Answer::Failed { error, .. } => {
                    self.lease.spoiled |= error.is_unreachable();
                    return Err(error);
                }
                _ => return Err(self.lease.broken(End::Garbled)),
            }
        }
    }

    fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }
}

/// Not copied where it is good text, which may be long.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
