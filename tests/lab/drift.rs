//! Hand edits are seen, and exactly they are repaired.

use crate::fixture::{Lab, words};
use crate::report::host;
use crate::rollout::{HOSTS, THREE};

/// What was changed by hand, what the report calls it, and whether the daemon has to restart.
const EDITS: &[(&str, &str, &str, bool)] = &[
    ("server2", "echo 'server 192.0.2.1' >>/etc/chrony/chrony.conf", "file /etc/chrony/chrony.conf content", true),
    ("server2", "chmod 600 /etc/chrony/chrony.conf", "file /etc/chrony/chrony.conf mode", false),
    ("server2", "chown ops /etc/chrony/chrony.conf", "file /etc/chrony/chrony.conf owner", false),
    ("server2", "rm /etc/chrony/chrony.conf", "file /etc/chrony/chrony.conf content", true),
    ("server2", "systemctl disable -q chrony", "service chrony enabled", false),
    ("server2", "systemctl stop chrony", "service chrony running", true),
    ("server2", "systemctl stop chrony; systemctl mask -q chrony", "service chrony running", true),
    ("server2", "mkdir -p /run/fleetclock/owed; touch /run/fleetclock/owed/chrony", "service chrony restart", true),
    ("server2", "chronyc add server 192.0.2.77", "service chrony changed at run time", true),
    ("server2", OTHER_FILE_ONCE, "service chrony arguments", true),
    ("server3", "sed -i 's/^server/#server/' /etc/ntpsec/ntp.conf", "file /etc/ntpsec/ntp.conf content", true),
    ("server1", RUNNING_RULE, "firewalld zone public 123/udp from 10.10.10.0/24 (running)", false),
    ("server1", PERMANENT_RULE, "firewalld zone public 123/udp from 10.10.10.0/24 (permanent)", false),
];

/// chronyd runs with another file, and the next start is in sync again.
const OTHER_FILE_ONCE: &str = "cp /etc/chrony/chrony.conf /etc/chrony/other.conf; cd /etc/systemd/system/chrony.service.d; \
    sed 's/chrony.conf/other.conf/' lab.conf >zz.conf; systemctl daemon-reload; systemctl restart chrony; \
    rm zz.conf; systemctl daemon-reload";

/// What rules beside the managed file and only a person may change, and what the refusal says.
const RULED: &[(&str, &str, &str, &str)] = &[
    (
        "server2",
        "cd /etc/systemd/system/chrony.service.d; sed 's/chrony.conf/other.conf/' lab.conf >zz.conf; systemctl daemon-reload",
        "it loads /etc/chrony/other.conf and not /etc/chrony/chrony.conf",
        "rm /etc/systemd/system/chrony.service.d/zz.conf; systemctl daemon-reload",
    ),
    (
        "server2",
        "cd /etc/systemd/system/chrony.service.d; sed 's/ -x / -x -6 /' lab.conf >zz.conf; systemctl daemon-reload",
        "`-6` keeps it from addresses of the other family",
        "rm /etc/systemd/system/chrony.service.d/zz.conf; systemctl daemon-reload",
    ),
    (
        "server3",
        "mkdir -p /run/ntpsec; cp /etc/ntpsec/ntp.conf /run/ntpsec/ntp.conf.dhcp",
        "ntpsec.service loads /run/ntpsec/ntp.conf.dhcp, which DHCP has written",
        "rm /run/ntpsec/ntp.conf.dhcp",
    ),
];

