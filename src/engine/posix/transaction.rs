//! All changes of one host as one script: the host is locked, undo is armed, the steps run in
//! order, and the first failure runs the undo on the host itself, without asking back.

use std::time::Duration;

use crate::resource::{Fix, service};
use crate::text::decisive::STAGE;
use crate::transport::quote::sh;

use super::frame::Frames;
use super::lock;
use crate::engine::lock::Holder;

/// Where runs leave what is needed to take them back.
pub(crate) const RUNS: &str = "/var/lib/fleetclock/runs";

/// Runs that a host keeps.
const KEPT_RUNS: usize = 5;

/// What one host shall go through.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    /// Who changes the host, in which run.
    pub(crate) holder: Holder,
    /// The run of the fleet that this is a part of.
    pub(crate) fleet: String,
    /// Time limit for the changes.
    pub(crate) limit: Duration,
    /// How long the host waits after them until it is told to keep them.
    pub(crate) lease: Duration,
    /// What is changed, one line each.
    pub(crate) about: Vec<String>,
    /// Text that is needed by `guard`.
    pub(crate) prelude: String,
    /// Text that must succeed before anything is touched.
    pub(crate) guard: Option<String>,
    /// Text run before the first step.
    pub(crate) owe: String,
    /// The first step that starts a service: it asks at once, and must not follow our own question
    /// too closely. Needs `prelude`.
    pub(crate) starts: Option<usize>,
    /// The changes, in order.
    pub(crate) fixes: Vec<Fix>,
    /// Leave the host as it is when a step fails.
    pub(crate) keep_wreck: bool,
    /// Tell the host's own journal.
    pub(crate) journal: bool,
}

/// The number of the guard's frame; steps count from 1.
//
// Nowhere below is a frame run on the left of `||` or in a condition: there the shell would
// ignore `set -e` in everything that it calls.
pub(crate) const GUARD: usize = 0;

impl Transaction {
    /// Number of the frame of a step.
    pub(crate) fn frame_of(step: usize) -> usize {
        step + 1
    }

    /// Number of the frame of the undo that the host ran by itself.
    pub(crate) fn undo_frame(&self) -> usize {
        self.fixes.len() + 1
    }

    /// Number of the frame that starts the timer.
    pub(crate) fn arm_frame(&self) -> usize {
        self.fixes.len() + 2
    }

    /// Number of the frame that writes what takes the change back.
    pub(crate) fn keep_frame(&self) -> usize {
        self.fixes.len() + 3
    }

    /// Returns the script and the boundary of its frames.
    pub(crate) fn script(&self) -> (String, String) {
        let frames = Frames::new();
        let boundary = frames.boundary().to_owned();
        let mut text = format!("{}\n{}\n", self.prelude, lock::FUNCTIONS);
        text.push_str(&self.head(&boundary));
        text.push_str(&format!("fc_frame {GUARD} fc_guard\n[ $? = 0 ] || fc_leave\n"));
        text.push_str(&self.arm());
        for index in 0..self.fixes.len() {
            let calm = if self.starts == Some(index) { "fc_calm\n" } else { "" };
            text.push_str(&format!("{calm}fc_step {index}\n"));
        }
        text.push_str(&self.wait());
        (text, boundary)
    }

    /// Functions. A lost connection must not stop the script between two steps.
    fn head(&self, boundary: &str) -> String {
        let guard = self.guard.as_deref().unwrap_or(":");
        let steps: String =
            self.fixes.iter().enumerate().map(|(i, fix)| function("fc_change", i, &fix.change)).collect();
        format!(
            "trap '' HUP PIPE\n\
             FC_RUN={run}\n\
             fc_leave() {{ fc_release {name}; exit 1; }}\n\
             fc_mark() {{ printf '%b%s\\n' \"$1\" {boundary}\" $2\"; printf '%b%s\\n' \"$1\" {boundary}\" $2\" >&2; }}\n\
             fc_frame() {{ fc_mark '' \"begin $1\"; (set -e; shift; \"$@\"); fc_status=$?; fc_mark '\\n' \"end $1 $fc_status\"; return $fc_status; }}\n\
             fc_guard() {{\n{take}\n{guard}\n}}\n\
             {steps}\
             fc_change() {{ FC_KEEP=$FC_RUN/$1; mkdir -p \"$FC_KEEP\"; fc_reach \"$1\"; \"fc_change_$1\"; }}\n\
             fc_reach() {{\n\
             printf '%s\\n' \"$1\" >\"$FC_RUN/reached.new\" || {{ echo \"{STAGE}$FC_RUN/reached could not be written; is the disk full?\" >&2; exit 1; }}\n\
             mv -f \"$FC_RUN/reached.new\" \"$FC_RUN/reached\"\n\
             }}\n\
             fc_step() {{\n\
             printf '%s\\n' {boundary}' deaf' 2>/dev/null || exec >>\"$FC_RUN/log\" 2>&1\n\
             fc_frame $(($1 + 1)) fc_change \"$1\"\n\
             [ $? = 0 ] && return\n\
             {undo}\n\
             {told}\n\
             fc_disarm\n\
             fc_leave\n\
             }}\n",
            run = sh(&self.folder()),
            name = sh(&self.holder.run),
            take = lock::take(&self.holder),
            undo = self.undo_call(),
            told = self.tell("failed"),
        )
    }

