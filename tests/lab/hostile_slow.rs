//! Hostile SSH servers (`tests/hostile/ssh.txt`) and WinRM listeners (`winrm.txt`) beside healthy hosts,
//! in one run of `check` and one of `apply`: the healthy ones are done in their usual time, the run
//! ends, its memory is bounded, nothing secret is given away, and each hostile host has an error of its
//! own that blames nobody for what it did.

use std::time::{Duration, Instant};

use crate::fixture::{Beside, Lab, Run, tell};
use crate::report::{Report, error, host};

const TABLES: [&str; 2] = [include_str!("../hostile/ssh.txt"), include_str!("../hostile/winrm.txt")];

/// The secret that hostile hosts would like to have.
const PASSWORD: &str = "hostile-password-4711";

/// The hosts that are as they should be.
const HEALTHY: [&str; 2] = ["m1", "s1"];

/// The longest a run may take: the time limit for reading a host, and the time to reach it.
const LONGEST: Duration = Duration::from_secs(150);

/// All memory of the program and its workers, MB: 260 workers, some of which are being flooded.
const MOST_MEMORY: u64 = 2500;

/// As many hosts at a time as there are.
const FORKS: &str = "300";

struct Case {
    name: &'static str,
    /// One of these has to be in the error.
    words: Vec<&'static str>,
}

impl Case {
    /// Basic over TLS to a certificate that is known: the password is sent, as it has to be.
    fn is_basic(&self) -> bool {
        self.name.starts_with("basic-")
    }
}

fn cases() -> Vec<Case> {
    let lines = TABLES.iter().flat_map(|table| table.lines());
    let lines = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
    let case = |line: &'static str| {
        let parts: Vec<&str> = line.split('|').map(str::trim).collect();
        assert_eq!(parts.len(), 4, "{line}");
        Case { name: parts[0], words: parts[3].split(" / ").collect() }
    };
    lines.map(case).collect()
}

/// Starts the servers, which end when what it returns is dropped.
fn serve(lab: &Lab) -> Beside {
    let serve = format!("{}/tests/hostile/serve", env!("CARGO_MANIFEST_DIR"));
    lab.here(&format!("{serve} --prepare; mkdir -p {}", lab.path("hostile").display()));
    let servers = lab.beside(&[&serve, &lab.path("hostile").display().to_string()]);
    let ready = lab.path("hostile").join("ready");
    lab.here(&format!("for n in $(seq 100); do [ -e {0} ] && exit; sleep 0.2; done; exit 1", ready.display()));
    servers
}

/// The hostile hosts of one kind, as a group of the inventory with these settings.
fn hostile(lab: &Lab, kind: &str, settings: &str) -> String {
    let hosts = std::fs::read_to_string(lab.path("hostile").join("hosts")).unwrap();
    let rows = hosts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let hosts: Vec<String> = rows.filter(|row| row[2] == kind).map(|row| format!("{}: {}", row[0], row[1])).collect();
    assert!(!hosts.is_empty(), "{kind}");
    let hosts = hosts.join(", ");
    format!(
        "\x20 hostile_{kind}: {{ role: slave, upstream: [10.10.10.1], limits: {{ read: 20s }}, {settings}, hosts: {{ {hosts} }} }}\n"
    )
}

fn fleet(lab: &Lab, turn: u32) -> String {
    let folder = lab.path("hostile").display().to_string();
    let key = lab.path("id_ed25519").display().to_string();
    let config = lab.path("no_ssh_config").display().to_string();
    let secret = format!("{{ file: {folder}/password }}");
    std::fs::write(lab.path("hostile").join("password"), PASSWORD).unwrap();
    let pin = std::fs::read_to_string(lab.path("hostile").join("pin")).unwrap();
    let ssh = format!(
        "ssh: {{ user: ops, become: sudo, timeout: 10s, key: {key}, config: {config}, known_hosts: {folder}/known_hosts, \
         password: {secret}, become_password: {secret} }}"
    );
    let winrm = |more: &str| format!("winrm: {{ user: operator, password: {secret}, timeout: 10s, {more} }}");
    format!(
        "groups:\n\
         \x20 masters: {{ role: master, isolated: true, serve: [10.10.10.0/24], extra: ['logchange {turn}'], ssh: {{ user: ops, become: sudo, SSH }}, hosts: {{ m1: 10.10.10.1 }} }}\n\
         \x20 slaves: {{ role: slave, follows: [masters], extra: ['logchange {turn}'], ssh: {{ user: ops, become: sudo, SSH }}, hosts: {{ s1: 10.10.10.2 }} }}\n\
         {}{}{}{}",
        hostile(lab, "ssh", &ssh),
        hostile(lab, "http", &winrm("scheme: http")),
        hostile(lab, "tls", &winrm(&format!("pin_sha256: {pin}"))),
        hostile(lab, "basic", &winrm(&format!("auth: basic, pin_sha256: {pin}"))),
    )
}

/// Anonymous memory of a process and all that it has started, MB.
fn memory(root: u32) -> u64 {
    let mut all = vec![root];
    let mut sum = 0;
    while let Some(process) = all.pop() {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let rss = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB"));
        sum += rss.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0);
        for task in std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    sum >> 10
}

