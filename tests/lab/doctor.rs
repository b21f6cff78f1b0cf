//! Hosts are broken for real, and `doctor` has to name exactly that. With `UPDATE=1` what was
//! seen becomes a case of `tests/doctor.rs`.

use serde_json::Value;

use crate::doctor_cases::{
    ALL, CLOCK, Case, FIREWALL, FIX, GONE, LEGACY, MACHINE, NAMES, OUTSIDE, PATH, PORTS, SERVICE, SERVING, UNSURE, case,
};
use crate::fixture::{Lab, named};
use crate::report::host;

const HOSTS: &[&str] = &[
    "server1=bookworm@10.10.10.1",
    "server2=bookworm@10.10.10.2",
    "server3=bookworm@10.10.10.3",
    "server4=rhel@10.10.10.4",
];

const RULE: &str =
    r#"--remove-rich-rule='rule family="ipv4" source address="10.10.10.0/24" service name="ntp" accept'"#;

/// Fills in the short words of the table.
fn shell(text: &str) -> String {
    shell_in("doctor", text)
}

pub(crate) fn shell_in(lab: &str, text: &str) -> String {
    let tell = "tell() { a=$1; shift; systemctl stop time$a 2>/dev/null; systemd-run -q --collect --unit=time$a python3 /root/server.py 10.10.10.$a \"$@\"; }; tell";
    let open = format!("firewall-cmd -q {RULE}; firewall-cmd -q --permanent {RULE}; ").replace("--remove", "--add");
    text.replace("OPEN", &open)
        .replace("RULE", RULE)
        .replace("RESTORE", "cp /root/keep CONF; systemctl reset-failed chrony; systemctl restart chrony")
        .replace("CONF", "/etc/chrony/chrony.conf")
        .replace("LEGACY", "apt-get -qq -y install --no-install-recommends iptables >/dev/null 2>&1")
        .replace("FOLLOWS", "for n in $(seq 300); do chronyc -n -c sources | grep -q '^.,[*]' && break; sleep 0.2; done")
        .replace("REACH", "reach() { for n in $(seq 300); do chronyc -n -c sources | cut -d, -f6 | grep -q \"^[1-7]*$1\\$\" && break; sleep 0.2; done; }; reach")
        .replace("TELL", tell)
        .replace("LOSE", "BRIDGE 'add table bridge lab; add chain bridge lab f { type filter hook forward priority 0; }; add rule bridge lab f")
        .replace("FOUND", "BRIDGE delete table bridge lab")
        .replace("BRIDGE", "ip netns exec fc-LAB chroot \"$(tests/lab/lab dir LAB)/hosts/server4/root\" nft")
        .replace("LAB", &named(lab))
}

