//! Inventories with mistakes, each with what is said about it: `bad/NAME.yml`, `bad/NAME.err`.
//! A new case is a new file; `UPDATE=1 cargo test --test inventory` writes what is said now.
#![expect(clippy::unwrap_used, reason = "a test may end here")]

#[path = "inventory/files.rs"]
mod files;
#[path = "import/cases.rs"]
mod import;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleetclock::inventory;
use fleetclock::inventory::spec::{Connection, StepPolicy};
use fleetclock::model::MistakeCode;
use nix::sys::resource::{UsageWho, getrusage};
use proptest::prelude::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventory")
}

#[expect(clippy::disallowed_methods, reason = "tests may be told to write")]
fn updating() -> bool {
    std::env::var("UPDATE").is_ok()
}

#[test]
fn every_mistake_is_said_with_its_place() {
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(root().join("bad")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "yml") {
            continue;
        }
        let before = processor_seconds();
        let said = inventory::load(&path).map_or_else(|mistakes| mistakes.to_string(), |_| "no mistake".to_owned());
        assert!(processor_seconds() - before < 20.0, "{}", path.display());
        let said = said.replace(&format!("{}/", root().join("bad").display()), "") + "\n";
        let expected = path.with_extension("err");
        if updating() {
            std::fs::write(&expected, &said).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != said {
            wrong.push(format!("{}:\n{said}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mistake_is_data_with_the_place_and_the_words_of_the_text() {
    let mut seen = BTreeSet::new();
    let files = std::fs::read_dir(root().join("bad")).unwrap().map(|entry| entry.unwrap().path());
    let missing = root().join("bad/not-there.yml");
    for path in files.filter(|path| path.extension().is_some_and(|end| end == "yml")).chain([missing]) {
        let Err(mistakes) = inventory::load(&path) else { continue };
        let text = mistakes.to_string();
        for mistake in mistakes.reports() {
            let place =
                mistake.line.zip(mistake.column).map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
            let said = format!("{}{place}: {}", mistake.file, mistake.message);
            assert!(text.contains(&said), "{said}\n{text}");
            assert!(!mistake.message.is_empty() && mistake.hint.is_none_or(|hint| text.contains(&hint)), "{text}");
            seen.insert(mistake.code);
        }
    }
    assert_eq!(seen, BTreeSet::from(MistakeCode::ALL), "each kind has a file in bad/");
}

#[test]
fn the_examples_have_no_mistake() {
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yml") {
            inventory::load(&path).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        }
    }
}

#[test]
fn what_is_derived_from_who_follows_whom() {
    let fleet = inventory::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/dmz.yml")).unwrap();
    let find = |name: &str| fleet.hosts.iter().find(|host| host.name == name).unwrap();
    let text = |networks: &[ipnet::IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text(&find("ntp-dmz").time.serve), ["10.20.0.1/32"]);
    assert_eq!(text(&find("ntp-in").time.serve), ["10.20.0.0/16"]);
    assert_eq!(find("app07").time.sources[0].address, "10.20.0.1");
    assert_eq!((find("ntp-dmz").tier, find("ntp-in").tier, find("app20").tier), (0, 1, 2));
    assert_eq!(find("app01").time.sources[0].host.as_deref(), Some("ntp-in"));
}

/// Two masters with both families, one with IPv4 only and one known by its name.
const FAMILIES: &str = "groups:
  m:
    role: master
    upstream: [time.bora.net]
    hosts:
      m1: { address: 10.0.0.1, time_address: [10.0.0.1, 'fd00::1', 192.168.5.1] }
      m2: { address: 10.0.0.2, time_address: ['fd00::2', 10.0.0.2] }
      m3: { address: 10.0.0.3, time_address: ntp3.lab, serve: [10.0.0.0/8] }
  s:
    role: slave
    follows: [m]
    hosts:
      both: { address: 10.0.1.1, time_address: [10.0.1.1, 'fd00::1:1'] }
      six: { address: 10.0.1.2, time_address: 'fd00::1:2' }
      other: 192.168.5.9
      'many[1:3]': { address: '10.0.2.[1:3]', time_address: ['10.0.2.[1:3]', 'fd00::2:[1:3]'] }
";

#[test]
fn each_follower_asks_in_a_family_that_it_has_and_is_let_in_from_all_its_addresses() {
    let fleet = inventory::parse(Path::new("t.yml"), FAMILIES).unwrap();
    let find = |name: &str| fleet.hosts.iter().find(|host| host.name == name).unwrap();
    let asks = |name: &str| find(name).time.sources.iter().map(|s| s.address.as_str()).collect::<Vec<_>>().join(" ");
    assert_eq!(asks("both"), "10.0.0.1 fd00::2 ntp3.lab");
    assert_eq!(asks("six"), "fd00::1 fd00::2 ntp3.lab");
    assert_eq!(asks("other"), "192.168.5.1 10.0.0.2 ntp3.lab");
    let serves = |name: &str| find(name).time.serve.iter().map(ToString::to_string).collect::<Vec<_>>();
    let all = ["10.0.1.1/32", "10.0.2.1/32", "10.0.2.2/32", "10.0.2.3/32", "192.168.5.9/32", "fd00::1:1/128"];
    assert_eq!(serves("m1")[..6], all);
    assert_eq!(serves("m1")[6..], ["fd00::1:2/128", "fd00::2:1/128", "fd00::2:2/128", "fd00::2:3/128"]);
    assert_eq!((serves("m1"), find("m1").time.followers.len()), (serves("m2"), 10));
    assert_eq!(serves("m3")[0], "10.0.0.0/8");
    assert!(serves("m3").contains(&"fd00::1:2/128".to_owned()));
    let known: Vec<String> = find("both").time.sources[0].known.iter().map(ToString::to_string).collect();
    assert_eq!(known, ["10.0.0.1", "fd00::1", "192.168.5.1"]);
    assert_eq!(serde_json::to_value(find("other")).unwrap()["time_address"], "192.168.5.9");
    assert_eq!(serde_json::to_value(find("m2")).unwrap()["time_address"][1], "10.0.0.2");
}

#[test]
fn an_upstream_that_is_a_host_of_the_file_is_followed_by_whatever_name() {
    for word in ["m1", "10.0.0.1", "172.16.0.1", "NTP1.lab.", "'fd00:0::1'", "m"] {
        let text = format!(
            "groups:\n  m: {{ role: master, upstream: [time.bora.net], hosts: {{ m1: {{ address: 10.0.0.1, time_address: [172.16.0.1, ntp1.lab, 'fd00::1'] }} }} }}\n\
             \x20 r: {{ role: master, upstream: [{{ address: {word}, minpoll: 4, prefer: true }}, time.lab], hosts: {{ r1: 10.0.0.2 }} }}\n"
        );
        let fleet = inventory::parse(Path::new("t.yml"), &text).unwrap();
        let (m1, r1) = (&fleet.hosts[0], &fleet.hosts[1]);
        assert_eq!((m1.tier, r1.tier, r1.time.sources.len()), (0, 1, 2), "{word}");
        let source = r1.time.sources.iter().find(|source| source.host.as_deref() == Some("m1")).unwrap();
        assert_eq!((source.address.as_str(), source.minpoll, source.prefer), ("172.16.0.1", Some(4), true), "{word}");
        assert_eq!(m1.time.serve.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.2/32"], "{word}");
    }
}

/// One host of a group, with what its group, the defaults and itself say.
fn host_of(defaults: &str, group: &str, host: &str) -> inventory::HostSpec {
    let text = format!(
        "defaults: {{ {defaults} }}\ngroups: {{ g: {{ role: master, isolated: true, {group} hosts: {{ h: {{ address: 10.0.0.1, {host} }} }} }} }}"
    );
    inventory::parse(Path::new("t.yml"), &text).unwrap_or_else(|mistakes| panic!("{text}: {mistakes}")).hosts.remove(0)
}

#[test]
fn a_server_is_a_master_and_a_client_a_slave() {
    let roles = |master: &str, slave: &str| {
        let text = format!(
            "groups:\n  m: {{ role: {master}, isolated: true, hosts: {{ m1: 10.0.0.1 }} }}\n  s: {{ role: {slave}, follows: [m], hosts: {{ s1: 10.0.0.2 }} }}\n"
        );
        let fleet = inventory::parse(Path::new("t.yml"), &text).unwrap();
        fleet.hosts.iter().map(|host| host.role).collect::<Vec<_>>()
    };
    assert_eq!(roles("server", "client"), roles("master", "slave"));
}

#[test]
fn a_step_limit_is_lifted_by_the_word_always_and_by_nothing_that_is_left_out() {
    let (second, half) = (Duration::from_secs(1), Duration::from_millis(500));
    let at_start = |over, updates| StepPolicy::AtStart { over, updates };
    for (step, policy, most) in [
        ("", at_start(second, 3), Some(second)),
        ("step: { over: 500ms }", at_start(half, 3), Some(second)),
        ("step: { first: 7 }", at_start(second, 7), Some(second)),
        ("step: {}", at_start(second, 3), Some(second)),
        ("step: never", StepPolicy::Never, Some(second)),
        ("step: always", StepPolicy::Always { over: second }, None),
        ("step: { over: 500ms, first: always }", StepPolicy::Always { over: half }, None),
        (
            "step: always, limits: { max_step: 1h }",
            StepPolicy::Always { over: second },
            Some(Duration::from_secs(3600)),
        ),
    ] {
        let host = host_of("", "", step);
        assert_eq!((host.time.step, host.limits.max_step), (policy, most), "{step}");
    }
}

#[test]
fn the_nearest_way_to_connect_counts() {
    let word = |connection: &Connection| match connection {
        Connection::Local(_) => "local".to_owned(),
        Connection::Ssh(_) => "ssh".to_owned(),
        Connection::Winrm(winrm) => format!("winrm {} {}", winrm.user, winrm.port),
    };
    for (defaults, group, host, way) in [
        ("", "local: true,", "winrm: { user: ops, password: ask }", "winrm ops 5986"),
        ("local: true", "winrm: { user: ops, password: ask },", "", "winrm ops 5986"),
        ("winrm: { user: ops, password: ask }", "local: true,", "", "local"),
        ("winrm: { user: ops, password: ask }", "local: true,", "winrm: { port: 99 }", "winrm ops 99"),
        ("", "winrm: { user: ops, password: ask },", "local: true", "local"),
        ("", "winrm: { user: ops, password: ask },", "local: false", "winrm ops 5986"),
        ("", "local: true,", "local: false", "ssh"),
        ("", "local: true,", "", "local"),
        ("", "", "", "ssh"),
    ] {
        let host = host_of(defaults, group, host);
        assert_eq!(word(&host.connection), way, "{defaults} | {group} | {way}");
    }
}

#[test]
fn isolated_masters_that_follow_each_other_are_no_peers_besides() {
    let sources = |text: &str| -> Vec<String> {
        let fleet = inventory::parse(Path::new("t.yml"), text).unwrap();
        let one = |host: &inventory::HostSpec| {
            let all: Vec<String> = host
                .time
                .sources
                .iter()
                .map(|s| format!("{}{}", s.host.as_deref().unwrap(), if s.orphan { "*" } else { "" }))
                .collect();
            format!("{}: {}", host.name, all.join(" "))
        };
        fleet.hosts.iter().map(one).collect()
    };
    let masters = "hosts:\n  m1: { address: 10.0.0.1, role: master, isolated: true }\n";
    let slave = "\n  s: { address: 10.0.0.9, role: slave, follows: [m1, m2] }";
    let two = format!("{masters}  m2: {{ address: 10.0.0.2, role: master, isolated: true, follows: [m1] }}{slave}");
    assert_eq!(sources(&two), ["m1: ", "m2: m1", "s: m1 m2"]);
    let through = format!(
        "{masters}  r: {{ address: 10.0.0.3, role: master, follows: [m1] }}\n  m2: {{ address: 10.0.0.2, role: master, isolated: true, follows: [r] }}{slave}"
    );
    assert_eq!(sources(&through), ["m1: ", "r: m1", "m2: r", "s: m1 m2"]);
    let apart = format!("{masters}  m2: {{ address: 10.0.0.2, role: master, isolated: true }}{slave}");
    assert_eq!(sources(&apart), ["m1: m2*", "m2: m1*", "s: m1 m2"]);
    let three = format!(
        "{masters}  m2: {{ address: 10.0.0.2, role: master, isolated: true, follows: [m1] }}\n  m3: {{ address: 10.0.0.3, role: master, isolated: true }}\n  s: {{ address: 10.0.0.9, role: slave, follows: [m1, m2, m3] }}"
    );
    assert_eq!(sources(&three), ["m1: m3*", "m2: m1 m3*", "m3: m1* m2*", "s: m1 m2 m3"]);
}

#[test]
fn many_hosts_behind_one_address_are_not_taken_for_each_other() {
    let text = "groups: { m: { role: master, upstream: [10.0.0.1], ssh: { port: 2201 }, hosts: { \
                a: { address: 10.0.0.1, time_address: 10.1.0.1 }, b: { address: 10.0.0.1, time_address: 10.1.0.2 } } } }";
    let fleet = inventory::parse(Path::new("t.yml"), text).unwrap();
    assert!(fleet.hosts.iter().all(|host| host.time.sources[0].host.is_none() && host.tier == 0));
}

#[test]
fn a_host_that_is_named_itself_keeps_the_options_of_its_own_line() {
    let text = "groups:\n  마스터: { role: master, isolated: true, hosts: { m1: 10.0.0.1, m2: 10.0.0.2 } }\n\
                hosts: { s: { address: 10.0.0.3, role: slave, follows: [마스터, { name: m2, prefer: true }] } }";
    let fleet = inventory::parse(Path::new("t.yml"), text).unwrap();
    let sources: Vec<(&str, bool)> =
        fleet.hosts[2].time.sources.iter().map(|s| (s.address.as_str(), s.prefer)).collect();
    assert_eq!(sources, [("10.0.0.1", false), ("10.0.0.2", true)]);
}

#[test]
fn a_file_of_a_hundred_megabytes_is_refused_unread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big.yml");
    std::fs::File::create(&path).unwrap().set_len(100 << 20).unwrap();
    let mistakes = inventory::load(&path).unwrap_err().to_string();
    assert!(mistakes.ends_with("it has 104857600 bytes; the limit is 8388608"), "{mistakes}");
}

/// Processor time of this thread, which does not depend on what else the machine does.
fn processor_seconds() -> f64 {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) else { return f64::INFINITY };
    let time = usage.user_time();
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

/// A search through all hosts for each of them would take an hour for these.
#[test]
fn the_time_for_reading_grows_with_the_fleet_and_no_faster() {
    let many: String = ('a'..='e').map(|c| format!("'{c}[0:99]-[0:199]': '10.1.[0:99].[0:199]', ")).collect();
    let text = |hosts: &str, masters: &str| {
        format!(
            "groups:\n  m: {{ role: master, isolated: true, serve: [10.0.0.0/8], hosts: {{ {masters} }} }}\n\
             \x20 s: {{ role: slave, follows: [m], ssh: {{ jump: n1 }}, hosts: {{ {hosts} }} }}\n"
        )
    };
    for (text, count) in [
        (text(&many, "n1: 10.255.0.1"), 100_001),
        (text("'a[1:2000]': '10.1.1.1'", "'n[1:100]': '10.255.0.[1:100]'").replace("'10.1.1.1'", ""), 2_100),
    ] {
        let before = processor_seconds();
        assert_eq!(inventory::parse(Path::new("t.yml"), &text).unwrap().hosts.len(), count);
        let took = processor_seconds() - before;
        assert!(took < 20.0, "{took} s");
    }
}

/// One mistake in each of many hosts costs no walk through all of them, and neither do many secrets and limits.
#[test]
fn many_wrong_names_many_secrets_and_a_long_limit_are_read_in_time() {
    let before = processor_seconds();
    let host = |i: usize, more: &str| {
        format!("  host-{i}: {{ address: 10.1.{}.{}, role: slave, {more} }}\n", i / 200, i % 200)
    };
    let wrong: String = (0..3_000).map(|i| host(i, &format!("follows: [hots-{i}]"))).collect();
    let said = inventory::parse(Path::new("t.yml"), &format!("hosts:\n{wrong}")).unwrap_err().to_string();
    assert!(said.contains("no group or host `hots-0` (did you mean `host-0`?)") && said.lines().count() == 3_000);
    let fine: String =
        (0..3_000).map(|i| host(i, &format!("upstream: [10.9.9.9], vars: {{ k: {{ env: K{i} }} }}"))).collect();
    let fleet = inventory::parse(Path::new("t.yml"), &format!("hosts:\n{fine}")).unwrap();
    let limit: Vec<&str> = fleet.hosts.iter().map(|host| host.name.as_str()).collect();
    let none = |_: &str| Ok(Vec::new());
    assert_eq!(inventory::select::select(&fleet, "--limit", &limit.join(","), &none).unwrap().len(), 3_000);
    let took = processor_seconds() - before;
    assert!(took < 8.0, "{took} s");
}

#[test]
fn a_secret_is_never_shown() {
    let text = "hosts: { a: { role: master, isolated: true, address: 10.0.0.1, vars: { k: { command: [echo, hunter2] } }, ssh: { password: { command: [echo, hunter2] } } } }";
    let fleet = inventory::parse(Path::new("t.yml"), text).unwrap();
    fleet.hosts[0].resolve_secrets().unwrap();
    assert_eq!(fleet.hosts[0].secret_vars().next().unwrap().reveal(), "hunter2");
    let shown = format!("{:?}{}", fleet, serde_json::to_string(&fleet.hosts).unwrap());
    assert!(!shown.contains("hunter2"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = inventory::parse(Path::new("t.yml"), &text);
    }

    #[test]
    fn no_inventory_makes_it_panic(role in "master|slave|x", follows in "[a-c]{1}", name in "[a-c\\[\\]:0-9]{0,8}", net in "[0-9./:]{0,12}") {
        let text = format!("groups:\n  a: {{ role: {role}, follows: [{follows}], serve: ['{net}'], hosts: {{ '{name}': '{net}' }} }}\n");
        let _ = inventory::parse(Path::new("t.yml"), &text);
    }
}

#[test]
fn every_key_that_is_read_is_in_the_reference_and_no_other() {
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/inventory.md")).unwrap();
    let between = |from: &str, to: &str| docs.split_once(from).unwrap().1.split_once(to).unwrap().0;
    // The keys in the first column of the tables between two headings.
    let documented = |from: &str, to: &str| -> BTreeSet<String> {
        let rows = between(from, to).lines().filter_map(|line| line.strip_prefix("| `"));
        rows.map(|row| row.split('`').next().unwrap().to_owned()).collect()
    };
    // What the reader says that it knows where a key is none.
    let known = |text: &str| -> BTreeSet<String> {
        let said = inventory::parse(Path::new("t.yml"), text).unwrap_err().to_string();
        let list = said.split_once("(known: ").unwrap().1.split_once(')').unwrap().0;
        list.split(", ").map(str::to_owned).collect()
    };
    assert_eq!(known("hosts: { a: { zzzzzzzzzzzz: 1 } }"), documented("## Settings of a host", "### `limits`"));
    assert_eq!(known("rollout: { zzzzzzzzzzzz: 1 }"), documented("## `rollout`", "## Playbooks"));
    for (part, next) in [
        ("limits", "### `isolated`"),
        ("isolated", "### `step`"),
        ("step", "### `rate_limit`"),
        ("rate_limit", "### `leap`"),
        ("leap", "### `packages`"),
        ("packages", "## Sources"),
    ] {
        let keys = known(&format!("defaults: {{ {part}: {{ zzzzzzzzzzzz: 1 }} }}"));
        assert_eq!(keys, documented(&format!("### `{part}`"), next));
    }
    assert_eq!(known("defaults: { ssh: { zzzzzzzzzzzz: 1 } }"), documented("## `ssh`", "## `rollout`"));
    let sources =
        ["upstream", "follows"].map(|way| known(&format!("hosts: {{ a: {{ {way}: [{{ zzzzzzzzzzzz: 1 }}] }} }}")));
    assert_eq!(&sources[0] | &sources[1], documented("## Sources", "## Both families"));
}
