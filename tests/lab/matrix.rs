//! Every failure of the list at every stage of an `apply`: one host for each failure, one run over
//! all of them for each stage. Each case is a line of the output (`--nocapture`): how the run ended on that host,
//! what the host looked like then, and what the next `apply` made of it.

use std::net::UdpSocket;

use serde_json::Value;

use crate::faults::LOOK;
use crate::fixture::{Lab, named, tell};
use crate::report::{error, host};
use crate::server::{Manner, RIGHT, Server};

/// When the failure comes: what has to happen for it, on the host. The programs are in the way of
/// fleetclock's own scripts, so that the moment is exact; the lock says how far these are.
struct Stage {
    name: &'static str,
    /// The program that brings the failure with it, and the one on hosts that have no chrony yet.
    programs: [&'static str; 2],
    when: &'static str,
    /// After the program has done its work, and not before.
    behind: bool,
}

const STAGES: [Stage; 5] = [
    Stage { name: "before", programs: ["", ""], when: "", behind: false },
    // The last that is asked for the plan; apt-get is asked as nobody, who could bring no failure.
    Stage {
        name: "between plan and change",
        programs: ["chronyc", "setpriv"],
        when: "[ ! -e /run/fleetclock/lock ]",
        behind: true,
    },
    // The new file is written and not yet in its place; the package is about to be installed.
    Stage {
        name: "in the change",
        programs: ["chronyd", "apt-get"],
        when: "grep -qs '^script=[0-9]' /run/fleetclock/lock",
        behind: false,
    },
    // The first that is asked again.
    Stage {
        name: "after the change",
        programs: ["sha256sum", "sha256sum"],
        when: "grep -qs '^script=$' /run/fleetclock/lock",
        behind: false,
    },
    // The first that is asked for the proof.
    Stage {
        name: "in the proof",
        programs: ["chronyc", "chronyc"],
        when: "grep -qs '^script=$' /run/fleetclock/lock",
        behind: false,
    },
];

/// A failure, and how a run ends that meets it: status, configuration (`old` or `new`), words of the error.
struct Fault {
    name: &'static str,
    host: &'static str,
    inject: &'static str,
    repair: &'static str,
    ends: [&'static str; 5],
}

const FINE: &str = "changed new";
const CUT: &str = "failed_not_undone new: the host takes it back";
const UNPROVEN: &str = "failed_undone old: verify: ";

const FAULTS: [Fault; 14] = [
    Fault {
        name: "wrong password",
        host: "password",
        inject: "echo admin:another | chpasswd",
        repair: "echo admin:admin-password | chpasswd",
        ends: ["failed old: refused", "failed old: refused", FINE, FINE, FINE],
    },
    Fault {
        name: "unknown user",
        host: "user",
        inject: "sed -i 's/^ops:/gone:/' /etc/passwd /etc/shadow",
        repair: "sed -i 's/^gone:/ops:/' /etc/passwd /etc/shadow",
        ends: ["failed old: as `ops`: refused", "failed old: as `ops`: refused", FINE, FINE, FINE],
    },
    Fault {
        name: "host down",
        host: "down",
        inject: "systemctl -ff poweroff; sleep 9",
        repair: "",
        ends: [
            "unreachable old",
            "unreachable old",
            "failed_not_undone old: the change had begun",
            CUT,
            CUT,
        ],
    },
    Fault {
        name: "port closed, connections cut",
        host: "port",
        inject: "systemctl stop ssh; pkill -KILL -f '^sshd: ops'",
        repair: "systemctl start ssh",
        ends: [
            "unreachable old: refused",
            "unreachable old",
            "failed_not_undone new: the change had begun",
            CUT,
            CUT,
        ],
    },
    Fault {
        name: "changed host key",
        host: "key",
        inject: "cd /etc/ssh; mkdir -p /root/keys; mv ssh_host_* /root/keys; ssh-keygen -q -A; systemctl restart ssh",
        repair: "mv /root/keys/* /etc/ssh; systemctl restart ssh",
        ends: ["failed old: it has changed", "failed old: it has changed", FINE, FINE, FINE],
    },
    Fault {
        name: "sudo refuses",
        host: "sudo",
        inject: "mv /etc/sudoers.d/lab /root/sudoers",
        repair: "mv /root/sudoers /etc/sudoers.d/lab",
        ends: ["failed old: sudo", "failed old: sudo", FINE, FINE, FINE],
    },
    Fault {
        name: "no space in /etc",
        host: "etc",
        inject: "cat /dev/zero >/etc/chrony/fill",
        repair: "rm -f /etc/chrony/fill",
        ends: [
            "failed_undone old: is the disk full?",
            "failed_undone old: is the disk full?",
            FINE,
            FINE,
            FINE,
        ],
    },
    Fault {
        name: "no space in /var",
        host: "var",
        inject: "cat /dev/zero >/var/lib/fleetclock/fill",
        repair: "rm -f /var/lib/fleetclock/fill",
        ends: [
            "failed old: nothing was changed: its undo could not be written",
            "failed old: nothing was changed: its undo could not be written",
            "failed_undone old: is the disk full?",
            FINE,
            FINE,
        ],
    },
    Fault {
        name: "read-only /etc",
        host: "readonly",
        inject: "mount -o remount,ro,bind /etc/chrony",
        repair: "mount -o remount,rw,bind /etc/chrony",
        ends: [
            "failed old: has to be written, and",
            "failed_undone old: Read-only file system",
            "failed_undone old: Read-only file system",
            FINE,
            FINE,
        ],
    },
    Fault {
        name: "dpkg lock held, once for longer than is waited",
        host: "lock",
        inject: "python3 -c \"
import fcntl,os,time
if os.fork(): os._exit(0)
os.setsid()
for n in (0, 1, 2): os.close(n)
f = open('/var/lib/dpkg/lock-frontend', 'w')
fcntl.lockf(f, fcntl.LOCK_EX)
open('/root/holder', 'w').write(str(os.getpid()))
time.sleep({'before': 600}.get('STAGE', 8))\"
until [ -s /root/holder ]; do sleep 0.1; done",
        repair: "kill $(cat /root/holder) 2>/dev/null; rm -f /root/holder",
        ends: ["failed_undone old: lock-frontend", FINE, FINE, FINE, FINE],
    },
    Fault {
        name: "package not found",
        host: "package",
        inject: "mkdir -p /root/lists; mv /var/lib/apt/lists/* /root/lists/",
        repair: "mv /root/lists/* /var/lib/apt/lists/",
        ends: [
            "failed old: cannot be installed with apt-get",
            "failed_undone old: step `Install chrony`",
            "failed_undone old: step `Install chrony`",
            FINE,
            FINE,
        ],
    },
    Fault {
        name: "service does not run with the new configuration",
        host: "service",
        inject: "mkdir -p /etc/systemd/system/chrony.service.d; printf '[Service]\\nExecStartPre=/bin/grep -q -x -f /etc/mark /etc/chrony/chrony.conf\\n' >/etc/systemd/system/chrony.service.d/fussy.conf
systemctl daemon-reload
case 'STAGE' in after* | *proof) systemctl kill -s KILL chrony; sleep 0.5 ;; esac",
        repair: "rm -f /etc/systemd/system/chrony.service.d/fussy.conf; systemctl daemon-reload",
        ends: [
            "failed_undone old: does not run: `ExecStartPre=/bin/grep",
            "failed_undone old: does not run: `ExecStartPre=/bin/grep",
            "failed_undone old: does not run: `ExecStartPre=/bin/grep",
            "failed_undone old: still differs after the change",
            UNPROVEN,
        ],
    },
    Fault {
        name: "master does not answer",
        host: "silent",
        inject: "ip route add unreachable 10.10.10.1/32",
        repair: "ip route del unreachable 10.10.10.1/32",
        ends: [
            "failed old: no source serves time to this host",
            "failed old: no source serves time to this host",
            UNPROVEN,
            UNPROVEN,
            UNPROVEN,
        ],
    },
    Fault {
        name: "source unsynchronised",
        host: "unsync",
        inject: "nft 'add table ip fault; add chain ip fault out { type nat hook output priority -100; }; add rule ip fault out ip daddr 10.10.10.254 udp dport 123 dnat to 10.10.10.253'",
        repair: "nft delete table ip fault",
        ends: ["failed old: unsynchronised", "failed old: unsynchronised", UNPROVEN, UNPROVEN, UNPROVEN],
    },
];

/// Hosts that have no chrony when the run begins.
const BARE: [&str; 2] = ["lock", "package"];

fn fleet(turn: usize, lab: Option<&Lab>) -> String {
    let password = lab.map_or(String::new(), |lab| lab.path("password").display().to_string());
    let lines = FAULTS.iter().zip(2..).map(|(fault, number)| match fault.host {
        "password" => format!("    password: {{ address: 10.10.10.{number}, ssh: {{ user: admin, key: none, password: {{ file: '{password}' }}, become_password: {{ file: '{password}' }} }} }}\n"),
        "unsync" => format!("    unsync: {{ address: 10.10.10.{number}, follows: [], upstream: [10.10.10.254] }}\n"),
        name => format!("    {name}: 10.10.10.{number}\n"),
    });
    format!(
        "defaults: {{ ssh: {{ user: ops, become: sudo, SSH }}, limits: {{ deadline: 15s }} }}\n\
         groups:\n\
         \x20 masters: {{ role: master, isolated: true, serve: [10.10.10.0/24], hosts: {{ m1: 10.10.10.1 }} }}\n\
         \x20 slaves:\n\
         \x20   role: slave\n\
         \x20   follows: [masters]\n\
         \x20   extra: ['logchange {turn}']\n\
         \x20   hosts:\n{}",
        lines.map(|line| format!("  {line}")).collect::<String>()
    )
}

/// Places for files that can be full or read-only, and a bare host again.
const PREPARE: &str = "
case HOST in
  etc | readonly) mountpoint -q /etc/chrony || { cp -a /etc/chrony /root/chrony; mount -t tmpfs -o size=64k tmpfs /etc/chrony; cp -a /root/chrony/. /etc/chrony; } ;;
  var) mountpoint -q /var/lib/fleetclock || { rm -rf /var/lib/fleetclock; mkdir -p /var/lib/fleetclock; mount -t tmpfs -o size=512k tmpfs /var/lib/fleetclock; } ;;
  lock | package)
    export DEBIAN_FRONTEND=noninteractive
    ! dpkg-query -W chrony >/dev/null 2>&1 || apt-get -y -qq purge chrony >/dev/null 2>&1
    apt-get -y -qq install --no-install-recommends systemd-timesyncd >/dev/null 2>&1
    systemctl -q enable --now systemd-timesyncd ;;