pub(crate) fn inventory(name: &str) -> String {
    let text = std::fs::read_to_string(format!("{}/tests/doctor/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    format!("defaults: {{ ssh: {{ user: ops, become: sudo, timeout: 60s, SSH }}, limits: {{ deadline: 5m }} }}\n{text}")
}

/// Looks at all hosts; with `UPDATE=1` what was read becomes a case.
pub(crate) fn found(lab: &Lab, name: &str, inventory: &str) -> Value {
    let file = lab.path("evidence.txt");
    let (_, report) = lab.json(&["doctor", "--save", file.to_str().unwrap()]);
    if std::env::var_os("UPDATE").is_some() {
        let text = format!("inventory: {inventory}\n{}", std::fs::read_to_string(&file).unwrap());
        std::fs::write(format!("{}/tests/doctor/{name}.txt", env!("CARGO_MANIFEST_DIR")), text).unwrap();
    }
    report.0
}

/// Returns for each finding `HOST CODE[?] [AFFECTED..]`; a question mark: perhaps.
pub(crate) fn seen(report: &Value) -> Vec<String> {
    let mut all = Vec::new();
    for host in report["hosts"].as_array().unwrap() {
        for finding in host["findings"].as_array().unwrap() {
            let doubt = if finding["certainty"] == "perhaps" { "?" } else { "" };
            let mut words =
                vec![format!("{} {}{doubt}", host["name"].as_str().unwrap(), finding["code"].as_str().unwrap())];
            words.extend(finding["affects"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()));
            all.push(words.join(" "));
        }
    }
    all
}

/// What a finding says to do, without what it says besides.
fn command(fix: &str) -> &str {
    let ends = [
        " (",
        "; and the same",
        "; and where",
        "; or ",
        ", or ",
        ", and the same",
        "; its state",
        "; if that",
        ": the inventory",
        ": its source",
    ];
    let at = ends.iter().filter_map(|end| fix.find(end)).min().unwrap_or(fix.len());
    &fix[..at]
}

/// Does what a finding says, on the host that it names.
pub(crate) fn obey(lab: &Lab, fix: &str) -> String {
    let command = command(fix);
    if let Some(arguments) = command.strip_prefix("fleetclock ") {
        let mut words: Vec<&str> = arguments.split(' ').collect();
        words.push("--yes");
        let run = lab.fleetclock(&words);
        return if run.code == 0 { String::new() } else { format!("{command}: {}{}", run.stdout, run.stderr) };
    }
    let Some((name, command)) = command.strip_prefix("on ").and_then(|rest| rest.split_once(": ")) else {
        return format!("`{fix}` is nothing that can be done");
    };
    // `meet it and ...; or, if nobody needs it: COMMAND`
    let command = fix.split_once("if nobody needs it: ").map_or(command, |(_, command)| command);
    lab.attempt(name, command)
}

pub(crate) fn fixes<'a>(report: &'a Value, expected: &str) -> Vec<&'a str> {
    let (name, code) = expected.split_once(' ').unwrap();
    let code = code.split([' ', '?']).next().unwrap();
    let findings = host(report, name)["findings"].as_array().unwrap();
    let is_it = |finding: &&Value| finding["code"] == code;
    findings.iter().filter(is_it).map(|finding| finding["fix"].as_str().unwrap()).collect()
}

/// Runs shell text on a host, or on the bridge between them.
fn on(lab: &Lab, host: &str, text: &str) {
    if host == "control" { lab.here(text) } else { drop(lab.sh(host, text)) }
}

/// What a source does from now on is learned by the service at its next poll, or at its start.
fn again(lab: &Lab, case: &Case) {
    if case.host == "time" {
        lab.sh("ntpd", "systemctl restart ntpsec");
        lab.sh("one", "systemctl restart chrony");
        lab.sh("many", "systemctl restart chrony; sleep 12");
        // ntpd gives up when it has measured.
        if case.name == "panic" {
            lab.sh("ntpd", "for n in $(seq 300); do systemctl -q is-active ntpsec || break; sleep 0.2; done");
        }
    }
}

/// What each finding of a case says is done as it is printed. What is left to be cleared away after that is not
/// what was found, which may not be found any more before.
fn do_as_said(lab: &Lab, case: &Case, report: &Value, rest: &str) -> Vec<String> {
    let lines = case.found.iter().flat_map(|line| fixes(report, line)).collect::<Vec<_>>();
    let mut wrong: Vec<String> = lines.iter().map(|fix| obey(lab, fix)).filter(|said| !said.is_empty()).collect();
    if lines.is_empty() {
        wrong.push("nothing was found that could be put right".to_owned());
    }
    if !rest.is_empty() {
        lab.here("sleep 1");
        let left = seen(&lab.json(&["doctor"]).1.0);
        let code = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let is_there = case.found.iter().any(|found| left.iter().any(|line| code(line) == code(found)));
        wrong.extend(is_there.then(|| format!("not mended: {left:?}")));
        on(lab, case.host, &shell(rest));
    }
    wrong.iter().map(|line| format!("{}: {line}", case.name)).collect()
}

