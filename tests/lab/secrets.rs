//! Marked secrets, in every place where they may stand, and every place where they must not.

use std::path::Path;

use crate::fixture::{Lab, Run};

/// Steps of an own playbook: a file of keys, a file that its validator quotes, two commands.
const STEPS: &str = r#"
- name: Write the keys
  file: { path: /etc/chrony/own.keys, template: own.keys.j2, mode: "0640" }
- name: Write a file of our own
  file: { path: /etc/own.conf, template: own.conf.j2, validate: ": {{ vars.token | upper }}; grep -q good {} || { echo 'bad lines:' >&2; cat {} >&2; false; }" }
- name: Tell somebody
  command: { check: "grep -qs {{ vars.token }} /root/told", run: "echo {{ vars.token }} >/root/told", undo: "rm -f /root/told; : {{ vars.token | upper }}" }
"#;

const KEYS: &str = "1 SHA256 HEX:{{ vars.key }}\n2 SHA1 {{ vars.token | upper }}\n";

const OWN: &str = "# ours\n# tok {{ vars.token }}, {{ vars.key }}\nuser = {{ vars.token }}\n{{ vars.pem }}\ngood\n";

/// What must never be seen: the first word of each is in all that is made of it.
const MARKS: &[&str] = &["mark1", "MARK1", "mark2", "MARK2", "mark3", "mark4", "pem1", "pem2"];

/// The inventory with three secrets of three kinds.
fn inventory(lab: &Lab) -> String {
    let vars = format!(
        "vars: {{ token: {{ file: {} }}, key: {{ env: FC_KEY }}, pem: {{ command: [cat, {}] }} }}",
        lab.path("token").display(),
        lab.path("pem").display()
    );
    format!(
        "defaults: {{ ssh: {{ user: ops, become: sudo, SSH }}, {vars} }}\n\
         hosts: {{ h1: {{ address: 10.10.10.1, role: master, isolated: true, serve: [10.10.10.0/24] }} }}\n"
    )
}

/// Puts new values where the inventory finds them, one the beginning of the other.
fn rotate(lab: &Lab, number: u8) {
    std::fs::write(lab.path("token"), format!("mark{number}-token\n")).unwrap();
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\npem{number}line1/+==\npem{number}line2/+==\n-----END PRIVATE KEY-----\n");
    std::fs::write(lab.path("pem"), pem).unwrap();
}

fn assets(lab: &Lab) -> String {
    let folder = lab.path("assets");
    let _ = std::fs::remove_dir_all(&folder);
    let path = folder.display().to_string();
    assert_eq!(lab.fleetclock(&["assets", "export", &path]).code, 0);
    let playbook = folder.join("playbooks/linux-chrony.yml");
    let text = std::fs::read_to_string(&playbook).unwrap() + STEPS;
    std::fs::write(playbook, text).unwrap();
    std::fs::write(folder.join("templates/own.keys.j2"), KEYS).unwrap();
    std::fs::write(folder.join("templates/own.conf.j2"), OWN).unwrap();
    path
}

/// On a host that runs chrony: old, new and foreign secrets are in no output and in no file.
pub(crate) fn are_hidden_everywhere(lab: &Lab) {
    let assets = assets(lab);
    rotate(lab, 1);
    lab.inventory(&inventory(lab));
    let run = |number: u8, words: &[&str]| {
        let key = format!("mark{number}-token-and-more");
        lab.fleetclock_with(&[words, &["--assets", &assets]].concat(), &[("FC_KEY", &key)])
    };
    let mut seen: Vec<(String, Run)> = vec![("apply".into(), run(1, &["apply", "-v", "--yes", "--journal"]))];
    assert_eq!(seen[0].1.code, 0, "{}{}", seen[0].1.stdout, seen[0].1.stderr);
    assert_eq!(lab.sh("h1", "grep -c pem1line /etc/own.conf; stat -c %a /etc/chrony/own.keys"), "2\n640");
    lab.sh("h1", "echo '7 SHA256 HEX:mark3' >>/etc/chrony/own.keys; echo 'left mark4' >>/etc/own.conf");
    rotate(lab, 2);
    let (plan, evidence) = (lab.path("a.plan").display().to_string(), lab.path("evidence").display().to_string());
    for words in [
        &["plan", "--out", &plan][..],
        &["check", "-v", "--format", "json"],
        &["doctor", "--save", &evidence],
        &["render", "h1"],
    ] {
        seen.push((words[0].to_owned(), run(2, words)));
    }
    let shown = &seen[1].1.stdout;
    for line in
        ["-# tok ***, ***", "+# tok ***, ***", "-1 SHA256 HEX:***", "+2 SHA1 ***", "command echo *** >/root/told"]
    {
        assert!(shown.contains(line), "no `{line}` in {shown}");
    }
    assert_eq!(shown.matches("(a line that is not shown, because this file holds a secret)").count(), 1, "{shown}");
    let template = Path::new(&assets).join("templates/own.conf.j2");
    std::fs::write(&template, OWN.replace("good", "{{ vars.token }}")).unwrap();
    let refused = run(2, &["apply", "--yes", "--journal"]);
    assert!(refused.stdout.contains("the new file was refused"), "{}{}", refused.stdout, refused.stderr);
    seen.push(("refused".into(), refused));
    // Where the template has none any more, the host has an old one all the same.
    std::fs::write(&template, "# ours\ngood\n").unwrap();
    seen.push(("removed".into(), run(2, &["plan"])));
    std::fs::write(&template, OWN).unwrap();
    for words in [
        &["apply", &plan][..],
        &["apply", "-v", "--yes"],
        &["history", "show", "--format", "json"],
        &["undo", "-v", "h1", "--yes"],
    ] {
        seen.push((words.join(" "), run(2, words)));
    }
    for (what, run) in &seen {
        let said = format!("{}{}", run.stdout, run.stderr);
        MARKS.iter().for_each(|mark| assert!(!said.contains(mark), "{what}: {mark} in {said}"));
    }
    let places = format!("{plan} {evidence} {}", lab.path("fleetclock").display());
    let search = format!("-rlE '{}'", MARKS.join("|"));
    lab.here(&format!("! grep {search} {places} || exit 1; [ $(stat -c %a {evidence}) = 600 ]"));
    lab.sh(
        "h1",
        &format!(
            "! journalctl -q -t fleetclock | grep -E '{}'; ! grep {search} /var/lib/fleetclock/runs/*/about",
            MARKS.join("|")
        ),
    );
    lab.sh("h1", "rm -f /etc/own.conf /etc/chrony/own.keys");
}
