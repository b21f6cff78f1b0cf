//! The command line as its users meet it: help, wording, exit codes, files that are written.
#![expect(clippy::unwrap_used, reason = "a test may end here")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

#[path = "cli/blocks.rs"]
mod blocks;
#[path = "cli/documents.rs"]
mod documents;
#[path = "cli/import.rs"]
mod import;
#[path = "cli/korean.rs"]
mod korean;
#[path = "cli/mistakes.rs"]
mod mistakes;
#[path = "cli/permit.rs"]
mod permit;
mod schema;
#[path = "cli/shell.rs"]
mod shell;
#[path = "cli/tabs.rs"]
mod tabs;

#[test]
fn help_and_mistakes_read_as_written() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd").env("NO_COLOR", "1");
}

#[expect(clippy::disallowed_methods, reason = "the program itself is the subject")]
fn fleetclock(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetclock"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("XDG_STATE_HOME", folder.join("state"))
        .stdin(Stdio::null());
    command
}

#[track_caller]
fn run(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = fleetclock(folder, arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert_eq!(status.code(), Some(code), "{arguments:?}\n{stdout}{stderr}");
    (stdout, stderr)
}

#[test]
fn init_writes_inventories_that_are_valid_and_replaces_none() {
    let dir = tempfile::tempdir().unwrap();
    let (stdout, stderr) = run(dir.path(), &["init"], 0);
    assert_eq!(
        (stdout.as_str(), stderr.as_str()),
        ("`fleet.yml` is written; edit it, then see `fleetclock plan`\n", "")
    );
    run(dir.path(), &["inventory", "validate"], 0);
    std::fs::write(dir.path().join("fleet.yml"), "mine").unwrap();
    let (stdout, stderr) = run(dir.path(), &["init", "--airgap"], 2);
    assert_eq!(stdout, "");
    assert_eq!(stderr, "error: `fleet.yml` is there already; it was left as it is\nhint:  `-i FILE` writes another\n");
    assert_eq!(std::fs::read_to_string(dir.path().join("fleet.yml")).unwrap(), "mine");
    run(dir.path(), &["-i", "air.yml", "init", "--airgap"], 0);
    run(dir.path(), &["-i", "air.yml", "inventory", "validate"], 0);
    // Who runs a public server does not want to be asked every 16 seconds.
    run(dir.path(), &["-i", "new.yml", "init"], 0);
    let text = std::fs::read_to_string(dir.path().join("new.yml")).unwrap();
    assert!(text.contains("upstream") && !text.contains("minpoll"), "{text}");
}

/// Hosts on this machine where nobody listens.
fn dead_hosts(folder: &Path) {
    let text = "defaults: { ssh: { port: 9 } }\ngroups:\n  masters: { role: master, isolated: true, serve: [10.0.0.0/8], hosts: { m1: { address: 127.0.0.1, time_address: 10.0.0.1 } } }\n  slaves: { role: slave, follows: [masters], hosts: { \"web[01:40]\": \"127.0.1.[1:40]\" } }\n";
    std::fs::write(folder.join("fleet.yml"), text).unwrap();
}

#[test]
fn an_empty_pattern_is_never_the_whole_fleet() {
    let dir = tempfile::tempdir().unwrap();
    dead_hosts(dir.path());
    let hosts: &[&[&str]] = &[&["doctor"], &["undo", "--yes"], &["trust"], &["render"], &["inventory", "show"]];
    let options: &[&[&str]] =
        &[&["check", "--limit"], &["plan", "--canary"], &["apply", "--yes", "--canary"], &["plan", "--allow-step"]];
    for words in hosts.iter().chain(options) {
        for empty in ["", " ", ",", "web01,", "!"] {
            let arguments = [*words, &[empty][..]].concat();
            let (stdout, stderr) = run(dir.path(), &arguments, 2);
            assert!(stdout.is_empty() && stderr.contains("pattern is empty"), "{arguments:?}: {stderr}");
        }
    }
    for (arguments, why) in [
        (&["undo", "--yes", "", "web01"][..], "HOST ``: the pattern is empty"),
        (&["doctor", "web01", ""], "HOST ``: the pattern is empty"),
        (&["-l", "", "doctor", "web01"], "--limit ``: the pattern is empty"),
        (&["-l", "@none", "check"], "--limit: read none: No such file"),
        (&["-l", "@last-drifted", "check"], "no run of fleet.yml is known of"),
        (&["probe", " "], "it is empty"),
        (&["probe", "10.10.010.1"], "read it as 10.10.8.1: write `10.10.10.1`"),
        (&["probe", "10.10.10.300:123"], "`300` is above 255"),
        (&["history", "show", ""], "there is no record of run ``"),
        (&["plan", "--batch", "0"], "no host would ever be changed"),
        (&["plan", "--canary", "wbe01"], "no group or host `wbe01` (did you mean `web01`?)"),
        (&["plan", "--out", "none/plan.json"], "write none/plan.json: there is no folder none"),
        (&["check", "--fail-on", ""], "`` is none of failed, limits, drift, unreachable"),
    ] {
        let (_, stderr) = run(dir.path(), arguments, 2);
        assert!(stderr.contains(why) && !stderr.contains("unreachable: connect"), "{arguments:?}: {stderr}");
    }
}

#[test]
fn what_each_host_came_to_is_said_once_and_one_cause_is_one_line() {
    let dir = tempfile::tempdir().unwrap();
    dead_hosts(dir.path());
    let (stdout, stderr) = run(dir.path(), &["check"], 4);
    assert_eq!((stdout.matches("unreachable: connect").count(), stderr.as_str()), (1, ""), "{stdout}");
    assert!(stdout.starts_with("m1, web[01:40] | ") && stdout.contains("(and 40 more alike)"), "{stdout}");
    let (json, stderr) = run(dir.path(), &["check", "--format", "json"], 4);
    assert!(json.contains("\"conditions\": [\n    \"unreachable\"\n  ]"), "{json}");
    assert_eq!(stderr.lines().filter(|line| !line.is_empty()).count(), 2, "the cause and the summary: {stderr}");
    assert_eq!(run(dir.path(), &["check", "-q", "--format", "json"], 4).1, "");
    run(dir.path(), &["check", "--fail-on", "drift,failed"], 0);
    let (_, verbose) = run(dir.path(), &["check", "-v", "-l", "web01"], 4);
    assert!(verbose.contains("web01 | unreachable: connect"), "{verbose}");
}

#[test]
fn what_failed_last_can_be_meant() {
    let dir = tempfile::tempdir().unwrap();
    dead_hosts(dir.path());
    std::fs::write(dir.path().join("some"), "web0[1:2] # the first\n\nm1\n").unwrap();
    run(dir.path(), &["check", "-l", "@some"], 4);
    let (stdout, _) = run(dir.path(), &["facts", "-l", "@last-failed,!m1"], 4);
    assert!(stdout.starts_with("web01, web02 | unreachable"), "{stdout}");
    let (_, stderr) = run(dir.path(), &["check", "-l", "@last-drifted"], 2);
    assert!(stderr.contains("--limit `@last-drifted`: no host is left"), "{stderr}");
}

#[test]
fn a_watch_ends_with_its_reader() {
    let dir = tempfile::tempdir().unwrap();
    dead_hosts(dir.path());
    for format in ["json", "human"] {
        let began = std::time::Instant::now();
        let watch = ["verify", "--watch", "--every", "1s", "--for", "60s", "-l", "web01", "--format", format];
        let mut child = fleetclock(dir.path(), &watch).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
        drop(reader);
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(line.contains("unreachable") && !told.contains("panicked"), "{format}: {line}{told}");
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(began.elapsed().as_secs() < 30, "{format}: it went on");
    }
}

#[test]
fn exported_assets_are_used_and_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["assets", "export", "mine"], 0);
    std::fs::write(dir.path().join("mine/templates/ntp.conf.j2"), "changed\n").unwrap();
    let (stdout, _) = run(dir.path(), &["--assets", "mine", "assets", "show", "templates/ntp.conf.j2"], 0);
    assert_eq!(stdout, "changed\n");
    let (_, stderr) = run(dir.path(), &["assets", "export", "mine"], 2);
    assert!(stderr.starts_with("error: export: "), "{stderr}");
}

