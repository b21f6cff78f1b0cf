//! One table of cases for the three implementations of the probe: this machine's, the static
//! program under dash and busybox, and the bash fallback.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "ntp/server.rs"]
mod server;

use std::time::{Duration, Instant};

use fleetclock::ntp::remote;
use fleetclock::ntp::report::SourceReport;
use fleetclock::ntp::wire::{Options, probe};
use server::{Manner, RIGHT, Server, Trick};

const SECOND: i64 = 1_000_000_000;

/// Implementation, and how far its offset may be from the truth on loopback, nanoseconds. The
/// fallback takes its times around two processes.
const PROBES: &[(&str, i64)] = &[("local", 3_000_000), ("static", 3_000_000), ("bash", 60_000_000)];

fn ask(kind: &str, target: &str) -> SourceReport {
    match kind {
        "local" => {
            let options = Options { samples: 3, timeout: Duration::from_millis(300), source_port: 0 };
            probe(target, options).remove(0)
        }
        _ => remote::parse(&on_host(kind, "dash", target)).remove(0),
    }
}

/// Runs the text that hosts are sent, in a shell of this machine.
fn on_host(kind: &str, shell: &str, target: &str) -> String {
    let script = format!(
        "{}\nfc_kind={kind}\nfc_probe 3 300 {} any {target}\necho folder $fc_dir\n",
        remote::functions(),
        i64::MAX
    );
    #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
    let output = std::process::Command::new(shell).arg("-c").arg(script).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Asks with each implementation and hands the answer to `check`.
fn each(manner: Manner, check: impl Fn(&SourceReport, i64)) {
    for (kind, tolerance) in PROBES {
        let server = Server::start(manner);
        let report = ask(kind, &server.address.to_string());
        assert_eq!(&report.probe, kind, "{report:?}");
        check(&report, *tolerance);
    }
}

fn offset_is(manner: Manner, wanted: i64) {
    each(manner, |report, tolerance| {
        let offset = report.offset_ns.unwrap();
        assert_eq!(report.outcome, "ok", "{report:?}");
        assert!((offset - wanted).abs() < tolerance, "{report:?}");
        // The truth is that this machine is right: the bound must hold the whole offset.
        assert!(report.error_bound_ns.unwrap() >= offset.abs(), "{report:?}");
        assert_eq!((report.root_delay_ns, report.root_dispersion_ns), (Some(SECOND / 64), Some(SECOND / 128)));
    });
}

#[test]
fn offsets_small_large_and_of_other_eras() {
    let years = |n: i64| n * 365 * 86_400 * SECOND;
    for offset in [0, 23 * SECOND, -23 * SECOND, 20 * 3600 * SECOND, years(15), years(-15)] {
        offset_is(Manner { offset, ..RIGHT }, offset);
    }
}

#[test]
fn a_one_sided_delay_shifts_the_offset_by_half_and_stays_within_the_bound() {
    let delay_there = Duration::from_millis(40);
    each(Manner { delay_there, ..RIGHT }, |report, tolerance| {
        let (offset, delay) = (report.offset_ns.unwrap(), report.delay_ns.unwrap());
        assert!((offset - 20_000_000).abs() < tolerance && delay > 39_000_000, "{report:?}");
        // The true offset is zero: it lies within the measured one plus or minus half the delay.
        assert!(offset - delay / 2 <= 1_000_000, "{report:?}");
    });
}

#[test]
fn forged_short_and_random_packets_are_ignored() {
    for trick in [Trick::Forged, Trick::Short, Trick::Garbage] {
        for (kind, tolerance) in PROBES.iter().filter(|(kind, _)| *kind != "bash") {
            let server = Server::start(Manner { trick, ..RIGHT });
            let report = ask(kind, &server.address.to_string());
            assert!(report.outcome == "ok" && report.offset_ns.unwrap().abs() < *tolerance, "{trick:?} {report:?}");
            assert!(report.ignored.unwrap() > 0, "{trick:?} {report:?}");
        }
    }
}

#[test]
fn a_forged_answer_alone_is_no_answer() {
    each(Manner { trick: Trick::ForgedOnly, ..RIGHT }, |report, _| {
        assert_eq!((report.outcome.as_str(), report.received), ("timeout", Some(0)), "{report:?}");
    });
}

#[test]
fn loss_is_survived_and_silence_is_given_up_early() {
    each(Manner { every: 2, ..RIGHT }, |report, _| assert_eq!(report.outcome, "ok", "{report:?}"));
    each(Manner { trick: Trick::Silence, ..RIGHT }, |report, _| {
        assert_eq!((report.outcome.as_str(), report.sent), ("timeout", Some(2)), "{report:?}");
    });
    let started = Instant::now();
    let server = Server::start(Manner { trick: Trick::Silence, ..RIGHT });
    ask("local", &server.address.to_string());
    assert!(started.elapsed() < Duration::from_millis(900));
}

#[test]
fn a_kiss_is_named_and_ends_the_questions() {
    for code in ["RATE", "DENY"] {
        let reference = code.as_bytes().try_into().unwrap();
        each(Manner { stratum: 0, reference, ..RIGHT }, |report, _| {
            assert_eq!(
                (report.outcome.as_str(), report.kiss.as_deref(), report.sent),
                ("kiss", Some(code), Some(1)),
                "{report:?}"
            );
        });
    }
}

#[test]
fn a_clock_that_is_not_set_is_no_source() {
    let nothing = [0; 4];
    for manner in [
        Manner { leap: 3, ..RIGHT },
        Manner { stratum: 16, ..RIGHT },
        Manner { stratum: 0, leap: 3, reference: nothing, ..RIGHT },
    ] {
        each(manner, |report, _| assert_eq!(report.outcome, "unsynchronised", "{report:?}"));
    }
}

#[test]
fn a_closed_port_and_an_unknown_name_are_told_apart() {
    for (kind, _) in PROBES {
        let closed = { Server::start(RIGHT).address };
        server::rest(Duration::from_millis(150));
        let report = ask(kind, &closed.to_string());
        assert!(["refused", "timeout"].contains(&report.outcome.as_str()), "{kind} {report:?}");
        assert_eq!(ask(kind, "no-such-host.invalid").outcome, "unresolved", "{kind}");
    }
}

#[test]
fn every_shell_runs_it_and_nothing_is_left_behind() {
    let server = Server::start(RIGHT);
    for shell in ["dash", "bash"] {
        for kind in ["static", "bash"] {
            let printed = on_host(kind, shell, &server.address.to_string());
            assert_eq!(remote::parse(&printed)[0].outcome, "ok", "{shell} {kind}: {printed}");
        }
    }
    let printed = on_host("static", "dash", &server.address.to_string());
    let folder = printed.lines().find_map(|line| line.strip_prefix("folder ")).unwrap();
    assert!(folder.starts_with("/dev/shm/fleetclock.") && !std::path::Path::new(folder).exists(), "{folder}");
}
