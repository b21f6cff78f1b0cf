//! A playbook of one's own: chosen in the inventory, checked before a host is contacted, done, and undone as it was.

use crate::fixture::{Lab, Run};

const STEPS: &str = r#"
- name: Write a note
  file: { path: /etc/fleet/deep/note.conf, template: note.j2, parents: "0750" }
- name: Open the port of NTS
  when: host.firewall != "none"
  firewall: { port: 4460/tcp, from: "{{ ntp.serve | join(' ') }}" }
- name: Tell somebody
  command: { check: "grep -qs {{ vars.site }} /root/note", run: "echo {{ vars.site }} >/root/note", undo: "rm -f /root/note" }
"#;

const NOTE: &str = "site = {{ vars.site }}\n";

fn inventory(vars: &str) -> String {
    format!(
        "defaults: {{ ssh: {{ user: ops, become: sudo, SSH }} }}\ngroups:\n  all: {{ playbook: own, vars: {{ {vars} }}, hosts: {{ h1: {{ address: 10.10.10.1, role: master, isolated: true, serve: [10.10.10.0/24] }} }} }}\n"
    )
}

/// What the steps touch, on a host whose firewalld runs.
const STATE: &str = "find /etc/fleet /root/note -ls 2>/dev/null | awk '{ print $3, $11 }'; firewall-cmd --list-rich-rules; firewall-cmd --permanent --list-rich-rules; ls /var/lib/fleetclock/firewalld* 2>/dev/null || true";

/// On a host that runs chrony and is as the playbook of the program wants it.
pub(crate) fn playbooks_are_done_and_undone(lab: &Lab) {
    let assets = lab.path("own-assets");
    let path = assets.display().to_string();
    let export = lab.fleetclock(&["assets", "export", &path]);
    assert_eq!(export.code, 0, "{}", export.stderr);
    let usual = std::fs::read_to_string(assets.join("playbooks/linux-chrony.yml")).unwrap();
    let write = |steps: &str| std::fs::write(assets.join("playbooks/own.yml"), format!("{usual}{steps}")).unwrap();
    write(STEPS);
    std::fs::write(assets.join("templates/note.j2"), NOTE).unwrap();
    let with = |words: &[&str]| lab.fleetclock(&[words, &["--assets", &path]].concat());

    // A value that nobody has said is named, and no host is contacted; so is a folder that is none.
    lab.inventory(&inventory("sight: here").replace("10.10.10.1,", "192.0.2.1,"));
    let run = with(&["check"]);
    assert!(run.code == 2 && run.stderr.contains("the inventory has no `vars: { site: ... }`"), "{}", run.stderr);
    let run = lab.fleetclock(&["check", "--assets", "/nowhere"]);
    assert!(run.code == 2 && run.stderr.contains("--assets: /nowhere is no folder"), "{}", run.stderr);

    lab.inventory(&inventory("site: here"));
    let before = lab.sh("h1", STATE);
    let run = with(&["apply", "--yes"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let done = lab.sh("h1", STATE);
    let rule = r#"rule family="ipv4" source address="10.10.10.0/24" port port="4460" protocol="tcp" accept"#;
    assert_eq!(done.matches(rule).count(), 2, "{done}");
    assert!(
        done.contains("drwxr-x--- /etc/fleet/deep") && done.contains("/var/lib/fleetclock/firewalld-4460-tcp"),
        "{done}"
    );
    assert_eq!(lab.sh("h1", "cat /etc/fleet/deep/note.conf /root/note"), "site = here\nhere");
    assert_eq!(with(&["check"]).code, 0);
    a_port_that_no_step_names_any_more_is_closed(lab, &with, &write);
    // cloud-init would write the file of the time service anew. A stand-in: only that it is there is looked at.
    lab.sh("h1", "mkdir -p /etc/cloud/cloud.cfg.d; printf 'ntp:\\n  enabled: true\\n  servers: [10.10.10.9]\\n' >/etc/cloud/cloud.cfg.d/90-time.cfg; printf '#!/bin/sh\\n' >/usr/local/bin/cloud-init; chmod +x /usr/local/bin/cloud-init");
    let run = with(&["plan"]);
    let warning = "/etc/cloud/cloud.cfg.d/90-time.cfg:1 has `ntp:`: cloud-init writes /etc/chrony/chrony.conf anew";
    assert!(format!("{}{}", run.stdout, run.stderr).contains(warning), "{}{}", run.stdout, run.stderr);
    lab.sh("h1", "sed -i 's/true/false/' /etc/cloud/cloud.cfg.d/90-time.cfg");
    assert!(!with(&["plan"]).stdout.contains("cloud-init"));
    lab.sh("h1", "rm -r /etc/cloud /usr/local/bin/cloud-init");

    let run = with(&["undo", "--yes", "h1"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert_eq!(lab.sh("h1", STATE), before);

    // A firewall that the host does not have is no drift: it is said, with the way out.
    lab.inventory(&inventory("site: here").replace("playbook: own", "playbook: own, firewall: ufw"));
    let run = with(&["check"]);
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(run.code == 1 && said.contains("ufw has no /etc/ufw/user.rules that can be read"), "{said}");
}

/// The step names another port, and then there is none; both runs are undone.
fn a_port_that_no_step_names_any_more_is_closed(lab: &Lab, with: &dyn Fn(&[&str]) -> Run, write: &dyn Fn(&str)) {
    let none: String =
        STEPS.lines().filter(|line| !line.contains("firewall")).map(|line| format!("{line}\n")).collect();
    let none = none.replace("- name: Open the port of NTS\n", "");
    let mut states = vec![lab.sh("h1", STATE)];
    for (steps, closed) in [(STEPS.replace("4460", "4461"), "4460"), (none, "4461")] {
        write(&steps);
        let run = with(&["check"]);
        assert!(run.code == 3 && run.stdout.contains(&format!("{closed}/tcp")), "{}{}", run.stdout, run.stderr);
        let run = with(&["apply", "--yes"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        states.push(lab.sh("h1", STATE));
        assert!(!states.last().unwrap().contains(closed), "{states:?}");
        assert_eq!(with(&["check"]).code, 0);
    }
    assert!(states[1].contains("firewalld-4461-tcp") && !states[2].contains("446"), "{states:?}");
    for before in [&states[1], &states[0]] {
        let run = with(&["undo", "--yes", "h1"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!(lab.sh("h1", STATE), *before);
    }
    write(STEPS);
    assert_eq!(with(&["check"]).code, 0);
}