/// Playbooks of one's own that are wrong, with what is said of them; each once, and no host is contacted.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "- name: x\n  file: { path: /etc/x, template: own.j2 }\n  run: 3\n",
        "",
        "error: the playbook of host `s1`: playbook `own.yml` (mine/playbooks/own.yml:3:3): unknown key `run`, expected one of name, id, when, restart_on, package, file, service, registry, competing, firewall, command\n3 |   run: 3\n  |   ^\n",
    ),
    (
        "- name: x\n  file: { path: /etc/x, template: none.j2 }\n",
        "",
        "error: the playbook of host `s1`: playbook `own.yml` (mine/playbooks/own.yml): there is no templates/none.j2 (looked for in mine and in the program)\nhint:  `fleetclock assets list` shows those that there are\n",
    ),
    (
        "- name: x\n  file: { path: /etc/x, template: own.j2 }\n",
        "a\n{{ vars.site }}\n",
        "error: playbook `own.yml` (mine/playbooks/own.yml): host `s1`: the inventory has no `vars: { site: ... }` for it: step `x`: template `own.j2`:2: undefined value: `vars.site`\nhint:  HINT\n",
    ),
    (
        "- name: x\n  file: { path: /etc/x, template: own.j2 }\n",
        "{{ ntp.sorces }}\n",
        "error: playbook `own.yml` (mine/playbooks/own.yml): step `x`: there is no `ntp.sorces`; ntp has bind, client_port, dscp, extra, isolated, leap, log, max_distance, min_sources, named, rate_limit, serve, serve_masks, sources, step\nhint:  HINT\n",
    ),
    (
        "- name: x\n  firewall: { port: 99999/udp, from: 10.0.0.0/8 }\n",
        "",
        "error: playbook `own.yml` (mine/playbooks/own.yml): host `s1`: step `x`: firewall: `99999/udp` is no port; write 123/udp, 4460/tcp or 60000-60100/udp\nhint:  HINT\n",
    ),
];

