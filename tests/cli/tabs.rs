//! The Tab key in real shells on a terminal: bash, zsh and fish, each with the file that a package brings.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::*;

/// A host in a group whose name is Korean, beside those of `dead_hosts`.
const KOREAN: &str = "groups:\n  masters: { role: master, isolated: true, serve: [10.0.0.0/8], hosts: { m1: 10.0.0.1 } }\n  서울: { role: slave, follows: [masters], hosts: { 'web[38:40]': '10.0.1.[38:40]', 웹서버: 10.0.2.1 } }\n";

const RUN: &str = "20261125T063732693813Z";

/// What is typed up to the Tab, and what the line that comes of it prints.
const LINES: &[(&str, &str)] = &[
    ("fleetclock inventory sh\t-l m1", "10.0.0.1"),
    ("fleetclock inventory show -l web4\t", "10.0.1.40"),
    ("fleetclock inventory show -l m1,web4\t", "10.0.1.40"),
    ("fleetclock inventory show -l 서\t", "10.0.2.1"),
    ("fleetclock inventory show -l 웹\t", "10.0.2.1"),
    ("fleetclock history show 2026\t", "Run 20261125T063732693813Z"),
    ("fleetclock assets show templates/chrony.\t", "taken back by `fleetclock apply`"),
];

/// A shell on a terminal.
struct Terminal {
    shell: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
}

impl Terminal {
    #[expect(clippy::disallowed_methods, reason = "the shell is a part of what is tried")]
    fn start(folder: &Path, words: &[&str]) -> Self {
        let terminal = nix::pty::openpty(None, None).unwrap();
        let bin = Path::new(env!("CARGO_BIN_EXE_fleetclock")).parent().unwrap();
        let path = format!("{}:/usr/bin:/bin", bin.display());
        // fish wants the terminal to be its own.
        let mut shell = Command::new("setsid");
        shell.arg("--ctty").args(words).current_dir(folder).env_clear().env("PATH", path).env("HOME", folder);
        shell.env("XDG_STATE_HOME", folder.join("state")).env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        let slave = terminal.slave;
        shell.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        let shell = shell.spawn().unwrap();
        let keyboard = File::from(terminal.master);
        let mut reader = keyboard.try_clone().unwrap();
        let (send, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if send.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal { shell, keyboard, screen, seen: String::new() }
    }

    /// Types, and waits until the shell has said nothing for a while.
    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
        while self.hears(Duration::from_millis(700)) {}
    }

    fn hears(&mut self, patience: Duration) -> bool {
        match self.screen.recv_timeout(patience) {
            Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
        }
        true
    }

    /// Waits for a text on the screen.
    #[track_caller]
    fn shows(&mut self, text: &str, what: &str) {
        let began = Instant::now();
        while !self.seen.contains(text) && began.elapsed() < Duration::from_secs(30) {
            self.hears(Duration::from_millis(200));
        }
        assert!(self.seen.contains(text), "{what}: no `{text}` in\n{}", self.seen);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

#[track_caller]
fn tab_works(words: &[&str], file: &str, load: &str) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("fleet.yml"), KOREAN).unwrap();
    std::fs::create_dir_all(dir.path().join("state/fleetclock/runs")).unwrap();
    let record = format!(
        r#"{{"record":1,"run":"{RUN}","who":"me","started":"","command":"apply","arguments":[],"inventory":"","hosts":[],"report":null}}"#
    );
    std::fs::write(dir.path().join(format!("state/fleetclock/runs/{RUN}.json")), record).unwrap();
    let (text, _) = run(dir.path(), &["completions", words[0]], 0);
    std::fs::write(dir.path().join(file), text).unwrap();
    let mut terminal = Terminal::start(dir.path(), words);
    // Put together by the shell, so that it is not the line itself that is seen.
    terminal.types(&format!("{load}; printf 're%s\\n' ady\n"));
    terminal.shows("ready", words[0]);
    for (line, wanted) in LINES {
        terminal.seen.clear();
        for part in line.split_inclusive('\t') {
            terminal.types(part);
        }
        terminal.types("\n");
        terminal.shows(wanted, &format!("{}: {line:?}", words[0]));
    }
}

#[test]
#[ignore = "needs bash, zsh and fish; ./test installs them"]
fn bash_offers_what_can_come_next() {
    tab_works(&["bash", "--norc", "--noprofile", "-i"], "fleetclock", ". ./fleetclock");
}

/// As a package has it: the file is found in a folder of functions, and read at the first Tab.
#[test]
#[ignore = "needs bash, zsh and fish; ./test installs them"]
fn zsh_offers_what_can_come_next_at_the_first_tab() {
    tab_works(&["zsh", "-f", "-i"], "_fleetclock", "fpath=($PWD $fpath); autoload -U compinit; compinit -u -D");
}

#[test]
#[ignore = "needs bash, zsh and fish; ./test installs them"]
fn fish_offers_what_can_come_next() {
    tab_works(&["fish", "--no-config", "-i"], "fleetclock.fish", "source ./fleetclock.fish");
}
