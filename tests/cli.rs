//! The command line as its users meet it: help, wording, exit codes, files that are written.
#![expect(clippy::unwrap_used, reason = "a test may end here")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

#[test]
fn help_and_mistakes_read_as_written() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd").env("NO_COLOR", "1");
}

#[expect(clippy::disallowed_methods, reason = "the program itself is the subject")]
fn fleetclock(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetclock"));
    command.args(arguments).current_dir(folder).env_clear().stdin(Stdio::null());
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

#[test]
fn completions_and_manual_know_every_verb() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (stdout, stderr) = run(dir.path(), &["completions", shell], 0);
        assert!(stdout.contains("verify") && stderr.is_empty(), "{shell}");
    }
    let (page, _) = run(dir.path(), &["man"], 0);
    assert!(page.starts_with(".ie") && page.contains("130"), "{page}");
    run(dir.path(), &["man", "--dir", "pages"], 0);
    assert!(dir.path().join("pages/fleetclock-verify.1").is_file());
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
