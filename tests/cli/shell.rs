//! Completions and the manual.

use super::*;

#[test]
fn completions_and_manual_know_every_verb() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (stdout, stderr) = run(dir.path(), &["completions", shell], 0);
        assert!(stdout.contains("FLEETCLOCK_COMPLETE") && stderr.is_empty(), "{shell}");
    }
    let (page, _) = run(dir.path(), &["man"], 0);
    assert!(page.starts_with(".ie") && page.contains("130"), "{page}");
    run(dir.path(), &["man", "--dir", "pages"], 0);
    let (help, _) = run(dir.path(), &["--help"], 0);
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs: Vec<&str> = verbs.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() > 15 && page.contains("doctor"), "{verbs:?}");
    for verb in verbs {
        assert_eq!(offered(dir.path(), &["fleetclock", verb]), verb);
        let page = dir.path().join(format!("pages/fleetclock-{verb}.1"));
        assert!(page.is_file() || verb == "help", "{}", page.display());
    }
}

/// What a real bash offers for a line that ends where the Tab is pressed.
#[expect(clippy::disallowed_methods, reason = "the shell is a part of what is tried")]
fn offered(folder: &Path, words: &[&str]) -> String {
    let ask = "PATH=$1:$PATH; shift; . <(fleetclock completions bash); COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
        COMP_TYPE=9; _clap_complete_fleetclock fleetclock \"${!#}\" x; echo \"${COMPREPLY[*]}\"";
    let bin = Path::new(env!("CARGO_BIN_EXE_fleetclock")).parent().unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-c", ask, "bash"]).arg(bin).args(words).current_dir(folder).env("XDG_STATE_HOME", folder.join("state"));
    let output = bash.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{words:?}: {said}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

#[test]
fn a_shell_offers_hosts_groups_runs_and_assets() {
    let dir = tempfile::tempdir().unwrap();
    dead_hosts(dir.path());
    std::fs::copy(dir.path().join("fleet.yml"), dir.path().join("other.yml")).unwrap();
    std::fs::create_dir_all(dir.path().join("mine/templates")).unwrap();
    std::fs::write(dir.path().join("mine/templates/own.j2"), "x").unwrap();
    std::fs::create_dir_all(dir.path().join("state/fleetclock/runs")).unwrap();
    let record = r#"{"record":1,"run":"20261125T063732693813Z","who":"me","started":"","command":"apply","arguments":[],"inventory":"","hosts":[],"report":null}"#;
    std::fs::write(dir.path().join("state/fleetclock/runs/20261125T063732693813Z.json"), record).unwrap();
    for (words, wanted) in [
        (&["fleetclock", "ver"][..], "verify"),
        (&["fleetclock", "check", "-l", "web4"], "web40"),
        (&["fleetclock", "check", "-l", "sl"], "slaves"),
        (&["fleetclock", "check", "--limit", "m1,!web39,!web4"], "m1,!web39,!web40"),
        (&["fleetclock", "check", "-l", "@last-d"], "@last-drifted"),
        (&["fleetclock", "-i", "other.yml", "doctor", "m1"], "m1"),
        (&["fleetclock", "-i", "none.yml", "doctor", "m1"], ""),
        // What is written after the verb, joined to the option, or among others counts, too.
        (&["fleetclock", "doctor", "-i", "none.yml", "m1"], ""),
        (&["fleetclock", "doctor", "--inventory=other.yml", "m1"], "m1"),
        (&["fleetclock", "doctor", "-qinone.yml", "--fix", "m1"], ""),
        (&["fleetclock", "--assets", "mine", "assets", "show", "templates/own"], "templates/own.j2"),
        (&["fleetclock", "assets", "show", "--assets=mine", "templates/own"], "templates/own.j2"),
        (&["fleetclock", "undo", "2026"], "20261125T063732693813Z"),
        (&["fleetclock", "history", "show", "2"], "20261125T063732693813Z"),
        (&["fleetclock", "assets", "show", "playbooks/w"], "playbooks/windows-w32time.yml"),
        (&["fleetclock", "render", "m1", "chrony.conf"], "chrony.conf.j2"),
        (&["fleetclock", "plan", "--canary", "masters,web4"], "masters,web40"),
    ] {
        assert_eq!(offered(dir.path(), words), wanted, "{words:?}");
    }
}