const RUNNING_RULE: &str = r#"firewall-cmd -q --remove-rich-rule='rule family="ipv4" source address="10.10.10.0/24" service name="ntp" accept'"#;
const PERMANENT_RULE: &str = r#"firewall-cmd -q --permanent --remove-rich-rule='rule family="ipv4" source address="10.10.10.0/24" service name="ntp" accept'"#;

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn each_hand_edit_is_seen_and_repaired_alone() {
    let lab = Lab::up("drift", HOSTS, THREE);
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    for (name, edit, expected, restart) in EDITS {
        let id = "systemctl show -p InvocationID --value chrony ntpsec | grep -v '^$'";
        let before = lab.sh(name, id);
        lab.sh(name, edit);
        let (code, report) = lab.json(&["check", "-l", name]);
        assert_eq!(code, 3, "after `{edit}`: {report:#}");
        let deltas = host(&report, name)["deltas"].as_array().unwrap();
        let seen: Vec<String> = deltas
            .iter()
            .map(|d| format!("{} {}", d["resource"].as_str().unwrap(), d["property"].as_str().unwrap()))
            .collect();
        assert!(seen.iter().any(|delta| delta == expected), "after `{edit}`: {seen:?}");
        let (code, report) = lab.json(&["apply", "--yes", "-l", name]);
        assert_eq!((code, host(&report, name)["status"].as_str()), (0, Some("changed")), "after `{edit}`: {report:#}");
        let (code, report) = lab.json(&["check"]);
        assert_eq!(code, 0, "after the repair of `{edit}`: {report:#}");
        assert_eq!(lab.sh(name, id) != before, *restart, "after `{edit}`: restarted or not");
    }
    what_rules_beside_the_file_is_refused(&lab);
    what_ntpd_passes_over_is_no_success(&lab);
}

/// It starts with a line that it does not understand, as chronyd does not.
fn what_ntpd_passes_over_is_no_success(lab: &Lab) {
    let passed = "lines of the file still differs after the change: line";
    lab.inventory(&THREE.replace("provider: ntpd", "provider: ntpd, extra: ['nonsense 1 2']"));
    let (code, report) = lab.json(&["apply", "--yes", "-l", "server3"]);
    let failed = host(&report, "server3");
    let message = failed["error"]["message"].as_str().unwrap_or_default();
    assert_eq!((code, failed["status"].as_str()), (1, Some("failed_undone")), "{report:#}");
    assert!(message.contains(passed) && message.contains("is passed over: `nonsense 1 2`"), "{message}");
    // The file is in sync, and what runs is not.
    assert_eq!(lab.json(&["apply", "--yes", "--no-undo", "-l", "server3"]).0, 1);
    let (code, report) = lab.json(&["check", "-l", "server3"]);
    let deltas = host(&report, "server3")["deltas"].as_array().unwrap();
    assert_eq!((code, deltas.len(), deltas[0]["property"].as_str()), (3, 1, Some("lines of the file")), "{report:#}");
    lab.inventory(THREE);
    assert_eq!(lab.json(&["apply", "--yes", "-l", "server3"]).0, 0);
    assert_eq!(lab.json(&["check", "-l", "server3"]).0, 0);
}

fn what_rules_beside_the_file_is_refused(lab: &Lab) {
    for (name, edit, expected, back) in RULED {
        lab.sh(name, edit);
        let (code, report) = lab.json(&["check", "-l", name]);
        let message = host(&report, name)["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(code == 1 && message.contains(expected), "after `{edit}`: {code} {message}");
        lab.sh(name, back);
        assert_eq!(lab.fleetclock(&["check", "-l", name]).code, 0, "after `{back}`");
    }
    lab.sh("server2", "printf '[Unit]\nConditionPathExists=/nowhere\n' >/etc/systemd/system/chrony.service.d/zz.conf; systemctl daemon-reload; systemctl restart chrony");
    let (code, report) = lab.json(&["check", "-l", "server2"]);
    let from = host(&report, "server2")["deltas"][0]["from"].as_str().unwrap_or_default();
    assert!(
        code == 3 && from.contains("a condition of its unit is not met: ConditionPathExists=/nowhere"),
        "{report:#}"
    );
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_second_time_service_is_found_stopped_and_kept_from_booting() {
    let inventory = "
defaults: { ssh: { user: ops, become: sudo, SSH } }
hosts: { rocky1: { address: 10.10.10.1, role: master, isolated: true, provider: ntpd, serve: [10.10.10.0/24] } }
";
    let lab = Lab::up("fight", &["rocky1=rhel@10.10.10.1"], inventory);
    // On Red Hat both can be installed side by side.
    lab.sh("rocky1", "dnf -y -q install chrony && systemctl enable -q --now chronyd");
    let plan = lab.fleetclock(&["plan"]);
    assert!(words(&plan.stdout).contains("~ service chronyd running yes -> no"), "{}", plan.stdout);
    assert_eq!(lab.fleetclock(&["apply", "--yes"]).code, 0);
    assert_eq!(
        lab.sh("rocky1", "systemctl is-active chronyd ntpd; systemctl is-enabled chronyd ntpd || true"),
        "inactive\nactive\ndisabled\nenabled".to_owned()
    );
}
