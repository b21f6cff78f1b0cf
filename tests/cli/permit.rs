//! Windows for changes, plans that end, and frozen days.

use super::*;

/// A window of this week day and time of UTC, so many hours from now.
fn window_in(hours: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 3600;
    let at = (now + hours) % 24;
    format!("daily {at:02}:00-{at:02}:59 UTC")
}

#[test]
fn hosts_are_changed_in_their_window_and_on_no_frozen_day() {
    let dir = tempfile::tempdir().unwrap();
    dead_hosts(dir.path());
    let closed = window_in(12);
    let refused = |arguments: &[&str], parts: &[&str]| {
        let (stdout, stderr) = run(dir.path(), arguments, 2);
        let all = parts.iter().all(|part| stderr.contains(part));
        assert!(stdout.is_empty() && all && !stderr.contains("connect"), "{arguments:?}: {stderr}");
    };
    let next = ["no window for changes is open", "by the clock of this machine it is", "the next window opens at"];
    refused(&["apply", "--yes", "--window", &closed], &next);
    run(dir.path(), &["apply", "--yes", "--window", &closed, "--window", "00:00-24:00 UTC"], 4);
    refused(&["apply", "--yes", "--window", "Sat 22:00-02:00"], &["names no time zone"]);
    // A plan says it itself.
    refused(&["plan", "--valid-for", "1h"], &["--out"]);
    refused(&["plan", "--out", "p", "--until", "2026-01-01T00:00:00Z"], &["could never be applied"]);
    let short = ["plan", "--out", "p", "--valid-for", "1h", "--window", &closed];
    refused(&short, &["no window opens before it is over"]);
    run(dir.path(), &["plan", "--out", "p", "--valid-for", "24h", "--window", &closed], 4);
    assert!(run(dir.path(), &["plan", "show", "p"], 0).0.contains(&format!(", in `{closed}`\n")));
    refused(&["apply", "p"], &next);
    refused(&["apply", "p", "--window", "00:00-24:00 UTC"], &["cannot be used with"]);
    run(dir.path(), &["plan", "--out", "p", "--valid-for", "1h", "--window", "00:00-24:00 UTC"], 4);
    let (_, stderr) = run(dir.path(), &["apply", "p"], 4);
    assert!(stderr.contains("the plan may be applied until"), "{stderr}");
    // Frozen days are those of a file, or of the inventory.
    std::fs::write(dir.path().join("days"), "# these\n2000-01-01..2099-12-31 UTC the move\n").unwrap();
    refused(&["apply", "--yes", "--freeze", "days"], &["nothing is changed before", "the move", "--override-freeze"]);
    let text = std::fs::read_to_string(dir.path().join("fleet.yml")).unwrap();
    let text = format!("{text}rollout: {{ freeze: [2000-01-01..2099-12-31 UTC the move] }}\n");
    std::fs::write(dir.path().join("fleet.yml"), text).unwrap();
    refused(&["apply", "--yes"], &["the move"]);
    refused(&["doctor", "--fix", "--yes"], &["the move"]);
    let forced = ["apply", "--yes", "--override-freeze", "ticket 4711", "--format", "json"];
    let (json, stderr) = run(dir.path(), &forced, 4);
    let note = "changed in spite of the freeze `2000-01-01..2099-12-31 UTC the move`: ticket 4711";
    assert!(json.contains(&format!("\"{note}\"")) && stderr.contains(note), "{json}{stderr}");
    let records = run(dir.path(), &["history", "show", "--format", "json"], 0).0;
    assert!(records.contains("ticket 4711"), "{records}");
}
