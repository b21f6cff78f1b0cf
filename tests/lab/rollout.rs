//! From bare servers to proven clocks.

use crate::fixture::{Lab, words};
use crate::report::{error, host, statuses};

/// Three servers, as in the guide that the project started from: one serves, two follow.
pub(crate) const THREE: &str = "
defaults:
  ssh: { user: ops, become: sudo, SSH }
groups:
  masters:
    role: master
    isolated: true
    serve: [10.10.10.0/24]
    hosts: { server1: 10.10.10.1 }
  slaves:
    role: slave
    follows: [masters]
    hosts: { server2: 10.10.10.2, server3: { address: 10.10.10.3, provider: ntpd } }
";

pub(crate) const HOSTS: &[&str] =
    &["server1=bookworm@10.10.10.1", "server2=bookworm@10.10.10.2", "server3=bookworm@10.10.10.3"];

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn three_servers_from_bare_to_proven_and_again() {
    let lab = Lab::up("three", HOSTS, THREE);
    plan_shows_everything_and_changes_nothing(&lab);

    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(statuses(&report), ["server1 changed", "server2 changed", "server3 changed"], "{report:#}");
    assert_eq!(code, 0);
    for name in ["server1", "server2", "server3"] {
        assert!(host(&report, name)["executions"].as_u64().unwrap() <= 5, "{report:#}");
    }
    // What the daemons say themselves.
    assert!(lab.sh("server2", "chronyc -n sources").contains("^* 10.10.10.1"));
    assert!(lab.sh("server3", "ntpq -n -p").contains("*10.10.10.1"));
    assert_eq!(lab.sh("server2", "systemctl is-enabled chrony; systemctl is-active chrony"), "enabled\nactive");
    let rule = r#"rule family="ipv4" source address="10.10.10.0/24" service name="ntp" accept"#;
    assert_eq!(
        lab.sh("server1", "firewall-cmd --list-rich-rules; firewall-cmd --permanent --list-rich-rules"),
        format!("{rule}\n{rule}")
    );
    // A slave serves nobody and opens nothing.
    assert_eq!(lab.sh("server2", "firewall-cmd --list-rich-rules; grep -c allow /etc/chrony/chrony.conf || true"), "0");

    a_second_apply_restarts_nothing(&lab);

    let (code, report) = lab.json(&["verify"]);
    assert_eq!(code, 0, "{report:#}");
    let source = &host(&report, "server2")["sources"][0];
    assert_eq!(
        (source["host"].as_str(), source["selected"].as_bool(), source["probe"].as_str()),
        (Some("server1"), Some(true), Some("static"))
    );
    // All hosts of the lab share one clock: the truth is zero, and it lies within the bound.
    let (offset, bound) = (source["offset_s"].as_f64().unwrap(), source["error_bound_s"].as_f64().unwrap());
    assert!(offset.abs() < 0.005 && offset.abs() <= bound, "{source:#}");
    // Nothing is left behind by the probe.
    assert_eq!(
        lab.sh("server2", "ls -d /dev/shm/fleetclock.* /run/fleetclock.* /tmp/fleetclock.* 2>/dev/null | wc -l"),
        "0"
    );
}

fn plan_shows_everything_and_changes_nothing(lab: &Lab) {
    // A server that has just booted is still busy with itself.
    lab.sh("server1", "sleep 3; touch /run/stamp; sleep 1.1");
    let run = lab.fleetclock(&["plan", "--exit-code"]);
    assert_eq!(run.code, 3, "{}{}", run.stdout, run.stderr);
    for part in [
        "+ package chrony",
        "- package systemd-timesyncd installed 252",
        "+ file /etc/chrony/chrony.conf",
        "+local stratum 10 orphan",
        "+allow 10.10.10.0/24",
        "~ service systemd-timesyncd running yes -> no",
        "+ service chrony enabled absent -> yes",
        "123/udp from 10.10.10.0/24 (permanent) absent -> open",
        "+ package ntpsec",
        "Plan: 3 hosts to change",
    ] {
        assert!(words(&run.stdout).contains(part), "no `{part}` in\n{}", run.stdout);
    }
    let newer = "find / -xdev -fstype overlay -newer /run/stamp -not -path '/var/log*' -not -path '/var/cache/ldconfig*' \
                 -not -path '/var/lib/systemd/*' -not -path '/var/lib/sudo/*' | head";
    assert_eq!(lab.sh("server1", newer), "", "plan has changed something");
    let (_, report) = lab.json(&["plan"]);
    assert!(report["hosts"].as_array().unwrap().iter().all(|host| host["executions"] == 2), "{report:#}");
}