#[test]
fn what_is_wrong_with_a_playbook_of_ones_own_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["assets", "export", "mine"], 0);
    let hosts = "hosts: { s1: { address: 10.0.0.2, role: slave, upstream: [10.0.0.9], playbook: own } }\n";
    std::fs::write(dir.path().join("fleet.yml"), hosts).unwrap();
    let hint = "what there is: `fleetclock inventory show HOST` (vars), `fleetclock facts --format json` (facts), docs/inventory.md";
    for (playbook, template, words) in WRONG {
        std::fs::write(dir.path().join("mine/playbooks/own.yml"), playbook).unwrap();
        std::fs::write(dir.path().join("mine/templates/own.j2"), template).unwrap();
        for verb in [&["inventory", "validate"][..], &["check"]] {
            let (stdout, stderr) = run(dir.path(), &[&["--assets", "mine"], verb].concat(), 2);
            let lines: String =
                stderr.lines().map(|line| line.strip_prefix("       ").unwrap_or(line).to_owned() + "\n").collect();
            assert_eq!((stdout.as_str(), lines), ("", words.replace("HINT", hint)));
        }
    }
}

/// Its name is for people: with another one, no file of it changes, and no service is started anew.
#[test]
fn a_host_with_another_name_has_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = |master: &str, slave: &str, provider: &str| {
        format!(
            "defaults: {{ provider: {provider} }}\ngroups:\n  m: {{ role: master, isolated: true, hosts: {{ {master}: 10.0.0.1 }} }}\n  s: {{ role: slave, follows: [m], hosts: {{ {slave}: 10.0.0.2 }} }}\n"
        )
    };
    for provider in ["chrony", "ntpd"] {
        let files = |master: &str, slave: &str| {
            std::fs::write(dir.path().join("fleet.yml"), inventory(master, slave, provider)).unwrap();
            [master, slave].map(|host| run(dir.path(), &["render", host], 0).0)
        };
        let (one, other) = (files("old1", "old2"), files("new1", "new2"));
        assert!(one[1].contains("10.0.0.1") && one == other, "{provider}: {one:?} {other:?}");
    }
}