esac
grep '^logchange' /etc/chrony/chrony.conf >/etc/mark 2>/dev/null || true";

/// The failure, and the program that brings it.
const ARM: &str = "
cat >/root/fault <<'FAULT'
PATH=/usr/sbin:/usr/bin:/sbin:/bin
rm -f /usr/local/sbin/PROGRAM
INJECT
FAULT
cat >/usr/local/sbin/PROGRAM <<'TRAP'
#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
comes() { WHEN && mv /root/fault /root/fault.now 2>/dev/null && sh /root/fault.now </dev/null >/dev/null 2>&1; }
TRAP
if [ BEHIND = true ]
then printf '%s\\n' 'PROGRAM \"$@\"' 's=$?' comes 'exit $s'
else printf '%s\\n' comes 'exec PROGRAM \"$@\"'
fi >>/usr/local/sbin/PROGRAM
chmod 755 /usr/local/sbin/PROGRAM";

/// What is there once the host has ended what it was doing.
const STATE: &str = "rest
rm -f /usr/local/sbin/[acs]*
if [ -e /etc/chrony/chrony.conf ]; then
  sha256sum </etc/chrony/chrony.conf
  systemctl is-active chrony || true
  loaded || true
else
  systemctl is-active systemd-timesyncd || true
fi";

