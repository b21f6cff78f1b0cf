//! One table of cases for the three implementations of the probe: this machine's, the static
//! program under dash and busybox, and the bash fallback.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "ntp/bound.rs"]
mod bound;
#[path = "ntp/server.rs"]
mod server;

use std::time::{Duration, Instant};

use fleetclock::model::{Kiss, Outcome};
use fleetclock::ntp::remote;
use fleetclock::ntp::report::SourceReport;
use fleetclock::ntp::wire::{Options, probe};
use server::{Manner, RIGHT, Server, Trick};

/// Where the probes keep when a server was asked.
const ASKED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/asked");

const SECOND: i64 = 1_000_000_000;

/// Implementation, and how far its offset may be from the truth on loopback, nanoseconds. The
/// fallback takes its times around two processes.
const PROBES: &[(&str, i64)] = &[("local", 3_000_000), ("static", 3_000_000), ("bash", 60_000_000)];

fn ask(kind: &str, target: &str) -> SourceReport {
    match kind {
        "local" => {
            let options = Options { tries: 3, timeout: Duration::from_millis(300), ..Options::default() };
            probe(target, options).remove(0)
        }
        _ => remote::parse(&on_host(kind, "dash", target)).remove(0),
    }
}

/// Runs the text that hosts are sent, in a shell of this machine.
fn on_host(kind: &str, shell: &str, target: &str) -> String {
    let script = format!(
        "{}\nFC_ASKED={ASKED}\nfc_kind={kind}\nfc_probe 1 3 300 {} any {target}\necho folder $fc_dir\n",
        remote::functions(),
        i64::MAX
    );
    #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
    let output = std::process::Command::new(shell).arg("-c").arg(script).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Asks with each implementation, at the same time, and hands the answers to `check`.
fn each(manner: Manner, check: impl Fn(&SourceReport, i64)) {
    let reports = side_by_side(PROBES, |(kind, _)| ask(kind, &Server::start(manner).address.to_string()));
    for ((kind, tolerance), report) in PROBES.iter().zip(reports) {
        assert_eq!(report.probe.word(), *kind, "{report:?}");
        check(&report, *tolerance);
    }
}

/// The pause between two questions is long: many are asked at the same time.
fn side_by_side<T: Sync, R: Send>(all: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let ask = &ask;
    std::thread::scope(|scope| {
        let started: Vec<_> = all.iter().map(|one| scope.spawn(move || ask(one))).collect();
        started.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn offset_is(manner: Manner, wanted: i64) {
    each(manner, |report, tolerance| {
        let offset = report.offset_ns.unwrap();
        assert_eq!(report.outcome, Outcome::Ok, "{report:?}");
        // A busy machine adds to one of the ways.
        assert!((offset - wanted).abs() < tolerance + report.delay_ns.unwrap() / 2, "{report:?}");
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
        // Of what a busy machine adds to the way, half goes into the offset.
        let late = (delay - 40_000_000).max(0) / 2;
        assert!((offset - 20_000_000).abs() < tolerance + late && delay > 39_000_000, "{report:?}");
        // The true offset is zero: it lies within the measured one plus or minus half the delay.
        assert!(offset - delay / 2 <= 1_000_000, "{report:?}");
    });
}

#[test]
fn forged_short_and_random_packets_are_ignored() {
    for trick in [Trick::Forged, Trick::Short, Trick::Garbage] {
        let probes = &PROBES[..2];
        let manner = Manner { trick, ..RIGHT };
        let reports = side_by_side(probes, |(kind, _)| ask(kind, &Server::start(manner).address.to_string()));
        for ((_, tolerance), report) in probes.iter().zip(reports) {
            assert!(report.usable() && report.offset_ns.unwrap().abs() < *tolerance, "{trick:?} {report:?}");
            assert!(report.ignored.unwrap() > 0, "{trick:?} {report:?}");
        }
    }
}

#[test]
fn a_forged_answer_alone_is_no_answer() {
    each(Manner { trick: Trick::ForgedOnly, ..RIGHT }, |report, _| {
        assert_eq!((report.outcome, report.received), (Outcome::Timeout, Some(0)), "{report:?}");
    });
}

#[test]
fn loss_is_survived_and_silence_is_given_up_early() {
    each(Manner { every: 2, ..RIGHT }, |report, _| assert_eq!(report.outcome, Outcome::Ok, "{report:?}"));
    each(Manner { trick: Trick::Silence, ..RIGHT }, |report, _| {
        assert_eq!((report.outcome, report.sent), (Outcome::Timeout, Some(3)), "{report:?}");
    });
    // Two pauses of two seconds, and what the last answer may take.
    let started = Instant::now();
    let server = Server::start(Manner { trick: Trick::Silence, ..RIGHT });
    ask("local", &server.address.to_string());
    assert!((4100..5400).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
}

#[test]
fn one_good_answer_is_enough() {
    each(RIGHT, |report, _| assert_eq!((report.sent, report.received), (Some(1), Some(1)), "{report:?}"));
}

#[test]
fn a_kiss_is_named_and_ends_the_questions_and_its_times_are_no_offset() {
    for code in ["RATE", "DENY", "RSTR", "X1ab"] {
        let reference = code.as_bytes().try_into().unwrap();
        each(Manner { stratum: 0, leap: 3, reference, ..RIGHT }, |report, _| {
            let seen = (report.outcome, report.kiss, report.sent, report.offset_ns);
            assert_eq!(seen, (Outcome::Kiss(None), Some(Kiss::of(code)), Some(1), None), "{report:?}");
            assert_eq!((report.stratum, report.error_bound_ns), (Some(0), None), "{report:?}");
        });
    }
}

#[test]
fn a_clock_that_is_not_set_is_no_source_and_no_refusal() {
    let of_zero = |code: &[u8; 4]| Manner { stratum: 0, leap: 3, reference: *code, ..RIGHT };
    let codes = [b"INIT", b"STEP", b"ACST", b"TIME", b"LOCL", b"rate", b"\0\0\0\0", b"\x7f\0\0\x01"];
    let manners: Vec<Manner> = codes.map(of_zero).into_iter().chain([Manner { stratum: 0, ..RIGHT }]).collect();
    for kind in ["local", "bash"] {
        let asked = |manner: &Manner| ask(kind, &Server::start(*manner).address.to_string());
        for report in side_by_side(&manners, asked) {
            let seen = (report.outcome, report.kiss, report.sent, report.offset_ns);
            assert_eq!(seen, (Outcome::Unsynchronised, None, Some(2), None), "{report:?}");
        }
    }
    for manner in [Manner { leap: 3, ..RIGHT }, Manner { stratum: 16, ..RIGHT }, of_zero(b"STEP")] {
        each(manner, |report, _| assert_eq!(report.outcome, Outcome::Unsynchronised, "{report:?}"));
    }
}

/// 10 ms in a step: the measured offset may be that much beside the true one.
#[test]
fn a_coarse_clock_is_inside_the_bound_that_its_precision_makes() {
    let grain = 10_000_000;
    each(Manner { offset: 5_000_000, grain, precision: -7, ..RIGHT }, |report, _| {
        let (offset, bound) = (report.offset_ns.unwrap(), report.error_bound_ns.unwrap());
        assert!((offset - 5_000_000).abs() <= bound - offset.abs() && bound > grain, "{report:?}");
        assert!(report.dispersion_ns.unwrap() > grain, "{report:?}");
    });
}

#[test]
fn a_clock_that_is_68_years_off_is_never_right() {
    for offset in [1 << 31, -(1 << 31)] {
        for _ in 0..4 {
            let far = Manner { offset: offset * SECOND, delay_there: Duration::from_millis(3), ..RIGHT };
            each(far, |report, _| assert!(report.error_bound_ns.unwrap() > (1 << 30) * SECOND, "{report:?}"));
        }
    }
}

/// As six times `verify`, one after the other.
#[test]
fn a_server_that_limits_the_rate_never_has_to_say_so() {
    side_by_side(&["static", "bash"], |kind| {
        let server = Server::start(Manner { trick: Trick::Limited, ..RIGHT });
        for turn in 0..6 {
            let report = ask(kind, &server.address.to_string());
            assert_eq!((report.outcome, report.sent), (Outcome::Ok, Some(1)), "{kind} {turn} {report:?}");
        }
    });
}

#[test]
fn one_that_was_asked_too_often_is_left_in_peace() {
    let server = Server::start(Manner { stratum: 0, leap: 3, reference: *b"RATE", ..RIGHT });
    let sent = [0, 1].map(|_| ask("static", &server.address.to_string())).map(|report| {
        assert_eq!((report.outcome, report.kiss), (Outcome::Kiss(None), Some(Kiss::Rate)), "{report:?}");
        report.sent
    });
    assert_eq!(sent, [Some(1), Some(0)]);
}

#[test]
fn a_good_answer_counts_though_a_kiss_follows() {
    let server = Server::start(Manner { trick: Trick::GoodThenRate, ..RIGHT });
    let options = Options { samples: 3, headway: Duration::from_millis(20), ..Options::default() };
    let report = probe(&server.address.to_string(), options).remove(0);
    let seen = (report.outcome, report.sent, report.received, report.limits_rate());
    assert_eq!(seen, (Outcome::Ok, Some(2), Some(2), true), "{report:?}");
    assert!(report.offset_ns.unwrap().abs() < 3_000_000 && report.stratum == Some(2), "{report:?}");
}

#[test]
fn sources_are_asked_side_by_side() {
    let silent = [0, 1, 2].map(|_| Server::start(Manner { trick: Trick::Silence, ..RIGHT }));
    let good = Server::start(RIGHT);
    let all = [&silent[0], &silent[1], &good, &silent[2]].map(|server| server.address.to_string());
    let started = Instant::now();
    let reports = remote::parse(&on_host("static", "dash", &all.join(" ")));
    let outcomes: Vec<Outcome> = reports.iter().map(|report| report.outcome).collect();
    assert_eq!(outcomes, [Outcome::Timeout, Outcome::Timeout, Outcome::Ok, Outcome::Timeout]);
    assert_eq!(reports[2].source, all[2]);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn a_closed_port_and_an_unknown_name_are_told_apart() {
    for (kind, _) in PROBES {
        let closed = { Server::start(RIGHT).address };
        server::rest(Duration::from_millis(150));
        let report = ask(kind, &closed.to_string());
        assert!([Outcome::Refused, Outcome::Timeout].contains(&report.outcome), "{kind} {report:?}");
        assert_eq!(ask(kind, "no-such-host.invalid").outcome, Outcome::Unresolved, "{kind}");
    }
}

#[test]
fn every_shell_runs_it_and_nothing_is_left_behind() {
    let server = Server::start(RIGHT);
    for shell in ["dash", "bash"] {
        for kind in ["static", "bash"] {
            let printed = on_host(kind, shell, &server.address.to_string());
            assert_eq!(remote::parse(&printed)[0].outcome, Outcome::Ok, "{shell} {kind}: {printed}");
        }
    }
    let printed = on_host("static", "dash", &Server::start(RIGHT).address.to_string());
    let folder = printed.lines().find_map(|line| line.strip_prefix("folder ")).unwrap();
    assert!(folder.starts_with("/dev/shm/fleetclock.") && !std::path::Path::new(folder).exists(), "{folder}");
}
