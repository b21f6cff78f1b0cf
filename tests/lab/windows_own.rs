//! A playbook of one's own on a Windows host: another port and a command; done, moved to another port, and undone.

use crate::fixture::Lab;
use crate::windows::{PASSWORD, inventory};
use crate::windows_safety::TWO;

const STEPS: &str = r#"
- name: Open the port of NTS
  when: host.firewall != "none"
  firewall: { port: 4460/tcp, from: "{{ ntp.serve | join(' ') }}" }
- name: Tell somebody
  command:
    check: 'reg query HKLM\SOFTWARE\Own /v Site'
    run: 'reg add HKLM\SOFTWARE\Own /v Site /d {{ vars.site }} /f'
    undo: 'reg delete HKLM\SOFTWARE\Own /f'
"#;

/// The rules of ours and the value, as they are.
fn state(lab: &Lab) -> String {
    let rules =
        r"reg query HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules";
    let ours = lab.cmd("dmz1", rules);
    let ours: Vec<&str> = ours.lines().filter(|line| line.contains("|Name=fleetclock-")).collect();
    let mut ours: Vec<&str> = ours.iter().filter_map(|line| Some(line.split_once("REG_SZ")?.1.trim())).collect();
    ours.sort_unstable();
    let own = lab.cmd("dmz1", r"reg query HKLM\SOFTWARE\Own /v Site 2>&1");
    let own = own.lines().find(|line| line.contains("REG_SZ")).unwrap_or("nothing").trim().to_owned();
    format!("{}\n{own}", ours.join("\n"))
}

#[test]
#[ignore = "needs the lab: ./test runs it"]
fn a_playbook_of_ones_own_is_done_and_undone_on_windows() {
    let text = inventory(TWO)
        .replace("isolated: true,", "isolated: true, playbook: own, vars: { site: here, key: { env: FC_OWN_KEY } },");
    let lab = Lab::up("vown", &[], &text);
    lab.windows(&["dmz1=2022@10.10.10.1"]);
    let assets = lab.path("own-assets");
    let path = assets.display().to_string();
    assert_eq!(lab.fleetclock(&["assets", "export", &path]).code, 0);
    let usual = std::fs::read_to_string(assets.join("playbooks/windows-w32time.yml")).unwrap();
    let write = |steps: &str| std::fs::write(assets.join("playbooks/own.yml"), format!("{usual}{steps}")).unwrap();
    let with =
        |words: &[&str]| lab.fleetclock_with(&[words, &["-l", "dmz1", "--assets", &path]].concat(), &[PASSWORD, KEY]);
    let applied = || {
        let run = with(&["apply", "--yes"]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!(with(&["check"]).code, 0);
        state(&lab)
    };
    let before = state(&lab);

    // What Windows does not have is known before the host is reached, and so is what is no network.
    for (wrong, why) in [("4460/sctp", "netsh opens tcp and udp"), ("4460/tpc", "`4460/tpc` is no port")] {
        write(&STEPS.replace("4460/tcp", wrong));
        let run = with(&["check"]);
        assert!(run.code == 2 && run.stderr.contains(why), "{}", run.stderr);
    }

    write(STEPS);
    let first = applied();
    assert!(first.contains("|Protocol=6|") && first.contains("|LPort=4460|") && first.contains("here"), "{first}");
    write(&STEPS.replace("4460", "4461"));
    let second = applied();
    assert!(second.contains("fleetclock-4461-tcp") && !second.contains("4460"), "{second}");
    for was in [first, before] {
        let run = lab.fleetclock_with(&["undo", "--yes", "dmz1", "--assets", &path], &[PASSWORD, KEY]);
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        assert_eq!(state(&lab), was);
    }

    // A value that holds a secret is noted: no old one is shown when the playbook has none any more.
    let value = |text: &str| SECRET_STEP.replace("VALUE", text);
    write(&value("{{ vars.key }}"));
    applied();
    assert!(lab.cmd("dmz1", HELD).contains(KEY.1));
    write(&value("plain"));
    let saved = lab.path("evidence.txt").display().to_string();
    for words in [&["check", "-v"][..], &["plan", "--format", "json"], &["doctor", "--save", &saved]] {
        let run = with(words);
        assert!(!(run.stdout.clone() + &run.stderr).contains(KEY.1), "{words:?}: {}{}", run.stdout, run.stderr);
        assert_eq!(run.stdout.contains("plain"), words[0] != "doctor", "{words:?}: {}", run.stdout);
    }
    assert!(!std::fs::read_to_string(&saved).unwrap().contains(KEY.1));
    applied();
    assert!(lab.cmd("dmz1", HELD).contains("plain"));
}

/// The secret of a value below the time service, which `doctor` reads, too.
const KEY: (&str, &str) = ("FC_OWN_KEY", "0ld-s3cret-of-mine");

const HELD: &str = r"reg query HKLM\SYSTEM\CurrentControlSet\Services\W32Time\Own /v Key";

const SECRET_STEP: &str = r"
- name: Keep a key
  registry: { key: 'HKLM\SYSTEM\CurrentControlSet\Services\W32Time\Own', values: { Key: { sz: 'VALUE' } } }
";
