//! A lab for one test: started, used, and removed whatever happens.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::report::Report;
use nix::sys::signal::Signal;

/// One lab with its hosts and an inventory.
pub(crate) struct Lab {
    name: String,
    dir: PathBuf,
    inventory: PathBuf,
}

/// How the program ended.
#[must_use = "look at the output or at the code"]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Counts for `docs/reliability.md`, and what explains a failure; a test that passes shows it with `--nocapture`.
#[expect(clippy::print_stdout, reason = "the counts are the result")]
pub(crate) fn tell(text: &str) {
    println!("{text}");
}

#[expect(clippy::disallowed_methods, reason = "the tests drive programs")]
fn command(program: &str) -> Command {
    Command::new(program)
}

fn script() -> String {
    format!("{}/tests/lab/lab", env!("CARGO_MANIFEST_DIR"))
}

/// What the lab of a test is called. With `FLEETCLOCK_LAB_PREFIX`, a letter, the same test can run
/// twice on one machine.
pub(crate) fn named(name: &str) -> String {
    let prefix = std::env::var_os("FLEETCLOCK_LAB_PREFIX").unwrap_or_default();
    format!("{}{name}", prefix.display())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lab(arguments: &[&str]) -> Output {
    command(&script()).args(arguments).output().unwrap()
}

/// Shows a report to the programs of others that read its format.
#[track_caller]
pub(crate) fn accepted(report: &std::path::Path) {
    let judge = format!("{}/tests/ci/judge", env!("CARGO_MANIFEST_DIR"));
    let said = command(&judge).arg(report).output().unwrap();
    assert!(said.status.success(), "{}", text(&said.stderr));
}

impl Lab {
    /// Starts hosts (`name=kind@address`) and writes the inventory; `SSH` in it stands for the
    /// settings that reach the lab.
    #[track_caller]
    pub(crate) fn up(name: &str, hosts: &[&str], inventory: &str) -> Self {
        let name = named(name);
        let _ = lab(&["down", &name]);
        let dir = PathBuf::from(text(&lab(&["dir", &name]).stdout).trim());
        let started = lab(&[&["up", &name], hosts].concat());
        // From here on it is taken down whatever happens.
        let lab = Lab { inventory: dir.join("fleet.yml"), name, dir };
        assert!(started.status.success(), "lab up: {}", text(&started.stderr));
        lab.inventory(inventory);
        lab
    }

    pub(crate) fn inventory(&self, text: &str) {
        let key = self.dir.join("id_ed25519");
        let known = self.dir.join("known_hosts");
        // Not /dev/null: a program that takes that for a file of its own may have taken it away.
        let config = self.dir.join("no_ssh_config");
        std::fs::write(&config, "").unwrap();
        let ssh = format!("key: {}, known_hosts: {}, config: {}", key.display(), known.display(), config.display());
        std::fs::write(&self.inventory, text.replace("SSH", &ssh)).unwrap();
    }

    /// The disk of a host, as seen from here.
    pub(crate) fn root(&self, host: &str) -> PathBuf {
        self.dir.join("hosts").join(host).join("root")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// fleetclock on the control side, which has not been started.
    fn tool(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
        let mut tool = command(&script());
        tool.args(["run", &self.name, env!("CARGO_BIN_EXE_fleetclock"), "-i"]).arg(&self.inventory).args(arguments);
        tool.env_remove("SSH_AUTH_SOCK").env("XDG_STATE_HOME", &self.dir).envs(variables.iter().copied());
        tool
    }

    /// Runs fleetclock on the control side.
    pub(crate) fn fleetclock(&self, arguments: &[&str]) -> Run {
        self.fleetclock_with(arguments, &[])
    }

    /// As `fleetclock`, with environment variables.
    pub(crate) fn fleetclock_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Run {
        let output = self.tool(arguments, variables).output().unwrap();
        Run { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Starts fleetclock on the control side, in a process group of its own.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.start_with(arguments, &[])
    }

    /// As `start`, with environment variables.
    pub(crate) fn start_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        self.tool(arguments, variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap()
    }

    /// Runs fleetclock on a terminal: types one thing at once, and another when a question stands there.
    pub(crate) fn asked(&self, arguments: &[&str], early: &str, answer: &str) -> Run {
        let terminal = nix::pty::openpty(None, None).unwrap();
        let mut tool = self.tool(arguments, &[]);
        let tool = tool.stdin(terminal.slave).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut tool = tool.spawn().unwrap();
        let mut keyboard = std::fs::File::from(terminal.master);
        keyboard.write_all(early.as_bytes()).unwrap();
        let mut stderr = Vec::new();
        let told = tool.stderr.as_mut().unwrap();
        while !stderr.ends_with(b"is accepted: ") {
            let mut byte = [0];
            assert_eq!(told.read(&mut byte).unwrap(), 1, "it did not ask: {}", text(&stderr));
            stderr.extend(byte);
        }
        // What comes in the moment in which it asks is thrown away, too.
        self.here("sleep 0.5");
        keyboard.write_all(answer.as_bytes()).unwrap();
        let output = tool.wait_with_output().unwrap();
        let stderr = text(&stderr) + &text(&output.stderr);
        Run { code: output.status.code().unwrap_or(-1), stdout: text(&output.stdout), stderr }
    }

    /// Runs shell text on the control side, with arguments and the folder of the program as the last one.
    pub(crate) fn control(&self, script: &str, arguments: &[&std::path::Path]) {
        let bin = std::path::Path::new(env!("CARGO_BIN_EXE_fleetclock")).parent().unwrap();
        let mut shell = command(&self::script());
        shell.args(["run", &self.name, "bash", "-c", script, "bash"]).args(arguments).arg(bin);
        let _ = shell.stdin(Stdio::null()).output().unwrap();
    }

    /// Starts another program on the control side. What it says is not kept: a program that outlived the tests would
    /// hold their output open, and whoever reads it would wait for ever.
    pub(crate) fn beside(&self, words: &[&str]) -> Beside {
        let mut program = command(&script());
        program.args(["run", &self.name]).args(words);
        program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Beside(program.spawn().unwrap())
    }

    /// Starts an SSH agent on the control side; it ends when what is returned is dropped.
    pub(crate) fn agent(&self, socket: &std::path::Path) -> Beside {
        let socket = socket.display().to_string();
        let agent = self.beside(&["ssh-agent", "-D", "-a", &socket]);
        self.here(&format!("for n in $(seq 100); do [ -S {socket} ] && exit; sleep 0.05; done; exit 1"));
        agent
    }

    /// Ends it as a power failure would, `kill -9`.
    pub(crate) fn kill(&self, tool: &mut Child) {
        self.signal(tool, Signal::SIGKILL);
        tool.wait().unwrap();
    }

    /// Sends a signal; the tool may have ended already.
    pub(crate) fn signal(&self, tool: &Child, signal: Signal) {
        signal_group(tool, signal);
    }

    /// Runs fleetclock and returns its exit code and JSON report.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> (i32, Report) {
        self.json_with(arguments, &[])
    }

    /// As `json`, with environment variables. What failed is told in short, for a test that fails.
    #[track_caller]
    pub(crate) fn json_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, Report) {
        let run = self.fleetclock_with(&[arguments, &["--format", "json"]].concat(), variables);
        let report = serde_json::from_str(&run.stdout);
        let report = report.unwrap_or_else(|error| panic!("{error}: {}{}", run.stdout, run.stderr));
        let report = Report(report);
        report.is_as_promised();
        for line in report.errors() {
            tell(&format!("{}: {line}", arguments.join(" ")));
        }
        (run.code, report)
    }

    /// Runs shell text as root on a host and returns what it printed.
    #[track_caller]
    pub(crate) fn sh(&self, host: &str, script: &str) -> String {
        let output = lab(&["exec", &self.name, host, "sh", "-c", script]);
        assert!(output.status.success(), "{host}: {script}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    /// Runs shell text as root on a host, whatever comes of it; returns what it complained of if it failed.
    pub(crate) fn attempt(&self, host: &str, script: &str) -> String {
        let output = lab(&["exec", &self.name, host, "sh", "-c", script]);
        if output.status.success() {
            return String::new();
        }
        format!(" FAILED: {}{}", text(&output.stdout), text(&output.stderr)).trim_end().to_owned()
    }

    /// Runs shell text on this machine.
    #[track_caller]
    pub(crate) fn here(&self, script: &str) {
        self.said_here(script);
    }

    /// Runs shell text on this machine and returns what it printed.
    #[track_caller]
    pub(crate) fn said_here(&self, script: &str) -> String {
        let output = command("sh").arg("-c").arg(script).output().unwrap();
        assert!(output.status.success(), "{script}: {}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    /// A command of the lab: `stop HOST`, `reset HOST`.
    #[track_caller]
    pub(crate) fn lab(&self, verb: &str, host: &str) {
        let output = lab(&[verb, &self.name, host]);
        assert!(output.status.success(), "lab {verb}: {}", text(&output.stderr));
    }
}

/// What rare tests need beside the hosts.
impl Lab {
    #[track_caller]
    fn said(&self, arguments: &[&str]) -> String {
        let output = lab(arguments);
        assert!(output.status.success(), "lab {}: {}", arguments.join(" "), text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    /// A Kerberos in the control side's namespace; returns the folder of its configuration, the keytab of a
    /// principal, and a ticket.
    #[track_caller]
    pub(crate) fn realm(&self, address: &str, principal: &str) -> PathBuf {
        self.said(&["realm", &self.name, address, principal]);
        self.path("realm")
    }

    /// Where foreign programs are unpacked.
    #[track_caller]
    pub(crate) fn foreign(&self) -> String {
        self.said(&["foreign"])
    }

    /// The tree of a kind of host.
    #[track_caller]
    pub(crate) fn tree(&self, kind: &str) -> String {
        self.said(&["tree", kind])
    }
}

/// Windows hosts of a lab: the stand-in.
impl Lab {
    fn winrm(&self, verb: &str, arguments: &[&str]) -> Output {
        let script = format!("{}/tests/winrm/winrm", env!("CARGO_MANIFEST_DIR"));
        command(&script).args([verb, &self.name]).args(arguments).output().unwrap()
    }

    /// Starts Windows hosts (`name=seed@address`) next to the Linux ones.
    #[track_caller]
    pub(crate) fn windows(&self, hosts: &[&str]) {
        let output = self.winrm("up", hosts);
        assert!(output.status.success(), "winrm up: {}", text(&output.stderr));
    }

    /// Runs a command line on a Windows host and returns what it printed, whatever its status.
    pub(crate) fn cmd(&self, host: &str, line: &str) -> String {
        let output = self.winrm("exec", &[host, line]);
        let bytes = [output.stdout, output.stderr].concat();
        encoding_rs::EUC_KR.decode(&bytes).0.into_owned()
    }

    /// HTTP requests that a Windows host has seen.
    #[track_caller]
    pub(crate) fn requests(&self, host: &str) -> usize {
        text(&self.winrm("requests", &[host]).stdout).trim().parse().unwrap()
    }

    pub(crate) fn forget_requests(&self, host: &str) {
        let _ = self.winrm("requests", &[host, "--reset"]);
    }

    /// What the stand-in noted.
    pub(crate) fn journal(&self, host: &str) -> String {
        text(&self.winrm("log", &[host]).stdout)
    }

    /// Whether all that a Windows host was told since it was started has ended, and nobody tells it more.
    pub(crate) fn at_rest(&self, host: &str) -> bool {
        if !self.winrm("idle", &[host]).status.success() {
            return false;
        }
        let journal = self.journal(host);
        let words = || journal.lines().rev().filter_map(|line| line.split(' ').nth(1));
        let count = |word: &str| words().take_while(|other| *other != "started").filter(|other| *other == word).count();
        count("run") + count("task") == count("ended")
    }

    /// Commands over WinRM that changed something.
    pub(crate) fn writes(&self, host: &str) -> usize {
        let words = ["reg add", "reg delete", "net stop", "net start", "sc config", "sc triggerinfo", "rule name="];
        let journal = self.journal(host);
        journal.lines().filter(|line| words.iter().any(|word| line.contains(word))).count()
    }

    /// Sets the faults of a Windows host in place of those before.
    pub(crate) fn faults(&self, host: &str, faults: &[&str]) {
        let _ = self.winrm("faults", &[&[host], faults].concat());
    }

    /// Lets the Task Scheduler of a Windows host take it to be later.
    #[track_caller]
    pub(crate) fn pass(&self, host: &str, seconds: u32) {
        let output = self.winrm("pass", &[host, &seconds.to_string()]);
        assert!(output.status.success(), "winrm pass: {}", text(&output.stderr));
    }

    /// What programs told the event log of a Windows host.
    pub(crate) fn events(&self, host: &str) -> String {
        text(&self.winrm("events", &[host]).stdout)
    }

    /// Tells what the Windows hosts noted last, for a test that failed.
    fn testify(&self) {
        for home in std::fs::read_dir(self.dir.join("windows")).into_iter().flatten().flatten() {
            let host = home.file_name();
            let journal = self.journal(&host.to_string_lossy());
            let lines: Vec<&str> = journal.lines().collect();
            let last = lines[lines.len().saturating_sub(12)..].iter();
            let last: Vec<String> = last.map(|line| line.chars().take(160).collect()).collect();
            tell(&format!("{}:\n{}", host.display(), last.join("\n")));
        }
    }

    #[track_caller]
    pub(crate) fn windows_reboot(&self, host: &str) {
        let output = self.winrm("reboot", &[host]);
        assert!(output.status.success(), "winrm reboot: {}", text(&output.stderr));
    }
}

/// A program on the control side, which ends with all that it started when this is dropped.
pub(crate) struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        signal_group(&self.0, Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// Signals a child that leads a process group, and all in it.
fn signal_group(leader: &Child, signal: Signal) {
    let group = nix::unistd::Pid::from_raw(i32::try_from(leader.id()).unwrap());
    let _ = nix::sys::signal::killpg(group, signal);
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.testify();
        }
        let _ = lab(&["down", &self.name]);
    }
}

/// Text with single blanks: columns are as wide as they have to be.
pub(crate) fn words(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}
