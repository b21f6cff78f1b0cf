//! The page in a real browser: sorted, filtered, unfolded, read by keyboard and by a judge of accessibility, on a
//! screen, on a telephone and on paper. The pictures are left in `target/tmp/html` to be looked at.

use std::path::PathBuf;
use std::time::Instant;

use fleetclock::model::{Finding, FleetReport, Followed, HostReport, Outcome, Role, Status, Verb, Wave};
use serde_json::json;

use crate::build::{content, daemon, delta, error, finding, fleet, followed, host, source};
use crate::chromium::Browser;
use crate::html::{EVIL, page, talk};

fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("html");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn written(name: &str, page: &str) -> PathBuf {
    let path = folder().join(format!("{name}.html"));
    std::fs::write(&path, page).unwrap();
    path
}

/// A host that follows masters; the offset and the doubt are milliseconds.
fn follower(name: &str, masters: &[&str], offset: f64, doubt: f64) -> HostReport {
    let mut host = host(name, Status::Unchanged);
    host.tier = 1;
    host.follows = masters.iter().map(|master| followed(master)).collect();
    host.sources = masters.iter().map(|master| measured(master, offset, doubt)).collect();
    host.sources.iter_mut().skip(1).for_each(|source| source.selected = false);
    host.daemon = Some(daemon(true));
    host
}

fn measured(master: &str, offset: f64, doubt: f64) -> fleetclock::model::SourceReport {
    let mut seen = source("10.10.10.1");
    (seen.host, seen.offset_s) = (Some(master.to_owned()), Some(offset / 1e3));
    seen.error_bound_s = Some((offset.abs() + doubt) / 1e3);
    seen.within = Some(offset.abs() + doubt <= 100.0);
    seen
}

fn lost(mut host: HostReport, number: usize) -> HostReport {
    for source in host.sources.iter_mut().skip(number).take(1) {
        (source.reachable, source.selected, source.outcome) = (false, false, Outcome::Timeout);
        (source.offset_s, source.error_bound_s, source.within) = (None, None, Some(false));
    }
    host
}

const DIFF: &str = "@@ -1,4 +1,5 @@\n # Time of this host\n-server 192.0.2.7 iburst\n+server 10.10.10.1 iburst prefer\n+server 10.10.10.2 iburst\n driftfile /var/lib/chrony/drift\n makestep 1 3\n";

fn drifted(mut host: HostReport) -> HostReport {
    host.status = Status::Drifted;
    host.deltas = vec![
        content("/etc/chrony/chrony.conf", Some("sha256:89ab"), DIFF),
        delta("service chrony", "running", Some("no"), Some("yes")),
    ];
    host.clock = Some("steps by -1.20 s".to_owned());
    host
}

/// A small fleet to which many things have happened.
fn story() -> FleetReport {
    let mut masters = ["ntp1", "ntp2"].map(|name| follower(name, &[], 0.0, 0.0));
    for (index, master) in masters.iter_mut().enumerate() {
        (master.role, master.tier, master.address) = (Role::Master, 0, format!("10.10.10.{}", index + 1));
        let outside = "time.bora.net".to_owned();
        master.follows = vec![Followed { address: outside.clone(), host: None }];
        let mut seen = measured("x", 0.31, 4.2 + index as f64);
        (seen.host, seen.address) = (None, outside);
        master.sources = vec![seen];
    }
    let both = ["ntp1", "ntp2"];
    let mut far = follower("db2", &both, -131.0, 3.0);
    (far.status, far.error) =
        (Status::OutOfLimits, Some(error("the error bound 134 ms is above the limit 100 ms", None)));
    let mut gone = host("서버-마스터-07", Status::Unreachable);
    (gone.tier, gone.follows, gone.address) = (1, vec![followed("ntp1"), followed("ntp2")], "10.10.20.7".to_owned());
    gone.error =
        Some(error("connect 10.10.20.7:22: timed out", Some("is the host up, and may this machine reach it?")));
    let mut closed = lost(follower("web2", &both, 0.5, 2.5), 1);
    closed.findings = vec![Finding { on: "ntp2".to_owned(), affects: vec!["web2".to_owned()], ..finding() }];
    let mut hosts = masters.to_vec();
    hosts.extend([
        follower("web1", &both, -0.42, 2.4),
        closed,
        drifted(follower("web3", &both, 61.0, 12.0)),
        drifted(follower("web4", &both, 12.0, 5.0)),
        follower("db1", &both, 3.1, 21.0),
        far,
        gone,
    ]);
    for (index, host) in hosts.iter_mut().enumerate().skip(2) {
        host.address = format!("10.10.20.{}", index + 1);
    }
    let mut report = fleet(Verb::Verify, hosts);
    report.waves = vec![Wave { why: "masters first".to_owned(), hosts: vec!["ntp1".to_owned()] }];
    report.conditions = fleetclock::model::Condition::holding(report.hosts.iter().map(|host| host.status));
    report.exit_code = 5;
    report
}

