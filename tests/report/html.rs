//! The page: what hosts say does not become a part of it, and it holds what the report says.

use fleetclock::model::{
    Certainty, DaemonReport, Delta, ErrorReport, Finding, FleetReport, HostReport, Mark, Severity, Status, Verb, Wave,
};
use fleetclock::report::formats;
use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};

use crate::build::{daemon, delta, failed, finding, fleet, followed, host, source};

/// What somebody might put into a field of whom the host is.
pub(crate) const EVIL: &str =
    "x</script></style></title></textarea><img src=x onerror=alert(1)>\" onload=\"alert(1)' {{ 7*7 }}";

pub(crate) fn page(report: &FleetReport) -> String {
    let mut text = Vec::new();
    formats::find("html").unwrap().write(report, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// All elements of a page, as an HTML parser sees them.
fn elements(page: &str) -> Vec<StartTag<()>> {
    let mut emitter = DefaultEmitter::default();
    // As a browser does it, what is in a script is no HTML.
    emitter.naively_switch_states(true);
    let tokens = Tokenizer::new_with_emitter(page, emitter).map(|token| token.unwrap());
    let tags = tokens.filter_map(|token| match token {
        Token::StartTag(tag) => Some(tag),
        Token::Error(error) => panic!("the page is no HTML: {}", error.value),
        _ => None,
    });
    tags.collect()
}

fn names(page: &str) -> Vec<String> {
    elements(page).iter().map(|tag| String::from_utf8_lossy(&tag.name).into_owned()).collect()
}

/// A host that has something to say in every field.
fn talkative(say: &str) -> HostReport {
    let text = || say.to_owned();
    let mut host = host("server1", Status::Failed);
    host.name = text();
    host.address = text();
    host.addresses = vec![text()];
    host.os = Some(text());
    host.provider = Some(text());
    host.clock = Some(text());
    host.warnings = vec![text()];
    host.error = Some(ErrorReport { message: text(), hint: Some(text()) });
    let mut content = delta(say, say, Some(say), Some(say));
    content.diff = Some(format!("--- {say}\n+++ {say}\n@@ {say}\n-{say}\n+{say}"));
    host.deltas = vec![Delta { diff: None, ..content.clone() }, content];
    let mut seen = source(say);
    (seen.host, seen.ip, seen.refid) = (Some(text()), Some(text()), Some(text()));
    let mut other = source(say);
    (other.selected, other.reachable) = (false, false);
    host.sources = vec![seen, other];
    host.follows = vec![followed(say), followed("elsewhere")];
    host.daemon = Some(DaemonReport { source: Some(text()), detail: text(), provider: text(), ..daemon(true) });
    let list = || vec![text()];
    host.findings = vec![Finding {
        code: text(),
        severity: Severity::Error,
        certainty: Certainty::Perhaps,
        title: text(),
        evidence: text(),
        command: text(),
        about: String::new(),
        on: text(),
        cause: text(),
        fix: text(),
        paste: Vec::new(),
        configuration: true,
        excluded: list(),
        affects: list(),
        mark: Mark::default(),
    }];
    host
}

/// The same fleet, once with one thing to say and once with another.
pub(crate) fn talk(say: &str) -> String {
    let (one, mut other) = (talkative(say), talkative(say));
    other.name.push('2');
    other.deltas.clear();
    let mut report = fleet(Verb::Apply, vec![one, other]);
    report.started = say.to_owned();
    report.inventory = Some(say.to_owned());
    report.waves = vec![Wave { why: say.to_owned(), hosts: vec![say.to_owned()] }];
    page(&report)
}

#[test]
fn what_hosts_say_stays_text() {
    let (calm, evil) = (talk("calm"), talk(EVIL));
    // Not one element more or less, and no attribute that the calm page has not.
    assert_eq!(names(&calm), names(&evil));
    for (calm, evil) in elements(&calm).iter().zip(elements(&evil)) {
        let attributes = |tag: &StartTag<()>| tag.attributes.keys().cloned().collect::<Vec<_>>();
        assert_eq!(attributes(calm), attributes(&evil), "{:?}", calm.name);
        for (name, value) in &evil.attributes {
            assert!(!name.starts_with(b"on"), "{name:?}");
            let is_link = matches!(name.as_slice(), b"href" | b"src");
            assert!(!is_link || value.value.starts_with(b"#"), "{name:?}={value:?}");
        }
    }
    assert!(evil.matches("&lt;img src=x onerror=").count() > 40 && evil.contains("{{ 7*7 }}") && !evil.contains("49 "));
}

#[test]
fn control_characters_are_shown() {
    let text = talk("a\u{0}b\u{1b}[2J\u{202e}c");
    assert!(!text.contains(['\u{0}', '\u{1b}', '\u{202e}']) && text.contains("a\\u{0}b\\u{1b}[2J\\u{202e}c"));
    elements(&text);
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let text = talk("calm");
    let policy = elements(&text).into_iter().find_map(|tag| tag.attributes.get(&b"content"[..]).cloned()).unwrap();
    assert!(policy.value.starts_with(b"default-src 'none'; style-src 'sha256-"), "{policy:?}");
    for far in ["http:", "https:", "href=\"/", "@import", "url("] {
        let there = text.split(far).next().filter(|_| text.contains(far));
        assert!(there.is_none(), "{far} after {:?}", there.and_then(|text| text.get(text.len().saturating_sub(80)..)));
    }
}

/// A picture of a fleet: each link as `from > to: what is said of it`.
fn links(hosts: Vec<HostReport>) -> Vec<String> {
    let text = page(&fleet(Verb::Verify, hosts));
    let list = text.split("The same as a list").nth(1).unwrap_or_default().split("</ul>").next().unwrap_or_default();
    let lines = list.split("<li>").skip(1).filter_map(|line| line.split("</li>").next());
    lines.map(|line| line.replace(" → ", " > ")).collect()
}

fn follower(name: &str, master: &str) -> HostReport {
    let mut host = host(name, Status::Unchanged);
    (host.tier, host.follows) = (1, vec![followed(master)]);
    let mut seen = source("10.10.10.1");
    seen.host = Some(master.to_owned());
    host.sources = vec![seen];
    host
}

#[test]
fn the_picture_says_which_links_are_broken() {
    let mut silent = follower("server3", "server1");
    (silent.sources[0].reachable, silent.sources[0].selected) = (false, false);
    let mut spare = follower("server4", "server1");
    spare.sources[0].selected = false;
    let mut unread = follower("server5", "server1");
    unread.sources.clear();
    let hosts = vec![host("server1", Status::Unchanged), follower("server2", "server1"), silent, spare, unread];
    assert_eq!(
        links(hosts),
        [
            "server1 > server2: followed",
            "server1 > server4: answers, not followed",
            "server1 > server5: not measured",
            "server1 > server3: no answer",
        ]
    );
    assert!(links(vec![host("server1", Status::Unchanged)]).is_empty());
}

#[test]
fn in_a_large_fleet_those_with_the_same_sources_are_one_box() {
    let name = |number: usize| format!("web{number:03}");
    let mut hosts: Vec<HostReport> = (1..=300).map(|number| follower(&name(number), "server1")).collect();
    (hosts[7].sources[0].reachable, hosts[7].sources[0].selected) = (false, false);
    hosts.push(follower("db1", "server2"));
    hosts.extend([host("server1", Status::Unchanged), host("server2", Status::Unchanged)]);
    let expected = ["server2 > db1: followed", "server1 > web[001:300]: of 300 hosts, 299 follow it, 1 got no answer"];
    assert_eq!(links(hosts), expected);
    // Where each has sources of its own, those of a tier are one.
    let alone = (1..=300).map(|number| follower(&name(number), &format!("server{number}")));
    let masters = (1..=300).map(|number| host(&format!("server{number}"), Status::Unchanged));
    assert_eq!(links(alone.chain(masters).collect()).len(), 2, "the master `server1` is no slave");
}

#[test]
fn hosts_are_rows_and_failures_are_said_once() {
    let (lost, known) = (Status::Unreachable, host("server1", Status::Unchanged));
    let refused = |name: &str| failed(name, lost, "connect: refused", Some("start sshd"));
    let mut hosts = vec![known, refused("server2"), refused("server3")];
    hosts[0].findings = vec![finding()];
    let text = page(&fleet(Verb::Verify, hosts));
    assert_eq!(text.matches("<tr data-word=").count(), 3);
    assert_eq!(text.matches("<p class=\"said\">connect: refused</p>").count(), 1);
    assert!(text.contains("<h1 id=\"verdict\">2 of 3 hosts not in sync</h1>"));
    assert!(
        text.contains("fleetclock apply -l server1") && text.contains("<summary><span class=\"badge bad\">unreachable")
    );
}
