//! One worker, as the program sees it: spoken to over a socket, watched from outside, ended and
//! reaped when it breaks a limit.

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

use super::message::{self, Answer, HEAD, Request, lengths};

/// How often a worker that says nothing is looked at; a deadline is not missed for that.
const BEAT: Duration = Duration::from_secs(1);

/// What of the environment a worker may need: to find the agent and the tickets of the user, and to
/// speak TLS as this machine does. Secrets of the inventory may stand in the rest.
const ENVIRONMENT: &[&str] = &[
    "HOME",
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "KRB5CCNAME",
    "KRB5_CONFIG",
    "OPENSSL_CONF",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "LD_LIBRARY_PATH",
    "USER",
    "LOGNAME",
    "XDG_RUNTIME_DIR",
];

/// A worker process.
pub(super) struct Worker {
    link: UnixStream,
    /// How long a reading waits.
    beat: Duration,
    life: Life,
    /// Connections that it has had.
    pub(super) served: u32,
}

enum Life {
    /// A process, and what it wrote to standard error.
    Process(Child, std::fs::File),
    /// A thread: the unit tests have no program to start again.
    Thread,
}

/// What a worker may use until it says something that ends the stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// When it has to be over.
    pub(super) until: Instant,
    /// Processor time.
    pub(super) busy: Duration,
}

/// Why a worker is of no use any more.
#[derive(Debug)]
pub(super) enum End {
    /// It was not done in time.
    Late,
    /// It used more of the processor than a stage may.
    Busy,
    /// It ended by itself; says how.
    Died(String),
    /// It said what no worker says.
    Garbled,
}

impl Worker {
    /// Starts one.
    ///
    /// # Errors
    /// This machine is out of processes, memory or files.
    pub(super) fn start() -> std::io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(BEAT))?;
        ours.set_write_timeout(Some(BEAT))?;
        let life = if cfg!(test) { thread(theirs) } else { process(theirs)? };
        Ok(Worker { link: ours, beat: BEAT, life, served: 0 })
    }

    /// A worker whose other side is somebody else.
    #[cfg(test)]
    pub(super) fn fake(ours: UnixStream) -> Self {
        ours.set_read_timeout(Some(BEAT)).unwrap();
        ours.set_write_timeout(Some(BEAT)).unwrap();
        Worker { link: ours, beat: BEAT, life: Life::Thread, served: 0 }
    }

    /// Whether it still runs, as far as that is known.
    pub(super) fn is_alive(&mut self) -> bool {
        match &mut self.life {
            Life::Process(child, _) => matches!(child.try_wait(), Ok(None)),
            Life::Thread => true,
        }
    }

    /// Tells it what to do. It is waiting for that, so one that does not take it is broken.
    pub(super) fn send(&mut self, request: &Request, bytes: &[u8]) -> Result<(), End> {
        message::send(&mut self.link, request, &[bytes]).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => End::Late,
            _ => self.obituary(),
        })
    }

    /// Waits for what it says, within the limits.
    pub(super) fn receive(&mut self, limits: &Limits) -> Result<(Answer, Vec<u8>), End> {
        let mut head = [0; HEAD];
        self.fill(&mut head, limits)?;
        let (text, bytes) = lengths(head).ok_or(End::Garbled)?;
        let (text, bytes) = (self.take(text, limits)?, self.take(bytes, limits)?);
        Ok((serde_json::from_slice(&text).map_err(|_| End::Garbled)?, bytes))
    }

    /// Memory is taken for what has come, and not for what was announced.
    fn take(&mut self, count: usize, limits: &Limits) -> Result<Vec<u8>, End> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let from = bytes.len();
            bytes.resize(count.min(from + (1 << 20)), 0);
            self.fill(bytes.get_mut(from..).unwrap_or_default(), limits)?;
        }
        Ok(bytes)
    }

    fn fill(&mut self, mut space: &mut [u8], limits: &Limits) -> Result<(), End> {
        while !space.is_empty() {
            self.rest(limits);
            match self.link.read(space) {
                Ok(0) => return Err(self.obituary()),
                Ok(count) => space = space.get_mut(count..).unwrap_or_default(),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    self.check(limits)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(self.obituary()),
            }
            if Instant::now() >= limits.until {
                return Err(End::Late);
            }
        }
        Ok(())
    }

    /// Sets how long one reading may wait: up to the deadline, and no longer than a beat.
    fn rest(&mut self, limits: &Limits) {
        let left = limits.until.saturating_duration_since(Instant::now());
        let beat = left.clamp(Duration::from_millis(1), BEAT);
        if beat != self.beat && self.link.set_read_timeout(Some(beat)).is_ok() {
            self.beat = beat;
        }
    }

    fn check(&self, limits: &Limits) -> Result<(), End> {
        if self.busy().is_some_and(|busy| busy > limits.busy) { Err(End::Busy) } else { Ok(()) }
    }

    /// The limits of a stage that begins now.
    pub(super) fn limits(&self, time: Duration, busy: Duration) -> Limits {
        Limits { until: Instant::now() + time, busy: self.busy().unwrap_or_default() + busy }
    }

    /// The processor time that it has used so far.
    fn busy(&self) -> Option<Duration> {
        match &self.life {
            Life::Process(child, _) => {
                let clock: ClockId = clock_getcpuclockid(pid(child)?).ok()?;
                clock.now().ok().map(Duration::from)
            }
            Life::Thread => None,
        }
    }

    /// Ends it and says how it had ended before, if it had.
    pub(super) fn obituary(&mut self) -> End {
        match &mut self.life {
            Life::Process(child, words) => {
                // With all that it has started: the system's `ssh`, and what that has. It leads their group,
                // whose number is nobody else's as long as it is not reaped.
                let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
                if let Some(group) = pid(child).filter(|own| waitid(Id::Pid(*own), peek).is_ok()) {
                    let _ = killpg(group, Signal::SIGKILL);
                }
                let how = child.wait().map_or_else(|error| error.to_string(), |status| how(status, &last(words)));
                End::Died(how)
            }
            Life::Thread => End::Died("the thread that talked to it ended".to_owned()),
        }
    }
}

