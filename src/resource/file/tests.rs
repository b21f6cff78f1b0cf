//! The shell text is run, by real shells.

use super::*;
use proptest::prelude::*;
use std::path::Path;

fn file(dir: &Path, content: &str) -> File {
    File {
        path: dir.join("it's a file.conf").display().to_string(),
        content: content.to_owned(),
        parents: None,
        mode: "0640".into(),
        owner: "root".into(),
        group: "root".into(),
        validate: None,
        shown: Wanted::default(),
        language: None,
    }
}

fn run(dir: &Path, shell: &str, text: &str) -> Slice {
    let keep = dir.join("keep");
    std::fs::create_dir_all(&keep).unwrap();
    // As the engine frames it: a subshell, so that traps and exits are the part's own.
    let text = format!("(set -e\nFC_KEEP={}\n{text}\n)", sh(&keep.display().to_string()));
    #[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
    let output = std::process::Command::new(shell).arg("-c").arg(text).output().unwrap();
    Slice {
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        status: output.status.code().unwrap_or(-1),
    }
}

fn probe(dir: &Path, file: &File) -> Slice {
    run(dir, "sh", &file.probe())
}

fn apply(dir: &Path, file: &File) -> Slice {
    let seen = probe(dir, file);
    run(dir, "sh", &file.fix(&seen, false).unwrap().change)
}

#[test]
fn what_cannot_be_written_is_said_before_it_is_tried() {
    let file = file(Path::new("/etc"), "new\n");
    let seen = |stdout: &str, stderr: &str| Slice { stdout: stdout.into(), stderr: stderr.into(), status: 0 };
    let absent = seen("absent\n", "fc-unwritable /etc/\n");
    let error = file.obstacle(&absent).unwrap();
    assert!(error.to_string().ends_with("has to be written, and /etc cannot be: nothing was changed"), "{error}");
    assert!(crate::exit::hint(&error).is_some_and(|hint| hint.contains("chattr -i /etc`")));
    // The difference is one all the same, with its diff.
    assert_eq!(file.diff(&absent).unwrap().len(), 1);
    assert!(file.obstacle(&seen("absent\n", "other words\n")).is_none());
    for (place, stands) in [("/etc/", false), ("/etc/t.conf", true)] {
        let rights = format!("600 root:root {} 1\n", file.digest());
        assert_eq!(file.obstacle(&seen(&rights, &format!("fc-unwritable {place}\n"))).is_some(), stands, "{place}");
    }
}

#[test]
fn a_real_read_only_place_is_seen() {
    let file = File { path: "/proc/sys/kernel/ostype".into(), ..file(Path::new("/etc"), "new\n") };
    let seen = run(tempfile::tempdir().unwrap().path(), "sh", &file.probe());
    assert!(seen.stderr.starts_with(UNWRITABLE), "{}", seen.stderr);
}

#[test]
fn a_new_file_is_written_and_taken_away_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = file(dir.path(), "a\nb\n");
    let before = probe(dir.path(), &file);
    assert_eq!(before.stdout, "absent\n");
    assert_eq!(apply(dir.path(), &file).stderr, "");
    assert_eq!(file.diff(&probe(dir.path(), &file)).unwrap(), []);
    run(dir.path(), "sh", &file.fix(&before, false).unwrap().undo);
    assert!(!Path::new(&file.path).exists());
}

#[test]
fn folders_are_made_when_that_is_asked_for_and_taken_away_again() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a folder/deep/own.conf");
    let file = File { path: path.display().to_string(), parents: Some("0750".into()), ..file(dir.path(), "a\n") };
    let without = File { parents: None, ..file.clone() };
    assert!(apply(dir.path(), &without).stderr.contains("does not exist"));
    let before = probe(dir.path(), &file);
    assert_eq!(apply(dir.path(), &file).stderr, "");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(path.parent().unwrap()), mode(&dir.path().join("a folder"))), (0o750, 0o750));
    let undo = file.fix(&before, false).unwrap().undo;
    std::fs::write(dir.path().join("a folder/other"), "").unwrap();
    assert_eq!(run(dir.path(), "dash", &undo).stderr, "");
    assert!(!path.parent().unwrap().exists() && dir.path().join("a folder/other").exists());
    std::fs::remove_file(dir.path().join("a folder/other")).unwrap();
    assert_eq!(run(dir.path(), "bash", &undo).status, 0);
    assert!(!dir.path().join("a folder").exists());
}

#[test]
fn undo_gives_the_old_bytes_and_rights_back() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = file(dir.path(), "new\n");
    std::fs::write(&file.path, "old").unwrap();
    std::fs::set_permissions(&file.path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let before = probe(dir.path(), &file);
    let properties: Vec<_> = file.diff(&before).unwrap().into_iter().map(|d| d.property).collect();
    assert_eq!(properties, ["content", "mode"]);
    apply(dir.path(), &file);
    assert_eq!(std::fs::read_to_string(&file.path).unwrap(), "new\n");
    run(dir.path(), "sh", &file.fix(&before, false).unwrap().undo);
    assert_eq!(probe(dir.path(), &file), before);
}