/// Runs a verb to its end, watching its memory.
fn watched(lab: &Lab, arguments: &[&str]) -> (Run, u64) {
    let started = Instant::now();
    let tool = lab.start(arguments);
    let id = tool.id();
    let end = std::thread::spawn(move || tool.wait_with_output().unwrap());
    let mut most = 0;
    while !end.is_finished() {
        most = most.max(memory(id));
        assert!(started.elapsed() < LONGEST * 2, "the run does not end");
        lab.here("sleep 0.3");
    }
    let output = end.join().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let run =
        Run { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) };
    assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
    (run, most)
}

/// What no error of a hostile host may say: each is an alarm that somebody acts on. That a password is
/// wrong only those may make us say who refuse it.
const FALSE_ALARMS: [&str; 5] = ["it has changed", "is revoked", "on this machine", "Too many open files", "panicked"];

fn report(run: &Run) -> Report {
    Report(serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.stderr)))
}

/// How long each of the healthy hosts took.
fn seconds(report: &Report) -> [f64; 2] {
    HEALTHY.map(|name| host(report, name)["seconds"].as_f64().unwrap())
}

fn judge(run: &Run, healthy: &str, usual: [f64; 2], most: u64) {
    let report = report(run);
    for (name, usual) in HEALTHY.iter().zip(usual) {
        let found = host(&report, name);
        assert_eq!(found["status"], healthy, "{name}: {found}");
        // The servers themselves take much of the processors that all of this shares.
        let beside = found["seconds"].as_f64().unwrap();
        tell(&format!("{name}: {usual:.1} s alone, {beside:.1} s beside"));
        assert!(beside < usual * 3.0 + 10.0, "{name}: {usual} s alone, {beside} s beside");
    }
    let mut wrong = Vec::new();
    for case in cases() {
        let said = error(&report, case.name);
        let fits = case.words.iter().any(|words| said.contains(words));
        let refused =
            case.words.iter().any(|words| words.contains("password is wrong") || words.contains("Basic logins"));
        let alarm = FALSE_ALARMS.iter().any(|words| said.contains(words));
        if !fits || alarm || said.contains("password is wrong") != refused {
            wrong.push(format!("{}: {said}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!run.stdout.contains(PASSWORD) && !run.stderr.contains(PASSWORD));
    assert!(most < MOST_MEMORY, "{most} MB");
    tell(&format!("{} hostile hosts, at most {most} MB", cases().len()));
}

/// What the servers have seen of our secrets.
fn given_away(lab: &Lab) {
    let seen = std::fs::read_to_string(lab.path("hostile").join("seen")).unwrap();
    let seen: Vec<serde_json::Value> = seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |name: &str, key: &str| seen.iter().filter(|e| e["case"] == name && !e[key].is_null()).count();
    assert_eq!(count("trap", "connected"), 0, "a redirect or an entity was followed: {seen:#?}");
    for case in cases() {
        assert!(count(case.name, "connected") > 0, "{}: it was not tried", case.name);
        assert_eq!(count(case.name, "bug"), 0, "{}: the server itself failed", case.name);
        let (passwords, proofs) = (count(case.name, "password"), count(case.name, "proof"));
        // One run of check, one of apply. A connection that is lost is opened once more, to close the shell.
        assert!(case.is_basic() || passwords <= 2, "{}: the password was given {passwords} times", case.name);
        assert!(proofs <= 4, "{}: the password was proven {proofs} times", case.name);
        if case.words.iter().any(|words| words.contains("password is wrong") || words.contains("Basic logins")) {
            assert!(passwords + proofs <= 2, "{}: a refused password was tried again", case.name);
        }
        let windows = ["w-", "tls-"].iter().any(|start| case.name.starts_with(start));
        assert!(!windows || passwords == 0, "{}: NTLM gave the password away", case.name);
    }
    for name in ["second-factor", "prompts-echoed", "prompts-100"] {
        assert_eq!(count(name, "password"), 0, "{name}");
    }
}

#[test]
fn each_hostile_host_is_there_once_and_its_words_are_known() {
    let cases = cases();
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    assert!(cases.iter().all(|case| case.words.iter().all(|words| words.len() > 5)));
    let count = |table: &str| table.lines().filter(|line| !line.starts_with('#')).count();
    assert!(count(TABLES[0]) >= 120 && count(TABLES[1]) >= 140, "a table was cut");
}

#[test]
#[ignore = "needs the lab"]
fn hostile_hosts_harm_only_themselves() {
    let lab = Lab::up("hostile", &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2"], "");
    let _servers = serve(&lab);
    let healthy = "masters,slaves";
    lab.inventory(&fleet(&lab, 0));
    let apply = ["apply", "--yes", "--format", "json", "--forks", FORKS];
    let check = ["check", "--format", "json", "--forks", FORKS];
    let first = lab.fleetclock(&[&apply[..], &["-l", healthy]].concat());
    assert_eq!(first.code, 0, "{}{}", first.stdout, first.stderr);
    let alone = lab.fleetclock(&[&check[..], &["-l", healthy]].concat());
    assert_eq!(alone.code, 0, "{}{}", alone.stdout, alone.stderr);
    let (run, most) = watched(&lab, &check);
    judge(&run, "unchanged", seconds(&report(&alone)), most);
    lab.inventory(&fleet(&lab, 1));
    let (run, most) = watched(&lab, &apply);
    judge(&run, "changed", seconds(&report(&first)), most);
    given_away(&lab);
}
