//! Clocks that are watched, and what is told of them when something happens in between.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::fixture::Lab;
use crate::report::{error, host};

const TWO: &str = "
defaults:
  ssh: { user: ops, become: sudo, SSH }
hosts:
  m1: { address: 10.10.10.1, role: master, isolated: true, serve: [10.10.10.0/24] }
  s1: { address: 10.10.10.2, role: slave, follows: [m1] }
";

const HOSTS: &[&str] = &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2"];

fn clock<'a>(watched: &'a Value, name: &str) -> &'a Value {
    let clocks = watched["clocks"].as_array().unwrap();
    clocks.iter().find(|clock| clock["name"] == name).unwrap_or_else(|| panic!("no clock {name} in {watched:#}"))
}

fn documents(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn two_hosts_are_watched_and_one_whose_service_stops_in_between() {
    let lab = Lab::up("ywatch", HOSTS, TWO);
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    quiet_rounds_are_counted_over_one_connection(&lab);
    lines_and_a_table_for_people(&lab);
    a_reader_that_goes_away_ends_the_watch(&lab);
    a_service_that_stops_is_seen_and_ctrl_c_ends_the_watch(&lab);
    a_host_that_goes_away_is_unreachable(&lab);
}

/// As of `| head -1`: the next round is not waited for.
fn a_reader_that_goes_away_ends_the_watch(lab: &Lab) {
    let mut tool = lab.start(&["verify", "--watch", "--every", "50s", "--for", "60s", "--format", "json"]);
    let mut line = String::new();
    BufReader::new(tool.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let began = Instant::now();
    assert_eq!(tool.wait().unwrap().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

fn quiet_rounds_are_counted_over_one_connection(lab: &Lab) {
    let logins = "journalctl -q -u ssh | grep -c 'Accepted publickey' || true";
    let before: u32 = lab.sh("s1", logins).parse().unwrap();
    let run = lab.fleetclock(&["verify", "--watch", "--every", "1s", "--for", "3s", "--format", "json"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let all = documents(&run.stdout);
    let (watched, rounds) = all.split_last().unwrap();
    assert!((2..=3).contains(&rounds.len()), "{}", run.stdout);
    for (index, round) in rounds.iter().enumerate() {
        assert_eq!((round["round"].as_u64(), round["exit_code"].as_u64()), (Some(index as u64 + 1), Some(0)));
        let source = &host(round, "s1")["sources"][0];
        assert_eq!(source["selected"], true, "{round:#}");
        // Both have the clock of this machine.
        assert!(source["offset_s"].as_f64().unwrap().abs() < source["error_bound_s"].as_f64().unwrap());
    }
    let s1 = clock(watched, "s1");
    assert_eq!((s1["rounds"].as_u64(), s1["measured"].as_u64()), (watched["rounds"].as_u64(), s1["rounds"].as_u64()));
    let number = |name: &str| s1[name].as_f64().unwrap();
    assert!(number("offset_least_s") <= number("offset_median_s"), "{s1:#}");
    assert!(number("offset_median_s") <= number("offset_greatest_s"), "{s1:#}");
    assert!(number("error_bound_greatest_s") < number("limit_s"), "{s1:#}");
    assert_eq!(clock(watched, "m1")["offset_median_s"], Value::Null, "an isolated master measures nobody");
    let after: u32 = lab.sh("s1", logins).parse().unwrap();
    assert_eq!(after - before, 1, "one login for all rounds");
}

fn lines_and_a_table_for_people(lab: &Lab) {
    let run = lab.fleetclock(&["verify", "--watch", "--every", "1s", "--for", "1s"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].ends_with("Z  m1  follows its own clock"), "{}", run.stdout);
    assert!(lines[1].contains("Z  s1  ok: ") && lines[1].contains("from 10.10.10.1, error bound"), "{}", run.stdout);
    assert!(lines[2].starts_with("host  rounds"), "{}", run.stdout);
    assert!(run.stdout.contains("\n1 round of 2 hosts ("), "{}", run.stdout);
}

fn a_service_that_stops_is_seen_and_ctrl_c_ends_the_watch(lab: &Lab) {
    let mut tool = lab.start(&["verify", "--watch", "--every", "1s", "--format", "json"]);
    let mut lines = BufReader::new(tool.stdout.take().unwrap()).lines();
    let mut round = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(host(&round(), "s1")["status"], "unchanged");
    // A connection that the host closes in between is opened anew within the round.
    lab.sh("s1", "kill $(ps -u ops -o pid=)");
    for round in [round(), round()] {
        assert_eq!(host(&round, "s1")["status"], "unchanged", "{round:#}");
    }
    lab.sh("s1", "systemctl stop chrony");
    // The round that was going on may still have seen it.
    let stopped = (0..4).map(|_| round()).find(|round| host(round, "s1")["status"] == "out_of_limits").unwrap();
    assert!(error(&stopped, "s1").contains("chrony: "), "{stopped:#}");
    assert!(host(&stopped, "s1")["seconds"].as_f64().unwrap() < 5.0, "no deadline is waited for: {stopped:#}");
    assert_eq!((host(&stopped, "m1")["status"].as_str(), stopped["exit_code"].as_u64()), (Some("unchanged"), Some(5)));
    lab.sh("s1", "systemctl start chrony");
    lab.signal(&tool, Signal::SIGINT);
    let watched = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()).last().unwrap();
    assert!(clock(&watched, "s1")["out_of_limits"].as_u64().unwrap() >= 1, "{watched:#}");
    assert_eq!(clock(&watched, "m1")["out_of_limits"], 0);
    let mut told = String::new();
    tool.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert_eq!(tool.wait().unwrap().code(), Some(5), "{told}");
    assert!(told.contains("stopping: no host is being changed"), "{told}");
}

fn a_host_that_goes_away_is_unreachable(lab: &Lab) {
    lab.lab("stop", "s1");
    let run = lab.fleetclock(&["verify", "--watch", "--every", "1s", "--for", "1s", "--format", "json"]);
    let all = documents(&run.stdout);
    let watched = all.last().unwrap();
    assert_eq!((run.code, watched["exit_code"].as_u64()), (4, Some(4)), "{watched:#}");
    assert_eq!(
        (clock(watched, "s1")["unreachable"].as_u64(), clock(watched, "m1")["unreachable"].as_u64()),
        (Some(1), Some(0))
    );
}