    /// What a failed step leads to.
    fn undo_call(&self) -> String {
        if self.keep_wreck {
            service::leave(&self.holder.run)
        } else {
            format!("fc_frame {} sh \"$FC_RUN/undo\" \"$1\"", self.undo_frame())
        }
    }

    /// Makes the run's folder, writes the undo into it, drops the oldest runs, and starts the timer.
    fn arm(&self) -> String {
        let file = |name: &str, text: &str| format!("printf '%s' {} >\"$FC_RUN/{name}\"", sh(text));
        let timer = if self.keep_wreck { ":".to_owned() } else { "fc_timers".to_owned() };
        let timers = format!(
            "fc_timers() {{ {}; fc_boot \"$FC_RUN\" {} {}; }}",
            self.timer(self.limit + self.lease),
            self.lease.as_secs(),
            self.fixes.len().saturating_sub(1)
        );
        format!(
            "fc_keep_undo() {{ umask 077; mkdir -p \"$FC_RUN\"\n{}\n{}\n{}\n}}\n\
             fc_frame {} fc_keep_undo\n\
             [ $? = 0 ] || {{ rm -rf \"$FC_RUN\"; fc_leave; }}\n\
             ls -1r {RUNS} | grep -vxF {own} | tail -n +{KEPT_RUNS} | while read -r fc_old; do rm -rf \"{RUNS}/$fc_old\"; done\n\
             {timers}\n\
             fc_frame {} {timer}\n\
             {}\n",
            file("undo", &self.undo_text()),
            file("about", &self.about()),
            file("expire", &lock::expire(&self.folder(), &self.holder)),
            self.keep_frame(),
            self.arm_frame(),
            self.owe,
            own = sh(&self.holder.run),
        )
    }

    fn timer(&self, time: Duration) -> String {
        format!("fc_arm \"$FC_RUN\" {}", time.as_secs())
    }

    /// The changes are made; from here on the host waits for the proof.
    fn wait(&self) -> String {
        let lease = format!("fc_lease {} {}", sh(&self.holder.run), self.lease.as_secs());
        let lease = format!("{}\n{lease}", self.tell("changed"));
        if self.keep_wreck { format!("{lease}\n") } else { format!("{}\n{lease}\n", self.timer(self.lease)) }
    }

    /// A line in the journal, where that is wanted; a host without one is not worse off.
    fn tell(&self, ended: &str) -> String {
        let Holder { run, who, .. } = &self.holder;
        let line = format!("run {run} by {who} {ended}: {}", self.about.join("; "));
        if self.journal { format!("logger -t fleetclock -- {} 2>/dev/null || :", sh(&line)) } else { ":".to_owned() }
    }

    fn about(&self) -> String {
        let Holder { who, when, .. } = &self.holder;
        let changes: String = self.about.iter().map(|line| format!("change={line}\n")).collect();
        format!("who={who}\nwhen={when}\nfleet={}\n{changes}", self.fleet)
    }

    fn folder(&self) -> String {
        format!("{RUNS}/{}", self.holder.run)
    }

    /// The undo as a script of its own: `sh undo LAST` takes back the steps LAST to 0.
    fn undo_text(&self) -> String {
        let mut text = format!("FC_RUN={}\nfc_failed=0\n[ ! -e \"$FC_RUN/undone\" ] || exit 0\n", sh(&self.folder()));
        for (index, fix) in self.fixes.iter().enumerate() {
            text.push_str(&function("fc_undo", index, &fix.undo));
            text.push_str(&function("fc_settle", index, &fix.settle));
        }
        text.push_str(
            "fc_run() {\n\
             (set -e; FC_KEEP=$FC_RUN/$2; \"$1_$2\")\n\
             [ $? = 0 ] || { fc_failed=1; echo \"step $2 was not put back\" >&2; }\n\
             }\n\
             fc_last=${1:-$(cat \"$FC_RUN/reached\" 2>/dev/null || echo -1)}\n\
             fc_i=$fc_last\n\
             while [ \"$fc_i\" -ge 0 ]; do fc_run fc_undo \"$fc_i\"; fc_i=$((fc_i - 1)); done\n\
             fc_i=0\n\
             while [ \"$fc_i\" -le \"$fc_last\" ]; do fc_run fc_settle \"$fc_i\"; fc_i=$((fc_i + 1)); done\n\
             if [ $fc_failed = 1 ]; then\n",
        );
        text.push_str(&service::leave(&self.holder.run));
        text.push_str("exit 1\nfi\n: >\"$FC_RUN/undone\"\n");
        text.push_str(&service::disown(&self.holder.run));
        text.push_str("exit 0\n");
        text
    }

