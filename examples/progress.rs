//! Plays a run without hosts, so that the live line and the reports can be looked at and worked
//! on alone: `cargo run --example progress [plan|apply|verify] [HOSTS]`.

use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use fleetclock::model::event::{Event, Phase};
use fleetclock::model::{
    DaemonReport, Delta, ErrorReport, FleetReport, HostReport, Outcome, Prober, Role, SCHEMA, SourceReport, Status,
    Summary, Verb,
};
use fleetclock::report::console::{self, Verbosity};
use fleetclock::report::text::Options;

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let command: Verb = words.next().map_or(Ok(Verb::Plan), |word| word.parse())?;
    let number = words.next().and_then(|word| word.parse().ok()).unwrap_or(40);
    let started = Instant::now();
    let hosts: Vec<HostReport> = (1..=number).map(|index| host(index, command)).collect();
    play(&hosts);
    let report = FleetReport {
        schema: SCHEMA,
        command,
        started: "2026-01-01T00:00:00Z".to_owned(),
        seconds: started.elapsed().as_secs_f64(),
        exit_code: 0,
        conditions: Vec::new(),
        summary: Summary::of(&hosts),
        notes: Vec::new(),
        waves: Vec::new(),
        spread: None,
        inventory: None,
        shard: None,
        since: None,
        hosts,
    };
    console::print_report(&report, Options::of(command))
}

/// Sends what the engine would send, some hosts at a time.
fn play(hosts: &[HostReport]) {
    let (events, receiver) = channel();
    let names: Vec<String> = hosts.iter().map(|host| host.name.clone()).collect();
    let printer = std::thread::spawn(move || console::watch(&receiver, &names, Verbosity::Normal));
    for wave in hosts.chunks(10) {
        wave.iter().for_each(|host| phase(&events, host, Phase::Facts));
        pause();
        wave.iter().for_each(|host| phase(&events, host, Phase::Apply));
        for host in wave.iter().step_by(3) {
            let text = format!("no source is selected yet ({} s left)", host.executions);
            let _ = events.send(Event::Progress { host: host.name.clone(), text });
        }
        pause();
        for host in wave {
            let _ = events.send(Event::Done(Box::new(host.clone())));
        }
    }
    drop(events);
    let _ = printer.join();
}

fn phase(events: &Sender<Event>, host: &HostReport, phase: Phase) {
    let _ = events.send(Event::Phase { host: host.name.clone(), phase });
}

#[expect(clippy::disallowed_methods, reason = "a play has its pace")]
fn pause() {
    std::thread::sleep(Duration::from_millis(400));
}

fn host(index: usize, command: Verb) -> HostReport {
    let status = match (index % 17, command) {
        (3, _) => Status::Unreachable,
        (7, Verb::Apply) => Status::FailedUndone,
        (11, Verb::Apply) => Status::FailedNotUndone,
        (13, Verb::Verify) => Status::OutOfLimits,
        (5, _) => Status::Unchanged,
        (_, Verb::Plan | Verb::Check) => Status::Drifted,
        (_, Verb::Apply) => Status::Changed,
        _ => Status::Unchanged,
    };
    let differs = !matches!(status, Status::Unreachable | Status::Unchanged) && command != Verb::Verify;
    let address = format!("10.0.{}.{}", index / 250, index % 250);
    HostReport {
        os: Some(if index.is_multiple_of(2) { "Debian GNU/Linux 12" } else { "Rocky Linux 9.5" }.to_owned()),
        provider: Some("chrony".to_owned()),
        status,
        limit_s: Some(0.1),
        deltas: if differs { deltas(index) } else { Vec::new() },
        clock: (differs && command == Verb::Plan)
            .then(|| format!("would step +{index}.2 s (measured against `server1`)")),
        sources: if status == Status::Unreachable { Vec::new() } else { sources(index, status) },
        daemon: (status != Status::Unreachable).then(daemon),
        error: error(index, status),
        executions: 3,
        seconds: 1.0,
        ..HostReport::blank(&format!("web{index:03}"), &address, Role::Slave)
    }
}

fn deltas(index: usize) -> Vec<Delta> {
    let mut config =
        Delta::new("file /etc/chrony/chrony.conf".into(), "content", Some("sha256:1".into()), Some("sha256:2".into()));
    config.diff = Some(format!(
        "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-# old\n+# web{index:03}, slave. Made by fleetclock from its inventory:\n pool 2.debian.pool.ntp.org iburst\n-makestep 1 3\n+server 10.10.10.1 iburst\n"
    ));
    let yes = |word: &str| Some(word.to_owned());
    vec![
        Delta::new("package chrony".into(), "installed", None, yes("4.3-2+deb12u1")),
        Delta::new("package systemd-timesyncd".into(), "installed", yes("252.39-1~deb12u1"), None),
        config,
        Delta::new("service chrony".into(), "enabled", yes("no"), yes("yes")),
    ]
}

fn sources(index: usize, status: Status) -> Vec<SourceReport> {
    let far = status == Status::OutOfLimits;
    let good = SourceReport {
        address: "10.10.10.1".into(),
        host: Some("server1".into()),
        reachable: true,
        outcome: Outcome::Ok,
        stratum: Some(3),
        offset_s: Some(if far { -0.3 } else { -0.000_42 * index as f64 }),
        delay_s: Some(0.000_8),
        root_dispersion_s: Some(0.003),
        error_bound_s: Some(if far { 0.304 } else { 0.003_8 }),
        selected: true,
        reach: Some(255),
        within: Some(!far),
        probe: Some(if index.is_multiple_of(9) { Prober::Bash } else { Prober::Static }),
        ..SourceReport::default()
    };
    let silent = SourceReport {
        address: "10.10.10.9".into(),
        outcome: Outcome::Timeout,
        reach: Some(0),
        within: Some(false),
        ..SourceReport::default()
    };
    vec![good, silent]
}

fn daemon() -> DaemonReport {
    DaemonReport {
        provider: "chrony".into(),
        synchronised: true,
        source: Some("10.10.10.1".into()),
        stratum: Some(4),
        ..DaemonReport::default()
    }
}

fn error(index: usize, status: Status) -> Option<ErrorReport> {
    let error = |message: String, hint: Option<&str>| Some(ErrorReport { message, hint: hint.map(str::to_owned) });
    match status {
        Status::Unreachable => error(
            format!("connect 10.0.0.{index}:22: timed out after 10 s"),
            Some("is the host up, and port 22 open from here?"),
        ),
        Status::FailedUndone => {
            error("step 2 `Write the chrony configuration`: exit 1\nInvalid directive at line 7".into(), None)
        }
        Status::FailedNotUndone => error(
            "step 4 `Run chrony`: exit 1; undo: the connection was lost".into(),
            Some("log in and run sh /var/lib/fleetclock/r1/undo"),
        ),
        Status::OutOfLimits => {
            error("error bound 304.0 ms to `10.10.10.1` is above the limit of 100.0 ms".into(), None)
        }
        _ => None,
    }
}