/// Breaks, asks, mends; returns what was found wrongly.
fn wrong(lab: &Lab, inventory: &str, cases: &[Case]) -> Vec<String> {
    let only = std::env::var_os("ONLY").unwrap_or_default();
    let mut wrong = Vec::new();
    for case in
        cases.iter().filter(|case| only.is_empty() || only.to_string_lossy().split(',').any(|name| name == case.name))
    {
        on(lab, case.host, &shell(case.wreck));
        again(lab, case);
        let report = found(lab, case.name, inventory);
        let found = seen(&report);
        let expected: Vec<String> = case.found.iter().map(|line| line.replace("ALL", ALL)).collect();
        if found != expected {
            wrong.push(format!("{}: expected {expected:?}, found {found:?}", case.name));
        }
        if case.mend.is_empty() {
            break;
        }
        if let Some(rest) = case.mend.strip_prefix(FIX) {
            wrong.extend(do_as_said(lab, case, &report, rest));
        } else {
            on(lab, case.host, &shell(case.mend));
        }
        again(lab, case);
        // The next case begins with clocks that follow.
        let (_, report) = lab.json(&["verify"]);
        let follows = |host: &Value| host["daemon"]["synchronised"] == true;
        assert!(report["hosts"].as_array().unwrap().iter().all(follows), "after {}: {report:#}", case.name);
    }
    wrong
}

/// chronyd leaves port 123 to our probe; ntpd holds it, and proves it by its own polls.
#[track_caller]
fn source_ports_are_proven(lab: &Lab) {
    let (code, report) = lab.json(&["verify"]);
    let port = |name: &str| host(&report, name)["sources"][0]["from_123"].as_str().unwrap_or("?").to_owned();
    let seen: Vec<String> = ["server2", "server3", "server4"].into_iter().map(port).collect();
    assert_eq!((code, seen.join(" ").as_str()), (0, "ok service ok"), "{report:#}");
}