impl Drop for Worker {
    /// No worker outlives its use, and none is left unreaped.
    fn drop(&mut self) {
        self.obituary();
    }
}

fn thread(theirs: UnixStream) -> Life {
    std::thread::spawn(move || super::serve::serve(theirs, false));
    Life::Thread
}

/// The program itself, even if its file was replaced meanwhile: both sides speak the same.
fn process(theirs: UnixStream) -> std::io::Result<Life> {
    let words = std::fs::File::from(memfd_create("fleetclock-worker", MFdFlags::MFD_CLOEXEC)?);
    #[expect(clippy::disallowed_methods, reason = "the worker that talks to hosts")]
    let mut worker = Command::new("/proc/self/exe");
    worker.arg0("fleetclock").arg("worker").env_clear().envs(environment());
    worker.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(words.try_clone()?);
    // A group of its own: Ctrl-C is meant for the program, which lets a change come to its end.
    let child = worker.process_group(0).current_dir("/").spawn()?;
    Ok(Life::Process(child, words))
}

fn environment() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    ENVIRONMENT.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)))
}

fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().map(Pid::from_raw)
}

/// The last line that a worker wrote before its end: Rust says there why it gave up.
fn last(words: &mut std::fs::File) -> String {
    let mut text = Vec::new();
    let _ = words.seek(SeekFrom::Start(0)).and_then(|_| words.take(16 << 10).read_to_end(&mut text));
    let text = String::from_utf8_lossy(&text);
    text.lines()
        .find(|line| !line.trim().is_empty() && !line.starts_with("note: "))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// How a process ended, in words.
fn how(status: ExitStatus, words: &str) -> String {
    let signal = status.signal().and_then(|signal| Signal::try_from(signal).ok());
    match signal {
        Some(Signal::SIGABRT) if words.contains("memory allocation") => {
            format!("its answers did not fit into {} MiB", super::serve::RUNNING >> 20)
        }
        Some(Signal::SIGABRT) if words.contains("Assertion `") => {
            let check = words.split('`').nth(1).unwrap_or_default().trim_end_matches("' failed.");
            format!("it sent what SSH does not allow, and the SSH library stopped at it (`{check}` did not hold)")
        }
        Some(Signal::SIGKILL) => "the process that talked to it was killed".to_owned(),
        Some(signal) if words.is_empty() => format!("the process that talked to it crashed ({signal})"),
        Some(signal) => format!("the process that talked to it crashed ({signal}): {words}"),
        None if words.is_empty() => format!("the process that talked to it ended ({status})"),
        None => format!("the process that talked to it ended ({status}): {words}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn limits(milliseconds: u64) -> Limits {
        Limits { until: Instant::now() + Duration::from_millis(milliseconds), busy: Duration::MAX }
    }

    #[test]
    fn a_worker_that_says_nothing_or_never_stops_is_late() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut worker = Worker::fake(ours);
        assert!(matches!(worker.receive(&limits(300)), Err(End::Late)));
        let flood = std::thread::spawn(move || {
            let mut frame = Vec::new();
            message::send(&mut frame, &Answer::Lines, &[&[b'x'; 1000]]).unwrap();
            while theirs.write_all(&frame).is_ok() {}
        });
        let limits = limits(500);
        let end = loop {
            if let Err(end) = worker.receive(&limits) {
                break end;
            }
        };
        assert!(matches!(end, End::Late));
        drop(worker);
        flood.join().unwrap();
    }

    #[test]
    fn a_worker_that_talks_nonsense_or_is_gone_is_told_apart() {
        for (wire, garbled) in
            [(&b"\xff\xff\xff\xff\xff\xff\xff\xff"[..], true), (b"\0\0\0\x01\0\0\0\0x", true), (b"\0\0", false)]
        {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(wire).unwrap();
            drop(theirs);
            match Worker::fake(ours).receive(&limits(1000)) {
                Err(End::Garbled) => assert!(garbled, "{wire:?}"),
                Err(End::Died(_)) => assert!(!garbled, "{wire:?}"),
                other => panic!("{wire:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_end_of_a_process_is_said_in_words() {
        let signal = |number| ExitStatus::from_raw(number);
        for (status, words, wanted) in [
            (signal(11), "", "crashed (SIGSEGV)"),
            (signal(6), "memory allocation of 99 bytes failed", "did not fit into 256 MiB"),
            (signal(9), "", "was killed"),
            (
                signal(6),
                "fleetclock: transport.c:371: _libssh2_transport_read: Assertion `remainbuf >= 0' failed.",
                "the SSH library stopped at it (`remainbuf >= 0` did not hold)",
            ),
            (
                ExitStatus::from_raw(101 << 8),
                "thread 'main' panicked",
                "ended (exit status: 101): thread 'main' panicked",
            ),
        ] {
            assert!(how(status, words).contains(wanted), "{}", how(status, words));
        }
    }
}
