//! The same reports in the language of their reader: aligned, within the terminal, and for programs in English.

use fleetclock::lang::{Lang, speaking};
use fleetclock::model::{FleetReport, Outcome, SourceReport, Status, Verb};
use fleetclock::report::console::plain;
use fleetclock::report::formats;
use fleetclock::report::text::{Options, report};
use unicode_width::UnicodeWidthStr as _;

use crate::build::{daemon, delta, error, failed, finding, fleet, host, source};

/// A run in which something of everything is said.
fn run(command: Verb) -> FleetReport {
    let mut server1 = host("server1", Status::Drifted);
    server1.deltas =
        vec![delta("service chrony", "running", Some("no"), None), delta("package", "version", None, None)];
    server1.findings = vec![finding()];
    let mut server2 = host("서버2", Status::OutOfLimits);
    let silent = SourceReport { outcome: Outcome::Timeout, within: Some(false), ..source("10.10.10.9") };
    server2.sources = vec![source("10.10.10.1"), silent];
    server2.daemon = Some(daemon(true));
    server2.error = Some(error("error bound 1253.0 ms to `10.10.10.1` is above the limit of 100.0 ms", None));
    let hint = "see what answers at this address and port; `timeout` is the limit";
    let lost = ["web1", "web2"].map(|name| {
        let to = name.replace("web", "10.10.10.");
        failed(name, Status::Unreachable, &format!("connect {to}:22: timed out after 10s"), Some(hint))
    });
    fleet(command, [vec![server1, server2], lost.to_vec()].concat())
}

fn korean<T>(something: impl FnOnce() -> T) -> T {
    speaking(Lang::of("ko").unwrap(), something)
}

#[test]
fn a_verified_fleet_in_korean() {
    let run = run(Verb::Verify);
    let text = korean(|| plain(&report(&run, Options::of(Verb::Verify))));
    for line in [
        "시간 소스             reach  stratum",
        "실패: 시간 초과",
        "web1, web2 | 연결 불가: 10.10.10.1:22 연결 실패: 10s 안에 응답이 없습니다 (같은 호스트 1대 더)",
        "           | 힌트: 이 주소와 포트에서 무엇이 응답하는지 보십시오. 제한 시간은 `timeout`입니다",
        "서버2      | 한도 초과: `10.10.10.1`에 대한 오차 한계 1253.0 ms이(가) 한도 100.0 ms을(를) 넘습니다",
        "호스트 4대: 어긋남 1, 정상 0, 한도 초과 1, 연결 불가 2 (2.1 s)",
    ] {
        assert!(text.lines().any(|shown| shown.contains(line)), "{line}\n{text}");
    }
}

#[test]
fn eighty_columns_are_enough_and_columns_stand_below_one_another() {
    for command in [Verb::Verify, Verb::Check, Verb::Plan, Verb::Doctor] {
        let run = run(command);
        let options = Options { columns: Some(80), ..Options::of(command) };
        let text = korean(|| plain(&report(&run, options)));
        let wide: Vec<&str> = text.lines().filter(|line| line.width() > 80).collect();
        assert!(wide.is_empty(), "{wide:?}");
        if command == Verb::Verify {
            let place = |line: &str, word: &str| line.split_once(word).map(|(before, _)| before.width());
            let mut rows = text.lines().filter(|line| line.contains("판정") || line.contains("10.10.10.9"));
            let (head, row) = (rows.next().unwrap(), rows.next().unwrap());
            assert_eq!(place(head, "판정"), place(row, "실패"), "{text}");
        }
    }
}

#[test]
fn what_programs_read_is_english_and_what_people_read_is_not() {
    let run = run(Verb::Doctor);
    let written = |format: &dyn formats::Format| {
        let mut text = Vec::new();
        formats::write(format, &run, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    for format in formats::ALL {
        let (english, other) = (written(*format), korean(|| written(*format)));
        let for_people = ["html", "markdown"].contains(&format.name());
        assert_eq!(english != other, for_people, "{}", format.name());
        assert_eq!(format.is_for_people(), for_people);
    }
    let page = korean(|| written(formats::find("html").unwrap()));
    assert!(page.contains("<html lang=\"ko\">") && page.contains("서버의 방화벽이 닫혀 있음"), "{page}");
}
