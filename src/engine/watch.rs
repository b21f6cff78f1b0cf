//! The proof again and again: one quick measurement of every host in each round, over connections
//! that are kept open. Nothing is waited for, and the configuration is not compared.

use std::sync::Arc;
use std::time::Instant;

use anyhow::anyhow;

use crate::exit::Hint;
use crate::inventory::HostSpec;
use crate::model::{ErrorReport, HostReport, Status};
use crate::provider;
use crate::transport::Transport;
use crate::verdict::Verdict;

use super::Context;
use super::fleet::catch;
use super::places::each;
use super::plan::{Service, blank};
use super::posix::plan::read_facts;
use super::session::{BECOME, Failure, Session};
use super::shell;

/// The hosts that are watched, with what is kept of each between two rounds.
pub struct Watch {
    hosts: Vec<Watched>,
    forks: usize,
}

struct Watched {
    spec: HostSpec,
    known: Option<Known>,
    /// The connection, where it is kept open.
    transport: Option<Box<dyn Transport>>,
}

/// What does not change from round to round.
#[derive(Clone)]
struct Known {
    service: Service,
    os: Option<String>,
}

impl Watch {
    /// Watches these hosts, at most `forks` at a time.
    pub fn new(hosts: Vec<HostSpec>, forks: usize) -> Self {
        let hosts = hosts.into_iter().map(|spec| Watched { spec, known: None, transport: None }).collect();
        Watch { hosts, forks }
    }

    /// Measures every host once, and returns one report for each in order. A host that was not
    /// begun when the user wanted to stop is left out.
    pub async fn round(&mut self, cx: &Arc<Context>) -> Vec<HostReport> {
        // More open connections than `forks` is what the user did not ask for.
        let keep = self.hosts.len() <= self.forks;
        let cx = Arc::clone(cx);
        let done = each(std::mem::take(&mut self.hosts), self.forks, move |mut host| {
            let report = (!cx.stopping()).then(|| host.turn(&cx));
            if !keep {
                host.transport = None;
            }
            (host, report)
        })
        .await;
        let (hosts, reports): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        self.hosts = hosts;
        reports.into_iter().flatten().collect()
    }
}

impl Watched {
    /// One measurement. A connection that was kept may have been closed by the host since: it is
    /// opened anew before the host is called unreachable.
    fn turn(&mut self, cx: &Context) -> HostReport {
        let started = Instant::now();
        let mut report = blank(&self.spec);
        let kept = self.transport.is_some();
        let mut result = self.try_look(cx, &mut report);
        if kept && result.as_ref().is_err_and(|failure| failure.status != Status::OutOfLimits) && !cx.stopping() {
            result = self.try_look(cx, &mut report);
        }
        if let Err(failure) = result {
            report.status = failure.status;
            report.error = Some(failure.error);
        }
        report.seconds = started.elapsed().as_secs_f64();
        cx.hidden.report(&mut report);
        report
    }

    /// The connection is kept only when all went well.
    fn try_look(&mut self, cx: &Context, report: &mut HostReport) -> Result<(), Failure> {
        let transport = self.transport.take();
        let (spec, known) = (self.spec.clone(), self.known.clone());
        let look = || look(&spec, cx, transport, known, report);
        let looked = catch(&self.spec, look).unwrap_or_else(|panicked| Err(bug(*panicked)))?;
        self.transport = Some(looked.transport);
        self.known = Some(looked.known);
        match looked.verdict {
            Verdict::Proven | Verdict::Settling(..) => Ok(()),
            Verdict::OutOfLimits(message) | Verdict::NotSynchronised(message) => {
                Err(Failure { status: Status::OutOfLimits, error: ErrorReport { message, hint: None } })
            }
        }
    }
}

fn bug(panicked: HostReport) -> Failure {
    let error = panicked.error.unwrap_or(ErrorReport { message: "a bug in fleetclock".to_owned(), hint: None });
    Failure { status: panicked.status, error }
}

struct Looked {
    transport: Box<dyn Transport>,
    known: Known,
    verdict: Verdict,
}

fn look(
    spec: &HostSpec,
    cx: &Context,
    transport: Option<Box<dyn Transport>>,
    known: Option<Known>,
    report: &mut HostReport,
) -> Result<Looked, Failure> {
    let mut session = match transport {
        Some(transport) => Session::resume(spec, cx, transport),
        None => Session::open(spec, cx)?,
    };
    let result = measure(&mut session, known, report);
    report.executions += session.executions;
    let (known, verdict) = result?;
    Ok(Looked { transport: session.close(), known, verdict })
}