/// Writes how hosts ended their last run into the only file that is there; a run of this inventory has made it.
fn ended(folder: &Path, hosts: &[(&str, &str)]) {
    let mut files = std::fs::read_dir(folder.join("state/fleetclock/last")).unwrap().map(|entry| entry.unwrap().path());
    let path = files.find(|path| path.extension().is_some_and(|ending| ending == "json")).unwrap();
    let mut last: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (name, status) in hosts {
        last["hosts"][name] = (*status).into();
    }
    std::fs::write(path, last.to_string()).unwrap();
}

#[test]
fn what_is_left_to_do_and_takes_no_part_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ssh = "ssh: { port: 9 }, role: slave, upstream: [10.0.0.9]";
    let text = format!("hosts: {{ db1: {{ address: 127.0.0.1, {ssh} }}, web1: {{ address: 127.0.0.2, {ssh} }} }}");
    std::fs::write(dir.path().join("fleet.yml"), text).unwrap();
    let failed = |more: &[&str], code: i32| run(dir.path(), &[&["apply", "--yes", "--failed"], more].concat(), code).1;
    let none = "error: --failed: no run of fleet.yml is known of\nhint:  `check`, `plan`, `apply` and `verify` note how each host ended\n";
    assert_eq!(failed(&[], 2), none);
    // A run that reads says how each host stands, too.
    run(dir.path(), &["check"], 4);
    ended(dir.path(), &[("db1", "changed"), ("web3", "failed_undone")]);
    let nothing = "the last run left each in sync; nothing to do\n";
    let gone = "left to do, but not in the inventory any more: web3\n";
    let left = format!("left to do, but left out by --limit: web1\n{gone}of the chosen hosts, {nothing}");
    assert_eq!(failed(&["-l", "db1"], 0), left);
    // The report of an older run is not left in its place.
    std::fs::write(dir.path().join("last.json"), "old").unwrap();
    failed(&["-l", "db1", "--report", "json=last.json"], 0);
    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(dir.path().join("last.json")).unwrap()).unwrap();
    assert_eq!((&report["exit_code"], &report["hosts"]), (&serde_json::json!(0), &serde_json::json!([])));
    for (status, taken) in [
        ("unchanged", false),
        ("drifted", true),
        ("out_of_limits", true),
        ("failed", true),
        ("failed_not_undone", true),
        ("not_started", true),
    ] {
        ended(dir.path(), &[("web1", status), ("web3", "changed")]);
        let said = failed(&["-i", "./fleet.yml"], if taken { 4 } else { 0 });
        let all = "the last run of each host left it in sync; nothing to do\n";
        assert_eq!(said == all, !taken, "{status}: {said}");
    }
    // Who was not reached is left to do, as after a check.
    assert!(failed(&["-l", "db1"], 0).starts_with("left to do, but left out by --limit: web1\n"));
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let dir = tempfile::tempdir().unwrap();
    let (_, plain) = run(dir.path(), &["plan"], 2);
    assert!(plain.starts_with("error: ") && !plain.contains('\u{1b}'), "{plain:?}");
    let (_, coloured) = run(dir.path(), &["plan", "--color", "always"], 2);
    assert!(coloured.starts_with("\u{1b}[31merror"), "{coloured:?}");
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let mut child =
        fleetclock(dir.path(), &["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_full_disk_is_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = fleetclock(dir.path(), &["assets", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("write to standard output"));
}

/// A password manager may ask for a finger, or count.
#[test]
fn a_secret_that_a_command_gives_is_fetched_once_in_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let count = dir.path().join("count");
    let fleet = format!(
        "hosts: {{ h: {{ address: 127.0.0.1, role: master, isolated: true, ssh: {{ port: 1, user: u, password: {{ command: [sh, -c, 'echo x >>{}; echo secret'] }} }} }} }}",
        count.display()
    );
    std::fs::write(dir.path().join("fleet.yml"), fleet).unwrap();
    for verb in [&["check"][..], &["doctor"], &["verify"], &["doctor", "--fix", "--yes"]] {
        let _ = std::fs::remove_file(&count);
        let Output { status, stderr, .. } = fleetclock(dir.path(), verb).env("PATH", "/usr/bin:/bin").output().unwrap();
        let times = std::fs::read_to_string(&count).unwrap_or_default().lines().count();
        assert_eq!(times, 1, "{verb:?} {status}: {}", String::from_utf8_lossy(&stderr));
    }
}

