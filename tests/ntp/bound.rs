//! The error bound against the truth: servers whose offset is known, with delays, jitter, asymmetry,
//! loss and clocks of every grain, on loopback. `cargo test --test ntp -- --ignored --nocapture`
//! makes the 10,000 trials of `docs/accuracy.md`.
#![expect(clippy::print_stdout, reason = "the numbers are the result")]

use std::time::Duration;

use fleetclock::ntp::remote;
use fleetclock::ntp::report::SourceReport;
use fleetclock::ntp::wire::{Options, probe};

use crate::ASKED;
use crate::server::{Manner, RIGHT, Server};

/// Trials at the same time; most of them wait.
const LANES: usize = 64;

/// What is measured has fractions of 2^-32 s.
const ROUNDING: i64 = 2;

/// Numbers that are the same in every run (SplitMix64).
struct Seeded(u64);

impl Seeded {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    fn way(&mut self) -> Duration {
        // A LAN, a building, a country; now and then a queue.
        let most = [200, 3_000, 20_000, 60_000][self.next(4) as usize];
        Duration::from_micros(self.next(most))
    }

    fn manner(&mut self) -> Manner {
        let offset = match self.next(4) {
            0 => 0,
            1 => self.next(2_000_000) as i64 - 1_000_000,
            2 => self.next(2_000_000_000) as i64 - 1_000_000_000,
            _ => (self.next(200_000) as i64 - 100_000) * 1_000_000_000,
        };
        // Clocks of a nanosecond, a microsecond, a millisecond, 10 ms and Windows' 1/64 s.
        let grain = [1, 1_000, 1_000_000, 10_000_000, 15_625_000][self.next(5) as usize];
        let precision = (grain as f64 / 1e9).log2().round() as i8;
        let (delay_there, delay_back) = (self.way(), self.way());
        let every = 1 + self.next(2) as usize;
        Manner { offset, grain, precision, delay_there, delay_back, every, ..RIGHT }
    }
}

/// What trials came to.
#[derive(Default)]
struct Count {
    answered: usize,
    silent: usize,
    outside: Vec<String>,
    /// How much of the bound the error has used up, in hundredths, at the most.
    fullest: i64,
}

impl Count {
    fn add(&mut self, manner: &Manner, report: &SourceReport) {
        let (Some(offset), Some(bound)) = (report.offset_ns, report.error_bound_ns) else {
            self.silent += 1;
            return;
        };
        self.answered += 1;
        let (wrong, room) = ((offset - manner.offset).abs(), bound - offset.abs() + ROUNDING);
        self.fullest = self.fullest.max(wrong * 100 / room.max(1));
        if wrong > room || manner.offset.abs() > bound {
            self.outside.push(format!("{manner:?} {report:?}"));
        }
    }

    fn join(mut self, other: Count) -> Count {
        self.answered += other.answered;
        self.silent += other.silent;
        self.outside.extend(other.outside);
        self.fullest = self.fullest.max(other.fullest);
        self
    }
}

fn local(server: &Server) -> SourceReport {
    // The pause is for servers that limit the rate; these do not.
    let headway = Duration::from_millis(150);
    let options = Options { headway, timeout: headway, ..Options::default() };
    probe(&server.address.to_string(), options).remove(0)
}

fn on_host(kind: &str, server: &Server) -> SourceReport {
    let (functions, to) = (remote::functions(), server.address);
    let script = format!("{functions}\nFC_ASKED={ASKED}\nfc_kind={kind}\nfc_probe 1 2 500 {} any {to}\n", i64::MAX);
    #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
    let output = std::process::Command::new("dash").arg("-c").arg(script).output().unwrap();
    remote::parse(&String::from_utf8(output.stdout).unwrap()).remove(0)
}

/// Runs trials in lanes; each trial is a server of its own. The root dispersion of the servers is
/// none here, for it would cover every error.
fn trials(count: usize, lanes: usize, ask: impl Fn(&Server) -> SourceReport + Sync) -> Count {
    let ask = &ask;
    let lane = |lane: usize| {
        let mut seeded = Seeded(lane as u64);
        let mut result = Count::default();
        for _ in 0..count.div_ceil(lanes) {
            let manner = Manner { root: 0, ..seeded.manner() };
            result.add(&manner, &ask(&Server::start(manner)));
        }
        result
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..lanes).map(|number| scope.spawn(move || lane(number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).fold(Count::default(), Count::join)
    })
}

fn judge(name: &str, count: &Count) {
    println!(
        "| {name} | {} | {} | {} | {} % | {} |",
        count.answered + count.silent,
        count.answered,
        count.outside.len(),
        count.fullest,
        count.silent
    );
    assert!(count.outside.is_empty(), "{name}: {}", count.outside.join("\n"));
    assert!(count.answered > count.silent * 9, "{name}: {} silent", count.silent);
}

#[test]
fn the_truth_is_inside_the_bound() {
    judge("fleetclock probe", &trials(640, LANES, local));
    judge("the same on a host", &trials(16, 16, |server| on_host("static", server)));
    judge("the same in bash", &trials(16, 16, |server| on_host("bash", server)));
}

#[test]
#[ignore = "takes minutes"]
fn the_truth_is_inside_the_bound_ten_thousand_times() {
    println!("| probe | trials | answered | outside the bound | most of the bound that an error used | no answer |");
    println!("| --- | --: | --: | --: | --: | --: |");
    judge("fleetclock probe", &trials(9_024, LANES, local));
    judge("the same on a host", &trials(512, 16, |server| on_host("static", server)));
    judge("the same in bash", &trials(512, 16, |server| on_host("bash", server)));
}
