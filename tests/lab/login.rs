//! Ways in: keys, passwords, sudo, doas, bastions; and refusals that say why.

use crate::fixture::Lab;
use crate::report::{error, host};

fn inventory(hosts: &str) -> String {
    format!("defaults: {{ ssh: {{ SSH }}, role: master, isolated: true }}\nhosts:\n{hosts}")
}

/// Accounts that let nobody run a command, each in its way, and with a word of .bashrc beside.
const STRANGE_SHELLS: &str = r#"
useradd -m -s /usr/sbin/nologin noshell; useradd -m -s /bin/rbash restricted; useradd -m -s /bin/bash forced
for u in noshell restricted forced; do
  mkdir /home/$u/.ssh; cp /home/ops/.ssh/authorized_keys /home/$u/.ssh/; chown -R $u /home/$u/.ssh; chmod 700 /home/$u/.ssh
  sed -i '1i stty sane' /home/$u/.bashrc
done
sed -i 's/^/command="echo backups only; exit 3" /' /home/forced/.ssh/authorized_keys"#;

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn every_way_in_and_every_refusal() {
    let pass = "{ env: FC_PASSPHRASE }";
    let lines = [
        "root: { address: ADDR, ssh: { user: root } }",
        "sudo: { address: ADDR, ssh: { user: ops, become: sudo } }",
        "sudo-password: { address: ADDR, ssh: { user: admin, become: sudo, become_password: { env: FC_ADMIN } } }",
        "sudo-wrong: { address: ADDR, ssh: { user: admin, become: sudo, become_password: { env: FC_WRONG } } }",
        "sudo-unasked: { address: ADDR, ssh: { user: admin, become: sudo } }",
        "sudo-none: { address: ADDR, ssh: { user: nosudo, become: sudo, become_password: { env: FC_NOSUDO } } }",
        "doas: { address: ADDR, ssh: { user: dora, become: doas } }",
        "doas-password: { address: ADDR, ssh: { user: paula, become: doas, become_password: { env: FC_PAULA } } }",
        "doas-needless: { address: ADDR, ssh: { user: dora, become: doas, become_password: { env: FC_WRONG } } }",
        "doas-wrong: { address: ADDR, ssh: { user: paula, become: doas, become_password: { env: FC_WRONG } } }",
        "doas-unasked: { address: ADDR, ssh: { user: paula, become: doas } }",
        "doas-none: { address: ADDR, ssh: { user: nosudo, become: doas, become_password: { env: FC_NOSUDO } } }",
        "password: { address: ADDR, ssh: { user: admin, key: none, password: { env: FC_ADMIN }, become: sudo, become_password: { env: FC_ADMIN } } }",
        "password-wrong: { address: ADDR, ssh: { user: admin, key: none, password: { env: FC_WRONG } } }",
        "no-root: { address: ADDR, ssh: { user: ops } }",
        "nobody: { address: ADDR, ssh: { user: nosuchuser } }",
        "passphrase: { address: ADDR, ssh: { user: root, key: id_ed25519_pass, passphrase: PASS } }",
        "no-shell: { address: ADDR, ssh: { user: noshell, become: sudo } }",
        "restricted: { address: ADDR, ssh: { user: restricted, become: sudo } }",
        "forced: { address: ADDR, ssh: { user: forced, become: sudo } }",
        "forced-plain: { address: ADDR, ssh: { user: forced } }",
        "passphrase-missing: { address: ADDR, ssh: { user: root, key: id_ed25519_pass } }",
    ];
    let hosts: String =
        lines.iter().map(|l| format!("  {}\n", l.replace("ADDR", "10.10.10.1").replace("PASS", pass))).collect();
    let lab = Lab::up("login", &["h1=bookworm@10.10.10.1"], &inventory(&hosts));
    lab.sh("h1", STRANGE_SHELLS);
    let variables = [
        ("FC_ADMIN", "admin-password"),
        ("FC_WRONG", "wr0ng-s3cret"),
        ("FC_NOSUDO", "nosudo-password"),
        ("FC_PAULA", "paula-password"),
        ("FC_PASSPHRASE", "lab passphrase"),
    ];
    let run = lab.fleetclock_with(&["check", "--format", "json", "-v"], &variables);
    let report = serde_json::from_str(&run.stdout).unwrap();
    for name in ["root", "sudo", "sudo-password", "doas", "doas-password", "doas-needless", "password", "passphrase"] {
        assert_eq!(host(&report, name)["status"], "drifted", "{name}: {}", error(&report, name));
    }
    for (name, words) in [
        ("sudo-wrong", "the password was refused"),
        ("sudo-unasked", "a password is asked for and none is configured"),
        ("sudo-none", "not in the sudoers file"),
        ("doas-wrong", "Authentication failed"),
        ("doas-unasked", "set `become_password`, or use `permit nopass`"),
        ("doas-none", "not permitted"),
        ("password-wrong", "tried"),
        ("no-root", "set `become`"),
        ("nobody", "log in to 10.10.10.1:22 as `nosuchuser`: refused"),
        ("passphrase-missing", "set `passphrase`"),
        (
            "no-shell",
            "its login shell did not run the command, and sudo was not reached: This account is currently not",
        ),
        ("restricted", "its login shell did not run the command, and sudo was not reached: rbash: "),
        ("forced", "its login shell did not run the command, and sudo was not reached: backups only"),
        ("forced-plain", "its login shell did not run the command: backups only"),
    ] {
        assert!(error(&report, name).contains(words), "{name}: {}", error(&report, name));
        assert_eq!(host(&report, name)["status"], "failed", "{name}");
    }
    // One attempt each: no account is locked by us.
    let refused = lab.sh("h1", "journalctl -u ssh -o cat | grep -c 'Failed password' || true");
    assert_eq!(refused, "1");
    for secret in ["admin-password", "wr0ng-s3cret", "nosudo-password", "paula-password", "lab passphrase"] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{secret} was shown");
    }
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_change_through_the_terminal_of_doas_outlives_its_connection() {
    let paula = inventory(
        "  h1: { address: 10.10.10.1, ssh: { user: paula, become: doas, become_password: { file: PASSWORD } } }\n",
    );
    let lab = Lab::up("doas", &["h1=bookworm@10.10.10.1"], "hosts: {}");
    let file = lab.path("password");
    std::fs::write(&file, "paula-password\n").unwrap();
    lab.inventory(&paula.replace("PASSWORD", &file.display().to_string()));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    // The service takes its time to start, and the connection is gone meanwhile.
    lab.sh("h1", "mkdir -p /etc/systemd/system/chrony.service.d; printf '[Service]\nExecStartPre=/bin/sleep 4\n' >/etc/systemd/system/chrony.service.d/slow.conf; systemctl daemon-reload; echo logchange 5 >>/etc/chrony/chrony.conf");
    let tool = lab.start(&["apply", "--yes", "--format", "json"]);
    lab.sh(
        "h1",
        "for n in $(seq 1500); do [ $(systemctl is-active chrony) = activating ] && exit; sleep 0.1; done; exit 1",
    );
    lab.sh("h1", "pkill -KILL -f '^sshd: paula'");
    let report = serde_json::from_slice(&tool.wait_with_output().unwrap().stdout).unwrap();
    assert!(error(&report, "h1").contains("the change had begun"), "{report:#}");
    lab.sh("h1", "for n in $(seq 1500); do grep -q '^script=$' /run/fleetclock/lock && systemctl is-active -q chrony && exit; sleep 0.1; done; exit 1");
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!((code, host(&report, "h1")["status"].as_str()), (0, Some("unchanged")), "{report:#}");
    // No pipe, and nobody who waits at one, is left.
    lab.sh("h1", "for n in $(seq 1500); do pgrep -f fc-roo[m] || exit 0; sleep 0.2; done; exit 1");
    assert_eq!(lab.sh("h1", "ls -d /tmp/fc-* 2>/dev/null | wc -l"), "0");

    lab.sh("h1", "echo 'PermitTTY no' >>/etc/ssh/sshd_config; systemctl restart ssh");
    let (code, report) = lab.json(&["check"]);
    let message = error(&report, "h1");
    assert!(
        code == 1 && message.contains("no terminal for its question") && message.contains("`PermitTTY yes`"),
        "{message}"
    );
    assert_eq!(lab.sh("h1", "sleep 2; ls -d /tmp/fc-* 2>/dev/null | wc -l; pgrep -fc fc-roo[m] || true"), "0\n0");
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn host_keys_known_unknown_and_changed() {
    let lab = Lab::up(
        "keys",
        &["h1=bookworm@10.10.10.1", "h2=bookworm@10.10.10.2"],
        &inventory(
            "  h1: { address: 10.10.10.1, ssh: { user: root } }\n  h2: { address: 10.10.10.2, ssh: { user: root } }\n",
        ),
    );
    let known = lab.path("known_hosts");
    let text = std::fs::read_to_string(&known).unwrap();
    std::fs::write(
        &known,
        text.lines().filter(|line| !line.starts_with("10.10.10.2")).map(|l| format!("{l}\n")).collect::<String>(),
    )
    .unwrap();
    let (code, report) = lab.json(&["check"]);
    assert_eq!((code, host(&report, "h1")["status"].as_str()), (1, Some("drifted")));
    assert!(
        error(&report, "h2").contains("host key of 10.10.10.2:22: ssh-ed25519 SHA256:"),
        "{}",
        error(&report, "h2")
    );
    lab.inventory(&inventory("  h1: { address: 10.10.10.1, ssh: { user: root } }\n  h2: { address: 10.10.10.2, ssh: { user: root, host_key: accept-new } }\n"));
    assert_eq!(lab.json(&["check"]).0, 3);
    assert!(std::fs::read_to_string(&known).unwrap().contains("10.10.10.2 ssh-ed25519 "));
    // Re-installed: the key has changed, which is refused with accept-new as well.
    lab.lab("reset", "h2");
    let (code, report) = lab.json(&["check"]);
    let message = error(&report, "h2");
    assert!(
        code == 1 && message.contains("it has changed") && message.contains("ssh-keygen -R '10.10.10.2' -f"),
        "{message}"
    );
    lab.lab("trust", "h2");
    assert_eq!(lab.json(&["check"]).0, 3);
    what_talks_to_a_host_ends_alone_and_with_the_program(&lab);
}

/// Both hosts have a process each that talks to them; that of h2 hangs in a script.
fn what_talks_to_a_host_ends_alone_and_with_the_program(lab: &Lab) {
    lab.sh("h2", "echo 'sleep 60' >/root/.bashrc");
    let workers = |tool: &std::process::Child, settle: u32| {
        let ours = format!("pgrep -d ' ' -P {} -f '^fleetclock worker'", tool.id());
        lab.said_here(&format!(
            "for n in $(seq 100); do [ $({ours} | wc -w) = 2 ] && break; sleep 0.1; done; sleep {settle}; {ours}"
        ))
    };
    let tool = lab.start(&["check", "--format", "json"]);
    let both = workers(&tool, 5);
    assert_eq!(both.split_whitespace().count(), 2, "{both}");
    lab.here(&format!("kill -KILL {both}"));
    let output = tool.wait_with_output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap();
    // That h1 has drifted comes before that h2 was not reached.
    assert_eq!(output.status.code(), Some(3), "{report:#}");
    assert_eq!(host(&report, "h1")["status"], "drifted", "{}", error(&report, "h1"));
    assert_eq!(host(&report, "h2")["status"], "unreachable", "{}", error(&report, "h2"));
    let message = error(&report, "h2");
    assert!(message.starts_with("run a script on 10.10.10.2:22: ") && message.contains("was killed"), "{message}");

    let mut tool = lab.start(&["check"]);
    let both = workers(&tool, 0);
    lab.kill(&mut tool);
    assert_eq!(lab.said_here(&format!("sleep 2; for p in {both}; do [ ! -e /proc/$p ] || echo $p; done")), "");
    lab.sh("h2", "rm /root/.bashrc");
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn through_one_and_two_bastions() {
    let hosts = [
        "gate=bookworm@10.10.10.9+192.168.50.9",
        "relay=bookworm@192.168.50.10+172.20.0.10",
        "inner=bookworm@192.168.50.20",
        "deep=bookworm@172.20.0.20",
    ];
    let inventory = "
defaults: { ssh: { user: root, SSH }, role: master, isolated: true }
hosts:
  gate: 10.10.10.9
  inner: { address: 192.168.50.20, ssh: { jump: [gate], jump_limit: 2 } }
  deep: { address: 172.20.0.20, ssh: { jump: [gate, root@192.168.50.10] } }
  inner2: { address: 192.168.50.20, ssh: { jump: ['root@10.10.10.9:22'] } }
  direct: { address: 192.168.50.20, ssh: { timeout: 2s } }
  nobody: { address: 192.168.50.99, ssh: { jump: [gate], timeout: 3s } }
";
    let lab = Lab::up("bastion", &hosts, inventory);
    let (_, report) = lab.json(&["check"]);
    for name in ["gate", "inner", "deep", "inner2"] {
        assert_eq!(host(&report, name)["status"], "drifted", "{name}: {}", error(&report, name));
    }
    for name in ["direct", "nobody"] {
        assert_eq!(host(&report, name)["status"], "unreachable", "{name}: {}", error(&report, name));
    }
    busy_behind_a_bastion(&lab, inventory);
    // The same by ssh_config alone.
    let config = lab.path("ssh_config");
    std::fs::write(&config, "Host gate\n  HostName 10.10.10.9\nHost alias\n  HostName 192.168.50.20\n  User root\n  ProxyJump gate\n  # a word that we do not know\n  ControlMaster auto\n").unwrap();
    let key = lab.path("id_ed25519");
    let known = lab.path("known_hosts");
    lab.inventory(&format!("hosts: {{ alias: {{ role: master, isolated: true, ssh: {{ user: root, key: {}, known_hosts: {}, config: {} }} }} }}", key.display(), known.display(), config.display()));
    let (code, report) = lab.json(&["check"]);
    assert_eq!(code, 3, "{}", error(&report, "alias"));
}

/// Beyond `MaxStartups` an sshd takes no connection that has not logged in: somebody holds the only one for a while.
/// It is tried again over the login to the bastion that is there. One that stays busy is named as such.
fn busy_behind_a_bastion(lab: &Lab, inventory: &str) {
    lab.sh("inner", "printf 'Port 2291\nPidFile /run/busy.pid\nMaxStartups 1:100:1\nLoginGraceTime 60\nPermitRootLogin prohibit-password\n' >/etc/ssh/busy; mkdir -p /run/sshd; firewall-cmd -q --add-port=2291/tcp; /usr/sbin/sshd -f /etc/ssh/busy");
    let hold = |seconds: u32| {
        let hold = format!("exec 3<>/dev/tcp/127.0.0.1/2291; read -r x <&3; touch /root/held; sleep {seconds}");
        lab.sh("inner", &format!("rm -f /root/held; setsid bash -c '{hold}' </dev/null >/dev/null 2>&1 & while [ ! -e /root/held ]; do sleep 0.1; done"));
    };
    let busy =
        "  busy: { address: 192.168.50.20, ssh: { port: 2291, jump: [gate], client: ssh2, host_key: accept-new } }\n";
    lab.inventory(&format!("{inventory}{busy}"));
    let logins = || lab.sh("gate", "journalctl -u ssh -o cat | grep -c '^Accepted publickey'").parse::<u32>().unwrap();
    hold(2);
    let before = logins();
    let (_, report) = lab.json(&["check", "-l", "busy"]);
    assert_eq!(host(&report, "busy")["status"], "drifted", "{}", error(&report, "busy"));
    assert_eq!(logins(), before + 1, "the bastion was logged in to again");
    hold(15);
    let (_, report) = lab.json(&["check", "-l", "busy"]);
    assert_eq!(host(&report, "busy")["status"], "unreachable", "{report:#}");
    assert!(
        error(&report, "busy").contains("SSH handshake") || error(&report, "busy").contains("turns connections away"),
        "{}",
        error(&report, "busy")
    );
    lab.sh("inner", "kill $(cat /run/busy.pid)");
    lab.inventory(inventory);
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn keyboard_interactive_and_the_agent() {
    let hosts = "  asked: { address: 10.10.10.1, ssh: { user: admin, key: none, password: { env: FC_ADMIN }, become: sudo, become_password: { env: FC_ADMIN } } }\n  agent: { address: 10.10.10.1, ssh: { user: root, key: none } }\n  own: { address: 10.10.10.1, ssh: { user: root } }\n";
    let lab = Lab::up("agent", &["h1=bookworm@10.10.10.1"], &inventory(hosts));
    lab.sh(
        "h1",
        "sed -i 's/^PasswordAuthentication.*/PasswordAuthentication no/' /etc/ssh/sshd_config && systemctl restart ssh",
    );
    let agent = lab.path("agent");
    let _agent = lab.agent(&agent);
    let socket = agent.display().to_string();
    lab.here(&format!("SSH_AUTH_SOCK={socket} ssh-add -q {}", lab.path("id_ed25519").display()));
    let run = lab
        .fleetclock_with(&["check", "--format", "json"], &[("FC_ADMIN", "admin-password"), ("SSH_AUTH_SOCK", &socket)]);
    let report = serde_json::from_str(&run.stdout).unwrap();
    for name in ["asked", "agent", "own"] {
        assert_eq!(host(&report, name)["status"], "drifted", "{name}: {}", error(&report, name));
    }
    // More keys than the server takes (`MaxAuthTries`), and none of them is known to it.
    let foreign = lab.path("foreign").display().to_string();
    lab.here(&format!(
        "export SSH_AUTH_SOCK={socket}; ssh-add -qD; for n in $(seq 8); do ssh-keygen -q -t ed25519 -N '' -f {foreign}$n && \
         ssh-add -q {foreign}$n; done"
    ));
    let run = lab.fleetclock_with(&["check", "-l", "agent,own", "--format", "json"], &[("SSH_AUTH_SOCK", &socket)]);
    let report = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(host(&report, "own")["status"], "drifted", "{}", error(&report, "own"));
    let ended = "the server ended the connection after 6 keys, as sshd does after too many (`MaxAuthTries`)";
    assert!(error(&report, "agent").contains(ended), "{}", error(&report, "agent"));
    a_slow_login_is_not_a_refused_one(&lab);
    crate::login_openssh::what_openssh_does(&lab, inventory);
}

/// A server that looks the keys up somewhere else, which takes longer than the time-out. Its port is not in
/// known_hosts: the bare name counts.
fn a_slow_login_is_not_a_refused_one(lab: &Lab) {
    lab.sh("h1", "firewall-cmd -q --add-port=2290/tcp; mkdir -p /run/sshd; cd /usr/local/sbin; printf '#!/bin/sh\nsleep 6\n' >slow; chmod 755 slow
printf 'Port 2290\nPidFile none\nAuthorizedKeysFile none\nAuthorizedKeysCommand /usr/local/sbin/slow\nAuthorizedKeysCommandUser root\n' >/etc/ssh/slow; /usr/sbin/sshd -f /etc/ssh/slow");
    lab.inventory(&inventory("  slow: { address: 10.10.10.1, ssh: { user: root, port: 2290, timeout: 2s } }\n"));
    let (_, report) = lab.json(&["check"]);
    let said = error(&report, "slow");
    assert_eq!(host(&report, "slow")["status"], "unreachable", "{said}");
    assert!(said.contains("the login as `root` did not come to its end: no answer within 2s"), "{said}");
}