/// Nothing is left of a run that is over.
const SETTLED: &str = "settled
systemctl is-active -q chrony && grep -q '^logchange TURN$' /etc/chrony/chrony.conf";

/// The hosts' outside sources: one that is right, and one that has lost its own.
fn sources(lab: &str) -> [Server; 2] {
    let namespace = std::fs::File::open(format!("/run/netns/fc-{}", named(lab))).unwrap();
    let bind = move || {
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        ["10.10.10.254:123", "10.10.10.253:123"].map(|address| UdpSocket::bind(address).unwrap())
    };
    let [right, lost] = std::thread::spawn(bind).join().unwrap();
    [Server::on(right, RIGHT), Server::on(lost, Manner { stratum: 0, leap: 3, ..RIGHT })]
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn every_fault_at_every_stage() {
    let hosts: Vec<String> = std::iter::once("m1")
        .chain(FAULTS.iter().map(|fault| fault.host))
        .zip(1..)
        .map(|(name, number)| format!("{name}=bookworm@10.10.10.{number}"))
        .collect();
    let lab = Lab::up("matrix", &hosts.iter().map(String::as_str).collect::<Vec<_>>(), &fleet(0, None));
    lab.here(&format!("ip netns exec fc-{} ip addr add 10.10.10.253/32 dev lo", named("matrix")));
    std::fs::write(lab.path("password"), "admin-password\n").unwrap();
    let _sources = sources("matrix");
    lab.inventory(&fleet(0, Some(&lab)));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    let mut wrong = Vec::new();
    for (turn, stage) in (1..).zip(&STAGES) {
        if std::env::var_os("FLEETCLOCK_STAGE").is_some_and(|only| only != stage.name) {
            continue;
        }
        wrong.extend(run(&lab, turn, stage));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One stage: all failures at once, each on its host. Returns what was not as it is written above.
fn run(lab: &Lab, turn: usize, stage: &Stage) -> Vec<String> {
    lab.inventory(&fleet(turn, Some(lab)));
    let old = on_each(|fault| prepare(lab, fault, stage));
    let (_, report) = lab.json(&["apply", "--yes"]);
    let then = on_each(|fault| look(lab, fault));
    let (code, again) = lab.json(&["apply", "--yes"]);
    let mut wrong = Vec::new();
    if code != 0 {
        wrong.push(format!("{}: the next apply ended with {code}", stage.name));
    }
    for ((fault, old), then) in FAULTS.iter().zip(&old).zip(&then) {
        let ended = ended(&report, fault, old, then);
        let next = host(&again, fault.host)["status"].as_str().unwrap_or_default().to_owned();
        let settled = lab.attempt(fault.host, &format!("{LOOK}{}", SETTLED.replace("TURN", &turn.to_string())));
        let line = format!("{}, {}: {ended}; then {next}{settled}", stage.name, fault.name);
        tell(&line);
        let index = STAGES.iter().position(|other| other.name == stage.name).unwrap();
        let (wanted, words) = fault.ends[index].split_once(": ").unwrap_or((fault.ends[index], ""));
        if !ended.starts_with(wanted) || !ended.contains(words) || !settled.is_empty() || !next.contains("changed") {
            wrong.push(format!("{line}\n  wanted: {}", fault.ends[index]));
        }
    }
    wrong
}

/// On all hosts at once.
fn on_each(work: impl Fn(&Fault) -> String + Sync) -> Vec<String> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = FAULTS.iter().map(|fault| scope.spawn(|| work(fault))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// How the run ended on a host: status, configuration, error.
fn ended(report: &Value, fault: &Fault, old: &str, then: &str) -> String {
    let status = host(report, fault.host)["status"].as_str().unwrap_or_default();
    let broken = ["neither", "failed", "inactive", "did not come"].iter().any(|word| then.contains(word));
    let state = match (then == old, broken) {
        (_, true) => format!("BROKEN ({then})"),
        (true, _) => "old".to_owned(),
        (false, _) => "new".to_owned(),
    };
    format!("{status} {state}: {}", error(report, fault.host)).trim_end_matches([':', ' ']).to_owned()
}

/// Makes a host ready and returns what it looks like.
fn prepare(lab: &Lab, fault: &Fault, stage: &Stage) -> String {
    lab.sh(fault.host, &PREPARE.replace("HOST", fault.host));
    let old = lab.sh(fault.host, &format!("{LOOK}{STATE}"));
    let inject = fault.inject.replace("STAGE", stage.name);
    let program = stage.programs[usize::from(BARE.contains(&fault.host))];
    if program.is_empty() {
        lab.attempt(fault.host, &inject);
        return old;
    }
    let arm = ARM.replace("WHEN", stage.when).replace("BEHIND", &stage.behind.to_string());
    lab.sh(fault.host, &arm.replace("INJECT", &inject).replace("PROGRAM", program));
    old
}

/// What a host looks like after the run; then the failure is repaired.
fn look(lab: &Lab, fault: &Fault) -> String {
    if fault.host == "down" {
        lab.lab("reboot", fault.host);
    }
    let then = lab.sh(fault.host, &format!("{LOOK}{STATE}"));
    let came = lab.attempt(fault.host, "[ ! -e /root/fault ]").is_empty();
    lab.attempt(fault.host, &format!("rm -f /root/fault; {}", fault.repair));
    if came { then } else { format!("{then}, the fault did not come") }
}