/// A large one: five sites with two masters each.
fn large(number: usize) -> FleetReport {
    let master = |index: usize| {
        let mut host = follower(&format!("ntp{index:02}"), &[], 0.1, 3.0);
        (host.role, host.tier) = (Role::Master, 0);
        host.follows = vec![Followed { address: "time.bora.net".to_owned(), host: None }];
        host
    };
    let mut hosts: Vec<HostReport> = (1..=10).map(master).collect();
    hosts.extend((0..number).map(|index| {
        let site = index % 5;
        let names = [format!("ntp{:02}", site * 2 + 1), format!("ntp{:02}", site * 2 + 2)];
        let (name, offset) = (format!("site{site}-web{index:05}"), (index % 97) as f64 / 3.0 - 15.0);
        let host = follower(&name, &[&names[0], &names[1]], offset, 2.0 + (index % 7) as f64);
        match index % 50 {
            7 => drifted(host),
            11 => lost(host, 1),
            _ => host,
        }
    }));
    fleet(Verb::Verify, hosts)
}

const ROWS: &str =
    "[...document.querySelectorAll('#table tbody tr:not([hidden]) th a')].map((a) => a.textContent).join(' ')";

#[test]
#[ignore = "starts a browser; ./test --slow does it"]
fn it_sorts_filters_and_unfolds() {
    let mut browser = Browser::start();
    browser.shown(1280, "screen", "light");
    browser.open(&written("story", &page(&story())));
    assert_eq!(browser.say("document.fonts.size + document.scripts.length"), json!(1));
    // By the mouse, twice.
    let head = |number: usize| format!("document.querySelector('#table thead th:nth-child({number}) button')");
    browser.say(&format!("{}.click()", head(8)));
    let sorted = browser.say(ROWS);
    assert_eq!(sorted, "db2 web3 db1 web4 ntp2 ntp1 web2 web1 서버-마스터-07");
    assert_eq!(browser.say("document.querySelector('[aria-sort=descending]').textContent"), "Error bound");
    browser.say(&format!("{}.click()", head(8)));
    assert_eq!(browser.say(ROWS), "web1 web2 ntp1 ntp2 web4 db1 web3 db2 서버-마스터-07");
    // By the keyboard: what is not known stays at the end, the worst ending comes first.
    browser.say(&format!("{}.focus()", head(2)));
    browser.press("Enter", 13, "\r");
    assert_eq!(browser.say("document.querySelectorAll('[aria-sort=ascending]').length"), json!(1));
    assert!(browser.say(ROWS).as_str().unwrap().starts_with("서버-마스터-07 db2 web3 web4"));
    // Words and buttons.
    browser.say("document.getElementById('find').focus()");
    browser.write("web 10.10.20");
    assert_eq!(browser.say("document.getElementById('shown').textContent"), "4 of 9 hosts");
    browser.say("document.querySelector('.chip[data-word=drifted]').click()");
    assert_eq!(browser.say(ROWS), "web3 web4");
    browser.write("no such host");
    assert_eq!(browser.say("document.getElementById('none').hidden"), json!(false));
    browser.say("document.getElementById('all').click()");
    assert_eq!(browser.say("document.getElementById('shown').textContent"), "9 of 9 hosts");
    // What is folded has no height until it is unfolded.
    let diff = "document.querySelector('.diff').checkVisibility()";
    assert_eq!(browser.say(diff), json!(false));
    browser.say("document.querySelector('#changes details summary').focus()");
    browser.press("Enter", 13, "\r");
    assert_eq!(browser.say(diff), json!(true));
    browser.say("document.querySelector('#each .fold').click()");
    assert_eq!(browser.say("document.querySelectorAll('#each > details:not([open])').length"), json!(0));
    browser.say("document.querySelector('#each .fold').click()");
    // A box of the picture leads to its host.
    browser.say("document.querySelector('svg.topology a[href=\"#h7\"]').dispatchEvent(new MouseEvent('click', { bubbles: true }))");
    browser.say("new Promise((done) => setTimeout(done, 100))");
    assert_eq!(browser.say("document.querySelector('#each > details[open] b').textContent"), "db2");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[test]
#[ignore = "starts a browser; ./test --slow does it"]
fn it_is_readable_on_screens_and_on_paper() {
    let mut browser = Browser::start();
    let file = written("story", &page(&story()));
    for (name, width, media, scheme) in [
        ("light", 1280, "screen", "light"),
        ("dark", 1280, "screen", "dark"),
        ("phone", 390, "screen", "light"),
        ("print", 800, "print", "dark"),
    ] {
        browser.shown(width, media, scheme);
        browser.open(&file);
        if media == "screen" {
            assert_eq!(
                browser.say("document.querySelectorAll('.link.broken').length"),
                json!(2),
                "one, and the legend"
            );
        }
        browser.picture(&folder().join(format!("{name}.png")), 4200.0);
        let wide = browser.say("document.scrollingElement.scrollWidth").as_u64().unwrap();
        assert!(wide <= u64::from(width), "{name}: {wide} points are wider than {width}");
        let paper = browser.say("getComputedStyle(document.body).backgroundColor");
        assert_eq!(paper == "rgb(13, 17, 23)", name == "dark", "{name}: {paper}");
        let seen = browser.say("document.querySelector('.diff').checkVisibility({ contentVisibilityAuto: true })");
        assert_eq!(seen, json!(name == "print"), "{name}: paper cannot be unfolded");
        assert_eq!(browser.say("document.getElementById('find').checkVisibility()"), json!(name != "print"));
    }
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

/// axe-core, which `tests/setup.sh` fetches.
const JUDGE: &str = "target/npm/node_modules/axe-core/axe.min.js";

#[test]
#[ignore = "starts a browser; ./test --slow does it"]
fn it_is_accessible() {
    let judge = std::fs::read_to_string(JUDGE).unwrap();
    let mut browser = Browser::start();
    let file = written("story", &page(&story()));
    for scheme in ["light", "dark"] {
        browser.shown(1280, "screen", scheme);
        browser.open(&file);
        browser.say("document.querySelectorAll('details').forEach((part) => { part.open = true; })");
        browser.say(&format!("{judge}; 0"));
        let wrong = browser.say(
            "axe.run().then((done) => done.violations.map((rule) => rule.id + ': ' + rule.nodes.map((node) => node.target + ' ' + node.failureSummary).slice(0, 3).join('; ')).join('\\n'))",
        );
        assert_eq!(wrong, "", "{scheme}: {}", wrong.as_str().unwrap_or_default());
    }
}

#[test]
#[ignore = "starts a browser; ./test --slow does it"]
fn a_thousand_hosts_stay_usable() {
    let before = Instant::now();
    let text = page(&large(1000));
    let took = before.elapsed();
    let file = written("large", &text);
    let mut browser = Browser::start();
    browser.shown(1280, "screen", "light");
    browser.open(&file);
    browser.picture(&folder().join("large.png"), 2600.0);
    let paint = browser.say("performance.getEntriesByName('first-contentful-paint')[0].startTime").as_f64().unwrap();
    let filter = "(() => { const from = performance.now(); const find = document.getElementById('find'); find.value = 'web0001'; find.dispatchEvent(new Event('input')); document.body.offsetHeight; return performance.now() - from; })()";
    let filter = browser.say(filter).as_f64().unwrap();
    println!(
        "1,010 hosts: {} KB, written in {took:?}, first paint {paint:.0} ms, a filter {filter:.0} ms",
        text.len() / 1000
    );
    assert!(text.len() < 3_000_000 && paint < 3000.0 && filter < 1000.0, "{} {paint} {filter}", text.len());
    let boxes = browser.say("document.querySelectorAll('svg.topology .node').length").as_u64().unwrap();
    assert!((10..48).contains(&boxes), "{boxes} boxes");
}

#[test]
#[ignore = "starts a browser; ./test --slow does it"]
fn a_browser_runs_nothing_that_a_host_says() {
    let mut browser = Browser::start();
    browser.open(&written("evil", &talk(EVIL)));
    let there = "[document.images.length, document.scripts.length, document.querySelectorAll('[onerror],[onload]').length].join()";
    assert_eq!(browser.say(there), "0,1,0");
    // The script of the page has run, so the page has not ended early.
    assert_eq!(browser.say("document.getElementById('filter').hidden"), json!(false));
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}