#[test]
fn a_refused_file_leaves_the_old_one_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = file(dir.path(), "new\n");
    file.validate = Some("grep -q old {}".into());
    std::fs::write(&file.path, "old\n").unwrap();
    let result = apply(dir.path(), &file);
    assert!(result.status != 0 && result.stderr.contains("refused"), "{result:?}");
    assert_eq!(std::fs::read_to_string(&file.path).unwrap(), "old\n");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "a temporary file was left");
}

#[test]
fn an_old_secret_is_not_shown_where_the_template_has_none_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("notes/secret-files").display().to_string();
    let sh = |text: &str| run(dir.path(), "sh", &text.replace(NOTED, &own));
    let with = |masked: Option<&str>, content: &str| {
        let hider = crate::text::hide::Hider::new(["hunter2-long"]);
        let shown = masked.map_or(Wanted::plain(Default::default()), |text| Wanted::new(Some(text.to_owned()), hider));
        File { shown, mode: "0644".into(), ..file(dir.path(), content) }
    };
    let diff = |file: &File| file.diff(&sh(&file.probe())).unwrap().remove(0).diff.unwrap();
    let secret = with(Some("# ours\n# tok ***\n"), "# ours\n# tok hunter2-long\n");
    for _ in 0..2 {
        assert_eq!(sh(&secret.fix(&sh(&secret.probe()), false).unwrap().change).status, 0);
    }
    assert_eq!(std::fs::read_to_string(&own).unwrap().lines().count(), 1);
    assert_eq!(secret.diff(&sh(&secret.probe())).unwrap(), []);
    let shown = diff(&with(None, "# ours\n"));
    assert!(shown.contains("-(a line that is not shown") && !shown.contains("hunter2"), "{shown}");
    // Without the note nobody could know.
    std::fs::remove_file(&own).unwrap();
    assert!(diff(&with(None, "# ours\n")).contains("hunter2"));
}

#[test]
fn a_file_that_moved_since_the_review_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let file = file(dir.path(), "new\n");
    std::fs::write(&file.path, "old\n").unwrap();
    let seen = probe(dir.path(), &file);
    std::fs::write(&file.path, "somebody else\n").unwrap();
    let result = run(dir.path(), "sh", &file.fix(&seen, false).unwrap().change);
    assert!(result.status != 0 && result.stderr.contains("changed by somebody else"), "{result:?}");
    assert_eq!(std::fs::read_to_string(&file.path).unwrap(), "somebody else\n");
}

/// Gives a file a list of access and an attribute, or prints what it has: no coreutils for either.
const ATTRIBUTES: &str = "import os, struct, sys
f = sys.argv[1]
if len(sys.argv) > 2:
    entries = [(1, 6, -1), (2, 4, 1000), (4, 4, -1), (16, 4, -1), (32, 4, -1)]
    acl = struct.pack('<I', 2) + b''.join(struct.pack('<HHi', *entry) for entry in entries)
    os.setxattr(f, 'system.posix_acl_access', acl)
    os.setxattr(f, 'user.note', b'mine')
for name in sorted(os.listxattr(f)): print(name, os.getxattr(f, name))";

#[test]
fn access_lists_and_attributes_stay_and_lost_links_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = File { mode: "0644".into(), ..file(dir.path(), "new\n") };
    std::fs::write(&file.path, "old\n").unwrap();
    let attributes = |more: &str| {
        let path = sh(&file.path);
        run(dir.path(), "sh", &format!("python3 -c {} {path} {more}", sh(ATTRIBUTES))).stdout
    };
    let before = attributes("set");
    assert!(before.contains("posix_acl_access") && before.contains("mine"), "{before}");
    std::fs::hard_link(&file.path, dir.path().join("other")).unwrap();
    let seen = probe(dir.path(), &file);
    let deltas = file.diff(&seen).unwrap();
    assert_eq!(
        (deltas[1].property.as_str(), deltas[1].from.as_deref()),
        ("hard links", Some("one file with 1 other name"))
    );
    let fix = file.fix(&seen, false).unwrap();
    assert_eq!(run(dir.path(), "sh", &fix.change).stderr, "");
    assert_eq!((attributes(""), file.diff(&probe(dir.path(), &file)).unwrap()), (before.clone(), vec![]));
    run(dir.path(), "sh", &fix.undo);
    assert_eq!((std::fs::read_to_string(&file.path).unwrap().as_str(), attributes("")), ("old\n", before));
}