fn measure(
    session: &mut Session<'_>,
    known: Option<Known>,
    report: &mut HostReport,
) -> Result<(Known, Verdict), Failure> {
    let known = match known {
        Some(known) => known,
        None => learn(session)?,
    };
    report.os.clone_from(&known.os);
    report.provider = Some(known.service.provider().name().to_owned());
    let verdict = shell::glance(session, known.service, report)?;
    Ok((known, verdict))
}

/// Finds out which time service the host has; on Windows there is but one.
fn learn(session: &mut Session<'_>) -> Result<Known, Failure> {
    if session.spec.is_windows() {
        return Ok(Known { service: Service::Windows { left_over: false }, os: None });
    }
    let facts = read_facts(session)?;
    if facts.uid != 0 {
        let message = anyhow!("the login is user {}, and only root may ask all that is needed", facts.uid);
        return Err(message.hint(BECOME).into());
    }
    let provider = provider::choose(session.spec.provider, &facts)?;
    let service = Service::Linux(provider, provider.layout(&facts).service);
    Ok(Known { service, os: Some(facts.os_name) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::sample;
    use crate::ntp::timestamp::Timestamp;
    use crate::transport::{Output, Script, TransportError};

    /// A Windows host without PowerShell: answers each framed line, then nothing more.
    struct Fake {
        rounds: usize,
        answer: fn(&str) -> String,
    }

    const STATUS: &str = "10.10.10.1,0x8\n--fleetclock--\nLeap Indicator: 0(no warning)\nStratum: 3\nPrecision: -23\nRoot Delay: 0.0031091s\nRoot Dispersion: 0.0405613s\nReferenceId: 0x0A0A0A01 (source IP:  10.10.10.1)\nLast Successful Sync Time: 11/21/2026 3:00:00 PM\nSource: 10.10.10.1,0x8\nPoll Interval: 6 (64s)\n\nPhase Offset: -0.0001991s\nClockRate: 0.0156250s\nState Machine: 2 (Sync)\nTime Source Flags: 0 (None)\nServer Role: 0 (None)\nLast Sync Error: 0 (ok)\nTime since Last Good Sync Time: 7.4556861s\n";

    fn answer(line: &str) -> String {
        let text = match line {
            _ if line.contains("/query /source") => STATUS,
            _ if line.contains("/stripchart /computer:10.10.10.1") => {
                "11:00:01, d:+00.0020000s o:+00.0012345s  [ * ]\n"
            }
            _ => "'powershell' is not recognized\n",
        };
        text.to_owned()
    }

    /// One that follows 10.10.10.1, to which its name for it does not lead any more, with what the two answer.
    fn renamed(line: &str, there: &str) -> String {
        let asked = |source: &str, address: &str, answer: &str| {
            format!("ntp mode FullLanguage\nntp clock 40\nntp {source} {address} {answer}\nntp end\n")
        };
        match line {
            _ if line.contains("/query /source") => STATUS.replace("10.10.10.1,0x8", "ntp1.lab,0x8"),
            _ if line.contains("'10.10.10.1'") => asked("10.10.10.1", "10.10.10.1", there),
            _ => asked("ntp1.lab", "10.10.10.77", &answered(0)),
        }
    }

    /// An answer of a server that is so many milliseconds ahead, 4 ms away there and back: `TOKEN SENT PACKET ARRIVED`.
    fn answered(ahead: u32) -> String {
        const AT: i64 = 134_396_928_000_000_000;
        let stamp = Timestamp::from_unix(1_795_219_200, (ahead + 2) * 1_000_000).to_bits().to_be_bytes();
        let stamp = stamp.map(|byte| format!("{byte:02X}")).join("-");
        let (zeros, token) = (["00"; 20].join("-"), "01-02-03-04-05-06-07-08");
        format!("{token} {AT} 24-02-06-E9-{zeros}-{token}-{stamp}-{stamp} {}", AT + 40_000)
    }

    impl Transport for Fake {
        fn run(&mut self, script: &Script, _: &mut dyn FnMut(&str)) -> Result<Output, TransportError> {
            if script.text.contains("/query /source") {
                let lost = TransportError::Lost { to: "w1".to_owned(), cause: "closed".to_owned() };
                self.rounds = self.rounds.checked_sub(1).ok_or(lost)?;
            }
            let mark = script.text.split_whitespace().nth(1).unwrap().to_owned();
            let mut stdout = String::new();
            for index in 0.. {
                let Some((_, rest)) = script.text.split_once(&format!("echo {mark} {index}&")) else { break };
                let (line, _) = rest.split_once(&format!("&call echo {mark} {index} ")).unwrap();
                let answer = (self.answer)(line);
                stdout.push_str(&format!("{mark} {index}\n{answer}{mark} {index} 0\n"));
            }
            Ok(Output { stdout, ..Output::default() })
        }
    }

    /// Nobody listens at its port: the connection of the test is the only one.
    fn windows(rounds: usize) -> Watched {
        following("10.10.10.1", Fake { rounds, answer })
    }

    fn following(source: &str, fake: Fake) -> Watched {
        let text = format!(
            "hosts: {{ w1: {{ address: 127.0.0.1, role: master, upstream: [{source}], \
             winrm: {{ user: a, password: {{ env: FLEETCLOCK_NO_SUCH }}, scheme: http, port: 1 }} }} }}"
        );
        let spec = sample::fleet(&text).remove(0);
        Watched { spec, known: None, transport: Some(Box::new(fake)) }
    }

    #[test]
    fn a_windows_host_is_judged_by_the_machine_that_it_follows_and_not_by_its_name() {
        let turn = |answer: fn(&str) -> String| {
            let mut host = following("ntp1.lab", Fake { rounds: 1, answer });
            host.spec.limits.max_error = Duration::from_millis(100);
            let report = host.turn(&sample::context(None));
            let selected: Vec<_> = report.sources.iter().filter(|source| source.selected).collect();
            let [one] = selected[..] else { panic!("{:?}", report.sources) };
            let followed = (one.address.clone(), one.ip.clone().unwrap_or_default());
            (report.executions, followed, report.error.map(|error| error.message))
        };
        let at = |ip: &str| ("ntp1.lab".to_owned(), ip.to_owned());
        let wrong = turn(|line| renamed(line, &answered(300)));
        let text = "error bound 302.0 ms to `ntp1.lab` is above the limit of 100.0 ms";
        assert_eq!(wrong, (2, at("10.10.10.1"), Some(text.to_owned())));
        let silent = turn(|line| renamed(line, "- 134396928000000000 error 10060"));
        let text = "the selected source `ntp1.lab` answered our probe with: timeout";
        assert_eq!(silent, (2, at("10.10.10.1"), Some(text.to_owned())));
        assert_eq!(turn(|line| renamed(line, &answered(0))), (2, at("10.10.10.1"), None));
        // Where the name leads there, nothing more is asked.
        let same = turn(|line| renamed(line, "").replace("10.10.10.77", "10.10.10.1"));
        assert_eq!(same, (1, at("10.10.10.1"), None));
    }

    #[test]
    fn a_windows_host_is_measured_in_each_round_over_one_connection() {
        let mut host = windows(2);
        for _ in 0..2 {
            let report = host.turn(&sample::context(None));
            assert_eq!((report.status, report.error), (Status::Unchanged, None));
            assert_eq!((report.sources[0].offset_s, report.sources[0].selected), (Some(0.001_234_5), true));
            assert_eq!(report.provider.as_deref(), Some("w32time"));
            assert!(host.transport.is_some());
        }
        // The third finds the connection lost, and nobody to open a new one to.
        let report = host.turn(&sample::context(None));
        assert_eq!((report.status, host.transport.is_none()), (Status::Unreachable, true));
        assert!(report.error.unwrap().message.starts_with("connect 127.0.0.1:1: "));
    }

    #[test]
    fn a_windows_host_outside_its_limits_keeps_its_connection() {
        let mut host = windows(1);
        host.spec.limits.max_error = Duration::from_millis(1);
        let report = host.turn(&sample::context(None));
        assert_eq!((report.status, host.transport.is_some()), (Status::OutOfLimits, true));
        assert_eq!(report.error.unwrap().message, "error bound 75.7 ms to `10.10.10.1` is above the limit of 1.0 ms");
    }
}
