//! Hosts that do not play fair, on the loopback: each ends at its own limit, with its own error, and
//! the others are not kept waiting. Real hosts whose worker is killed are in the lab.

#![expect(clippy::unwrap_used, reason = "a test may end here")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A server that does the same to everybody, and its port.
fn server(act: fn(TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || act(stream));
        }
    });
    port
}

/// Lines before the name of the protocol, as long as they are taken.
fn endless_greeting(mut stream: TcpStream) {
    while stream.write_all(b"welcome\r\n").is_ok() {}
}

/// One line that has no end.
fn endless_line(mut stream: TcpStream) {
    while stream.write_all(&[b'x'; 4096]).is_ok() {}
}

/// One byte a second, which is never silence.
fn slow_greeting(mut stream: TcpStream) {
    while stream.write_all(b"\r\n").is_ok() {
        wait();
    }
}

fn silent(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Packets of nothing after the name of the protocol.
fn garbage(mut stream: TcpStream) {
    let _ = stream.write_all(b"SSH-2.0-garbage\r\n");
    while stream.write_all(&[0; 4096]).is_ok() {}
}

/// HTTP that never ends its header.
fn endless_header(mut stream: TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
    while stream.write_all(b"X-More: x\r\n").is_ok() {}
}

#[expect(clippy::disallowed_methods, reason = "a server that takes its time")]
fn wait() {
    std::thread::sleep(Duration::from_millis(200));
}

struct Room(tempfile::TempDir);

impl Room {
    fn new(hosts: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("known"), "").unwrap();
        let ssh =
            format!("user: root, key: [], known_hosts: {}, config: /dev/null", dir.path().join("known").display());
        let text =
            format!("defaults: {{ ssh: {{ {ssh}, timeout: 2s }}, role: master, isolated: true }}\nhosts:\n{hosts}");
        std::fs::write(dir.path().join("fleet.yml"), text).unwrap();
        Room(dir)
    }

    /// `prefix` is shell text before the program, `options` more of its own.
    fn check(&self, prefix: &str, options: &str) -> (Output, serde_json::Value) {
        let inventory = self.0.path().join("fleet.yml");
        let program = env!("CARGO_BIN_EXE_fleetclock");
        let line = format!("{prefix} exec {program} -i {} check --format json {options}", inventory.display());
        #[expect(clippy::disallowed_methods, reason = "the test drives the program")]
        let mut shell = Command::new("/bin/sh");
        let output = shell.arg("-c").arg(line).env_remove("SSH_AUTH_SOCK").env("FC_PW", "pw").output().unwrap();
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output, report)
    }
}

fn message<'a>(report: &'a serde_json::Value, name: &str) -> (&'a str, &'a str) {
    let hosts = report["hosts"].as_array().unwrap();
    let host = hosts.iter().find(|host| host["name"] == name).unwrap();
    (host["status"].as_str().unwrap(), host["error"]["message"].as_str().unwrap_or_default())
}

/// The name of a host, what its server does, and what is said of it.
type Act = (&'static str, fn(TcpStream), &'static str);

#[test]
fn a_server_that_never_comes_to_the_point_ends_at_its_time_limit() {
    let acts: [Act; 5] = [
        ("greeting", endless_greeting, "the handshake did not end within 2s"),
        ("line", endless_line, "connect"),
        ("slow", slow_greeting, "connect"),
        ("silent", silent, "connect"),
        ("garbage", garbage, "connect"),
    ];
    let mut hosts: String = acts
        .iter()
        .map(|(name, act, _)| format!("  {name}: {{ address: 127.0.0.1, ssh: {{ port: {} }} }}\n", server(*act)))
        .collect();
    let port = server(endless_header);
    hosts.push_str(&format!(
        "  header: {{ address: 127.0.0.1, winrm: {{ user: a, password: {{ env: FC_PW }}, scheme: http, port: {port}, timeout: 1s }} }}\n"
    ));
    let room = Room::new(&hosts);
    let started = Instant::now();
    let (output, report) = room.check("", "");
    for (name, _, words) in acts {
        let (status, message) = message(&report, name);
        assert_eq!(status, "unreachable", "{name}: {message}");
        assert!(message.contains(words), "{name}: {message}");
    }
    assert_eq!(message(&report, "header").0, "unreachable", "{report:#}");
    assert_eq!(output.status.code(), Some(4));
    // 2 s, what a watcher needs to see it, and a busy machine.
    assert!(started.elapsed() < Duration::from_secs(12), "{:?}", started.elapsed());
}

#[test]
fn hosts_that_say_nothing_are_waited_for_beside_each_other_whatever_the_forks() {
    let hosts = (0..40).map(|n| format!("  h{n}: {{ address: 127.0.0.1, ssh: {{ port: {} }} }}\n", server(silent)));
    let room = Room::new(&hosts.collect::<String>());
    let started = Instant::now();
    let (output, report) = room.check("", "--forks 2");
    assert_eq!((message(&report, "h39").0, output.status.code()), ("unreachable", Some(4)));
    // Two at a time they take 40 s.
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn what_this_machine_lacks_is_not_said_of_a_host() {
    let room = Room::new("  a: { address: 127.0.0.1, ssh: { port: 1 } }\n");
    let known = room.0.path().join("known");
    std::fs::remove_file(&known).unwrap();
    std::fs::create_dir(&known).unwrap();
    let (output, report) = room.check("", "");
    let (status, words) = message(&report, "a");
    assert_eq!((status, output.status.code()), ("not_started", Some(1)), "{words}");
    assert!(words.starts_with("on this machine: read ") && !words.contains("changed"), "{words}");
    let room = Room::new("  a: { address: 127.0.0.1, ssh: { port: 1 } }\n");
    // Enough to read the inventory, and not enough for a worker.
    let (_, report) = room.check("ulimit -n 12;", "");
    let (status, words) = message(&report, "a");
    assert_eq!(status, "not_started", "{words}");
    assert!(words.starts_with("on this machine: ") && words.contains("Too many open files"), "{words}");
}

/// Nobody starts a worker by hand.
#[test]
fn worker_is_no_verb_for_people() {
    #[expect(clippy::disallowed_methods, reason = "the test drives the program")]
    let mut program = Command::new(env!("CARGO_BIN_EXE_fleetclock"));
    let output = program.arg("worker").stdin(std::process::Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unrecognized subcommand"));
}