fn a_second_apply_restarts_nothing(lab: &Lab) {
    let started = "systemctl show -p InvocationID chrony ntpsec";
    let before = (lab.sh("server2", started), lab.sh("server3", started));
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(
        (code, statuses(&report)),
        (0, vec!["server1 unchanged".to_owned(), "server2 unchanged".into(), "server3 unchanged".into()]),
        "{report:#}"
    );
    assert_eq!((lab.sh("server2", started), lab.sh("server3", started)), before);
    let (code, report) = lab.json(&["check"]);
    assert_eq!(code, 0);
    assert!(report["hosts"].as_array().unwrap().iter().all(|host| host["executions"] == 2), "{report:#}");
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn classic_ntp_serves_a_network_and_the_client_gets_its_star() {
    let inventory = "
defaults: { ssh: { user: ops, become: sudo, SSH }, provider: ntpd }
groups:
  masters: { role: master, isolated: true, serve: [192.168.1.0/24], hosts: { timeserver: 192.168.1.10 } }
  clients: { role: slave, follows: [masters], hosts: { client: 192.168.1.20 } }
";
    let lab = Lab::up("classic", &["timeserver=bullseye@192.168.1.10", "client=bullseye@192.168.1.20"], inventory);
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    let conf = lab.sh("timeserver", "cat /etc/ntp.conf");
    assert!(conf.contains("restrict 192.168.1.0 mask 255.255.255.0 nomodify notrap"), "{conf}");
    assert!(!conf.contains("pool.ntp.org"), "{conf}");
    assert!(lab.sh("client", "ntpq -n -p").contains("*192.168.1.10"));
    assert_eq!(lab.sh("timeserver", "systemctl is-enabled ntp; systemctl is-active ntp"), "enabled\nactive");
    let ports = lab.sh("timeserver", "firewall-cmd --list-rich-rules; firewall-cmd --permanent --list-rich-rules");
    assert_eq!(ports.matches("192.168.1.0/24").count(), 2, "{ports}");
    // What a running ntpd measures changes all the time, and is nothing that a saved plan was made of.
    lab.inventory(&inventory.replace("provider: ntpd", "provider: ntpd, step: { over: 2s, first: 3 }"));
    let plan = lab.path("night.plan").display().to_string();
    assert_eq!(lab.fleetclock(&["plan", "--out", &plan, "-l", "client"]).code, 0);
    lab.sh("client", "sleep 3");
    let (code, report) = lab.json(&["apply", &plan]);
    assert_eq!((code, host(&report, "client")["status"].as_str()), (0, Some("changed")), "{report:#}");
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn chrony_with_preferred_source_and_pool_on_a_network_without_internet() {
    let inventory = "
defaults: { ssh: { user: ops, become: sudo, SSH } }
groups:
  masters:
    role: master
    isolated: true
    upstream: [{ address: 10.10.10.9, prefer: true, minpoll: 4, maxpoll: 4 }, { address: kr.pool.ntp.org, pool: true }]
    hosts: { ntp1: 10.10.10.1 }
  servers:
    role: slave
    follows: [{ name: masters, prefer: true, minpoll: 4, maxpoll: 4 }]
    step: { over: 500ms, first: 5 }
    hosts: { app1: { address: 'fd00:10::2' } }
";
    // The outside server does not answer, as on a network without internet: the master goes on by itself.
    let lab = Lab::up(
        "chrony",
        &["ntp1=trixie@10.10.10.1,fd00:10::1", "app1=trixie@10.10.10.2,fd00:10::2"],
        &inventory.replace("ntp1: 10.10.10.1", "ntp1: { address: 10.10.10.1, time_address: 'fd00:10::1' }"),
    );
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    let alone =
        "it runs on its own clock, its upstream is lost: no answer came since chrony started (`10.10.10.9` (reach 0)";
    let warnings = host(&report, "ntp1")["warnings"].to_string();
    assert!(warnings.contains(alone), "{warnings}");
    let master = lab.sh("ntp1", "cat /etc/chrony/chrony.conf");
    for line in [
        "server 10.10.10.9 prefer iburst minpoll 4 maxpoll 4",
        "pool kr.pool.ntp.org iburst",
        "local stratum 10 orphan",
        "allow fd00:10::2/128",
    ] {
        assert!(master.lines().any(|found| found == line), "no `{line}` in\n{master}");
    }
    let slave = lab.sh("app1", "cat /etc/chrony/chrony.conf");
    assert!(
        slave.contains("server fd00:10::1 prefer iburst minpoll 4 maxpoll 4\n") && slave.contains("makestep 0.5 5\n"),
        "{slave}"
    );
    assert!(lab.sh("app1", "chronyc -n sources").contains("^* fd00:10::1"));
    assert!(lab.sh("ntp1", "firewall-cmd --list-rich-rules").contains("fd00:10::2/128"));

    // Another name in the inventory is nothing that a host has to be restarted for.
    let text = std::fs::read_to_string(lab.path("fleet.yml")).unwrap();
    lab.inventory(&text.replace("app1:", "shop:").replace("ntp1:", "clock:"));
    let (code, report) = lab.json(&["check"]);
    assert_eq!(code, 0, "{report:#}");

    // The fallback is a failure where the inventory says so.
    lab.inventory(&text.replace("isolated: true", "isolated: { alarm: true }"));
    let (code, report) = lab.json(&["verify", "-l", "ntp1"]);
    let message = error(&report, "ntp1");
    assert!(code == 5 && message.starts_with(alone), "{code} {message}");
    lab.inventory(&text);
    crate::bad_days::a_pool_counts_while_it_is_heard(&lab, &text);
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn red_hat_names_paths_and_package_manager() {
    let inventory = "
defaults: { ssh: { user: ops, become: sudo, SSH } }
groups:
  masters: { role: master, isolated: true, hosts: { rocky1: 10.10.10.1 } }
  slaves: { role: slave, follows: [masters], hosts: { rocky2: 10.10.10.2, rocky3: { address: 10.10.10.3, provider: ntpd } } }
";
    let hosts = ["rocky1=rhel@10.10.10.1", "rocky2=rhel@10.10.10.2", "rocky3=rhel@10.10.10.3"];
    let lab = Lab::up("rhel", &hosts, inventory);
    // As on Red Hat 7: yum and no dnf.
    lab.sh("rocky3", "rm /usr/bin/yum && mv /usr/bin/dnf /usr/bin/yum");
    no_ntp_since_red_hat_8(&lab);
    let plan = lab.fleetclock(&["plan"]);
    assert!(plan.stdout.contains("+ package chrony") && plan.stdout.contains("/etc/chrony.conf"), "{}", plan.stdout);
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    assert!(lab.sh("rocky2", "chronyc -n sources").contains("^* 10.10.10.1"));
    assert!(lab.sh("rocky3", "ntpq -n -p").contains("*10.10.10.1"));
    assert_eq!(
        lab.sh("rocky2", "systemctl is-enabled chronyd; rpm -q chrony >/dev/null && echo installed"),
        "enabled\ninstalled"
    );
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!((code, &statuses(&report)[..1]), (0, &["rocky1 unchanged".to_owned()][..]), "{report:#}");
}

/// Real systems of this release have no ntp: refused before anything is changed, with what was seen and the way out.
fn no_ntp_since_red_hat_8(lab: &Lab) {
    lab.sh("rocky3", "cp /etc/dnf/dnf.conf /root/dnf.conf; echo 'excludepkgs=ntp' >>/etc/dnf/dnf.conf");
    let refused = "package `ntp` cannot be installed with yum: no repository of this host has it (enabled: lab)";
    for arguments in [&["check"][..], &["plan"], &["apply", "--yes"]] {
        let (code, report) = lab.json(&[arguments, &["-l", "rocky3"]].concat());
        let message = error(&report, "rocky3");
        assert!(code == 1 && message.contains(refused), "{arguments:?}: {message}");
        assert!(message.contains("no ntp since release 8: say `provider: chrony`"), "{arguments:?}: {message}");
    }
    lab.sh("rocky3", "mv /root/dnf.conf /etc/dnf/dnf.conf; ! rpm -q ntp chrony");
}

/// Holds the lock of the package manager, as somebody does who is asked by zypper and has gone to lunch.
const ZYPPER_AT_WORK: &str = "setsid sh -c 'sleep SECONDS | zypper shell' </dev/null >/dev/null 2>&1 &
for n in $(seq 1500); do [ -s /run/zypp.pid ] && exit; sleep 0.1; done; exit 1";

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn suse_names_paths_and_package_manager() {
    let inventory = "
defaults: { ssh: { user: ops, become: sudo, SSH } }
groups:
  masters: { role: master, isolated: true, serve: [10.10.10.0/24], hosts: { leap1: 10.10.10.1 } }
  slaves: { role: slave, follows: [masters], hosts: { leap2: 10.10.10.2, leap3: { address: 10.10.10.3, provider: ntpd } } }
";
    let hosts = ["leap1=suse@10.10.10.1", "leap2=suse@10.10.10.2", "leap3=suse@10.10.10.3"];
    let lab = Lab::up("suse", &hosts, inventory);
    zypper_trouble_in_the_plan(&lab);

    // Another zypper is at work on one host and does not end; on another a repository is gone that is not needed.
    lab.sh("leap2", &ZYPPER_AT_WORK.replace("SECONDS", "600"));
    lab.sh(
        "leap3",
        "sed 's/lab/gone/; s,/srv/repo,/srv/nowhere,' /etc/zypp/repos.d/lab.repo >/etc/zypp/repos.d/gone.repo",
    );
    let plan = lab.fleetclock(&["plan"]);
    let shown = words(&plan.stdout);
    for part in
        ["+ package chrony installed absent -> 4.3-150400.1.lab", "/etc/chrony.conf", "+ package ntp ", "/etc/ntp.conf"]
    {
        assert!(shown.contains(part), "no `{part}` in {}{}", plan.stdout, plan.stderr);
    }
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(
        (code, statuses(&report)),
        (1, vec!["leap1 changed".to_owned(), "leap2 failed_undone".into(), "leap3 changed".into()]),
        "{report:#}"
    );
    assert!(error(&report, "leap2").contains("System management is locked by the application with pid"), "{report:#}");
    lab.sh("leap2", "! rpm -q chrony && kill $(cat /run/zypp.pid)");
    // It ends in time: it is waited for.
    lab.sh("leap2", &ZYPPER_AT_WORK.replace("SECONDS", "8"));
    let (code, report) = lab.json(&["apply", "--yes", "-l", "leap2"]);
    assert_eq!((code, statuses(&report)), (0, vec!["leap2 changed".to_owned()]), "{report:#}");
    assert!(host(&report, "leap2")["seconds"].as_f64().unwrap() > 5.0, "{report:#}");

    assert!(lab.sh("leap2", "chronyc -n sources").contains("^* 10.10.10.1"));
    assert!(lab.sh("leap3", "ntpq -n -p").contains("*10.10.10.1"));
    assert_eq!(
        lab.sh("leap2", "systemctl is-enabled chronyd; rpm -q chrony"),
        "enabled\nchrony-4.3-150400.1.lab.x86_64"
    );
    // The public servers that come with the package are in a file of their own, which is not read any more.
    assert_eq!(lab.sh("leap2", "ls /etc/chrony.d; chronyc -n sources | grep -c '^\\^'"), "pool.conf\n1");
    let started = "systemctl show -p InvocationID chronyd ntpd";
    let before = ["leap1", "leap2", "leap3"].map(|host| lab.sh(host, started));
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(
        (code, statuses(&report)),
        (0, vec!["leap1 unchanged".to_owned(), "leap2 unchanged".into(), "leap3 unchanged".into()]),
        "{report:#}"
    );
    assert_eq!(["leap1", "leap2", "leap3"].map(|host| lab.sh(host, started)), before);
}

/// The repository is gone: seen by the plan if nothing of it is cached, else by the installation.
fn zypper_trouble_in_the_plan(lab: &Lab) {
    lab.sh("leap2", "mv /srv/repo /srv/away");
    let (code, report) = lab.json(&["apply", "--yes", "-l", "leap2", "--no-verify"]);
    assert_eq!((code, statuses(&report)), (1, vec!["leap2 failed_undone".to_owned()]), "{report:#}");
    assert!(
        error(&report, "leap2").contains("step `Install chrony`: ")
            && error(&report, "leap2").contains("Specified path '/srv/repo'"),
        "{report:#}"
    );
    lab.sh("leap2", "mv /var/cache/zypp /root/zypp");
    let (code, report) = lab.json(&["plan", "-l", "leap2"]);
    let message = error(&report, "leap2");
    assert!(code == 1 && message.contains("package `chrony` cannot be installed with zypper"), "{message}");
    assert!(message.contains("Specified path '/srv/repo'") && message.contains("repositories"), "{message}");
    lab.sh("leap2", "mv /srv/away /srv/repo; rm -rf /var/cache/zypp; mv /root/zypp /var/cache/zypp");
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_host_configures_itself_with_local() {
    // What `lab exec` starts is outside of the filter that keeps the container from the machine's clock.
    let lab = Lab::up(
        "local",
        &["self1=bookworm@10.10.10.1"],
        "hosts: { self1: { role: master, isolated: true, local: true, sets_clock: false, serve: [10.10.10.0/24] } }",
    );
    let root = lab.path("hosts/self1/root/root");
    std::fs::copy(env!("CARGO_BIN_EXE_fleetclock"), root.join("fleetclock")).unwrap();
    std::fs::copy(lab.path("fleet.yml"), root.join("fleet.yml")).unwrap();
    lab.sh("self1", "cd /root && ./fleetclock apply --yes && ./fleetclock check && ./fleetclock verify");
    assert_eq!(
        lab.sh("self1", "systemctl is-active chrony; grep -c '^local stratum 10' /etc/chrony/chrony.conf"),
        "active\n1"
    );
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn two_isolated_masters_agree_on_one_time() {
    let inventory = "
defaults: { ssh: { user: ops, become: sudo, SSH } }
groups:
  masters: { role: master, isolated: true, hosts: { ntp1: 10.10.10.1, ntp2: 10.10.10.2 } }
  slaves: { role: slave, follows: [masters], hosts: { app1: 10.10.10.3 } }
";
    let hosts = ["ntp1=bookworm@10.10.10.1", "ntp2=bookworm@10.10.10.2", "app1=bookworm@10.10.10.3"];
    let lab = Lab::up("orphan", &hosts, inventory);
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    // In the orphan mode one of the two is the reference, and the other follows it.
    let follows = "for n in 1 2 3 4 5 6 7 8 9 10; do chronyc -n -c tracking; sleep 1; done | cut -d, -f2,3 | sort | uniq -c | sort -n | tail -1";
    let (one, two) = (lab.sh("ntp1", follows), lab.sh("ntp2", follows));
    assert!(one.contains("10.10.10.2,11") || two.contains("10.10.10.1,11"), "{one} / {two}");
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_host_where_no_program_may_run_is_probed_with_bash() {
    let lab = Lab::up("noexec", &HOSTS[..2], &THREE.replace(", server3: { address: 10.10.10.3, provider: ntpd }", ""));
    lab.sh("server2", "for d in /dev/shm /run /tmp /var/tmp; do mountpoint -q $d || mount --bind $d $d; mount -o remount,bind,noexec $d; done");
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    let source = &host(&report, "server2")["sources"][0];
    assert_eq!((source["probe"].as_str(), source["outcome"].as_str()), (Some("bash"), Some("ok")), "{source:#}");
    assert!(source["error_bound_s"].as_f64().unwrap() < 0.1, "{source:#}");
}

/// A newer chrony in a repository whose address holds a password, so that only root may read it.
const PRIVATE_SOURCE: &str = "mkdir /srv/private && cd /srv/private
dpkg-deb -R /var/cache/apt/archives/chrony_*.deb new
sed -i 's/^Version: .*/Version: 9.9-1/' new/DEBIAN/control
dpkg-deb -b new chrony.deb >/dev/null && rm -r new
{ dpkg-deb -f chrony.deb; echo Filename: ./chrony.deb; echo Size: $(stat -c %s chrony.deb)
echo SHA256: $(sha256sum chrony.deb | cut -d' ' -f1); } >Packages
cd /etc/apt/sources.list.d && echo 'deb [trusted=yes] file:/srv/private ./' >private.list && chmod 600 private.list
apt-get -qq update -o Dir::Etc::sourcelist=$PWD/private.list -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0";

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn the_plan_knows_what_only_root_may_read() {
    let inventory = "hosts: { one: { address: 10.10.10.1, role: master, isolated: true } }
defaults: { ssh: { user: ops, become: sudo, SSH } }";
    let lab = Lab::up("private", &["one=bookworm@10.10.10.1"], inventory);
    lab.sh("one", PRIVATE_SOURCE);
    let plan = words(&lab.fleetclock(&["plan"]).stdout);
    assert!(plan.contains("+ package chrony installed absent -> 9.9-1"), "{plan}");
    // Nothing can be read by others: apt knows no package at all then, and root does.
    lab.sh("one", "chmod 600 /etc/apt/sources.list");
    let plan = words(&lab.fleetclock(&["plan"]).stdout);
    assert!(plan.contains("+ package chrony installed absent -> 9.9-1"), "{plan}");
}
