//! systemd-timesyncd as the service of a host: configured, proven, diagnosed, undone. In a path with `slow::`, so that
//! only the slow tier runs it.

mod slow {
    use crate::doctor::{fixes, found, inventory, obey, seen};
    use crate::fixture::Lab;
    use crate::report::{error, host, statuses};

    const HOSTS: &[&str] = &["m1=bookworm@10.10.10.1", "s1=bookworm@10.10.10.2", "s2=trixie@10.10.10.3"];

    const CASE: &str = "timesyncd.yml";

    const FILE: &str = "/etc/systemd/timesyncd.conf.d/fleetclock.conf";

    /// The name of a case, what breaks s1, what is found on it, and what is cleared away after the fix as printed.
    const BREAKS: &[(&str, &str, &str, &str)] = &[
        ("timesyncd-stopped", "systemctl stop systemd-timesyncd", "s1 FC004", "true"),
        ("timesyncd-no-server", "sed -i '/^NTP=1/d' FILE; RESTART", "s1 FC010", "true"),
        (
            "timesyncd-other-file",
            "printf '[Time]\\nNTP=\\nNTP=10.10.10.3\\n' >/etc/systemd/timesyncd.conf.d/zz.conf; RESTART",
            "s1 FC128",
            "rm /etc/systemd/timesyncd.conf.d/zz.conf",
        ),
        (
            "timesyncd-closed",
            "nft add table inet lab; nft 'add chain inet lab in { type filter hook input priority 0; }'; nft add rule inet lab in udp sport 123 drop; RESTART; sleep 10",
            "s1 FC045",
            "nft delete table inet lab",
        ),
    ];

    fn shell(text: &str) -> String {
        text.replace("FILE", FILE).replace("RESTART", "systemctl restart systemd-timesyncd; sleep 2")
    }

    /// What is wanted, with another time service for the slaves.
    fn fleet(provider: &str) -> String {
        inventory(CASE).replace("provider: timesyncd", &format!("provider: {provider}"))
    }

    /// What people see of the service before and after.
    fn state(lab: &Lab) -> String {
        lab.sh("s1", "systemctl is-active systemd-timesyncd; ls -d /etc/systemd/timesyncd.conf.d 2>/dev/null || true")
    }

    #[test]
    #[ignore = "needs the lab: ./test --slow runs it"]
    fn timesyncd_follows_is_diagnosed_and_undone() {
        let lab = Lab::up("timesyncd", HOSTS, &fleet("auto"));
        let before = state(&lab);
        // That the system brought it running is nobody's wish.
        let (_, report) = lab.json(&["plan", "-l", "s1"]);
        assert_eq!(host(&report, "s1")["provider"], "chrony", "{report:#}");

        lab.inventory(&fleet("timesyncd"));
        let (code, report) = lab.json(&["apply", "--yes"]);
        assert_eq!(code, 0, "{report:#}");
        assert_eq!(statuses(&report), ["m1 changed", "s1 changed", "s2 changed"], "{report:#}");
        let (code, report) = lab.json(&["verify"]);
        assert_eq!(code, 0, "{report:#}");
        for name in ["s1", "s2"] {
            let daemon = &host(&report, name)["daemon"];
            assert_eq!(
                (&daemon["provider"], &daemon["source"]),
                (&"timesyncd".into(), &"10.10.10.1".into()),
                "{report:#}"
            );
        }
        assert_eq!(lab.json(&["check"]).0, 0);
        assert_eq!(seen(&found(&lab, "timesyncd-well", CASE)), [""; 0]);

        let mut wrong = Vec::new();
        for (name, broken, code, rest) in BREAKS {
            lab.sh("s1", &shell(broken));
            let report = found(&lab, name, CASE);
            if seen(&report) != [*code] {
                wrong.push(format!("{name}: {:?} and not {code}", seen(&report)));
            }
            if *name == "timesyncd-other-file" {
                let text = lab.fleetclock(&["check", "-l", "s1"]).stdout;
                let said = "told to ask 10.10.10.3: /etc/systemd/timesyncd.conf.d/zz.conf comes after ours";
                wrong.extend((!text.contains(said)).then(|| format!("no `{said}` in\n{text}")));
            }
            wrong.extend(fixes(&report, code).into_iter().map(|fix| obey(&lab, fix)).filter(|said| !said.is_empty()));
            lab.sh("s1", &shell("RESTART"));
            let (_, report) = lab.json(&["doctor", "-l", "s1"]);
            wrong.extend(seen(&report).into_iter().map(|left| format!("{name}: {left} after the fix")));
            lab.sh("s1", rest);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        // A question has started nothing.
        lab.sh("s1", "systemctl stop systemd-timesyncd");
        for verb in ["check", "verify", "doctor", "facts"] {
            lab.json(&[verb, "-l", "s1"]);
            assert_eq!(lab.sh("s1", "systemctl is-active systemd-timesyncd || true"), "inactive", "{verb}");
        }
        lab.sh("s1", "systemctl start systemd-timesyncd");
        the_place_of_another_one(&lab, &before);
    }

    /// It takes over from another service, and gives back to it.
    fn the_place_of_another_one(lab: &Lab, before: &str) {
        for provider in ["chrony", "timesyncd"] {
            lab.inventory(&fleet(provider));
            let (code, report) = lab.json(&["apply", "--yes", "-l", "s1"]);
            assert_eq!(code, 0, "{}", error(&report, "s1"));
        }
        assert_eq!(lab.json(&["verify", "-l", "s1"]).0, 0);
        assert_eq!(lab.json(&["undo", "s1", "--yes"]).0, 0);
        assert_eq!(lab.sh("s1", "systemctl is-active chrony"), "active");
        // One of these runs was the fix of a finding.
        for _ in 0..3 {
            let (code, report) = lab.json(&["undo", "s1", "--yes"]);
            assert_eq!(code, 0, "{report:#}");
        }
        assert_eq!(state(lab), before);
    }
}
