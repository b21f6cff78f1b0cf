use super::*;
use crate::engine::sample;
use crate::facts::assumed;

/// The line of `busctl`, with these servers.
fn bus(system: &str, runtime: &str) -> String {
    format!(
        "a{{sv}} 12 \"LinkNTPServers\" as 0 \"SystemNTPServers\" as {system} \"RuntimeNTPServers\" as {runtime} \
         \"FallbackNTPServers\" as 0 \"ServerName\" s \"10.0.0.1\" \"ServerAddress\" (iay) 2 4 10 0 0 1 \
         \"PollIntervalUSec\" t 64000000 \"Frequency\" x 0"
    )
}

/// Runs shell text on a host where the service says this.
#[expect(clippy::disallowed_methods, reason = "a real shell is the subject of the test")]
fn run(before: &str, properties: &str, text: &str) -> Slice {
    let script = format!(
        "systemctl() {{ :; }}\nbusctl() {{ cat <<'END'\n{properties}\nEND\n}}\ndate() {{ echo 1000; }}\n{before}\n{text}"
    );
    let output = std::process::Command::new("dash").args(["-c", &script]).output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    Slice { stdout, status: output.status.code().unwrap(), ..Slice::default() }
}

#[test]
fn whom_it_was_told_to_ask_is_compared_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fleetclock.conf");
    std::fs::write(&file, "[Time]\nNTP=\nNTP=10.0.0.1 ntp.lab\n").unwrap();
    let changed = |system: &str, runtime: &str, more: &str| {
        let mut seen = run("fc_pid=7", &bus(system, runtime), &runtime::probe(file.to_str().unwrap()));
        seen.stdout.push_str(more);
        runtime::changed(&seen)
    };
    let told = "2 \"10.0.0.1\" \"ntp.lab\"";
    assert_eq!(changed(told, "0", ""), None);
    assert_eq!(changed(told, "1 \"10.0.0.9\"", "").as_deref(), Some("10.0.0.9 added over D-Bus"));
    assert_eq!(changed("0", "0", "").as_deref(), Some("it was told to ask nobody"));
    let (before, after) =
        ("names=/etc/systemd/timesyncd.conf.d/50-a.conf\n", "names=/run/systemd/timesyncd.conf.d/zz.conf\n");
    let said = changed("1 \"10.0.0.3\"", "0", &format!("{after}{before}"));
    assert_eq!(
        said.as_deref(),
        Some(
            "it was told to ask 10.0.0.3: /run/systemd/timesyncd.conf.d/zz.conf comes after ours; take `NTP=` out of it"
        )
    );
    assert_eq!(changed("1 \"10.0.0.3\"", "0", before).as_deref(), Some("it was told to ask 10.0.0.3"));
    // A service that does not answer, or has not yet got its file, differs in other ways.
    assert_eq!(runtime::changed(&run("fc_pid=0", "", &runtime::probe("/nowhere"))), None);
    assert_eq!(runtime::changed(&run("fc_pid=7", &bus("0", "0"), &runtime::probe("/nowhere"))), None);
}

/// An answer counts for three polls of 64 s, and ten seconds.
#[test]
fn whom_it_follows_is_whom_it_has_heard_of_late() {
    let followed = |taken: u32, address: &str| {
        let stat = format!("stat() {{ echo {taken}; }}");
        run(&stat, &bus("0", "0").replace("2 4 10 0 0 1", address), Timesyncd.followed()).stdout
    };
    assert_eq!(followed(798, "2 4 10 0 0 1"), "10.0.0.1\n");
    assert_eq!(followed(797, "2 4 10 0 0 1"), "");
    assert_eq!(followed(1000, "10 16 253 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1"), "fd00:0000:0000:0000:0000:0000:0000:0001\n");
    let ready = |stat: &str| run(&format!("stat() {{ {stat}; }}"), &bus("0", "0"), Timesyncd.ready()).status;
    assert_eq!((ready("echo 990"), ready("return 1")), (0, 1));
}

#[test]
fn it_is_installed_where_a_package_brings_it_and_refused_where_none_does() {
    let time = &sample::host("h1").time;
    let (debian, rhel) = (assumed::linux("debian"), assumed::linux("redhat"));
    assert_eq!((Timesyncd.layout(&debian).package, Timesyncd.refusal(time, &debian)), (UNIT, None));
    let no_clock = TimeSpec { sets_clock: false, ..time.clone() };
    assert!(Timesyncd.refusal(&no_clock, &debian).is_some_and(|(why, _)| why.contains("`sets_clock: false`")));
    assert!(Timesyncd.refusal(time, &rhel).is_some_and(|(why, _)| why.contains("has no systemd-timesyncd")));
    let mut inside = assumed::linux("suse");
    inside
        .units
        .insert(UNIT.to_owned(), crate::facts::Unit { active: false, enabled: String::new(), shown: String::new() });
    assert_eq!((Timesyncd.layout(&inside).package, Timesyncd.refusal(time, &inside)), ("", None));
}

#[test]
fn a_threshold_that_it_does_not_keep_is_said() {
    let said = |step: StepPolicy| {
        let mut time = sample::host("h1").time;
        time.step = step;
        Timesyncd.shortcomings(&time, &assumed::linux("debian"))
    };
    assert!(said(sample::host("h1").time.step).is_empty() && said(StepPolicy::Always { over: USUAL }).is_empty());
    let far = StepPolicy::AtStart { over: Duration::from_secs(10), updates: 3 };
    assert_eq!(said(far), ["timesyncd steps whenever its offset is above 400ms, and not above 10s only"]);
    assert_eq!(Timesyncd.steps(far), StepPolicy::Always { over: STEPS_ABOVE });
}
