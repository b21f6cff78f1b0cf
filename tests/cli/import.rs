//! `init --from`: what others have becomes an inventory; and the commands that docs/migration.md shows.

use std::path::Path;

use super::run;

/// A folder with the files of the worked example.
fn example() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/migration"), dir.path());
    dir
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}

fn read(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("fleet.yml")).unwrap()
}

#[test]
fn who_the_masters_are_is_asked_and_said_where_nobody_can_be_asked() {
    let dir = example();
    let (stdout, stderr) = run(dir.path(), &["init", "--from", "ansible", "inventory"], 2);
    assert!(stdout.is_empty() && stderr.contains("there is no terminal"), "{stderr}");
    assert!(stderr.contains("--masters GROUP") && stderr.contains("ntp_servers (2 hosts)"), "{stderr}");
    let (_, stderr) = run(dir.path(), &["init", "--from", "ansible", "inventory", "--masters", "ntp"], 2);
    assert!(stderr.contains("no group and no host is called `ntp`") && stderr.contains("ntp_servers (2)"), "{stderr}");
    assert!(!dir.path().join("fleet.yml").exists());
    run(dir.path(), &["init", "--from", "ansible", "inventory", "--masters", "ntp1,db2"], 0);
    assert!(read(dir.path()).contains("  masters:\n    role: master\n"), "{}", read(dir.path()));
    // What is there is left as it is, and nothing is asked before that is said.
    let (_, stderr) = run(dir.path(), &["init", "--from", "ansible", "inventory"], 2);
    assert!(stderr.contains("is there already"), "{stderr}");
    let (stdout, _) = run(dir.path(), &["init", "--from", "ansible", "inventory", "--masters", "web", "-o", "-"], 0);
    assert!(stdout.contains("  web:\n    role: master\n"), "{stdout}");
    let (_, stderr) = run(dir.path(), &["init", "inventory"], 2);
    assert!(stderr.contains("--from"), "{stderr}");
    let (_, stderr) = run(dir.path(), &["init", "--from", "csv", "-o", "x.yml"], 2);
    assert!(stderr.contains("none is named"), "{stderr}");
}

#[test]
fn what_cannot_be_an_inventory_is_not_written() {
    let dir = example();
    std::fs::write(dir.path().join("odd.csv"), "name,address,role,provider\nm,10.0.0.1,master,sundial\n").unwrap();
    let (_, stderr) = run(dir.path(), &["init", "--from", "csv", "odd.csv"], 2);
    assert!(stderr.contains("no `sundial`") && stderr.contains("was not written"), "{stderr}");
    assert!(!dir.path().join("fleet.yml").exists());
    std::fs::write(dir.path().join("broken.yml"), "all:\n  hosts: {\n").unwrap();
    let (_, stderr) = run(dir.path(), &["init", "--from", "ansible", "broken.yml", "--masters", "a"], 2);
    assert!(stderr.contains("broken.yml:"), "{stderr}");
    let (_, stderr) = run(dir.path(), &["init", "--from", "ansible", "not-there", "--masters", "a"], 2);
    assert!(stderr.contains("`not-there`"), "{stderr}");
}

#[test]
fn tables_have_a_first_line_or_none() {
    let dir = example();
    let (stdout, _) = run(dir.path(), &["init", "--from", "csv", "hosts.csv"], 0);
    assert!(stdout.contains("3 hosts with 1 master;"), "{stdout}");
    let text = read(dir.path());
    assert!(text.contains("hosts.csv:1: the column `Rack` has no counterpart"), "{text}");
    assert!(text.contains("hosts.csv:5: `win1` left out"), "{text}");
    assert!(text.contains("  web:\n    hosts: [web1]\n"), "{text}");
    run(dir.path(), &["-i", "plain.yml", "init", "--from", "csv", "plain.csv"], 0);
    let text = std::fs::read_to_string(dir.path().join("plain.yml")).unwrap();
    assert!(text.contains("      web2: 10.10.20.2\n"), "{text}");
}

#[test]
fn an_ssh_config_stays_where_it_is_and_gives_the_names() {
    let dir = example();
    run(dir.path(), &["init", "--from", "ssh-config", "ssh_config", "--masters", "ntp1,ntp2"], 0);
    let text = read(dir.path());
    assert!(text.contains("/ssh_config }\n"), "{text}");
    assert!(text.contains("      ntp1: { time_address: 10.10.10.1 }\n"), "{text}");
    assert!(text.contains("      web1: { time_address: 10.10.20.1 }\n") && !text.contains("web*"), "{text}");
    assert!(text.contains("`github.com` left out"), "{text}");
}

#[test]
fn names_that_known_hosts_hides_are_counted() {
    let dir = example();
    run(dir.path(), &["init", "--from", "known_hosts", "known_hosts", "--masters", "ntp1"], 0);
    let text = read(dir.path());
    assert!(text.contains("1 line of known_hosts without readable names"), "{text}");
    assert!(text.contains("1 line with patterns or marks"), "{text}");
    assert!(
        text.contains("      ntp1: 10.10.10.1\n") && text.contains("      web1.corp.example: 10.10.20.1\n"),
        "{text}"
    );
    assert!(text.contains("      db1.corp.example: { ssh: { port: 2222 } }\n"), "{text}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the commands of a document are run as they stand")]
fn the_commands_of_the_document_do_what_it_shows() {
    let dir = example();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migration.md");
    let text = std::fs::read_to_string(document).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_fleetclock")).parent().unwrap();
    // What follows a command, up to the next one or to the next text, is what it prints.
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        match (line.strip_prefix("    $ "), commands.last_mut()) {
            (Some(command), _) => {
                commands.push((command.to_owned(), String::new()));
                open = true;
            }
            (None, Some((_, output))) if open && (line.is_empty() || line.starts_with("    ")) => {
                *output += &format!("{}\n", line.get(4..).unwrap_or_default());
            }
            _ => open = false,
        }
    }
    assert!(commands.len() > 3, "{commands:?}");
    for (command, expected) in commands {
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("{command} 2>&1")])
            .current_dir(dir.path())
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
            .env("XDG_STATE_HOME", dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said.trim_end(), expected.trim_end(), "$ {command}");
    }
}
