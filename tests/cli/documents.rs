//! Every command that a document shows is one that the program has, and what needs no host is run.

use super::*;

use super::blocks::{Block, Place, calls, documents, shown};

/// Blocks that nobody runs, by file: they install something, take hours, or are about other programs. One more has to
/// be written down here.
const NOT_RUN: &[(&str, usize)] = &[
    ("README.md", 1),
    ("docs/adopt.md", 1),
    ("docs/changes.md", 1),
    ("docs/install.md", 6),
    ("docs/inventory.md", 1),
    ("docs/reliability.md", 5),
    ("docs/scale.md", 1),
    ("docs/windows-stand-in.md", 2),
];

/// Its sessions are run by `import.rs`, which compares what they print.
const MIGRATION: &str = "docs/migration.md";

fn all_blocks() -> Vec<Block> {
    documents().iter().flat_map(|path| shown(path).blocks).collect()
}

/// What the program says to a command line that it is not to run.
fn refused(folder: &Path, arguments: &[String]) -> Option<String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).chain(["--help"]).collect();
    let output = fleetclock(folder, &words).output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn every_command_and_option_of_the_documents_exists() {
    let dir = tempfile::tempdir().unwrap();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for path in documents() {
        let mut shown = shown(&path);
        if path.ends_with(MIGRATION) {
            shown.unmarked.clear();
        }
        wrong.extend(
            std::mem::take(&mut shown.unmarked)
                .into_iter()
                .map(|line| format!("{line}: put it into a block of `sh` or `console`")),
        );
        for block in &shown.blocks {
            for call in calls(&block.commands) {
                seen += 1;
                wrong.extend(
                    refused(dir.path(), &call).map(|why| format!("{}:{}: {call:?}: {why}", block.file, block.line)),
                );
            }
        }
        for (file, line, code) in &shown.inline {
            for call in calls(code) {
                seen += 1;
                // A word in capitals stands for a value, which may have to be a number.
                let no_such =
                    |why: &String| why.contains("unexpected argument") || why.contains("unrecognized subcommand");
                wrong.extend(
                    refused(dir.path(), &call).filter(no_such).map(|why| format!("{file}:{line}: `{code}`: {why}")),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 60, "only {seen} commands were found");
}

#[test]
fn what_needs_no_host_is_run_as_it_is_shown() {
    let mut ran = 0;
    for path in documents() {
        let dir = tempfile::tempdir().unwrap();
        a_folder_to_work_in(dir.path());
        for block in shown(&path).blocks.iter().filter(|block| block.place == Place::Here) {
            ran += 1;
            if block.commands.contains("fleetclock init") {
                std::fs::remove_file(dir.path().join("fleet.yml")).unwrap();
            }
            let (code, said) = shell(dir.path(), &block.commands);
            assert_eq!(code, Some(0), "{}:{}:\n{}{said}", block.file, block.line, block.commands);
        }
    }
    assert!(ran >= 7, "only {ran} blocks were run");
}

/// An inventory, and two reports as a pipeline leaves them.
fn a_folder_to_work_in(folder: &Path) {
    dead_hosts(folder);
    for (limit, file) in
        [("web01", "yesterday.json"), ("web[01:03]", "today.json"), ("web04", "site1.json"), ("web05", "site2.json")]
    {
        run(folder, &["check", "-q", "-l", limit, "--report", &format!("json={file}")], 4);
    }
}

#[expect(clippy::disallowed_methods, reason = "the shell is a part of what is tried")]
fn shell(folder: &Path, commands: &str) -> (Option<i32>, String) {
    let bin = Path::new(env!("CARGO_BIN_EXE_fleetclock")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let mut bash = Command::new("bash");
    bash.args(["-e", "-u", "-o", "pipefail", "-c", commands]).current_dir(folder).env_clear().env("PATH", path);
    let output = bash.env("HOME", folder).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn an_inventory_that_is_shown_has_no_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for path in documents() {
        for (line, text) in shown(&path).yaml.into_iter().filter(|(_, text)| text.contains("groups:")) {
            seen += 1;
            std::fs::write(dir.path().join("fleet.yml"), text).unwrap();
            let output = fleetclock(dir.path(), &["inventory", "validate"]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}:{line}: {said}", path.display());
        }
    }
    assert!(seen > 0);
}

#[test]
fn every_verb_has_its_line_among_the_commands() {
    let dir = tempfile::tempdir().unwrap();
    let (help, _) = run(dir.path(), &["--help"], 0);
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs: Vec<&str> =
        verbs.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").collect();
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md")).unwrap();
    let missing: Vec<_> = verbs.iter().filter(|verb| !page.contains(&format!("fleetclock {verb}"))).collect();
    assert!(verbs.len() > 15 && missing.is_empty(), "docs/commands.md has not: {missing:?}");
}

#[test]
fn what_is_not_run_is_counted() {
    let mut counted: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for block in all_blocks().into_iter().filter(|block| block.place == Place::Nowhere) {
        *counted.entry(block.file).or_default() += 1;
    }
    let known = NOT_RUN.iter().map(|(file, count)| ((*file).to_owned(), *count)).collect();
    assert_eq!(counted, known, "a block that is `shown` is run by nobody; can it be `sh` or `sh lab`?");
}

#[test]
fn the_program_is_found_in_shell_text() {
    let text = "time fleetclock -i big.yml check # fleetclock no\nA=1 fleetclock verify | jq '.x | fleetclock'; (fleetclock man | man -l -)\n\
        cat >x <<'E'\nfleetclock no\nE\nfleetclock plan \\\n  --out f >g && sudo /usr/bin/fleetclock apply f";
    let found: Vec<String> = calls(text).iter().map(|words| words.join(" ")).collect();
    assert_eq!(found, ["-i big.yml check", "verify", "man", "plan --out f", "apply f"]);
}