/// Breaks the same four hosts in one way after the other; each has to be found, and nothing else.
#[track_caller]
fn each_is_found(families: &[&[Case]]) {
    let lab = Lab::up("doctor", HOSTS, &inventory("three.yml"));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    source_ports_are_proven(&lab);
    for host in ["server1", "server2"] {
        lab.sh(host, "cp -p /etc/chrony/chrony.conf /root/keep");
    }
    let filler = format!("{}/tests/lab/conntrack.py", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(filler, lab.path("hosts/server1/root/root/conntrack.py")).unwrap();
    lab.sh("server1", "echo '5 SHA1 HEX:00112233445566778899AABBCCDDEEFF00112233' >/etc/chrony/chrony.keys; echo 'keyfile /etc/chrony/chrony.keys' >>/root/keep; cp /root/keep /etc/chrony/chrony.conf; systemctl restart chrony");
    let wrong: Vec<String> = families.iter().flat_map(|cases| wrong(&lab, "three.yml", cases)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn exactly_what_was_broken_is_found() {
    each_is_found(&[SERVICE, SERVING, FIREWALL, PATH, CLOCK, GONE]);
}

mod slow {
    use super::{LEGACY, MACHINE, PORTS, UNSURE, each_is_found};

    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn what_is_broken_more_rarely_is_found() {
        each_is_found(&[LEGACY, PORTS, MACHINE, UNSURE]);
    }
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn names_that_lead_nowhere_or_elsewhere_are_found() {
    let lab = Lab::up("doctorn", HOSTS.get(..2).unwrap(), &inventory("names.yml"));
    lab.sh("server2", "echo '10.10.10.1 ntp.lab' >>/etc/hosts");
    lab.sh("server1", "ip addr add 2001:db8::1/64 dev host0 nodad");
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    let wrong = wrong(&lab, "names.yml", NAMES);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn sources_that_smear_beside_others_are_found() {
    let hosts = ["server1=bookworm@10.10.10.1,10.10.10.11", "server2=bookworm@10.10.10.2"];
    let lab = Lab::up("doctors", &hosts, &inventory("smear.yml"));
    lab.sh("server2", "echo '10.10.10.11 time.google.com' >>/etc/hosts");
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    let wrong = wrong(&lab, "smear.yml", &[case("smear", "server2", ":", ":", &["server2 FC077"])]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The fault of a time server is no fault of those who ask it.
#[test]
#[ignore = "needs the lab: ./test runs it"]
fn what_a_source_does_wrong_is_found() {
    let hosts = [
        "one=bookworm@10.10.10.1",
        "many=bookworm@10.10.10.2",
        "ntpd=bookworm@10.10.10.3",
        "time=bookworm@10.10.10.9,10.10.10.10,10.10.10.11",
    ];
    let lab = Lab::up("doctoro", &hosts, &inventory("outside.yml"));
    lab.sh("time", "systemctl stop firewalld");
    let server = format!("{}/tests/lab/server.py", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(server, lab.path("hosts/time/root/root/server.py")).unwrap();
    for address in ["9", "10", "11"] {
        lab.sh("time", &shell(&format!("TELL {address}")));
    }
    lab.sh("time", "for n in $(seq 200); do [ $(ss -lunH 'sport = :123' | wc -l) -ge 3 ] && exit; sleep 0.1; done; ss -lun; exit 1");
    let (code, report) = lab.json(&["apply", "--yes"]);
    assert_eq!(code, 0, "{report:#}");
    lab.sh("one", "cp -p /etc/chrony/chrony.conf /root/keep");
    lab.sh("ntpd", "sed -i 's/-g -N/-N/' /etc/default/ntpsec");
    let wrong = wrong(&lab, "outside.yml", OUTSIDE);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is configuration is put right, on the chosen hosts only; a router is needs manual action.
#[test]
#[ignore = "needs the lab: ./test runs it"]
fn what_is_configuration_is_put_right() {
    let lab = Lab::up("doctorx", HOSTS, &inventory("three.yml"));
    assert_eq!(lab.json(&["apply", "--yes"]).0, 0);
    lab.sh("server2", "systemctl disable -q --now chrony");
    lab.sh("server4", "sed -i 's/^server/#server/' /etc/chrony.conf; systemctl restart chronyd");
    lab.here(&shell_in("doctorx", "LOSE ip saddr 10.10.10.3 udp dport 123 drop'"));
    let codes = |report: &Value, name: &str| -> Vec<String> {
        let findings = host(report, name)["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    };

    let asked = lab.fleetclock(&["doctor", "--fix"]);
    assert!(asked.code == 2 && asked.stderr.contains("no terminal to ask on"), "{}", asked.stderr);
    assert_eq!(lab.sh("server2", "systemctl is-active chrony || :"), "inactive");

    // Who declines gets what was found, once, with the exit code that the program ends with.
    let beside = lab.path("declined.json");
    let asked_for = format!("--report=json={}", beside.display());
    let declined = lab.asked(&["doctor", "--fix", "--format", "json", &asked_for, "server2"], "", "no\n");
    assert_eq!(std::fs::read_to_string(beside).unwrap(), declined.stdout, "{}", declined.stderr);
    let report: Value = serde_json::from_str(&declined.stdout).unwrap();
    assert_eq!((declined.code, report["exit_code"].as_i64()), (3, Some(3)), "{}", declined.stderr);
    assert!(!codes(&report, "server2").is_empty(), "{report:#}");
    assert_eq!(declined.stderr.matches(" well, ").count(), 1, "{}", declined.stderr);
    assert_eq!(lab.json(&["check", "-l", "server2"]).0, 3);

    // The finding of server1 concerns server3, which is not chosen.
    let (code, report) = lab.json(&["doctor", "--fix", "--yes", "server2"]);
    assert_eq!((code, host(&report, "server2")["status"].as_str()), (0, Some("changed")), "{report:#}");
    assert_eq!(lab.sh("server2", "systemctl is-enabled chrony"), "enabled");
    let none = lab.fleetclock(&["apply", "--yes", "--failed", "-l", "server2"]);
    assert!(none.code == 0 && none.stderr.contains("nothing to do"), "{}", none.stderr);
    assert_eq!(lab.sh("server4", "grep -c ^#server /etc/chrony.conf"), "1");

    let run = lab.fleetclock(&["doctor", "--fix", "--yes"]);
    assert!(run.stderr.contains("fixed by apply: FC010 on server4"), "{}", run.stderr);
    assert!(run.stderr.contains("needs manual action: FC051 on server1"), "{}", run.stderr);
    assert!(run.code == 5 && run.stdout.contains("~ file /etc/chrony.conf"), "{}", run.stdout);

    let (code, report) = lab.json(&["doctor", "--fix", "--yes"]);
    assert_eq!((code, codes(&report, "server1")), (5, vec!["FC051".to_owned()]), "{report:#}");
    for name in ["server2", "server4"] {
        assert_eq!(host(&report, name)["status"], "unchanged", "{report:#}");
    }
}