    /// Returns the script that takes a finished transaction back.
    pub(crate) fn undo_script(&self) -> String {
        format!(
            "trap '' HUP PIPE\n{}\n{} >/dev/null || exit\nsh {}/undo\nfc_status=$?\nfc_disarm\nfc_release {}\nexit $fc_status\n",
            lock::FUNCTIONS,
            lock::take(&self.holder),
            sh(&self.folder()),
            sh(&self.holder.run)
        )
    }
}

fn function(name: &str, index: usize, body: &str) -> String {
    let body = if body.trim().is_empty() { ":" } else { body };
    format!("{name}_{index}() {{\n{body}\n}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::posix::frame::Splitter;
    use crate::transport::Output;

    fn run(transaction: &Transaction, shell: &str, root: &str) -> (Output, Splitter) {
        let (script, boundary) = transaction.script();
        let script = script.replace(RUNS, root).replace("/run/fleetclock", &format!("{root}.room"));
        let script = script.replace("/run/systemd/system", "/nowhere").replace("/etc/systemd/system", "/nowhere");
        #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
        let output = std::process::Command::new(shell).arg("-c").arg(script).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let output = Output {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            status: output.status.code().unwrap_or(-1),
        };
        (output, Splitter::new(&boundary))
    }

    fn named(run: &str) -> Holder {
        Holder { run: run.into(), ..Holder::default() }
    }

    fn step(dir: &str, name: &str, tail: &str) -> Fix {
        Fix {
            change: format!("echo new >{dir}/{name}\n{tail}"),
            undo: format!("echo undo-{name} >>{dir}/log\nrm -f {dir}/{name}"),
            settle: format!("echo settle-{name} >>{dir}/log"),
            ..Fix::default()
        }
    }

    fn case(shell: &str) {
        let dir = tempfile::tempdir().unwrap();
        let (d, root) = (dir.path().display().to_string(), dir.path().join("runs").display().to_string());
        let fixes = vec![step(&d, "a", ""), step(&d, "b", "false\ntrue"), step(&d, "c", "")];
        let transaction = Transaction { holder: named("r1"), fixes, ..Transaction::default() };
        let (output, splitter) = run(&transaction, shell, &root);
        assert_eq!(output.status, 1, "{output:?}");
        assert_eq!(splitter.part(&output, Transaction::frame_of(0)).unwrap().status, 0);
        assert_eq!(splitter.part(&output, Transaction::frame_of(1)).unwrap().status, 1);
        assert!(splitter.find(&output, Transaction::frame_of(2)).is_none());
        assert_eq!(splitter.part(&output, transaction.undo_frame()).unwrap().status, 0);
        let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
        assert_eq!(log, "undo-b\nundo-a\nsettle-a\nsettle-b\n");
        assert!(!dir.path().join("a").exists() && !dir.path().join("b").exists());
        assert!(dir.path().join("runs/r1/undone").exists() && !dir.path().join("runs.room/lock").exists());
    }

    #[test]
    fn a_failing_step_runs_the_undo_backwards_and_stops() {
        case("dash");
        case("bash");
    }

    #[test]
    fn a_refused_guard_touches_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let d = dir.path().display().to_string();
        let transaction = Transaction {
            holder: named("r1"),
            guard: Some("false\ntrue".into()),
            fixes: vec![step(&d, "a", "")],
            ..Transaction::default()
        };
        let (output, _) = run(&transaction, "sh", &dir.path().join("runs").display().to_string());
        assert_eq!(output.status, 1);
        let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["runs.room"]);
        assert!(!dir.path().join("runs.room/lock").exists(), "the lock was left");
    }

    #[test]
    fn nothing_is_changed_before_its_undo_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let d = dir.path().display().to_string();
        // As a disk without room: the folder of the runs cannot be made.
        std::fs::write(dir.path().join("runs"), "").unwrap();
        let transaction = Transaction { holder: named("r1"), fixes: vec![step(&d, "a", "")], ..Transaction::default() };
        let (output, splitter) = run(&transaction, "sh", &dir.path().join("runs").display().to_string());
        assert_eq!(output.status, 1);
        let refused = splitter.part(&output, transaction.keep_frame()).unwrap();
        assert!(refused.status != 0 && !refused.stderr.is_empty(), "{refused:?}");
        assert!(splitter.find(&output, Transaction::frame_of(0)).is_none() && !dir.path().join("a").exists());
        assert!(!dir.path().join("runs.room/lock").exists(), "the lock was left");
    }

    #[test]
    fn only_the_last_runs_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("runs");
        // The last one comes from a machine whose clock is behind, and must keep its own undo.
        for run_id in ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r0"] {
            let transaction = Transaction { holder: named(run_id), ..Transaction::default() };
            run(&transaction, "sh", &root.display().to_string());
        }
        let mut left: Vec<_> =
            std::fs::read_dir(&root).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["r0", "r4", "r5", "r6", "r7"]);
    }
}