/// As in a container image that has the program alone.
#[test]
fn a_machine_without_certificates_speaks_plain_http_and_names_what_https_wants() {
    let dir = tempfile::tempdir().unwrap();
    for (scheme, code, why) in
        [("http", 4, "Connection refused"), ("https", 1, "install `ca-certificates`, or give `winrm.ca`")]
    {
        let fleet = format!(
            "hosts: {{ w: {{ address: 127.0.0.1, role: slave, upstream: [10.0.0.9], winrm: {{ scheme: {scheme}, port: 9, password: {{ env: PW }} }} }} }}"
        );
        std::fs::write(dir.path().join("fleet.yml"), fleet).unwrap();
        let mut tool = fleetclock(dir.path(), &["check"]);
        let tool = tool.env("PW", "x").env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
        let Output { status, stdout, .. } = tool.output().unwrap();
        let said = String::from_utf8_lossy(&stdout).into_owned();
        assert!(status.code() == Some(code) && said.contains(why), "{scheme}: {status} {said}");
    }
}

#[test]
fn what_is_refused_is_a_document_of_its_schema_too() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str]| -> serde_json::Value {
        let (stdout, stderr) = run(dir.path(), &[arguments, &["--format", "json"]].concat(), 2);
        let document = serde_json::from_str(&stdout).unwrap();
        assert_eq!(schema::check("refusal", &document), Ok(()), "{arguments:?}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        document
    };
    for verb in ["plan", "apply", "check", "verify", "doctor", "facts", "undo", "history show", "inventory graph"] {
        let document = refused(&verb.split(' ').chain(["--limit", "x"]).collect::<Vec<_>>());
        assert_eq!(document["command"], *verb, "{document:#}");
    }
    std::fs::write(dir.path().join("fleet.yml"), "hosts:\n  a: { address: 10.0.0.1, roel: slave }\n").unwrap();
    let document = refused(&["inventory", "validate"]);
    let first = &document["mistakes"][1];
    assert_eq!((&first["line"], &first["code"]), (&2.into(), &"unknown_setting".into()), "{document:#}");
    assert_eq!((&first["column"], &first["hint"]), (&27.into(), &"did you mean `role`?".into()), "{document:#}");
    assert_eq!(refused(&["aply"])["command"], serde_json::Value::Null);
    std::fs::write(
        dir.path().join("fleet.yml"),
        "hosts: { a: { address: 10.0.0.1, role: slave, upstream: [10.0.0.9] } }\n",
    )
    .unwrap();
    let document = refused(&["render", "a", "ntp.conf.j2"]);
    assert_eq!(document["error"]["message"], "`a` gets no file from `ntp.conf.j2`", "{document:#}");
    let (stdout, _) = run(dir.path(), &["--help", "--format", "json"], 0);
    assert!(stdout.starts_with("Make every clock"), "{stdout}");
}