#[test]
fn rights_alone_do_not_touch_the_content() {
    let dir = tempfile::tempdir().unwrap();
    let file = file(dir.path(), "same\n");
    std::fs::write(&file.path, "same\n").unwrap();
    let fix = file.fix(&probe(dir.path(), &file), false).unwrap();
    assert!(!fix.change.contains("mktemp"));
    run(dir.path(), "sh", &fix.change);
    assert_eq!(file.diff(&probe(dir.path(), &file)).unwrap(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_text_arrives_as_it_is(content in "[^\\x00]{0,200}") {
        let dir = tempfile::tempdir().unwrap();
        let file = file(dir.path(), &content);
        for shell in ["dash", "bash"] {
            let seen = probe(dir.path(), &file);
            run(dir.path(), shell, &file.fix(&seen, false).unwrap().change);
            prop_assert_eq!(&std::fs::read_to_string(&file.path).unwrap(), &content);
            std::fs::remove_file(&file.path).unwrap();
        }
    }
}

/// The file of a host in the language of chrony, and what is wanted.
fn chrony(dir: &Path, host: &str, wanted: &str) -> File {
    let file = File { language: Some(crate::config::Language::Chrony), mode: "0644".into(), ..file(dir, wanted) };
    std::fs::write(&file.path, host).unwrap();
    std::fs::set_permissions(&file.path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    file
}

fn content(file: &File, dir: &Path) -> Option<Delta> {
    file.diff(&probe(dir, file)).unwrap().into_iter().find(|delta| delta.property == "content")
}

#[test]
fn what_is_only_a_comment_is_no_difference_where_the_language_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let host = "# of web1\nserver  10.0.0.1 iburst\n\nrtcsync\n";
    let file = chrony(dir.path(), host, "# of web2\nrtcsync\nserver 10.0.0.1 iburst\n");
    assert_eq!(content(&file, dir.path()), None);
    // Rights are put right without a word being written.
    let rights = File { mode: "0600".into(), ..file.clone() };
    apply(dir.path(), &rights);
    assert_eq!(std::fs::read_to_string(&file.path).unwrap(), host);
    assert!(content(&File { language: None, ..file.clone() }, dir.path()).is_some());
    assert!(content(&File { content: "server 10.0.0.2 iburst\nrtcsync\n".into(), ..file }, dir.path()).is_some());
}

#[test]
fn what_was_not_read_is_a_difference() {
    let dir = tempfile::tempdir().unwrap();
    let wanted = "server 10.0.0.1 iburst\n";
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("a.conf"), "").unwrap();
    for (host, alike) in [
        (format!("{wanted}include {}\n", at("*.conf")), true),
        (format!("{wanted}include {}\n", at("[a-z].conf")), false),
        (format!("{wanted}include {}\n", at("gone")), false),
        (format!("{wanted}{}", "#\n".repeat(1000)), true),
        (format!("{wanted}{}server 10.9.9.9\n", format!("#{}\n", "x".repeat(1022)).repeat(1 << 10)), false),
    ] {
        let file = chrony(dir.path(), &host, wanted);
        assert_eq!(content(&file, dir.path()).is_none(), alike, "{}", host.get(..80).unwrap_or(&host));
        std::fs::remove_file(&file.path).unwrap();
    }
    // As large as it comes, it is read in no time.
    let large: String = (0..20_000).map(|line| format!("a{line}\n")).collect();
    let lost = content(&chrony(dir.path(), &large, wanted), dir.path()).unwrap().loses;
    assert!(lost.len() == 20_000);
}

#[test]
fn a_host_that_was_never_managed_hears_what_it_loses() {
    let dir = tempfile::tempdir().unwrap();
    let more = dir.path().join("more.conf").display().to_string();
    std::fs::write(&more, "# nothing\nallow 10.0.0.0/8\n").unwrap();
    let host = format!("keyfile /etc/keys\nserver 10.0.0.1 iburst\ninclude {more}\n");
    let file = chrony(dir.path(), &host, "server 10.0.0.1 iburst\nrtcsync\n");
    let delta = content(&file, dir.path()).unwrap();
    assert!(delta.unmanaged);
    assert_eq!(delta.loses, ["keyfile /etc/keys".to_owned(), format!("allow 10.0.0.0/8 ({more}:2)")]);
    // Of a file that not everybody may read, only the names.
    let private = File { mode: "0600".into(), ..file.clone() };
    let loses = content(&private, dir.path()).unwrap().loses;
    assert_eq!(loses[0], "keyfile ***", "{loses:?}");
    let ours = chrony(dir.path(), &format!("# Made by fleetclock from its inventory:\n{host}"), &file.content);
    let delta = content(&ours, dir.path()).unwrap();
    assert!(!delta.unmanaged && delta.loses.is_empty());
    // A line that names another file is a difference in ours, whatever that file says; in one of people its lines count.
    std::fs::write(&more, "rtcsync\n").unwrap();
    let said = format!("server 10.0.0.1 iburst\ninclude {more}\n");
    assert_eq!(content(&chrony(dir.path(), &said, &file.content), dir.path()), None);
    assert!(
        content(&chrony(dir.path(), &format!("# Made by fleetclock\n{said}"), &file.content), dir.path()).is_some()
    );
}
